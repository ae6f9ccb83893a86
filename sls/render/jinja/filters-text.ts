/** Salt's filters on text: regular expressions, encodings, hashes, dates, YAML scalars. */
import { createHash, createHmac, getHashes, randomBytes, randomInt } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';
import { fnmatch } from '../../fnmatch.ts';
import { escapeRegex, type PyMatch, pyRegex } from '../../regex.ts';
import { trim } from '../../text-layout.ts';
import {
  chars,
  isHashable,
  iterate,
  length,
  mkFloat,
  numberOf,
  order,
  type Py,
  PyDict,
  PyObject,
  PyTuple,
  parseFloatText,
  parseIntText,
  qualifiedType,
  repr,
  str,
  strOf,
  toList,
  truncFloat,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import { callMethod } from './attrs.ts';
import { formatDate, readDate } from './dates.ts';
import type { FilterRow } from './engine.ts';
import { capitalize, decode } from './methods-text.ts';
import { typeError } from './ops.ts';
import { doubleQuoted } from './printable.ts';
import { regexOf, textOf } from './tests.ts';

/** Bytes of text or bytes, with Salt's TypeError for anything else. */
export function bytesOf(v: Py): Uint8Array {
  const t = strOf(v);
  if (t !== undefined) return Buffer.from(t, 'utf8');
  if (v instanceof Uint8Array) return v;
  return typeError(`expected str, bytes, or bytearray not ${pyClass(v)}`);
}
/** `<class 'list'>`. */
export function pyClass(v: Py): string {
  return `<class '${v instanceof PyObject ? qualifiedType(v) : typeName(v)}'>`;
}
function groups(m: PyMatch | null): Py {
  if (!m) return null;
  const all = m.groups();
  return PyTuple.from_(all.length ? all.map((g) => g ?? null) : [m.group(0) ?? '']);
}
function digest(name: string): (a: Py[]) => Py {
  return ([v]) =>
    createHash(name)
      .update(bytesOf(v as Py))
      .digest('hex');
}
/** Bytes to text where they are UTF-8, else the bytes. */
function textOrBytes(b: Uint8Array): Py {
  try {
    return decode(b);
  } catch (e) {
    if (e instanceof SaltError) return b;
    throw e;
  }
}
function base64Decode([v]: Py[]): Py {
  const source = Buffer.from(bytesOf(v as Py))
    .toString('latin1')
    .replace(/[^A-Za-z0-9+/=]/g, '');
  const body = source.replace(/=.*$/s, '');
  if (body.length % 4 === 1)
    throw new SaltError(
      'ValueError',
      `Invalid base64-encoded string: number of data characters (${body.length}) cannot be 1 more than a multiple of 4`,
    );
  if (source.length % 4 && !/=/.test(source.slice(body.length, body.length + 4 - (body.length % 4 || 4))))
    throw new SaltError('ValueError', 'Incorrect padding');
  return textOrBytes(Buffer.from(body, 'base64'));
}
/** `int(text)`, `float(text)` or the text itself. */
export function toNumber(v: Py): Py {
  const t = strOf(v);
  if (t === undefined) {
    const n = numberOf(v);
    if (n !== undefined)
      return typeof v === 'number' && !Number.isInteger(v)
        ? truncFloat(n)
        : typeof v === 'object'
          ? truncFloat(n)
          : typeof v === 'boolean'
            ? n
            : v;
    if (v instanceof Undefined) v.fail();
    return typeError(`int() argument must be a string, a bytes-like object or a real number, not '${typeName(v)}'`);
  }
  const int = parseIntText(t);
  if (int !== undefined) return int;
  const float = parseFloatText(t);
  return float === undefined ? v : mkFloat(float);
}
function humanToBytes([size, unit, metric]: Py[]): Py {
  const m = /^([0-9.]*)[\s]*([^\n]*)/.exec(trim(str(size as Py))) as RegExpExecArray;
  const value = parseIntText(m[1] as string) ?? parseFloatText(m[1] as string);
  const u = ((m[2] as string) || str(unit as Py)).toLowerCase();
  if (value === undefined) return 0;
  let ten = false;
  if (/^[kmgtpezy]b$/.test(u)) ten = truth(metric as Py);
  else if (!/^(b|[kmgtpezy](ib)?)$/.test(u)) return 0;
  const p = 'bkmgtpezy'.indexOf(u[0] as string);
  const factor = ten ? 10n ** BigInt(3 * p) : 2n ** BigInt(10 * p);
  if (typeof value === 'bigint' || Number.isInteger(value)) {
    const n = BigInt(value) * factor;
    return n <= 9007199254740991n ? Number(n) : n;
  }
  return truncFloat(Number(value) * Number(factor));
}
function toBool([v]: Py[]): Py {
  if (v === null) return false;
  if (typeof v === 'boolean') return v;
  const t = strOf(v as Py);
  if (t !== undefined) return ['yes', '1', 'true'].includes(t.toLowerCase());
  if (typeof v === 'number' && Number.isInteger(v)) return v > 0;
  if (typeof v === 'bigint') return v > 0n;
  if (!isHashable(v as Py)) return length(v as Py) > 0;
  return false;
}
function exprMatch(line: Py, expr: Py): boolean {
  const t = strOf(line);
  const p = strOf(expr);
  if (t === undefined || p === undefined) return false;
  if (fnmatch(t, p)) return true;
  try {
    return pyRegex(`\\A${p}\\Z`).match(t) !== null;
  } catch (e) {
    if (e instanceof SaltError) return false;
    throw e;
  }
}
function whitelisted([value, white, black]: Py[]): Py {
  const list = (v: Py, what: string): Py[] => {
    if (!truth(v)) return [];
    if (strOf(v) !== undefined) return [v];
    if (typeof v !== 'object') return typeError(`Expecting iterable ${what}, but got ${typeName(v)} (${str(v)})`);
    return toList(v);
  };
  const b = list(black as Py, 'blacklist');
  const w = list(white as Py, 'whitelist');
  const hit = (l: Py[]): boolean => l.some((x) => exprMatch(value as Py, x));
  if (b.length && !w.length) return !hit(b);
  if (w.length && !b.length) return hit(w);
  return b.length && w.length ? !hit(b) && hit(w) : true;
}
function snake([v]: Py[]): Py {
  const list = chars(textOf(v as Py));
  if (!list.length) throw new SaltError('IndexError', 'string index out of range');
  const upper = (c: string | undefined): boolean => c !== undefined && /\p{Lu}/u.test(c);
  const small = (c: string | undefined): boolean => c !== undefined && /\p{Ll}/u.test(c);
  let out = (list[0] as string).toLowerCase();
  for (let i = 1; i < list.length; i++) {
    const c = list[i] as string;
    if (upper(c) && (small(list[i - 1]) || small(list[i + 1]))) out += '_';
    out += c.toLowerCase();
  }
  return out;
}
function camel([v, first]: Py[]): Py {
  const [head, ...rest] = textOf(v as Py).split('_') as [string, ...string[]];
  return (truth(first as Py) ? capitalize(head) : head) + rest.map(capitalize).join('');
}
function uuid5([v]: Py[]): Py {
  const t = strOf(v as Py);
  const name =
    t ?? (v instanceof Uint8Array ? decode(v) : typeError(`expected str, bytes, or bytearray not ${pyClass(v as Py)}`));
  const space = Buffer.from('91633ebf1c865e33935a28061f4b480e', 'hex');
  const h = createHash('sha1').update(space).update(name, 'utf8').digest().subarray(0, 16);
  h[6] = ((h[6] as number) & 0x0f) | 0x50;
  h[8] = ((h[8] as number) & 0x3f) | 0x80;
  return h.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "''").replace(/\n+/g, (n) => `${n}\n`)}'`;
}
/** The first object in a value that YAML has no form for. */
function unwritable(v: Py): Py | undefined {
  if (v instanceof PyObject) return v;
  if (Array.isArray(v)) return v.map((x) => unwritable(x as Py)).find((x) => x !== undefined);
  if (v instanceof PyDict) return unwritable([...v.keys(), ...v.values()]);
  return undefined;
}
function yamlEncode([v]: Py[]): Py {
  const t = strOf(v as Py);
  if (t !== undefined) return doubleQuoted(t, false);
  if (v === null) return 'null';
  if (typeof v === 'boolean') return v ? 'true' : 'false';
  const n = numberOf(v as Py);
  if (n !== undefined) {
    if (!Number.isFinite(n)) return Number.isNaN(n) ? '.nan' : n > 0 ? '.inf' : '-.inf';
    const r = repr(v as Py);
    return /^-?\d+e/.test(r) ? r.replace('e', '.0e') : r;
  }
  const odd = unwritable(v as Py);
  if (odd !== undefined) throw new SaltError('YAMLError', `('cannot represent an object', ${repr(odd)})`);
  return typeError(`yaml_encode() only works with YAML scalar data; failed for ${pyClass(v as Py)}`);
}
function shellQuote([v]: Py[]): Py {
  if (!truth(v as Py)) return "''";
  const t = textOf(v as Py);
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(t) ? t : `'${t.replaceAll("'", `'"'"'`)}'`;
}
function extreme(op: '<' | '>', name: string): (a: Py[]) => Py {
  return ([v]) => {
    let best: Py | undefined;
    for (const x of iterate(v as Py)) if (best === undefined || order(op, x, best)) best = x;
    if (best === undefined) throw new SaltError('ValueError', `${name}() arg is an empty sequence`);
    return best;
  };
}

