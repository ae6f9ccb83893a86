/** Methods of str, Markup and bytes. Positions and widths count code points. */
import { SaltError } from '../../../bus/errors.ts';
import { splitLines } from '../../text-layout.ts';
import {
  chars,
  hasAstral,
  isStr,
  iterate,
  iteratorOf,
  Markup,
  type Py,
  PyDict,
  PyTuple,
  str,
  strOf,
  strRepr,
  textLength,
  typeName,
  Undefined,
} from '../../values.ts';
import { escapeText } from './escape.ts';
import { pad } from './format.ts';
import { SPACE } from './lexer.ts';
import { type Method, type MethodTable, method } from './methods.ts';
import { checkSize, indexOf, typeError } from './ops.ts';

const SPACE_RUN = new RegExp(`${SPACE}+`, 'g');
const EDGE_START = new RegExp(`^${SPACE}+`);
const EDGE_END = new RegExp(`${SPACE}+$`);
const DIGRAPHS = 'ǄǅǆǇǈǉǊǋǌǱǲǳ';
/** The first letter of a word: `ǆ` has a title form of its own, `ﬁ` becomes two letters. */
function titleLetter(c: string): string {
  const at = DIGRAPHS.indexOf(c);
  if (c && at >= 0) return DIGRAPHS[at - (at % 3) + 1] as string;
  const upper = c.toUpperCase();
  return upper.length > c.length ? upper.slice(0, 1) + upper.slice(1).toLowerCase() : upper;
}

/** `str.title`. */
export function titleCase(text: string): string {
  let inside = false;
  let out = '';
  for (const c of text) {
    const cased = /\p{L}/u.test(c) && (c.toLowerCase() !== c || c.toUpperCase() !== c || /\p{Lt}/u.test(c));
    out += cased ? (inside ? c.toLowerCase() : titleLetter(c)) : c;
    inside = cased;
  }
  return out;
}
/** `str.capitalize`. */
export function capitalize(text: string): string {
  const first = text ? String.fromCodePoint(text.codePointAt(0) as number) : '';
  return titleLetter(first) + text.slice(first.length).toLowerCase();
}
/** `str.casefold`, which `lower()` of the usual letters is. */
export function casefold(text: string): string {
  return text.replaceAll('ß', 'ss').replaceAll('ſ', 's').toLowerCase().replaceAll('ς', 'σ');
}
/** Strips characters of a set, or white space. */
export function strip(text: string, what: string | null, side: 'both' | 'left' | 'right'): string {
  if (what === null) {
    let t = text;
    if (side !== 'right') t = t.replace(EDGE_START, '');
    if (side !== 'left') t = t.replace(EDGE_END, '');
    return t;
  }
  const list = chars(text);
  const set = new Set(chars(what));
  let a = 0;
  let b = list.length;
  if (side !== 'right') while (a < b && set.has(list[a] as string)) a++;
  if (side !== 'left') while (b > a && set.has(list[b - 1] as string)) b--;
  return list.slice(a, b).join('');
}

function text(v: Py | undefined, what: string): string {
  const t = strOf(v as Py);
  if (t !== undefined) return t;
  if (v instanceof Undefined) v.fail();
  return typeError(what.replace('%', typeName(v as Py)));
}
function count(v: Py | undefined, fallback: number): number {
  return v === undefined || v === null ? fallback : indexOf(v);
}
const fillOf = (v: Py | undefined): string => {
  if (v === undefined) return ' ';
  const t = text(v, 'The fill character must be a unicode character, not %');
  return textLength(t) === 1 ? t : typeError('The fill character must be exactly one character long');
};

