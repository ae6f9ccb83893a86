// npm run conformance: builds, then runs the recorded answers of the reference; the arguments are the runner's (see --help).
// BRINE_BUILD builds into another folder than dist, leaving out what does not build.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const other = process.env.BRINE_BUILD;
const run = (args, env = {}) => {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_EXTRA_CA_CERTS: '', ...env },
  });
  if (status !== 0) process.exit(status ?? 1);
};
const what = other ? ['--tests', '--lenient', 'test/conformance/main.ts'] : [];
run([join(root, 'build/build.mjs'), ...what]);
const built = other ?? 'dist';
run([join(root, built, 'test/conformance/main.js'), ...process.argv.slice(2)], { BRINE_BUILD: built });
