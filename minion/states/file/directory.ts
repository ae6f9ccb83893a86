/** `file.directory` and `file.recurse`: folders, their owners and modes, and what is in them. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { bind } from '../../../sls/bind.ts';
import { saltUrl } from '../../../sls/files/client.ts';
import { fnmatch } from '../../../sls/fnmatch.ts';
import { pyRegex } from '../../../sls/regex.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import {
  factsOf,
  gidOf,
  isAbs,
  isDir,
  isFile,
  isLink,
  isThere,
  normalMode,
  normalPath,
  pathOf,
  uidOf,
} from '../../modules/file/inspect.ts';
import { remove } from '../../modules/file/paths.ts';
import { checkPerms, makedirs, makedirsPerms, mkdir } from '../../modules/file/perms.ts';
import type { StateCtx } from '../contract.ts';
import { symlink } from './links.ts';
import { managed } from './managed.ts';
import { answer, changesOf, fail, kwargsOf, missingOwners, on, ownerOf, say, textList } from './result.ts';
import { SIG } from './signatures.ts';

/** A folder with the names of the folders and files in it. */
type Level = readonly [dir: string, dirs: string[], files: string[]];

/** Every folder below one, top down, in the order of the file system; links to folders are named but not entered. */
export function walk(top: string, depth = Number.POSITIVE_INFINITY): Level[] {
  const out: Level[] = [];
  const visit = (dir: string, level: number): void => {
    if (level >= depth || !isDir(dir)) return;
    const dirs: string[] = [];
    const files: string[] = [];
    for (const e of readdirSync(dir, { withFileTypes: true }))
      (e.isDirectory() || (e.isSymbolicLink() && isDir(join(dir, e.name))) ? dirs : files).push(e.name);
    out.push([dir, dirs, files]);
    for (const d of dirs) if (!isLink(join(dir, d))) visit(join(dir, d), level + 1);
  };
  visit(top, 0);
  return out;
}

/** Whether a path is taken by patterns: shell patterns, or `E@` and a regular expression. */
export function isWanted(path: string, include: Py, exclude: Py): boolean {
  const fits = (pattern: Py): boolean => {
    const p = str(pattern);
    return p.startsWith('E@') ? pyRegex(p.slice(2)).search(path) !== null : fnmatch(path, p);
  };
  const any = (patterns: Py): boolean => (Array.isArray(patterns) ? (patterns as Py[]).some(fits) : fits(patterns));
  return (!truth(include) || any(include)) && !(truth(exclude) && any(exclude));
}

const KINDS = ['user', 'group', 'mode', 'ignore_files', 'ignore_dirs', 'silent'] as const;

/** What `recurse` asks for. Throws SaltError for what it cannot. */
function recurseSet(recurse: Py): Set<string> {
  if (!truth(recurse)) return new Set();
  if (!Array.isArray(recurse)) throw new SaltError('TypeError', '"recurse" must be formed as a list of strings');
  const set = new Set((recurse as Py[]).map((r) => str(r)));
  if ([...set].some((s) => !KINDS.includes(s as (typeof KINDS)[number])))
    throw new SaltError('ValueError', `Types for "recurse" limited to ${KINDS.map((k) => `"${k}"`).join(', ')}.`);
  if (set.has('ignore_files') && set.has('ignore_dirs'))
    throw new SaltError(
      'ValueError',
      'Must not specify "recurse" options "ignore_files" and "ignore_dirs" at the same time.',
    );
  return set;
}

function meta(path: string, user: Py, group: Py, mode: Py, follow: boolean): PyDict {
  const f = factsOf(path, follow);
  if (!f) return new PyDict([['directory', 'new']]);
  const out = new PyDict<Py>();
  if (user !== null && user !== f.user && user !== f.uid) out.set('user', user);
  if (group !== null && group !== f.group && group !== f.gid) out.set('group', group);
  if (mode !== null && mode !== f.mode && (follow || f.type !== 'link')) out.set('mode', mode);
  return out;
}