/** Start and end of a search in UTF-16 positions; undefined when the window is beyond the text. */
function window(
  t: string,
  from: Py | undefined,
  to: Py | undefined,
): [number, number, (i: number) => number] | undefined {
  const astral = hasAstral(t);
  const list = astral ? chars(t) : undefined;
  const n = list?.length ?? t.length;
  const clip = (v: Py | undefined, fallback: number): number => {
    if (v === undefined || v === null) return fallback;
    if (typeof v !== 'number' && typeof v !== 'boolean')
      return typeError('slice indices must be integers or None or have an __index__ method');
    const i = Number(v);
    return i < 0 ? Math.max(0, i + n) : i;
  };
  const a = clip(from, 0);
  const b = Math.min(clip(to, n), n);
  if (a > n || a > b) return undefined;
  if (!list) return [a, b, (i) => i];
  const unit = (i: number): number => list.slice(0, i).join('').length;
  return [unit(a), unit(b), (i) => textLength(t.slice(0, i))];
}
function find(t: string, args: Py[], last: boolean): number {
  const w = window(t, args[1], args[2]);
  const part = text(args[0], 'must be str, not %');
  if (!w) return -1;
  const inside = t.slice(w[0], w[1]);
  const i = last ? inside.lastIndexOf(part) : inside.indexOf(part);
  return i < 0 ? -1 : w[2](i + w[0]);
}
function affix(name: 'startswith' | 'endswith'): Method {
  return method<string>(
    1,
    3,
    (t, a) => {
      const w = window(t, a[1], a[2]);
      const inside = w ? t.slice(w[0], w[1]) : undefined;
      const test = (x: Py): boolean => {
        const p = strOf(x);
        if (p === undefined)
          return typeError(
            a[0] instanceof PyTuple
              ? `tuple for ${name} must only contain str, not ${typeName(x)}`
              : `${name} first arg must be str or a tuple of str, not ${typeName(x)}`,
          );
        return inside !== undefined && (name === 'startswith' ? inside.startsWith(p) : inside.endsWith(p));
      };
      return a[0] instanceof PyTuple ? (a[0] as Py[]).some(test) : test(a[0] as Py);
    },
    { bare: true },
  );
}

function splitSpace(t: string, most: number): string[] {
  const out: string[] = [];
  let rest = t.replace(EDGE_START, '');
  while (rest) {
    SPACE_RUN.lastIndex = 0;
    const m = out.length === most ? null : SPACE_RUN.exec(rest);
    if (!m) {
      out.push(out.length === most ? rest.replace(EDGE_END, '') : rest);
      break;
    }
    out.push(rest.slice(0, m.index));
    rest = rest.slice(m.index + m[0].length);
  }
  return out;
}
function rsplitSpace(t: string, most: number): string[] {
  const out: string[] = [];
  let rest = t.replace(EDGE_END, '');
  while (rest) {
    const m = out.length === most ? null : new RegExp(`${SPACE}+(?!.*${SPACE})`, 's').exec(rest);
    const runs = m ? [...rest.matchAll(SPACE_RUN)].at(-1) : undefined;
    if (!runs) {
      out.unshift(out.length === most ? rest.replace(EDGE_START, '') : rest);
      break;
    }
    out.unshift(rest.slice(runs.index + runs[0].length));
    rest = rest.slice(0, runs.index);
  }
  return out;
}
/** `str.split` and `str.rsplit`; `most` below 0 means all. */
export function splitText(t: string, sep: string | null, most = -1, right = false): string[] {
  if (sep === null) return (right ? rsplitSpace : splitSpace)(t, most);
  if (sep === '') throw new SaltError('ValueError', 'empty separator');
  const parts = t.split(sep);
  if (most < 0 || parts.length <= most + 1) return parts;
  return right
    ? [parts.slice(0, parts.length - most).join(sep), ...parts.slice(parts.length - most)]
    : [...parts.slice(0, most), parts.slice(most).join(sep)];
}
function splitMethod(right: boolean): Method {
  return method<string>(
    0,
    2,
    (t, a) => {
      const most = a[1] === undefined ? -1 : indexOf(a[1]);
      const sep = a[0] === undefined || a[0] === null ? null : text(a[0], 'must be str or None, not %');
      return splitText(t, sep, most, right);
    },
    { names: ['sep', 'maxsplit'] },
  );
}
function partition(right: boolean): Method {
  return method<string>(1, 1, (t, a) => {
    const sep = text(a[0], 'must be str, not %');
    if (!sep) throw new SaltError('ValueError', 'empty separator');
    const i = right ? t.lastIndexOf(sep) : t.indexOf(sep);
    if (i < 0) return PyTuple.from_(right ? ['', '', t] : [t, '', '']);
    return PyTuple.from_([t.slice(0, i), sep, t.slice(i + sep.length)]);
  });
}
function stripMethod(name: string, side: 'both' | 'left' | 'right'): Method {
  return method<string>(0, 1, (t, a) =>
    strip(t, a[0] === undefined || a[0] === null ? null : text(a[0], `${name} arg must be None or str`), side),
  );
}
const all =
  (re: RegExp) =>
  (t: string): boolean =>
    t !== '' && re.test(t);
