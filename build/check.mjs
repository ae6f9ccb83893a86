// npm run check: types, lint and format, layers, names, unit tests. Fast; run before each commit.
import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const bin = (name) => join(root, 'node_modules', '.bin', name);
const env = { ...process.env, NODE_EXTRA_CA_CERTS: '' };
const start = Date.now();

function run(title, cmd, args) {
  return new Promise((ok) => {
    const child = spawn(cmd, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (out += d));
    child.on('close', (code) => {
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
      if (code !== 0) console.log(out);
      else {
        const counts = out.split('\n').filter((l) => /^(#|ℹ) (tests|pass|fail|skipped) /.test(l));
        if (counts.length) console.log(`     ${counts.map((l) => l.replace(/^\S+ /, '')).join(', ')}`);
      }
      ok(code === 0);
    });
  });
}

const results = await Promise.all([
  run('types', bin('tsc'), ['--noEmit']),
  run('lint and format', bin('biome'), ['check', '--error-on-warnings', '.']),
]);
results.push(await run('layers, names and unit tests', process.execPath, ['build/test.mjs', '--unit']));
console.log(`${results.every(Boolean) ? 'fine' : 'not fine'} after ${((Date.now() - start) / 1000).toFixed(1)} s`);
process.exit(results.every(Boolean) ? 0 : 1);
