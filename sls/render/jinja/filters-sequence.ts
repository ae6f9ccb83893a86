/** Jinja's filters on sequences and mappings. `map`, `select` and their like are lazy and walk their input once, as in Jinja. */
import { randomInt } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';
import {
  chars,
  eq,
  isList,
  isStr,
  iterate,
  length,
  Markup,
  type Py,
  PyDict,
  PyFloat,
  PyIterator,
  pair,
  repr,
  str,
  strOf,
  toList,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import type { Engine, FilterRow } from './engine.ts';
import { escapeText } from './escape.ts';
import { total } from './filters-jinja.ts';
import { GroupTuple } from './group-tuple.ts';
import { sortValues } from './methods-data.ts';
import { checkSize, indexOf, typeError } from './ops.ts';

function bad(message: string): never {
  throw new SaltError('FilterArgumentError', message);
}
const lower = (v: Py): Py => {
  const t = strOf(v);
  return t === undefined ? v : t.toLowerCase();
};
function lazy(name: string, make: () => Generator<Py>): PyIterator {
  return new PyIterator(make(), 'generator', `<generator object ${name} at 0x7f0000000000>`);
}

/** Reads a dotted attribute path (`a.0.b`) from an item; `post` is applied last. */
function getter(e: Engine, attribute: Py, post: ((v: Py) => Py) | null = null, fallback: Py = null): (item: Py) => Py {
  const t = strOf(attribute);
  const parts: Py[] =
    attribute === null
      ? []
      : t === undefined
        ? [attribute]
        : t.split('.').map((p) => (/^\d+$/.test(p) ? Number(p) : p));
  return (item) => {
    let v = item;
    for (const p of parts) {
      v = e.item(v, p);
      if (fallback !== null && v instanceof Undefined) v = fallback;
    }
    return post ? post(v) : v;
  };
}
/** A getter of several comma-separated paths, for sorting. */
function multiGetter(e: Engine, attribute: Py, post: ((v: Py) => Py) | null): (item: Py) => Py {
  const t = strOf(attribute);
  if (t === undefined) return getter(e, attribute, post);
  const getters = t.split(',').map((p) => getter(e, p, post));
  return (item) => getters.map((g) => g(item));
}

function* batches(items: Py, size: number, fill: Py): Generator<Py> {
  let row: Py[] = [];
  for (const v of iterate(items)) {
    if (row.length === size) {
      yield row;
      row = [];
    }
    row.push(v);
  }
  if (row.length) {
    if (fill !== null) while (row.length < size) row.push(fill);
    yield row;
  }
}
function* slices(items: Py, count: number, fill: Py): Generator<Py> {
  const list = toList(items);
  const per = Math.floor(list.length / count);
  const extra = list.length % count;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const n = per + (i < extra ? 1 : 0);
    const row = list.slice(at, at + n);
    at += n;
    if (fill !== null && i >= extra) row.push(fill);
    yield row;
  }
}

/** The condition of select, reject and their attr forms. */
function condition(e: Engine, args: Py[], kwargs: PyDict, byAttribute: boolean): (item: Py) => boolean {
  let rest = args;
  let value = (item: Py): Py => item;
  if (byAttribute) {
    if (!args.length) bad('Missing parameter for attribute name');
    value = getter(e, args[0] as Py);
    rest = args.slice(1);
  }
  if (!rest.length) return (item) => truth(value(item));
  const [name, ...more] = rest as [Py, ...Py[]];
  return (item) => {
    e.step();
    const test = isStr(name) ? e.findTest(str(name)) : undefined;
    if (!test) throw new SaltError('TemplateRuntimeError', `No test named ${repr(name)}.`);
    return e.test(test, [value(item), ...more], kwargs);
  };
}
const choose =
  (wanted: boolean, byAttribute: boolean) =>
  ([items, args, kwargs]: Py[], e: Engine): Py =>
    lazy('select_or_reject', function* () {
      if (!truth(items as Py)) return;
      const ok = condition(e, args as Py[], kwargs as PyDict, byAttribute);
      for (const v of iterate(items as Py)) if (ok(v) === wanted) yield v;
    });