/** Paths that required states keep in a folder that is cleaned. */
function keptBy(name: string, require: Py, ctx: StateCtx): string[] {
  const keep = new Set<string>();
  for (const one of Array.isArray(require) ? (require as Py[]) : []) {
    if (!(one instanceof PyDict) || !one.has('file')) continue;
    const wanted = one.get('file');
    for (const low of ctx.lowstate) {
      if (low.get('name') !== wanted && low.get('__id__') !== wanted) continue;
      const path = str(low.get('name') ?? '');
      if (!isDir(path)) {
        keep.add(path);
        continue;
      }
      if (relative(name, path).startsWith('..')) continue;
      if (low.get('fun') === 'recurse') {
        try {
          for (const k of planned(path, foundSources(low.get('source') ?? [], ctx), low, ctx).keep) keep.add(k);
        } catch (e) {
          if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
        }
      } else
        for (const [dir, dirs, files] of walk(path)) {
          keep.add(dir);
          for (const n of [...dirs, ...files]) keep.add(join(dir, n));
        }
    }
  }
  return [...keep];
}

/** Removes what is not kept; answers what was (or under test would be) removed. */
function clean(root: string, keep: readonly string[], exclude: Py, ctx: StateCtx): string[] {
  const stay = new Set<string>([root]);
  for (const k of keep) {
    if (!isAbs(k)) continue;
    for (let p = normalPath(k); ; p = dirname(p)) {
      stay.add(p);
      if (p === '/' || p === '.') break;
    }
  }
  const removed: string[] = [];
  for (const [dir, dirs, files] of walk(root))
    for (const n of [...dirs, ...files]) {
      const path = join(dir, n);
      if (stay.has(path) || !isThere(path) || !isWanted(relative(root, path), null, exclude)) continue;
      removed.push(path);
      if (!ctx.test) rmSync(path, { recursive: true, force: true });
    }
  return removed;
}

interface FolderWish {
  user: Py;
  group: Py;
  readonly recurse: Py;
  readonly dirMode: string | null;
  readonly fileMode: string | null;
  readonly clean: boolean;
  readonly require: Py;
  readonly exclude: Py;
  readonly depth: number | undefined;
  readonly follow: boolean;
  readonly childrenOnly: boolean;
}

/** What a folder would change: result, comment and changes as the reference tells them beforehand. */
function checkDirectory(name: string, w: FolderWish, ctx: StateCtx): { result: Py; comment: string; changes: PyDict } {
  const changes = new PyDict<PyDict>();
  let { user, group, dirMode, fileMode } = w;
  const levels = truth(w.recurse) || w.clean ? walk(name, w.depth) : [];
  if (truth(w.recurse)) {
    let set: Set<string>;
    try {
      set = recurseSet(w.recurse);
    } catch (e) {
      return { result: false, comment: messageOf(e), changes };
    }
    if (!set.has('user')) user = null;
    if (!set.has('group')) group = null;
    if (!set.has('mode')) [dirMode, fileMode] = [null, null];
    for (const [dir, dirs, files] of levels) {
      const look = (n: string, mode: Py): void => {
        const m = meta(join(dir, n), user, group, mode, w.follow);
        if (m.size) changes.set(join(dir, n), m);
      };
      if (!set.has('ignore_files')) for (const f of files) look(f, fileMode);
      if (!set.has('ignore_dirs')) for (const d of dirs) look(d, dirMode);
    }
  }
  if (!w.childrenOnly) {
    const m = meta(name, user, group, dirMode, w.follow);
    if (m.size) changes.set(name, m);
  }
  if (w.clean) {
    const keep = keptBy(name, w.require, ctx);
    for (const [dir, dirs, files] of levels)
      for (const n of [...files, ...dirs]) {
        const path = join(dir, n);
        if (keep.some((k) => k.includes(path)) || !isWanted(relative(name, path), null, w.exclude)) continue;
        changes.set(path, new PyDict([['removed', 'Removed due to clean']]));
      }
  }
  if (!isDir(name)) changes.set(name, new PyDict([['directory', 'new']]));
  if (!changes.size) return { result: true, comment: `The directory ${name} is in the correct state`, changes };
  const lines = [...changes].flatMap(([path, m]) =>
    [...(m as PyDict)].map(([k, v]) => `${str(path)}: ${str(k)} - ${str(v)}\n`),
  );
  return { result: null, comment: ['The following files will be changed:\n', ...lines].join(''), changes };
}

