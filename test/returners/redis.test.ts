import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import redis from '../../returners/redis.ts';
import { returnerSuite } from '../conformance/returner-suite.ts';
import { type RedisService, redisMissing, startRedis } from '../services/redis.ts';

const skip = redisMissing();
const options = skip === undefined ? {} : { skip };
let server: Promise<RedisService> | undefined;
let raw: Redis | undefined;
after(async () => {
  raw?.disconnect();
  await (await server)?.stop();
});

async function db(): Promise<{ service: RedisService; raw: Redis }> {
  server ??= startRedis();
  const service = await server;
  raw ??= new Redis(service.port, '127.0.0.1');
  return { service, raw };
}

async function fresh(opts: Readonly<Record<string, Wire>> = {}, more: Partial<ReturnerCtx> = {}): Promise<ReturnerCtx> {
  const { service, raw } = await db();
  await raw.flushall();
  const all = { id: 'master_master', 'redis.host': '127.0.0.1', 'redis.port': service.port, ...opts };
  return {
    opts: new Opts(new PyDict(Object.entries(all).map(([k, v]) => [k, toPy(v)]))),
    log: quietLog,
    context: new Map(),
    ...more,
  };
}

const ret = (id: string, jid = '20300101000000000001'): WireMap => ({
  jid,
  id,
  fun: 'test.ping',
  fun_args: [],
  return: true,
  retcode: 0,
  success: true,
});

returnerSuite(
  'redis',
  async () => ({
    returner: redis,
    fresh,
    copies: async (jid, id) => await (await db()).raw.hexists(`ret:${jid}`, id),
  }),
  skip,
);

test("the keys, their kinds and their expiry are those of Salt's redis returner", options, async () => {
  const ctx = await fresh({ keep_jobs_seconds: 600 });
  await redis.jobCache.saveLoad('20300101000000000001', { fun: 'test.ping' }, ['a'], ctx);
  await redis.returner(ret('a'), ctx);
  const { raw } = await db();
  assert.deepEqual((await raw.keys('*')).sort(), [
    'a:test.ping',
    'load:20300101000000000001',
    'minions',
    'minions:20300101000000000001',
    'ret:20300101000000000001',
  ]);
  assert.equal(await raw.get('a:test.ping'), '20300101000000000001');
  assert.equal(JSON.parse((await raw.hget('ret:20300101000000000001', 'a')) as string).return, true);
  for (const key of ['a:test.ping', 'load:20300101000000000001', 'ret:20300101000000000001']) {
    const left = await raw.ttl(key);
    assert.ok(left > 590 && left <= 600, `${key} ${left}`);
  }
  assert.equal(await raw.ttl('minions'), -1);
  await redis.close(ctx);
});

test('a profile, its fallback and the overrides of one return find their database', options, async () => {
  const { service, raw } = await db();
  const opts = { 'redis.db': '1', 'alternative.redis.db': '2', 'map.redis': { db: 3 } };
  for (const [more, want] of [
    [{}, 1],
    [{ retConfig: 'alternative' }, 2],
    [{ retConfig: 'map' }, 3],
    [{ retConfig: 'unknown' }, 1],
    [{ retConfig: 'alternative', retKwargs: { db: 4 } }, 4],
  ] as const) {
    const ctx = await fresh(opts, more);
    await redis.returner(ret('a'), ctx);
    const other = new Redis({ port: service.port, host: '127.0.0.1', db: want });
    assert.equal(await other.exists('minions'), 1, JSON.stringify(more));
    other.disconnect();
    await redis.close(ctx);
  }
  await raw.flushall();
});

test('the pillar may hold the options', options, async () => {
  const { service } = await db();
  const pillar = new PyDict([
    [
      'master',
      new PyDict<string | number>([
        ['redis.host', '127.0.0.1'],
        ['redis.port', service.port],
      ]),
    ],
  ]);
  const ctx: ReturnerCtx = { opts: new Opts(), log: quietLog, context: new Map(), pillar };
  await redis.returner(ret('from-pillar'), ctx);
  assert.ok((await redis.jobCache.getMinions(ctx)).includes('from-pillar'));
  await redis.close(ctx);
});