function map([items, args, kwargs]: Py[], e: Engine): Py {
  return lazy('sync_do_map', function* () {
    if (!truth(items as Py)) return;
    const list = args as Py[];
    const named = new PyDict(kwargs as PyDict);
    let f: (item: Py) => Py;
    if (!list.length && named.has('attribute')) {
      const attribute = named.get('attribute') as Py;
      const fallback = named.get('default') ?? null;
      named.delete('attribute');
      named.delete('default');
      for (const k of named.keys()) bad(`Unexpected keyword argument ${repr(k)}`);
      f = getter(e, attribute, null, fallback);
    } else {
      if (!list.length) bad('map requires a filter argument');
      const [name, ...more] = list as [Py, ...Py[]];
      f = (item) => {
        const filter = isStr(name) ? e.findFilter(str(name)) : undefined;
        if (!filter) throw new SaltError('TemplateRuntimeError', `No filter named ${repr(name)}.`);
        return e.filter(filter, [item, ...more], named.size ? named : null);
      };
    }
    for (const v of iterate(items as Py)) {
      e.step();
      yield f(v);
    }
  });
}

function groupBy([items, attribute, fallback, caseSensitive]: Py[], e: Engine): Py {
  const post = truth(caseSensitive as Py) ? null : lower;
  const key = getter(e, attribute as Py, post, fallback as Py);
  const shown = getter(e, attribute as Py, null, fallback as Py);
  const out: Py[] = [];
  let last: Py | undefined;
  let group: Py[] = [];
  for (const v of sortValues(toList(items as Py), key)) {
    const k = key(v);
    if (last === undefined || !eq(k, last)) {
      group = [];
      out.push(GroupTuple.pairOf(post ? shown(v) : k, group));
    }
    last = k;
    group.push(v);
  }
  return out;
}
function dictSort([d, caseSensitive, by, reverse]: Py[]): Py {
  const which = str(by as Py);
  if (which !== 'key' && which !== 'value') bad('You can only sort by either "key" or "value"');
  if (d instanceof Undefined) d.fail();
  if (!(d instanceof PyDict)) return typeError(`'${typeName(d as Py)}' object has no attribute 'items'`);
  const post = truth(caseSensitive as Py) ? (v: Py): Py => v : lower;
  const place = which === 'key' ? 0 : 1;
  const items = [...d].map(([k, v]) => pair(k, v) as Py);
  return sortValues(items, (i) => post((i as Py[])[place] as Py), truth(reverse as Py));
}
function join([items, d, attribute]: Py[], e: Engine): Py {
  const get = attribute === null ? null : getter(e, attribute as Py);
  const list: Py[] = [];
  for (const v of iterate(items as Py)) list.push(get ? get(v) : v);
  if (e.ae && (d instanceof Markup || list.some((v) => v instanceof Markup))) {
    const safe = (v: Py): string => (v instanceof Markup ? v.text : escapeText(str(v)));
    return new Markup(list.map(safe).join(safe(d as Py)));
  }
  const sep = str(d as Py);
  const parts = list.map((v) => str(v));
  checkSize(parts.reduce((n, p) => n + p.length + sep.length, 0));
  const out = parts.join(sep);
  return e.ae && d instanceof Markup ? new Markup(out) : out;
}
function reverse([v]: Py[]): Py {
  const t = strOf(v as Py);
  if (t !== undefined) return chars(t).reverse().join('');
  if (v instanceof Undefined) v.fail();
  if (v instanceof PyIterator) return [...iterate(v)].reverse();
  if (Array.isArray(v) || v instanceof PyDict) {
    const items = toList(v).reverse();
    const kind = isList(v) ? 'list_reverseiterator' : v instanceof PyDict ? 'dict_reversekeyiterator' : 'reversed';
    return new PyIterator(items[Symbol.iterator](), kind);
  }
  try {
    return toList(v as Py).reverse();
  } catch (e) {
    if (e instanceof SaltError && e.code === 'TypeError') return bad('argument must be iterable');
    throw e;
  }
}
function last(v: Py): Py | undefined {
  if (v instanceof PyIterator) return typeError(`'${v.pyType}' object is not reversible`);
  const t = strOf(v);
  if (t !== undefined) return chars(t).at(-1);
  if (v instanceof Undefined) v.fail();
  if (typeof v !== 'object' || v === null || v instanceof PyFloat)
    return typeError(`'${typeName(v)}' object is not reversible`);
  return toList(v).at(-1);
}

