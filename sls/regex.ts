import { createContext, Script } from 'node:vm';
import { SaltError } from '../bus/errors.ts';
import { type EmittedRegex, emitRegex } from './regex-emit.ts';
import { type ParsedRegex, parseRegex, type RegexFlags } from './regex-parse.ts';

/** Python's `re` flag letters: i, m, s, x, a. */
export type RegexFlagLetters = string;

/** A match, as Python's match object. Positions are UTF-16 offsets into the text given. */
export interface PyMatch {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Group by number or name (0: the whole match); undefined where it took no part. Throws SaltError `IndexError` if there is none. */
  group(which?: number | string): string | undefined;
  /** Groups 1 to n. */
  groups(): (string | undefined)[];
  /** Named groups by name. */
  named(): Map<string, string | undefined>;
  /** Start and end of a group; undefined where it took no part. */
  span(which: number | string): [number, number] | undefined;
}

/** Longest time one call may spend on a pattern that can run for ever, in milliseconds; a millisecond more for each 1000 characters. */
export const REGEX_TIME_LIMIT = 500;
/** Steps below which a pattern runs unwatched: some milliseconds at worst. */
const FREE_STEPS = 4e5;
const CACHE_SIZE = 512;

/**
 * A compiled Python pattern. Differences that remain: a group inside a loop forgets its value when a later round skips it, and a
 * reference to a group that took no part matches the empty text. A pattern that could take exponential or high polynomial time on
 * the text given runs under {@link REGEX_TIME_LIMIT} and fails with SaltError `error` when it exceeds it.
 */
export class PyRegex {
  /** Number of groups. */
  readonly groupCount: number;
  /** Names of groups and their numbers. */
  readonly names: ReadonlyMap<string, number>;
  private readonly emitted: EmittedRegex;
  private advancing: { re: RegExp; groups: number[] } | undefined;
  private readonly sticky: RegExp;
  private readonly global: RegExp;
  private readonly full: RegExp;
  private readonly withIndices: RegExp;

  constructor(
    /** The pattern as written. */
    readonly pattern: string,
    private readonly parsed: ParsedRegex,
  ) {
    this.groupCount = parsed.groups;
    this.names = parsed.names;
    const emitted = emitRegex(parsed);
    this.emitted = emitted;
    const flags = emitted.ignoreCase ? 'ui' : 'u';
    this.sticky = toRegExp(emitted.source, `${flags}y`);
    this.global = toRegExp(emitted.source, `${flags}g`);
    this.full = toRegExp(`(?:${emitted.source})$`, `${flags}y`);
    this.withIndices = toRegExp(emitted.source, `${flags}yd`);
  }

  /** Matches at the beginning (or at `from`). */
  match(text: string, from = 0): PyMatch | null {
    return this.run(this.sticky, text, from);
  }
  /** Finds the first match anywhere from `from` on. */
  search(text: string, from = 0): PyMatch | null {
    return this.run(this.global, text, from);
  }
  /** Matches the whole text. */
  fullmatch(text: string): PyMatch | null {
    return this.run(this.full, text, 0);
  }
  /** Whether {@link match} would find something; cheaper. */
  matches(text: string): boolean {
    return this.exec(this.sticky, text, 0) !== null;
  }

  /** All matches without overlap, as `re.finditer`, or the first `limit` of them. */
  finditer(text: string, limit = Number.POSITIVE_INFINITY): PyMatch[] {
    const found: { m: RegExpExecArray; map: number[] }[] = [];
    let afterEmpty = false;
    const collect = (): void => {
      for (let at = 0; at <= text.length && found.length < limit; ) {
        this.global.lastIndex = at;
        let m: RegExpExecArray | null = null;
        let map = this.emitted.groups;
        if (afterEmpty) {
          // Where an empty match was just given, only a longer one may begin.
          this.advancing ??= this.makeAdvancing();
          this.advancing.re.lastIndex = at;
          m = this.advancing.re.exec(text);
          if (m) map = this.advancing.groups;
          else this.global.lastIndex = at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
        }
        if (!m && this.global.lastIndex <= text.length) m = this.global.exec(text);
        if (!m) return;
        found.push({ m, map });
        at = m.index + m[0].length;
        afterEmpty = !m[0];
      }
    };
    if (this.risky(text.length, true)) watched(this.pattern, text.length, collect);
    else collect();
    return found.map(({ m, map }) => this.wrap(m, text, map));
  }