test('a wrong password is an error that says so, and the right one works', options, async () => {
  const { raw } = await db();
  const ctx = await fresh({ 'redis.password': 'wrong' });
  await raw.config('SET', 'requirepass', 'right');
  try {
    await assert.rejects(async () => redis.returner(ret('a'), ctx), /WRONGPASS|invalid password|NOAUTH/i);
    const good = { ...ctx, context: new Map<string, unknown>(), retKwargs: { password: 'right' } };
    await redis.returner(ret('a'), good);
    assert.deepEqual(await redis.jobCache.getMinions(good), ['a']);
    await redis.close(good);
  } finally {
    await raw.config('SET', 'requirepass', '');
  }
  await redis.close(ctx);
});

test('a return to jid req gets a job of its own', options, async () => {
  const ctx = await fresh();
  await redis.returner({ ...ret('a'), jid: 'req' }, ctx);
  const jids = Object.keys(await redis.jobCache.getJids(ctx));
  assert.equal(jids.length, 1);
  assert.match(jids[0] as string, /^\d{20}$/);
  assert.deepEqual(Object.keys(await redis.jobCache.getJid(jids[0] as string, ctx)), ['a']);
  await redis.close(ctx);
});

test('a server that was killed is an error now and works again once it is back', options, async () => {
  const ctx = await fresh();
  const { service } = await db();
  await redis.returner(ret('a'), ctx);
  await service.kill();
  await assert.rejects(async () => redis.returner(ret('b'), ctx));
  await assert.rejects(async () => redis.returner(ret('b'), ctx), /could not connect/);
  await service.start();
  await redis.returner(ret('b'), ctx);
  assert.deepEqual(await redis.jobCache.getMinions(ctx), ['a', 'b']);
  await redis.close(ctx);
});

test('events go to a stream, a batch that comes again is not doubled', options, async () => {
  const ctx = await fresh();
  const events = [1, 2, 3].map((n) => ({ tag: `my/tag/${n}`, data: { n, _stamp: `2030-01-01T00:00:0${n}` } }));
  await redis.eventReturn(events, ctx);
  await redis.eventReturn([{ tag: 'x', data: {} }], ctx);
  const again = { ...ctx, context: new Map<string, unknown>() };
  await redis.eventReturn(events, again);
  const { raw } = await db();
  assert.equal(await raw.xlen('salt:events'), 4);
  const [first] = await raw.xrange('salt:events', '-', '+');
  assert.deepEqual(first?.[1], [
    'tag',
    'my/tag/1',
    'data',
    '{"n": 1, "_stamp": "2030-01-01T00:00:01"}',
    'master_id',
    'master_master',
  ]);
  await Promise.all([redis.close(ctx), redis.close(again)]);
});

test('twenty thousand returns are written at more than 5,000 a second', options, async (t) => {
  const ctx = await fresh();
  const began = performance.now();
  const many = Array.from({ length: 20_000 }, (_, i) => ret(`m${i}`));
  for (let at = 0; at < many.length; at += 500)
    await Promise.all(many.slice(at, at + 500).map(async (r) => redis.returner(r, ctx)));
  const rate = Math.round(20_000 / ((performance.now() - began) / 1000));
  t.diagnostic(`redis: ${rate} returns/s`);
  const kept = Object.keys(await redis.jobCache.getJid('20300101000000000001', ctx)).length;
  assert.equal(kept, 20_000);
  assert.ok(rate > 5000, `${rate}`);
  await redis.close(ctx);
});

test('an open connection keeps no process alive', options, async () => {
  const ctx = await fresh();
  const holding = (): number => process.getActiveResourcesInfo().filter((r) => r.startsWith('TCP')).length;
  await redis.close(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  const before = holding();
  await redis.jobCache.getMinions(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  assert.equal(holding(), before);
  await redis.close(ctx);
});
