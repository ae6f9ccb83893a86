import type { Matcher } from './contract.ts';
import { expandNodegroup } from './expand-nodegroup.ts';
import { glob } from './glob.ts';
import { grain } from './grain.ts';
import { grainPcre } from './grain_pcre.ts';
import { ipcidr } from './ipcidr.ts';
import { list } from './list.ts';
import { pcre } from './pcre.ts';
import { pillar } from './pillar.ts';
import { pillarPcre } from './pillar_pcre.ts';
import { compoundWords, OPERATORS, parsePart } from './words.ts';

/** `M@id`: the minion that manages a resource. `T@` (resources) and `R@` (range) have no matcher here: they fail the expression. */
const managingMinion: Matcher = (tgt, subject) => tgt === subject.id;

const ENGINES: Record<string, Matcher> = {
  G: grain,
  P: grainPcre,
  I: pillar,
  J: pillarPcre,
  L: list,
  S: ipcidr,
  E: pcre,
  M: managingMinion,
  T: () => false,
};

/**
 * Several matchers joined by `and`, `or`, `not` and parentheses; words without an engine are globs. A malformed expression matches
 * nothing, but what was decided before the fault was reached counts, as in Python. Throws only for a bad `E@` pattern.
 */
export const compound: Matcher = (tgt, subject, ctx) => {
  const words = compoundWords(tgt);
  if (!words) return false;
  const tokens: (string | boolean)[] = [];
  while (words.length) {
    const word = words.shift()!;
    const part = parsePart(word);
    if (OPERATORS.has(word)) {
      const last = tokens.at(-1);
      if (last === undefined ? word !== '(' && word !== 'not' : last === '(' && (word === 'and' || word === 'or'))
        return false;
      if (word === 'not' && last !== undefined && last !== 'and' && last !== 'or' && last !== '(') tokens.push('and');
      tokens.push(word);
    } else if (part.engine === 'N') {
      words.unshift(...expandNodegroup(part.pattern, ctx.nodegroups));
    } else if (part.engine) {
      const engine = ENGINES[part.engine];
      if (!engine) return false;
      tokens.push(engine(part.pattern, subject, { ...ctx, delimiter: part.delimiter ?? ':' }));
    } else tokens.push(glob(word, subject, ctx));
  }
  const expression = new Expression(tokens).parse();
  try {
    return expression?.() ?? false;
  } catch (e) {
    if (e instanceof NotCallable) return false;
    throw e;
  }
};

/** `True ( … )` is a call in Python: it fails, but only if it is reached. */
class NotCallable extends Error {}

type Thunk = () => boolean;

class Expression {
  private at = 0;
  constructor(private readonly tokens: readonly (string | boolean)[]) {}

  /** Undefined for what Python calls a syntax error. */
  parse(): Thunk | undefined {
    const e = this.or();
    return this.at === this.tokens.length ? e : undefined;
  }

  private take(token: string): boolean {
    if (this.tokens[this.at] !== token) return false;
    this.at++;
    return true;
  }

  private or(): Thunk | undefined {
    let left = this.and();
    while (left && this.take('or')) {
      const [a, b]: [Thunk, Thunk | undefined] = [left, this.and()];
      left = b && (() => a() || b());
    }
    return left;
  }

  private and(): Thunk | undefined {
    let left = this.not();
    while (left && this.take('and')) {
      const [a, b]: [Thunk, Thunk | undefined] = [left, this.not()];
      left = b && (() => a() && b());
    }
    return left;
  }

  private not(): Thunk | undefined {
    if (!this.take('not')) return this.primary();
    const e = this.not();
    return e && (() => !e());
  }

  private primary(): Thunk | undefined {
    const token = this.tokens[this.at];
    let e: Thunk | undefined;
    if (typeof token === 'boolean') {
      this.at++;
      e = () => token;
    } else e = this.parenthesised();
    while (e && this.tokens[this.at] === '(') {
      if (!this.parenthesised()) return undefined;
      e = () => {
        throw new NotCallable();
      };
    }
    return e;
  }

  /** `( )` is the empty tuple, which is false. */
  private parenthesised(): Thunk | undefined {
    if (!this.take('(')) return undefined;
    if (this.take(')')) return () => false;
    const e = this.or();
    return e && this.take(')') ? e : undefined;
  }
}
