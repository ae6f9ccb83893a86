/** A grains module: every function answers a map that is merged into the grains in order of file and function name. Synchronous. */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { PyDict } from '../../bus/values.ts';

export interface GrainsCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** What earlier modules found. */
  readonly grains: PyDict;
}
export interface GrainsModule {
  readonly functions: Readonly<Record<string, (ctx: GrainsCtx) => PyDict>>;
}
