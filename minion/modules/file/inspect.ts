/** What files are: kinds, owners, modes, times. */
import { existsSync, lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { isAbsolute, normalize, resolve } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../../bus/values.ts';
import { str } from '../../../sls/values.ts';
import { localHash } from '../../file-client.ts';
import { accountOf, expandUser, groupOf } from '../../process/accounts.ts';

/** A path as functions take it: text, `~` expanded. */
export const pathOf = (v: Py): string => expandUser(str(v));

/** What `lstat` tells; undefined where nothing is. */
export const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });
/** What `stat` tells, links followed; undefined where nothing is. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ELOOP' || code === 'ENOTDIR' || code === 'EACCES') return undefined;
    throw e;
  }
}
/** Whether a path is a file, links followed. */
export const isFile = (path: string): boolean => statOf(path)?.isFile() ?? false;
/** Whether a path is a folder, links followed. */
export const isDir = (path: string): boolean => statOf(path)?.isDirectory() ?? false;
/** Whether a path is a symbolic link. */
export const isLink = (path: string): boolean => {
  try {
    return lstatOf(path)?.isSymbolicLink() ?? false;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw e;
  }
};
/** Whether anything is there, a broken link included. */
export const isThere = (path: string): boolean => isLink(path) || existsSync(path);
/** A path without links; the path itself where nothing is. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return resolve(path);
    throw e;
  }
}
/** Whether a path begins at the root. */
export const isAbs = isAbsolute;
/** Python's `os.path.normpath`. */
export function normalPath(path: string): string {
  const n = normalize(path);
  return n.length > 1 ? n.replace(/\/$/, '') : n;
}

/** A mode as four octal digits, `keep` and None as they are. */
export function normalMode(mode: Py): string | null {
  if (mode === null || mode === undefined) return null;
  return str(mode)
    .replaceAll('0o', '0')
    .replace(/^"+|"+$/g, '')
    .replace(/^'+|'+$/g, '')
    .replace(/^0+/, '')
    .padStart(4, '0');
}

/** Mode bits as four octal digits. */
export const modeText = (mode: number): string => normalMode((mode & 0o7777).toString(8)) as string;

/** The name of a user id; the id as text where there is none of that name. */
export function userName(uid: Py): Py {
  if (typeof uid !== 'number') return uid;
  return accountOf(uid)?.name ?? uid;
}
/** The name of a group id. */
export function groupName(gid: Py): Py {
  if (typeof gid !== 'number') return gid;
  return groupOf(gid)?.name ?? gid;
}
/** The id of a user: numbers stay, None is our own, an unknown name is empty text. */
export function uidOf(user: Py): Py {
  if (typeof user === 'number') return user;
  if (user === null) return process.getuid?.() ?? 0;
  return accountOf(str(user))?.uid ?? '';
}
/** The id of a group: numbers stay, an unknown name is empty text. */
export function gidOf(group: Py): Py {
  if (typeof group === 'number') return group;
  return group === null ? '' : (groupOf(str(group))?.gid ?? '');
}

/** Hash of a file by `md5`, `sha1`, `sha224` … Throws SaltInvocationError for an unknown kind, CommandExecutionError for a missing file. */
export function hashOf(path: string, kind: string): string {
  if (!HASHES.has(kind)) throw new SaltError('ValueError', `Invalid hash type: ${kind}`);
  const h = localHash(path, kind);
  if (!h) throw new SaltError('CommandExecutionError', `[Errno 2] No such file or directory: '${path}'`);
  return h.sum;
}
/** Hash kinds by the number of hex digits they have. */
export const HASHES: ReadonlyMap<string, number> = new Map([
  ['md5', 32],
  ['sha1', 40],
  ['sha224', 56],
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/** A file's facts; throws CommandExecutionError where nothing is. */
export interface FileFacts {
  readonly uid: number;
  readonly gid: number;
  readonly user: Py;
  readonly group: Py;
  readonly mode: string;
  readonly type: string;
  readonly stat: Stats;
}
const TYPES: readonly (readonly [test: (s: Stats) => boolean, name: string])[] = [
  [(s) => s.isDirectory(), 'dir'],
  [(s) => s.isSymbolicLink(), 'link'],
  [(s) => s.isCharacterDevice(), 'char'],
  [(s) => s.isBlockDevice(), 'block'],
  [(s) => s.isFIFO(), 'pipe'],
  [(s) => s.isSocket(), 'socket'],
];
/** The facts of a path; undefined where nothing is. A broken link is told of itself. */
export function factsOf(path: string, follow = true): FileFacts | undefined {
  const stat = (follow ? statOf(path) : undefined) ?? lstatOf(path);
  if (!stat) return undefined;
  return {
    uid: stat.uid,
    gid: stat.gid,
    user: userName(stat.uid),
    group: groupName(stat.gid),
    mode: modeText(stat.mode),
    type: TYPES.find(([test]) => test(stat))?.[1] ?? 'file',
    stat,
  };
}
/** As factsOf, but throws CommandExecutionError where nothing is. */
export function mustHave(path: string, follow = true): FileFacts {
  const f = factsOf(path, follow);
  if (!f) throw new SaltError('CommandExecutionError', `Path not found: ${path}`);
  return f;
}

/** `file.stats`. */
export function stats(path: string, hash: Py, follow: boolean): PyDict {
  const f = mustHave(path, follow);
  const s = f.stat;
  const out = new PyDict<Py>([
    ['inode', s.ino],
    ['uid', f.uid],
    ['gid', f.gid],
    ['group', f.group],
    ['user', f.user],
    ['atime', mkFloat(s.atimeMs / 1000)],
    ['mtime', mkFloat(s.mtimeMs / 1000)],
    ['ctime', mkFloat(s.ctimeMs / 1000)],
    ['size', s.size],
    ['mode', f.mode],
  ]);
  if (hash !== null && hash !== '') out.set('sum', hashOf(path, str(hash)));
  out.set('type', f.type);
  out.set('target', follow ? realPath(path) : resolve(path));
  return out;
}
