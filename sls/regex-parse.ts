import { SaltError } from '../bus/errors.ts';

/** What Python's letters i, m, s, x and a switch on. */
export interface RegexFlags {
  ignoreCase: boolean;
  multiline: boolean;
  dotAll: boolean;
  verbose: boolean;
  ascii: boolean;
}
/** A member of a bracket class: code points from `lo` to `hi`, or a category letter (`d`, `W` …). */
export type ClassItem = { lo: number; hi: number } | { category: string };
/** The syntax tree of a Python pattern. Flags are settled at each leaf, since `(?i:…)` scopes them. */
export type RegexNode =
  | { kind: 'char'; code: number; flags: RegexFlags }
  | { kind: 'any'; flags: RegexFlags }
  | { kind: 'category'; letter: string; flags: RegexFlags }
  | { kind: 'class'; negated: boolean; items: ClassItem[]; flags: RegexFlags }
  | { kind: 'assertion'; letter: string; flags: RegexFlags }
  | { kind: 'sequence'; items: RegexNode[] }
  | { kind: 'choice'; options: RegexNode[] }
  | { kind: 'group'; index: number; name?: string; body: RegexNode }
  | { kind: 'atomic'; body: RegexNode }
  | { kind: 'look'; behind: boolean; negative: boolean; body: RegexNode }
  | { kind: 'repeat'; min: number; max: number; mode: 'greedy' | 'lazy' | 'possessive'; body: RegexNode }
  | { kind: 'backref'; index: number; flags: RegexFlags };
/** A parsed pattern: tree, flags that hold for all of it, number of groups and their names. */
export interface ParsedRegex {
  root: RegexNode;
  flags: RegexFlags;
  groups: number;
  names: Map<string, number>;
}

const ESCAPED: Record<string, number> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
const SPACE = /[ \t\n\r\f\v]/;
const FLAG_NAMES: Record<string, keyof RegexFlags> = {
  i: 'ignoreCase',
  m: 'multiline',
  s: 'dotAll',
  x: 'verbose',
  a: 'ascii',
};

/** Parses Python's `re` syntax. Throws SaltError `error` with the text that Python's `re.error` carries. */
export function parseRegex(pattern: string, flags: RegexFlags): ParsedRegex {
  return new Parser(pattern, { ...flags }).parse();
}

class Parser {
  private readonly text: string[];
  private at = 0;
  private groups = 0;
  private readonly names = new Map<string, number>();
  private readonly open = new Set<number>();

  constructor(
    pattern: string,
    private flags: RegexFlags,
  ) {
    this.text = Array.from(pattern);
  }

  parse(): ParsedRegex {
    this.leadingFlags();
    const global = { ...this.flags };
    const root = this.choice();
    if (this.at < this.text.length) this.fail('unbalanced parenthesis', this.at);
    return { root, flags: global, groups: this.groups, names: this.names };
  }

  private fail(message: string, position: number): never {
    throw new SaltError('error', `${message} at position ${position}`);
  }

  private peek(): string | undefined {
    return this.text[this.at];
  }

  private take(wanted: string): boolean {
    if (this.text[this.at] !== wanted) return false;
    this.at++;
    return true;
  }

  /** `(?ims)` at the very start sets the flags of the whole pattern. */
  private leadingFlags(): void {
    for (;;) {
      const m = /^\(\?([aiLmsux]+)\)/.exec(this.text.slice(this.at, this.at + 12).join(''));
      if (!m) return;
      for (const c of m[1]!) {
        if (c === 'L') this.fail("bad inline flags: cannot use 'L' flag with a str pattern", this.at + 3);
        const name = FLAG_NAMES[c];
        if (name) this.flags[name] = true;
      }
      this.at += m[0].length;
    }
  }

