import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { LiteralReader } from './literal.ts';
import type { ArgSpec, Args, Fn, Parameter } from './signature.ts';

/** A parsed signature: the function's own name and its parameters in order of writing. */
export interface Signature {
  readonly name: string;
  readonly params: readonly Parameter[];
  /** Parameters that positional arguments fill, in order. */
  readonly plain: readonly Parameter[];
  readonly kwonly: readonly Parameter[];
  /** Name of the `*args` parameter, if any. */
  readonly varName: string | undefined;
  /** Name of the `**kwargs` parameter, if any. */
  readonly kwName: string | undefined;
  /** Names that may be given by keyword. */
  readonly names: ReadonlySet<string>;
}

const parsed = new Map<string, Signature>();

/**
 * Reads `run(cmd, cwd=None, *args, k=1, **kwargs)`; the name may be missing. Cached by text. Throws a plain Error for a text that
 * is no signature: that is a mistake in our own source.
 */
export function parseSignature(sig: string): Signature {
  const known = parsed.get(sig);
  if (known) return known;
  const r = new LiteralReader(sig);
  const bad = (what: string): never => {
    throw new Error(`bad signature ${JSON.stringify(sig)}: ${what} at position ${r.at}`);
  };
  const name = r.name() ?? '';
  if (!r.take('(')) bad("'(' expected");
  const params: Parameter[] = [];
  let kind: 'plain' | 'kwonly' = 'plain';
  while (!r.take(')')) {
    if (r.take('**')) params.push({ name: r.name() ?? bad('a name is missing'), kind: 'kw' });
    else if (r.take('*')) {
      kind = 'kwonly';
      const n = r.name();
      if (n !== undefined) params.push({ name: n, kind: 'var' });
    } else if (!r.take('/')) {
      const p: Parameter = { name: r.name() ?? bad('a name is missing'), kind };
      if (r.take('=')) p.default = r.value();
      params.push(p);
    }
    if (!r.take(',') && sig[r.at] !== ')') bad("',' or ')' expected");
  }
  const plain = params.filter((p) => p.kind === 'plain');
  const kwonly = params.filter((p) => p.kind === 'kwonly');
  const made: Signature = {
    name,
    params,
    plain,
    kwonly,
    varName: params.find((p) => p.kind === 'var')?.name,
    kwName: params.find((p) => p.kind === 'kw')?.name,
    names: new Set([...plain, ...kwonly].map((p) => p.name)),
  };
  parsed.set(sig, made);
  return made;
}

/** A default as one call's own: containers are copied so that no call can change what the next one gets. */
function fresh(v: Py): Py {
  if (Array.isArray(v) && v.constructor === Array) return v.map(fresh);
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]) => [k, fresh(x)] as const));
  return v;
}

const plural = (n: number): string => (n === 1 ? '' : 's');

/** `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`. */
function listed(names: readonly string[]): string {
  const q = names.map((n) => `'${n}'`);
  if (q.length < 3) return q.join(' and ');
  return `${q.slice(0, -1).join(', ')}, and ${q.at(-1)}`;
}

function tooMany(name: string, s: Signature, given: number, kwonlyGiven: number): SaltError {
  const most = s.plain.length;
  const least = s.plain.filter((p) => p.default === undefined).length;
  const takes = least < most ? `from ${least} to ${most}` : String(most);
  const ending = least < most || most !== 1 ? 's' : '';
  const had = kwonlyGiven
    ? `${given} positional argument${plural(given)} (and ${kwonlyGiven} keyword-only argument${plural(kwonlyGiven)}) were`
    : `${given} ${given === 1 ? 'was' : 'were'}`;
  return new SaltError('TypeError', `${name}() takes ${takes} positional argument${ending} but ${had} given`);
}

/**
 * Binds positional and keyword arguments to a signature, as a Python call does, in its order of complaints. Throws SaltError
 * TypeError with CPython 3.11's text, in which `name` (or, when empty, the signature's own name) is the function.
 */
export function bind(
  name: string,
  sig: string,
  args: readonly Py[] = [],
  kwargs: PyDict | Readonly<Record<string, Py>> = {},
): Args {
  const s = parseSignature(sig);
  const fun = name || s.name;
  const out: Args = {};
  const n = Math.min(args.length, s.plain.length);
  for (let i = 0; i < n; i++) out[(s.plain[i] as Parameter).name] = args[i] as Py;
  if (s.varName !== undefined) out[s.varName] = args.slice(s.plain.length);
  const rest = s.kwName === undefined ? undefined : new PyDict();
  for (const [key, value] of kwargs instanceof PyDict ? kwargs : Object.entries(kwargs)) {
    if (typeof key !== 'string') throw new SaltError('TypeError', 'keywords must be strings');
    if (s.names.has(key)) {
      if (Object.hasOwn(out, key))
        throw new SaltError('TypeError', `${fun}() got multiple values for argument '${key}'`);
      out[key] = value;
    } else if (rest) rest.set(key, value);
    else throw new SaltError('TypeError', `${fun}() got an unexpected keyword argument '${key}'`);
  }
  if (rest) out[s.kwName as string] = rest;
  if (args.length > s.plain.length && s.varName === undefined)
    throw tooMany(fun, s, args.length, s.kwonly.filter((p) => Object.hasOwn(out, p.name)).length);
  fill(fun, s.plain, out, 'positional');
  fill(fun, s.kwonly, out, 'keyword-only');
  return out;
}

function fill(fun: string, params: readonly Parameter[], out: Args, kind: string): void {
  let missing: string[] | undefined;
  for (const p of params) {
    if (Object.hasOwn(out, p.name)) continue;
    if (p.default === undefined) {
      missing ??= [];
      missing.push(p.name);
    } else out[p.name] = fresh(p.default);
  }
  if (missing)
    throw new SaltError(
      'TypeError',
      `${fun}() missing ${missing.length} required ${kind} argument${plural(missing.length)}: ${listed(missing)}`,
    );
}

/** What `sys.argspec` tells of a signature: keyword-only parameters count as `args`, empty parts are null, `*` and `**` are true. */
export function argspec(sig: string): ArgSpec {
  const s = parseSignature(sig);
  const named = s.params.filter((p) => p.kind === 'plain' || p.kind === 'kwonly');
  const defaults = named.flatMap((p) => (p.default === undefined ? [] : [fresh(p.default)]));
  return {
    args: named.length ? named.map((p) => p.name) : null,
    defaults: defaults.length ? defaults : null,
    varargs: s.varName === undefined ? null : true,
    kwargs: s.kwName === undefined ? null : true,
  };
}

/** Whether a value is a callable with a signature, as a plug-in's `functions` hold. */
export function isFn(v: unknown): v is Fn<unknown> {
  return (
    typeof v === 'object' &&
    v !== null &&
    typeof (v as { sig?: unknown }).sig === 'string' &&
    typeof (v as { run?: unknown }).run === 'function'
  );
}
