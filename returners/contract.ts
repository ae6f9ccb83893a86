/**
 * A returner: one file, one place a return can go. `returner` must be idempotent by (jid, id): the platform calls it at least once
 * and after an outage again. The job-cache part makes it usable as `master_job_cache` / `ext_job_cache`; `eventReturn` as
 * `event_return`. Names in snake_case are what Salt calls them.
 */
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { PyDict, WireMap } from '../bus/values.ts';

/** What a returner is given: never more than this. `context` lives as long as the process and belongs to this returner alone. */
export interface ReturnerCtx {
  readonly opts: Opts;
  readonly log: Log;
  readonly context: Map<string, unknown>;
  /** Where options may stand besides the configuration; on a minion only. */
  readonly pillar?: PyDict;
  readonly grains?: PyDict;
  /** The return's own overrides (`ret_config` profile and `ret_kwargs`). */
  readonly retConfig?: string;
  readonly retKwargs?: WireMap;
}

/** `jid, id, fun, fun_args, return, retcode, success` and what else the return load carries. */
export type JobReturn = WireMap;
/** The publish load: `jid, tgt, tgt_type, fun, arg, user, ret, kwargs …`. */
export type JobLoad = WireMap;

/** One returner; a plug-in exports it as default. */
export interface Returner {
  virtual?(ctx: ReturnerCtx): true | string | { reason: string };
  returner(ret: JobReturn, ctx: ReturnerCtx): Promise<void> | void;
  /** event_return: a batch of `{tag, data}`. */
  eventReturn?(events: readonly { tag: string; data: WireMap }[], ctx: ReturnerCtx): Promise<void>;
  jobCache?: JobCache;
  /** The statements that create its tables, for an operator to read or to run; only returners whose store needs them. */
  schema?(): readonly string[];
  /** Runs {@link schema} where the options point; tables that exist are left alone. Answers the statements that were run. */
  createTables?(ctx: ReturnerCtx): Promise<readonly string[]>;
  /** Ends its connections; the next call opens new ones. */
  close?(ctx: ReturnerCtx): Promise<void>;
}

/** The eleven functions of a job cache. All answer from their own store; none walks a tree. */
export interface JobCache {
  prepJid(ctx: ReturnerCtx, passed?: string): string;
  saveLoad(jid: string, load: JobLoad, minions: readonly string[] | undefined, ctx: ReturnerCtx): Promise<void>;
  saveMinions(jid: string, minions: readonly string[], ctx: ReturnerCtx): Promise<void>;
  /** The load, with `Minions` added when known; an empty map when the jid is unknown. */
  getLoad(jid: string, ctx: ReturnerCtx): Promise<WireMap>;
  /** Returns by minion: `{return, retcode, success, …}`. */
  getJid(jid: string, ctx: ReturnerCtx): Promise<WireMap>;
  /** jid to `{Function, Arguments, Target, Target-type, User, StartTime}`, ascending; `limit` takes the newest. */
  getJids(ctx: ReturnerCtx, options?: { limit?: number; since?: string }): Promise<WireMap>;
  getFun(fun: string, ctx: ReturnerCtx): Promise<WireMap>;
  getMinions(ctx: ReturnerCtx): Promise<string[]>;
  updateEndtime(jid: string, time: string, ctx: ReturnerCtx): Promise<void>;
  /** Deletes what is older than keep_jobs_seconds; answers how many jobs. */
  cleanOldJobs(ctx: ReturnerCtx, now: number): Promise<number>;
}
