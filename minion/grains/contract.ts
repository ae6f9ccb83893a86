/** A grains module: every function answers a map that is merged into the grains in order of file and function name. Synchronous. */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py, PyDict } from '../../bus/values.ts';

export interface GrainsCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** What earlier modules found. */
  readonly grains: PyDict;
  /** Present when only some grains are asked for: a function may leave out what is not, to save the work. */
  readonly wanted?: (grain: string) => boolean;
  /** Execution functions, where the finder of grains has them (`__salt__` of operators' own modules). */
  readonly salt?: (name: string, args: Py[], kwargs: PyDict) => Py;
}
export interface GrainsModule {
  readonly functions: Readonly<Record<string, (ctx: GrainsCtx) => PyDict>>;
  /** Grains each function may answer: when none of them is asked for, it is not called. Absent: it always is. */
  readonly provides?: Readonly<Record<string, readonly string[]>>;
}