  /** `re.findall`: whole matches, or the one group, or tuples of groups as arrays; a group that took no part is ''. */
  findall(text: string): (string | string[])[] {
    return this.finditer(text).map((m) => {
      const groups = m.groups().map((g) => g ?? '');
      return groups.length === 0 ? (m.group() ?? '') : groups.length === 1 ? groups[0]! : groups;
    });
  }

  /** `re.sub`: `replacement` is a template with `\1` and `\g<name>`, or a function. `count` 0 replaces all. */
  sub(replacement: string | ((m: PyMatch) => string), text: string, count = 0): string {
    return this.subn(replacement, text, count)[0];
  }

  /** {@link sub} with the number of replacements. */
  subn(replacement: string | ((m: PyMatch) => string), text: string, count = 0): [string, number] {
    const make = typeof replacement === 'string' ? this.template(replacement) : replacement;
    let out = '';
    let at = 0;
    let done = 0;
    for (const m of this.finditer(text, count || undefined)) {
      out += text.slice(at, m.start) + make(m);
      at = m.end;
      done++;
    }
    return [out + text.slice(at), done];
  }

  /** `re.split`: groups of the pattern are part of the answer. */
  split(text: string, maxSplit = 0): (string | undefined)[] {
    const out: (string | undefined)[] = [];
    let at = 0;
    for (const m of this.finditer(text, maxSplit || undefined)) {
      out.push(text.slice(at, m.start), ...m.groups());
      at = m.end;
    }
    out.push(text.slice(at));
    return out;
  }

  /** Compiles a replacement template; throws SaltError `error` as Python does for bad escapes and unknown groups. */
  private template(source: string): (m: PyMatch) => string {
    if (!source.includes('\\')) return () => source;
    const parts: (string | number)[] = [];
    const reference = (index: number, at: number): void => {
      if (index > this.groupCount) throw new SaltError('error', `invalid group reference ${index} at position ${at}`);
      parts.push(index);
    };
    const simple: Record<string, string> = {
      n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\x07', b: '\b', '\\': '\\',
    }; // biome-ignore format: a table
    for (let i = 0; i < source.length; ) {
      const next = source.indexOf('\\', i);
      if (next < 0 || next === source.length - 1) {
        if (next >= 0) throw new SaltError('error', `bad escape (end of pattern) at position ${next}`);
        parts.push(source.slice(i));
        break;
      }
      parts.push(source.slice(i, next));
      const rest = source.slice(next + 1);
      const named = /^g<([^>]*)>/.exec(rest);
      const octal = /^(?:0[0-7]{0,2}|[0-3][0-7]{2})/.exec(rest);
      const number = /^[1-9]\d?/.exec(rest);
      if (named) {
        const name = named[1]!;
        if (!name) throw new SaltError('error', `missing group name at position ${next + 3}`);
        const index = /^\d+$/.test(name) ? Number(name) : this.names.get(name);
        if (index === undefined) throw new SaltError('IndexError', `unknown group name '${name}'`);
        reference(index, next + 3);
        i = next + 1 + named[0].length;
      } else if (rest[0] === 'g') throw new SaltError('error', `missing < at position ${next + 2}`);
      else if (octal) {
        parts.push(String.fromCharCode(Number.parseInt(octal[0], 8)));
        i = next + 1 + octal[0].length;
      } else if (number) {
        reference(Number(number[0]), next + 1);
        i = next + 1 + number[0].length;
      } else {
        const c = rest[0]!;
        const meaning = simple[c];
        if (meaning === undefined && /[A-Za-z]/.test(c))
          throw new SaltError('error', `bad escape \\${c} at position ${next}`);
        parts.push(meaning ?? `\\${c}`);
        i = next + 2;
      }
    }
    return (m) => parts.map((p) => (typeof p === 'string' ? p : (m.group(p) ?? ''))).join('');
  }

