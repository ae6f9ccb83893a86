import { type Mark, YamlError } from './error.ts';

/** Kinds of tokens, in the words of the YAML 1.1 productions. */
export type TokenType =
  | 'stream-end'
  | 'version'
  | 'tag-directive'
  | 'doc-start'
  | 'doc-end'
  | 'block-seq'
  | 'block-map'
  | 'block-end'
  | '['
  | ']'
  | '{'
  | '}'
  | '-'
  | ','
  | 'key'
  | 'value'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar';

/** A token with its place. `value` is a scalar's text, an anchor's name, a tag's suffix; `handle` a tag's handle or a directive's part. */
export interface Token {
  readonly type: TokenType;
  readonly start: Mark;
  readonly end: Mark;
  readonly value?: string;
  readonly handle?: string;
  /** Scalar without quotes and no block. */
  readonly plain?: boolean;
}

interface SimpleKey {
  possible: boolean;
  required: boolean;
  number: number;
  mark: Mark;
}

const NONE: Mark = { index: 0, line: 0, column: 0 };
const REFUSED = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const ASTRAL = /[\ud800-\udbff]/;
const WORD = /[0-9A-Za-z_-]/;
const URI = /[0-9A-Za-z_\-;/?:@&=+$.!~*'()%]/;
/** A key must end within this many characters and on its own line. */
const KEY_LENGTH = 1024;
const ESCAPES: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  '/': '/',
  '\\': '\\',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
};
const HEX: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const isBreak = (c: string | undefined): boolean =>
  c === '\n' || c === '\r' || c === '\x85' || c === '\u2028' || c === '\u2029';
const isBlank = (c: string | undefined): boolean => c === ' ' || c === '\t';
const isBreakOrEnd = (c: string | undefined): boolean => c === undefined || isBreak(c);
const isSpaceOrEnd = (c: string | undefined): boolean => isBlank(c) || isBreakOrEnd(c);

/**
 * Cuts a YAML text into tokens with the rules, limits and complaints of the reference's reader (YAML 1.1 with its later
 * clarifications), which differ from a YAML 1.2 reader's in what they accept and where they point.
 */
export class Scanner {
  private readonly src: string | readonly string[];
  private index = 0;
  private line = 0;
  private column = 0;
  private readonly queue: Token[] = [];
  /** How many tokens have left the queue. */
  private taken = 0;
  private ended = false;
  private indent = -1;
  private readonly indents: number[] = [];
  private flow = 0;
  private keyAllowed = true;
  private readonly keys: SimpleKey[] = [{ possible: false, required: false, number: 0, mark: NONE }];

  constructor(
    text: string,
    private readonly file: string,
  ) {
    const bad = REFUSED.exec(text);
    if (bad) {
      const code = (bad[0].codePointAt(0) as number).toString(16).padStart(4, '0');
      throw new YamlError(
        {
          kind: 'ReaderError',
          problem: `unacceptable character #x${code}: control characters are not allowed`,
          offset: Buffer.byteLength(text.slice(0, bad.index)),
        },
        file,
      );
    }
    const bare = text.startsWith('\ufeff') ? text.slice(1) : text;
    this.src = ASTRAL.test(bare) ? Array.from(bare) : bare;
  }

  /** The next token, left in place. */
  peek(): Token {
    this.more();
    return this.queue[0] as Token;
  }
  /** Takes the token that {@link peek} showed. */
  skip(): void {
    this.queue.shift();
    this.taken++;
  }

  private mark(): Mark {
    return { index: this.index, line: this.line, column: this.column };
  }
  private fail(context: string | undefined, contextMark: Mark | undefined, problem: string): never {
    throw new YamlError({ kind: 'ScannerError', context, contextMark, problem, mark: this.mark() }, this.file);
  }
  private at(offset = 0): string | undefined {
    return this.src[this.index + offset];
  }
  private step(n = 1): void {
    this.index += n;
    this.column += n;
  }
  private newLine(): string {
    const c = this.at();
    if (c === '\r' && this.at(1) === '\n') this.index++;
    this.index++;
    this.line++;
    this.column = 0;
    return c === '\u2028' || c === '\u2029' ? c : '\n';
  }
  private skipBlanks(): void {
    while (isBlank(this.at())) this.step();
  }
  private skipComment(): void {
    if (this.at() === '#') while (!isBreakOrEnd(this.at())) this.step();
  }
  private push(type: TokenType, start: Mark, rest: Partial<Token> = {}): void {
    this.queue.push({ type, start, end: this.mark(), ...rest });
  }

