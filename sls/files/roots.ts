/** The `roots` backend: environments are lists of folders (`file_roots`), the first folder that has a path wins. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  type Dirent,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { isAbsolute, join, normalize, relative, resolve, sep } from 'node:path';
import type { Opts } from '../../bus/opts.ts';
import { PyDict } from '../../bus/values.ts';
import { fnmatch } from '../fnmatch.ts';
import { pyRegex } from '../regex.ts';
import type { FileBackend, FileTree, FoundFile } from './contract.ts';

/** How long one slice of a walk may hold the main thread, ms. */
const SLICE_MS = 4;
/** How long a walked tree is served again (the reference's `fileserver_list_cache_time`), ms. */
const TREE_MS = 20_000;
const MAX_HASHES = 10_000;
/** An environment that maps every name to its folders, with `__env__` in a folder's path standing for the name. */
const ANY = '__env__';

interface Walk {
  files: Set<string>;
  dirs: Set<string>;
  emptyDirs: Set<string>;
  links: Map<string, string>;
}

/** Whether a relative path stays where it begins: no `..`, no absolute part, no NUL, no backslash. */
export function isInside(path: string): boolean {
  if (path === '' || path.includes('\0') || path.includes('\\') || isAbsolute(path)) return false;
  const clean = normalize(path);
  return clean !== '.' && clean !== '..' && !clean.startsWith(`..${sep}`);
}

/** A backend over the folders that `file_roots` (or another key of the same shape) names. */
export class Roots implements FileBackend {
  private readonly roots = new Map<string, string[]>();
  private readonly follow: boolean;
  private readonly hideLinks: boolean;
  private readonly ignoreGlobs: string[];
  private readonly ignoreExpressions: string[];
  private readonly hashType: string;
  private readonly hashes = new Map<string, { size: number; mtime: number; hex: string }>();
  private readonly trees = new Map<string, { at: number; tree: FileTree }>();
  private times: Map<string, number> | undefined;

  constructor(opts: Opts, key = 'file_roots') {
    for (const [env, folders] of opts.dict(key)) {
      const list = Array.isArray(folders) ? folders : folders instanceof PyDict ? [] : [folders];
      this.roots.set(
        String(env),
        list.filter((f) => typeof f === 'string').map((f) => resolve(f as string)),
      );
    }
    this.follow = opts.flag('fileserver_followsymlinks', true);
    this.hideLinks = opts.flag('fileserver_ignoresymlinks');
    this.ignoreGlobs = opts.list('file_ignore_glob').map(String);
    this.ignoreExpressions = opts.list('file_ignore_regex').map(String);
    this.hashType = opts.str('hash_type', 'sha256');
  }

  envs(): string[] {
    return [...this.roots.keys()].sort();
  }

  /** The folders of an environment; none for a name that could lead out of them. */
  private folders(saltenv: string): string[] {
    const own = this.roots.get(saltenv);
    if (own && saltenv !== ANY) return own;
    const any = this.roots.get(ANY);
    if (!any || !/^[^/\\\0]+$/.test(saltenv) || saltenv === '.' || saltenv === '..') return own ?? [];
    return any.map((f) => f.replaceAll(ANY, saltenv));
  }

  private ignored(rel: string): boolean {
    return (
      this.ignoreGlobs.some((g) => fnmatch(rel, g)) ||
      this.ignoreExpressions.some((x) => pyRegex(x).search(rel) !== null)
    );
  }

  /** Without followed links, a path counts only where every part of it is really below its root. */
  private reallyInside(root: string, full: string): boolean {
    if (this.follow) return true;
    try {
      const real = realpathSync(full);
      return real.startsWith(`${realpathSync(root)}${sep}`);
    } catch {
      return false; // gone between two looks
    }
  }

  find(path: string, saltenv: string): FoundFile | undefined {
    if (!isInside(path)) return undefined;
    const rel = normalize(path);
    for (const root of this.folders(saltenv)) {
      const full = join(root, rel);
      let stats: Stats;
      try {
        stats = statSync(full);
      } catch {
        continue; // not in this folder, or not to be read: as if absent
      }
      if (!stats.isFile() || !this.reallyInside(root, full) || this.ignored(full)) continue;
      return { path: full, rel, stat: statList(stats) };
    }
    return undefined;
  }

