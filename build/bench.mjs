// npm run bench: builds, then measures speed and memory; see test/bench/main.ts for the options.
import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(resolve(dirname(fileURLToPath(import.meta.url)), '..'));
// As the launchers do: with this set, Node parses a whole CA file at each start.
delete process.env.NODE_EXTRA_CA_CERTS;
const run = (...argv) => spawnSync(process.execPath, argv, { stdio: 'inherit' }).status ?? 1;
if (!process.argv.includes('--no-build') && run('build/build.mjs')) process.exit(1);
const words = process.argv.slice(2).filter((a) => a !== '--no-build');
process.exit(run('dist/test/bench/main.js', ...words));