  private more(): void {
    for (;;) {
      if (this.queue.length) {
        this.staleKeys();
        if (this.ended) return;
        if (!this.keys.some((k) => k.possible && k.number === this.taken)) return;
      }
      this.fetch();
    }
  }
  private staleKeys(): void {
    for (const k of this.keys)
      if (k.possible && (k.mark.line < this.line || k.mark.index + KEY_LENGTH < this.index)) {
        if (k.required) this.fail('while scanning a simple key', k.mark, "could not find expected ':'");
        k.possible = false;
      }
  }
  private saveKey(): void {
    if (!this.keyAllowed) return;
    this.dropKey();
    this.keys[this.keys.length - 1] = {
      possible: true,
      required: !this.flow && this.indent === this.column,
      number: this.taken + this.queue.length,
      mark: this.mark(),
    };
  }
  private dropKey(): void {
    const k = this.keys.at(-1) as SimpleKey;
    if (k.possible && k.required) this.fail('while scanning a simple key', k.mark, "could not find expected ':'");
    k.possible = false;
  }
  private roll(column: number, number: number | undefined, type: TokenType, mark: Mark): void {
    if (this.flow || this.indent >= column) return;
    this.indents.push(this.indent);
    this.indent = column;
    const token: Token = { type, start: mark, end: mark };
    if (number === undefined) this.queue.push(token);
    else this.queue.splice(number - this.taken, 0, token);
  }
  private unroll(column: number): void {
    if (this.flow) return;
    while (this.indent > column) {
      this.push('block-end', this.mark());
      this.indent = this.indents.pop() as number;
    }
  }

  private fetch() {
    this.toNextToken();
    this.staleKeys();
    this.unroll(this.column);
    const c = this.at();
    if (c === undefined) return this.streamEnd();
    if (this.column === 0) {
      if (c === '%') return this.directive();
      if (this.documentMark()) return this.documentIndicator(c === '-' ? 'doc-start' : 'doc-end');
    }
    const spaced = isSpaceOrEnd(this.at(1));
    switch (c) {
      case '[':
      case '{':
        return this.flowStart(c);
      case ']':
      case '}':
        return this.flowEnd(c);
      case ',':
        this.dropKey();
        this.keyAllowed = true;
        return this.indicator(',');
      case '-':
        if (spaced) return this.blockEntry();
        break;
      case '?':
        if (this.flow || spaced) return this.key();
        break;
      case ':':
        if (this.flow || spaced) return this.value();
        break;
      case '*':
        return this.anchor('alias');
      case '&':
        return this.anchor('anchor');
      case '!':
        return this.tag();
      case '|':
      case '>':
        if (!this.flow) return this.blockScalar(c === '|');
        break;
      case "'":
      case '"':
        return this.flowScalar(c);
    }
    const starts = !isSpaceOrEnd(c) && !'-?:,[]{}#&*!|>\'"%@`'.includes(c);
    if (starts || (c === '-' && !isBlank(this.at(1))) || (c === '?' && !spaced) || (c === ':' && !this.flow && !spaced))
      return this.plain();
    this.fail('while scanning for the next token', this.mark(), 'found character that cannot start any token');
  }
  private documentMark(): boolean {
    const c = this.at();
    return (c === '-' || c === '.') && this.at(1) === c && this.at(2) === c && isSpaceOrEnd(this.at(3));
  }
  private toNextToken(): void {
    for (;;) {
      if (this.column === 0 && this.at() === '\ufeff') this.step();
      while (this.at() === ' ' || ((this.flow || !this.keyAllowed) && this.at() === '\t')) this.step();
      this.skipComment();
      if (!isBreak(this.at())) return;
      this.newLine();
      if (!this.flow) this.keyAllowed = true;
    }
  }

