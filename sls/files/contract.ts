/**
 * A file server backend: environments of files, read-only. Paths are relative to an environment, with `/`; nothing outside of a root is ever opened, named
 * or created, whatever the path or the environment says. `find` and `read` are synchronous; walks and hashes come in a synchronous form for job processes and an
 * asynchronous one for a daemon's main thread.
 */

/** A file as `_file_find` answers it. `stat`: mode, ino, dev, nlink, uid, gid, size, atime, mtime, ctime, whole seconds. */
export interface FoundFile {
  readonly path: string;
  readonly rel: string;
  readonly stat: readonly number[];
}

/** Everything below an environment, sorted. Links map the link's path to what it points to. */
export interface FileTree {
  readonly files: readonly string[];
  readonly dirs: readonly string[];
  readonly emptyDirs: readonly string[];
  readonly links: ReadonlyMap<string, string>;
}

/** One backend; see the head of this file. */
export interface FileBackend {
  envs(): string[];
  find(path: string, saltenv: string): FoundFile | undefined;
  tree(saltenv: string): FileTree;
  treeAsync(saltenv: string): Promise<FileTree>;
  /** Hex digest of a found file by `hash_type`; remembered while size and mtime stay. */
  hash(found: FoundFile): string;
  hashAsync(found: FoundFile): Promise<string>;
  /** Up to `length` bytes from an offset; empty at the end. */
  read(found: FoundFile, offset: number, length: number): Uint8Array;
  /** Looks for changes at the source; what changed, for the `salt/fileserver/<backend>/update` event. */
  update(): Promise<{ changed: boolean; files: { changed: string[]; added: string[]; removed: string[] } }>;
}