/** Makes way for a folder where something else is; a result ends the state. */
function makeWay(name: string, a: Args, ret: PyDict, ctx: StateCtx): PyDict | undefined {
  const force = on(a, 'force');
  const changes = changesOf(ret);
  if (!isFile(name) && !((!on(a, 'allow_symlink') || force) && isLink(name))) return undefined;
  const backup = a['backupname'] ?? null;
  if (backup !== null) {
    const to = str(backup);
    if (isThere(to)) {
      if (!force) return fail(ret, `File exists where the backup target ${to} should go`);
      if (ctx.test) changes.set('forced', `Existing file at backup path ${to} would be removed`);
      else remove(to);
    }
    if (ctx.test) {
      changes.set('backup', `${name} would be renamed to ${to}`);
      changes.set(name, new PyDict([['directory', 'new']]));
      return say(ret, null, `${name} would be backed up and replaced with a new directory`);
    }
    renameSync(name, to);
  } else if (force) {
    const what = isFile(name) ? 'File' : 'Symlink';
    if (!ctx.test) rmSync(name);
    changes.set('forced', `${what} ${ctx.test ? 'would be' : 'was'} forcibly replaced`);
  } else return fail(ret, `Specified location ${name} exists and is a ${isFile(name) ? 'file' : 'symlink'}`);
  return undefined;
}

/** `file.directory`. */
export function directory(a: Args, ctx: StateCtx): PyDict {
  let name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.directory');
  if (name.endsWith('/') && name !== '/') name = name.slice(0, -1);
  const depth = a['max_depth'] ?? null;
  if (depth !== null && on(a, 'clean')) return fail(ret, 'Cannot specify both max_depth and clean');
  const user = ownerOf(a, ctx);
  const group = a['group'] ?? null;
  const given = truth(a['dir_mode'] ?? null)
    ? (a['dir_mode'] as Py)
    : (kwargsOf(a).get('mode') ?? a['dir_mode'] ?? null);
  const dirMode = normalMode(given);
  const wish: FolderWish = {
    user,
    group,
    recurse: a['recurse'] ?? null,
    dirMode,
    fileMode: normalMode(truth(a['file_mode'] ?? null) ? (a['file_mode'] as Py) : given),
    clean: on(a, 'clean'),
    require: a['require'] ?? null,
    exclude: a['exclude_pat'] ?? null,
    depth: depth === null ? undefined : Number(depth),
    follow: on(a, 'follow_symlinks'),
    childrenOnly: on(a, 'children_only'),
  };
  const missing = missingOwners(user, group, ctx);
  if (missing) return fail(ret, missing);
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  const ended = makeWay(name, a, ret, ctx);
  if (ended) return ended;
  const checked = checkDirectory(name, wish, ctx);
  for (const [k, v] of checked.changes) changesOf(ret).set(k, v);
  if (ctx.test || !changesOf(ret).size) return say(ret, checked.result, checked.comment);
  if (!isDir(name)) {
    if (!isDir(dirname(name))) {
      if (!on(a, 'makedirs')) return fail(ret, `No directory to create ${name} in`);
      makedirs(name, user, group, dirMode, ctx);
    }
    mkdir(name, user, group, dirMode, ctx);
    if (!isDir(name)) return fail(ret, `Failed to create directory ${name}`);
    changesOf(ret).set(name, new PyDict([['directory', 'new']]));
    return ret;
  }
  if (!wish.childrenOnly) checkPerms(name, ret, { user, group, mode: dirMode, follow: wish.follow }, ctx);
  const errors = truth(wish.recurse) ? below(name, wish, ret, ctx) : [];
  if (wish.clean) {
    const removed = clean(name, keptBy(name, wish.require, ctx), wish.exclude, ctx);
    if (removed.length) {
      changesOf(ret).set('removed', removed);
      ret.set('comment', `Files cleaned from directory ${name}`);
    }
  }
  if (!truth(ret.get('comment') as Py)) {
    if (wish.childrenOnly) ret.set('comment', `Directory ${name}/* updated`);
    else if (changesOf(ret).size) ret.set('comment', `Directory ${name} updated`);
  }
  if (!changesOf(ret).size && ret.get('result')) {
    const own = str(ret.get('comment') as Py);
    ret.set('comment', [`Directory ${name} is in the correct state`, ...(own ? [own] : [])].join('\n'));
  }
  if (errors.length)
    fail(
      ret,
      `${str(ret.get('comment') as Py)}\n\nThe following errors were encountered:\n${errors.map((e) => `\n- ${e}`).join('')}`,
    );
  return ret;
}

