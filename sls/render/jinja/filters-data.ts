/** Salt's filters on lists, dicts and sets. */
import { randomInt } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';
import { yamlify } from '../../args.ts';
import { dumpJson } from '../../json.ts';
import {
  compareText,
  contains,
  eq,
  hashable,
  isHashable,
  isList,
  isStr,
  iterate,
  iteratorOf,
  length,
  numberOf,
  type Py,
  PyDict,
  PyIterator,
  PySet,
  PyTuple,
  parseIntText,
  repr,
  str,
  strOf,
  toFloat,
  toList,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import type { Engine, FilterRow } from './engine.ts';
import { total } from './filters-jinja.ts';
import { pyClass, toNumber } from './filters-text.ts';
import { searchJson } from './jmespath.ts';
import { encode } from './methods-text.ts';
import { add, checkSize, div, indexOf, MAX_ITEMS, typeError } from './ops.ts';

const setOf = (v: Py): PySet => new PySet([...iterate(v)].map(hashable));
function uniqueList(items: Iterable<Py>): Py[] {
  const out: Py[] = [];
  const quick = new Set<unknown>();
  for (const v of items) {
    if (typeof v === 'string') {
      if (quick.has(v)) continue;
      quick.add(v);
      out.push(v);
    } else if (!contains(out, v)) out.push(v);
  }
  return out;
}
function unique([v]: Py[]): Py {
  return isHashable(v as Py) ? setOf(v as Py) : uniqueList(iterate(v as Py));
}
function setFilter(sets: (a: PySet, b: PySet) => Py[], lists: (a: Py, b: Py) => Iterable<Py>): (a: Py[]) => Py {
  return ([a, b]) =>
    isHashable(a as Py) && isHashable(b as Py)
      ? new PySet(sets(setOf(a as Py), setOf(b as Py)))
      : uniqueList(lists(a as Py, b as Py));
}
function average([v]: Py[]): Py {
  if (v instanceof Undefined) v.fail();
  if (isHashable(v as Py)) return toFloat(strOf(v as Py) ?? (v as Py));
  return toFloat(div(total(iterate(v as Py)), length(v as Py)));
}

function compareDicts([old, now]: Py[]): Py {
  const a = old instanceof PyDict ? old : new PyDict();
  const b = now instanceof PyDict ? now : new PyDict();
  const ret = new PyDict();
  for (const k of new PySet([...b.keys(), ...a.keys()])) {
    const x = a.get(k);
    const y = b.get(k);
    const entry = new PyDict();
    if (x === undefined) entry.set('old', '').set('new', y as Py);
    else if (y === undefined) entry.set('new', '').set('old', x);
    else if (!eq(x, y)) entry.set('old', x).set('new', y);
    else continue;
    ret.set(k, entry);
  }
  return ret;
}
function compareLists([old, now]: Py[]): Py {
  const ret = new PyDict();
  const fresh = [...iterate(now as Py)].filter((x) => !contains(old as Py, x));
  const gone = [...iterate(old as Py)].filter((x) => !contains(now as Py, x));
  if (fresh.length) ret.set('new', fresh);
  if (gone.length) ret.set('old', gone);
  return ret;
}
/** Text of keys and values to bytes, tuples to lists. */
function encodeData(v: Py): Py {
  const t = strOf(v);
  if (t !== undefined) return encode(t);
  if (v instanceof PyDict) {
    const d = new PyDict();
    for (const [k, x] of v) d.set(encodeData(k), encodeData(x));
    return d;
  }
  return Array.isArray(v) ? v.map((x) => encodeData(x as Py)) : v;
}
function exactly(items: Py, n: number): boolean {
  const it = iterate(items);
  let seen = 0;
  for (const v of it) if (truth(v) && ++seen > n) return false;
  return seen === n;
}
/** Salt's traverse_dict_and_list over any path of values. */
function traverse([data, path, fallback, delimiter]: Py[]): Py {
  const t = strOf(path as Py);
  const keys: Py[] =
    t !== undefined ? t.split(str(delimiter as Py)) : typeof path === 'number' ? [path] : toList(path as Py);
  let at: Py = data as Py;
  for (const key of keys) {
    let next: Py | undefined;
    if (at instanceof Undefined) at.fail();
    if (isList(at)) {
      const text = strOf(key);
      const index = text === undefined ? numberOf(key) : (parseIntText(text) as number | undefined);
      for (const x of at)
        if (x instanceof PyDict) {
          next = x.get(index ?? key);
          if (next !== undefined) break;
        }
      if (next === undefined && index !== undefined) next = at.at(Number(index));
    } else if (at instanceof PyDict) {
      next = at.get(hashable(key));
      if (next === undefined && typeof key === 'string') {
        const read = yamlify(key);
        if (read !== key && isHashable(read)) next = at.get(read);
      }
    }
    if (next === undefined) return fallback as Py;
    at = next;
  }
  return at;
}
function flatten(data: Py, levels: number | null, nulls: boolean, open: Set<object>): Py[] {
  if (typeof data === 'object' && data !== null) {
    if (open.has(data)) throw new SaltError('RecursionError', 'Reference cycle detected. Check input list.');
    open.add(data);
  }
  const out: Py[] = [];
  for (const v of iterate(data)) {
    const t = strOf(v);
    if (!nulls && (v === null || t === 'None' || t === 'null')) continue;
    if (t === undefined && iteratorOf(v) && (levels === null || levels >= 1))
      for (const x of flatten(v, levels === null ? null : levels - 1, levels === null ? nulls : false, open))
        out.push(x);
    else out.push(v);
  }
  return out;
}
function sample(items: Py, size: Py, seed: Py): Py {
  const pool =
    Array.isArray(items) || isStr(items)
      ? toList(items)
      : typeError('Population must be a sequence.  For dicts or sets, use sorted(d).');
  const n = indexOf(size);
  if (n < 0 || n > pool.length) throw new SaltError('ValueError', 'Sample larger than population or is negative');
  let state = 2166136261;
  if (seed !== null)
    for (const c of repr(seed)) state = Math.imul(state ^ (c.codePointAt(0) as number), 16777619) >>> 0;
  const next = (most: number): number => {
    if (seed === null) return randomInt(most);
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  const out: Py[] = [];
  for (let i = 0; i < n; i++) out.push(...pool.splice(next(pool.length), 1));
  return out;
}
function toEntries([data]: Py[]): Py {
  const entry = (key: Py, value: Py): Py =>
    new PyDict<Py>([
      ['key', key],
      ['value', value],
    ]);
  if (data instanceof PyDict) return [...data].map(([k, v]) => entry(k, v));
  if (isList(data as Py)) return (data as Py[]).map((v, i) => entry(i, v));
  throw new SaltError('TemplateError', 'Input data must be a dict or list');
}
function fromEntries([entries]: Py[]): Py {
  const ret = new PyDict();
  for (const e of iterate(entries as Py)) {
    const lower = new PyDict();
    if (e instanceof PyDict) for (const [k, v] of e) lower.set(isStr(k) ? str(k).toLowerCase() : k, v);
    for (const name of ['key', 'name']) {
      const key = lower.get(name);
      if (key !== undefined && truth(key)) {
        ret.set(hashable(key), lower.get('value') ?? null);
        break;
      }
    }
  }
  return ret;
}
function mysqlToDict([data, key]: Py[]): Py {
  const ret = new PyDict();
  let headers: string[] = [''];
  for (const line of iterate(data as Py)) {
    const t = str(line);
    if (!t || t.startsWith('+')) continue;
    const cells = t.split('|').map((c) => c.trim());
    if (headers.length > 1) {
      const row = new PyDict();
      for (let i = 1; i < headers.length - 1; i++) row.set(headers[i] as string, toNumber(cells[i] ?? ''));
      const id = row.get(key as Py);
      if (id === undefined) throw new SaltError('KeyError', repr(key as Py));
      ret.set(id, row);
    } else headers = cells;
  }
  return ret;
}

/** The dict a delimited path's last key lives in, made where it is missing. */
function lastDict(d: Py, keys: Py, delimiter: Py): [PyDict, Py] {
  const t = strOf(keys);
  const sep = str(delimiter);
  if (!(d instanceof PyDict)) return typeError(`'${typeName(d)}' object does not support item assignment`);
  if (t === undefined) return typeError(`argument of type '${typeName(keys)}' is not iterable`);
  const parts = t.split(sep);
  const last = parts.pop() as string;
  let at = d;
  for (const p of parts) {
    let next = at.get(p);
    if (!(next instanceof PyDict)) {
      next = new PyDict();
      at.set(p, next);
    }
    at = next as PyDict;
  }
  return [at, last];
}
const refuse = (message: string): never => {
  throw new SaltError('SaltInvocationError', message);
};
function setKey([d, keys, value, delimiter]: Py[]): Py {
  const [at, last] = lastDict(d as Py, keys as Py, delimiter as Py);
  at.set(last, value as Py);
  return d as Py;
}
function updateKey([d, keys, value, delimiter]: Py[]): Py {
  const [at, last] = lastDict(d as Py, keys as Py, delimiter as Py);
  const now = at.get(last) ?? new PyDict();
  if (!(now instanceof PyDict)) return refuse(`The last key contains a ${pyClass(now)}, which cannot update.`);
  at.set(last, now);
  if (!(value instanceof PyDict)) {
    const pairs = iteratorOf(value as Py) ? toList(value as Py) : undefined;
    if (!pairs?.every((p) => Array.isArray(p) && p.length === 2))
      return refuse(`Cannot update ${pyClass(now)} with a ${pyClass(value as Py)}.`);
    for (const [k, v] of pairs as [Py, Py][]) now.set(hashable(k), v);
    return d as Py;
  }
  for (const [k, v] of value) now.set(k, v);
  return d as Py;
}
function appendKey([d, keys, value, delimiter]: Py[]): Py {
  const [at, last] = lastDict(d as Py, keys as Py, delimiter as Py);
  const now = at.get(last) ?? [];
  if (!isList(now)) return refuse(`The last key contains a ${pyClass(now)}, which cannot append.`);
  at.set(last, now);
  now.push(value as Py);
  return d as Py;
}
function extendKey([d, keys, value, delimiter]: Py[]): Py {
  const [at, last] = lastDict(d as Py, keys as Py, delimiter as Py);
  const now = at.get(last) ?? [];
  if (!isList(now)) return refuse(`The last key contains a ${pyClass(now)}, which cannot extend.`);
  at.set(last, now);
  if (!iteratorOf(value as Py)) return refuse(`Cannot extend ${pyClass(now)} with a ${pyClass(value as Py)}.`);
  for (const x of toList(value as Py)) now.push(x);
  return d as Py;
}
const KEYED = "delimiter=':', ordered_dict=False)";

/** The filters of this file that look at their value as it comes. */
export const SALT_DATA_FILTERS: readonly FilterRow[] = [
  [
    'sequence',
    'ensure_sequence_filter(data)',
    ([v]) => (Array.isArray(v) || v instanceof PyDict || v instanceof PySet ? v : [v as Py]),
  ],
  ['unique', 'unique(values)', unique],
  ['avg', 'lst_avg(lst)', average],
  [
    'union',
    'union(lst1, lst2)',
    setFilter(
      (a, b) => [...a, ...b],
      (a, b) => iterate(add(a, b)),
    ),
  ],
  [
    'intersect',
    'intersect(lst1, lst2)',
    setFilter(
      (a, b) => [...a].filter((x) => b.has(x)),
      (a, b) => [...iterate(a)].filter((x) => contains(b, x)),
    ),
  ],
  [
    'difference',
    'difference(lst1, lst2)',
    setFilter(
      (a, b) => [...a].filter((x) => !b.has(x)),
      (a, b) => [...iterate(a)].filter((x) => !contains(b, x)),
    ),
  ],
  [
    'symmetric_difference',
    'symmetric_difference(lst1, lst2)',
    setFilter(
      (a, b) => [...[...a].filter((x) => !b.has(x)), ...[...b].filter((x) => !a.has(x))],
      (a, b) => uniqueList(iterate(add(a, b))).filter((x) => !(contains(a, x) && contains(b, x))),
    ),
  ],
  ['compare_dicts', 'compare_dicts(old=None, new=None)', compareDicts],
  ['compare_lists', 'compare_lists(old=None, new=None)', compareLists],
  ...(['json_encode_dict', 'json_decode_dict'] as const).map(
    (n): FilterRow => [
      n,
      "encode_dict(data, encoding=None, errors='strict', keep=False, preserve_dict_class=False, preserve_tuples=False)",
      ([v]) => encodeData(v as Py),
    ],
  ),
  ...(['json_encode_list', 'json_decode_list'] as const).map(
    (n): FilterRow => [
      n,
      "encode_list(data, encoding=None, errors='strict', keep=False, preserve_dict_class=False, preserve_tuples=False)",
      ([v]) => [...iterate(v as Py)].map(encodeData),
    ],
  ),
  ['exactly_n_true', 'exactly_n(iterable, amount=1)', ([v, n]) => exactly(v as Py, indexOf(n as Py))],
  ['exactly_one_true', 'exactly_one(iterable)', ([v]) => exactly(v as Py, 1)],
  ['traverse', "traverse_dict_and_list(data, key, default=None, delimiter=':')", traverse],
  ['is_list', 'is_list(value)', ([v]) => isList(v as Py)],
  ['is_iter', 'is_iter(thing, ignore=None)', ([v]) => !isStr(v as Py) && iteratorOf(v as Py) !== undefined],
  [
    'sorted_ignorecase',
    'sorted_ignorecase(to_sort)',
    ([v]) => {
      const keyed = [...iterate(v as Py)].map((x) => {
        const t = strOf(x);
        if (t === undefined) throw new SaltError('AttributeError', `'${typeName(x)}' object has no attribute 'lower'`);
        return { x, k: t.toLowerCase() };
      });
      return keyed.sort((a, b) => compareText(a.k, b.k)).map((e) => e.x);
    },
  ],
  ['mysql_to_dict', 'mysql_to_dict(data, key)', mysqlToDict],
  [
    'json_query',
    'json_query(data, expr)',
    ([data, expr]) => {
      if (data instanceof Undefined) data.fail();
      return searchJson(str(expr as Py), data as Py);
    },
  ],
  [
    'flatten',
    'flatten(data, levels=None, preserve_nulls=False, _ids=None)',
    ([v, levels, nulls]) =>
      flatten(v as Py, levels === null ? null : indexOf(levels as Py), truth(nulls as Py), new Set()),
  ],
  ['random_sample', 'sample(value, size, seed=None)', ([v, n, seed]) => sample(v as Py, n as Py, seed as Py)],
  ['random_shuffle', 'shuffle(value, seed=None)', ([v, seed]) => sample(v as Py, length(v as Py), seed as Py)],
  ['to_entries', 'to_entries(data)', toEntries],
  ['from_entries', 'from_entries(entries)', fromEntries],
  ['set_dict_key_value', `set_dict_key_value(in_dict, keys, value, ${KEYED}`, setKey],
  ['update_dict_key_value', `update_dict_key_value(in_dict, keys, value, ${KEYED}`, updateKey],
  ['append_dict_key_value', `append_dict_key_value(in_dict, keys, value, ${KEYED}`, appendKey],
  ['extend_dict_key_value', `extend_dict_key_value(in_dict, keys, value, ${KEYED}`, extendKey],
];

/** An iterator of itertools; every item counts against the limits. */
const itertools = (e: Engine, name: string, make: () => Generator<Py>): PyIterator =>
  new PyIterator(
    (function* () {
      let n = 0;
      for (const v of make()) {
        e.step();
        checkSize(++n, MAX_ITEMS);
        yield v;
      }
    })(),
    `itertools.${name}`,
  );
function* combos(pool: Py[], size: number, start: number, again: boolean, held: Py[]): Generator<Py> {
  if (held.length === size) {
    yield PyTuple.from_([...held]);
    return;
  }
  for (let i = start; i < pool.length; i++)
    yield* combos(pool, size, again ? i : i + 1, again, [...held, pool[i] as Py]);
}
function* permuted(pool: Py[], size: number, used: Set<number>, held: Py[]): Generator<Py> {
  if (held.length === size) {
    yield PyTuple.from_([...held]);
    return;
  }
  for (let i = 0; i < pool.length; i++) {
    if (used.has(i)) continue;
    yield* permuted(pool, size, new Set([...used, i]), [...held, pool[i] as Py]);
  }
}
function* products(pools: Py[][], held: Py[]): Generator<Py> {
  const [first, ...rest] = pools;
  if (!first) {
    yield PyTuple.from_([...held]);
    return;
  }
  for (const v of first) yield* products(rest, [...held, v]);
}
function sizeOf(v: Py): number {
  const n = indexOf(v);
  if (n < 0) throw new SaltError('ValueError', 'r must be non-negative');
  return n;
}

/** The filters that refuse strict undefineds hidden in their value. */
export const GUARDED_FILTERS: readonly FilterRow[] = [
  [
    'combinations',
    'combinations(iterable, r)',
    ([v, r], e) => {
      const pool = toList(v as Py);
      const n = sizeOf(r as Py);
      return itertools(e, 'combinations', () => combos(pool, n, 0, false, []));
    },
  ],
  [
    'combinations_with_replacement',
    'combinations_with_replacement(iterable, r)',
    ([v, r], e) => {
      const pool = toList(v as Py);
      const n = sizeOf(r as Py);
      return itertools(e, 'combinations_with_replacement', () => combos(pool, n, 0, true, []));
    },
  ],
  [
    'compress',
    'compress(data, selectors)',
    ([v, s], e) => {
      const marks = iterate(s as Py);
      const items = iterate(v as Py);
      return itertools(e, 'compress', function* () {
        for (const x of items) {
          const m = marks.next();
          if (m.done) return;
          if (truth(m.value)) yield x;
        }
      });
    },
  ],
  [
    'permutations',
    'permutations(iterable, r=None)',
    ([v, r], e) => {
      const pool = toList(v as Py);
      const n = r === null ? pool.length : sizeOf(r as Py);
      return itertools(e, 'permutations', () => permuted(pool, n, new Set(), []));
    },
  ],
  [
    'product',
    'product(first, *iterables, repeat=1)',
    ([v, more, times], e) => {
      const pools = [v as Py, ...(more as Py[])].map(toList);
      const all: Py[][] = [];
      for (let i = 0; i < indexOf(times as Py); i++) all.push(...pools);
      return itertools(e, 'product', () => products(all, []));
    },
  ],
  [
    'zip',
    'zip(first, *iterables)',
    ([v, more]) => {
      const its = [v as Py, ...(more as Py[])].map((x) => iterate(x));
      return new PyIterator(
        (function* () {
          for (;;) {
            const row: Py[] = [];
            for (const it of its) {
              const r = it.next();
              if (r.done) return;
              row.push(r.value);
            }
            yield PyTuple.from_(row) as Py;
          }
        })(),
        'zip',
      );
    },
  ],
  [
    'zip_longest',
    'zip_longest(first, *iterables, fillvalue=None)',
    ([v, more, fill], e) => {
      const lists = [v as Py, ...(more as Py[])].map(toList);
      const most = Math.max(...lists.map((l) => l.length));
      return itertools(e, 'zip_longest', function* () {
        for (let i = 0; i < most; i++)
          yield PyTuple.from_(lists.map((l) => (i < l.length ? (l[i] as Py) : (fill as Py))));
      });
    },
  ],
  [
    'tojson',
    'tojson(val, indent=None, **options)',
    ([v, indent, options]) => {
      const o = options as PyDict;
      const spaces = indent === null ? (o.get('indent') ?? null) : (indent as Py);
      const separators = o.get('separators');
      return dumpJson(v as Py, {
        ensureAscii: truth(o.get('ensure_ascii') ?? true),
        sortKeys: truth(o.get('sort_keys') ?? false),
        indent: spaces === null ? null : (strOf(spaces) ?? numberOf(spaces) ?? null),
        ...(Array.isArray(separators)
          ? { separators: [str(separators[0] as Py), str(separators[1] as Py)] as const }
          : {}),
      })
        .replaceAll('<', '\\u003c')
        .replaceAll('>', '\\u003e')
        .replaceAll('&', '\\u0026')
        .replaceAll("'", '\\u0027');
    },
  ],
];
