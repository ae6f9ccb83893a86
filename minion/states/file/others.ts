/** Rarer file states: the cache, patches, retention of backups, beacons. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { bind } from '../../../sls/bind.ts';
import type { Args } from '../../../sls/signature.ts';
import { str, truth } from '../../../sls/values.ts';
import { hashOf, isAbs, isDir, lstatOf, pathOf, realPath } from '../../modules/file/inspect.ts';
import { remove } from '../../modules/file/paths.ts';
import { isWeb, parseSource, redacted, type Sum, sourceList, sourceSum } from '../../modules/file/source.ts';
import { shellSplit } from '../../process/shell-words.ts';
import { which } from '../../process/which.ts';
import type { StateCtx } from '../contract.ts';
import { managed } from './managed.ts';
import { answer, changesOf, fail, kwargsOf, on, say, warn } from './result.ts';
import { SIG } from './signatures.ts';

/** `file.cached`. */
export function cached(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const saltenv = str(a['saltenv'] ?? 'base');
  const ret = answer(name, false);
  const skip = on(a, 'skip_verify');
  const etag = on(a, 'use_etag');
  const given = a['source_hash'] ?? '';
  if (!skip && !truth(given) && !etag && isWeb(name))
    return fail(
      ret,
      `Unable to verify upstream hash of source file ${redacted(name)}, please set source_hash or set skip_verify or use_etag to True`,
    );
  let sum: Sum | undefined;
  if (truth(given))
    try {
      sum = sourceSum(
        { file: '', source: name, hash: given, name: a['source_hash_name'] ?? null, saltenv, verifySsl: true },
        ctx,
      );
    } catch (e) {
      if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
      return fail(ret, e.message);
    }
  const own = ctx.opts.str('hash_type', 'sha256');
  const there = (): string => str(ctx.salt.call('cp.is_cached', [name], { saltenv }));
  if (ctx.test) {
    const path = there();
    if (!path) return say(ret, null, `File will be cached: ${name}`);
    if (!sum) return say(ret, null, `No hash found. File will be cached: ${name}`);
    return say(
      ret,
      null,
      hashOf(path, own) === sum.sum
        ? `File already cached: ${name}`
        : `Hashes don't match.\nFile will be cached: ${name}`,
    );
  }
  const { scheme, path: local } = parseSource(name);
  if (scheme === '' || scheme === 'file') {
    const full = realPath(pathOf(local));
    if (!existsSync(full)) return fail(ret, `File ${full} is not present on the minion`);
    if (skip || !sum) return say(ret, true, `File ${full} is present on the minion`);
    const now = hashOf(full, sum.type);
    return now === sum.sum
      ? say(ret, true, `File ${full} is present on the minion and has hash ${now}`)
      : fail(
          ret,
          `File ${full} is present on the minion, but the hash (${now}) does not match the specified hash (${sum.sum})`,
        );
  }
  const type = sum?.type ?? own;
  const old = there();
  const before = old ? hashOf(old, type) : null;
  let path: Py;
  try {
    path = ctx.salt.call('cp.cache_file', [name], { saltenv, source_hash: sum?.sum ?? null, use_etag: etag });
  } catch (e) {
    return fail(ret, redacted(messageOf(e)));
  }
  if (!truth(path)) return fail(ret, `Failed to cache ${redacted(name)}, check minion log for more information`);
  const now = hashOf(str(path), type);
  if (before !== now)
    changesOf(ret).set(
      'hash',
      new PyDict<Py>([
        ['old', before],
        ['new', now],
      ]),
    );
  if (skip || !sum) return say(ret, true, `File is cached to ${str(path)}`);
  return now === sum.sum
    ? say(ret, true, `File is already cached to ${str(path)} with hash ${now}`)
    : fail(ret, `File is cached to ${str(path)}, but the hash (${now}) does not match the specified hash (${sum.sum})`);
}

/** `file.not_cached`. */
export function notCached(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name, false);
  const { scheme, path } = parseSource(name);
  if (scheme === '' || scheme === 'file')
    return say(ret, true, `File ${realPath(pathOf(path))} is a local path, no action taken`);
  const copy = str(ctx.salt.call('cp.is_cached', [name], { saltenv: a['saltenv'] ?? 'base' }));
  if (!copy) return say(ret, true, `${name} is not cached`);
  try {
    rmSync(copy);
  } catch (e) {
    return fail(ret, `Failed to delete ${copy}: ${messageOf(e)}`);
  }
  changesOf(ret).set('deleted', true);
  return say(ret, true, `${copy} was deleted`);
}