  private run(re: RegExp, text: string, from: number): PyMatch | null {
    const m = this.exec(re, text, from);
    return m && this.wrap(m, text, this.emitted.groups);
  }

  private risky(length: number, anywhere: boolean): boolean {
    const { nested, degree } = this.emitted.risk;
    const power = degree + (anywhere ? 1 : 0);
    return (nested ? 2 ** Math.min(length, 60) : power > 1 ? length ** power : 0) > FREE_STEPS;
  }

  private exec(re: RegExp, text: string, from: number): RegExpExecArray | null {
    re.lastIndex = from;
    if (!this.risky(text.length - from, re.global)) return re.exec(text);
    return watched(this.pattern, text.length, () => re.exec(text));
  }

  private makeAdvancing(): { re: RegExp; groups: number[] } {
    const { source, groups, ignoreCase } = emitRegex(this.parsed, true);
    return { re: toRegExp(source, ignoreCase ? 'uiy' : 'uy'), groups };
  }

  private wrap(m: RegExpExecArray, text: string, map: number[]): PyMatch {
    const index = (which: number | string): number => {
      const i = typeof which === 'number' ? which : this.names.get(which);
      if (i === undefined || map[i] === undefined) throw new SaltError('IndexError', 'no such group');
      return map[i];
    };
    const end = m.index + m[0].length;
    return {
      text,
      start: m.index,
      end,
      group: (which = 0) => m[index(which)],
      groups: () => map.slice(1).map((i) => m[i]),
      named: () => new Map([...this.names].map(([name, i]) => [name, m[map[i]!]])),
      span: (which) => {
        if (which === 0) return [m.index, end];
        const again =
          map === this.emitted.groups
            ? this.withIndices
            : toRegExp(this.advancing!.re.source, `${this.advancing!.re.flags}d`);
        return this.exec(again, text, m.index)?.indices?.[index(which)];
      },
    };
  }
}

function toRegExp(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (e) {
    throw new SaltError('error', `pattern cannot be translated: ${(e as Error).message}`);
  }
}

let guard: { script: Script; context: { run: () => unknown } } | undefined;

/** Runs a match that V8 is told to give up after the limit: the only way to stop its engine. Costs about 0.1 ms. */
function watched<T>(pattern: string, length: number, match: () => T): T {
  guard ??= { script: new Script('run()'), context: createContext({ run: () => null }) as { run: () => unknown } };
  const timeout = REGEX_TIME_LIMIT + Math.ceil(length / 1000);
  guard.context.run = match;
  try {
    return guard.script.runInContext(guard.context, { timeout }) as T;
  } catch (e) {
    if ((e as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new SaltError('error', `pattern took longer than ${timeout} ms and was stopped: ${pattern}`);
    throw e;
  } finally {
    guard.context.run = () => null;
  }
}

const cache = new Map<string, PyRegex>();

/** Compiles a Python pattern (cached). `flags` are letters as in `(?imsxa)`. Throws SaltError `error` with `re.error`'s text. */
export function pyRegex(pattern: string, flags: RegexFlagLetters = ''): PyRegex {
  const key = `${flags}/${pattern}`;
  const known = cache.get(key);
  if (known) return known;
  const wanted: RegexFlags = {
    ignoreCase: flags.includes('i'),
    multiline: flags.includes('m'),
    dotAll: flags.includes('s'),
    verbose: flags.includes('x'),
    ascii: flags.includes('a'),
  };
  const made = new PyRegex(pattern, parseRegex(pattern, wanted));
  if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value!);
  cache.set(key, made);
  return made;
}

/** `re.escape`: a pattern that matches exactly this text. */
export function escapeRegex(text: string): string {
  return text.replace(/[\t\n\v\f\r #$&()*+\-.?[\\\]^{|}~]/g, '\\$&');
}
