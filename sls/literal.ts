import { SaltError } from '../bus/errors.ts';
import { mkFloat, type Py, PyDict, PySet, PyTuple } from '../bus/values.ts';

const SIMPLE: Record<string, string> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const NUMBER =
  /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][+-]?\d+)?|\d[\d_]*\.?(?:[eE][+-]?\d+)?)/y;

/** A reader of Python's literal syntax over one text; `at` is the position of the next character. */
export class LiteralReader {
  constructor(
    readonly text: string,
    public at = 0,
  ) {}

  /** Throws SaltError ValueError naming the position. */
  fail(what: string): never {
    throw new SaltError('ValueError', `${what} at position ${this.at} of ${JSON.stringify(this.text)}`);
  }
  /** Passes white space, line breaks and comments. */
  space(): void {
    for (;;) {
      const c = this.text[this.at];
      if (c === ' ' || c === '\t' || c === '\n' || c === '\r' || c === '\f') this.at++;
      else if (c === '#') while (this.at < this.text.length && this.text[this.at] !== '\n') this.at++;
      else return;
    }
  }
  /** Takes the given character after white space, if it is next. */
  take(c: string): boolean {
    this.space();
    if (!this.text.startsWith(c, this.at)) return false;
    this.at += c.length;
    return true;
  }
  /** Takes an identifier after white space; undefined if none is next. */
  name(): string | undefined {
    this.space();
    const re = /[\p{L}_][\p{L}\p{N}_]*/uy;
    re.lastIndex = this.at;
    const m = re.exec(this.text);
    if (!m) return undefined;
    this.at = re.lastIndex;
    return m[0];
  }

  /** Reads one literal: None, True, False, numbers, text, bytes, tuples, lists, dicts, sets, a sign before a number. */
  value(): Py {
    this.space();
    const c = this.text[this.at];
    if (c === undefined) return this.fail('a value is missing');
    if (c === '(') return this.tuple();
    if (c === '[') {
      this.at++;
      return this.items(']');
    }
    if (c === '{') return this.braces();
    if (c === '-' || c === '+') {
      this.at++;
      const v = this.value();
      if (typeof v === 'number' || typeof v === 'bigint') return c === '-' ? -v : v;
      if (typeof v === 'object' && v !== null && 'v' in v) return c === '-' ? mkFloat(-(v.v as number)) : v;
      return this.fail('a sign needs a number');
    }
    if (/[\d.]/.test(c)) return this.number();
    if (/['"]/.test(c) || /^[rRbBuU]{1,2}['"]/.test(this.text.slice(this.at, this.at + 3))) return this.strings();
    const word = this.name();
    if (word === 'None') return null;
    if (word === 'True') return true;
    if (word === 'False') return false;
    if (word === 'set' && this.take('(') && this.take(')')) return new PySet();
    return this.fail('no literal');
  }

  private items(close: string): Py[] {
    const out: Py[] = [];
    while (!this.take(close)) {
      out.push(this.value());
      if (!this.take(',') && this.text[this.at] !== close) this.fail(`',' or '${close}' expected`);
    }
    return out;
  }
  private tuple(): Py {
    this.at++;
    if (this.take(')')) return new PyTuple();
    const first = this.value();
    if (this.take(')')) return first;
    if (!this.take(',')) this.fail("',' or ')' expected");
    return PyTuple.from_([first, ...this.items(')')]);
  }
  private braces(): Py {
    this.at++;
    if (this.take('}')) return new PyDict();
    const first = this.value();
    if (this.take(':')) {
      const d = new PyDict([[first, this.value()]]);
      while (!this.take('}')) {
        if (!this.take(',')) this.fail("',' or '}' expected");
        if (this.take('}')) break;
        const k = this.value();
        if (!this.take(':')) this.fail("':' expected");
        d.set(k, this.value());
      }
      return d;
    }
    if (!this.take(',') && this.text[this.at] !== '}') this.fail("',' or '}' expected");
    return new PySet([first, ...this.items('}')]);
  }
  private number(): Py {
    NUMBER.lastIndex = this.at;
    const m = NUMBER.exec(this.text);
    if (!m) return this.fail('no number');
    this.at = NUMBER.lastIndex;
    const t = m[0].replaceAll('_', '');
    if (!/^0[xXoObB]/.test(t) && /[.eE]/.test(t)) return mkFloat(Number(t));
    const n = Number(t);
    return Number.isSafeInteger(n) ? n : BigInt(t);
  }
  private strings(): Py {
    let out = '';
    let bytes = false;
    for (;;) {
      const m = /^([rRbBuU]{0,2})('''|"""|'|")/.exec(this.text.slice(this.at, this.at + 5));
      if (!m) break;
      bytes = /b/i.test(m[1] as string);
      this.at += m[0].length;
      out += this.quoted(m[2] as string, /r/i.test(m[1] as string), bytes);
      this.space();
    }
    return bytes ? Uint8Array.from(out, (ch) => ch.charCodeAt(0)) : out;
  }
  private quoted(end: string, raw: boolean, bytes: boolean): string {
    let out = '';
    for (;;) {
      if (this.at >= this.text.length) this.fail('unterminated text');
      if (this.text.startsWith(end, this.at)) {
        this.at += end.length;
        return out;
      }
      const c = this.text[this.at++] as string;
      if (c === '\n' && end.length === 1) this.fail('unterminated text');
      if (c !== '\\') {
        out += c;
        continue;
      }
      const e = this.text[this.at++] ?? '';
      if (raw) out += c + e;
      else if (e in SIMPLE) out += SIMPLE[e];
      else out += this.escape(e, bytes);
    }
  }
  private escape(e: string, bytes: boolean): string {
    const rest = this.text.slice(this.at);
    if (/[0-7]/.test(e)) {
      const more = /^[0-7]{0,2}/.exec(rest)?.[0] ?? '';
      this.at += more.length;
      return String.fromCodePoint(Number.parseInt(e + more, 8));
    }
    const width = e === 'x' ? 2 : e === 'u' && !bytes ? 4 : e === 'U' && !bytes ? 8 : 0;
    if (!width) return `\\${e}`;
    const hex = rest.slice(0, width);
    if (hex.length < width || /[^\da-fA-F]/.test(hex)) this.fail('bad escape');
    this.at += width;
    return String.fromCodePoint(Number.parseInt(hex, 16));
  }
}

/** Python's `ast.literal_eval`: the value of a text that is one literal. Throws SaltError ValueError otherwise. */
export function parseLiteral(text: string): Py {
  const r = new LiteralReader(text);
  const v = r.value();
  r.space();
  if (r.take(',')) {
    const rest: Py[] = [v];
    for (r.space(); r.at < text.length; r.space()) {
      rest.push(r.value());
      if (!r.take(',')) break;
    }
    r.space();
    if (r.at < text.length) r.fail('text after the value');
    return PyTuple.from_(rest);
  }
  if (r.at < text.length) r.fail('text after the value');
  return v;
}
