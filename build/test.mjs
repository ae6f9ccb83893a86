// Runs tests: all of them, or the files named. Builds first. Options: --alone (do not build the product's entries), --lenient.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceHome } from './prepare-tests.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const args = process.argv.slice(2);
const flags = args.filter((a) => a === '--alone' || a === '--lenient');
const named = args.filter((a) => a.endsWith('.test.ts')).map((f) => relative(root, resolve(f)));
const rooms = args.filter((a) => a.startsWith('--room=')).map((a) => a.slice(7));
/** Tests that start daemons or services, need the reference, or run every recorded answer once more. */
const NOT_UNIT =
  /^test\/(flows|interop|tour|bench|services|returners)\/|(bullmq|conformance|minion\/minion|pillar-process|salt-call|cli\/[a-z-]+)\.test\.ts$/;
/** Unit tests only: fast, with nothing but Node. */
const unit = args.includes('--unit');
const out = process.env.BRINE_BUILD ?? '.build';

const run = (cmd, argv, env = {}) =>
  spawnSync(cmd, argv, { stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1;

if (!named.length && !rooms.length && !unit) {
  if (run(process.execPath, ['build/prepare-tests.mjs'])) process.exit(1);
  if (run(process.execPath, ['build/build.mjs'])) process.exit(1);
}
if (run(process.execPath, ['build/build.mjs', '--tests', ...flags, ...named])) process.exit(1);

const all = (dir) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? all(join(dir, e.name)) : e.name.endsWith('.test.ts') ? [join(dir, e.name)] : [],
  );
const files = named.length
  ? named
  : all('test')
      .filter((f) => !unit || !NOT_UNIT.test(f))
      .filter((f) => !rooms.length || rooms.some((r) => f.startsWith(`test/${r}`)));
const built = files.map((f) => join(out, f.replace(/\.ts$/, '.js')));
// Tests with daemons share the machine's cores: files run two at a time.
process.exit(
  run(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-concurrency=2', '--test-timeout=1200000', ...built],
    {
      NODE_EXTRA_CA_CERTS: '',
      ...(process.env.BRINE_SALT_REF || !existsSync(join(referenceHome, 'COMPLETE'))
        ? {}
        : { BRINE_SALT_REF: join(referenceHome, 'bin') }),
      BRINE_BUILD: out,
    },
  ),
);
