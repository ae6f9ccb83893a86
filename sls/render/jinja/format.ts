/** Python's two ways of formatting: `'%…' % values` and format specifications as `'{:…}'.format()` reads them. */
import { SaltError } from '../../../bus/errors.ts';
import {
  chars,
  isFloat,
  isInt,
  normInt,
  numberOf,
  type Py,
  PyDict,
  PyFloat,
  PyRange,
  PyTuple,
  repr,
  roundFloat,
  str,
  strOf,
  strRepr,
  textLength,
  truncFloat,
  typeName,
  Undefined,
} from '../../values.ts';

const MAX_WIDTH = 1_000_000;
function fail(code: 'ValueError' | 'TypeError', message: string): never {
  throw new SaltError(code, message);
}
function width(n: number): number {
  if (n > MAX_WIDTH) throw new SaltError('MemoryError', `field width ${n} is over the limit of ${MAX_WIDTH}`);
  return n;
}

/** A text in ASCII: `ascii(x)`. */
export function asciiRepr(v: Py): string {
  return repr(v).replace(/[^\x00-\x7f]/gu, (c) => {
    const n = c.codePointAt(0) as number;
    return n < 256
      ? `\\x${n.toString(16).padStart(2, '0')}`
      : n < 65536
        ? `\\u${n.toString(16).padStart(4, '0')}`
        : `\\U${n.toString(16).padStart(8, '0')}`;
  });
}

function fixed(x: number, digits: number): string {
  if (digits <= 100) {
    const r = roundFloat(x, digits);
    if (Math.abs(r) < 1e21) return r.toFixed(digits);
  }
  const r = Math.abs(x) < 1e21 ? x.toFixed(Math.min(digits, 100)) : BigInt(x).toString();
  return digits && !r.includes('.') ? `${r}.${'0'.repeat(digits)}` : r;
}
function exponent(x: number, digits: number): string {
  const [m, e] = x.toExponential(Math.min(digits, 100)).split('e') as [string, string];
  const n = Number(e);
  return `${m}e${n < 0 ? '-' : '+'}${String(Math.abs(n)).padStart(2, '0')}`;
}
function general(x: number, precision: number, keepZeros: boolean): string {
  const p = precision || 1;
  if (x === 0) return keepZeros && p > 1 ? `0.${'0'.repeat(p - 1)}` : '0';
  const e = Number(x.toExponential(Math.min(p - 1, 100)).split('e')[1]);
  const text = e < -4 || e >= p ? exponent(x, p - 1) : fixed(x, p - 1 - e);
  return keepZeros ? text : trimmed(text);
}
/** Without zeros at the end of the fraction. */
function trimmed(text: string): string {
  const [m, rest] = text.split('e') as [string, string | undefined];
  const short = m.includes('.') ? m.replace(/\.?0+$/, '') : m;
  return rest === undefined ? short : `${short}e${rest}`;
}
/** The digits of a float for the letters e f g and their capitals, without a sign for what is not finite. */
function floatText(x: number, letter: string, precision: number, alternate: boolean): string {
  const lower = letter.toLowerCase();
  let t: string;
  if (Number.isNaN(x)) t = 'nan';
  else if (!Number.isFinite(x)) t = 'inf';
  else if (lower === 'f') t = fixed(x, precision) + (alternate && !precision ? '.' : '');
  else if (lower === 'e') t = exponent(x, precision);
  else t = general(x, precision, alternate);
  return letter === lower ? t : t.toUpperCase();
}

