import { SaltError } from '../bus/errors.ts';
import { mkFloat, type Py, PyDict, PyFloat } from '../bus/values.ts';
import { compare, floatRepr, str, typeName } from './values.ts';

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
const PLAIN = /[^"\\\x00-\x1f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
/** How deep arrays and objects may stand in each other. */
const DEEPEST = 10_000;

class JsonReader {
  private at = 0;
  private depth = 0;
  constructor(private readonly text: string) {}

  document(): Py {
    if (this.text.startsWith('\ufeff')) this.fail('Unexpected UTF-8 BOM (decode using utf-8-sig)', 0);
    this.space();
    const v = this.value();
    this.space();
    if (this.at < this.text.length) this.fail('Extra data', this.at);
    return v;
  }
  private fail(what: string, at: number): never {
    const before = this.text.slice(0, at);
    const line = before.split('\n').length;
    const column = at - before.lastIndexOf('\n');
    throw new SaltError('ValueError', `${what}: line ${line} column ${column} (char ${at})`, { line, column });
  }
  private space(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return;
      this.at++;
    }
  }
  private word(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }
  private value(): Py {
    switch (this.text[this.at]) {
      case '"':
        return this.string();
      case '{':
        return this.inside(() => this.object());
      case '[':
        return this.inside(() => this.array());
      case 'n':
        if (this.word('null')) return null;
        break;
      case 't':
        if (this.word('true')) return true;
        break;
      case 'f':
        if (this.word('false')) return false;
        break;
      case 'N':
        if (this.word('NaN')) return new PyFloat(Number.NaN);
        break;
      case 'I':
        if (this.word('Infinity')) return new PyFloat(Number.POSITIVE_INFINITY);
        break;
      case '-':
        if (this.word('-Infinity')) return new PyFloat(Number.NEGATIVE_INFINITY);
    }
    NUMBER.lastIndex = this.at;
    const m = NUMBER.exec(this.text);
    if (!m) return this.fail('Expecting value', this.at);
    this.at = NUMBER.lastIndex;
    if (m[1] !== undefined || m[2] !== undefined) return mkFloat(Number(m[0]));
    const n = Number(m[0]);
    return Number.isSafeInteger(n) ? (n === 0 ? 0 : n) : BigInt(m[0]);
  }
  private inside(read: () => Py): Py {
    if (++this.depth > DEEPEST) this.fail('Nested too deep', this.at);
    this.at++;
    const v = read();
    this.depth--;
    return v;
  }
  private array(): Py {
    const out: Py[] = [];
    this.space();
    if (this.word(']')) return out;
    for (;;) {
      this.space();
      out.push(this.value());
      this.space();
      if (this.word(']')) return out;
      if (!this.word(',')) this.fail("Expecting ',' delimiter", this.at);
    }
  }
  private object(): Py {
    const out = new PyDict();
    this.space();
    if (this.word('}')) return out;
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') this.fail('Expecting property name enclosed in double quotes', this.at);
      const key = this.string();
      this.space();
      if (!this.word(':')) this.fail("Expecting ':' delimiter", this.at);
      this.space();
      out.set(key, this.value());
      this.space();
      if (this.word('}')) return out;
      if (!this.word(',')) this.fail("Expecting ',' delimiter", this.at);
    }
  }
  private string(): string {
    const start = this.at++;
    let out = '';
    for (;;) {
      PLAIN.lastIndex = this.at;
      out += (PLAIN.exec(this.text) as RegExpExecArray)[0];
      this.at = PLAIN.lastIndex;
      const c = this.text[this.at];
      if (c === undefined) this.fail('Unterminated string starting at', start);
      if (c === '"') {
        this.at++;
        return out;
      }
      if (c !== '\\') this.fail('Invalid control character at', this.at);
      const e = this.text[this.at + 1];
      if (e === undefined) this.fail('Unterminated string starting at', start);
      if (e === 'u') {
        const hex = this.text.slice(this.at + 2, this.at + 6);
        if (!/^[\da-fA-F]{4}$/.test(hex)) this.fail('Invalid \\uXXXX escape', this.at + 1);
        out += String.fromCharCode(Number.parseInt(hex, 16));
        this.at += 6;
      } else {
        const simple = Object.hasOwn(ESCAPES, e) ? ESCAPES[e] : undefined;
        if (simple === undefined) this.fail('Invalid \\escape', this.at);
        out += simple;
        this.at += 2;
      }
    }
  }
}

/**
 * Reads JSON as Python's json.loads does: `1.0` stays a float, whole numbers of any size stay exact, NaN and Infinity are read.
 * Throws SaltError ValueError with Python's text (`Expecting value: line 1 column 1 (char 0)`).
 */