/** `file.mod_run_check_cmd`. */
export function modRunCheckCmd(a: Args, ctx: StateCtx): Py {
  const r = ctx.salt.call('cmd.run_all', [`${str(a['cmd'] as Py)} ${str(a['filename'] as Py)}`], kwargsOf(a)) as PyDict;
  if (r.get('retcode') === 0) return true;
  const said = [r.get('stdout'), r.get('stderr')].filter((t) => truth(t ?? null)).map((t) => str(t as Py));
  return new PyDict<Py>([
    ['comment', ['check_cmd execution failed', ...said].join('\n')],
    ['skip_watch', true],
    ['result', false],
  ]);
}

/** `file.mod_beacon`. */
export function modBeacon(a: Args, ctx: StateCtx): Py {
  const name = str(a['name'] as Py);
  const kwargs = kwargsOf(a);
  const sfun = str(kwargs.get('sfun') ?? null);
  if (sfun !== 'managed' && sfun !== 'directory')
    return answer(name, false, `file.${sfun} does not work with the beacon state function`);
  if (!truth(kwargs.get('beacon') ?? null)) return answer(name, true, 'Not adding beacon.');
  const given = kwargs.get('beacon_data');
  const of = (key: string, otherwise: Py): Py => (given instanceof PyDict ? (given.get(key) ?? otherwise) : otherwise);
  const data = new PyDict<Py>([['mask', of('mask', ['create', 'delete', 'modify'])]]);
  if (sfun === 'directory') {
    data.set('auto_add', of('auto_add', true));
    data.set('recurse', of('recurse', true));
    data.set('exclude', of('exclude', []));
  }
  return ctx.states.call('beacon.present', [], {
    name: `beacon_inotify_${name}`,
    files: new PyDict([[name, data]]),
    interval: of('interval', 60),
    coalesce: of('coalesce', false),
    beacon_module: 'inotify',
  });
}

/** `file.shortcut`: there are none here. */
export function shortcut(a: Args): PyDict {
  return fail(answer(a['name'] as Py), 'Shortcuts are only supported on Windows');
}

const REFUSED = ['-N', '--forward', '-r', '--reject-file', '-o', '--output'];

/** Options of patch without those about stripping, which it is told by number. */
function patchOptions(given: Py, strip: Py): { options: string[]; strip: Py } | { error: string } {
  const words = shellSplit(str(given));
  const options: string[] = [];
  const bad: string[] = [];
  let own = strip;
  for (let i = 0; i < words.length; i++) {
    const w = words[i] as string;
    if (REFUSED.some((r) => w.startsWith(r))) bad.push(w);
    let digits: string | undefined;
    if (w.startsWith('-p')) digits = w.slice(2);
    else if (w.startsWith('--strip')) digits = w.includes('=') ? w.slice(w.lastIndexOf('=') + 1) : (words[++i] ?? '');
    if (digits === undefined) options.push(w);
    else if (/^\d+$/.test(digits)) own = Number(digits);
    else
      return {
        error: `Invalid format for '${w.startsWith('-p') ? '-p' : '-strip'}' CLI option. Consider using the 'strip' option for this state.`,
      };
  }
  if (bad.length) return { error: `The following CLI options are not allowed: ${bad.join(', ')}` };
  return { options, strip: own };
}