  private indicator(type: TokenType, width = 1): void {
    const start = this.mark();
    this.step(width);
    this.push(type, start);
  }
  private streamEnd(): void {
    if (this.column !== 0) {
      this.column = 0;
      this.line++;
    }
    this.unroll(-1);
    this.dropKey();
    this.keyAllowed = false;
    this.ended = true;
    this.push('stream-end', this.mark());
  }
  private documentIndicator(type: TokenType): void {
    this.unroll(-1);
    this.dropKey();
    this.keyAllowed = false;
    this.indicator(type, 3);
  }
  private flowStart(type: '[' | '{'): void {
    this.saveKey();
    this.keys.push({ possible: false, required: false, number: 0, mark: NONE });
    this.flow++;
    this.keyAllowed = true;
    this.indicator(type);
  }
  private flowEnd(type: ']' | '}'): void {
    this.dropKey();
    if (this.flow) {
      this.flow--;
      this.keys.pop();
    }
    this.keyAllowed = false;
    this.indicator(type);
  }
  private blockEntry(): void {
    if (!this.flow) {
      if (!this.keyAllowed) this.fail(undefined, undefined, 'block sequence entries are not allowed in this context');
      this.roll(this.column, undefined, 'block-seq', this.mark());
    }
    this.dropKey();
    this.keyAllowed = true;
    this.indicator('-');
  }
  private key(): void {
    if (!this.flow) {
      if (!this.keyAllowed) this.fail(undefined, undefined, 'mapping keys are not allowed in this context');
      this.roll(this.column, undefined, 'block-map', this.mark());
    }
    this.dropKey();
    this.keyAllowed = !this.flow;
    this.indicator('key');
  }
  private value(): void {
    const k = this.keys.at(-1) as SimpleKey;
    if (k.possible) {
      this.queue.splice(k.number - this.taken, 0, { type: 'key', start: k.mark, end: k.mark });
      this.roll(k.mark.column, k.number, 'block-map', k.mark);
      k.possible = false;
      this.keyAllowed = false;
    } else {
      if (!this.flow) {
        if (!this.keyAllowed) this.fail(undefined, undefined, 'mapping values are not allowed in this context');
        this.roll(this.column, undefined, 'block-map', this.mark());
      }
      this.keyAllowed = !this.flow;
    }
    this.indicator('value');
  }

  private word(): string {
    let out = '';
    for (let c = this.at(); c !== undefined && WORD.test(c); c = this.at()) {
      out += c;
      this.step();
    }
    return out;
  }
  private directive(): void {
    this.unroll(-1);
    this.dropKey();
    this.keyAllowed = false;
    const start = this.mark();
    const context = 'while scanning a directive';
    this.step();
    const name = this.word();
    if (!name) this.fail(context, start, 'could not find expected directive name');
    if (!isSpaceOrEnd(this.at())) this.fail(context, start, 'found unexpected non-alphabetical character');
    let token: Token;
    if (name === 'YAML') {
      this.skipBlanks();
      const major = this.versionNumber(start);
      if (this.at() !== '.')
        this.fail('while scanning a %YAML directive', start, "did not find expected digit or '.' character");
      this.step();
      token = { type: 'version', start, value: this.versionNumber(start), handle: major, end: this.mark() };
    } else if (name === 'TAG') {
      this.skipBlanks();
      const handle = this.tagHandle(true, start);
      if (!isBlank(this.at())) this.fail('while scanning a %TAG directive', start, 'did not find expected whitespace');
      this.skipBlanks();
      const value = this.tagUri(true, true, '', start);
      if (!isSpaceOrEnd(this.at()))
        this.fail('while scanning a %TAG directive', start, 'did not find expected whitespace or line break');
      token = { type: 'tag-directive', start, handle, value, end: this.mark() };
    } else this.fail(context, start, 'found unknown directive name');
    this.queue.push(token);
    this.lineRest(context, start);
  }
  private lineRest(context: string, start: Mark): void {
    this.skipBlanks();
    this.skipComment();
    if (!isBreakOrEnd(this.at())) this.fail(context, start, 'did not find expected comment or line break');
    if (isBreak(this.at())) this.newLine();
  }
  private versionNumber(start: Mark): string {
    const context = 'while scanning a %YAML directive';
    let out = '';
    for (let c = this.at(); c !== undefined && c >= '0' && c <= '9'; c = this.at()) {
      if (out.length === 9) this.fail(context, start, 'found extremely long version number');
      out += c;
      this.step();
    }
    if (!out) this.fail(context, start, 'did not find expected version number');
    return String(Number(out));
  }
  private anchor(type: 'anchor' | 'alias'): void {
    this.saveKey();
    this.keyAllowed = false;
    const start = this.mark();
    this.step();
    const value = this.word();
    const c = this.at();
    if (!value || !(isSpaceOrEnd(c) || '?:,]}%@`'.includes(c as string)))
      this.fail(`while scanning an ${type}`, start, 'did not find expected alphabetic or numeric character');
    this.push(type, start, { value });
  }
  private tag(): void {
    this.saveKey();
    this.keyAllowed = false;
    const start = this.mark();
    let handle = '';
    let value: string;
    if (this.at(1) === '<') {
      this.step(2);
      value = this.tagUri(true, false, '', start);
      if (this.at() !== '>') this.fail('while scanning a tag', start, "did not find the expected '>'");
      this.step();
    } else {
      handle = this.tagHandle(false, start);
      if (handle.length > 1 && handle.endsWith('!')) value = this.tagUri(false, false, '', start);
      else {
        value = this.tagUri(false, false, handle, start);
        handle = '!';
        if (!value) [handle, value] = ['', '!'];
      }
    }
    if (!isSpaceOrEnd(this.at()) && !(this.flow && this.at() === ','))
      this.fail('while scanning a tag', start, 'did not find expected whitespace or line break');
    this.push('tag', start, { handle, value });
  }
  private tagHandle(directive: boolean, start: Mark): string {
    if (this.at() !== '!')
      this.fail(
        directive ? 'while scanning a tag directive' : 'while scanning a tag',
        start,
        "did not find expected '!'",
      );
    this.step();
    let out = `!${this.word()}`;
    if (this.at() === '!') {
      out += '!';
      this.step();
    } else if (directive && out !== '!') this.fail('while parsing a tag directive', start, "did not find expected '!'");
    return out;
  }
  /** Reads a tag's address; `head` is what was read of it already, with its `!`. */
  private tagUri(flowSigns: boolean, directive: boolean, head: string, start: Mark): string {
    let out = head.slice(1);
    let found = head.length > 0;
    for (let c = this.at(); c !== undefined; c = this.at()) {
      if (!URI.test(c) && !(flowSigns && ',[]'.includes(c))) break;
      if (c === '%') out += this.uriEscape(directive, start);
      else {
        out += c;
        this.step();
      }
      found = true;
    }
    if (!found)
      this.fail(
        directive ? 'while parsing a %TAG directive' : 'while parsing a tag',
        start,
        'did not find expected tag URI',
      );
    return out;
  }
  private uriEscape(directive: boolean, start: Mark): string {
    const context = directive ? 'while parsing a %TAG directive' : 'while parsing a tag';
    const bytes: number[] = [];
    let width = 0;
    do {
      const hex = `${this.at(1) ?? ''}${this.at(2) ?? ''}`;
      if (this.at() !== '%' || !/^[\da-fA-F]{2}$/.test(hex))
        this.fail(context, start, 'did not find URI escaped octet');
      const octet = Number.parseInt(hex, 16);
      if (!width) {
        width =
          octet < 0x80
            ? 1
            : (octet & 0xe0) === 0xc0
              ? 2
              : (octet & 0xf0) === 0xe0
                ? 3
                : (octet & 0xf8) === 0xf0
                  ? 4
                  : 0;
        if (!width) this.fail(context, start, 'found an incorrect leading UTF-8 octet');
      } else if ((octet & 0xc0) !== 0x80) this.fail(context, start, 'found an incorrect trailing UTF-8 octet');
      bytes.push(octet);
      this.step(3);
    } while (--width);
    return Buffer.from(bytes).toString('utf8');
  }