  private choice(): RegexNode {
    const options = [this.sequence()];
    while (this.take('|')) options.push(this.sequence());
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  private sequence(): RegexNode {
    const items: RegexNode[] = [];
    for (;;) {
      const c = this.peek();
      if (c === undefined || c === '|' || c === ')') return { kind: 'sequence', items };
      if (this.flags.verbose && SPACE.test(c)) {
        this.at++;
        continue;
      }
      if (this.flags.verbose && c === '#') {
        while (this.peek() !== undefined && this.peek() !== '\n') this.at++;
        continue;
      }
      const start = this.at;
      const repeat = this.quantifier();
      if (repeat) {
        const last = items.at(-1);
        if (!last || last.kind === 'assertion') this.fail('nothing to repeat', start);
        if (last.kind === 'repeat') this.fail('multiple repeat', start);
        items[items.length - 1] = { ...repeat, kind: 'repeat', body: last };
        continue;
      }
      const atom = this.atom();
      if (atom) items.push(atom);
    }
  }

  private quantifier(): { min: number; max: number; mode: 'greedy' | 'lazy' | 'possessive' } | undefined {
    const start = this.at;
    let min: number;
    let max = Number.POSITIVE_INFINITY;
    if (this.take('*')) min = 0;
    else if (this.take('+')) min = 1;
    else if (this.take('?')) [min, max] = [0, 1];
    else if (this.take('{')) {
      if (this.peek() === '}') {
        this.at = start;
        return undefined;
      }
      const lo = this.digits();
      const hi = this.take(',') ? this.digits() : lo;
      if (!this.take('}')) {
        this.at = start;
        return undefined;
      }
      min = lo ? Number(lo) : 0;
      max = hi ? Number(hi) : Number.POSITIVE_INFINITY;
      if (max < min) this.fail('min repeat greater than max repeat', start);
      if (min > 65535 || (max > 65535 && max !== Number.POSITIVE_INFINITY))
        throw new SaltError('error', 'the repetition number is too large');
    } else return undefined;
    const mode = this.take('?') ? 'lazy' : this.take('+') ? 'possessive' : 'greedy';
    return { min, max, mode };
  }

  private digits(): string {
    let s = '';
    while (/^\d$/.test(this.peek() ?? '')) s += this.text[this.at++];
    return s;
  }

  private atom(): RegexNode | undefined {
    const start = this.at;
    const c = this.text[this.at++]!;
    const flags = { ...this.flags };
    if (c === '.') return { kind: 'any', flags };
    if (c === '^') return { kind: 'assertion', letter: '^', flags };
    if (c === '$') return { kind: 'assertion', letter: '$', flags };
    if (c === '[') return this.bracket(start);
    if (c === '(') return this.group(start);
    if (c === '\\') return this.escape(start);
    return { kind: 'char', code: c.codePointAt(0)!, flags };
  }

  private escape(start: number): RegexNode {
    const c = this.text[this.at];
    const flags = { ...this.flags };
    if (c === undefined) this.fail('bad escape (end of pattern)', start);
    if ('AZbB'.includes(c)) {
      this.at++;
      return { kind: 'assertion', letter: c, flags };
    }
    if ('dDsSwW'.includes(c)) {
      this.at++;
      return { kind: 'category', letter: c, flags };
    }
    if (/[1-9]/.test(c)) {
      const octal = /^[0-3][0-7]{2}/.exec(this.text.slice(this.at, this.at + 3).join(''));
      if (octal) {
        this.at += 3;
        return { kind: 'char', code: Number.parseInt(octal[0], 8), flags };
      }
      let digits = this.text[this.at++]!;
      if (/^\d$/.test(this.peek() ?? '')) digits += this.text[this.at++];
      return this.backref(Number(digits), start, start + 1);
    }
    return { kind: 'char', code: this.codeEscape(start, false), flags };
  }

  private backref(index: number, start: number, at: number): RegexNode {
    if (index > this.groups) this.fail(`invalid group reference ${index}`, at);
    if (this.open.has(index)) this.fail('cannot refer to an open group', start);
    return { kind: 'backref', index, flags: { ...this.flags } };
  }

  /** An escape that stands for one character; `at` is on the letter after the backslash. */
  private codeEscape(start: number, inClass: boolean): number {
    const c = this.text[this.at++]!;
    const width = { x: 2, u: 4, U: 8 }[c];
    if (width) {
      const hex = this.text.slice(this.at, this.at + width).join('');
      const good = new RegExp(`^[0-9a-fA-F]{${width}}$`).test(hex);
      if (!good) this.fail(`incomplete escape \\${c}${/^[0-9a-fA-F]*/.exec(hex)![0]}`, start);
      this.at += width;
      const code = Number.parseInt(hex, 16);
      if (code > 0x10ffff) this.fail(`bad escape \\${c}${hex}`, start);
      return code;
    }
    if (c === '0' || (inClass && /[1-7]/.test(c))) {
      const more = /^[0-7]{0,2}/.exec(this.text.slice(this.at, this.at + 2).join(''))![0];
      this.at += more.length;
      const code = Number.parseInt(c + more, 8);
      if (code > 0o377) this.fail(`octal escape value \\${c}${more} outside of range 0-0o377`, start);
      return code;
    }
    const named = ESCAPED[c];
    if (named !== undefined && (c !== 'b' || inClass)) return named;
    if (/[A-Za-z0-9]/.test(c)) this.fail(`bad escape \\${c}`, start);
    return c.codePointAt(0)!;
  }

  private bracket(start: number): RegexNode {
    const flags = { ...this.flags };
    const negated = this.take('^');
    const items: ClassItem[] = [];
    for (let first = true; ; first = false) {
      if (this.peek() === undefined) this.fail('unterminated character set', start);
      if (!first && this.take(']')) return { kind: 'class', negated, items, flags };
      const from = this.at;
      const lo = this.classItem();
      if (this.peek() === '-' && this.text[this.at + 1] !== ']') {
        if (this.text[this.at + 1] === undefined) this.fail('unterminated character set', start);
        this.at++;
        const hi = this.classItem();
        const shown = this.text.slice(from, this.at).join('');
        if ('category' in lo || 'category' in hi) this.fail(`bad character range ${shown}`, from);
        if (hi.lo < lo.lo) this.fail(`bad character range ${shown}`, from);
        items.push({ lo: lo.lo, hi: hi.lo });
      } else items.push(lo);
    }
  }

  private classItem(): ClassItem {
    const start = this.at;
    const c = this.text[this.at++]!;
    if (c !== '\\') return { lo: c.codePointAt(0)!, hi: c.codePointAt(0)! };
    const letter = this.peek();
    if (letter === undefined) this.fail('bad escape (end of pattern)', start);
    if ('dDsSwW'.includes(letter)) {
      this.at++;
      return { category: letter };
    }
    const code = this.codeEscape(start, true);
    return { lo: code, hi: code };
  }

  private name(end: string): string {
    const start = this.at;
    let s = '';
    while (this.peek() !== undefined && this.peek() !== end) s += this.text[this.at++];
    if (this.peek() === undefined) this.fail(s ? `missing ${end}, unterminated name` : 'missing group name', start);
    this.at++;
    if (!s) this.fail('missing group name', start);
    return s;
  }

  private identifier(end: string): string {
    const start = this.at;
    const s = this.name(end);
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(s)) this.fail(`bad character in group name '${s}'`, start);
    return s;
  }