/** `file.patch`. */
export function patch(a: Args, ctx: StateCtx): PyDict {
  const given = str(a['name'] ?? '');
  const ret = answer(given, false);
  if (!which('patch')) return fail(ret, 'patch executable not found on minion');
  if (!given) return fail(ret, 'A file/directory to be patched is required');
  const name = pathOf(given);
  if (!isAbs(name)) return fail(ret, `${name} is not an absolute path`);
  if (!existsSync(name)) return fail(ret, `${name} does not exist`);
  for (const k of ['hash', 'dry_run_first'])
    if (kwargsOf(a).has(k)) warn(ret, `The '${k}' argument is no longer used and has been ignored.`);
  const reject = a['reject_file'] ?? null;
  if (reject !== null) {
    const folder = dirname(str(reject));
    if (!isAbs(folder)) return fail(ret, `'${str(reject)}' is not an absolute path`);
    if (!isDir(folder))
      return fail(
        ret,
        `Parent directory for reject_file '${str(reject)}' either does not exist, or is not a directory`,
      );
  }
  const wanted = patchOptions(a['options'] ?? '', a['strip'] ?? null);
  if ('error' in wanted) return fail(ret, wanted.error);
  let source: string;
  try {
    source = str(sourceList(a['source'] ?? null, a['source_hash'] ?? null, ctx.saltenv, ctx)[0]);
  } catch (e) {
    if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
    return fail(ret, e.message);
  }
  if ((a['saltenv'] ?? null) !== null && source.startsWith('salt://')) {
    if (source.includes('?saltenv='))
      warn(ret, "Ignoring 'saltenv' option in favor of saltenv included in the source URL.");
    else source += `?saltenv=${str(a['saltenv'] as Py)}`;
  }
  const folder = mkdtempSync(join(tmpdir(), '__salt.tmp.'));
  const test = ctx.test;
  try {
    const file = join(folder, 'patch');
    const real: StateCtx = Object.assign(Object.create(ctx) as StateCtx, { test: false });
    const before = ctx.opts.get('test') ?? null;
    ctx.opts.set('test', false);
    let got: PyDict;
    try {
      const args: { [k: string]: Py } = { name: file, source };
      for (const k of ['source_hash', 'source_hash_name', 'skip_verify', 'template', 'context', 'defaults'])
        args[k] = a[k] ?? null;
      got = managed(bind('', SIG.managed, [], args), real);
    } finally {
      ctx.opts.set('test', before);
    }
    if (!test && got.get('result') !== true) return got;
    if (!existsSync(file)) writeFileSync(file, '');
    const run = (input: string, more: string[], dry = false): PyDict =>
      ctx.salt.call('file.patch', [name, input], { options: [...wanted.options, ...more], dry_run: dry }) as PyDict;
    const strip = isDir(name) && wanted.strip !== null ? [`-p${str(wanted.strip)}`] : [];
    const rejects = reject === null ? join(folder, 'rejects') : str(reject);
    const tried = run(file, ['-N', '-r', rejects, '-o', join(folder, 'output'), ...strip]);
    if (tried.get('retcode') !== 0) {
      if (!existsSync(rejects) || statSync(rejects).size === 0) return fail(ret, str(tried.get('stderr') ?? ''));
      const back = run(rejects, ['-R', '-f'], true);
      if (tried.get('retcode') === 2 && truth(tried.get('stderr') ?? ''))
        return fail(ret, str(tried.get('stderr') ?? ''));
      if (back.get('retcode') === 0) return say(ret, true, 'Patch was already applied');
      const shown = [...tried].map(([k, v]) => `              ${str(k)}:\n                  ${str(v)}`).join('\n');
      return fail(
        ret,
        `Patch would not apply cleanly, no changes made. Results of dry-run are below.${reject === null ? ' Run state again using the reject_file option to save rejects to a persistent file.' : ''}\n\n${shown}`,
      );
    }
    if (test) {
      ret.set('changes', tried);
      return say(ret, null, 'The patch would be applied');
    }
    const done = run(file, strip);
    ret.set('changes', done);
    return done.get('retcode') === 0
      ? say(ret, true, 'Patch successfully applied')
      : fail(ret, 'Failed to apply patch');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const FIELDS: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d\\d)',
  m: '(?<m>1[0-2]|0?[1-9])',
  d: '(?<d>3[01]|[12]\\d|0?[1-9])',
  H: '(?<H>2[0-3]|[01]?\\d)',
  M: '(?<M>[0-5]?\\d)',
  S: '(?<S>[0-6]?\\d)',
  f: '(?<f>\\d{1,6})',
  b: '(?<b>[A-Za-z]{3})',
  B: '(?<B>[A-Za-z]+)',
  j: '(?<j>\\d{1,3})',
  '%': '%',
};

/** Reads a time out of a name by a Python format; undefined where it does not fit. Times count as UTC, as the reference counts them. */
function timeIn(name: string, format: string): Date | undefined {
  const pattern = format
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/%([A-Za-z%])/g, (all, c: string) => FIELDS[c] ?? all);
  const g = new RegExp(`^${pattern}$`).exec(name)?.groups ?? (new RegExp(`^${pattern}$`).test(name) ? {} : undefined);
  if (!g) return undefined;
  const n = (k: string, otherwise: number): number => (g[k] === undefined ? otherwise : Number(g[k]));
  const word = (g['b'] ?? g['B'])?.slice(0, 3).toLowerCase();
  const month = word === undefined ? n('m', 1) - 1 : MONTHS.indexOf(word);
  if (month < 0) return undefined;
  const year = g['y'] === undefined ? n('Y', 1900) : n('y', 0) + (n('y', 0) < 69 ? 2000 : 1900);
  const date =
    g['j'] === undefined ? new Date(Date.UTC(year, month, n('d', 1))) : new Date(Date.UTC(year, 0, n('j', 1)));
  if (g['j'] === undefined && date.getUTCMonth() !== month) return undefined;
  date.setUTCHours(n('H', 0), n('M', 0), n('S', 0));
  return date;
}

