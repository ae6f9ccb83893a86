/** Files put in place at once, and the copies kept of what was there before. */

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { str } from '../../../sls/values.ts';
import type { ModuleCtx } from '../contract.ts';
import { isDir, isFile, statOf } from './inspect.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const root = (ctx: ModuleCtx): string => join(ctx.opts.str('cachedir'), 'file_backup');
const folderOf = (path: string, ctx: ModuleCtx): string => join(root(ctx), dirname(path).slice(1));

/** Keeps a copy of a file below the cache (`backup: minion`). */
export function keepCopy(path: string, ctx: ModuleCtx): void {
  const s = statSync(path);
  const now = new Date();
  const two = (n: number): string => String(n).padStart(2, '0');
  const micro = String(Math.floor((performance.timeOrigin + performance.now()) * 1000)).slice(-6);
  const stamp = `${DAYS[now.getDay()]}_${MONTHS[now.getMonth()]}_${two(now.getDate())}_${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}_${micro}_${now.getFullYear()}`;
  const to = join(folderOf(path, ctx), `${basename(path)}_${stamp}`);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(path, to);
  chownSync(to, s.uid, s.gid);
  chmodSync(to, s.mode & 0o7777);
}

/** Puts a copy of a file in the place of another, at once; what is there keeps owner and mode. Throws what the system says. */
export function place(source: string, dest: string, backup: string, ctx: ModuleCtx): void {
  const part = join(dirname(dest), `${basename(dest)}${randomBytes(4).toString('hex')}`);
  copyFileSync(source, part);
  chmodSync(part, 0o600);
  const old = statOf(dest);
  try {
    if ((backup === 'minion' || backup === 'both') && old) keepCopy(dest, ctx);
    renameSync(part, dest);
  } catch (e) {
    rmSync(part, { force: true });
    throw e;
  }
  if (old) {
    chownSync(dest, old.uid, old.gid);
    chmodSync(dest, old.mode & 0o7777);
  }
}

interface Backup {
  readonly time: Date;
  readonly micro: string;
  readonly path: string;
}

function parsed(file: string, name: string, dir: string): Backup | undefined {
  if (!file.startsWith(`${name}_`)) return undefined;
  const m = /^[A-Z][a-z]{2}_([A-Z][a-z]{2})_(\d\d)_(\d\d):(\d\d):(\d\d)_(\d{1,6})_(\d{4})$/.exec(
    file.slice(name.length + 1),
  );
  const month = m ? MONTHS.indexOf(m[1] as (typeof MONTHS)[number]) : -1;
  if (!m || month < 0) return undefined;
  const [, , day, h, min, s, micro, year] = m as unknown as string[];
  return {
    time: new Date(Number(year), month, Number(day), Number(h), Number(min), Number(s)),
    micro: (micro as string).padEnd(6, '0'),
    path: join(dir, file),
  };
}

function described(b: Backup): PyDict {
  const two = (n: number): string => String(n).padStart(2, '0');
  const t = b.time;
  return new PyDict<Py>([
    [
      'Backup Time',
      `${DAYS[t.getDay()]} ${MONTHS[t.getMonth()]} ${two(t.getDate())} ${t.getFullYear()} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${b.micro}`,
    ],
    ['Size', statSync(b.path).size],
    ['Location', b.path],
  ]);
}

function limitOf(limit: Py): number | undefined {
  const n = limit === null ? Number.NaN : Number(str(limit));
  return Number.isInteger(n) ? n : undefined;
}

function newest(list: Backup[], limit: Py): PyDict {
  list.sort((a, b) => b.time.getTime() - a.time.getTime() || (a.micro < b.micro ? 1 : -1));
  return new PyDict(list.slice(0, limitOf(limit)).map((b, i): [Py, Py] => [i, described(b)]));
}

/** `file.list_backups`: kept copies of a file by number, the newest first. */
export function listBackups(path: string, limit: Py, ctx: ModuleCtx): PyDict {
  const dir = folderOf(path, ctx);
  if (!isDir(dir)) return new PyDict();
  const found = readdirSync(dir).flatMap((f) => (isFile(join(dir, f)) ? (parsed(f, basename(path), dir) ?? []) : []));
  return newest(found, limit);
}

/** `file.list_backups_dir`: kept copies of all files of a folder. */
export function listBackupsDir(path: string, limit: Py, ctx: ModuleCtx): PyDict {
  const dir = folderOf(path, ctx);
  if (!isDir(dir)) return new PyDict();
  const out = new PyDict();
  const all = readdirSync(dir).sort();
  for (const name of new Set(all.map((f) => f.split('_')[0] as string)))
    out.set(
      name,
      newest(
        all.flatMap((f) => parsed(f, name, dir) ?? []),
        limit,
      ),
    );
  return out;
}

function chosen(path: string, id: Py, ctx: ModuleCtx): { location: string } | { ret: PyDict } {
  const bad = (comment: string): { ret: PyDict } => ({
    ret: new PyDict<Py>([
      ['result', false],
      ['comment', comment],
    ]),
  });
  if (!/^-?\d+$/.test(str(id)) || str(id) !== String(Number(str(id)))) return bad(`Invalid backup_id '${str(id)}'`);
  const one = listBackups(path, null, ctx).get(Number(str(id)));
  if (!(one instanceof PyDict)) return bad(`backup_id '${str(id)}' does not exist for ${path}`);
  return { location: str(one.get('Location') as Py) };
}
const told = (result: boolean, comment: string): PyDict =>
  new PyDict<Py>([
    ['result', result],
    ['comment', comment],
  ]);

/** `file.restore_backup`: puts a kept copy back, and keeps what is there now. */
export function restoreBackup(path: string, id: Py, ctx: ModuleCtx): PyDict {
  const b = chosen(path, id, ctx);
  if ('ret' in b) return b.ret;
  if (existsSync(path)) keepCopy(path, ctx);
  try {
    copyFileSync(b.location, path);
    return told(true, `Successfully restored ${b.location} to ${path}`);
  } catch (e) {
    return told(false, `Unable to restore ${b.location} to ${path}: ${messageOf(e)}`);
  }
}

/** `file.delete_backup`. */
export function deleteBackup(path: string, id: Py, ctx: ModuleCtx): PyDict {
  const b = chosen(path, id, ctx);
  if ('ret' in b) return b.ret;
  try {
    rmSync(b.location);
    return told(true, `Successfully removed ${b.location}`);
  } catch (e) {
    return told(false, `Unable to remove ${b.location}: ${messageOf(e)}`);
  }
}
