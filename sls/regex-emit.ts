import { SaltError } from '../bus/errors.ts';
import type { ClassItem, ParsedRegex, RegexFlags, RegexNode } from './regex-parse.ts';

/** A pattern in JavaScript's syntax. `groups[i]` is the JavaScript number of Python's group i (atomic groups take numbers too). */
export interface EmittedRegex {
  source: string;
  ignoreCase: boolean;
  groups: number[];
  /** How the time may grow with the text: `nested` exponentially, else with the power `degree`. */
  risk: { nested: boolean; degree: number };
}

const WORD = '\\p{L}\\p{N}_';
const BLANK = '\\t-\\r\\x1c-\\x20\\x85\\u{a0}\\u{1680}\\u{2000}-\\u{200a}\\u{2028}\\u{2029}\\u{202f}\\u{205f}\\u{3000}';
const ASCII = { d: '0-9', w: 'A-Za-z0-9_', s: '\\t-\\r ' } as const;
const UNICODE = { d: '\\p{Nd}', w: WORD, s: BLANK } as const;

/** Translates a parsed Python pattern; with `mustAdvance` one that refuses to match the empty text. Throws SaltError `error` for what JavaScript's engine cannot express. */
export function emitRegex(parsed: ParsedRegex, mustAdvance = false): EmittedRegex {
  const uniform = caseIsUniform(parsed.root, parsed.flags.ignoreCase);
  const out = new Emitter(uniform ? parsed.flags.ignoreCase : undefined, mustAdvance ? 1 : 0);
  const plain = out.node(parsed.root);
  // What is left of the text is remembered first; the match may not end with as much left.
  const source = mustAdvance ? `(?=([^]*))(?:${plain})(?!\\1$)` : plain;
  return {
    source,
    ignoreCase: out.uniformCase ?? false,
    groups: out.groups,
    risk: { nested: nestedLoops(parsed.root, false), degree: loops(parsed.root) },
  };
}

function caseIsUniform(n: RegexNode, ignoreCase: boolean): boolean {
  if ('flags' in n) return n.flags.ignoreCase === ignoreCase;
  if (n.kind === 'sequence') return n.items.every((x) => caseIsUniform(x, ignoreCase));
  if (n.kind === 'choice') return n.options.every((x) => caseIsUniform(x, ignoreCase));
  return caseIsUniform(n.body, ignoreCase);
}

const LONG = 16;
function loops(n: RegexNode): number {
  if (n.kind === 'sequence') return n.items.reduce((sum, x) => sum + loops(x), 0);
  if (n.kind === 'choice') return n.options.reduce((sum, x) => sum + loops(x), 0);
  if (n.kind === 'repeat') return loops(n.body) + (n.max > LONG && n.mode !== 'possessive' ? 1 : 0);
  return 'body' in n ? loops(n.body) : 0;
}

/** Whether a loop holds something that itself can match the same text in several ways. */
function nestedLoops(n: RegexNode, inside: boolean): boolean {
  if (n.kind === 'sequence') return n.items.some((x) => nestedLoops(x, inside));
  if (n.kind === 'choice')
    return (inside && !distinctStarts(n.options)) || n.options.some((x) => nestedLoops(x, inside));
  if (n.kind === 'repeat') {
    if (n.mode === 'possessive') return nestedLoops(n.body, false);
    const varies = n.max !== n.min;
    return (inside && varies) || nestedLoops(n.body, inside || n.max > LONG);
  }
  return 'body' in n ? nestedLoops(n.body, inside) : false;
}

/** Alternatives that begin with different plain characters cannot both match, so a loop around them stays linear. */
function distinctStarts(options: RegexNode[]): boolean {
  const seen = new Set<number>();
  for (const o of options) {
    const first = o.kind === 'sequence' ? o.items[0] : o;
    if (first?.kind !== 'char' || seen.has(first.code)) return false;
    seen.add(first.code);
  }
  return true;
}

class Emitter {
  /** JavaScript number of each Python group; index 0 is the whole match. */
  readonly groups: number[] = [0];

  constructor(
    readonly uniformCase: boolean | undefined,
    private count: number,
  ) {}