/** Owners and modes of everything below a folder; answers what went wrong. */
function below(name: string, w: FolderWish, ret: PyDict, ctx: StateCtx): string[] {
  let set: Set<string>;
  try {
    set = recurseSet(w.recurse);
  } catch (e) {
    fail(ret, messageOf(e));
    return [];
  }
  const owner = (kind: 'user' | 'group', value: Py): Py => {
    if (!set.has(kind)) return null;
    if (!truth(value) && value !== 0)
      fail(ret, `${kind} not specified, but configured as a target for recursive ownership management`);
    else if ((kind === 'user' ? uidOf(value) : gidOf(value)) === '')
      fail(
        ret,
        kind === 'user'
          ? `Failed to enforce ownership for user ${str(value)} (user does not exist)`
          : `Failed to enforce group ownership for group ${str(value)}`,
      );
    return value;
  };
  const user = owner('user', w.user);
  const group = owner('group', w.group);
  const mode = set.has('mode');
  if (set.has('silent')) ret.set('changes', new PyDict([['recursion', 'Changes silenced']]));
  const errors: string[] = [];
  const one = (path: string, m: Py): void => {
    try {
      checkPerms(path, ret, { user, group, mode: mode ? m : null, follow: w.follow }, ctx);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      if (!e.message.startsWith('Path not found')) errors.push(e.message);
    }
  };
  for (const [dir, dirs, files] of walk(name, w.depth)) {
    if (!set.has('ignore_files')) for (const f of files) one(join(dir, f), w.fileMode);
    if (!set.has('ignore_dirs')) for (const d of dirs) one(join(dir, d), w.dirMode);
  }
  return errors;
}

/** Sources of a recursion that are folders of the file server. Throws CommandExecutionError when none is. */
function foundSources(given: Py, ctx: StateCtx): string[] {
  const sources = textList(given).map((s) => s.replace(/\/+$/, ''));
  const bad = sources.find((s) => !s.startsWith('salt://'));
  if (bad !== undefined)
    throw new SaltError('CommandExecutionError', `Invalid source '${bad}' (must be a salt:// URI)`);
  const dirs = new Map<string, Set<string>>();
  const found = sources.filter((s) => {
    const u = saltUrl(s);
    const env = u.saltenv ?? ctx.saltenv;
    let own = dirs.get(env);
    if (!own) {
      own = new Set((ctx.salt.call('cp.list_master_dirs', [], { saltenv: env }) as Py[]).map((d) => str(d)));
      dirs.set(env, own);
    }
    return own.has(u.path);
  });
  if (!found.length) throw new SaltError('CommandExecutionError', 'none of the specified sources were found');
  return found;
}

interface Plan {
  readonly files: Map<string, string>;
  readonly dirs: Set<string>;
  readonly links: Map<string, string>;
  readonly keep: Set<string>;
}

