/** Owners, modes and attributes of files, and making folders that have them. */
import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { str, truth } from '../../../sls/values.ts';
import { runText } from '../../process/through-cmd.ts';
import { which } from '../../process/which.ts';
import type { ModuleCtx } from '../contract.ts';
import { type FileFacts, gidOf, isDir, isLink, mustHave, normalMode, normalPath, pathOf, uidOf } from './inspect.ts';

/** Sets a mode; answers the new one, or a complaint about the mode given. */
export function setMode(path: string, mode: Py): Py {
  const digits = str(mode).replace(/^[0Oo]+/, '') || '0';
  if (!existsSync(path)) throw new SaltError('CommandExecutionError', `${path}: File not found`);
  if (!/^[0-7]+$/.test(digits)) return `Invalid Mode ${digits}`;
  chmodSync(path, Number.parseInt(digits, 8) & 0o7777);
  return mustHave(path).mode;
}

/** Changes owner and group; answers a complaint, or None. `link` acts on a link itself. */
export function chown(path: string, user: Py, group: Py, link = false): Py {
  let uid = uidOf(user);
  let gid = gidOf(group);
  let err = '';
  if (uid === '') {
    if (truth(user)) err += 'User does not exist\n';
    else uid = -1;
  }
  if (gid === '') {
    if (truth(group)) err += 'Group does not exist\n';
    else gid = -1;
  }
  const ids: [number, number] = [Number(uid), Number(gid)];
  if (link) {
    if (err) return err;
    lchownSync(path, ...ids);
    return null;
  }
  if (!existsSync(path)) {
    if (isLink(path) && !err) {
      lchownSync(path, ...ids);
      return null;
    }
    err += 'File not found';
  }
  if (err) return err;
  chownSync(path, ...ids);
  return null;
}

const owns = (wanted: Py, name: Py, id: number): boolean => wanted === name || wanted === id;

/** Attributes of a file as lsattr prints them; undefined where the machine has none. */
export function attributes(path: string, ctx: ModuleCtx): string[] | undefined {
  if (!which('lsattr')) return undefined;
  const line = runText(ctx, ['lsattr', '-d', path], { ignore_retcode: true }).split('\n')[0] ?? '';
  if (line.startsWith('lsattr: ') || !line.includes(' ')) return [];
  return (line.split(/\s+/, 1)[0] as string).match(/[aAcCdDeijPsStTu]/g) ?? [];
}

function manageAttributes(path: string, wanted: string, ret: PyDict, comments: string[], ctx: ModuleCtx): void {
  const now = attributes(path, ctx);
  if (now === undefined) return;
  // `e` tells of the file system's layout: nobody sets it.
  const own = new Set(now.filter((c) => c !== 'e'));
  const want = new Set([...wanted].filter((c) => c !== 'e'));
  const added = [...want].filter((c) => !own.has(c));
  const removed = [...own].filter((c) => !want.has(c));
  if (!added.length && !removed.length) return;
  const change = new PyDict<Py>([
    ['old', now.join('')],
    ['new', wanted],
  ]);
  if (ctx.opts.get('test') !== true) {
    if (added.length) runText(ctx, ['chattr', `+${added.join('')}`, path]);
    if (removed.length) runText(ctx, ['chattr', `-${removed.join('')}`, path]);
    const after = attributes(path, ctx) ?? [];
    if (added.some((c) => !after.includes(c)) || removed.some((c) => after.includes(c))) {
      ret.set('result', false);
      comments.push(`Failed to change attributes to ${wanted}`);
      change.set('new', after.join(''));
    }
  }
  if (change.get('old') !== change.get('new')) (ret.get('changes') as PyDict).set('attrs', change);
}

/** What a file should be like, besides its content. */
export interface Wanted {
  readonly user: Py;
  readonly group: Py;
  readonly mode: Py;
  readonly attrs?: Py;
  readonly follow?: boolean;
}

/**
 * `file.check_perms`: makes owner, group, mode and attributes as wanted (under test only tells) and writes what changed into a state's
 * result, a new one where none is given. Answers the result and what was before.
 */
