/** Python signatures for filters, tests and globals: arguments bound to places, with Python's complaints. */

import { bind, parseSignature, type Signature } from '../../bind.ts';
import type { Py } from '../../values.ts';
import { PyDict } from '../../values.ts';

/** A parsed signature with what the fast path needs. */
export interface Spec {
  readonly text: string;
  readonly sig: Signature;
  /** Only parameters that may be given by place. */
  readonly simple: boolean;
  readonly required: number;
  /** The first parameter is the engine's (environment, eval_ctx or context): counted in error texts, not passed on. */
  readonly hidden: boolean;
}

const HIDDEN: ReadonlySet<string> = new Set(['environment', 'eval_ctx', 'context']);

/** Reads a signature, once for each text. */
export function specOf(text: string): Spec {
  const sig = parseSignature(text);
  return {
    text,
    sig,
    simple: !sig.kwonly.length && sig.varName === undefined && sig.kwName === undefined,
    required: sig.plain.filter((p) => p.default === undefined).length,
    hidden: HIDDEN.has(sig.plain[0]?.name ?? ''),
  };
}

function fresh(v: Py): Py {
  return Array.isArray(v) && v.constructor === Array ? [...v] : v instanceof PyDict ? new PyDict(v) : v;
}

/** The value of every parameter in order of writing; `*args` as an array, `**kwargs` as a PyDict. */
export function places(spec: Spec, args: Py[], kwargs: PyDict | null): Py[] {
  const { sig } = spec;
  const skip = spec.hidden ? 1 : 0;
  if (spec.simple && !kwargs?.size) {
    const n = args.length + skip;
    if (n >= spec.required && n <= sig.plain.length) {
      if (n === sig.plain.length) return args;
      const out = [...args];
      for (let i = n; i < sig.plain.length; i++) out.push(fresh((sig.plain[i] as { default: Py }).default));
      return out;
    }
  }
  const bound = bind(sig.name, spec.text, skip ? [null, ...args] : args, kwargs ?? undefined);
  const out = sig.params.map((p) => bound[p.name] as Py);
  return skip ? out.slice(1) : out;
}
