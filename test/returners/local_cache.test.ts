import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { formatJid } from '../../bus/jid.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryKeyedStore } from '../../bus/store/memory.ts';
import type { WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import localCache, { STORE_SLOT } from '../../returners/local_cache.ts';

const { jobCache } = localCache;
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));
let ctx: ReturnerCtx;
const jidAt = (ms: number): string => formatJid(BigInt(ms) * 1000n);
const DAY = 86_400_000;
const NOW = Date.UTC(2030, 0, 10);
const load = (fun: string, more: WireMap = {}): WireMap => ({
  fun,
  arg: ['x'],
  tgt: '*',
  tgt_type: 'glob',
  user: 'root',
  ...more,
});
const ret = (jid: string, id: string, fun = 'test.ping'): WireMap => ({
  cmd: '_return',
  jid,
  id,
  fun,
  fun_args: [],
  return: true,
  retcode: 0,
  success: true,
  nonce: 'n',
  tok: 't',
});

beforeEach(() => {
  ctx = { opts: new Opts(), log: quietLog, context: new Map<string, unknown>([[STORE_SLOT, new MemoryKeyedStore()]]) };
});

test('a job keeps its load with the expected minions, and its returns by minion', async () => {
  const jid = jidAt(NOW);
  await jobCache.saveLoad(jid, load('test.ping', { jid }), ['b', 'a'], ctx);
  await localCache.returner(ret(jid, 'a'), ctx);
  await localCache.returner({ ...ret(jid, 'b'), return: 'no', retcode: 1, success: false, out: 'nested' }, ctx);
  assert.deepEqual((await jobCache.getLoad(jid, ctx))['Minions'], ['b', 'a']);
  assert.deepEqual(plain(await jobCache.getJid(jid, ctx)), {
    a: { return: true, retcode: 0, success: true },
    b: { return: 'no', retcode: 1, success: false, out: 'nested' },
  });
  assert.deepEqual(await jobCache.getMinions(ctx), ['a', 'b']);
  assert.deepEqual(await jobCache.getLoad('20300101000000000000', ctx), {});
});

test('minions that turn up later are added', async () => {
  const jid = jidAt(NOW);
  await jobCache.saveLoad(jid, load('test.ping'), ['a'], ctx);
  await jobCache.saveMinions(jid, ['c', 'a'], ctx);
  assert.deepEqual((await jobCache.getLoad(jid, ctx))['Minions'], ['a', 'c']);
});

test('no secret of a publish is kept', async () => {
  const jid = jidAt(NOW);
  const kwargs = { password: 'p', token: 't', eauth: 'pam', username: 'u', metadata: { a: 1 } };
  await jobCache.saveLoad(jid, load('x', { key: 'secret-key', kwargs }), [], ctx);
  const text = JSON.stringify(await jobCache.getLoad(jid, ctx));
  assert.ok(!/secret-key|"p"|"t"|pam/.test(text), text);
  assert.deepEqual(plain((await jobCache.getLoad(jid, ctx))['kwargs']), { metadata: { a: 1 } });
});

test('jobs are listed in order of time, a limit takes the newest', async () => {
  const jids = [3, 1, 2, 5, 4].map((d) => jidAt(NOW + d * 1000));
  for (const jid of jids) await jobCache.saveLoad(jid, load('test.ping', { metadata: { n: 1 } }), [], ctx);
  const sorted = [...jids].sort();
  assert.deepEqual(Object.keys(await jobCache.getJids(ctx)), sorted);
  assert.deepEqual(Object.keys(await jobCache.getJids(ctx, { limit: 2 })), sorted.slice(-2));
  assert.deepEqual(Object.keys(await jobCache.getJids(ctx, { since: sorted[3]! })), sorted.slice(3));
  assert.deepEqual(plain((await jobCache.getJids(ctx, { limit: 1 }))[sorted[4]!]), {
    Function: 'test.ping',
    Arguments: ['x'],
    Target: '*',
    'Target-type': 'glob',
    User: 'root',
    Metadata: { n: 1 },
    StartTime: '2030, Jan 10 00:00:05.000000',
  });
});

test('jobs older than keep_jobs_seconds go with their returns, younger ones stay', async () => {
  ctx.opts.set('keep_jobs_seconds', 86_400);
  const [old, young] = [jidAt(NOW - DAY - 1000), jidAt(NOW - DAY + 1000)];
  for (const jid of [old, young]) {
    await jobCache.saveLoad(jid, load('test.ping'), ['a'], ctx);
    await localCache.returner(ret(jid, 'a'), ctx);
  }
  assert.equal(await jobCache.cleanOldJobs(ctx, NOW), 1);
  assert.deepEqual(Object.keys(await jobCache.getJids(ctx)), [young]);
  assert.deepEqual(await jobCache.getJid(old, ctx), {});
  assert.notDeepEqual(await jobCache.getJid(young, ctx), {});
  ctx.opts.set('keep_jobs_seconds', 0);
  assert.equal(await jobCache.cleanOldJobs(ctx, NOW + 99 * DAY), 0, 'zero keeps for ever');
});

test('the newest return of a function is found by minion, but no find_job', async () => {
  const [first, second] = [jidAt(NOW), jidAt(NOW + 1000)];
  await localCache.returner({ ...ret(first, 'a', 'cmd.run'), return: 1 }, ctx);
  await localCache.returner({ ...ret(second, 'a', 'cmd.run'), return: 2 }, ctx);
  await localCache.returner(ret(second, 'b', 'saltutil.find_job'), ctx);
  const found = (await jobCache.getFun('cmd.run', ctx)) as Record<string, WireMap>;
  assert.deepEqual(Object.keys(found), ['a']);
  assert.equal(found['a']?.['return'], 2);
  assert.deepEqual(await jobCache.getFun('saltutil.find_job', ctx), {});
});

test('a return without a job id or minion leaves nothing', async () => {
  await localCache.returner(ret('../../x', 'a'), ctx);
  await localCache.returner(ret(jidAt(NOW), ''), ctx);
  assert.deepEqual(await jobCache.getMinions(ctx), []);
});

test('an end time is kept when the configuration asks for it', async () => {
  ctx.opts.set('job_cache_store_endtime', true);
  const jid = jidAt(NOW);
  await jobCache.saveLoad(jid, load('test.ping'), ['a'], ctx);
  await localCache.returner(ret(jid, 'a'), ctx);
  assert.ok((await jobCache.getLoad(jid, ctx))['EndTime']);
});

test('job ids rise, and a wanted one is taken', () => {
  const made = [jobCache.prepJid(ctx), jobCache.prepJid(ctx), jobCache.prepJid(ctx)];
  assert.deepEqual([...made].sort(), made);
  assert.equal(new Set(made).size, 3);
  assert.equal(jobCache.prepJid(ctx, '20300101000000000000'), '20300101000000000000');
  ctx.opts.set('unique_jid', true);
  assert.match(jobCache.prepJid(ctx), /^\d{20}_\d+$/);
});