  private blockScalar(literal: boolean): void {
    this.dropKey();
    this.keyAllowed = true;
    const context = 'while scanning a block scalar';
    const start = this.mark();
    this.step();
    let chomp = 0;
    let increment = 0;
    const chomping = (): void => {
      const c = this.at();
      if (chomp === 0 && (c === '+' || c === '-')) {
        chomp = c === '+' ? 1 : -1;
        this.step();
      }
    };
    chomping();
    const digit = this.at();
    if (digit !== undefined && digit >= '0' && digit <= '9') {
      if (digit === '0') this.fail(context, start, 'found an indentation indicator equal to 0');
      increment = Number(digit);
      this.step();
      chomping();
    }
    this.lineRest(context, start);
    let end = this.mark();
    let indent = increment ? (this.indent >= 0 ? this.indent + increment : increment) : 0;
    let out = '';
    let breaks = '';
    let lastBreak = '';
    const scanBreaks = (): void => {
      breaks = '';
      end = this.mark();
      let deepest = 0;
      for (;;) {
        while ((!indent || this.column < indent) && this.at() === ' ') this.step();
        if (this.column > deepest) deepest = this.column;
        if ((!indent || this.column < indent) && this.at() === '\t')
          this.fail(context, start, 'found a tab character where an indentation space is expected');
        if (!isBreak(this.at())) break;
        breaks += this.newLine();
        end = this.mark();
      }
      if (!indent) indent = Math.max(deepest, this.indent + 1, 1);
    };
    scanBreaks();
    let leadingBlank = false;
    while (this.column === indent && this.at() !== undefined) {
      const blank = isBlank(this.at());
      if (!literal && lastBreak === '\n' && !leadingBlank && !blank) {
        if (!breaks) out += ' ';
      } else out += lastBreak;
      out += breaks;
      leadingBlank = blank;
      const from = this.index;
      while (!isBreakOrEnd(this.at())) this.step();
      out += this.slice(from);
      lastBreak = this.at() === undefined ? '' : this.newLine();
      scanBreaks();
    }
    if (chomp !== -1) out += lastBreak;
    if (chomp === 1) out += breaks;
    this.queue.push({ type: 'scalar', start, end, value: out });
  }
  private slice(from: number): string {
    return typeof this.src === 'string' ? this.src.slice(from, this.index) : this.src.slice(from, this.index).join('');
  }

