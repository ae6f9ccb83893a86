import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { splitArgs } from './args.ts';
import { parseSignature, type Signature } from './bind.ts';
import type { Parameter } from './signature.ts';
import { str } from './values.ts';

/** Arguments ready to be bound. */
export interface CallArgs {
  readonly args: Py[];
  readonly kwargs: PyDict;
}

function accepts(s: Signature, key: Py): boolean {
  return s.kwName !== undefined || (typeof key === 'string' && s.names.has(key));
}

/**
 * A published job's arguments for the function that runs it. Words such as `k=v` become keyword arguments here as well. A
 * function with `**kwargs` also gets the job's own facts (`pub`: jid, fun, tgt, ret, user …) as `__pub_<key>`. Keywords the
 * function does not know throw SaltError SaltInvocationError with the reference's text, unless they are to be dropped.
 */
export function loadArgs(sig: string, published: readonly Py[], pub?: PyDict, dropUnknown = false): CallArgs {
  const s = parseSignature(sig);
  const args: Py[] = [];
  const kwargs = new PyDict();
  const unknown: string[] = [];
  const take = (given: Iterable<[Py, Py]>, known: boolean | undefined): void => {
    for (const [k, v] of given)
      if (known ?? accepts(s, k)) kwargs.set(k, v);
      else unknown.push(`${str(k)}=${str(v)}`);
  };
  for (const arg of published) {
    if (arg instanceof PyDict && arg.get('__kwarg__') === true) {
      const given = new PyDict(arg);
      given.delete('__kwarg__');
      take(given, undefined);
      continue;
    }
    const split = typeof arg === 'string' || arg instanceof PyDict ? splitArgs([arg]) : undefined;
    if (split?.kwargs.size) take(split.kwargs, accepts(s, split.kwargs.keys().next().value as Py));
    else args.push(arg instanceof PyDict ? (split?.args[0] as Py) : arg);
  }
  if (unknown.length && !dropUnknown) throw new SaltError('SaltInvocationError', invalidKeywords(unknown));
  if (s.kwName !== undefined && pub) for (const [k, v] of pub) kwargs.set(`__pub_${str(k)}`, v);
  return { args, kwargs };
}

/** The reference's refusal of keyword arguments, each given as `name=value`. */
export function invalidKeywords(given: readonly string[]): string {
  return `The following keyword arguments are not valid: ${given.join(', ')}`;
}

/** What a minion answers for a function called with wrong arguments: the complaint, then the function's documentation. */
export function invalidArguments(fun: string, complaint: string, doc: string): string {
  return `Passed invalid arguments to ${fun}: ${complaint}\n${doc}`;
}

/** Keyword arguments without the job's facts and other names that begin with two underscores. */
export function cleanKwargs(kwargs: PyDict): PyDict {
  return new PyDict([...kwargs].filter(([k]) => !(typeof k === 'string' && k.startsWith('__'))));
}

/** Where {@link formatCall}'s complaints take their names from. */
export interface CallNames {
  /** The function's own name (`installed`). */
  readonly name: string;
  /** The name in complaints about keywords (`pkg.installed`). */
  readonly full: string;
}

/**
 * Picks a function's arguments out of a dict of many (a low chunk, a runner's kwargs), as the state system does: required ones
 * become positional, those with defaults keywords, the rest goes to `**kwargs` or, unless listed in `expected`, throws SaltError
 * SaltInvocationError. The dict itself stays as it is.
 */
export function formatCall(sig: string, names: CallNames, data: PyDict, expected: Iterable<string> = []): CallArgs {
  const s = parseSignature(sig);
  const left = new PyDict(data);
  const args: Py[] = [];
  const kwargs = new PyDict();
  const pick = (p: Parameter): Py | undefined => {
    const v = left.get(p.name);
    if (v !== undefined) left.delete(p.name);
    return v;
  };
  const named = [...s.plain, ...s.kwonly];
  for (const p of named)
    if (p.default !== undefined) kwargs.set(p.name, pick(p) ?? (data.has(p.name) ? null : p.default));
  let missing = 0;
  for (const p of named) {
    if (p.default !== undefined) continue;
    const v = pick(p);
    if (v === undefined) missing++;
    else args.push(v);
  }
  if (missing) {
    const count = args.length + missing;
    throw new SaltError(
      'SaltInvocationError',
      `${names.name} takes at least ${count} argument${count > 1 ? 's' : ''} (${args.length} given)`,
    );
  }
  const skip = new Set<Py>(expected);
  const extra = [...left].filter(([k]) => !skip.has(k));
  if (s.kwName !== undefined) for (const [k, v] of extra) kwargs.set(k, v);
  else if (extra.length)
    throw new SaltError(
      'SaltInvocationError',
      extraKeywords(
        extra.map(([k]) => str(k)),
        names.full,
      ),
    );
  return { args, kwargs };
}

function extraKeywords(keys: readonly string[], full: string): string {
  if (keys.length === 1) return `'${keys[0]}' is an invalid keyword argument for '${full}'`;
  const first = keys.slice(0, -1).map((k) => `'${k}'`);
  return `${first.join(', ')} and '${keys.at(-1)}' are invalid keyword arguments for '${full}'`;
}