/** The filters of this file. */
export const SEQUENCE_FILTERS: readonly FilterRow[] = [
  [
    'batch',
    'do_batch(value, linecount, fill_with=None)',
    ([v, n, fill]) => lazy('do_batch', () => batches(v as Py, indexOf(n as Py), fill as Py)),
  ],
  [
    'slice',
    'sync_do_slice(value, slices, fill_with=None)',
    ([v, n, fill]) => lazy('sync_do_slice', () => slices(v as Py, indexOf(n as Py), fill as Py)),
  ],
  ['count', 'len(obj)', ([v]) => length(v as Py)],
  ['length', 'len(obj)', ([v]) => length(v as Py)],
  ['dictsort', "do_dictsort(value, case_sensitive=False, by='key', reverse=False)", dictSort],
  [
    'items',
    'do_items(value)',
    ([v]) =>
      lazy('do_items', function* () {
        if (v instanceof Undefined) return;
        if (!(v instanceof PyDict)) typeError('Can only get item pairs from a mapping.');
        for (const [k, x] of v) yield pair(k, x);
      }),
  ],
  [
    'first',
    'sync_do_first(environment, seq)',
    ([v], e) => {
      for (const x of iterate(v as Py)) return x;
      return e.undef('', undefined, 'No first item, sequence was empty.');
    },
  ],
  [
    'last',
    'do_last(environment, seq)',
    ([v], e) => {
      const x = last(v as Py);
      return x === undefined ? e.undef('', undefined, 'No last item, sequence was empty.') : x;
    },
  ],
  [
    'random',
    'do_random(context, seq)',
    ([v], e) => {
      length(v as Py);
      const list = toList(v as Py);
      // The reference picks by position, which a dict takes as a key.
      if (v instanceof PyDict && list.length && !v.has(0))
        throw new SaltError('KeyError', String(randomInt(list.length)));
      return list.length
        ? (list[randomInt(list.length)] as Py)
        : e.undef('', undefined, 'No random item, sequence was empty.');
    },
  ],
  ['groupby', 'sync_do_groupby(environment, value, attribute, default=None, case_sensitive=False)', groupBy],
  ['join', "sync_do_join(eval_ctx, value, d='', attribute=None)", join],
  ['list', 'sync_do_list(value)', ([v]) => toList(v as Py)],
  ['map', 'sync_do_map(context, value, *args, **kwargs)', map],
  ['select', 'sync_do_select(context, value, *args, **kwargs)', choose(true, false)],
  ['reject', 'sync_do_reject(context, value, *args, **kwargs)', choose(false, false)],
  ['selectattr', 'sync_do_selectattr(context, value, *args, **kwargs)', choose(true, true)],
  ['rejectattr', 'sync_do_rejectattr(context, value, *args, **kwargs)', choose(false, true)],
  ['reverse', 'do_reverse(value)', reverse],
  [
    'sort',
    'do_sort(environment, value, reverse=False, case_sensitive=False, attribute=None)',
    ([v, rev, cs, attribute], e) => {
      const key = multiGetter(e, attribute as Py, truth(cs as Py) ? null : lower);
      return sortValues(toList(v as Py), key, truth(rev as Py));
    },
  ],
  [
    'sum',
    'sync_do_sum(environment, iterable, attribute=None, start=0)',
    ([v, attribute, start], e) => {
      const get = getter(e, attribute as Py);
      return total(
        [...iterate(v as Py)].map((x) => (attribute === null ? x : get(x))),
        start as Py,
      );
    },
  ],
];