/** What a recursion puts where. `o` holds the options of the state. */
function planned(name: string, sources: readonly string[], o: PyDict, ctx: StateCtx): Plan {
  const flag = (key: string): boolean => truth(o.get(key) ?? false);
  const depth = o.get('maxdepth') ?? null;
  const plan: Plan = { files: new Map(), dirs: new Set(), links: new Map(), keep: new Set() };
  const above = new Set<string>();
  const taken = (dest: string): boolean => {
    if (above.has(dest)) return true;
    for (let p = dest; p !== '/' && p !== '.'; p = dirname(p)) if (plan.files.has(p) || plan.links.has(p)) return true;
    return false;
  };
  for (const source of flag('merge') ? sources : sources.slice(0, 1)) {
    const u = saltUrl(source);
    const env = u.saltenv ?? ctx.saltenv;
    const root = u.path.endsWith('/') ? u.path : `${u.path}/`;
    const inside = (path: string): string | undefined => {
      if (!path.trim() || !path.startsWith(root)) return undefined;
      const rel = path.slice(root.length);
      if (!rel || rel === '.' || rel.split('/').includes('..')) return undefined;
      if (depth !== null && rel.split('/').length - 1 > Number(depth)) return undefined;
      return isWanted(rel, o.get('include_pat') ?? null, o.get('exclude_pat') ?? null) ? rel : undefined;
    };
    let files = (ctx.salt.call('cp.list_master', [env, root]) as Py[]).map((f) => str(f));
    if (flag('keep_symlinks')) {
      const links = ctx.salt.call('cp.list_master_symlinks', [env, root]);
      for (const [from, to] of links instanceof PyDict ? links : []) {
        const own = str(from);
        const before = files.length;
        files = files.filter((f) => f !== own && !f.startsWith(`${own}/`));
        const wasDir = before - files.length > 1;
        const rel = inside(own);
        if (rel === undefined) continue;
        const dest = join(name, rel);
        const target = normalPath(join(dirname(dest), str(to)));
        if (taken(dest) || (!wasDir && plan.dirs.has(target))) continue;
        plan.links.set(dest, str(to));
        plan.keep.add(dest);
      }
    }
    for (const f of files) {
      const rel = inside(f);
      if (rel === undefined) continue;
      const dest = join(name, rel);
      if (taken(dest)) continue;
      plan.keep.add(dest);
      plan.dirs.add(dirname(dest));
      for (let p = dirname(dest); p !== '/' && p !== '.'; p = dirname(p)) above.add(p);
      plan.files.set(dest, `salt://${f}${env === 'base' && !u.saltenv ? '' : `?saltenv=${env}`}`);
    }
    if (flag('include_empty'))
      for (const d of ctx.salt.call('cp.list_master_dirs', [env, root]) as Py[]) {
        const rel = inside(str(d));
        if (rel === undefined) continue;
        const dest = join(name, rel);
        if (taken(dest)) continue;
        plan.dirs.add(dest);
        above.add(dest);
        plan.keep.add(dest);
      }
  }
  return plan;
}