export function checkPerms(path: string, given: PyDict | undefined, w: Wanted, ctx: ModuleCtx): [PyDict, PyDict] {
  const name = pathOf(path);
  const mode = normalMode(w.mode);
  const follow = w.follow ?? false;
  const test = ctx.opts.get('test') === true;
  const ret =
    given ??
    new PyDict<Py>([
      ['name', name],
      ['changes', new PyDict()],
      ['comment', []],
      ['result', true],
    ]);
  const before = given ? ret.get('comment') : '';
  const comments: string[] = [];
  const changes = ret.get('changes') as PyDict;
  const now = mustHave(name, follow);
  const perms = new PyDict<Py>([
    ['luser', typeof w.user === 'number' ? now.uid : now.user],
    ['lgroup', typeof w.group === 'number' ? now.gid : now.group],
    ['lmode', now.mode],
  ]);
  const link = isLink(name) && !follow;
  const set = (v: Py): boolean => truth(v) || v === 0;
  const newUser = set(w.user) && !owns(w.user, now.user, now.uid);
  const newGroup = set(w.group) && !owns(w.group, now.group, now.gid);
  if (newUser) perms.set('cuser', w.user);
  if (newGroup) perms.set('cgroup', w.group);
  if ((newUser || newGroup) && !test)
    try {
      const err = chown(name, w.user ?? now.user, w.group ?? now.group, link);
      if (err !== null) {
        ret.set('result', false);
        comments.push(str(err));
      } else if (!isLink(name)) setMode(name, now.mode);
    } catch (e) {
      if (!(e as NodeJS.ErrnoException).code) throw e;
      ctx.log.error(messageOf(e));
      ret.set('result', false);
    }
  let newMode = false;
  if (mode !== null && !test && !link && mode !== mustHave(name, follow).mode) {
    newMode = mode !== now.mode;
    if (newMode) perms.set('cmode', mode);
    setMode(name, mode);
  }
  const after: FileFacts = mustHave(name, follow);
  const told = (key: string, wanted: Py, there: boolean, changed: boolean): void => {
    if (!there) {
      if (test) changes.set(key, wanted);
      else {
        ret.set('result', false);
        comments.push(`Failed to change ${key} to ${str(wanted)}`);
      }
    } else if (changed) changes.set(key, wanted);
  };
  if (set(w.user)) told('user', w.user, owns(w.user, after.user, after.uid), newUser);
  if (set(w.group)) told('group', w.group, owns(w.group, after.group, after.gid), newGroup);
  if (mode !== null && !link) told('mode', mode, mode === after.mode, newMode);
  if ((w.attrs ?? null) !== null && !isDir(name) && !link)
    manageAttributes(name, str(w.attrs as Py), ret, comments, ctx);
  if (typeof before === 'string') ret.set('comment', [...(before ? [before] : []), ...comments].join('; '));
  else ret.set('comment', comments);
  if (test && changes.size) ret.set('result', null);
  return [ret, perms];
}

/** Makes a folder and those above it, each with this owner and mode. */
export function makedirsPerms(path: string, user: Py, group: Py, mode: Py, ctx: ModuleCtx): void {
  const dir = pathOf(path).replace(/(.)\/+$/, '$1');
  const above = dirname(dir);
  if (!existsSync(above)) makedirsPerms(above, user, group, mode, ctx);
  mkdirSync(dir);
  checkPerms(dir, undefined, { user, group, mode: truth(mode) ? normalMode(mode) : null }, ctx);
}

/** Makes a folder unless it is there. */
export function mkdir(path: string, user: Py, group: Py, mode: Py, ctx: ModuleCtx): true {
  const dir = normalPath(path);
  if (!isDir(dir)) makedirsPerms(dir, user, group, mode, ctx);
  return true;
}

/** `file.makedirs`: makes the folders above a path (the path itself where it ends with a slash). Answers a text where they are there. */
export function makedirs(path: string, user: Py, group: Py, mode: Py, ctx: ModuleCtx): Py {
  const full = pathOf(path);
  const above = normalPath(full.endsWith('/') ? full : normalize(dirname(full)));
  if (isDir(above)) return `Directory '${above}' already exists`;
  if (existsSync(above)) return `The path '${above}' already exists and is not a directory`;
  const todo: string[] = [];
  for (let d = above; !isDir(d); ) {
    todo.unshift(d);
    const up = dirname(d);
    if (up === d || up === '.')
      throw new SaltError(
        'SaltInvocationError',
        `Recursive creation for path '${up}' would result in an infinite loop. Please use an absolute path.`,
      );
    d = up;
  }
  for (const d of todo) mkdir(d, user, group, truth(mode) ? normalMode(mode) : null, ctx);
  return null;
}

/** The mode of folders made for a file of a mode: who may read it may enter them. */
export function folderMode(mode: Py): string | null {
  if (mode === null) return null;
  return [...str(mode)]
    .slice(-3)
    .map((c) => (c === '0' ? c : String(Number(c) | 1)))
    .join('');
}