/** The filters of this file. */
export const SALT_TEXT_FILTERS: readonly FilterRow[] = [
  [
    'regex_search',
    'regex_search(txt, rgx, ignorecase=False, multiline=False)',
    ([t, r, i, m]) => groups(regexOf(r as Py, i as Py, m as Py).search(textOf(t as Py))),
  ],
  [
    'regex_match',
    'regex_match(txt, rgx, ignorecase=False, multiline=False)',
    ([t, r, i, m]) => groups(regexOf(r as Py, i as Py, m as Py).match(textOf(t as Py))),
  ],
  [
    'regex_replace',
    'regex_replace(txt, rgx, val, ignorecase=False, multiline=False)',
    ([t, r, v, i, m]) => regexOf(r as Py, i as Py, m as Py).sub(textOf(v as Py), textOf(t as Py)),
  ],
  ['regex_escape', 'regex_escape(value)', ([v]) => escapeRegex(textOf(v as Py))],
  ['quote', 'quote(txt)', shellQuote],
  ['uuid', 'uuid_(val)', uuid5],
  ['to_bool', 'to_bool(val)', toBool],
  ['skip', 'skip_filter(data)', () => ''],
  ['min', 'lst_min(obj)', extreme('<', 'min')],
  ['max', 'lst_max(obj)', extreme('>', 'max')],
  [
    'method_call',
    'method_call(obj, f_name, *f_args, **f_kwargs)',
    ([obj, name, args, kwargs], e) => {
      const f = e.attr(obj as Py, str(name as Py));
      if (f instanceof Undefined && f.failure !== 'SecurityError') return null;
      return callMethod(obj as Py, str(name as Py), args as Py[], kwargs as PyDict, e.strict);
    },
  ],
  ['base64_encode', 'base64_b64encode(instr)', ([v]) => Buffer.from(bytesOf(v as Py)).toString('base64')],
  ['base64_decode', 'base64_b64decode(instr)', base64Decode],
  ['md5', 'md5_digest(instr)', digest('md5')],
  ['sha1', 'sha1_digest(instr)', digest('sha1')],
  ['sha256', 'sha256_digest(instr)', digest('sha256')],
  ['sha512', 'sha512_digest(instr)', digest('sha512')],
  [
    'hmac',
    'hmac_signature(string, shared_secret, challenge_hmac)',
    ([t, secret, challenge]) =>
      createHmac('sha256', bytesOf(secret as Py))
        .update(bytesOf(t as Py))
        .digest('base64') === Buffer.from(bytesOf(challenge as Py)).toString('utf8'),
  ],
  [
    'hmac_compute',
    'hmac_compute(string, shared_secret)',
    ([t, secret]) =>
      createHmac('sha256', bytesOf(secret as Py))
        .update(bytesOf(t as Py))
        .digest('hex'),
  ],
  ...(['rand_str', 'random_hash'] as const).map(
    (n): FilterRow => [
      n,
      'random_hash(size=9999999999, hash_type=None)',
      ([size, kind]) => {
        const name = truth(kind as Py) ? str(kind as Py) : 'md5';
        if (!getHashes().includes(name))
          throw new SaltError('AttributeError', `module 'hashlib' has no attribute ${repr(name)}`);
        if (strOf(size as Py) !== undefined) typeError('can only concatenate str (not "int") to str');
        const most = numberOf(size as Py);
        if (most === undefined || most < 0) throw new SaltError('ValueError', 'empty range for randrange()');
        const n = most < 2 ** 47 ? randomInt(Math.floor(most) + 1) : Number(randomBytes(6).readUIntBE(0, 6));
        return createHash(name).update(String(n)).digest('hex');
      },
    ],
  ),
  [
    'random_str',
    'random(size=32)',
    ([size]) => {
      const n = Math.min(numberOf(size as Py) ?? 32, 1_000_000);
      return randomBytes(n).toString('base64').slice(0, n);
    },
  ],
  ['to_bytes', "to_bytes(s, encoding=None, errors='strict')", ([v]) => bytesOf(v as Py)],
  ['str_to_num', 'to_num(text)', ([v]) => toNumber(v as Py)],
  ['to_num', 'to_num(text)', ([v]) => toNumber(v as Py)],
  [
    'is_hex',
    'is_hex(value)',
    ([v]) => {
      const t = strOf(v as Py);
      return t !== undefined && parseIntText(t, 16) !== undefined;
    },
  ],
  ['contains_whitespace', 'contains_whitespace(text)', ([v]) => toList(v as Py).some((c) => trim(textOf(c)) === '')],
  ['human_to_bytes', "human_to_bytes(size, default_unit='B', handle_metric=False)", humanToBytes],
  ['check_whitelist_blacklist', 'check_whitelist_blacklist(value, whitelist=None, blacklist=None)', whitelisted],
  ['to_snake_case', 'camel_to_snake_case(camel_input)', snake],
  ['to_camelcase', 'snake_to_camel_case(snake_input, uppercamel=False)', camel],
  ...(['strftime', 'date_format'] as const).map(
    (n): FilterRow => [
      n,
      "strftime(date=None, format='%Y-%m-%d')",
      ([date, format]) => formatDate(readDate(date as Py), str(format as Py)),
    ],
  ),
  ['yaml_dquote', 'yaml_dquote(text)', ([v]) => doubleQuoted(str(v as Py), false)],
  ['yaml_squote', 'yaml_squote(text)', ([v]) => singleQuoted(str(v as Py))],
  ['yaml_encode', 'yaml_encode(data)', yamlEncode],
  [
    'substring_in_list',
    'substr_in_list(string_to_search_for, list_to_search)',
    ([t, list]) => [...iterate(list as Py)].some((s) => textOf(s).includes(textOf(t as Py))),
  ],
];
