/**
 * The default job cache: every load and every return in the master's keyed store, ordered by jid, so that listing and expiry walk an index.
 * Readable by command lines while the master runs.
 */
import { join } from 'node:path';
import { formatJid, isJid, JidSource, jidToTime, stamp } from '../bus/jid.ts';
import type { KeyedStore } from '../bus/store/contract.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import type { JobCache, JobLoad, JobReturn, Returner, ReturnerCtx } from './contract.ts';

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

const jids = new WeakMap<Map<string, unknown>, JidSource>();

async function store(ctx: ReturnerCtx): Promise<KeyedStore> {
  const open = ctx.context.get(STORE_SLOT) as KeyedStore | undefined;
  if (open) return open;
  const { LmdbStore } = await import('../bus/store/lmdb.ts');
  const opened = await LmdbStore.open(join(ctx.opts.str('cachedir'), 'data'), { readOnly: true });
  ctx.context.set(STORE_SLOT, opened);
  return opened;
}

/** Fields of a load that must not be kept: credentials. */
const SECRET = new Set(['key', 'password', 'token', 'eauth', 'username']);

function withoutSecrets(load: WireMap): WireMap {
  const kept: WireMap = {};
  for (const [k, v] of Object.entries(load)) if (!SECRET.has(k)) kept[k] = v;
  const kwargs = kept['kwargs'];
  if (typeof kwargs === 'object' && kwargs !== null && !Array.isArray(kwargs))
    kept['kwargs'] = Object.fromEntries(Object.entries(kwargs).filter(([k]) => !SECRET.has(k)));
  return kept;
}

function summary(jid: string, load: WireMap): WireMap {
  const kwargs = load['kwargs'] as WireMap | undefined;
  const metadata = load['metadata'] ?? kwargs?.['metadata'];
  return {
    Function: load['fun'] ?? 'unknown-function',
    Arguments: load['arg'] ?? [],
    Target: load['tgt'] ?? 'unknown-target',
    'Target-type': load['tgt_type'] ?? 'list',
    User: load['user'] ?? 'root',
    ...(metadata !== undefined && metadata !== null ? { Metadata: metadata } : {}),
    StartTime: jidToTime(jid),
  };
}

function shown(ret: WireMap): WireMap {
  const answer: WireMap = { return: ret['return'] ?? null };
  for (const k of ['retcode', 'success', 'out']) if (ret[k] !== undefined) answer[k] = ret[k]!;
  return answer;
}

/** Everything older than this jid is expired. */
function cutoff(ctx: ReturnerCtx, now: number): string | undefined {
  const seconds = ctx.opts.num('keep_jobs_seconds', ctx.opts.num('keep_jobs', 24) * 3600);
  return seconds > 0 ? formatJid(BigInt(Math.floor((now - seconds * 1000) * 1000))) : undefined;
}

const jobCache: JobCache = {
  prepJid(ctx, passed) {
    if (passed !== undefined && passed !== '') return passed;
    let source = jids.get(ctx.context);
    if (!source) {
      source = new JidSource();
      jids.set(ctx.context, source);
    }
    const jid = source.next();
    return ctx.opts.flag('unique_jid') ? `${jid}_${process.pid}` : jid;
  },

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
      answer[String(key[1])] = shown(value as WireMap);
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
    const end = cutoff(ctx, now);
    if (end === undefined) return 0;
    const data = await store(ctx);
    const [jobs] = await Promise.all([data.deleteRange(LOADS, [''], [end]), data.deleteRange(RETURNS, [''], [end])]);
    return jobs;
  },
};

async function keep(ret: JobReturn, ctx: ReturnerCtx): Promise<void> {
  const data = await store(ctx);
  const jid = String(ret['jid'] ?? '');
  const id = String(ret['id'] ?? '');
  if (!isJid(jid) || id === '') return;
  const { cmd: _cmd, nonce: _nonce, tok: _tok, sig: _sig, ...kept } = ret as JobReturn & JobLoad;
  const writes: Promise<void>[] = [data.put(RETURNS, [jid, id], kept)];
  const fun = ret['fun'];
  if (typeof fun === 'string' && !fun.startsWith('saltutil.find_job')) writes.push(data.put(LATEST, [fun, id], jid));
  if (data.get(MINIONS, [id]) === undefined) writes.push(data.put(MINIONS, [id], Math.floor(Date.now() / 1000)));
  await Promise.all(writes);
  if (ctx.opts.flag('job_cache_store_endtime')) await jobCache.updateEndtime(jid, stamp(), ctx);
}

export default { returner: keep, jobCache } satisfies Returner;
