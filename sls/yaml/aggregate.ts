/** Data that knows it is to be joined (`!aggregate` of the yamlex renderer), and the joining itself. */
import { type Py, PyDict } from '../../bus/values.ts';
import { contains } from '../values.ts';

/** A dict marked to be joined with another one of its key. */
export class Aggregated extends PyDict {}
/** A list marked to be joined with another one of its key. */
export class AggregatedList extends Array<Py> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
  /** Builds one of the given items. */
  static from_(items: Iterable<Py>): AggregatedList {
    const list = new AggregatedList();
    for (const i of items) list.push(i);
    return list;
  }
}

const isMarked = (v: Py): boolean => v instanceof Aggregated || v instanceof AggregatedList;
function marked(v: Py): Py {
  if (isMarked(v)) return v;
  if (v instanceof PyDict) return new Aggregated(v);
  return AggregatedList.from_(Array.isArray(v) ? (v as Py[]) : [v]);
}
/** A shallow copy of the same kind. */
function copied(v: Py): Py {
  if (v instanceof Aggregated) return new Aggregated(v);
  if (v instanceof PyDict) return new PyDict(v);
  if (v instanceof AggregatedList) return AggregatedList.from_(v);
  return Array.isArray(v) ? [...(v as Py[])] : v;
}

/**
 * Joins two values: dicts key by key (the keys of both where both are marked, those of `b` otherwise), marked lists one after the
 * other without repeats, and of all else `b`. The outermost `levels` levels count as marked. Shares what it does not join.
 */
export function mergeAggregated(a: Py, b: Py, levels = 0): Py {
  const [x, y] = levels > 0 ? [marked(a), marked(b)] : [a, b];
  if (x instanceof PyDict && y instanceof PyDict) {
    const out = copied(isMarked(x) && isMarked(y) ? x : y) as PyDict;
    for (const [k, v] of y) {
      const old = x.get(k);
      out.set(k, old === undefined ? v : mergeAggregated(old, v, levels - 1));
    }
    return out;
  }
  if (x instanceof AggregatedList && y instanceof AggregatedList) {
    const out = AggregatedList.from_(x);
    for (const v of y) if (!contains(x, v)) out.push(v);
    return out;
  }
  return copied(y);
}