const is = (f: (t: string) => boolean): Method => method<string>(0, 0, f);
const map = (f: (t: string) => string): Method => method<string>(0, 0, f);
const hasCase = (t: string): boolean => t.toLowerCase() !== t || t.toUpperCase() !== t;

/** Encodes text with one of the codecs that Node knows; LookupError text for others. */
export function encode(t: string, name = 'utf-8', errors = 'strict'): Uint8Array {
  const codec = name.toLowerCase().replace(/[_ ]/g, '-');
  if (codec === 'utf-8' || codec === 'utf8' || codec === 'u8') return Buffer.from(t, 'utf8');
  if (codec === 'utf-16-le' || codec === 'utf-16le') return Buffer.from(t, 'utf16le');
  const limits: Record<string, [number, string]> = {
    ascii: [128, 'ascii'],
    'us-ascii': [128, 'ascii'],
    latin1: [256, 'latin-1'],
    'latin-1': [256, 'latin-1'],
    'iso-8859-1': [256, 'latin-1'],
  };
  const limit = limits[codec];
  if (!limit) throw new SaltError('ValueError', `unknown encoding: ${name}`);
  const out: number[] = [];
  let i = 0;
  for (const c of t) {
    const n = c.codePointAt(0) as number;
    if (n < limit[0]) out.push(n);
    else if (errors === 'replace') out.push(63);
    else if (errors !== 'ignore')
      throw new SaltError(
        'UnicodeError',
        `'${limit[1]}' codec can't encode character ${strRepr(c).replace(/^'[^\\].*$/s, `'\\${n < 256 ? `x${n.toString(16)}` : n < 65536 ? `u${n.toString(16).padStart(4, '0')}` : `U${n.toString(16).padStart(8, '0')}`}'`)} in position ${i}: ordinal not in range(${limit[0]})`,
      );
    i++;
  }
  return Uint8Array.from(out);
}
/** Decodes bytes; UnicodeDecodeError's text on bad input. */
export function decode(b: Uint8Array, name = 'utf-8', errors = 'strict'): string {
  const codec = name.toLowerCase().replace(/_/g, '-');
  if (codec.startsWith('latin') || codec === 'iso-8859-1') return Buffer.from(b).toString('latin1');
  if (codec === 'utf-16-le') return Buffer.from(b).toString('utf16le');
  const ascii = codec === 'ascii' || codec === 'us-ascii';
  if (!ascii && codec !== 'utf-8' && codec !== 'utf8') throw new SaltError('ValueError', `unknown encoding: ${name}`);
  const t = Buffer.from(b).toString('utf8');
  const bad = ascii ? b.findIndex((x) => x > 127) : t.includes('\ufffd') ? firstBad(b) : -1;
  if (bad >= 0 && errors === 'strict')
    throw new SaltError(
      'UnicodeError',
      `'${ascii ? 'ascii' : 'utf-8'}' codec can't decode byte 0x${(b[bad] as number).toString(16).padStart(2, '0')} in position ${bad}: ${ascii ? 'ordinal not in range(128)' : 'invalid start byte'}`,
    );
  return errors === 'ignore' ? t.replaceAll('\ufffd', '') : t;
}
function firstBad(b: Uint8Array): number {
  for (let i = 0; i < b.length; ) {
    const c = b[i] as number;
    const n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (!n || i + n > b.length) return i;
    for (let k = 1; k < n; k++) if (((b[i + k] as number) & 0xc0) !== 0x80) return i;
    i += n;
  }
  return -1;
}

