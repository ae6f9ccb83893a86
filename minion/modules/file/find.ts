/** `file.find`: files below a folder by name, kind, owner, size, age and content. */
import { lstatSync, readdirSync, readFileSync, rmSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Py, PyDict } from '../../../bus/values.ts';
import { fnmatch } from '../../../sls/fnmatch.ts';
import { pyRegex } from '../../../sls/regex.ts';
import { str } from '../../../sls/values.ts';
import { shellSplit } from '../../process/shell-words.ts';
import type { ModuleCtx } from '../contract.ts';
import { gidOf, groupName, lstatOf, modeText, uidOf, userName } from './inspect.ts';

type Test = (dir: string, name: string, s: Stats) => boolean;
/** A bad option: its text is the answer. */
class BadOption extends Error {}

const LETTERS: Readonly<Record<string, string>> = {
  a: 'all',
  b: 'block',
  c: 'char',
  d: 'dir',
  p: 'pipe',
  f: 'file',
  l: 'link',
  s: 'socket',
};
const KINDS: Readonly<Record<string, (s: Stats) => boolean>> = {
  b: (s) => s.isBlockDevice(),
  c: (s) => s.isCharacterDevice(),
  d: (s) => s.isDirectory(),
  p: (s) => s.isFIFO(),
  f: (s) => s.isFile(),
  l: (s) => s.isSymbolicLink(),
  s: (s) => s.isSocket(),
};
const letterOf = (s: Stats): string => Object.keys(KINDS).find((k) => KINDS[k]?.(s)) ?? '?';

function typeTest(v: string): Test {
  const letters = v
    .split(v.includes(',') ? ',' : '')
    .map((w) => w.trim())
    .map((w) => (w.length === 1 ? w : (Object.keys(LETTERS).find((k) => LETTERS[k] === w) ?? w)));
  const bad = letters.find((l) => !(l in LETTERS));
  if (bad !== undefined) throw new BadOption(`invalid file type "${bad}"`);
  return (_d, _n, s) => letters.some((l) => l === 'a' || KINDS[l]?.(s));
}

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

function range(v: string, unit: (text: string) => number, what: string): (n: number) => boolean {
  const m = /^([+-]?)(.+)$/.exec(v.trim());
  if (!m) throw new BadOption(`invalid ${what}: "${v}"`);
  const limit = unit(m[2] as string);
  return m[1] === '+' ? (n) => n >= limit : m[1] === '-' ? (n) => n <= limit : (n) => n === limit;
}
function sizeOf(text: string): number {
  const m = /^(\d+(?:\.\d+)?)([bkmgt]?)$/i.exec(text);
  if (!m) throw new BadOption(`invalid size: "${text}"`);
  return Number(m[1]) * (UNITS[(m[2] as string).toLowerCase()] ?? 1);
}
const SPANS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 };
function secondsOf(text: string): number {
  let seconds = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)\s*([wdhms])/gi, (_, n: string, unit: string) => {
    seconds += Number(n) * (SPANS[unit.toLowerCase()] as number);
    return '';
  });
  if (/^\d+$/.test(rest)) return Number(rest) * 86_400;
  if (rest.trim()) throw new BadOption(`invalid time interval: "${text}"`);
  return seconds;
}

function ownerTest(v: Py, id: (v: Py) => Py, of: (s: Stats) => number, what: string): Test {
  const wanted = (Array.isArray(v) ? (v as Py[]) : str(v).split(',')).map((x) => {
    const text = typeof x === 'string' ? x.trim() : x;
    const n = typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : id(text);
    if (n === '') throw new BadOption(`no such ${what} "${str(text)}"`);
    return n;
  });
  return (_d, _n, s) => wanted.includes(of(s));
}

function tests(o: PyDict): Test[] {
  const out: Test[] = [];
  const now = Date.now() / 1000;
  for (const [key, v] of o)
    switch (str(key)) {
      case 'name':
        out.push((_d, n) => fnmatch(n, str(v)));
        break;
      case 'iname':
        out.push((_d, n) => fnmatch(n.toLowerCase(), str(v).toLowerCase()));
        break;
      case 'regex':
      case 'iregex': {
        const re = pyRegex(str(v), key === 'iregex' ? 'i' : '');
        out.push((_d, n) => re.match(n) !== null);
        break;
      }
      case 'type':
        out.push(typeTest(str(v)));
        break;
      case 'owner':
        out.push(ownerTest(v, uidOf, (s) => s.uid, 'user'));
        break;
      case 'group':
        out.push(ownerTest(v, gidOf, (s) => s.gid, 'group'));
        break;
      case 'size': {
        const fits = range(str(v), sizeOf, 'size');
        out.push((_d, _n, s) => fits(s.size));
        break;
      }
      case 'mtime': {
        const span = str(v).trim();
        const limit = secondsOf(span.replace(/^[+-]/, ''));
        out.push((_d, _n, s) =>
          span.startsWith('-') ? now - s.mtimeMs / 1000 >= limit : now - s.mtimeMs / 1000 <= limit,
        );
        break;
      }
      case 'grep': {
        const re = pyRegex(str(v));
        out.push((d, n, s) => {
          if (!s.isFile()) return false;
          try {
            return readFileSync(join(d, n), 'utf8')
              .split('\n')
              .some((l) => re.search(l));
          } catch {
            // A file that cannot be read holds nothing we could find.
            return false;
          }
        });
        break;
      }
    }
  return out;
}