  /** Walks an environment folder by folder; each step yields so that an asynchronous caller can rest. */
  private *walk(saltenv: string): Generator<void, FileTree> {
    const found: Walk = { files: new Set(), dirs: new Set(), emptyDirs: new Set(), links: new Map() };
    for (const root of this.folders(saltenv)) {
      const seen = new Set<string>();
      const todo = [root];
      for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
        let entries: Dirent[];
        try {
          const real = realpathSync(dir);
          if (seen.has(real)) continue;
          seen.add(real);
          entries = readdirSync(dir, { withFileTypes: true });
        } catch {
          continue; // a folder that is gone or closed to us holds nothing
        }
        for (const entry of entries) this.note(found, root, dir, entry, todo);
        yield;
      }
    }
    return {
      files: [...found.files].sort(byCodePoint),
      dirs: [...found.dirs].sort(byCodePoint),
      emptyDirs: [...found.emptyDirs].sort(byCodePoint),
      links: found.links,
    };
  }

  private note(found: Walk, root: string, dir: string, entry: Dirent, todo: string[]): void {
    const full = join(dir, entry.name);
    const rel = relative(root, full);
    const link = entry.isSymbolicLink();
    if ((link && this.hideLinks) || this.ignored(rel)) return;
    let isDir = entry.isDirectory();
    if (link) {
      try {
        isDir = statSync(full).isDirectory();
      } catch {
        isDir = false; // a dangling link is listed as a file, as the reference does
      }
      this.noteLink(found, root, full, rel);
    }
    if (!isDir) {
      found.files.add(rel);
      return;
    }
    found.dirs.add(rel);
    try {
      if (readdirSync(full).length === 0) found.emptyDirs.add(rel);
    } catch {
      return; // closed to us
    }
    if (!link || this.follow) todo.push(full);
  }

  private noteLink(found: Walk, root: string, full: string, rel: string): void {
    try {
      const target = readlinkSync(full);
      const real = resolve(full, '..', target);
      if (!this.follow || real === root || real.startsWith(`${root}${sep}`)) found.links.set(rel, target);
    } catch {
      // the link went away while we looked: it is not listed
    }
  }

  private cached(saltenv: string): FileTree | undefined {
    const known = this.trees.get(saltenv);
    return known && Date.now() - known.at < TREE_MS ? known.tree : undefined;
  }

  private remember(saltenv: string, tree: FileTree): FileTree {
    if (this.roots.has(saltenv) || this.trees.size < 64) this.trees.set(saltenv, { at: Date.now(), tree });
    return tree;
  }

  tree(saltenv: string): FileTree {
    const known = this.cached(saltenv);
    if (known) return known;
    const walk = this.walk(saltenv);
    for (;;) {
      const step = walk.next();
      if (step.done) return this.remember(saltenv, step.value);
    }
  }

  async treeAsync(saltenv: string): Promise<FileTree> {
    const known = this.cached(saltenv);
    if (known) return known;
    const walk = this.walk(saltenv);
    for (;;) {
      const end = performance.now() + SLICE_MS;
      for (;;) {
        const step = walk.next();
        if (step.done) return this.remember(saltenv, step.value);
        if (performance.now() > end) break;
      }
      await new Promise((r) => setImmediate(r));
    }
  }

  private knownHash(found: FoundFile): string | undefined {
    const known = this.hashes.get(found.path);
    return known && known.size === found.stat[6] && known.mtime === found.stat[8] && recent(known.mtime) === false
      ? known.hex
      : undefined;
  }

  private keepHash(found: FoundFile, hex: string): string {
    if (this.hashes.size >= MAX_HASHES) this.hashes.delete(this.hashes.keys().next().value as string);
    this.hashes.set(found.path, { size: found.stat[6]!, mtime: found.stat[8]!, hex });
    return hex;
  }

  hash(found: FoundFile): string {
    const known = this.knownHash(found);
    if (known !== undefined) return known;
    const hash = createHash(this.hashType);
    for (let at = 0; ; ) {
      const part = this.read(found, at, 1 << 20);
      if (!part.length) return this.keepHash(found, hash.digest('hex'));
      hash.update(part);
      at += part.length;
    }
  }

  async hashAsync(found: FoundFile): Promise<string> {
    const known = this.knownHash(found);
    if (known !== undefined) return known;
    if (found.stat[6]! <= 1 << 18) return this.hash(found);
    const hash = createHash(this.hashType);
    for await (const part of createReadStream(found.path, { highWaterMark: 1 << 18 })) hash.update(part as Buffer);
    return this.keepHash(found, hash.digest('hex'));
  }

  read(found: FoundFile, offset: number, length: number): Uint8Array {
    const file = openSync(found.path, 'r');
    try {
      const left = Math.max(0, Math.min(length, statSync(found.path).size - offset));
      const buf = Buffer.allocUnsafe(left);
      let got = 0;
      while (got < left) {
        const n = readSync(file, buf, got, left - got, offset + got);
        if (n === 0) break;
        got += n;
      }
      return buf.subarray(0, got);
    } finally {
      closeSync(file);
    }
  }

  async update(): Promise<{ changed: boolean; files: { changed: string[]; added: string[]; removed: string[] } }> {
    this.trees.clear();
    const now = new Map<string, number>();
    for (const env of this.roots.keys()) {
      if (env === ANY) continue;
      const tree = await this.treeAsync(env);
      let end = performance.now() + SLICE_MS;
      for (const rel of tree.files) {
        const found = this.find(rel, env);
        if (found) now.set(found.path, found.stat[8]!);
        if (performance.now() > end) {
          await new Promise((r) => setImmediate(r));
          end = performance.now() + SLICE_MS;
        }
      }
    }
    const old = this.times;
    this.times = now;
    if (!old) return { changed: false, files: { changed: [], added: [], removed: [] } };
    const files = {
      changed: [...now].filter(([p, t]) => old.has(p) && old.get(p) !== t).map(([p]) => p),
      added: [...now.keys()].filter((p) => !old.has(p)),
      removed: [...old.keys()].filter((p) => !now.has(p)),
    };
    return { changed: files.changed.length + files.added.length + files.removed.length > 0, files };
  }
}

/** A file changed in this or the last second may change again within the same mtime: its hash is not trusted yet. */
function recent(mtime: number): boolean {
  return Date.now() / 1000 - mtime < 2;
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A stat as the reference's file server answers it. */
export function statList(s: Stats): number[] {
  const whole = (ms: number): number => Math.floor(ms / 1000);
  return [s.mode, s.ino, s.dev, s.nlink, s.uid, s.gid, s.size, whole(s.atimeMs), whole(s.mtimeMs), whole(s.ctimeMs)];
}
