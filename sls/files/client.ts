import { readFileSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { fnmatch } from '../fnmatch.ts';
import { compareText } from '../values.ts';
import type { FileBackend } from './contract.ts';

/** Files as SLS, templates and states see them: on the server itself, or through a master and a cache. Everything blocks. */
export interface FileClient {
  envs(): string[];
  /** Paths of all files of an environment, sorted; none for an unknown one. */
  list(saltenv: string): readonly string[];
  /** A path on this machine that holds the file's content; undefined where there is none of that name. */
  cache(path: string, saltenv: string): string | undefined;
}

/** The files of a backend on this machine (`file_client: local`): read where they lie, nothing is copied. */
export class LocalFiles implements FileClient {
  constructor(private readonly backend: FileBackend) {}
  envs(): string[] {
    return this.backend.envs();
  }
  list(saltenv: string): readonly string[] {
    return this.backend.tree(saltenv).files;
  }
  cache(path: string, saltenv: string): string | undefined {
    return this.backend.find(path, saltenv)?.path;
  }
}

/** The path of a `salt://path?saltenv=env` address, and the environment it names; a bare path stays as it is. */
export function saltUrl(url: string): { path: string; saltenv?: string } {
  if (!url.startsWith('salt://')) return { path: url };
  const rest = url.slice('salt://'.length).replace(/^\|/, '');
  const at = rest.indexOf('?');
  if (at < 0) return { path: rest };
  const env = /(?:^|&)saltenv=([^&]+)/.exec(rest.slice(at + 1))?.[1];
  return { path: rest.slice(0, at), ...(env === undefined ? {} : { saltenv: env }) };
}

/** A file found by its SLS name: `source` is its address, `path` where it lies. */
export interface FoundSls {
  readonly source: string;
  readonly path: string;
}

const GLOB = /[*?[]/;

/** The SLS names of environments, listed once an environment and only when a name is looked for. */
export class SlsNames {
  private readonly names = new Map<string, readonly string[]>();
  private readonly sets = new Map<string, ReadonlySet<string>>();

  constructor(readonly files: FileClient) {}

  /** All SLS names of an environment, sorted. */
  all(saltenv: string): readonly string[] {
    let names = this.names.get(saltenv);
    if (!names) {
      const found = new Set<string>();
      for (const file of this.files.list(saltenv)) {
        if (!file.endsWith('.sls')) continue;
        const dotted = file.replaceAll('/', '.');
        found.add(dotted.slice(0, file.endsWith('/init.sls') ? -9 : -4));
      }
      names = [...found].sort(compareText);
      this.names.set(saltenv, names);
      this.sets.set(saltenv, found);
    }
    return names;
  }

  /** The names that a shell pattern fits, sorted. */
  matching(saltenv: string, pattern: string): string[] {
    const names = this.all(saltenv);
    if (!GLOB.test(pattern)) return this.sets.get(saltenv)?.has(pattern) ? [pattern] : [];
    return names.filter((n) => fnmatch(n, pattern));
  }

  /** The file behind a name: `a.b` is `a/b.sls`, or else `a/b/init.sls`. */
  find(sls: string, saltenv: string): FoundSls | undefined {
    const base = sls.replaceAll('.', '/');
    for (const file of [`${base}.sls`, `${base}/init.sls`]) {
      const path = this.files.cache(file, saltenv);
      if (path !== undefined) return { source: `salt://${file}`, path };
    }
    return undefined;
  }
}

/** A template's text. Throws SaltRenderError for bytes that are no UTF-8, which the reference refuses too. */
export function readTemplate(path: string): string {
  const bytes = readFileSync(path);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (e) {
    throw new SaltError('UnicodeError', `${path} is not UTF-8 text`, { file: path }, { cause: e });
  }
}