/** Pads to `n` characters (code points). */
export function pad(text: string, n: number, align: '<' | '>' | '^', fill = ' '): string {
  const missing = width(n) - textLength(text);
  if (missing <= 0) return text;
  if (align === '<') return text + fill.repeat(missing);
  if (align === '>') return fill.repeat(missing) + text;
  const left = Math.floor(missing / 2);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?(.)?$/su;

/** `format(value, spec)`. */
export function formatSpec(v: Py, spec: string): string {
  const text = strOf(v);
  const isNumber = numberOf(v) !== undefined;
  if (v instanceof Undefined) {
    if (spec === '') return str(v);
    v.fail();
  }
  if (text === undefined && !isNumber) {
    if (spec === '') return str(v);
    return fail('TypeError', `unsupported format string passed to ${typeName(v)}.__format__`);
  }
  if (spec === '') return str(v);
  const m = SPEC.exec(spec);
  if (!m) return fail('ValueError', 'Invalid format specifier');
  const [, fillChar, alignChar, sign, coerce, alt, zero, widthText, group, precisionText, letter] = m;
  const kind = text !== undefined ? 'str' : isFloat(v) ? 'float' : typeof v === 'boolean' ? 'bool' : 'int';
  const unknown = (): never =>
    fail('ValueError', `Unknown format code ${strRepr(letter as string)} for object of type '${kind}'`);
  const fill = fillChar ?? (zero ? '0' : ' ');
  const want = widthText ? width(Number(widthText)) : 0;
  const precision = precisionText === undefined ? undefined : width(Number(precisionText));
  if (text !== undefined) {
    if (letter && letter !== 's') return unknown();
    if (sign) return fail('ValueError', 'Sign not allowed in string format specifier');
    if (alt) return fail('ValueError', 'Alternate form (#) not allowed in string format specifier');
    if (alignChar === '=') return fail('ValueError', "'=' alignment not allowed in string format specifier");
    if (group) return fail('ValueError', `Cannot specify '${group}' with 's'.`);
    const cut = precision === undefined ? text : chars(text).slice(0, precision).join('');
    return pad(cut, want, (alignChar ?? '<') as '<', zero && !fillChar ? '0' : fill);
  }
  let body: string;
  let negative: boolean;
  let prefix = '';
  const floatLetter = letter !== undefined && 'eEfFgG%'.includes(letter);
  if (kind !== 'float' && !floatLetter) {
    if (coerce) return fail('ValueError', 'Negative zero coercion (z) not allowed in integer format specifier');
    if (letter !== undefined && !'bcdnoxX'.includes(letter)) return unknown();
    if (precision !== undefined) return fail('ValueError', 'Precision not allowed in integer format specifier');
    const n = BigInt(typeof v === 'boolean' ? (v ? 1 : 0) : (v as number | bigint));
    negative = n < 0n;
    const abs = negative ? -n : n;
    const bases: Record<string, [number, string]> = { b: [2, '0b'], o: [8, '0o'], x: [16, '0x'], X: [16, '0X'] };
    if (letter === 'c' && (n < 0n || n > 0x10ffffn))
      throw new SaltError('OverflowError', '%c arg not in range(0x110000)');
    if (letter === 'c') return pad(String.fromCodePoint(Number(n)), want, (alignChar ?? '<') as '<', fill);
    if (letter === undefined || letter === 'd' || letter === 'n') {
      if (letter === undefined && kind === 'bool' && !widthText && !sign && !group) return str(v);
      body = abs.toString();
    } else if (bases[letter]) {
      body = abs.toString(bases[letter][0]);
      if (alt) prefix = bases[letter][1];
      if (letter === 'X') body = body.toUpperCase();
    } else return unknown();
  } else {
    const x = numberOf(v) as number;
    if (letter !== undefined && !floatLetter && letter !== 'n') return unknown();
    negative = x < 0 || Object.is(x, -0);
    const abs = Math.abs(x);
    if (letter === '%') body = `${floatText(abs * 100, 'f', precision ?? 6, !!alt)}%`;
    else if (letter === undefined) {
      if (precision === undefined) body = repr(new PyFloat(abs));
      else {
        const e = abs === 0 ? 0 : Number(abs.toExponential(Math.max(0, precision - 1)).split('e')[1]);
        body =
          e >= precision - 1 && e < precision
            ? trimmed(exponent(abs, Math.max(0, precision - 1)))
            : general(abs, precision, false);
        if (!/[.en]/.test(body)) body += '.0';
      }
    } else body = floatText(abs, letter === 'n' ? 'g' : letter, precision ?? 6, !!alt);
  }
  if (coerce && negative && !/[1-9]/.test(body)) negative = false;
  if (group) {
    const every = letter !== undefined && 'boxX'.includes(letter) ? 4 : 3;
    body = body.replace(/^[\da-fA-F]+/, (d) => {
      let out = '';
      for (let i = 0; i < d.length; i++) out += (i && (d.length - i) % every === 0 ? group : '') + d[i];
      return out;
    });
  }
  const mark = negative ? '-' : sign === '+' || sign === ' ' ? sign : '';
  const align = alignChar ?? (zero ? '=' : '>');
  if (align === '=') return mark + prefix + pad(body, want - mark.length - prefix.length, '>', fill);
  return pad(mark + prefix + body, want, align as '<', fill);
}

const CONVERSION = /%(?:\(([^()]*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([\s\S])?/g;

/** `text % values`. `convert` replaces `str()` for `%s` (escaping in markup). */
export function percentFormat(text: string, values: Py, convert: (v: Py) => string = str): string {
  const tuple = values instanceof PyTuple ? (values as Py[]) : undefined;
  const mapping = values instanceof PyDict ? values : undefined;
  let used = 0;
  let usedMapping = false;
  const next = (): Py => {
    if (tuple ? used >= tuple.length : used >= 1) return fail('TypeError', 'not enough arguments for format string');
    used++;
    return tuple ? (tuple[used - 1] as Py) : values;
  };
  const out = text.replace(CONVERSION, (all, key, flags: string, widthText, precisionText, letter, at: number) => {
    if (letter === undefined) return fail('ValueError', 'incomplete format');
    if (letter === '%' && all.length === 2) return '%';
    let want = 0;
    let left = flags.includes('-');
    if (widthText === '*') {
      const given = next();
      if (!isInt(given, true)) return fail('TypeError', '* wants int');
      want = Number(given);
      if (want < 0) {
        left = true;
        want = -want;
      }
    } else if (widthText) want = Number(widthText);
    let precision: number | undefined;
    if (precisionText === '*') precision = numberOf(next());
    else if (precisionText !== undefined) precision = Number(precisionText);
    else if (/\.[hlL]?.$/s.test(all)) precision = 0;
    if (precision !== undefined) width(precision);
    if (letter === '%')
      return fail('ValueError', `unsupported format character '%' (0x25) at index ${at + all.length - 1}`);
    let v: Py;
    if (key !== undefined) {
      if (!mapping) return fail('TypeError', 'format requires a mapping');
      usedMapping = true;
      const item = mapping.get(key);
      if (item === undefined) throw new SaltError('KeyError', strRepr(key));
      v = item;
    } else v = next();
    const body = one(v, letter, flags, precision, at + all.length - 1, convert);
    if (left) return pad(body, want, '<');
    if (flags.includes('0') && !'srac'.includes(letter) && /\d/.test(body)) {
      const lead = /^[-+ ]?(0[xXoO])?/.exec(body)?.[0] ?? '';
      return lead + pad(body.slice(lead.length), want - lead.length, '>', '0');
    }
    return pad(body, want, '>');
  });
  const leftOver = tuple ? used < tuple.length : !used && !usedMapping && !mapping && !hasItems(values);
  if (leftOver) fail('TypeError', 'not all arguments converted during string formatting');
  return out;
}

/** Whether a value has `[]`, which excuses it from being used up. */
function hasItems(v: Py): boolean {
  return Array.isArray(v) || v instanceof Undefined || v instanceof PyRange || v instanceof Uint8Array;
}

function one(
  v: Py,
  letter: string,
  flags: string,
  precision: number | undefined,
  at: number,
  convert: (v: Py) => string,
): string {
  const cut = (t: string): string => (precision === undefined ? t : chars(t).slice(0, precision).join(''));
  if (letter === 's') return cut(convert(v));
  if (letter === 'r') return cut(repr(v));
  if (letter === 'a') return cut(asciiRepr(v));
  const signed = (negative: boolean): string =>
    negative ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  if ('diuxXo'.includes(letter)) {
    let n: bigint;
    if (isInt(v, true)) n = BigInt(v);
    else if (isFloat(v) && 'diu'.includes(letter)) n = BigInt(truncFloat(numberOf(v) as number));
    else {
      if (v instanceof Undefined) v.fail();
      return fail(
        'TypeError',
        'diu'.includes(letter)
          ? `%${letter} format: a real number is required, not ${typeName(v)}`
          : `%${letter} format: an integer is required, not ${typeName(v)}`,
      );
    }
    const radix = letter === 'o' ? 8 : 'xX'.includes(letter) ? 16 : 10;
    let digits = (n < 0n ? -n : n).toString(radix);
    if (precision !== undefined) digits = digits.padStart(precision, '0');
    const prefix = flags.includes('#') && radix !== 10 ? (radix === 8 ? '0o' : '0x') : '';
    const t = prefix + digits;
    return signed(n < 0n) + (letter === 'X' ? t.toUpperCase() : t);
  }
  if ('eEfFgG'.includes(letter)) {
    const x = numberOf(v);
    if (x === undefined) {
      if (v instanceof Undefined) v.fail();
      return fail('TypeError', `must be real number, not ${typeName(v)}`);
    }
    const t = floatText(Math.abs(x), letter, precision ?? 6, flags.includes('#'));
    return signed(x < 0 || Object.is(x, -0)) + t;
  }
  if (letter === 'c') {
    const t = strOf(v);
    if (t !== undefined && textLength(t) === 1) return t;
    if (isInt(v, true)) {
      const n = Number(normInt(BigInt(v)));
      if (n < 0 || n > 0x10ffff) throw new SaltError('OverflowError', '%c arg not in range(0x110000)');
      return String.fromCodePoint(n);
    }
    return fail('TypeError', '%c requires int or char');
  }
  const code = (letter.codePointAt(0) as number).toString(16);
  return fail('ValueError', `unsupported format character '${letter}' (0x${code}) at index ${at}`);
}

/** How a field of `str.format` is found and turned into text. */
export interface FieldSource {
  /** The value a field names: an argument, then attributes and items. */
  field(name: string): Py;
}

/** Splits `{…}` templates and formats their fields; `auto` fields are numbered by the caller through {@link FieldSource}. */
export function formatTemplate(template: string, source: FieldSource, depth = 2): string {
  if (depth < 0) fail('ValueError', 'Max string recursion exceeded');
  let out = '';
  let i = 0;
  while (i < template.length) {
    const c = template[i] as string;
    if (c === '{') {
      if (template[i + 1] === '{') {
        out += '{';
        i += 2;
        continue;
      }
      if (i + 1 >= template.length) fail('ValueError', "Single '{' encountered in format string");
      let nested = 1;
      let j = i + 1;
      let bracket = false;
      for (; j < template.length; j++) {
        const d = template[j];
        if (d === '[') bracket = true;
        else if (d === ']') bracket = false;
        else if (d === '{' && !bracket) nested++;
        else if (d === '}' && !bracket && --nested === 0) break;
      }
      if (nested) fail('ValueError', "expected '}' before end of string");
      out += field(template.slice(i + 1, j), source, depth);
      i = j + 1;
    } else if (c === '}') {
      if (template[i + 1] !== '}') fail('ValueError', "Single '}' encountered in format string");
      out += '}';
      i += 2;
    } else {
      const stop = /[{}]/g;
      stop.lastIndex = i;
      const end = stop.exec(template)?.index ?? template.length;
      out += template.slice(i, end);
      i = end;
    }
  }
  return out;
}
function field(inner: string, source: FieldSource, depth: number): string {
  const m = /^((?:[^[!:]|\[[^\]]*\])*)(?:!([\s\S]?))?(?::([\s\S]*))?$/.exec(inner);
  if (!m) return fail('ValueError', "expected ':' after conversion specifier");
  let v = source.field(m[1] as string);
  const conversion = m[2];
  if (conversion === 'r') v = repr(v);
  else if (conversion === 's') v = str(v);
  else if (conversion === 'a') v = asciiRepr(v);
  else if (conversion === '') fail('ValueError', 'end of string while looking for conversion specifier');
  else if (conversion !== undefined) fail('ValueError', `Unknown conversion specifier ${conversion}`);
  const spec = m[3] ?? '';
  return formatSpec(v, spec.includes('{') ? formatTemplate(spec, source, depth - 1) : spec);
}