const FIELDS: Readonly<Record<string, (path: string, s: Stats) => Py>> = {
  group: (_p, s) => groupName(s.gid),
  md5: () => null,
  mode: (_p, s) => Number.parseInt(modeText(s.mode), 8),
  mtime: (_p, s) => Math.floor(s.mtimeMs / 1000),
  name: (p) => basename(p),
  path: (p) => p,
  size: (_p, s) => s.size,
  type: (_p, s) => letterOf(s),
  user: (_p, s) => userName(s.uid),
};

const KNOWN = new Set(['name', 'iname', 'regex', 'iregex', 'type', 'owner', 'group', 'size', 'mtime', 'grep']);
const ACTIONS = new Set(['print', 'exec', 'delete', 'maxdepth', 'mindepth']);

function glob(pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return lstatOf(pattern) ? [pattern] : [];
  const dir = dirname(pattern);
  const last = basename(pattern);
  const dirs = /[*?[]/.test(dir) ? glob(dir) : [dir];
  return dirs.flatMap((d) => {
    try {
      return readdirSync(d)
        .filter((n) => (last.startsWith('.') || !n.startsWith('.')) && fnmatch(n, last))
        .sort()
        .map((n) => join(d, n));
    } catch (e) {
      const code = (e as NodeJS.ErrnoException).code;
      if (code === 'ENOTDIR' || code === 'ENOENT' || code === 'EACCES') return [];
      throw e;
    }
  });
}

/** Paths that a shell pattern fits, sorted. */
export const globPaths = glob;

/** Runs a search; a bad option's complaint is the answer, as `error: …`. */
export function find(path: string, args: readonly Py[], options: PyDict, ctx: ModuleCtx): Py {
  const o = new PyDict<Py>([...options].filter(([k]) => !str(k).startsWith('_')));
  if (args.includes('delete')) o.set('delete', 'f');
  else if (args.includes('print')) o.set('print', 'path');
  try {
    const bad = [...o.keys()].map((k) => str(k)).find((k) => !KNOWN.has(k) && !ACTIONS.has(k));
    if (bad !== undefined) throw new BadOption(`invalid criterion "${bad}"`);
    const fits = tests(o);
    const deletes = o.has('delete') ? typeTest(str(o.get('delete') as Py)) : undefined;
    const fields = o.has('print') ? str(o.get('print') as Py).split(/[\s,]+/) : ['path'];
    const most = o.has('maxdepth') ? Number(str(o.get('maxdepth') as Py)) : Number.POSITIVE_INFINITY;
    const least = o.has('mindepth') ? Number(str(o.get('mindepth') as Py)) : 0;
    const out: Py[] = [];
    const visit = (dir: string, name: string, depth: number): void => {
      const full = join(dir, name);
      const s = lstatOf(full);
      if (!s) return;
      if (s.isDirectory() && depth < most)
        try {
          for (const n of readdirSync(full).sort()) visit(full, n, depth + 1);
        } catch (e) {
          if ((e as NodeJS.ErrnoException).code !== 'EACCES') throw e;
          ctx.log.warning(`${full} cannot be read`);
        }
      if (depth < least || !fits.every((t) => t(dir, name, s))) return;
      if (deletes?.(dir, name, s)) rmSync(full, { recursive: s.isDirectory(), force: true });
      if (o.has('exec')) {
        const words = shellSplit(str(o.get('exec') as Py)).map((w) => w.replaceAll('{}', full));
        out.push(ctx.salt.call('cmd.run', [words], { python_shell: false }));
        return;
      }
      const row = fields.map((f) => FIELDS[f]?.(full, s) ?? null);
      out.push(row.length === 1 ? (row[0] as Py) : row);
    };
    for (const p of glob(path)) {
      const s = lstatSync(p);
      if (s.isDirectory()) {
        if (least === 0 && fits.every((t) => t(dirname(p), basename(p), s)))
          out.push(fields.length === 1 && fields[0] === 'path' ? p : fields.map((f) => FIELDS[f]?.(p, s) ?? null));
        for (const n of most < 1 ? [] : readdirSync(p).sort()) visit(p, n, 1);
      } else visit(dirname(p), basename(p), 0);
    }
    return out.sort((a, b) => (str(a) < str(b) ? -1 : 1));
  } catch (e) {
    if (e instanceof BadOption) return `error: ${e.message}`;
    throw e;
  }
}
