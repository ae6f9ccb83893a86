/** Methods of list, tuple, dict, set, numbers and views. */
import { SaltError } from '../../../bus/errors.ts';
import {
  compare,
  DictView,
  dictGet,
  hashable,
  iterate,
  type Py,
  PyDict,
  PyFloat,
  type PyRange,
  PySet,
  pair,
  repr,
  same,
  toList,
  truth,
} from '../../values.ts';
import { callValue } from './call.ts';
import { type Method, type MethodTable, method } from './methods.ts';
import { checkSize, dictOf, indexOf, MAX_ITEMS } from './ops.ts';

const err = (code: 'ValueError' | 'IndexError' | 'KeyError', message: string): never => {
  throw new SaltError(code, message);
};

function place(list: Py[], a: Py[], missing: (v: Py) => string): number {
  const n = list.length;
  const clip = (v: Py | undefined, fallback: number): number => {
    if (v === undefined) return fallback;
    const i = indexOf(v);
    return i < 0 ? Math.max(0, i + n) : i;
  };
  const to = Math.min(clip(a[2], n), n);
  for (let i = clip(a[1], 0); i < to; i++) if (same(list[i] as Py, a[0] as Py)) return i;
  return err('ValueError', missing(a[0] as Py));
}
const countOf = (list: Py[], v: Py): number => list.reduce<number>((n, x) => n + (same(x, v) ? 1 : 0), 0);

/** A stable sort by Python's `<`, with a key function and reversal that keeps equals in order. */
export function sortValues(items: Py[], key: ((v: Py) => Py) | null = null, reverse = false): Py[] {
  const keyed = items.map((v) => ({ v, k: key ? key(v) : v }));
  keyed.sort(reverse ? (a, b) => compare(b.k, a.k) : (a, b) => compare(a.k, b.k));
  return keyed.map((x) => x.v);
}

/** Methods of list. */
export const LIST_METHODS: MethodTable = new Map<string, Method>([
  [
    'append',
    method<Py[]>(1, 1, (l, a) => {
      checkSize(l.length + 1, MAX_ITEMS);
      l.push(a[0] as Py);
      return null;
    }),
  ],
  [
    'extend',
    method<Py[]>(1, 1, (l, a) => {
      const more = toList(a[0] as Py);
      checkSize(l.length + more.length, MAX_ITEMS);
      for (const x of more) l.push(x);
      return null;
    }),
  ],
  [
    'insert',
    method<Py[]>(2, 2, (l, a) => {
      l.splice(indexOf(a[0] as Py), 0, a[1] as Py);
      return null;
    }),
  ],
  [
    'pop',
    method<Py[]>(0, 1, (l, a) => {
      if (!l.length) return err('IndexError', 'pop from empty list');
      const i = a[0] === undefined ? l.length - 1 : indexOf(a[0]);
      const at = i < 0 ? i + l.length : i;
      if (at < 0 || at >= l.length) return err('IndexError', 'pop index out of range');
      return l.splice(at, 1)[0] as Py;
    }),
  ],
  [
    'remove',
    method<Py[]>(1, 1, (l, a) => {
      l.splice(
        place(l, [a[0] as Py], () => 'list.remove(x): x not in list'),
        1,
      );
      return null;
    }),
  ],
  ['index', method<Py[]>(1, 3, (l, a) => place(l, a, (v) => `${repr(v)} is not in list`))],
  ['count', method<Py[]>(1, 1, (l, a) => countOf(l, a[0] as Py))],
  [
    'reverse',
    method<Py[]>(0, 0, (l) => {
      l.reverse();
      return null;
    }),
  ],
  [
    'sort',
    method<Py[]>(
      0,
      0,
      (l, _a, kw) => {
        const key = kw?.get('key') ?? null;
        const sorted = sortValues(
          [...l],
          key === null ? null : (v) => callValue(key, [v]),
          truth(kw?.get('reverse') ?? false),
        );
        l.splice(0, l.length, ...sorted);
        return null;
      },
      { open: true },
    ),
  ],
  [
    'clear',
    method<Py[]>(0, 0, (l) => {
      l.length = 0;
      return null;
    }),
  ],
  ['copy', method<Py[]>(0, 0, (l) => [...l])],
]);

/** Methods of tuple. */
export const TUPLE_METHODS: MethodTable = new Map<string, Method>([
  ['index', method<Py[]>(1, 3, (l, a) => place(l, a, () => 'tuple.index(x): x not in tuple'))],
  ['count', method<Py[]>(1, 1, (l, a) => countOf(l, a[0] as Py))],
]);

/** Methods of range. */
export const RANGE_METHODS: MethodTable = new Map<string, Method>([
  ['index', method<PyRange>(1, 1, (r, a) => place(toList(r), [a[0] as Py], (v) => `${repr(v)} is not in range`))],
  ['count', method<PyRange>(1, 1, (r, a) => (r.pyContains(a[0] as Py) ? 1 : 0))],
]);

