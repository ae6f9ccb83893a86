import { readdirSync, readFileSync, rmSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { Wire } from '../bus/values.ts';
import { isMinionId } from '../bus/wire/loads.ts';
import { globOf } from '../sls/fnmatch.ts';
import { type PyRegex, pyRegex } from '../sls/regex.ts';

/**
 * Decides which new keys are accepted or rejected without a person: `auto_accept`, `autosign_file`, `autoreject_file`, `autosign_grains_dir` and the one-time
 * files of `pki_dir/minions_autosign` (`autosign_timeout` minutes). A file that others may write, or its group unless
 * `permissive_pki_access`, counts as absent and is named in the log.
 */
export class AutoSign {
  private readonly lists = new Map<string, { mtime: number; tests: ((id: string) => boolean)[] }>();

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
  ) {}

  private trusted(path: string, stats: Stats): boolean {
    const bad = (stats.mode & 0o002) !== 0 || ((stats.mode & 0o020) !== 0 && !this.opts.flag('permissive_pki_access'));
    if (bad) this.log.warning(`Wrong permissions for ${path}, ignoring content`);
    return !bad;
  }

  private stat(path: string): Stats | undefined {
    try {
      const stats = statSync(path);
      return stats.isFile() ? stats : undefined;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') this.log.warning(`${path} cannot be read: ${e}`);
      return undefined;
    }
  }

  private listed(id: string, path: string): boolean {
    if (!path) return false;
    const stats = this.stat(path);
    if (!stats || !this.trusted(path, stats)) return false;
    let list = this.lists.get(path);
    if (list?.mtime !== stats.mtimeMs) {
      list = { mtime: stats.mtimeMs, tests: lines(readFileSync(path, 'utf8')).map(expression) };
      this.lists.set(path, list);
    }
    return list.tests.some((test) => test(id));
  }

  private once(id: string): boolean {
    const dir = join(this.opts.str('pki_dir'), 'minions_autosign');
    const minutes = this.opts.num('autosign_timeout', 120);
    const path = join(dir, id);
    const stats = this.stat(path);
    if (!stats) return false;
    rmSync(path, { force: true });
    if (minutes > 0 && stats.mtimeMs < Date.now() - minutes * 60_000) {
      this.log.warning(`Autosign keyid expired ${path}`);
      return false;
    }
    return true;
  }

  private byGrains(grains: Wire | undefined): boolean {
    const dir = this.opts.str('autosign_grains_dir');
    if (!dir || typeof grains !== 'object' || grains === null || Array.isArray(grains)) return false;
    let names: string[];
    try {
      names = readdirSync(dir);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') this.log.warning(`${dir} cannot be read: ${e}`);
      return false;
    }
    for (const name of names) {
      if (!Object.hasOwn(grains, name)) continue;
      const value = (grains as Record<string, Wire>)[name];
      const path = join(dir, name);
      const stats = this.stat(path);
      if (!stats || !this.trusted(path, stats)) continue;
      const text = value === true ? 'True' : value === false ? 'False' : String(value);
      if (lines(readFileSync(path, 'utf8')).includes(text)) return true;
    }
    return false;
  }

  /** Whether `autoreject_file` names the id. */
  rejects(id: string): boolean {
    return this.listed(id, this.opts.str('autoreject_file'));
  }

  /** Whether the id is accepted unseen; a one-time file is used up by asking. */
  accepts(id: string, grains: Wire | undefined): boolean {
    if (!isMinionId(id)) return false;
    return (
      this.opts.flag('auto_accept') ||
      this.listed(id, this.opts.str('autosign_file')) ||
      this.once(id) ||
      this.byGrains(grains)
    );
  }
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('#'));
}

/**
 * A line of an operator's list as a test: equal text, a glob, or a regular expression that must match all of it. An expression that does not
 * compile never matches by that way.
 */
export function expression(line: string): (text: string) => boolean {
  const glob = globOf(line);
  let whole: PyRegex | undefined;
  try {
    whole = pyRegex(line);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e; // a glob such as `*web` need not be a valid expression
  }
  return (text) => text === line || glob(text) || (whole !== undefined && whole.fullmatch(text) !== null);
}
