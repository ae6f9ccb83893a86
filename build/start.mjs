// npm start: installs and builds what is missing, then runs a master and a minion under ./var with a live event tail.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = (cmd, args, options = {}) => {
  const r = spawnSync(cmd, args, { cwd: root, stdio: 'inherit', ...options });
  if (r.status !== 0) process.exit(r.status ?? 1);
};

if (!existsSync(join(root, 'node_modules', 'esbuild'))) {
  console.log('Installing packages (once) …');
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
const newest = (dir) =>
  readdirSync(dir, { withFileTypes: true }).reduce((t, e) => {
    const p = join(dir, e.name);
    return Math.max(t, e.isDirectory() ? newest(p) : statSync(p).mtimeMs);
  }, 0);
const built = existsSync(join(root, 'dist', 'VERSION')) ? statSync(join(root, 'dist', 'VERSION')).mtimeMs : 0;
if (['bus', 'sls', 'returners', 'reactor', 'minion', 'master', 'build'].some((d) => newest(join(root, d)) > built)) {
  console.log('Building …');
  run(process.execPath, ['build/build.mjs']);
}
const { spawn } = await import('node:child_process');
const child = spawn(join(root, 'bin', 'brine'), process.argv.slice(2), { cwd: root, stdio: 'inherit' });
// The terminal sends Ctrl-C to both; this process only waits for the other's end.
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => s === 'SIGTERM' && child.kill('SIGTERM'));
child.on('exit', (code) => process.exit(code ?? 1));
