/** Python's two kinds of number: their text, their conversions, and exact arithmetic on whole numbers. */
import { SaltError } from '../bus/errors.ts';
import { mkFloat, type Py, PyDict, PyFloat, PySet, PyTuple } from '../bus/values.ts';

/** `repr(float)`: the shortest text that reads back, with an exponent below 1e-4 and from 1e16 on. */
export function floatRepr(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  if (!Number.isFinite(x)) return x > 0 ? 'inf' : '-inf';
  if (x === 0) return Object.is(x, -0) ? '-0.0' : '0.0';
  const abs = Math.abs(x);
  if (abs >= 1e16 || abs < 1e-4) {
    const [mantissa, exp] = x.toExponential().split('e') as [string, string];
    const n = Number(exp);
    return `${mantissa}e${n < 0 ? '-' : '+'}${String(Math.abs(n)).padStart(2, '0')}`;
  }
  const text = String(x);
  return text.includes('.') ? text : `${text}.0`;
}

/** A whole number in its one form: number while safe, bigint beyond. */
export function normInt(x: bigint): number | bigint {
  return x >= -9007199254740991n && x <= 9007199254740991n ? Number(x) : x;
}

/** Whether a value is a Python float. */
export function isFloat(v: Py): v is number | PyFloat {
  return v instanceof PyFloat || (typeof v === 'number' && !Number.isInteger(v));
}

/** Whether a value is a Python int; a bool counts only where asked for. */
export function isInt(v: Py, bool = false): v is number | bigint | boolean {
  return typeof v === 'number' ? Number.isInteger(v) : typeof v === 'bigint' || (bool && typeof v === 'boolean');
}

/** The JavaScript number behind any Python number or bool; undefined for anything else. Bigints lose precision. */
export function numberOf(v: Py): number | undefined {
  if (typeof v === 'number') return v;
  if (typeof v === 'boolean') return v ? 1 : 0;
  if (v instanceof PyFloat) return v.v;
  if (typeof v === 'bigint') return Number(v);
  return undefined;
}

const WHITE = '[\\s\\x1c-\\x1f\\x85]*';
const INT_TEXT: Record<number, RegExp> = {};
/** Digits of any script become ASCII digits, as Python's number parsers read them. */
function asciiDigits(text: string): string {
  return /[^\x00-\x7f]/.test(text)
    ? text.replace(/\p{Nd}/gu, (d) => {
        let cp = d.codePointAt(0) as number;
        let n = 0;
        while (n < 9 && /\p{Nd}/u.test(String.fromCodePoint(cp - 1))) {
          cp--;
          n++;
        }
        return String(n);
      })
    : text;
}

/** `int(text, base)`; undefined where Python raises ValueError. Base 0 reads the prefix. */
export function parseIntText(text: string, base = 10): number | bigint | undefined {
  if (base !== 0 && (base < 2 || base > 36)) return undefined;
  let t = asciiDigits(text).replace(new RegExp(`^${WHITE}|${WHITE}$`, 'g'), '');
  let sign = 1;
  if (/^[+-]/.test(t)) {
    if (t[0] === '-') sign = -1;
    t = t.slice(1);
  }
  const prefix = /^0([xob])_?/i.exec(t);
  const bases: Record<string, number> = { x: 16, o: 8, b: 2 };
  let radix = base;
  if (prefix) {
    const b = bases[(prefix[1] as string).toLowerCase()] as number;
    if (base === 0 || base === b) {
      radix = b;
      t = t.slice(prefix[0].length);
    }
  }
  if (radix === 0) {
    if (/^0[0_]*$/.test(t) === false && /^0/.test(t)) return undefined;
    radix = 10;
  }
  const digits = '0123456789abcdefghijklmnopqrstuvwxyz'.slice(0, radix);
  INT_TEXT[radix] ??= new RegExp(`^[${digits}]+(_[${digits}]+)*$`, 'i');
  if (!(INT_TEXT[radix] as RegExp).test(t)) return undefined;
  t = t.replaceAll('_', '');
  const n = Number.parseInt(t, radix);
  if (Number.isSafeInteger(n)) return sign * n || 0;
  const pre: Record<number, string> = { 16: '0x', 8: '0o', 2: '0b', 10: '' };
  let big = 0n;
  if (pre[radix] !== undefined) big = BigInt(pre[radix] + t);
  else for (const d of t.toLowerCase()) big = big * BigInt(radix) + BigInt(digits.indexOf(d));
  return normInt(sign < 0 ? -big : big);
}

/** `float(text)`; undefined where Python raises ValueError. */
export function parseFloatText(text: string): number | undefined {
  const t = asciiDigits(text).replace(new RegExp(`^${WHITE}|${WHITE}$`, 'g'), '');
  if (/^[+-]?(inf|infinity)$/i.test(t)) return t.startsWith('-') ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(t)) return Number.NaN;
  if (!/^[+-]?((\d+(_\d+)*)(\.(\d+(_\d+)*)?)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i.test(t)) return undefined;
  return Number(t.replaceAll('_', ''));
}

