// Builds dist/ (or, with --tests, .build/ with the test files as further entries).
// esbuild splits the sources into shared chunks as ES modules; each output is then turned into CommonJS, which Node starts
// about 10 ms faster and which lets a loader `require` a plug-in synchronously while every class keeps a single identity.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transformSync } from 'esbuild';
import { packCommands } from './pack.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const tests = process.argv.includes('--tests');
/** Builds what it can: an entry with an error is left out with a warning instead of failing the build (for work in progress). */
const lenient = process.argv.includes('--lenient');
/** With test files named, only they (and the product's own entries, unless --alone) are built. */
const alone = process.argv.includes('--alone');
const chosen = process.argv
  .slice(2)
  .filter((a) => a.endsWith('.ts'))
  .map((f) => resolve(f));
const out = join(root, tests ? (process.env.BRINE_BUILD ?? '.build') : 'dist');
const rooms = ['bus', 'sls', 'returners', 'reactor', 'minion', 'master'];

/** Folders whose files are plug-ins: every file at their top level is an entry of its own, loaded on first use. */
const plugins = [
  'returners',
  'sls/output',
  'minion/modules',
  'minion/states',
  'minion/grains',
  'minion/beacons',
  'master/runners',
  'master/wheel',
  'master/engines',
  'master/eauth',
  'master/pillars',
  'master/rosters',
];
/** Files that are started as programs or loaded by name besides the plug-ins. */
const programs = ['bus/program.ts', 'minion/own-pillar.ts', 'minion/job-process.ts', 'master/job-process.ts'];

function files(dir, deep) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    if (e.isDirectory()) return deep ? files(path, deep) : [];
    return e.name.endsWith('.ts') && !e.name.endsWith('.d.ts') ? [path] : [];
  });
}

const entries = new Set(chosen);
if (!alone)
  for (const dir of plugins)
    for (const f of files(join(root, dir), false)) if (!f.endsWith(`${sep}contract.ts`)) entries.add(f);
if (!alone) for (const room of rooms) for (const f of files(join(root, room, 'cli'), false)) entries.add(f);
if (!alone) for (const p of programs) if (existsSync(join(root, p))) entries.add(join(root, p));
if (!chosen.length)
  for (const f of files(join(root, 'test'), true))
    if (tests || /test\/(bench|conformance)\/[^/]+\.ts$/.test(f)) if (tests || !f.endsWith('.test.ts')) entries.add(f);

const options = () => ({
  entryPoints: [...entries],
  outbase: root,
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  // The one package that is bundled: as installed it loads two hundred files, some 80 ms and 4 MiB of each daemon.
  alias: { rxjs: join(root, 'node_modules/rxjs/dist/esm/index.js') },
  chunkNames: 'chunks/[name]-[hash]',
  write: false,
  sourcemap: tests ? 'inline' : false,
  logLevel: lenient ? 'silent' : 'warning',
});

let result;
for (;;)
  try {
    result = await build(options());
    break;
  } catch (e) {
    const broken = lenient
      ? (e.errors ?? []).map((x) => resolve(x.location?.file ?? '')).filter((f) => entries.has(f))
      : [];
    if (!broken.length) {
      if (lenient) for (const x of e.errors ?? []) console.error(`${x.location?.file}:${x.location?.line}: ${x.text}`);
      process.exit(1);
    }
    for (const f of broken) {
      console.error(`left out (does not build): ${relative(root, f)}`);
      entries.delete(f);
    }
  }

rmSync(out, { recursive: true, force: true });
for (const file of result.outputFiles) {
  const rel = relative(out, file.path);
  const up = relative(dirname(file.path), out) || '.';
  const code = transformSync(file.text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    sourcemap: tests ? 'inline' : false,
    banner: file.text.includes('__brine_dist')
      ? `const __brine_dist = require('node:path').resolve(__dirname, ${JSON.stringify(up)});`
      : '',
  }).code;
  mkdirSync(dirname(file.path), { recursive: true });
  writeFileSync(join(out, rel), code);
}
writeFileSync(join(out, 'package.json'), '{"type":"commonjs"}\n');
for (const dir of ['minion/python', 'sls/python'])
  if (existsSync(join(root, dir)))
    for (const f of readdirSync(join(root, dir)).filter((n) => n.endsWith('.py'))) {
      mkdirSync(join(out, dir), { recursive: true });
      copyFileSync(join(root, dir, f), join(out, dir, f));
    }
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
writeFileSync(join(out, 'VERSION'), `${version}\n`);
if (!tests) packCommands(root, out, rooms);