  private group(start: number): RegexNode | undefined {
    if (!this.take('?')) return this.capture(start, undefined);
    const c = this.text[this.at++];
    if (c === undefined) this.fail('unexpected end of pattern', this.at - 1);
    switch (c) {
      case 'P':
        if (this.take('<')) {
          const nameAt = this.at;
          const name = this.identifier('>');
          const before = this.names.get(name);
          if (before !== undefined)
            this.fail(`redefinition of group name '${name}' as group ${this.groups + 1}; was group ${before}`, nameAt);
          return this.capture(start, name);
        }
        if (this.take('=')) {
          const nameAt = this.at;
          const name = this.identifier(')');
          const index = this.names.get(name);
          if (index === undefined) this.fail(`unknown group name '${name}'`, nameAt);
          return this.backref(index, start, nameAt);
        }
        if (this.peek() === undefined) this.fail('unexpected end of pattern', this.at);
        return this.fail(`unknown extension ?P${this.peek()}`, start + 1);
      case ':':
        return this.closed(start);
      case '>':
        return { kind: 'atomic', body: this.closed(start) };
      case '#':
        while (this.peek() !== undefined && this.peek() !== ')') this.at++;
        if (!this.take(')')) this.fail('missing ), unterminated comment', start);
        return undefined;
      case '=':
      case '!':
        return { kind: 'look', behind: false, negative: c === '!', body: this.closed(start) };
      case '<': {
        const mark = this.text[this.at++];
        if (mark === undefined) this.fail('unexpected end of pattern', this.at - 1);
        if (mark !== '=' && mark !== '!') this.fail(`unknown extension ?<${mark}`, start + 1);
        const body = this.closed(start);
        const [min, max] = width(body);
        if (min !== max) throw new SaltError('error', 'look-behind requires fixed-width pattern');
        return { kind: 'look', behind: true, negative: mark === '!', body };
      }
      case '(':
        // JavaScript's engine cannot ask whether a group took part, so this form has no translation.
        throw new SaltError('error', 'conditional groups (?(…)…|…) are not supported');
      default:
        this.at--;
        return this.scopedFlags(start);
    }
  }

