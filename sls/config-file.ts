import { accessSync, constants, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { globOf, hasGlob } from './fnmatch.ts';
import { compareText, eq, repr, str, typeName } from './values.ts';
import { isBlankYaml, loadYaml, YamlError } from './yaml.ts';

/** What an operator can do about a refused configuration file, added to the error's details. */
function advice(e: YamlError): string {
  if (e.problem.startsWith('found conflicting ID')) return 'Keep one of the two lines with this key.';
  if (e.problem === 'found character that cannot start any token')
    return 'Indent with spaces instead of tabs, and put text that begins with @, `, % or a template mark in quotes.';
  if (e.problem.startsWith('mapping values are not allowed'))
    return 'Check the indentation of this line, and put a value that holds ": " in quotes.';
  if (e.problem.startsWith("did not find expected ',' or"))
    return 'Close the bracket that was opened before this place.';
  return 'Check the indentation, quotes and brackets at this place and just before it.';
}

/**
 * Reads one configuration file. A refused one is logged and throws SaltError SaltConfigurationError (details: `file`, `line`,
 * `hint`), but a broken `_schedule.conf` is set aside as `…YAMLError` and counts as empty. A number as `id` becomes text.
 */
export function readConfigFile(path: string, log: Log): PyDict {
  log.debug(`Reading configuration from ${path}`);
  const text = readFileSync(path, 'utf8');
  if (isBlankYaml(text)) return new PyDict();
  let data: Py;
  try {
    data = loadYaml(text, { file: path });
  } catch (e) {
    if (!(e instanceof YamlError)) throw e;
    const message = `Error parsing configuration file: ${path} - ${e.message}`;
    log.error(message);
    if (!path.endsWith('_schedule.conf'))
      throw new SaltError(
        'SaltConfigurationError',
        message,
        { file: path, line: e.details['line'], hint: advice(e), exit: 1 },
        { cause: e },
      );
    log.error(`Renaming to ${path}YAMLError`);
    renameSync(path, `${path}YAMLError`);
    return new PyDict();
  }
  // What is empty or zero counts as no configuration at all.
  if (data === null || data === false || data === 0 || data === '' || (Array.isArray(data) && !data.length))
    return new PyDict();
  if (!(data instanceof PyDict)) {
    const message = `Error parsing configuration file: ${path} - conf should be a document, not <class '${typeName(data)}'>.`;
    log.error(message);
    throw new SaltError('SaltConfigurationError', message, {
      file: path,
      line: 1,
      hint: 'Write `option: value` lines; a space follows the colon.',
      exit: 1,
    });
  }
  const id = data.get('id');
  if (id !== undefined && typeof id !== 'string') data.set('id', str(id));
  return data;
}

/** Whether a file can be read; a folder or nothing at all cannot. */
export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    // Missing, not allowed, or under a file: no configuration there.
    return false;
  }
}

/** Folders and files that match a shell pattern, sorted; a name with a leading dot needs one in the pattern. Nothing readable: empty. */
export function globPaths(pattern: string): string[] {
  let found = [isAbsolute(pattern) ? '/' : ''];
  const parts = pattern.split('/').filter((p) => p !== '');
  for (const part of parts) {
    const next: string[] = [];
    for (const base of found)
      if (hasGlob(part)) {
        const matches = globOf(part);
        for (const name of names(base))
          if ((part.startsWith('.') || !name.startsWith('.')) && matches(name)) next.push(join(base, name));
      } else if (exists(join(base, part))) next.push(join(base, part));
    found = next;
  }
  return [...new Set(found)].filter(exists).sort(compareText);
}
function names(folder: string): string[] {
  try {
    return readdirSync(folder || '.');
  } catch {
    // Not a folder, or not ours to read: it holds nothing that matches.
    return [];
  }
}
function exists(path: string): boolean {
  return statSync(path || '.', { throwIfNoEntry: false }) !== undefined;
}

/** Merges `add` into `into` in place: dicts key by key, lists by what is new, all else replaces. */
export function mergeDeep(into: PyDict, add: PyDict): PyDict {
  for (const [key, value] of add) {
    const old = into.get(key);
    if (old instanceof PyDict && value instanceof PyDict) into.set(key, mergeDeep(old, value));
    else if (Array.isArray(old) && Array.isArray(value)) {
      const merged = [...old];
      for (const v of value) if (!merged.some((m) => eq(m, v))) merged.push(v);
      into.set(key, merged);
    } else into.set(key, value);
  }
  return into;
}

/** How {@link includeConfig} treats what it meets. */
export interface IncludeRules {
  readonly log: Log;
  readonly home: string;
  /** Warn about a pattern that matches nothing. */
  readonly verbose: boolean;
  /** A refused file ends the program; else it is logged and counts as empty. */
  readonly strict: boolean;
}

/** Reads the files an `include` (a pattern or a list) names, relative to the including file; later ones win, dicts and lists are merged. */
export function includeConfig(include: Py, from: string, rules: IncludeRules, seen: readonly string[] = []): PyDict {
  const out = new PyDict();
  const patterns = typeof include === 'string' ? [include] : Array.isArray(include) ? include : [];
  for (const p of patterns) {
    let pattern = str(p as Py).replace(/^~(?=\/|$)/, rules.home);
    if (!pattern) continue;
    if (!isAbsolute(pattern)) pattern = join(dirname(from), pattern);
    const found = globPaths(pattern);
    if (!found.length && rules.verbose)
      rules.log.warning(`Warning parsing configuration file: "include" path/glob '${pattern}' matches no files`);
    for (const path of found) {
      rules.log.debug(`Including configuration from ${repr(path)}`);
      mergeIncluded(out, path, rules, seen);
    }
  }
  return out;
}

function mergeIncluded(out: PyDict, path: string, rules: IncludeRules, seen: readonly string[]): void {
  if (seen.includes(path))
    throw new SaltError(
      'SaltConfigurationError',
      `Configuration file ${path} includes itself: ${[...seen, path].join(' -> ')}`,
      {
        file: path,
        hint: 'Remove one of the include lines of this chain.',
        exit: 1,
      },
    );
  let read: PyDict;
  try {
    read = readConfigFile(path, rules.log);
  } catch (e) {
    if (!(e instanceof SaltError) || e.code !== 'SaltConfigurationError') throw e;
    rules.log.error(e.message);
    if (rules.strict) throw e;
    read = new PyDict();
  }
  const schedule = read.get('schedule');
  const before = out.get('schedule');
  if (schedule instanceof PyDict && before instanceof PyDict) for (const [k, v] of schedule) before.set(k, v);
  const inner = read.get('include');
  if (inner)
    for (const [k, v] of includeConfig(inner, path, { ...rules, strict: false }, [...seen, path])) read.set(k, v);
  mergeDeep(out, read);
}