/** A float cut to a whole number toward zero; OverflowError and ValueError as `int(inf)` and `int(nan)`. */
export function truncFloat(x: number): number | bigint {
  if (Number.isNaN(x)) throw new SaltError('ValueError', 'cannot convert float NaN to integer');
  if (!Number.isFinite(x)) throw new SaltError('OverflowError', 'cannot convert float infinity to integer');
  const t = Math.trunc(x);
  return Number.isSafeInteger(t) ? t || 0 : normInt(BigInt(t));
}

/** Rounds half to even at a decimal place by the exact binary value, as Python's `round(float, digits)`. */
export function roundFloat(x: number, digits = 0): number {
  if (!Number.isFinite(x) || x === 0) return x;
  if (digits > 22 - Math.floor(Math.log10(Math.abs(x)))) return x;
  const scale = 10n ** BigInt(Math.abs(digits));
  const { num, den } = ratio(x);
  const n = digits >= 0 ? num * scale : num;
  const d = digits >= 0 ? den : den * scale;
  const neg = n < 0n;
  const abs = neg ? -n : n;
  let q = abs / d;
  const twice = (abs % d) * 2n;
  if (twice > d || (twice === d && q % 2n === 1n)) q++;
  const text = q.toString();
  const out = digits >= 0 ? Number(`${text}e-${digits}`) : Number(`${text}e${-digits}`);
  return neg ? -out : out;
}

/** A finite float as an exact fraction. */
export function ratio(x: number): { num: bigint; den: bigint } {
  let m = x;
  let e = 0;
  while (!Number.isInteger(m)) {
    m *= 2;
    e++;
  }
  return { num: BigInt(m), den: 1n << BigInt(e) };
}

/** `int(value)` for numbers and text, with Python's error texts. */
export function toInt(v: Py, base?: number): number | bigint {
  if (typeof v === 'boolean') return v ? 1 : 0;
  if (isFloat(v)) return truncFloat(v instanceof PyFloat ? v.v : v);
  if (typeof v === 'number' || typeof v === 'bigint') return v;
  if (typeof v === 'string') {
    const n = parseIntText(v, base ?? 10);
    if (n === undefined)
      throw new SaltError('ValueError', `invalid literal for int() with base ${base ?? 10}: ${quoteForError(v)}`);
    return n;
  }
  throw new SaltError(
    'TypeError',
    `int() argument must be a string, a bytes-like object or a real number, not '${kindOf(v)}'`,
  );
}

/** `float(value)` for numbers and text, with Python's error texts. */
export function toFloat(v: Py): number | PyFloat {
  const n = numberOf(v);
  if (n !== undefined) {
    if (typeof v === 'bigint' && !Number.isFinite(n))
      throw new SaltError('OverflowError', 'int too large to convert to float');
    return mkFloat(n);
  }
  if (typeof v === 'string') {
    const x = parseFloatText(v);
    if (x === undefined) throw new SaltError('ValueError', `could not convert string to float: ${quoteForError(v)}`);
    return mkFloat(x);
  }
  throw new SaltError('TypeError', `float() argument must be a string or a real number, not '${kindOf(v)}'`);
}

/** The type's name of what is no number and no text. */
function kindOf(v: Py): string {
  if (v === null) return 'NoneType';
  if (Array.isArray(v)) return v instanceof PyTuple ? 'tuple' : 'list';
  if (v instanceof PyDict) return 'dict';
  if (v instanceof PySet) return v.frozen ? 'frozenset' : 'set';
  const own = (v as { pyType?: unknown }).pyType;
  return typeof own === 'string' ? own : 'bytes';
}

function quoteForError(text: string): string {
  return strRepr(text);
}

const UNPRINTABLE = /[\p{C}\p{Z}]/u;
/** `repr(str)`: single quotes unless only the text holds one, everything unprintable escaped. */
export function strRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 || c > 126 || c === 92 || c === 39) {
      plain = false;
      break;
    }
  }
  if (plain) return `'${text}'`;
  let out = quote;
  for (const ch of text) {
    const c = ch.codePointAt(0) as number;
    if (ch === quote || ch === '\\') out += `\\${ch}`;
    else if (ch === '\n') out += '\\n';
    else if (ch === '\r') out += '\\r';
    else if (ch === '\t') out += '\\t';
    else if (c >= 32 && c < 127) out += ch;
    else if (UNPRINTABLE.test(ch))
      out +=
        c < 256
          ? `\\x${c.toString(16).padStart(2, '0')}`
          : c < 65536
            ? `\\u${c.toString(16).padStart(4, '0')}`
            : `\\U${c.toString(16).padStart(8, '0')}`;
    else out += ch;
  }
  return out + quote;
}

/** `repr(bytes)`. */
export function bytesRepr(bytes: Uint8Array): string {
  const quote = bytes.includes(39) && !bytes.includes(34) ? '"' : "'";
  let out = `b${quote}`;
  for (const b of bytes) {
    const ch = String.fromCharCode(b);
    if (ch === quote || ch === '\\') out += `\\${ch}`;
    else if (b === 10) out += '\\n';
    else if (b === 13) out += '\\r';
    else if (b === 9) out += '\\t';
    else if (b < 32 || b > 126) out += `\\x${b.toString(16).padStart(2, '0')}`;
    else out += ch;
  }
  return out + quote;
}