  private flowScalar(quote: "'" | '"'): void {
    this.saveKey();
    this.keyAllowed = false;
    const context = 'while scanning a quoted scalar';
    const start = this.mark();
    this.step();
    let out = '';
    for (;;) {
      if (this.column === 0 && this.documentMark()) this.fail(context, start, 'found unexpected document indicator');
      if (this.at() === undefined) this.fail(context, start, 'found unexpected end of stream');
      let broke = false;
      for (let c = this.at(); !isSpaceOrEnd(c); c = this.at()) {
        if (c === quote) {
          if (quote === '"' || this.at(1) !== "'") break;
          out += "'";
          this.step(2);
        } else if (c === '\\' && quote === '"') {
          if (isBreak(this.at(1))) {
            this.step();
            this.newLine();
            broke = true;
            break;
          }
          out += this.escape(start);
        } else {
          out += c;
          this.step();
        }
      }
      if (this.at() === quote) break;
      out += this.fold(broke);
    }
    this.step();
    this.push('scalar', start, { value: out });
  }
  /** Passes blanks and line breaks inside a flow or plain scalar and answers what they stand for. */
  private fold(broke: boolean): string {
    let blanks = '';
    let first = '';
    let more = '';
    for (let c = this.at(); isBlank(c) || isBreak(c); c = this.at())
      if (isBlank(c)) {
        if (!broke) blanks += c;
        this.step();
      } else if (broke) more += this.newLine();
      else {
        blanks = '';
        first = this.newLine();
        broke = true;
      }
    if (!broke) return blanks;
    return first === '\n' ? more || ' ' : first + more;
  }
  private escape(start: Mark): string {
    const context = 'while parsing a quoted scalar';
    const c = this.at(1) ?? '';
    const simple = Object.hasOwn(ESCAPES, c) ? ESCAPES[c] : undefined;
    if (simple !== undefined) {
      this.step(2);
      return simple;
    }
    const width = Object.hasOwn(HEX, c) ? HEX[c] : undefined;
    if (!width) return this.fail(context, start, 'found unknown escape character');
    this.step(2);
    let code = 0;
    for (let i = 0; i < width; i++) {
      const digit = this.at(i);
      if (digit === undefined || !/[\da-fA-F]/.test(digit))
        this.fail(context, start, 'did not find expected hexdecimal number');
      code = code * 16 + Number.parseInt(digit, 16);
    }
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
      this.fail(context, start, 'found invalid Unicode character escape code');
    this.step(width);
    return String.fromCodePoint(code);
  }

  private plain(): void {
    this.saveKey();
    this.keyAllowed = false;
    const context = 'while scanning a plain scalar';
    const start = this.mark();
    let end = start;
    const indent = this.indent + 1;
    let out = '';
    let blanks = '';
    let first = '';
    let more = '';
    let broke = false;
    for (;;) {
      if (this.column === 0 && this.documentMark()) break;
      if (this.at() === '#') break;
      for (let c = this.at(); c !== undefined && !isSpaceOrEnd(c); c = this.at()) {
        if (c === ':') {
          const next = this.at(1);
          if (this.flow && next !== undefined && ',?[]{}'.includes(next))
            this.fail(context, start, "found unexpected ':'");
          if (isSpaceOrEnd(next)) break;
        } else if (this.flow && ',[]{}'.includes(c)) break;
        if (broke) {
          out += first === '\n' ? more || ' ' : first + more;
          broke = false;
          first = more = '';
        } else out += blanks;
        blanks = '';
        out += c;
        this.step();
        end = this.mark();
      }
      if (!isBlank(this.at()) && !isBreak(this.at())) break;
      for (let c = this.at(); isBlank(c) || isBreak(c); c = this.at())
        if (isBlank(c)) {
          if (broke && this.column < indent && c === '\t')
            this.fail(context, start, 'found a tab character that violates indentation');
          if (!broke) blanks += c;
          this.step();
        } else if (broke) more += this.newLine();
        else {
          blanks = '';
          first = this.newLine();
          broke = true;
        }
      if (!this.flow && this.column < indent) break;
    }
    this.queue.push({ type: 'scalar', start, end, value: out, plain: true });
    if (broke) this.keyAllowed = true;
  }
}