type Tree = Map<number, Tree | string>;
function put(tree: Tree, keys: readonly number[], name: string): void {
  const [first, ...rest] = keys as [number, ...number[]];
  if (!rest.length) {
    tree.set(first, name);
    return;
  }
  let next = tree.get(first);
  if (!(next instanceof Map)) {
    next = new Map();
    tree.set(first, next);
  }
  put(next, rest, name);
}
function firstOf(t: Tree | string): string {
  return typeof t === 'string' ? t : firstOf(t.get(Math.min(...t.keys())) as Tree | string);
}
/** The first of each of the newest `count` groups at a depth. */
function firstAt(t: Tree | string, depth: number, count: number): Set<string> {
  if (depth <= 0 || typeof t === 'string') return new Set([firstOf(t)]);
  const out = new Set<string>();
  for (const k of [...t.keys()].sort((x, y) => y - x)) {
    if (out.size >= count) break;
    for (const f of firstAt(t.get(k) as Tree | string, depth - 1, count - out.size)) out.add(f);
  }
  return out;
}
function isoWeek(d: Date): number {
  const t = new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate()));
  t.setUTCDate(t.getUTCDate() + 4 - (t.getUTCDay() || 7));
  return Math.ceil(((t.getTime() - Date.UTC(t.getUTCFullYear(), 0, 1)) / 86_400_000 + 1) / 7);
}
const DEPTH: Readonly<Record<string, number>> = {
  first_of_year: 1,
  first_of_month: 2,
  first_of_day: 3,
  first_of_hour: 4,
  most_recent: 5,
};

/** `file.retention_schedule`. */
export function retention(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.retention_schedule');
  if (!isDir(name)) return fail(ret, 'Name provided to file.retention must be a directory');
  const format = a['strptime_format'] ?? null;
  const byDay: Tree = new Map();
  const byWeek: Tree = new Map();
  const relevant = new Set<string>();
  const ignored = new Set<string>(['.', '..']);
  for (const f of readdirSync(name)) {
    const s = lstatOf(join(name, f));
    let t = truth(format) ? timeIn(f, str(format)) : undefined;
    if (!truth(format) && s) {
      const local = new Date(s.mtimeMs);
      t = new Date(
        Date.UTC(
          local.getFullYear(),
          local.getMonth(),
          local.getDate(),
          local.getHours(),
          local.getMinutes(),
          local.getSeconds(),
        ),
      );
    }
    if (!t) {
      ignored.add(f);
      continue;
    }
    const stamp = truth(format) ? t.getTime() / 1000 : (s?.mtimeMs ?? 0) / 1000;
    put(byDay, [t.getUTCFullYear(), t.getUTCMonth() + 1, t.getUTCDate(), t.getUTCHours(), stamp], f);
    put(byWeek, [t.getUTCFullYear(), isoWeek(t), (t.getUTCDay() + 6) % 7, stamp], f);
    relevant.add(f);
  }
  const retained = new Set<string>();
  for (const [rule, count] of a['retain'] as PyDict) {
    const n = count === 'all' ? Number.MAX_SAFE_INTEGER : Number(str(count));
    const depth = DEPTH[str(rule)];
    if (rule !== 'first_of_week' && depth === undefined) throw new SaltError('KeyError', `'${str(rule)}'`);
    for (const f of rule === 'first_of_week' ? firstAt(byWeek, 2, n + 1) : firstAt(byDay, depth as number, n))
      retained.add(f);
  }
  const down = (s: Iterable<string>): string[] => [...s].sort().reverse();
  const gone = down([...relevant].filter((f) => !retained.has(f)));
  if (gone.length)
    ret.set(
      'changes',
      new PyDict<Py>([
        ['retained', down(retained)],
        ['deleted', gone],
        ['ignored', down(ignored)],
      ]),
    );
  if (ctx.test)
    return say(ret, gone.length ? null : true, `${gone.length} backups would have been removed from ${name}.\n`);
  for (const f of gone) remove(join(name, f));
  return say(ret, true, `${gone.length} backups were removed from ${name}.\n`);
}