  private scopedFlags(start: number): RegexNode {
    const flags = { ...this.flags };
    let on = true;
    for (let c = this.text[this.at++]; ; c = this.text[this.at++]) {
      if (c === undefined) this.fail('missing -, : or )', this.at - 1);
      if (c === ':') break;
      if (c === ')') this.fail('global flags not at the start of the expression', start);
      if (c === '-' && on) {
        on = false;
        continue;
      }
      const name = FLAG_NAMES[c];
      if (!name && c !== 'u') {
        const shown = c === '\\' ? c + (this.peek() ?? '') : c;
        if (on) this.fail(`unknown extension ?${shown}`, start + 1);
        this.fail(/[A-Za-z]/.test(c) ? 'unknown flag' : 'missing flag', this.at - 1);
      }
      if (name) flags[name] = on;
      else flags.ascii = false;
    }
    const outer = this.flags;
    this.flags = flags;
    const body = this.closed(start, outer);
    return body;
  }

  private closed(start: number, after: RegexFlags = this.flags): RegexNode {
    const body = this.choice();
    if (!this.take(')')) this.fail('missing ), unterminated subpattern', start);
    this.flags = after;
    // A sequence of one keeps `(?:a+)+` from reading as a doubled repeat.
    return body.kind === 'repeat' || body.kind === 'assertion' ? { kind: 'sequence', items: [body] } : body;
  }

  private capture(start: number, name: string | undefined): RegexNode {
    const index = ++this.groups;
    if (name !== undefined) this.names.set(name, index);
    this.open.add(index);
    const body = this.closed(start);
    this.open.delete(index);
    return name === undefined ? { kind: 'group', index, body } : { kind: 'group', index, name, body };
  }
}

/** Least and greatest number of characters a node can take. */
export function width(n: RegexNode): [number, number] {
  switch (n.kind) {
    case 'char':
    case 'any':
    case 'category':
    case 'class':
      return [1, 1];
    case 'assertion':
    case 'look':
      return [0, 0];
    case 'group':
    case 'atomic':
      return width(n.body);
    case 'backref':
      return [0, Number.POSITIVE_INFINITY];
    case 'sequence':
      return n.items.map(width).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    case 'choice': {
      const all = n.options.map(width);
      return [Math.min(...all.map((w) => w[0])), Math.max(...all.map((w) => w[1]))];
    }
    case 'repeat': {
      const [lo, hi] = width(n.body);
      return [lo * n.min, hi === 0 ? 0 : hi * n.max];
    }
  }
}
