import { type Dirent, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { str } from '../sls/values.ts';
import { insidePath } from './inside-path.ts';

/** The options whose folders wheel functions read and write. */
export type RootsKey = 'file_roots' | 'pillar_roots';

/** Folders of an environment; undefined when there is no such environment. */
function folders(opts: Opts, key: RootsKey, saltenv: Py): string[] | undefined {
  const list = opts.dict(key).get(str(saltenv));
  return list === undefined ? undefined : (Array.isArray(list) ? list : [list]).map(str);
}

/** Whether bytes are text, as far as their beginning tells. */
function isText(bytes: Buffer): boolean {
  const start = bytes.subarray(0, 512);
  if (start.includes(0)) return false;
  if (Buffer.from(start.toString('utf8')).equals(start)) return true;
  const odd = start.filter((b) => b < 7 || b === 11 || (b > 13 && b < 32 && b !== 27) || b > 126).length;
  return odd / start.length <= 0.3;
}

interface Found {
  path: string;
  bytes: Buffer;
  text: boolean;
}

function find(opts: Opts, key: RootsKey, path: Py, saltenv: Py): Found[] {
  const found: Found[] = [];
  for (const root of folders(opts, key, saltenv) ?? []) {
    const full = insidePath(root, path);
    if (full === undefined || !isFile(full)) continue;
    const bytes = readFileSync(full);
    found.push({ path: full, bytes, text: isText(bytes) });
  }
  return found;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw e;
  }
}

/** Where a path lies in the folders of an environment, each with `txt` or `bin`. */
export function findInRoots(opts: Opts, key: RootsKey, path: Py, saltenv: Py): Py[] {
  return find(opts, key, path, saltenv).map((f) => new PyDict<Py>([[f.path, f.text ? 'txt' : 'bin']]));
}

/** The text files that a path means, each with its text. */
export function readInRoots(opts: Opts, key: RootsKey, path: Py, saltenv: Py): Py[] {
  return find(opts, key, path, saltenv)
    .filter((f) => f.text)
    .map((f) => new PyDict<Py>([[f.path, f.bytes.toString('utf8')]]));
}

function listing(dir: string): PyDict {
  const out = new PyDict();
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(dir, { withFileTypes: true });
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EACCES') throw e;
  }
  for (const e of entries) out.set(e.name, e.isDirectory() ? listing(`${dir}/${e.name}`) : 'f');
  return out;
}

/** Everything below the folders of an environment, as maps in maps; files are `f`. */
export function listRootsOf(opts: Opts, key: RootsKey, saltenv: Py): PyDict {
  return new PyDict<Py>((folders(opts, key, saltenv) ?? []).map((root) => [root, listing(root)]));
}

/** {@link listRootsOf} of every environment. */
export function listAllRoots(opts: Opts, key: RootsKey): PyDict {
  return new PyDict<Py>([...opts.dict(key).keys()].map((env) => [env, [listRootsOf(opts, key, env)]]));
}

/** Writes a file in the folders of an environment. Answers what it did, or why not, as the reference words it. */
export function writeInRoots(opts: Opts, key: RootsKey, data: Py, path: Py, saltenv: Py, index: Py): string {
  const roots = folders(opts, key, saltenv);
  if (!roots) return `Named environment ${str(saltenv)} is not present`;
  const root = typeof index === 'number' && Number.isInteger(index) && index >= 0 ? roots[index] : undefined;
  if (root === undefined) return `Specified index ${str(index)} in environment ${str(saltenv)} is not present`;
  if (typeof path === 'string' && isAbsolute(path))
    return `The path passed in ${path} is not relative to the environment ${str(saltenv)}`;
  const dest = insidePath(root, path);
  if (dest === undefined) return key === 'file_roots' ? `Invalid path: ${str(path)}` : 'Invalid path';
  if (typeof data !== 'string' && !(data instanceof Uint8Array))
    throw new SaltError('TypeError', `expected str, bytes, or bytearray not ${typeof data}`);
  mkdirSync(dirname(dest), { recursive: true });
  writeFileSync(dest, data);
  return `Wrote data to file ${dest}`;
}