/** Joins an iterable of text: TypeError naming the first item that is none. */
export function joinText(sep: string, items: Py): string {
  if (!iteratorOf(items)) return typeError('can only join an iterable');
  const out: string[] = [];
  let i = 0;
  for (const x of iterate(items)) {
    out.push(text(x, `sequence item ${i}: expected str instance, % found`));
    i++;
  }
  let n = 0;
  for (const o of out) n += o.length + sep.length;
  checkSize(n);
  return out.join(sep);
}

/** Methods of str. `format` and `format_map` need the environment and live in attrs. */
export const TEXT_METHODS: MethodTable = new Map<string, Method>([
  ['upper', map((t) => t.toUpperCase())],
  ['lower', map((t) => t.toLowerCase())],
  ['title', map(titleCase)],
  ['capitalize', map(capitalize)],
  ['casefold', map(casefold)],
  [
    'swapcase',
    map((t) =>
      chars(t)
        .map((c) => (c.toUpperCase() === c ? c.toLowerCase() : c.toUpperCase()))
        .join(''),
    ),
  ],
  ['split', splitMethod(false)],
  ['rsplit', splitMethod(true)],
  ['partition', partition(false)],
  ['rpartition', partition(true)],
  [
    'splitlines',
    method<string>(0, 1, (t, a) => splitLines(t, a[0] !== undefined && indexOf(a[0]) !== 0), { names: ['keepends'] }),
  ],
  ['strip', stripMethod('strip', 'both')],
  ['lstrip', stripMethod('lstrip', 'left')],
  ['rstrip', stripMethod('rstrip', 'right')],
  ['startswith', affix('startswith')],
  ['endswith', affix('endswith')],
  ['find', method<string>(1, 3, (t, a) => find(t, a, false), { bare: true })],
  ['rfind', method<string>(1, 3, (t, a) => find(t, a, true), { bare: true })],
  ['index', method<string>(1, 3, (t, a) => found(find(t, a, false)), { bare: true })],
  ['rindex', method<string>(1, 3, (t, a) => found(find(t, a, true)), { bare: true })],
  [
    'count',
    method<string>(
      1,
      3,
      (t, a) => {
        const w = window(t, a[1], a[2]);
        const part = text(a[0], 'must be str, not %');
        if (!w) return 0;
        const inside = t.slice(w[0], w[1]);
        return part ? inside.split(part).length - 1 : textLength(inside) + 1;
      },
      { bare: true },
    ),
  ],
  [
    'replace',
    method<string>(2, 3, (t, a) => {
      const from = text(a[0], 'replace() argument 1 must be str, not %');
      const to = text(a[1], 'replace() argument 2 must be str, not %');
      const most = count(a[2], -1);
      if (from === '') {
        const list = chars(t);
        const n = most < 0 ? list.length + 1 : Math.min(most, list.length + 1);
        checkSize(t.length + n * to.length);
        return list.map((c, i) => (i < n ? to : '') + c).join('') + (n > list.length ? to : '');
      }
      const parts = splitText(t, from, most);
      checkSize(t.length + parts.length * to.length);
      return parts.join(to);
    }),
  ],
  ['join', method<string>(1, 1, (t, a) => joinText(t, a[0] as Py))],
  ['center', method<string>(1, 2, (t, a) => center(t, indexOf(a[0] as Py), fillOf(a[1])))],
  ['ljust', method<string>(1, 2, (t, a) => pad(t, indexOf(a[0] as Py), '<', fillOf(a[1])))],
  ['rjust', method<string>(1, 2, (t, a) => pad(t, indexOf(a[0] as Py), '>', fillOf(a[1])))],
  [
    'zfill',
    method<string>(1, 1, (t, a) => {
      const sign = /^[-+]/.exec(t)?.[0] ?? '';
      return sign + pad(t.slice(sign.length), indexOf(a[0] as Py) - sign.length, '>', '0');
    }),
  ],
  [
    'expandtabs',
    method<string>(
      0,
      1,
      (t, a) => {
        const size = count(a[0], 8);
        let column = 0;
        let out = '';
        for (const c of t) {
          if (c === '\t') {
            const n = size > 0 ? size - (column % size) : 0;
            checkSize(out.length + n);
            out += ' '.repeat(n);
            column += n;
          } else {
            out += c;
            column = c === '\n' || c === '\r' ? 0 : column + 1;
          }
        }
        return out;
      },
      { names: ['tabsize'] },
    ),
  ],
  [
    'removeprefix',
    method<string>(1, 1, (t, a) => {
      const p = text(a[0], 'removeprefix() argument must be str, not %');
      return t.startsWith(p) ? t.slice(p.length) : t;
    }),
  ],
  [
    'removesuffix',
    method<string>(1, 1, (t, a) => {
      const p = text(a[0], 'removesuffix() argument must be str, not %');
      return p && t.endsWith(p) ? t.slice(0, -p.length) : t;
    }),
  ],
  [
    'encode',
    method<string>(
      0,
      2,
      (t, a) =>
        encode(
          t,
          text(a[0] === undefined ? 'utf-8' : a[0], "encode() argument 'encoding' must be str, not %"),
          text(a[1] === undefined ? 'strict' : a[1], "encode() argument 'errors' must be str, not %"),
        ),
      {
        names: ['encoding', 'errors'],
      },
    ),
  ],
  [
    'translate',
    method<string>(1, 1, (t, a) => {
      const table = a[0] as Py;
      if (!(table instanceof PyDict || Array.isArray(table) || isStr(table)))
        return typeError(`'${typeName(table)}' object is not subscriptable`);
      let out = '';
      for (const c of t) {
        const n = c.codePointAt(0) as number;
        const r =
          table instanceof PyDict
            ? table.get(n)
            : Array.isArray(table)
              ? (table[n] as Py | undefined)
              : chars(str(table))[n];
        if (r === undefined) out += c;
        else if (r !== null) out += strOf(r) ?? String.fromCodePoint(indexOf(r));
      }
      return out;
    }),
  ],
  [
    'maketrans',
    method<string>(1, 3, (_t, a) => {
      const d = new PyDict();
      if (a.length === 1) {
        if (!(a[0] instanceof PyDict)) return typeError('if you give only one argument to maketrans it must be a dict');
        for (const [k, v] of a[0]) d.set(isStr(k) ? ((strOf(k) as string).codePointAt(0) as number) : k, v);
        return d;
      }
      if (strOf(a[0] as Py) === undefined)
        return typeError('first maketrans argument must be a string if there is a second argument');
      const from = chars(strOf(a[0] as Py) as string);
      const to = chars(text(a[1], 'maketrans() argument 2 must be str, not %'));
      if (from.length !== to.length)
        throw new SaltError('ValueError', 'the first two maketrans arguments must have equal length');
      from.forEach((c, i) => {
        d.set(c.codePointAt(0) as number, (to[i] as string).codePointAt(0) as number);
      });
      if (a[2] !== undefined)
        for (const c of chars(text(a[2], 'must be str, not %'))) d.set(c.codePointAt(0) as number, null);
      return d;
    }),
  ],
  ['isdigit', is(all(/^[\p{Nd}²³¹⁰⁴-⁹₀-₉①-⑨]+$/u))],
  ['isdecimal', is(all(/^\p{Nd}+$/u))],
  ['isnumeric', is(all(/^\p{N}+$/u))],
  ['isalpha', is(all(/^\p{L}+$/u))],
  ['isalnum', is(all(/^[\p{L}\p{N}]+$/u))],
  ['isspace', is(all(new RegExp(`^${SPACE}+$`)))],
  ['isascii', is((t) => /^[\x00-\x7f]*$/.test(t))],
  ['isidentifier', is(all(/^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Nd}\p{Mn}\p{Mc}_]*$/u))],
  ['isprintable', is((t) => !/(?! )[\p{C}\p{Z}]/u.test(t))],
  ['isupper', is((t) => hasCase(t) && t.toUpperCase() === t)],
  ['islower', is((t) => hasCase(t) && t.toLowerCase() === t)],
  ['istitle', is((t) => hasCase(t) && titleCase(t) === t)],
]);

