/** Python's operators on template values. Pure functions; sizes are limited so that no expression can exhaust the process. */
import { SaltError } from '../../../bus/errors.ts';
import {
  DictView,
  hashable,
  isFloat,
  isStr,
  iterate,
  Markup,
  mkFloat,
  normInt,
  type Py,
  PyDict,
  PyFloat,
  PySet,
  PyTuple,
  str,
  strOf,
  typeName,
  Undefined,
} from '../../values.ts';
import { escapeText } from './escape.ts';
import { percentFormat } from './format.ts';

/** Longest text an operation may build, in UTF-16 units. */
export const MAX_TEXT = 64 * 1024 * 1024;
/** Longest list an operation may build. */
export const MAX_ITEMS = 1_000_000;
const MAX_BITS = 1_000_000;

/** Raises MemoryError when a result of `n` units would pass the limit. */
export function checkSize(n: number, limit = MAX_TEXT): void {
  if (n > limit) throw new SaltError('MemoryError', `result of ${n} elements is over the limit of ${limit}`);
}
/** Raises a Python TypeError. */
export function typeError(message: string): never {
  throw new SaltError('TypeError', message);
}
function refuseUndefined(a: Py, b?: Py): void {
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
}
function unsupported(op: string, a: Py, b: Py): never {
  refuseUndefined(a, b);
  return typeError(`unsupported operand type(s) for ${op}: '${typeName(a)}' and '${typeName(b)}'`);
}

type Num = { i: number | bigint } | { f: number };
function num(v: Py): Num | undefined {
  if (typeof v === 'number') return Number.isInteger(v) ? { i: v } : { f: v };
  if (typeof v === 'bigint') return { i: v };
  if (typeof v === 'boolean') return { i: v ? 1 : 0 };
  if (v instanceof PyFloat) return { f: v.v };
  return undefined;
}
function asFloat(n: Num): number {
  if ('f' in n) return n.f;
  const x = Number(n.i);
  if (!Number.isFinite(x)) throw new SaltError('OverflowError', 'int too large to convert to float');
  return x;
}
const divByZero = (message: string): never => {
  throw new SaltError('ZeroDivisionError', message);
};

function arith(
  a: Py,
  b: Py,
  op: string,
  fast: (x: number, y: number) => number,
  exact: (x: bigint, y: bigint) => bigint,
): Py | undefined {
  const x = num(a);
  const y = x && num(b);
  if (!x || !y) return undefined;
  if ('i' in x && 'i' in y) {
    if (typeof x.i === 'number' && typeof y.i === 'number') {
      const r = fast(x.i, y.i);
      if (Number.isSafeInteger(r)) return r === 0 ? 0 : r;
    }
    const r = exact(BigInt(x.i), BigInt(y.i));
    if (op === '*' && r.toString(16).length * 4 > MAX_BITS) checkSize(Number.MAX_SAFE_INTEGER);
    return normInt(r);
  }
  return mkFloat(fast(asFloat(x), asFloat(y)));
}

