import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

/** What each room may import of ours: whole rooms, or single files of a room. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  bus: ['bus'],
  sls: ['sls', 'bus/errors.ts', 'bus/log.ts', 'bus/opts.ts', 'bus/values.ts', 'bus/jid.ts', 'bus/version.ts'],
  returners: ['returners', 'bus', 'sls/json.ts'],
  reactor: ['reactor', 'bus', 'sls'],
  minion: ['minion', 'bus', 'sls', 'returners', 'reactor/schedule.ts'],
  master: ['master', 'bus', 'sls', 'returners', 'reactor', 'minion/call.ts', 'minion/call-local.ts'],
  api: ['api', 'bus/event.ts', 'bus/program.ts', 'sls/output', 'master/client.ts'],
};

/** Packages that only these rooms may load. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  zeromq: ['bus'],
  lmdb: ['bus'],
  nats: ['bus', 'returners'],
  bullmq: ['bus'],
  ioredis: ['bus', 'returners'],
  mysql2: ['returners'],
  pg: ['returners'],
  nunjucks: ['sls'],
  'js-yaml': ['sls'],
  esbuild: ['sls'],
  croner: ['reactor'],
  rxjs: ['bus', 'reactor', 'minion', 'master', 'api'],
};

function sources(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    return e.isDirectory() ? sources(path) : e.name.endsWith('.ts') ? [path] : [];
  });
}

/** Specifiers of every import, export-from, import() and require() of a file. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const out: string[] = [];
  for (const re of [/\bfrom\s+'([^']+)'/g, /^\s*import\s+'([^']+)'/gm, /\b(?:import|require)\(\s*'([^']+)'\s*\)/g])
    for (const m of text.matchAll(re)) out.push(m[1] as string);
  return out;
}

const files = Object.keys(MAY).flatMap(sources);

test('imports point left only', () => {
  const broken: string[] = [];
  for (const file of files) {
    const room = file.split('/')[0] as string;
    for (const spec of imports(file)) {
      // A path put together at run time is a plug-in or a system file, found by its own loader.
      if (!/^[@a-z.][\w@./:-]*$/.test(spec)) continue;
      if (!spec.startsWith('.')) {
        const name = spec.startsWith('@') ? spec.split('/').slice(0, 2).join('/') : (spec.split('/')[0] as string);
        if (spec.startsWith('node:')) continue;
        if (!PACKAGES[name]) broken.push(`${file}: package ${name} is in no room's list`);
        else if (!PACKAGES[name].includes(room)) broken.push(`${file}: ${room} may not load ${name}`);
        continue;
      }
      const target = normalize(join(dirname(file), spec));
      if (!existsSync(target)) broken.push(`${file}: ${spec} does not exist`);
      const allowed = (MAY[room] as readonly string[]).some((a) => target === a || target.startsWith(`${a}/`));
      if (!allowed) broken.push(`${file}: ${room} -> ${target} is a wrong arrow`);
    }
  }
  assert.deepEqual(broken, []);
});

test('no circle of files loads itself', () => {
  const graph = new Map(
    files.map((f) => [
      f,
      imports(f)
        .filter((s) => s.startsWith('.'))
        .map((s) => normalize(join(dirname(f), s))),
    ]),
  );
  // Type-only imports are erased, so they may point back within a room.
  for (const [file] of graph) {
    const text = readFileSync(file, 'utf8');
    const typed = [...text.matchAll(/import type [^;]*? from '([^']+)'/gs)].map((m) =>
      normalize(join(dirname(file), m[1] as string)),
    );
    const valued = [...text.matchAll(/(?:^|\n)(?:import|export)\s+(?!type\b)[^;]*? from '([^']+)'/gs)].map((m) =>
      normalize(join(dirname(file), m[1] as string)),
    );
    graph.set(
      file,
      (graph.get(file) as string[]).filter((t) => valued.includes(t) || !typed.includes(t)),
    );
  }
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const walk = (file: string, path: string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    const text = readFileSync(file, 'utf8');
    const lazy = new Set(
      [...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)].map((m) => normalize(join(dirname(file), m[1] as string))),
    );
    for (const t of graph.get(file) ?? []) if (graph.has(t) && !lazy.has(t)) walk(t, [...path, file]);
    state.set(file, 'done');
  };
  for (const f of files) walk(f, []);
  assert.deepEqual(circles, []);
});

test('a daemon file stays wiring: at most 300 lines; other files at most 950', () => {
  const long: string[] = [];
  for (const f of files) {
    const lines = readFileSync(f, 'utf8').split('\n').length;
    const most = ['master/master.ts', 'minion/minion.ts', 'reactor/reactor.ts', 'api/api.ts'].includes(f) ? 300 : 950;
    if (lines > most) long.push(`${f}: ${lines} lines`);
  }
  assert.deepEqual(long, []);
});
