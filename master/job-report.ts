import { jidToTime } from '../bus/jid.ts';
import { isWireMap, type Py, type PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import type { JobCache, ReturnerCtx } from '../returners/contract.ts';
import { loadReturner, returnerCtx } from './returners.ts';
import type { RunnerCtx } from './runners/contract.ts';

/** A job cache with the context that its functions take. */
export interface OpenCache {
  cache: JobCache;
  ctx: ReturnerCtx;
}

/** The job cache to read from: `ext_job_cache`, else the one asked for, else `master_job_cache`; undefined when it does not load. */
export function cacheFor(ctx: RunnerCtx, extSource: Py): OpenCache | undefined {
  const wanted = ctx.opts.str('ext_job_cache') || (typeof extSource === 'string' ? extSource : '');
  if (!wanted || wanted === ctx.opts.str('master_job_cache', 'local_cache') || wanted === ctx.opts.str('ext_job_cache'))
    return { cache: ctx.jobs, ctx: ctx.jobs.ctx };
  const own = returnerCtx(ctx.opts, ctx.log, wanted);
  try {
    const cache = loadReturner(wanted, own).jobCache;
    return cache && { cache, ctx: own };
  } catch (e) {
    ctx.log.error(`The returner ${wanted} could not be loaded: ${e instanceof Error ? e.message : String(e)}`);
    return undefined;
  }
}

/** What a publish load says of its job, under the names that `jobs.*` show; an `Error` for a job that is not known. */
export function jobFacts(jid: string, load: WireMap): WireMap {
  const known = Object.keys(load).length > 0;
  const facts: WireMap = known
    ? {
        Function: load['fun'] ?? 'unknown-function',
        Arguments: Array.isArray(load['arg']) ? load['arg'] : [],
        Target: load['tgt'] ?? 'unknown-target',
        'Target-type': load['tgt_type'] ?? 'list',
        User: load['user'] ?? 'root',
      }
    : { Error: 'Cannot contact returner or no job with this jid' };
  const metadata = metadataOf(load);
  if (metadata !== undefined) facts['Metadata'] = metadata;
  if (load['Minions'] !== undefined) facts['Minions'] = load['Minions'];
  facts['StartTime'] = jidToTime(jid);
  return facts;
}

function metadataOf(load: WireMap): Wire | undefined {
  if (load['metadata'] !== undefined) return load['metadata'];
  const kwargs = load['kwargs'];
  if (isWireMap(kwargs) && kwargs['metadata'] !== undefined) return kwargs['metadata'];
  for (const arg of Array.isArray(load['arg']) ? load['arg'] : [])
    if (isWireMap(arg) && arg['__kwarg__'] === true && arg['metadata'] !== undefined) return arg['metadata'];
  return undefined;
}

/** A job with its returns, as `jobs.list_job` shows it (without the jid). */
export async function jobReport({ cache, ctx }: OpenCache, jid: string): Promise<PyDict> {
  const load = await cache.getLoad(jid, ctx);
  const report = toPy(jobFacts(jid, load)) as PyDict;
  report.set('Result', toPy(await cache.getJid(jid, ctx)));
  if (ctx.opts.flag('job_cache_store_endtime') && load['EndTime']) report.set('EndTime', toPy(load['EndTime']));
  return report;
}

const DAY = /^(\d{4}), ([A-Z][a-z]{2}) (\d{1,2})(?: (\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?$/;

/** A point in time as operators write it (`2015, Mar 16 19:00`, ISO 8601, `16 Mar 2015` …) in ms, UTC where no zone is given; undefined for what is none. */
export function readTime(text: string): number | undefined {
  const m = DAY.exec(text.trim());
  const iso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/.test(text.trim());
  const ms = m
    ? Date.parse(`${m[3]} ${m[2]} ${m[1]} ${m[4] ?? '0'}:${m[5] ?? '00'}:${m[6] ?? '00'} UTC`) +
      Number(`0.${m[7] ?? 0}`) * 1000
    : iso
      ? Date.parse(`${text.trim().replace(' ', 'T')}${text.includes(':') ? 'Z' : ''}`)
      : Date.parse(/(Z|UTC|GMT|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text} UTC`);
  return Number.isNaN(ms) ? undefined : ms;
}
