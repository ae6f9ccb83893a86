/** Runs recorded state runs for real in a scratch folder: results in order, and the files they leave. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Py, PyDict } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { besides } from './case-files.ts';
import type { CaseResult } from './result.ts';
import { SlsPlace } from './sls-place.ts';

const dictOf = (v: Py | undefined): PyDict => (v instanceof PyDict ? v : new PyDict());

/** Lays the files that a case starts from. */
function lay(work: string, before: PyDict): void {
  mkdirSync(work, { recursive: true });
  for (const [path, what] of before) {
    const full = join(work, String(path));
    mkdirSync(dirname(full), { recursive: true });
    const d = dictOf(what);
    const mode = Number.parseInt(String(d.get('mode') ?? (d.has('dir') ? '755' : '644')), 8);
    if (d.has('link')) symlinkSync(String(d.get('link')), full);
    else if (d.has('dir')) {
      mkdirSync(full, { recursive: true });
      chmodSync(full, mode);
    } else {
      writeFileSync(full, typeof what === 'string' ? what : String(d.get('text') ?? ''));
      chmodSync(full, mode);
    }
  }
}

/** The tree that a case leaves, as recorded. */
function tree(work: string): { [path: string]: unknown } {
  const out: { [path: string]: unknown } = {};
  const walk = (rel: string): void => {
    for (const name of readdirSync(join(work, rel)).sort()) {
      const path = rel ? `${rel}/${name}` : name;
      const s = lstatSync(join(work, path));
      const mode = `0${(s.mode & 0o7777).toString(8).padStart(3, '0')}`;
      if (s.isSymbolicLink()) out[path] = { link: readlinkSync(join(work, path)) };
      else if (s.isDirectory()) {
        out[path] = { dir: true, mode };
        walk(path);
      } else if (s.isFile()) {
        const bytes = readFileSync(join(work, path));
        const text = bytes.toString('utf8');
        out[path] = Buffer.from(text).equals(bytes)
          ? { text, mode }
          : { text: { '!bytes': bytes.toString('base64') }, mode };
      } else out[path] = { other: true, mode };
    }
  };
  walk('');
  return out;
}

/** What differs from run to run, made the same on both sides. */
function normal(text: string): string {
  return text
    .replace(/Traceback \(most recent call last\):\n(?: {2}.*\n)*/g, 'TRACEBACK\n')
    .replace(/_?__salt\.tmp\.[\w]+/g, '__salt.tmp.X')
    .replace(/0x[0-9a-f]{6,}/g, '0xADDR')
    .replace(/\b\w{3}_\w{3}_\d\d_\d\d:\d\d:\d\d_\d+_\d{4}\b/g, 'STAMP');
}

type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** Plain data with the keys of every map sorted. */
function plain(v: unknown, change: (text: string) => string): Plain {
  if (typeof v === 'string') return change(v);
  if (Array.isArray(v)) return v.map((x) => plain(x, change));
  if (v instanceof Map)
    return Object.fromEntries(
      [...v]
        .map(([k, x]): [string, Plain] => [change(String(k)), plain(x, change)])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  if (typeof v === 'object' && v !== null) {
    const value = v.valueOf();
    if (typeof value === 'number') return value;
    return Object.fromEntries(
      Object.entries(v)
        .map(([k, x]): [string, Plain] => [change(k), plain(x, change)])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  return typeof v === 'bigint' ? Number(v) : ((v ?? null) as Plain);
}

/** The results of a run in their order, as recorded; anything else as it is. */
function shown(answer: PyDict): PyDict {
  const ret = answer.get('return');
  const isRun =
    ret instanceof PyDict &&
    ret.size > 0 &&
    [...ret.values()].every((v) => v instanceof PyDict && v.has('__run_num__'));
  if (!isRun) return answer;
  const states = [...(ret as PyDict)]
    .sort(([, a], [, b]) => Number((a as PyDict).get('__run_num__')) - Number((b as PyDict).get('__run_num__')))
    .map(([key, v]) => {
      const one = new PyDict(v as PyDict);
      one.delete('start_time');
      one.delete('duration');
      one.set('key', key);
      const changes = one.get('changes');
      if (changes instanceof PyDict && changes.has('pid')) {
        const c = new PyDict(changes);
        c.set('pid', 'PID');
        one.set('changes', c);
      }
      return one;
    });
  return new PyDict<Py>([
    ['states', states],
    ['retcode', answer.get('retcode') ?? null],
  ]);
}

function inside(v: Py, root: string): Py {
  if (typeof v === 'string') return v.replaceAll('ROOT', root);
  if (Array.isArray(v)) return v.map((x) => inside(x as Py, root));
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]): [Py, Py] => [inside(k, root), inside(x, root)]));
  return v;
}

function runCase(c: PyDict, grains: PyDict): CaseResult {
  const name = String(c.get('name'));
  const place = new SlsPlace(c, grains);
  const mask = process.umask(0o022);
  try {
    // The folder's name is only known now: files are written again with it.
    for (const [root, key] of [
      ['states', 'files'],
      ['pillar', 'pillar_files'],
    ] as const)
      for (const [path, text] of dictOf(c.get(key)))
        writeFileSync(join(place.root, root, String(path)), String(inside(text, place.root)));
    const work = join(place.root, 'work');
    lay(work, inside(dictOf(c.get('before')), place.root) as PyDict);
    const got = (c.get('calls') as Py[]).map((call) =>
      shown(place.call(inside(call, place.root), place.calls(), true)),
    );
    const own = (t: string): string => normal(t.replaceAll(place.root, 'ROOT'));
    const mine = { expected: plain(got, own), after: plain(tree(work), own) };
    const want = { expected: plain(c.get('expected'), normal), after: plain(c.get('after'), normal) };
    if (isDeepStrictEqual(mine, want)) return { name, ok: true };
    return { name, ok: false, detail: `got      ${JSON.stringify(mine)}\nrecorded ${JSON.stringify(want)}` };
  } catch (e) {
    return { name, ok: false, detail: `crash: ${e instanceof Error ? e.stack : String(e)}` };
  } finally {
    process.umask(mask);
    place.close();
  }
}

/** Every case of a recorded file. */
export function runStateRun(file: string): CaseResult[] {
  const cases = parseJson(readFileSync(file, 'utf8')) as PyDict[];
  const grains = parseJson(readFileSync(besides(file, 'grains.json'), 'utf8')) as PyDict;
  return cases.map((c) => runCase(c, grains));
}
