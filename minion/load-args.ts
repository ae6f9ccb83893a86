import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { parseKwarg } from '../sls/args.ts';
import type { ArgSpec } from '../sls/signature.ts';
import { str } from '../sls/values.ts';

/** Positional and keyword arguments, ready for a call. */
export interface CallArgs {
  args: Py[];
  kwargs: PyDict;
}

/**
 * Sorts a job's `arg` list into positional and keyword arguments for a function: maps marked `__kwarg__` and texts `name=value`
 * are keywords, and a function with `**kwargs` also gets the publish's fields as `__pub_<field>` (`load_args_and_kwargs`).
 * Throws SaltInvocationError naming keywords that the function does not take.
 */
export function loadArgs(spec: ArgSpec, given: readonly Py[], publish?: PyDict): CallArgs {
  const args: Py[] = [];
  const kwargs = new PyDict();
  const refused: string[] = [];
  const takes = (name: Py): boolean => spec.kwargs !== null || (spec.args?.includes(name as string) ?? false);
  const keyword = (name: Py, value: Py): void => {
    if (takes(name)) kwargs.set(name, value);
    else refused.push(`${str(name)}=${str(value)}`);
  };
  for (const one of given) {
    if (one instanceof PyDict && one.get('__kwarg__') === true) {
      for (const [k, v] of one) if (k !== '__kwarg__') keyword(k, v);
      continue;
    }
    const pair = typeof one === 'string' ? parseKwarg(one) : undefined;
    if (pair) keyword(pair[0], pair[1]);
    else args.push(one);
  }
  if (refused.length) throw invalidKwargs(refused);
  if (spec.kwargs !== null && publish) for (const [k, v] of publish) kwargs.set(`__pub_${str(k)}`, v);
  return { args, kwargs };
}

/** The error for keyword arguments nobody takes, each as `name=value`. */
export function invalidKwargs(refused: readonly string[]): SaltError {
  return new SaltError('SaltInvocationError', `The following keyword arguments are not valid: ${refused.join(', ')}`);
}

/** Keyword arguments without the `__pub_` ones (and any other that begins with two underscores), as `clean_kwargs`. */
export function cleanKwargs(kwargs: Py | undefined): PyDict {
  const out = new PyDict();
  if (kwargs instanceof PyDict) for (const [k, v] of kwargs) if (!(typeof k === 'string' && k.startsWith('__'))) out.set(k, v);
  return out;
}