export function parseJson(text: string): Py {
  return new JsonReader(text).document();
}

/** How {@link dumpJson} writes; the defaults are json.dumps' own. */
export interface JsonOptions {
  /** Spaces a level (or the text of one level); absent or null writes one line. */
  readonly indent?: number | string | null;
  readonly sortKeys?: boolean;
  /** False writes characters beyond ASCII as they are. */
  readonly ensureAscii?: boolean;
  readonly separators?: readonly [item: string, key: string];
  /** Answers something writable for a value JSON has no form for; without it such a value throws SaltError TypeError. */
  readonly fallback?: (v: Py) => Py;
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};
const u = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
function quote(s: string, ascii: boolean): string {
  const special = ascii ? /["\\]|[^ -~]/g : /["\\\x00-\x1f]/g;
  return `"${s.replace(special, (c) => SHORT[c] ?? u(c))}"`;
}
function float(v: number): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? 'Infinity' : '-Infinity';
  return floatRepr(v);
}

class JsonWriter {
  private readonly open = new Set<object>();
  private readonly unit: string | undefined;
  private readonly item: string;
  private readonly colon: string;
  private readonly ascii: boolean;
  constructor(private readonly options: JsonOptions) {
    const { indent } = options;
    this.unit =
      indent === undefined || indent === null ? undefined : typeof indent === 'number' ? ' '.repeat(indent) : indent;
    this.item = options.separators?.[0] ?? (this.unit === undefined ? ', ' : ',');
    this.colon = options.separators?.[1] ?? ': ';
    this.ascii = options.ensureAscii ?? true;
  }

  write(v: Py, pad = '\n'): string {
    switch (typeof v) {
      case 'string':
        return quote(v, this.ascii);
      case 'boolean':
        return v ? 'true' : 'false';
      case 'bigint':
        return v.toString();
      case 'number':
        return Number.isInteger(v)
          ? String(Object.is(v, -0) ? 0 : v).includes('e')
            ? BigInt(v).toString()
            : String(v)
          : float(v);
    }
    if (v === null) return 'null';
    if (v instanceof PyFloat) return float(v.v);
    if (Array.isArray(v))
      return this.within(v, () =>
        this.wrap(
          '[',
          ']',
          v.map((x) => (p) => this.write(x as Py, p)),
          pad,
        ),
      );
    if (v instanceof PyDict) return this.within(v, () => this.dict(v, pad));
    const text = 'text' in v && typeof v.text === 'string' ? v.text : undefined;
    if (text !== undefined) return quote(text, this.ascii);
    if (this.options.fallback) return this.within(v, () => this.write(this.options.fallback?.(v) ?? null, pad));
    throw new SaltError('TypeError', `Object of type ${typeName(v)} is not JSON serializable`);
  }
  private within(v: object, write: () => string): string {
    if (this.open.has(v)) throw new SaltError('ValueError', 'Circular reference detected');
    this.open.add(v);
    const out = write();
    this.open.delete(v);
    return out;
  }
  private wrap(start: string, end: string, parts: ((pad: string) => string)[], pad: string): string {
    if (!parts.length) return start + end;
    const inner = this.unit === undefined ? '' : pad + this.unit;
    return `${start}${inner}${parts.map((p) => p(inner)).join(this.item + inner)}${this.unit === undefined ? '' : pad}${end}`;
  }
  private dict(d: PyDict, pad: string): string {
    const entries = [...d];
    if (this.options.sortKeys) entries.sort((a, b) => compare(a[0], b[0]));
    return this.wrap(
      '{',
      '}',
      entries.map(
        ([k, x]) =>
          (p) =>
            `${quote(this.key(k), this.ascii)}${this.colon}${this.write(x, p)}`,
      ),
      pad,
    );
  }
  private key(k: Py): string {
    if (typeof k === 'string') return k;
    if (k === null || typeof k === 'boolean') return k === null ? 'null' : String(k);
    if (typeof k === 'bigint' || (typeof k === 'number' && Number.isInteger(k))) return str(k);
    if (typeof k === 'number') return float(k);
    if (k instanceof PyFloat) return float(k.v);
    throw new SaltError('TypeError', `keys must be str, int, float, bool or None, not ${typeName(k)}`);
  }
}

/** Writes JSON as Python's json.dumps does, byte for byte. Throws SaltError TypeError for what JSON cannot hold. */
export function dumpJson(v: Py, options: JsonOptions = {}): string {
  return new JsonWriter(options).write(v);
}