/** Methods of dict. */
export const DICT_METHODS: MethodTable = new Map<string, Method>([
  [
    'get',
    method<PyDict>(1, 2, (d, a) => {
      const v = dictGet(d, a[0] as Py);
      return v === undefined ? (a[1] ?? null) : v;
    }),
  ],
  ['keys', method<PyDict>(0, 0, (d) => new DictView(d, 'keys'))],
  ['values', method<PyDict>(0, 0, (d) => new DictView(d, 'values'))],
  ['items', method<PyDict>(0, 0, (d) => new DictView(d, 'items'))],
  [
    'update',
    method<PyDict>(
      0,
      1,
      (d, a, kw) => {
        if (a[0] !== undefined) dictOf(a[0], d);
        if (kw) dictOf(kw, d);
        return null;
      },
      { open: true },
    ),
  ],
  [
    'pop',
    method<PyDict>(1, 2, (d, a) => {
      const v = dictGet(d, a[0] as Py);
      if (v === undefined) return a.length > 1 ? (a[1] as Py) : err('KeyError', repr(a[0] as Py));
      d.delete(a[0] as Py);
      return v;
    }),
  ],
  [
    'popitem',
    method<PyDict>(0, 0, (d) => {
      const last = [...d.entries()].at(-1);
      if (!last) return err('KeyError', "'popitem(): dictionary is empty'");
      d.delete(last[0]);
      return pair(last[0], last[1]);
    }),
  ],
  [
    'setdefault',
    method<PyDict>(1, 2, (d, a) => {
      const v = dictGet(d, a[0] as Py);
      if (v !== undefined) return v;
      d.set(a[0] as Py, a[1] ?? null);
      return a[1] ?? null;
    }),
  ],
  [
    'clear',
    method<PyDict>(0, 0, (d) => {
      d.clear();
      return null;
    }),
  ],
  ['copy', method<PyDict>(0, 0, (d) => new PyDict(d))],
  [
    'fromkeys',
    method<PyDict>(1, 2, (_d, a) => {
      const d = new PyDict();
      for (const k of iterate(a[0] as Py)) d.set(hashable(k), a[1] ?? null);
      return d;
    }),
  ],
]);

const setOf = (v: Py): PySet => (v instanceof PySet ? v : new PySet([...iterate(v)].map(hashable)));
const manySets = (a: Py[]): PySet[] => a.map(setOf);
/** Methods of set. */
export const SET_METHODS: MethodTable = new Map<string, Method>([
  [
    'add',
    method<PySet>(1, 1, (s, a) => {
      s.add(hashable(a[0] as Py));
      return null;
    }),
  ],
  [
    'remove',
    method<PySet>(1, 1, (s, a) => (s.delete(hashable(a[0] as Py)) ? null : err('KeyError', repr(a[0] as Py)))),
  ],
  [
    'discard',
    method<PySet>(1, 1, (s, a) => {
      s.delete(hashable(a[0] as Py));
      return null;
    }),
  ],
  [
    'update',
    method<PySet>(0, 99, (s, a) => {
      for (const o of manySets(a)) for (const x of o) s.add(x);
      return null;
    }),
  ],
  ['union', method<PySet>(0, 99, (s, a) => new PySet([...s, ...manySets(a).flatMap((o) => [...o])]))],
  [
    'intersection',
    method<PySet>(0, 99, (s, a) => {
      const others = manySets(a);
      return new PySet([...s].filter((x) => others.every((o) => o.has(x))));
    }),
  ],
  [
    'difference',
    method<PySet>(0, 99, (s, a) => {
      const others = manySets(a);
      return new PySet([...s].filter((x) => !others.some((o) => o.has(x))));
    }),
  ],
  [
    'symmetric_difference',
    method<PySet>(1, 1, (s, a) => {
      const o = setOf(a[0] as Py);
      return new PySet([...[...s].filter((x) => !o.has(x)), ...[...o].filter((x) => !s.has(x))]);
    }),
  ],
  ['issubset', method<PySet>(1, 1, (s, a) => [...s].every((x) => setOf(a[0] as Py).has(x)))],
  ['issuperset', method<PySet>(1, 1, (s, a) => [...setOf(a[0] as Py)].every((x) => s.has(x)))],
  ['isdisjoint', method<PySet>(1, 1, (s, a) => ![...setOf(a[0] as Py)].some((x) => s.has(x)))],
  ['copy', method<PySet>(0, 0, (s) => new PySet(s))],
  [
    'pop',
    method<PySet>(0, 0, (s) => {
      for (const x of s) {
        s.delete(x);
        return x;
      }
      return err('KeyError', "'pop from an empty set'");
    }),
  ],
  [
    'clear',
    method<PySet>(0, 0, (s) => {
      for (const x of [...s]) s.delete(x);
      return null;
    }),
  ],
]);

/** Methods of int and bool. */
export const INT_METHODS: MethodTable = new Map<string, Method>([
  [
    'bit_length',
    method<Py>(0, 0, (n) => {
      const b = BigInt(n as number);
      return b === 0n ? 0 : (b < 0n ? -b : b).toString(2).length;
    }),
  ],
  ['conjugate', method<Py>(0, 0, (n) => n)],
  ['as_integer_ratio', method<Py>(0, 0, (n) => pair(n, 1))],
]);
/** Methods of float. */
export const FLOAT_METHODS: MethodTable = new Map<string, Method>([
  ['is_integer', method<Py>(0, 0, (n) => n instanceof PyFloat && Number.isInteger(n.v))],
  ['conjugate', method<Py>(0, 0, (n) => n)],
]);
