/**
 * The default job cache: every load and every return in the master's keyed store, ordered by jid, so that listing and expiry walk an index.
 * Readable by command lines while the master runs.
 */
import { join } from 'node:path';
import { stamp } from '../bus/jid.ts';
import type { KeyedStore } from '../bus/store/contract.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import type { JobCache, JobReturn, Returner, ReturnerCtx } from './contract.ts';
import {
  countsAsLatest,
  filing,
  keptReturn,
  oldestKept,
  prepareJid,
  shownReturn,
  summary,
  withoutSecrets,
} from './shape/job.ts';

/** jid -> load with `Minions`, `EndTime`. */
const LOADS = 'jobs';
/** jid, minion -> return. */
const RETURNS = 'job_returns';
/** function, minion -> newest jid. */
const LATEST = 'job_latest';
/** minion -> seconds of the first return. */
const MINIONS = 'job_minions';

/** The context slot under which a daemon hands its open store to this returner; without it the returner opens the file for reading. */
export const STORE_SLOT = 'local_cache.store';

async function store(ctx: ReturnerCtx): Promise<KeyedStore> {
  const open = ctx.context.get(STORE_SLOT) as KeyedStore | undefined;
  if (open) return open;
  const { LmdbStore } = await import('../bus/store/lmdb.ts');
  const opened = await LmdbStore.open(join(ctx.opts.str('cachedir'), 'data'), { readOnly: true });
  ctx.context.set(STORE_SLOT, opened);
  return opened;
}

const jobCache: JobCache = {
  prepJid: prepareJid,

  async saveLoad(jid, load, minions, ctx) {
    const kept = withoutSecrets(load);
    if (minions !== undefined) kept['Minions'] = [...minions];
    await (await store(ctx)).put(LOADS, [jid], kept);
  },

  async saveMinions(jid, minions, ctx) {
    const data = await store(ctx);
    const load = data.get(LOADS, [jid]) as WireMap | undefined;
    if (!load) return;
    const all = new Set([...((load['Minions'] as string[] | undefined) ?? []), ...minions]);
    await data.put(LOADS, [jid], { ...load, Minions: [...all].sort() });
  },

  async getLoad(jid, ctx) {
    return ((await store(ctx)).get(LOADS, [jid]) as WireMap | undefined) ?? {};
  },

  async getJid(jid, ctx) {
    const answer: WireMap = {};
    for (const { key, value } of (await store(ctx)).range(RETURNS, { start: [jid], end: [`${jid}\0`] }))
      answer[String(key[1])] = shownReturn(value as WireMap);
    return answer;
  },

  async getJids(ctx, options = {}) {
    const data = await store(ctx);
    const found: [string, WireMap][] = [];
    const start = options.since === undefined ? undefined : [options.since];
    for (const { key, value } of data.range(LOADS, {
      ...(start ? { start } : {}),
      ...(options.limit === undefined ? {} : { limit: options.limit, reverse: true }),
    }))
      found.push([String(key[0]), summary(String(key[0]), value as WireMap)]);
    if (options.limit !== undefined) found.reverse();
    return Object.fromEntries(found);
  },

  async getFun(fun, ctx) {
    const data = await store(ctx);
    const answer: WireMap = {};
    for (const { key, value } of data.range(LATEST, { start: [fun], end: [`${fun}\0`] })) {
      const ret = data.get(RETURNS, [String(value), key[1]!]);
      if (ret !== undefined) answer[String(key[1])] = ret as Wire;
    }
    return answer;
  },

  async getMinions(ctx) {
    return [...(await store(ctx)).range(MINIONS)].map((e) => String(e.key[0]));
  },

  async updateEndtime(jid, time, ctx) {
    const data = await store(ctx);
    const load = data.get(LOADS, [jid]) as WireMap | undefined;
    if (load) await data.put(LOADS, [jid], { ...load, EndTime: time });
  },

  async cleanOldJobs(ctx, now) {
    const end = oldestKept(ctx, now);
    if (end === undefined) return 0;
    const data = await store(ctx);
    const [jobs] = await Promise.all([data.deleteRange(LOADS, [''], [end]), data.deleteRange(RETURNS, [''], [end])]);
    return jobs;
  },
};

async function keep(ret: JobReturn, ctx: ReturnerCtx): Promise<void> {
  const data = await store(ctx);
  const filed = filing(ret);
  if (!filed) return;
  const { jid, id } = filed;
  const kept = keptReturn(ret);
  const writes: Promise<void>[] = [data.put(RETURNS, [jid, id], kept)];
  const fun = ret['fun'];
  if (typeof fun === 'string' && countsAsLatest(fun)) writes.push(data.put(LATEST, [fun, id], jid));
  if (data.get(MINIONS, [id]) === undefined) writes.push(data.put(MINIONS, [id], Math.floor(Date.now() / 1000)));
  await Promise.all(writes);
  if (ctx.opts.flag('job_cache_store_endtime')) await jobCache.updateEndtime(jid, stamp(), ctx);
}

export default { returner: keep, jobCache } satisfies Returner;