  node(n: RegexNode): string {
    switch (n.kind) {
      case 'char':
        return this.spread(n.flags) ? this.folded([{ lo: n.code, hi: n.code }], false, n.flags) : literal(n.code);
      case 'any':
        return n.flags.dotAll ? '[^]' : '[^\\n]';
      case 'category':
        return category(n.letter, n.flags);
      case 'class':
        return this.spread(n.flags) ? this.folded(n.items, n.negated, n.flags) : bracket(n.items, n.negated, n.flags);
      case 'assertion':
        return assertion(n.letter, n.flags);
      case 'sequence':
        return n.items.map((x) => this.node(x)).join('');
      case 'choice':
        return `(?:${n.options.map((x) => this.node(x)).join('|')})`;
      case 'group':
        this.groups[n.index] = ++this.count;
        return `(${this.node(n.body)})`;
      case 'atomic':
        return this.atomic(() => this.node(n.body));
      case 'look':
        return `(?${n.behind ? '<' : ''}${n.negative ? '!' : '='}${this.node(n.body)})`;
      case 'repeat': {
        const times =
          n.max === Number.POSITIVE_INFINITY
            ? n.min === 0
              ? '*'
              : n.min === 1
                ? '+'
                : `{${n.min},}`
            : `{${n.min},${n.max}}`;
        const one = (): string => `(?:${this.node(n.body)})${times}${n.mode === 'lazy' ? '?' : ''}`;
        return n.mode === 'possessive' ? this.atomic(one) : one();
      }
      case 'backref':
        return `(?:\\${this.groups[n.index]})`;
    }
  }

  /** A lookahead never gives back what it took: capture inside one, then consume the capture. */
  private atomic(body: () => string): string {
    const index = ++this.count;
    return `(?=(${body()}))\\${index}`;
  }

  private spread(flags: RegexFlags): boolean {
    return this.uniformCase === undefined && flags.ignoreCase;
  }

  /** Both cases written out, for patterns where only a part ignores case. */
  private folded(items: readonly ClassItem[], negated: boolean, flags: RegexFlags): string {
    const all: ClassItem[] = [];
    for (const i of items) {
      all.push(i);
      if ('category' in i) continue;
      if (i.hi - i.lo > 0x500)
        throw new SaltError('error', 'a range this long cannot ignore case in a part of a pattern');
      for (let code = i.lo; code <= i.hi; code++) {
        const c = String.fromCodePoint(code);
        for (const other of [c.toLowerCase(), c.toUpperCase()])
          if (other !== c && Array.from(other).length === 1)
            all.push({ lo: other.codePointAt(0)!, hi: other.codePointAt(0)! });
      }
    }
    return bracket(all, negated, flags);
  }
}

function literal(code: number): string {
  const c = String.fromCodePoint(code);
  return /^[A-Za-z0-9_ ]$/.test(c) ? c : `\\u{${code.toString(16)}}`;
}

function category(letter: string, flags: RegexFlags): string {
  const set = (flags.ascii ? ASCII : UNICODE)[letter.toLowerCase() as 'd' | 'w' | 's'];
  return letter === letter.toLowerCase() ? `[${set}]` : `[^${set}]`;
}

/** Python reads `[\W_]` as a union with a complement, which a JavaScript class cannot hold: it becomes a choice. */
function bracket(items: readonly ClassItem[], negated: boolean, flags: RegexFlags): string {
  let inner = '';
  const complements: string[] = [];
  for (const i of items) {
    if ('category' in i) {
      if (i.category === i.category.toLowerCase()) inner += category(i.category, flags).slice(1, -1);
      else complements.push(category(i.category, flags));
    } else inner += i.lo === i.hi ? literal(i.lo) : `${literal(i.lo)}-${literal(i.hi)}`;
  }
  if (!complements.length) return `[${negated ? '^' : ''}${inner}]`;
  const options = inner ? [`[${inner}]`, ...complements] : complements;
  return negated ? `(?:(?!${options.join('|')})[^])` : `(?:${options.join('|')})`;
}

function assertion(letter: string, flags: RegexFlags): string {
  const word = flags.ascii ? ASCII.w : WORD;
  switch (letter) {
    case 'A':
      return '^';
    case 'Z':
      return '$';
    case '^':
      return flags.multiline ? '(?:^|(?<=\\n))' : '^';
    case '$':
      return flags.multiline ? '(?=\\n|$)' : '(?=\\n?$)';
    case 'b':
      return `(?:(?<=[${word}])(?![${word}])|(?<![${word}])(?=[${word}]))`;
    default:
      return `(?:(?<=[${word}])(?=[${word}])|(?!^$)(?<![${word}])(?![${word}]))`;
  }
}
