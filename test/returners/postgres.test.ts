import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import postgres from '../../returners/postgres.ts';
import { returnerSuite } from '../conformance/returner-suite.ts';
import { type PostgresService, postgresMissing, startPostgres } from '../services/postgres.ts';

const skip = postgresMissing();
const options = skip === undefined ? {} : { skip };
let server: Promise<PostgresService> | undefined;
let raw: Promise<Client> | undefined;
after(async () => {
  await (await raw)?.end().catch(() => undefined);
  await (await server)?.stop();
});

const JID = '20300101000000000001';
const ret = (id: string, more: WireMap = {}): WireMap => ({
  jid: JID,
  id,
  fun: 'test.ping',
  fun_args: [],
  return: true,
  retcode: 0,
  success: true,
  ...more,
});

async function db(): Promise<{ service: PostgresService; raw: Client }> {
  server ??= startPostgres();
  const service = await server;
  raw ??= (async () => {
    const c = new Client({ host: '127.0.0.1', port: service.port, user: 'salt', password: 'salt', database: 'salt' });
    c.on('error', () => undefined);
    await c.connect();
    return c;
  })();
  return { service, raw: await raw };
}

async function rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, string>[]> {
  return (await (await db()).raw.query(sql, [...values])).rows;
}

async function fresh(opts: Readonly<Record<string, Wire>> = {}): Promise<ReturnerCtx> {
  const { service } = await db();
  await rows(
    'DROP TABLE IF EXISTS jids, salt_returns, salt_events, jids_archive, salt_returns_archive, salt_events_archive',
  );
  const all = {
    id: 'master_master',
    'returner.postgres.host': '127.0.0.1',
    'returner.postgres.port': service.port,
    ...opts,
  };
  const ctx = {
    opts: new Opts(new PyDict(Object.entries(all).map(([k, v]) => [k, toPy(v)]))),
    log: quietLog,
    context: new Map<string, unknown>(),
  };
  await postgres.createTables(ctx);
  return ctx;
}

returnerSuite(
  'postgres',
  async () => ({
    returner: postgres,
    fresh,
    age: async (jid, seconds) => {
      await rows("UPDATE salt_returns SET alter_time = alter_time - $1::int * interval '1 second' WHERE jid = $2", [
        seconds,
        jid,
      ]);
    },
    copies: async (jid, id) => (await rows('SELECT 1 FROM salt_returns WHERE jid = $1 AND id = $2', [jid, id])).length,
  }),
  skip,
);

test("the columns hold what Salt's postgres returner puts there", options, async () => {
  const ctx = await fresh();
  await postgres.returner(ret('a', { return: { k: [1, true] } }), ctx);
  await postgres.returner(ret('b', { success: false }), ctx);
  const [a, b] = await rows('SELECT * FROM salt_returns ORDER BY id');
  assert.deepEqual(
    [a?.['fun'], a?.['jid'], a?.['return'], a?.['id'], a?.['success']],
    ['test.ping', JID, '{"k": [1, true]}', 'a', 'true'],
  );
  assert.equal(b?.['success'], 'false');
  await postgres.close(ctx);
});

test(
  'events are rows, not doubled after a break; what expires is archived where that is asked for',
  options,
  async () => {
    const ctx = await fresh({ archive_jobs: true, keep_jobs_seconds: 60 });
    const events = [1, 2, 3].map((n) => ({ tag: `my/tag/${n}`, data: { n, _stamp: `2030-01-01T00:00:0${n}` } }));
    await postgres.eventReturn(events, ctx);
    const again = { ...ctx, context: new Map<string, unknown>() };
    await postgres.eventReturn(events, again);
    assert.equal((await rows('SELECT tag FROM salt_events')).length, 3);
    await postgres.jobCache.saveLoad(JID, { fun: 'x' }, [], ctx);
    await postgres.returner(ret('a'), ctx);
    for (const t of ['salt_returns', 'salt_events'])
      await rows(`UPDATE ${t} SET alter_time = now() - interval '61 seconds'`);
    assert.equal(await postgres.jobCache.cleanOldJobs(ctx, Date.now()), 1);
    assert.deepEqual(
      await Promise.all(
        ['jids', 'salt_returns', 'salt_events'].map(async (t) => [
          (await rows(`SELECT * FROM ${t}`)).length,
          (await rows(`SELECT * FROM ${t}_archive`)).length,
        ]),
      ),
      [
        [0, 1],
        [0, 1],
        [0, 3],
      ],
    );
    await Promise.all([postgres.close(ctx), postgres.close(again)]);
  },
);

test('returns sent again and again through kills of the server are there once each', options, async (t) => {
  const ctx = await fresh();
  const { service } = await db();
  let failures = 0;
  const send = async (id: string): Promise<void> => {
    for (;;)
      try {
        await postgres.returner(ret(id), ctx);
        return;
      } catch {
        failures++;
        await new Promise((ok) => setTimeout(ok, 50));
      }
  };
  const all: Promise<void>[] = [];
  for (let i = 0; i < 400; i++) {
    all.push(send(`m${i}`));
    if (i % 10 === 9) await new Promise((ok) => setTimeout(ok, 5));
    if (i === 200) {
      await service.kill();
      raw = undefined;
      await new Promise((ok) => setTimeout(ok, 100));
      await service.start();
    }
  }
  await Promise.all(all);
  const found = await rows('SELECT id, COUNT(*) AS n FROM salt_returns GROUP BY id');
  const doubled = found.filter((r) => Number(r['n']) !== 1).length;
  t.diagnostic(
    `postgres: 400 returns through a kill, ${failures} tries failed: ${400 - found.length} lost, ${doubled} doubled`,
  );
  assert.deepEqual([found.length, doubled], [400, 0]);
  assert.ok(failures > 0);
  await postgres.close(ctx);
});

test('ten thousand returns are written at more than 1,000 a second', options, async (t) => {
  const ctx = await fresh();
  const began = performance.now();
  const many = Array.from({ length: 10_000 }, (_, i) => ret(`m${i}`));
  for (let at = 0; at < many.length; at += 500)
    await Promise.all(many.slice(at, at + 500).map(async (r) => postgres.returner(r, ctx)));
  const rate = Math.round(10_000 / ((performance.now() - began) / 1000));
  t.diagnostic(`postgres: ${rate} returns/s`);
  assert.equal(Number((await rows('SELECT COUNT(DISTINCT id) AS n FROM salt_returns'))[0]?.['n']), 10_000);
  assert.ok(rate > 1000, `${rate}`);
  await postgres.close(ctx);
});

test('an open connection keeps no process alive', options, async () => {
  const ctx = await fresh();
  const holding = (): number => process.getActiveResourcesInfo().filter((r) => r.startsWith('TCP')).length;
  await postgres.close(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  const before = holding();
  await postgres.jobCache.getMinions(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  assert.equal(holding(), before);
  await postgres.close(ctx);
});
