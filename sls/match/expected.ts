import { SaltError } from '../../bus/errors.ts';
import { globOf } from '../fnmatch.ts';
import { pyRegex } from '../regex.ts';
import { type Py, PyDict } from '../values.ts';
import type { Matcher, Subject } from './contract.ts';
import { expandNodegroup } from './expand-nodegroup.ts';
import { grain } from './grain.ts';
import { grainPcre } from './grain_pcre.ts';
import { ipTarget } from './ipcidr.ts';
import { pillar } from './pillar.ts';
import { pillarExact } from './pillar_exact.ts';
import { pillarPcre } from './pillar_pcre.ts';
import { compoundWords, OPERATORS, parsePart } from './words.ts';

/** Who is expected to answer a job. `missing` are ids that a list names and no accepted key has. */
export interface Expected {
  minions: string[];
  missing: string[];
}
/** How {@link checkMinions} reads a target. */
export interface ExpectedOptions {
  /** Also consider minions without cached data (the default); only `ipcidr` then keeps them. */
  greedy?: boolean;
  delimiter?: string;
  nodegroups?: PyDict;
  /** Told why a target matches nobody, where that is an error. */
  onError?: (message: string) => void;
}

const CACHED: Record<string, Matcher> = {
  grain,
  grain_pcre: grainPcre,
  pillar,
  pillar_pcre: pillarPcre,
  pillar_exact: pillarExact,
};
const NO_RANGE = 'Range matcher unavailable (unable to import seco.range, module most likely not installed)';
const NOBODY: Expected = { minions: [], missing: [] };

/**
 * The master's guess at which of the minions with accepted keys match a target (Salt's CkMinions.check_minions), by what it has
 * cached of them: a minion whose grains are undefined is one it knows only by key. Never throws for a malformed target: nobody
 * matches it. Order: as `known` for most types, as written for a list.
 */
export function checkMinions(
  tgtType: string,
  tgt: Py,
  known: Iterable<Subject>,
  options: ExpectedOptions = {},
): Expected {
  const check = new Check([...known], options);
  try {
    return check.type(tgtType, tgt ?? '');
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    options.onError?.(`Failed matching available minions with ${tgtType} pattern: ${String(tgt)}: ${e.message}`);
    return { ...NOBODY };
  }
}

class Check {
  private readonly greedy: boolean;
  private readonly nodegroups: PyDict;
  private ids: Set<string> | undefined;

  constructor(
    private readonly known: readonly Subject[],
    private readonly options: ExpectedOptions,
  ) {
    this.greedy = options.greedy ?? true;
    this.nodegroups = options.nodegroups ?? new PyDict();
  }

  type(type: string, tgt: Py): Expected {
    switch (type) {
      case 'glob':
        return this.glob(tgt);
      case 'pcre':
        return this.pcre(tgt);
      case 'list':
        return this.list(tgt, false);
      case 'ipcidr':
        return this.ipcidr(tgt);
      case 'compound':
        return this.compound(tgt, false);
      case 'compound_pillar_exact':
        return this.compound(tgt, true);
      case 'nodegroup':
        return this.compound(typeof tgt === 'string' ? expandNodegroup(tgt, this.nodegroups) : [], false);
      case 'range':
        throw new SaltError('CommandExecutionError', NO_RANGE);
      default: {
        const matcher = Object.hasOwn(CACHED, type) ? CACHED[type] : undefined;
        if (!matcher) throw new SaltError('TypeError', `there is no target type ${type}`);
        return this.cached(matcher, tgt, this.options.delimiter ?? ':');
      }
    }
  }

  /** On the master a comma separates several globs. */
  private glob(tgt: Py): Expected {
    const patterns = typeof tgt === 'string' ? tgt.split(',') : Array.isArray(tgt) ? tgt : [];
    const tests = patterns.filter((p): p is string => typeof p === 'string').map(globOf);
    return { minions: this.pick((s) => tests.some((t) => t(s.id))), missing: [] };
  }

  private pcre(tgt: Py): Expected {
    if (typeof tgt !== 'string') throw new SaltError('TypeError', 'first argument must be string or compiled pattern');
    const re = pyRegex(tgt);
    return { minions: this.pick((s) => re.matches(s.id)), missing: [] };
  }

  private list(tgt: Py, ignoreMissing: boolean): Expected {
    const wanted = typeof tgt === 'string' ? tgt.split(',').filter(Boolean) : Array.isArray(tgt) ? tgt : [];
    this.ids ??= new Set(this.known.map((s) => s.id));
    const names = wanted.filter((w): w is string => typeof w === 'string');
    const has = (w: string): boolean => this.ids!.has(w);
    return { minions: names.filter(has), missing: ignoreMissing ? [] : names.filter((w) => !has(w)) };
  }

