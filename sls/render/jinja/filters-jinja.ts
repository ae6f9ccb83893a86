/** Jinja's own filters on text, numbers and single values. */
import { SaltError } from '../../../bus/errors.ts';
import { pformat } from '../../pprint.ts';
import { splitLines } from '../../text-layout.ts';
import {
  chars,
  isFloat,
  isInt,
  isList,
  isStr,
  iterate,
  Markup,
  mkFloat,
  normInt,
  numberOf,
  type Py,
  PyDict,
  PyFloat,
  PyTuple,
  parseFloatText,
  parseIntText,
  roundFloat,
  length as sizeOf,
  str,
  strOf,
  strRepr,
  textLength,
  truncFloat,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import { attributeOnly } from './attrs.ts';
import type { Engine, FilterRow } from './engine.ts';
import { escapeMarkup, escapeText, softStr } from './escape.ts';
import { capitalize, center, splitText, strip, stripTags } from './methods-text.ts';
import { add, checkSize, div, indexOf, mod, mul, pow, typeError, unpack } from './ops.ts';
import { urlize } from './urlize.ts';
import { wordWrap } from './word-wrap.ts';

/** A filter that maps text to text, keeping Markup. */
export const onText =
  (f: (t: string, a: Py[], e: Engine) => string) =>
  (a: Py[], e: Engine): Py => {
    const s = softStr(a[0] as Py);
    return typeof s === 'string' ? f(s, a, e) : new Markup(f(s.text, a, e));
  };
/** The text of a filter's argument, JS undefined for None. */
export function optionalText(v: Py | undefined): string | undefined {
  return v === undefined || v === null ? undefined : (strOf(v) ?? str(v));
}
function need(ok: boolean, message: string): void {
  if (!ok) throw new SaltError('FilterArgumentError', message);
}

function doInt([value, fallback, base]: Py[]): Py {
  const t = strOf(value as Py);
  if (value instanceof Undefined) value.fail();
  if (t !== undefined) {
    const radix = indexOf(base as Py);
    const n = radix === 0 || (radix >= 2 && radix <= 36) ? parseIntText(t, radix) : undefined;
    if (n !== undefined) return n;
  } else if (value instanceof Uint8Array) {
    const n = parseIntText(Buffer.from(value).toString('latin1'));
    if (n !== undefined) return n;
  } else if (isInt(value as Py, true)) return typeof value === 'boolean' ? Number(value) : (value as Py);
  const x = t !== undefined ? parseFloatText(t) : numberOf(value as Py);
  return x === undefined || !Number.isFinite(x) ? (fallback as Py) : truncFloat(x);
}
function doFloat([value, fallback]: Py[]): Py {
  if (value instanceof Undefined) value.fail();
  const t = strOf(value as Py);
  const x = t !== undefined ? parseFloatText(t) : numberOf(value as Py);
  return x === undefined ? (fallback as Py) : mkFloat(x);
}
function doRound([value, precision, method]: Py[]): Py {
  const how = str(method as Py);
  need(how === 'common' || how === 'ceil' || how === 'floor', 'method must be common, ceil or floor');
  const digits = indexOf(precision as Py);
  if (how === 'common') {
    if (isFloat(value as Py)) return mkFloat(roundFloat(numberOf(value as Py) as number, digits));
    if (isInt(value as Py, true)) {
      const n = BigInt(value as number);
      if (digits >= 0) return normInt(n);
      const scale = 10n ** BigInt(-digits);
      const abs = n < 0n ? -n : n;
      let q = abs / scale;
      const twice = (abs % scale) * 2n;
      if (twice > scale || (twice === scale && q % 2n === 1n)) q++;
      return normInt((n < 0n ? -1n : 1n) * q * scale);
    }
    return typeError(`type ${typeName(value as Py)} doesn't define __round__ method`);
  }
  const scale = pow(10, digits);
  const scaled = mul(value as Py, scale);
  const x = numberOf(scaled);
  if (x === undefined) return typeError(`must be real number, not ${typeName(value as Py)}`);
  const whole = isFloat(scaled) ? truncFloat(how === 'ceil' ? Math.ceil(x) : Math.floor(x)) : scaled;
  return div(whole, scale);
}
function doAbs([v]: Py[]): Py {
  if (typeof v === 'boolean') return Number(v);
  if (typeof v === 'number') return Math.abs(v);
  if (typeof v === 'bigint') return v < 0n ? -v : v;
  if (v instanceof PyFloat) return new PyFloat(Math.abs(v.v));
  return typeError(`bad operand type for abs(): '${typeName(v as Py)}'`);
}
function fileSize([value, binary]: Py[]): Py {
  const n = strOf(value as Py) !== undefined ? parseFloatText(strOf(value as Py) as string) : numberOf(value as Py);
  if (n === undefined) {
    if (value instanceof Undefined) value.fail();
    if (isStr(value as Py))
      throw new SaltError('ValueError', `could not convert string to float: ${strRepr(str(value as Py))}`);
    return typeError(`float() argument must be a string or a real number, not '${typeName(value as Py)}'`);
  }
  const two = truth(binary as Py);
  const base = two ? 1024 : 1000;
  if (n === 1) return '1 Byte';
  if (n < base) return `${Math.trunc(n)} Bytes`;
  const letters = 'kMGTPEZY';
  let i = 0;
  let unit = base;
  while (i < letters.length - 1 && n >= unit * base) {
    unit *= base;
    i++;
  }
  const letter = letters[i] as string;
  return `${roundFloat(n / unit, 1).toFixed(1)} ${two ? `${letter.toUpperCase()}iB` : `${letter}B`}`;
}
function truncate(a: Py[]): Py {
  const given = a[0] as Py;
  const end = str(a[3] as Py);
  const length = indexOf(a[1] as Py);
  const leeway = a[4] === null ? 5 : indexOf(a[4] as Py);
  const endLength = textLength(end);
  if (length < endLength) throw new SaltError('ValueError', `expected length >= ${endLength}, got ${length}`);
  if (leeway < 0) throw new SaltError('ValueError', `expected leeway >= 0, got ${leeway}`);
  if (!isStr(given)) {
    if (sizeOf(given) <= length + leeway) return given;
    return typeError(`'${typeName(given)}' object has no attribute 'rsplit'`);
  }
  const s = given;
  const list = chars(typeof s === 'string' ? s : s.text);
  if (list.length <= length + leeway) return s;
  const cut = list.slice(0, length - endLength).join('');
  const kept = truth(a[2] as Py) ? cut : cut.includes(' ') ? cut.slice(0, cut.lastIndexOf(' ')) : cut;
  return typeof s === 'string' ? kept + end : new Markup(kept + (a[3] instanceof Markup ? end : escapeText(end)));
}
function indent(a: Py[]): Py {
  const s = a[0] as Py;
  if (!isStr(s)) {
    if (s instanceof Undefined) s.fail();
    if (isList(s)) throw new SaltError('AttributeError', "'list' object has no attribute 'splitlines'");
    return typeError(
      Array.isArray(s)
        ? 'can only concatenate tuple (not "str") to tuple'
        : `unsupported operand type(s) for +=: '${typeName(s)}' and 'str'`,
    );
  }
  const width = a[1] as Py;
  const first = truth(a[2] as Py);
  const blank = truth(a[3] as Py);
  const w = strOf(width);
  const columns = w === undefined ? Math.max(0, indexOf(width)) : 0;
  checkSize(columns);
  const space = w ?? ' '.repeat(columns);
  const source = typeof s === 'string' ? s : s.text;
  const lines = splitLines(`${source}\n`);
  checkSize(source.length + lines.length * space.length);
  const body = blank ? lines.join(`\n${space}`) : lines.map((l, i) => (i && l ? space + l : l)).join('\n');
  const out = first ? space + body : body;
  return typeof s === 'string' ? out : new Markup(out);
}
/** Percent-encodes as Python's quote: letters, digits, `_.-~` and the given others stay. */
export function percentEncode(v: Py, query: boolean): string {
  const bytes = v instanceof Uint8Array ? v : Buffer.from(strOf(v) ?? str(v), 'utf8');
  let out = '';
  for (const b of bytes) {
    const c = String.fromCharCode(b);
    if (/[A-Za-z0-9_.~-]/.test(c) || (!query && c === '/')) out += c;
    else if (query && c === ' ') out += '+';
    else out += `%${b.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
function urlEncode([v]: Py[]): Py {
  if (isStr(v as Py) || !(v instanceof PyDict || Array.isArray(v))) {
    if (v instanceof Undefined) v.fail();
    return percentEncode(v as Py, false);
  }
  const pairs = v instanceof PyDict ? [...v] : [...iterate(v)].map((x) => unpack(x, 2) as [Py, Py]);
  return pairs.map(([k, x]) => `${percentEncode(k, true)}=${percentEncode(x, true)}`).join('&');
}
function xmlAttr([d, space]: Py[], e: Engine): Py {
  if (d instanceof Undefined) d.fail();
  if (!(d instanceof PyDict)) return typeError(`'${typeName(d as Py)}' object has no attribute 'items'`);
  const parts: string[] = [];
  for (const [k, v] of d) {
    if (v === null || v instanceof Undefined) continue;
    const key = str(k);
    if (/[\s/>=]/.test(key)) throw new SaltError('ValueError', `Invalid character in attribute name: ${strRepr(key)}`);
    parts.push(`${escapeText(key)}="${escapeMarkup(v).text}"`);
  }
  let out = parts.join(' ');
  if (truth(space as Py) && out) out = ` ${out}`;
  return e.ae ? new Markup(out) : out;
}
function replace([s, from, to, count]: Py[], e: Engine): Py {
  const most = count === null ? -1 : indexOf(count as Py);
  const cut = (t: string, a: string, b: string): string => {
    if (a === '') {
      const list = chars(t);
      const n = most < 0 ? list.length + 1 : Math.min(most, list.length + 1);
      checkSize(t.length + n * b.length);
      return list.map((c, i) => (i < n ? b : '') + c).join('') + (n > list.length ? b : '');
    }
    const parts = splitText(t, a, most);
    checkSize(t.length + parts.length * b.length);
    return parts.join(b);
  };
  if (!e.ae) return cut(str(s as Py), str(from as Py), str(to as Py));
  const marked = from instanceof Markup || (to instanceof Markup && !(s instanceof Markup));
  const soft = marked ? escapeMarkup(s as Py) : softStr(s as Py);
  if (typeof soft === 'string') return cut(soft, str(from as Py), str(to as Py));
  const safe = (v: Py): string => (v instanceof Markup ? v.text : escapeText(str(v)));
  return new Markup(cut(soft.text, safe(from as Py), safe(to as Py)));
}
function titleWords(t: string): string {
  return t
    .split(/([-\s({[<]+)/)
    .filter((w) => w)
    .map((w) => w.slice(0, 1).toUpperCase() + w.slice(1).toLowerCase())
    .join('');
}
function format([value, args, kwargs]: Py[]): Py {
  const list = args as Py[];
  const d = kwargs as PyDict;
  need(!(list.length && d.size), "can't handle positional and keyword arguments at the same time");
  return mod(softStr(value as Py), d.size ? d : PyTuple.from_(list));
}
function absent([value, fallback, loose]: Py[]): Py {
  if (value instanceof Undefined) return fallback as Py;
  return truth(loose as Py) && !truth(value as Py) ? (fallback as Py) : (value as Py);
}

/** The filters of this file. */
export const JINJA_FILTERS: readonly FilterRow[] = [
  ['abs', 'abs(x)', doAbs],
  ['attr', 'do_attr(environment, obj, name)', ([o, n], e) => attributeOnly(o as Py, str(n as Py), e.strict)],
  ['capitalize', 'do_capitalize(s)', onText(capitalize)],
  ['center', 'do_center(value, width=80)', onText((t, a) => center(t, indexOf(a[1] as Py)))],
  ['default', "do_default(value, default_value='', boolean=False)", absent],
  ['d', "do_default(value, default_value='', boolean=False)", absent],
  ['escape', 'escape(s)', ([v]) => escapeMarkup(v as Py)],
  ['e', 'escape(s)', ([v]) => escapeMarkup(v as Py)],
  ['forceescape', 'do_forceescape(value)', ([v]) => new Markup(escapeText(str(v as Py)))],
  ['safe', 'do_mark_safe(value)', ([v]) => new Markup(str(v as Py))],
  ['filesizeformat', 'do_filesizeformat(value, binary=False)', fileSize],
  ['float', 'do_float(value, default=0.0)', doFloat],
  ['int', 'do_int(value, default=0, base=10)', doInt],
  ['round', "do_round(value, precision=0, method='common')", doRound],
  ['format', 'do_format(value, *args, **kwargs)', format],
  ['indent', 'do_indent(s, width=4, first=False, blank=False)', indent],
  ['lower', 'do_lower(s)', onText((t) => t.toLowerCase())],
  ['upper', 'do_upper(s)', onText((t) => t.toUpperCase())],
  ['title', 'do_title(s)', ([s]) => titleWords(str(softStr(s as Py)))],
  ['trim', 'do_trim(value, chars=None)', onText((t, a) => strip(t, optionalText(a[1]) ?? null, 'both'))],
  ['striptags', 'do_striptags(value)', ([v]) => stripTags(str(v as Py))],
  ['string', 'soft_str(s)', ([v]) => softStr(v as Py)],
  ['replace', 'do_replace(eval_ctx, s, old, new, count=None)', replace],
  ['truncate', "do_truncate(environment, s, length=255, killwords=False, end='...', leeway=None)", truncate],
  [
    'wordwrap',
    'do_wordwrap(environment, s, width=79, break_long_words=True, wrapstring=None, break_on_hyphens=True)',
    ([s, width, long, wrap, hyphens]) => {
      if (s instanceof Undefined) s.fail();
      const t = strOf(s as Py);
      if (t === undefined)
        throw new SaltError('AttributeError', `'${typeName(s as Py)}' object has no attribute 'splitlines'`);
      return wordWrap(t, indexOf(width as Py), truth(long as Py), optionalText(wrap) ?? '\n', truth(hyphens as Py));
    },
  ],
  ['wordcount', 'do_wordcount(s)', ([s]) => (str(softStr(s as Py)).match(/[\p{L}\p{N}_]+/gu) ?? []).length],
  ['urlencode', 'do_urlencode(value)', urlEncode],
  [
    'urlize',
    'do_urlize(eval_ctx, value, trim_url_limit=None, nofollow=False, target=None, rel=None, extra_schemes=None)',
    ([v, limit, nofollow, target, rel], e) => {
      const rels = new Set((optionalText(rel) ?? '').split(/\s+/).filter((r) => r));
      if (truth(nofollow as Py)) rels.add('nofollow');
      rels.add('noopener');
      const made = urlize(str(v as Py), {
        limit: limit === null ? undefined : indexOf(limit as Py),
        rel: [...rels].sort().join(' '),
        target: optionalText(target),
      });
      return e.ae ? new Markup(made) : made;
    },
  ],
  ['xmlattr', 'do_xmlattr(eval_ctx, d, autospace=True)', xmlAttr],
  ['pprint', 'do_pprint(value)', ([v]) => pformat(v as Py)],
];

/** Sum of values by Python's `+`, used by `sum` and `avg`. */
export function total(values: Iterable<Py>, start: Py = 0): Py {
  let sum = start;
  for (const v of values) sum = add(sum, v);
  return sum;
}