function found(i: number): number {
  if (i < 0) throw new SaltError('ValueError', 'substring not found');
  return i;
}
/** `str.center`, whose odd space goes left when the width is odd. */
export function center(t: string, n: number, fill = ' '): string {
  const missing = n - textLength(t);
  if (missing <= 0) return t;
  const left = Math.floor(missing / 2) + (missing & n & 1);
  return pad(pad(t, textLength(t) + left, '>', fill), n, '<', fill);
}

const PLAIN_ANSWER: ReadonlySet<string> = new Set(['encode', 'maketrans']);
const KEEP_ARGUMENTS: ReadonlySet<string> = new Set([
  'startswith',
  'endswith',
  'find',
  'rfind',
  'index',
  'rindex',
  'count',
]);
/** Wraps a str method for Markup: text arguments are escaped, text answers are Markup. */
export function markupMethod(name: string, m: Method): Method {
  const mark = (v: Py): Py => {
    if (typeof v === 'string') return new Markup(v);
    if (v instanceof PyTuple) return PyTuple.from_(v.map((x) => mark(x as Py)));
    if (Array.isArray(v)) return v.map((x) => mark(x as Py));
    return v;
  };
  const safe = (v: Py): Py => (typeof v === 'string' ? escapeText(v) : v instanceof Markup ? v.text : v);
  return {
    ...m,
    run(self: Markup, args: Py[], kwargs: PyDict | null): Py {
      let given = args;
      if (name === 'join') given = [[...iterate(args[0] as Py)].map((x) => safe(isStr(x) ? x : String(x)))];
      else if (!KEEP_ARGUMENTS.has(name)) given = args.map(safe);
      const r = m.run(self.text as never, given, kwargs);
      return PLAIN_ANSWER.has(name) ? r : mark(r);
    },
  } as Method;
}
/** Further methods of Markup. */
export const MARKUP_METHODS: MethodTable = new Map<string, Method>([
  ['unescape', method<Markup>(0, 0, (m) => decodeEntities(m.text))],
  ['striptags', method<Markup>(0, 0, (m) => stripTags(m.text))],
]);

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
/** HTML entities back to characters. */
export function decodeEntities(t: string): string {
  return t.replace(/&(?:#(\d+)|#[xX]([\da-fA-F]+)|(\w+));/g, (all, dec?: string, hex?: string, name?: string) =>
    dec
      ? String.fromCodePoint(Number(dec))
      : hex
        ? String.fromCodePoint(Number.parseInt(hex, 16))
        : (ENTITIES[name as string] ?? all),
  );
}
/** `striptags`: without tags and comments, white space in single spaces, entities decoded. */
export function stripTags(t: string): string {
  const bare = t.replace(/<!--[\s\S]*?-->/g, '').replace(/<[^>]*>/g, '');
  return decodeEntities(splitSpace(bare, -1).join(' '));
}

/** Methods of bytes. */
export const BYTES_METHODS: MethodTable = new Map<string, Method>([
  [
    'decode',
    method<Uint8Array>(0, 2, (b, a) => decode(b, strOf(a[0] ?? 'utf-8'), strOf(a[1] ?? 'strict')), {
      names: ['encoding', 'errors'],
    }),
  ],
  ['hex', method<Uint8Array>(0, 0, (b) => Buffer.from(b).toString('hex'))],
  ['upper', method<Uint8Array>(0, 0, (b) => Buffer.from(Buffer.from(b).toString('latin1').toUpperCase(), 'latin1'))],
  ['lower', method<Uint8Array>(0, 0, (b) => Buffer.from(Buffer.from(b).toString('latin1').toLowerCase(), 'latin1'))],
  [
    'strip',
    method<Uint8Array>(0, 0, (b) => Buffer.from(strip(Buffer.from(b).toString('latin1'), null, 'both'), 'latin1')),
  ],
  [
    'startswith',
    method<Uint8Array>(1, 1, (b, a) =>
      a[0] instanceof Uint8Array
        ? Buffer.from(b).subarray(0, a[0].length).equals(a[0])
        : typeError(`startswith first arg must be bytes or a tuple of bytes, not ${typeName(a[0] as Py)}`),
    ),
  ],
]);
