/** Joining of nested data by strategy, as pillars, top data of masters and `slsutil.merge` are joined. */
import type { Log } from '../bus/log.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { contains, deepCopy, isList } from './values.ts';
import { Aggregated, mergeAggregated } from './yaml/aggregate.ts';

/** How data is joined: `pillar_source_merging_strategy`, the renderer line it depends on, and `pillar_merge_lists`. */
export interface MergeRules {
  readonly strategy: string;
  readonly renderer: string;
  readonly lists: boolean;
  readonly log: Log;
}

/**
 * Lays `over` over `base` and answers `base`, which is changed: dicts that meet are joined, lists that meet are replaced or,
 * with `lists`, lengthened by what is new, all else is replaced. What is taken over is copied, so that neither changes the other.
 */
export function mergeRecurse(base: PyDict, over: PyDict, lists = false): PyDict {
  for (const [k, v] of over) {
    const old = base.get(k);
    if (old instanceof PyDict && v instanceof PyDict) mergeRecurse(old, v, lists);
    else if (lists && old !== undefined && isList(old) && isList(v)) {
      const joined = [...old];
      for (const x of v) if (!contains(old, x)) joined.push(deepCopy(x));
      base.set(k, joined);
    } else base.set(k, deepCopy(v));
  }
  return base;
}

/** Joins by a strategy. Changes and uses up `base`; the answer may be another dict. An unknown strategy is logged and counts as recurse. */
export function mergeBy(rules: MergeRules, base: PyDict, over: PyDict): PyDict {
  let { strategy } = rules;
  if (strategy === 'smart') {
    const { renderer } = rules;
    const last = renderer.slice(renderer.lastIndexOf('|') + 1);
    strategy = last === 'yamlex' || renderer.startsWith('yamlex_') ? 'aggregate' : 'recurse';
  }
  switch (strategy) {
    case 'list':
      return new PyDict([...base].map(([k, v]) => [k, over.has(k) ? [v, deepCopy(over.get(k) as Py)] : v] as const));
    case 'recurse':
      return mergeRecurse(base, over, rules.lists);
    case 'aggregate':
      return mergeAggregated(new Aggregated(base), over, 1) as PyDict;
    case 'overwrite':
      for (const [k, v] of over) if (base.has(k)) base.set(k, deepCopy(v));
      return mergeRecurse(base, over, rules.lists);
    default:
      if (strategy !== 'none') rules.log.warning(`Unknown merging strategy '${rules.strategy}', fallback to recurse`);
      return mergeRecurse(base, over);
  }
}