/** `file.recurse`. */
export function recurse(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const kwargs = kwargsOf(a);
  kwargs.delete('env');
  const user = ownerOf(a, ctx);
  const group = a['group'] ?? null;
  const ret = answer(name);
  if (kwargs.has('mode'))
    return fail(ret, "'mode' is not allowed in 'file.recurse'. Please use 'file_mode' and 'dir_mode'.");
  const dirMode = normalMode(a['dir_mode'] ?? null);
  const keepMode = isStr(a['file_mode'] ?? null) && str(a['file_mode'] as Py).toLowerCase() === 'keep';
  const fileMode = keepMode ? 'keep' : normalMode(a['file_mode'] ?? null);
  const missing = missingOwners(user, group, ctx);
  if (missing) return fail(ret, missing);
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  let sources: string[];
  try {
    sources = foundSources(a['source'] as Py, ctx);
  } catch (e) {
    if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
    return fail(ret, `Recurse failed: ${e.message}`);
  }
  if (!isDir(name)) {
    if (existsSync(name)) return fail(ret, `The path ${name} exists and is not a directory`);
    if (!ctx.test) makedirsPerms(name, user, group, dirMode, ctx);
  }
  const comments = new Map<string, string[]>();
  const merge = (path: string, one: PyDict): void => {
    if (one.get('result') === false || ret.get('result') === true) ret.set('result', one.get('result') ?? null);
    const text = one.get('comment') ?? '';
    if (one.get('result') !== true && truth(text))
      comments.set(path, [
        ...(comments.get(path) ?? []),
        ...(Array.isArray(text) ? (text as Py[]).map((t) => str(t)) : [str(text)]),
      ]);
    if (truth(one.get('changes') ?? null)) changesOf(ret).set(path, one.get('changes') as Py);
  };
  const cleans = on(a, 'clean');
  const options = new PyDict<Py>([...kwargs]);
  for (const k of ['keep_symlinks', 'include_pat', 'exclude_pat', 'maxdepth', 'include_empty', 'merge'])
    options.set(k, a[k] ?? null);
  const plan = planned(name, sources, options, ctx);
  const replaced = (path: string, what: string, done: string): boolean => {
    const one = answer(name);
    if (ctx.test) {
      merge(path, say(one, null, what));
      return true;
    }
    remove(path);
    one.set('changes', new PyDict([['diff', done]]));
    merge(path, one);
    return false;
  };
  for (const path of plan.dirs) {
    if (basename(path) === '..') continue;
    if (
      cleans &&
      existsSync(path) &&
      !isDir(path) &&
      replaced(path, `Replacing ${path} with a directory`, 'Replaced file with a directory')
    )
      continue;
    const args = bind('', SIG.directory, [], {
      name: path,
      user,
      group,
      recurse: [],
      dir_mode: dirMode,
      makedirs: true,
    });
    merge(path, directory(args, ctx));
  }
  const passed = [...kwargs].filter(([k]) => k !== 'mode' && k !== 'makedirs');
  for (const [path, source] of plan.files) {
    if (
      cleans &&
      isDir(path) &&
      on(a, 'replace') &&
      replaced(path, `Replacing directory ${path} with a file`, 'Replaced directory with a new file')
    )
      continue;
    const args = bind(
      '',
      SIG.managed,
      [],
      new PyDict<Py>([
        ...passed,
        ['name', path],
        ['source', source],
        ['user', user],
        ['group', group],
        ['mode', fileMode],
        ['makedirs', true],
        ...(['keep_source', 'template', 'replace', 'context', 'defaults', 'backup'] as const).map((k): [Py, Py] => [
          k,
          a[k] ?? null,
        ]),
      ]),
    );
    merge(path, managed(args, ctx));
  }
  for (const [path, target] of plan.links) {
    const args = bind('', SIG.symlink, [], {
      name: path,
      target,
      makedirs: true,
      force: a['force_symlinks'] ?? false,
      user,
      group,
      mode: a['sym_mode'] ?? null,
    });
    merge(path, symlink(args, ctx));
  }
  if (cleans) {
    const removed = clean(
      name,
      [...plan.keep, ...keptBy(name, a['require'] ?? null, ctx)],
      a['exclude_pat'] ?? null,
      ctx,
    );
    if (removed.length) {
      if (ctx.test) {
        if (ret.get('result')) ret.set('result', null);
        comments.set('removed', [...(comments.get('removed') ?? []), ...removed]);
      } else changesOf(ret).set('removed', removed);
    }
  }
  const text = [...comments]
    .map(([k, v]) => `\n#### ${k} ####\n${v.join('\n')}`)
    .join('\n')
    .trim();
  ret.set('comment', text || `Recursively updated ${name}`);
  if (!changesOf(ret).size && ret.get('result')) ret.set('comment', `The directory ${name} is in the correct state`);
  return ret;
}
