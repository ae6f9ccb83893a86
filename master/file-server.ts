import { constants } from 'node:fs';
import { lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { readFileRecv, readFileRequest } from '../bus/wire/loads.ts';
import type { FileBackend, FoundFile } from '../sls/files/contract.ts';
import { Roots } from '../sls/files/roots.ts';

const pack = promisify(gzip);

/** Answers the file commands of minions over all `fileserver_backend`s, the first that has a path winning. */
export class FileServer {
  private readonly backends: { name: string; backend: FileBackend }[] = [];
  private readonly sliceSize: number;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
  ) {
    for (const name of opts.list('fileserver_backend').map(String)) {
      if (name === 'roots' || name === 'file') this.backends.push({ name: 'roots', backend: new Roots(opts) });
      else log.error(`fileserver backend ${name} is not known`);
    }
    if (!opts.has('fileserver_backend')) this.backends.push({ name: 'roots', backend: new Roots(opts) });
    this.sliceSize = Math.max(1, opts.num('file_buffer_size', 1 << 20));
  }

  envs(): string[] {
    return [...new Set(this.backends.flatMap((b) => b.backend.envs()))].sort();
  }

  private find(path: string, saltenv: string): { found: FoundFile; backend: FileBackend } | undefined {
    for (const { backend } of this.backends) {
      const found = backend.find(path, saltenv);
      if (found) return { found, backend };
    }
    return undefined;
  }

  /** `_file_list`, `_file_list_emptydirs`, `_dir_list`: sorted paths that begin with the prefix. */
  async list(load: WireMap, what: 'files' | 'emptyDirs' | 'dirs'): Promise<Wire> {
    const ask = readFileRequest(load);
    if (!ask) return [];
    const all = new Set<string>();
    const prefix = ask.prefix.replace(/^\/+|\/+$/g, '');
    for (const { backend } of this.backends)
      for (const path of (await backend.treeAsync(ask.saltenv))[what]) if (path.startsWith(prefix)) all.add(path);
    const paths = [...all];
    return this.backends.length > 1 ? paths.sort() : paths;
  }

  async links(load: WireMap): Promise<Wire> {
    const ask = readFileRequest(load);
    const answer: WireMap = {};
    if (!ask) return answer;
    const prefix = ask.prefix.replace(/^\/+|\/+$/g, '');
    for (const { backend } of this.backends)
      for (const [link, to] of (await backend.treeAsync(ask.saltenv)).links)
        if (link.startsWith(prefix) && !Object.hasOwn(answer, link)) answer[link] = to;
    return answer;
  }

  /** `_file_find`. */
  where(load: WireMap): Wire {
    const ask = readFileRequest(load);
    const hit = ask && this.find(ask.path, ask.saltenv);
    return hit ? { path: hit.found.path, rel: hit.found.rel, stat: [...hit.found.stat] } : { path: '', rel: '' };
  }

  /** `_file_hash`; empty text when there is no such file. */
  async hash(load: WireMap): Promise<Wire> {
    const ask = readFileRequest(load);
    const hit = ask && this.find(ask.path, ask.saltenv);
    if (!hit) return '';
    return { hash_type: this.opts.str('hash_type', 'sha256'), hsum: await hit.backend.hashAsync(hit.found) };
  }

  /** `_file_hash_and_stat`; `['', null]` when there is no such file. */
  async hashAndStat(load: WireMap): Promise<Wire> {
    const ask = readFileRequest(load);
    const hit = ask && this.find(ask.path, ask.saltenv);
    if (!hit) return ['', null];
    const hsum = await hit.backend.hashAsync(hit.found);
    return [{ hash_type: this.opts.str('hash_type', 'sha256'), hsum }, [...hit.found.stat]];
  }

  /** `_serve_file`: one slice. The end is an empty slice with `dest`, a missing file both empty. */
  async serve(load: WireMap): Promise<Wire> {
    const ask = readFileRequest(load);
    const hit = ask && this.find(ask.path, ask.saltenv);
    if (!ask || !hit) return { data: '', dest: '' };
    const data = hit.backend.read(hit.found, ask.loc, this.sliceSize);
    if (ask.gzip === undefined || !data.length) return { data, dest: hit.found.rel };
    return { data: await pack(data, { level: ask.gzip }), dest: hit.found.rel, gzip: ask.gzip };
  }

  /**
   * `_file_recv`: keeps a slice under `cachedir/minions/<id>/files/`. Off unless `file_recv` is set; refuses what is larger than `file_recv_max_size` MiB, every
   * part that leads elsewhere, and links on the way.
   */
  async receive(load: WireMap): Promise<boolean> {
    const slice = readFileRecv(load);
    if (!slice || !this.opts.flag('file_recv')) return false;
    const most = this.opts.num('file_recv_max_size', 100) * 1024 * 1024;
    if (slice.size > most || slice.loc + slice.data.length > most) {
      this.log.error(`file_recv_max_size limit of ${most / 1024 / 1024} MB exceeded by ${slice.id}; file not kept`);
      return false;
    }
    const parts = ['minions', slice.id, 'files', ...slice.path];
    const name = parts.pop() as string;
    let dir = this.opts.str('cachedir');
    for (const part of parts) {
      dir = join(dir, part);
      try {
        await mkdir(dir, { mode: 0o700 });
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
        if (!(await lstat(dir)).isDirectory()) return false;
      }
    }
    const path = join(dir, name);
    const flags =
      constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | (slice.loc === 0 ? constants.O_TRUNC : 0);
    try {
      const known = await lstat(path).catch(() => undefined);
      if (known && !known.isFile()) return false;
      const file = await open(path, flags, 0o600);
      try {
        await file.write(slice.data, 0, slice.data.length, slice.loc);
      } finally {
        await file.close();
      }
      return true;
    } catch (e) {
      this.log.error(`Cannot keep a file of ${slice.id}: ${e}`);
      return false;
    }
  }

  /** Looks for changes in every backend; answers the data of the `salt/fileserver/<backend>/update` events to fire. */
  async update(): Promise<{ backend: string; data: WireMap }[]> {
    const events: { backend: string; data: WireMap }[] = [];
    for (const { name, backend } of this.backends) {
      const { changed, files } = await backend.update();
      if (changed) events.push({ backend: name, data: { changed, backend: name, files: { ...files } } });
    }
    return events;
  }
}
