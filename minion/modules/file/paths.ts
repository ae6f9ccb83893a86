/** Files moved, copied, linked, made and removed. */

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { str, truth } from '../../../sls/values.ts';
import { runWords } from '../../process/through-cmd.ts';
import type { ModuleCtx } from '../contract.ts';
import { isAbs, isDir, isLink, isThere, mustHave, normalPath, realPath } from './inspect.ts';
import { checkPerms, makedirs } from './perms.ts';

const failed = (text: string): never => {
  throw new SaltError('CommandExecutionError', text);
};
const refuse = (text: string): never => {
  throw new SaltError('SaltInvocationError', text);
};

const ERRNO: Readonly<Record<string, readonly [number, string]>> = {
  EPERM: [1, 'Operation not permitted'],
  ENOENT: [2, 'No such file or directory'],
  EACCES: [13, 'Permission denied'],
  EBUSY: [16, 'Device or resource busy'],
  EEXIST: [17, 'File exists'],
  EXDEV: [18, 'Invalid cross-device link'],
  ENOTDIR: [20, 'Not a directory'],
  EISDIR: [21, 'Is a directory'],
  EINVAL: [22, 'Invalid argument'],
  ENOSPC: [28, 'No space left on device'],
  EROFS: [30, 'Read-only file system'],
  EMLINK: [31, 'Too many links'],
  ENAMETOOLONG: [36, 'File name too long'],
  ENOTEMPTY: [39, 'Directory not empty'],
  ELOOP: [40, 'Too many levels of symbolic links'],
};

/** A system error in Python's words: `[Errno 2] No such file or directory: '/x'`. */
export function osError(e: unknown): string {
  const err = e as NodeJS.ErrnoException & { dest?: string };
  const known = ERRNO[err.code ?? ''];
  if (!known) return messageOf(e);
  const where = err.path === undefined ? '' : `: '${err.path}'${err.dest === undefined ? '' : ` -> '${err.dest}'`}`;
  return `[Errno ${known[0]}] ${known[1]}${where}`;
}

/** `file.remove`: removes a file, a link or a whole folder; answers whether something was there. */
export function remove(path: string): boolean {
  if (!isAbs(path)) refuse(`File path must be absolute: ${path}`);
  try {
    if (isLink(path) || (existsSync(path) && !isDir(path))) {
      unlinkSync(path);
      return true;
    }
    if (isDir(path)) {
      rmSync(path, { recursive: true });
      return true;
    }
  } catch (e) {
    failed(`Could not remove '${path}': ${osError(e)}`);
  }
  return false;
}

