/** A renderer: one stage of a `#!a|b` line. Takes text (or the data of the stage before) and answers text or data. Synchronous, pure but for what `salt` calls do. */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py, PyDict } from '../../bus/values.ts';

export interface RenderCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** Variables of the template: grains, pillar, salt, saltenv, sls, data, tag … in Python form. `salt` is a host object of the engine. */
  readonly context: PyDict;
  /** Path of the file as errors name it, and the environment for `salt://` lookups. */
  readonly path: string;
  readonly saltenv: string;
  readonly sls: string;
  /** Finds a template by `salt://` path (imports, includes); undefined when missing. */
  readonly find?: (path: string, saltenv: string) => { path: string; source: string } | undefined;
  /** Arguments of the stage (`#!jinja -k`). */
  readonly argline: string;
}
export type Renderer = (input: string | Py, ctx: RenderCtx) => string | Py;
