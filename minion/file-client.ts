/** The master's files, or this machine's own (`file_client: local`), copied into a cache below `cachedir`. Everything blocks. */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type FileClient, saltUrl } from '../sls/files/client.ts';
import { isInside, Roots } from '../sls/files/roots.ts';
import { str } from '../sls/values.ts';
import type { MasterLink } from './modules/contract.ts';

/** A file's hash as the server tells it. */
export interface FileHash {
  readonly sum: string;
  readonly type: string;
}

/** Where files come from. Paths are relative to an environment. */
interface Source {
  envs(): string[];
  list(saltenv: string, prefix: string): string[];
  emptyDirs(saltenv: string, prefix: string): string[];
  dirs(saltenv: string, prefix: string): string[];
  links(saltenv: string, prefix: string): PyDict;
  hash(path: string, saltenv: string): FileHash | undefined;
  /** Mode, inode, device … in the order of Python's `os.stat`. */
  stat(path: string, saltenv: string): number[] | undefined;
  /** Hands over the content piece by piece; false when there is no such file. */
  read(path: string, saltenv: string, gzip: number, take: (bytes: Uint8Array) => void): boolean;
}

const texts = (v: Py): string[] => (Array.isArray(v) ? v.map((x) => str(x as Py)) : []);

/** Files asked of the master. */
class MasterFiles implements Source {
  constructor(private readonly master: MasterLink) {}
  private ask(cmd: string, load: { [k: string]: string | number } = {}): Py {
    return this.master.request(cmd, load);
  }
  envs(): string[] {
    return texts(this.ask('_file_envs'));
  }
  list(saltenv: string, prefix: string): string[] {
    return texts(this.ask('_file_list', { saltenv, prefix }));
  }
  emptyDirs(saltenv: string, prefix: string): string[] {
    return texts(this.ask('_file_list_emptydirs', { saltenv, prefix }));
  }
  dirs(saltenv: string, prefix: string): string[] {
    return texts(this.ask('_dir_list', { saltenv, prefix }));
  }
  links(saltenv: string, prefix: string): PyDict {
    const v = this.ask('_symlink_list', { saltenv, prefix });
    return v instanceof PyDict ? v : new PyDict();
  }
  hash(path: string, saltenv: string): FileHash | undefined {
    return hashIn(this.ask('_file_hash', { path, saltenv }));
  }
  stat(path: string, saltenv: string): number[] | undefined {
    const v = this.ask('_file_hash_and_stat', { path, saltenv });
    const stat = Array.isArray(v) ? v[1] : undefined;
    return Array.isArray(stat) ? stat.map(Number) : undefined;
  }
  read(path: string, saltenv: string, gzip: number, take: (bytes: Uint8Array) => void): boolean {
    for (let loc = 0; ; ) {
      const reply = this.ask('_serve_file', { path, saltenv, loc, ...(gzip ? { gzip } : {}) });
      if (!(reply instanceof PyDict)) return loc > 0;
      const data = reply.get('data') ?? '';
      const raw = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data as Uint8Array);
      if (!raw.length) {
        if (str(reply.get('dest') ?? '') === '') return false;
        return true;
      }
      const bytes = reply.get('gzip') ? gunzip(raw) : raw;
      take(bytes);
      loc += bytes.length;
    }
  }
}

function gunzip(bytes: Buffer): Buffer {
  return (process.getBuiltinModule('node:zlib') as typeof import('node:zlib')).gunzipSync(bytes);
}

function hashIn(v: Py): FileHash | undefined {
  if (!(v instanceof PyDict) || !v.has('hsum')) return undefined;
  return { sum: str(v.get('hsum') as Py), type: str(v.get('hash_type') ?? 'sha256') };
}

/** Files of this machine's own `file_roots`. */
class OwnFiles implements Source {
  private readonly roots: Roots;
  private readonly type: string;
  constructor(opts: Opts) {
    this.roots = new Roots(opts);
    this.type = opts.str('hash_type', 'sha256');
  }
  envs(): string[] {
    return this.roots.envs();
  }
  private under(all: readonly string[], prefix: string): string[] {
    const p = prefix.replace(/^\/+|\/+$/g, '');
    return p ? all.filter((f) => f === p || f.startsWith(`${p}/`)) : [...all];
  }
  list(saltenv: string, prefix: string): string[] {
    return this.under(this.roots.tree(saltenv).files, prefix);
  }
  emptyDirs(saltenv: string, prefix: string): string[] {
    return this.under(this.roots.tree(saltenv).emptyDirs, prefix);
  }
  dirs(saltenv: string, prefix: string): string[] {
    return this.under(this.roots.tree(saltenv).dirs, prefix);
  }
  links(saltenv: string, prefix: string): PyDict {
    const all = this.roots.tree(saltenv).links;
    const names = new Set(this.under([...all.keys()], prefix));
    return new PyDict([...all].filter(([k]) => names.has(k)));
  }
  hash(path: string, saltenv: string): FileHash | undefined {
    const found = this.roots.find(path, saltenv);
    return found && { sum: this.roots.hash(found), type: this.type };
  }
  stat(path: string, saltenv: string): number[] | undefined {
    const found = this.roots.find(path, saltenv);
    return found && [...found.stat];
  }
  read(path: string, saltenv: string, _gzip: number, take: (bytes: Uint8Array) => void): boolean {
    const found = this.roots.find(path, saltenv);
    if (!found) return false;
    for (let at = 0; ; ) {
      const bytes = this.roots.read(found, at, 1024 * 1024);
      if (!bytes.length) return true;
      take(bytes);
      at += bytes.length;
    }
  }
}