  private cached(matcher: Matcher, tgt: Py, delimiter: string): Expected {
    const ctx = { nodegroups: this.nodegroups, delimiter };
    return { minions: this.pick((s) => s.grains !== undefined && matcher(tgt, s, ctx)), missing: [] };
  }

  private ipcidr(tgt: Py): Expected {
    const test = ipTarget(tgt);
    if (!test) return { ...NOBODY };
    return { minions: this.pick((s) => (s.grains ? test(s.grains) : this.greedy)), missing: [] };
  }

  private pick(test: (s: Subject) => boolean): string[] {
    const out: string[] = [];
    for (const s of this.known) if (test(s)) out.push(s.id);
    return out;
  }

  private compound(tgt: Py, pillarsExact: boolean): Expected {
    const words = compoundWords(tgt);
    if (!words) return { ...NOBODY };
    const tokens: Token[] = [];
    const open: string[] = [];
    const missing: string[] = [];
    const close = (): void => {
      if (open.at(-1) !== '-') return;
      tokens.push(')');
      open.pop();
    };
    while (words.length) {
      const word = words.shift()!;
      const part = parsePart(word);
      const last = tokens.at(-1);
      if (OPERATORS.has(word)) {
        if (last === undefined ? word !== 'not' && word !== '(' : last === '(' && (word === 'and' || word === 'or'))
          return { ...NOBODY };
        if (word === 'not') {
          if (last !== undefined && last !== '&' && last !== '|' && last !== '(') tokens.push('&');
          tokens.push('(', new Set(this.known.map((s) => s.id)), '-');
          open.push('-');
        } else if (word === '(') {
          tokens.push(word);
          open.push(word);
        } else if (word === ')') {
          if (open.pop() !== '(') return { ...NOBODY };
          tokens.push(word);
          close();
        } else tokens.push(word === 'and' ? '&' : '|');
      } else if (part.engine === 'N') {
        words.unshift(...expandNodegroup(part.pattern, this.nodegroups));
      } else {
        const found = this.part(part.engine, part, last === '-', pillarsExact);
        tokens.push(new Set(found.minions));
        missing.push(...found.missing);
        close();
      }
    }
    for (const _ of open) tokens.push(')');
    const minions = new SetExpression(tokens).value();
    return minions ? { minions: [...minions], missing } : { ...NOBODY };
  }

  private part(
    engine: string | undefined,
    { pattern, delimiter }: { pattern: string; delimiter: string | undefined },
    excluded: boolean,
    pillarsExact: boolean,
  ): Expected {
    const cached = (m: Matcher): Expected => this.cached(m, pattern, delimiter ?? ':');
    switch (engine) {
      case 'G':
        return cached(grain);
      case 'P':
        return cached(grainPcre);
      case 'I':
        return cached(pillarsExact ? pillarExact : pillar);
      case 'J':
        return cached(pillarsExact ? pillarExact : pillarPcre);
      case 'L':
        return this.list(pattern, excluded);
      case 'S':
        return this.ipcidr(pattern);
      case 'E':
        return this.pcre(pattern);
      case 'R':
        throw new SaltError('CommandExecutionError', NO_RANGE);
      case 'T': {
        // A full resource name is expected to answer under its own id, whether or not anyone has registered it.
        const id = pattern.slice(pattern.indexOf(':') + 1);
        return pattern.includes(':') && pattern[0] !== ':' && id ? { minions: [id], missing: [] } : { ...NOBODY };
      }
      default:
        return this.glob(pattern);
    }
  }
}

type Token = Set<string> | string;

/** Python's `&`, `|` and `-` over sets, the last binding strongest. Any fault makes the whole expression worthless. */
class SetExpression {
  private at = 0;
  constructor(private readonly tokens: readonly Token[]) {}

  value(): Set<string> | undefined {
    if (this.tokens.every((t) => t === '(' || t === ')')) return undefined;
    const v = this.union();
    return this.at === this.tokens.length ? v : undefined;
  }

  private take(token: string): boolean {
    if (this.tokens[this.at] !== token) return false;
    this.at++;
    return true;
  }

  private union(): Set<string> | undefined {
    let left = this.intersection();
    while (left && this.take('|')) {
      const right = this.intersection();
      left = right && new Set([...left, ...right]);
    }
    return left;
  }

  private intersection(): Set<string> | undefined {
    let left = this.difference();
    while (left && this.take('&')) {
      const right = this.difference();
      left = right && new Set([...left].filter((x) => right.has(x)));
    }
    return left;
  }

  private difference(): Set<string> | undefined {
    let left = this.primary();
    while (left && this.take('-')) {
      const right = this.primary();
      left = right && new Set([...left].filter((x) => !right.has(x)));
    }
    return left;
  }

  private primary(): Set<string> | undefined {
    const token = this.tokens[this.at];
    if (token instanceof Set) {
      this.at++;
      return token;
    }
    if (!this.take('(')) return undefined;
    const v = this.union();
    return v && this.take(')') ? v : undefined;
  }
}