/** `a + b`. */
export function add(a: Py, b: Py): Py {
  if (typeof a === 'number' && typeof b === 'number') {
    const r = a + b;
    if (Number.isSafeInteger(r) && Number.isInteger(a) && Number.isInteger(b)) return r;
  }
  if (typeof a === 'string') {
    if (typeof b === 'string') {
      checkSize(a.length + b.length);
      return a + b;
    }
    if (b instanceof Markup) return new Markup(escapeText(a) + b.text);
    if (b instanceof Undefined) b.fail();
    return typeError(`can only concatenate str (not "${typeName(b)}") to str`);
  }
  const n = arith(
    a,
    b,
    '+',
    (x, y) => x + y,
    (x, y) => x + y,
  );
  if (n !== undefined) return n;
  if (a instanceof Markup) {
    if (b instanceof Markup) return new Markup(a.text + b.text);
    if (typeof b === 'string') return new Markup(a.text + escapeText(b));
  }
  if (Array.isArray(a)) {
    const kind = a instanceof PyTuple;
    if (Array.isArray(b) && b instanceof PyTuple === kind) {
      checkSize(a.length + b.length, MAX_ITEMS);
      return kind ? PyTuple.from_([...(a as Py[]), ...(b as Py[])]) : (a as Py[]).concat(b as Py[]);
    }
    refuseUndefined(b);
    return typeError(`can only concatenate ${typeName(a)} (not "${typeName(b)}") to ${typeName(a)}`);
  }
  if (a instanceof Uint8Array) {
    if (b instanceof Uint8Array) return Buffer.concat([a, b]);
    return typeError(`can't concat ${typeName(b)} to bytes`);
  }
  return unsupported('+', a, b);
}
/** `a - b`; also the difference of sets. */
export function sub(a: Py, b: Py): Py {
  const n = arith(
    a,
    b,
    '-',
    (x, y) => x - y,
    (x, y) => x - y,
  );
  if (n !== undefined) return n;
  if (a instanceof PySet && b instanceof PySet)
    return new PySet(
      [...a].filter((x) => !b.has(x)),
      a.frozen,
    );
  // A view takes any iterable on either side.
  if ((a instanceof DictView && a.kind !== 'values') || (b instanceof DictView && b.kind !== 'values')) {
    const less = new PySet([...iterate(b)].map(hashable));
    return new PySet([...iterate(a)].filter((x) => !less.has(hashable(x))));
  }
  return unsupported('-', a, b);
}
/** A sequence repeated; undefined when `seq` is none. */
function repeat(seq: Py, by: Py): Py | undefined {
  const text = strOf(seq);
  const list = Array.isArray(seq) ? (seq as Py[]) : undefined;
  const bytes = seq instanceof Uint8Array ? seq : undefined;
  if (text === undefined && !list && !bytes) return undefined;
  const n = num(by);
  if (!n || 'f' in n) {
    refuseUndefined(by);
    if (seq instanceof Markup) return typeError(`'${typeName(by)}' object cannot be interpreted as an integer`);
    return typeError(`can't multiply sequence by non-int of type '${typeName(by)}'`);
  }
  if (typeof n.i === 'bigint') throw new SaltError('OverflowError', "cannot fit 'int' into an index-sized integer");
  const times = Math.max(0, n.i);
  if (text !== undefined) {
    checkSize(text.length * times);
    const out = text.repeat(times);
    return typeof seq === 'string' ? out : new Markup(out);
  }
  if (bytes) {
    checkSize(bytes.length * times);
    return Buffer.concat(Array.from({ length: times }, () => bytes));
  }
  const items = list as Py[];
  checkSize(items.length * times, MAX_ITEMS);
  const out: Py[] = seq instanceof PyTuple ? new PyTuple() : [];
  for (let i = 0; i < times; i++) for (const x of items) out.push(x);
  return out;
}
/** `a * b`. */
export function mul(a: Py, b: Py): Py {
  return (
    arith(
      a,
      b,
      '*',
      (x, y) => x * y,
      (x, y) => x * y,
    ) ??
    repeat(a, b) ??
    repeat(b, a) ??
    unsupported('*', a, b)
  );
}
/** `a / b`: always a float. */
export function div(a: Py, b: Py): Py {
  const x = num(a);
  const y = x && num(b);
  if (!x || !y) return unsupported('/', a, b);
  const exact = 'i' in x && 'i' in y;
  if (exact && typeof x.i === 'number' && typeof y.i === 'number')
    return y.i === 0 ? divByZero('division by zero') : mkFloat(x.i / y.i);
  if (exact) {
    const p = BigInt(x.i);
    const q = BigInt(y.i);
    if (q === 0n) divByZero('division by zero');
    const shift = 1n << 1100n;
    const big = (p * shift) / q;
    const bits = big.toString(2).length;
    const keep = bits > 1000 ? BigInt(bits - 900) : 0n;
    const r = (Number(big >> keep) / 2 ** 1000) * 2 ** (Number(keep) - 100);
    if (!Number.isFinite(r)) throw new SaltError('OverflowError', 'integer division result too large for a float');
    return mkFloat(r);
  }
  const d = asFloat(y);
  if (d === 0) divByZero('float division by zero');
  return mkFloat(asFloat(x) / d);
}
/** `a // b`: rounds down. */
export function floordiv(a: Py, b: Py): Py {
  const x = num(a);
  const y = x && num(b);
  if (!x || !y) return unsupported('//', a, b);
  if ('i' in x && 'i' in y) {
    // biome-ignore lint/suspicious/noDoubleEquals: number or bigint
    if (y.i == 0) divByZero('integer division or modulo by zero');
    const p = BigInt(x.i);
    const q = BigInt(y.i);
    const t = p / q;
    return normInt(p % q !== 0n && p < 0n !== q < 0n ? t - 1n : t);
  }
  const d = asFloat(y);
  if (d === 0) divByZero('float floor division by zero');
  return mkFloat(Math.floor(asFloat(x) / d));
}
/** `a % b`: the sign of the divisor; formats when `a` is text. */
export function mod(a: Py, b: Py): Py {
  const text = strOf(a);
  if (text !== undefined) {
    if (a instanceof Markup) return new Markup(percentFormat(text, b, (v) => escapeText(str(v))));
    return percentFormat(text, b);
  }
  const x = num(a);
  const y = x && num(b);
  if (!x || !y) return unsupported('%', a, b);
  if ('i' in x && 'i' in y) {
    // biome-ignore lint/suspicious/noDoubleEquals: number or bigint
    if (y.i == 0) divByZero('integer modulo by zero');
    if (typeof x.i === 'number' && typeof y.i === 'number') {
      const r = x.i % y.i;
      return r !== 0 && r < 0 !== y.i < 0 ? r + y.i : r || 0;
    }
    const q = BigInt(y.i);
    const r = BigInt(x.i) % q;
    return normInt(r !== 0n && r < 0n !== q < 0n ? r + q : r);
  }
  const d = asFloat(y);
  if (d === 0) divByZero('float modulo');
  const r = asFloat(x) % d;
  return mkFloat(r !== 0 && r < 0 !== d < 0 ? r + d : r);
}
/** `a ** b`. */
export function pow(a: Py, b: Py): Py {
  const x = num(a);
  const y = x && num(b);
  if (!x || !y) return unsupported('** or pow()', a, b);
  if ('i' in x && 'i' in y && y.i >= 0) {
    const base = BigInt(x.i);
    const bits = base < 0n ? (-base).toString(2).length : base.toString(2).length;
    if (base !== 0n && base !== 1n && base !== -1n && Number(y.i) * bits > MAX_BITS)
      checkSize(Number(y.i) * bits, MAX_BITS);
    if (base === 0n || base === 1n || base === -1n)
      return BigInt(y.i) === 0n ? 1 : base === -1n ? (BigInt(y.i) % 2n === 0n ? 1 : -1) : Number(base);
    return normInt(base ** BigInt(y.i));
  }
  const p = asFloat(x);
  const q = asFloat(y);
  if (p === 0 && q < 0) divByZero('0.0 cannot be raised to a negative power');
  if (p < 0 && !Number.isInteger(q)) throw new SaltError('ValueError', 'complex numbers are not supported');
  const r = p ** q;
  if (!Number.isFinite(r) && Number.isFinite(p) && Number.isFinite(q))
    throw new SaltError('OverflowError', "(34, 'Numerical result out of range')");
  return mkFloat(r);
}
/** `-a`. */
export function neg(a: Py): Py {
  const x = num(a);
  if (!x) {
    refuseUndefined(a);
    return typeError(`bad operand type for unary -: '${typeName(a)}'`);
  }
  return 'f' in x ? mkFloat(-x.f) : typeof x.i === 'number' ? -x.i || 0 : normInt(-x.i);
}
/** `+a`. */
export function pos(a: Py): Py {
  const x = num(a);
  if (!x) {
    refuseUndefined(a);
    return typeError(`bad operand type for unary +: '${typeName(a)}'`);
  }
  return 'f' in x ? a : normInt(BigInt(x.i));
}