/** Hash of a file on this machine, undefined where it can't be read. */
export function localHash(path: string, type: string): FileHash | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const sum = createHash(type);
    const block = Buffer.allocUnsafe(1024 * 1024);
    for (let n = readSync(fd, block); n > 0; n = readSync(fd, block)) sum.update(block.subarray(0, n));
    return { sum: sum.digest('hex'), type };
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EISDIR') return undefined;
    throw e;
  } finally {
    closeSync(fd);
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Fetches files, for `cp` and for whatever reads SLS and templates. One is made for each job. */
export class MinionFiles implements FileClient {
  readonly source: Source;
  private readonly cachedir: string;
  private readonly hashType: string;

  constructor(
    opts: Opts,
    master: MasterLink,
    private readonly log: Log,
  ) {
    this.cachedir = opts.str('cachedir');
    this.hashType = opts.str('hash_type', 'sha256');
    this.source =
      opts.str('file_client', 'remote') === 'local' || !master.available ? new OwnFiles(opts) : new MasterFiles(master);
  }

  envs(): string[] {
    return this.source.envs();
  }
  list(saltenv: string): readonly string[] {
    return this.source.list(saltenv, '');
  }

  /** Where a file of an environment lies once it is cached. Throws for a path that leads out of the cache. */
  place(path: string, saltenv: string): string {
    return join(this.cachedir, 'files', saltenv, path.replace(/^[|/]+/, ''));
  }

  /** The path below the cache of an environment's file, fetched if it is new; undefined where there is none. */
  cache(path: string, saltenv: string): string | undefined {
    const url = saltUrl(path);
    return this.fetch(url.path, '', { saltenv: url.saltenv ?? saltenv, makedirs: true });
  }

  /**
   * Copies a file to `to` (a folder takes it under its own name; empty: the cache), unless what is there has its hash already.
   * Answers the path; undefined when there is no such file or no folder to put it in.
   */
  fetch(path: string, to: string, o: { saltenv: string; makedirs?: boolean; gzip?: number }): string | undefined {
    if (!isInside(path) || !isInside(o.saltenv)) return undefined;
    const there = this.source.hash(path, o.saltenv);
    if (!there) {
      this.log.debug(`Could not find file '${path}' in saltenv '${o.saltenv}'`);
      return undefined;
    }
    let dest = to === '' ? this.place(path, o.saltenv) : to;
    if (to !== '' && (isFolder(to) || to.endsWith('/'))) dest = join(to, basename(path));
    const here = localHash(dest, there.type);
    if (here?.sum === there.sum) return dest;
    const folder = dirname(dest);
    if (!isFolder(folder)) {
      if (to !== '' && !o.makedirs) return undefined;
      if (to === '' && existsSync(folder)) rmSync(folder);
      mkdirSync(folder, { recursive: true, ...(to === '' ? { mode: 0o700 } : {}) });
    }
    return this.write(path, dest, o.saltenv, o.gzip ?? 0, to === '') ? dest : undefined;
  }

  private write(path: string, dest: string, saltenv: string, gzip: number, secret: boolean): boolean {
    const part = join(dirname(dest), `.${basename(dest)}.${randomBytes(6).toString('hex')}`);
    const old = statSync(dest, { throwIfNoEntry: false });
    const fd = openSync(part, 'wx', secret ? 0o600 : 0o666);
    let done = false;
    try {
      done = this.source.read(path, saltenv, gzip, (bytes) => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      });
    } finally {
      closeSync(fd);
      if (!done) rmSync(part, { force: true });
    }
    if (done) {
      if (old && !secret) chmodSync(part, old.mode & 0o7777);
      renameSync(part, dest);
    }
    return done;
  }

  /** Hash of a `salt://` file, or of a file of this machine; undefined where there is none. */
  hash(path: string, saltenv: string): FileHash | undefined {
    if (!path.startsWith('salt://')) return localHash(path, this.hashType);
    const url = saltUrl(path);
    return this.source.hash(url.path, url.saltenv ?? saltenv);
  }

  /** Mode, inode … of a `salt://` file or of one of this machine. */
  stat(path: string, saltenv: string): number[] | undefined {
    if (path.startsWith('salt://')) {
      const url = saltUrl(path);
      return this.source.stat(url.path, url.saltenv ?? saltenv);
    }
    const s = statSync(path, { throwIfNoEntry: false });
    return s && [s.mode, s.ino, s.dev, s.nlink, s.uid, s.gid, s.size, s.atimeMs, s.mtimeMs, s.ctimeMs].map(Math.floor);
  }
}
