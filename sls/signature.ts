import type { Py, PyDict } from '../bus/values.ts';

/** Arguments after binding: each parameter by its name; the `*name` parameter holds an array, the `**name` one a PyDict. */
export type Args = { [name: string]: Py };

/** One parameter of a parsed signature. */
export interface Parameter {
  name: string;
  /** Absent: required. */
  default?: Py;
  kind: 'plain' | 'var' | 'kw' | 'kwonly';
}

/** `sys.argspec`'s answer: exactly the shape of the recorded inventory. */
export interface ArgSpec {
  args: string[] | null;
  defaults: Py[] | null;
  varargs: string | true | null;
  kwargs: string | true | null;
}

/**
 * A callable with a Python signature, used for execution, state, runner and wheel functions and for template filters alike.
 * `sig` is Python source: `run(cmd, cwd=None, stdin=None, python_shell=True, **kwargs)`; parsed on first use.
 */
export interface Fn<C> {
  readonly sig: string;
  /** What `sys.doc` prints, in our words, with a `CLI Example:` block. */
  readonly doc: string;
  /** Runs inline on a daemon's main thread: no I/O, no loops over user data. */
  readonly quick?: true;
  run(args: Args, ctx: C): Py | Promise<Py>;
}

/** Declares a function: `fn('ping()', 'Answers True.', () => true, { quick: true })`. */
export function fn<C>(
  sig: string,
  doc: string,
  run: (args: Args, ctx: C) => Py | Promise<Py>,
  flags: { quick?: true } = {},
): Fn<C> {
  return { sig, doc, run, ...flags };
}

/** Keyword arguments of a call, in the order given. */
export type Kwargs = PyDict;