/** The integer behind an index: TypeError with Python's text otherwise. */
export function indexOf(v: Py): number {
  if (typeof v === 'number' && Number.isInteger(v)) return v;
  if (typeof v === 'boolean') return v ? 1 : 0;
  if (typeof v === 'bigint') return Number(v);
  refuseUndefined(v);
  return typeError(`'${typeName(v)}' object cannot be interpreted as an integer`);
}

/** `x[start:stop:step]` positions over a length. */
export function sliceIndices(length: number, start: Py, stop: Py, step: Py): number[] {
  const part = (v: Py): number | null => {
    if (v === null) return null;
    if (isFloat(v) || isStr(v) || typeof v === 'object') {
      refuseUndefined(v);
      return typeError('slice indices must be integers or None or have an __index__ method');
    }
    return Number(v);
  };
  const by = part(step) ?? 1;
  if (by === 0) throw new SaltError('ValueError', 'slice step cannot be zero');
  const clamp = (v: number | null, fallback: number): number => {
    if (v === null) return fallback;
    const i = v < 0 ? v + length : v;
    return by > 0 ? Math.min(Math.max(i, 0), length) : Math.min(Math.max(i, -1), length - 1);
  };
  const from = clamp(part(start), by > 0 ? 0 : length - 1);
  const to = clamp(part(stop), by > 0 ? length : -1);
  const out: number[] = [];
  if (by > 0) for (let i = from; i < to; i += by) out.push(i);
  else for (let i = from; i > to; i += by) out.push(i);
  return out;
}

/** Values for `n` targets: a ValueError with Python's text when the count differs. */
export function unpack(v: Py, n: number): Py[] {
  const list = Array.isArray(v) ? (v as Py[]) : undefined;
  const items: Py[] = list ?? [];
  if (!list) {
    let it: Iterable<Py>;
    try {
      it = iterate(v);
    } catch (e) {
      if (e instanceof SaltError && e.code === 'TypeError')
        return typeError(`cannot unpack non-iterable ${typeName(v)} object`);
      throw e;
    }
    for (const x of it) {
      items.push(x);
      if (items.length > n) break;
    }
  }
  if (items.length > n) throw new SaltError('ValueError', `too many values to unpack (expected ${n})`);
  if (items.length < n)
    throw new SaltError('ValueError', `not enough values to unpack (expected ${n}, got ${items.length})`);
  return items;
}

/** A dict of the given pairs with Python's complaints about wrong ones. */
export function dictOf(source: Py, into = new PyDict()): PyDict {
  if (source instanceof PyDict) {
    for (const [k, v] of source) into.set(k, v);
    return into;
  }
  let i = 0;
  for (const item of iterate(source)) {
    let parts: Py[];
    try {
      parts = [...iterate(item)];
    } catch (e) {
      if (e instanceof SaltError && e.code === 'TypeError')
        return typeError(`cannot convert dictionary update sequence element #${i} to a sequence`);
      throw e;
    }
    if (parts.length !== 2)
      throw new SaltError(
        'ValueError',
        `dictionary update sequence element #${i} has length ${parts.length}; 2 is required`,
      );
    into.set(parts[0] as Py, parts[1] as Py);
    i++;
  }
  return into;
}