/** Moves a path, across file systems too. */
export function move(src: string, dst: string): void {
  const to = isDir(dst) ? join(dst, src.replace(/\/+$/, '').split('/').at(-1) as string) : dst;
  try {
    renameSync(src, to);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EXDEV') throw e;
    cpSync(src, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    rmSync(src, { recursive: true });
  }
}

/** `file.rename`. */
export function rename(src: string, dst: string): true {
  if (!isAbs(src)) refuse('File path must be absolute.');
  try {
    renameSync(src, dst);
    return true;
  } catch {
    return failed(`Could not rename '${src}' to '${dst}'`);
  }
}

/** `file.copy`: copies a file, or with `recurse` a folder, with owner and mode. */
export function copy(src: string, dst: string, recurse: boolean, replaceAll: boolean, ctx: ModuleCtx): true {
  if (!isAbs(src)) refuse('File path must be absolute.');
  if (!existsSync(src)) failed(`No such file or directory '${src}'`);
  const f = mustHave(src);
  if ((existsSync(dst) && isDir(dst)) || isDir(src)) {
    if (!recurse) refuse('Cannot copy overwriting a directory without recurse flag set to true!');
    try {
      if (replaceAll) rmSync(dst, { recursive: true, force: true });
      cpSync(src, dst, { recursive: true });
    } catch {
      failed(`Could not copy '${src}' to '${dst}'`);
    }
  } else
    try {
      copyFileSync(src, dst);
    } catch {
      failed(`Could not copy '${src}' to '${dst}'`);
    }
  checkPerms(dst, undefined, { user: f.user, group: f.group, mode: f.mode }, ctx);
  return true;
}

/** `file.touch`: makes a file or sets its times (seconds). */
export function touch(path: string, atime: Py, mtime: Py): boolean {
  const time = (v: Py): number | undefined => {
    if (v === null) return undefined;
    const n = Number(typeof v === 'object' ? v.valueOf() : v);
    return Number.isFinite(n) && str(v).trim() !== '' ? n : refuse('atime and mtime must be integers');
  };
  const [a, m] = [time(atime), time(mtime)];
  try {
    if (!existsSync(path)) writeFileSync(path, '', { flag: 'a' });
    const now = Date.now() / 1000;
    utimesSync(path, a ?? now, m ?? now);
  } catch (e) {
    failed(ERRNO[(e as NodeJS.ErrnoException).code ?? '']?.[1] ?? messageOf(e));
  }
  return existsSync(path);
}

/** `file.symlink`: makes a link to `src` at `path`. */
export function symlink(src: string, path: string, o: { force: boolean; atomic: boolean; follow: boolean }): true {
  const there = (p: string): boolean => (o.follow ? existsSync(p) : isThere(p));
  if (!isAbs(path)) refuse(`Link path must be absolute: ${path}`);
  if (isLink(path)) {
    if (normalPath(readlinkSync(path)) === normalPath(src)) return true;
    if (!o.force && !o.atomic) failed(`Found existing symlink: ${path}`);
  }
  if (there(path) && !o.force && !o.atomic) failed(`Existing path is not a symlink: ${path}`);
  if ((isLink(path) || there(path)) && o.force && !o.atomic) unlinkSync(path);
  else if (o.atomic) {
    const part = join(dirname(path), `tmp${randomBytes(4).toString('hex')}`);
    symlinkSync(src, part);
    try {
      renameSync(part, path);
      return true;
    } catch {
      rmSync(part, { force: true });
      failed(`Could not create '${path}'`);
    }
  }
  try {
    symlinkSync(src, path);
    return true;
  } catch {
    return failed(`Could not create '${path}'`);
  }
}

/** `file.link`: a hard link. */
export function link(src: string, path: string): true {
  if (!isAbs(src)) refuse('File path must be absolute.');
  try {
    linkSync(src, path);
    return true;
  } catch (e) {
    return failed(`Could not create '${path}': ${osError(e)}`);
  }
}

/** `file.readlink`. */
export function readLink(path: string, canonical: boolean): string {
  if (!isAbs(path)) refuse(`Path to link must be absolute: ${path}`);
  if (!isLink(path)) refuse(`A valid link was not specified: ${path}`);
  return canonical ? realPath(path) : readlinkSync(path);
}

/** `file.rmdir`: removes an empty folder, with `recurse` the empty ones below it. Days of age by `olderThan`. */
export function removeDir(path: string, recurse: boolean, verbose: boolean, olderThan: Py): Py {
  if (!isAbs(path)) refuse('File path must be absolute.');
  if (!isDir(path)) refuse(`A valid directory was not specified: ${path}`);
  const days = truth(olderThan) ? Number.parseInt(str(olderThan), 10) : Number.NaN;
  const limit = Number.isNaN(days) ? undefined : Date.now() - days * 86_400_000;
  const deleted: string[] = [];
  const errors: Py[] = [];
  const drop = (dir: string): boolean => {
    if (limit !== undefined && statSync(dir).mtimeMs >= limit) return true;
    try {
      rmdirSync(dir);
      deleted.push(dir);
      return true;
    } catch (e) {
      errors.push([dir, osError(e)]);
      return false;
    }
  };
  const below = (dir: string): void => {
    for (const e of readdirSync(dir, { withFileTypes: true })) {
      const full = join(dir, e.name);
      if (e.isDirectory()) {
        below(full);
        drop(full);
      } else if (isDir(full)) drop(full);
    }
  };
  if (recurse) below(path);
  const good = !errors.length;
  const last = limit === undefined || statSync(path).mtimeMs < limit ? drop(path) : recurse && good;
  const result = last && good;
  if (!verbose) return result;
  return new PyDict<Py>([
    ['deleted', deleted],
    ['errors', errors],
    ['result', result],
  ]);
}

const DEVICES: Readonly<Record<string, string>> = { c: 'Character device', b: 'Block device', p: 'Fifo pipe' };

/** Makes a device or a pipe; answers as a state does. */
export function makeNode(
  path: string,
  kind: 'c' | 'b' | 'p',
  o: { major: Py; minor: Py; user: Py; group: Py; mode: Py },
  ctx: ModuleCtx,
): PyDict {
  const what = `${DEVICES[kind]} ${path} created.`;
  const ret = new PyDict<Py>([
    ['name', path],
    ['changes', new PyDict()],
    ['comment', ''],
    ['result', false],
  ]);
  if (ctx.opts.get('test') === true) {
    ret.set('changes', new PyDict([['new', what]]));
    ret.set('result', null);
    return ret;
  }
  if (isThere(path)) ret.set('comment', `File ${path} exists and cannot be overwritten`);
  else {
    const numbers = kind === 'p' ? [] : [str(o.major), str(o.minor)];
    const r = runWords(ctx, ['mknod', path, kind, ...numbers]);
    if (r.code !== 0) failed(r.stderr);
    chmodSync(path, Number.parseInt(str(o.mode).replace(/^[0Oo]+/, '') || '0', 8));
    ret.set('changes', new PyDict([['new', what]]));
    ret.set('result', true);
  }
  checkPerms(path, undefined, { user: o.user, group: o.group, mode: truth(o.mode) ? o.mode : null }, ctx);
  return ret;
}

/** `file.mknod`: any kind of node, folders above it included. */
export function mknod(
  path: string,
  kind: Py,
  o: { major: Py; minor: Py; user: Py; group: Py; mode: Py },
  ctx: ModuleCtx,
): PyDict {
  if (kind !== 'c' && kind !== 'b' && kind !== 'p')
    return refuse(
      `Node type unavailable: '${str(kind)}'. Available node types are character ('c'), block ('b'), and pipe ('p').`,
    );
  makedirs(path, o.user, o.group, null, ctx);
  return makeNode(path, kind, o, ctx);
}

/** Major and minor number of a device file; zeros for others. */
export function deviceNumbers(path: string): [number, number] {
  const s = existsSync(path) ? statSync(path) : undefined;
  if (!s || !(s.isCharacterDevice() || s.isBlockDevice())) return [0, 0];
  const d = BigInt(s.rdev);
  const major = ((d >> 8n) & 0xfffn) | ((d >> 32n) & ~0xfffn);
  const minor = (d & 0xffn) | ((d >> 12n) & ~0xffn);
  return [Number(major), Number(minor & 0xffffffffn)];
}

/** Bytes that a file, or all files of a folder, hold; hard links count once. */
export function diskUsage(path: string): number {
  if (existsSync(path) && statSync(path).isFile()) return statSync(path).size;
  const seen = new Set<number>();
  let total = 0;
  const walk = (dir: string): void => {
    if (!isDir(dir)) return;
    for (const e of readdirSync(dir, { withFileTypes: true })) {
      const full = join(dir, e.name);
      if (e.isDirectory()) walk(full);
      else {
        const s = existsSync(full) ? statSync(full) : undefined;
        if (!s || s.isDirectory() || seen.has(s.ino)) continue;
        seen.add(s.ino);
        total += s.size;
      }
    }
  };
  walk(path);
  return total;
}

/** Open files and the processes that have them, or the other way round. */
export function openFiles(byPid: boolean): PyDict {
  const pids = new Map<number, Set<string>>();
  const files = new Map<string, Set<number>>();
  for (const pid of readdirSync('/proc')
    .filter((n) => /^\d+$/.test(n))
    .map(Number)) {
    const own = new Set<string>();
    pids.set(pid, own);
    const links: string[] = [];
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) links.push(`/proc/${pid}/fd/${fd}`);
      links.push(`/proc/${pid}/exe`);
    } catch {
      // It ended, or is not ours to look at.
      continue;
    }
    for (const l of links)
      try {
        const name = readlinkSync(l);
        if (!name.startsWith('/') || !existsSync(name)) continue;
        own.add(name);
        files.set(name, (files.get(name) ?? new Set()).add(pid));
      } catch {
        // A descriptor that was closed meanwhile.
      }
  }
  const sorted = <T>(s: Set<T>): Py => [...s].sort((a, b) => (a < b ? -1 : 1)) as Py;
  if (byPid) return new PyDict([...pids].map(([k, v]): [Py, Py] => [k, sorted(v)]));
  return new PyDict([...files].map(([k, v]): [Py, Py] => [k, sorted(v)]));
}

/** Facts of a link or file as `os.lstat` has them; empty where nothing is. */
export function lstatMap(path: string): PyDict {
  try {
    const s = lstatSync(path);
    return new PyDict<Py>([
      ['st_atime', s.atimeMs / 1000],
      ['st_ctime', s.ctimeMs / 1000],
      ['st_gid', s.gid],
      ['st_mode', s.mode],
      ['st_mtime', s.mtimeMs / 1000],
      ['st_nlink', s.nlink],
      ['st_size', s.size],
      ['st_uid', s.uid],
    ]);
  } catch {
    return new PyDict();
  }
}

/** Makes a folder and those above it with the usual modes. */
export function plainFolder(path: string): void {
  mkdirSync(path, { recursive: true });
}
