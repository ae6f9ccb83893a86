/** The minion's side of the mine: how a `mine_functions` entry is read, run and wrapped. */
import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { isStr, truth } from '../sls/values.ts';
import type { CallTable } from './modules/contract.ts';

/** Keywords of an entry that are not the function's: who may read the value, and (ours) for how many seconds it is shown. */
export const MINE_LIMITS = ['allow_tgt', 'allow_tgt_type', 'max_age'] as const;

/** One entry of `mine_functions`. */
export interface MineDefinition {
  /** `mine_function`: the function where the entry's own name is an alias. */
  name: string | undefined;
  args: Py[];
  kwargs: PyDict;
  /** {@link MINE_LIMITS}, as far as set. */
  acl: PyDict;
}

/** Reads an entry, a map of keywords or a list of positional values and maps. Its argument is left as it is. */
export function mineDefinition(given: Py): MineDefinition {
  const args: Py[] = [];
  const kwargs = new PyDict();
  if (given instanceof PyDict) for (const [k, v] of given) kwargs.set(k, v);
  else if (Array.isArray(given))
    for (const item of given as Py[])
      if (item instanceof PyDict) for (const [k, v] of item) kwargs.set(k, v);
      else args.push(item);
  const name = kwargs.get('mine_function');
  kwargs.delete('mine_function');
  const acl = new PyDict();
  for (const k of MINE_LIMITS) {
    const v = kwargs.get(k) ?? null;
    kwargs.delete(k);
    if (truth(v)) acl.set(k, v);
  }
  return { name: name !== undefined && isStr(name) ? String(name) : undefined, args, kwargs, acl };
}

/** A value with who may read it, as the master stores it; without limits the value alone. */
export function wrapMineValue(value: Py, acl: PyDict): Py {
  if (!acl.has('allow_tgt') && !acl.has('max_age')) return value;
  return new PyDict<Py>([['__data__', value], ['__saltmine_acl__', 1], ...acl]);
}

/**
 * Calls a function as mine entries do: maps among the positional values are keywords. Throws SaltInvocationError naming required
 * arguments that are missing.
 */
export function callMineFunction(calls: CallTable, name: string, args: readonly Py[], kwargs: PyDict): Py {
  const spec = calls.argspec(name);
  if (!spec) throw new SaltError('SaltInvocationError', `'${name}' is not available.`);
  const all = new PyDict();
  const positional: Py[] = [];
  for (const a of args)
    if (a instanceof PyDict) for (const [k, v] of a) all.set(k, v);
    else positional.push(a);
  for (const [k, v] of kwargs) all.set(k, v);
  const names = spec.args ?? [];
  const required = names.slice(0, names.length - (spec.defaults?.length ?? 0));
  const lacking = required.slice(positional.length).filter((n) => !all.has(n));
  if (lacking.length) throw new SaltError('SaltInvocationError', `Missing arguments: ${lacking.join(', ')}`);
  return calls.call(name, positional, all);
}
