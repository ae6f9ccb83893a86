import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import mysql from '../../returners/mysql.ts';
import { returnerSuite } from '../conformance/returner-suite.ts';
import { type MariadbService, mariadbMissing, startMariadb } from '../services/mariadb.ts';

const skip = mariadbMissing();
const options = skip === undefined ? {} : { skip };
let server: Promise<MariadbService> | undefined;
let raw: Connection | undefined;
after(async () => {
  raw?.destroy();
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

async function db(): Promise<{ service: MariadbService; raw: Connection }> {
  server ??= startMariadb();
  const service = await server;
  raw ??= await createConnection({
    host: '127.0.0.1',
    port: service.port,
    user: 'salt',
    password: 'salt',
    database: 'salt',
  });
  return { service, raw };
}

async function rows(sql: string, values: readonly string[] = []): Promise<RowDataPacket[]> {
  return (await (await db()).raw.query<RowDataPacket[]>(sql, [...values]))[0];
}

async function bare(opts: Readonly<Record<string, Wire>> = {}): Promise<ReturnerCtx> {
  const { service, raw } = await db();
  await raw.query(
    'DROP TABLE IF EXISTS jids, salt_returns, salt_events, jids_archive, salt_returns_archive, salt_events_archive',
  );
  const all = { id: 'master_master', 'mysql.host': '127.0.0.1', 'mysql.port': service.port, ...opts };
  return {
    opts: new Opts(new PyDict(Object.entries(all).map(([k, v]) => [k, toPy(v)]))),
    log: quietLog,
    context: new Map(),
  };
}

async function fresh(opts: Readonly<Record<string, Wire>> = {}): Promise<ReturnerCtx> {
  const ctx = await bare(opts);
  await mysql.createTables(ctx);
  return ctx;
}

returnerSuite(
  'mysql',
  async () => ({
    returner: mysql,
    fresh,
    age: async (jid, seconds) => {
      await (await db()).raw.query(
        'UPDATE salt_returns SET alter_time = alter_time - INTERVAL ? SECOND WHERE jid = ?',
        [seconds, jid],
      );
    },
    copies: async (jid, id) =>
      (await rows('SELECT 1 FROM salt_returns WHERE jid = ? AND BINARY id = ?', [jid, id])).length,
  }),
  skip,
);

test("the columns hold what Salt's mysql returner puts there", options, async () => {
  const ctx = await fresh();
  await mysql.jobCache.saveLoad(JID, { fun: 'test.ping', tgt: '*' }, ['a'], ctx);
  await mysql.returner(ret('a', { return: { k: [1, true] } }), ctx);
  await mysql.returner(ret('b', { success: false }), ctx);
  assert.deepEqual(await rows('SELECT jid, `load` FROM jids'), [
    { jid: JID, load: `{"jid": "${JID}", "fun": "test.ping", "tgt": "*", "Minions": ["a"]}` },
  ]);
  const [a, b] = await rows('SELECT * FROM salt_returns ORDER BY id');
  assert.deepEqual(
    [a?.['fun'], a?.['jid'], a?.['return'], a?.['id'], a?.['success']],
    ['test.ping', JID, '{"k": [1, true]}', 'a', '1'],
  );
  assert.equal(JSON.parse(a?.['full_ret']).retcode, 0);
  assert.equal(b?.['success'], '0');
  await mysql.close(ctx);
});

test('a table of three-byte characters takes an emoji all the same', options, async () => {
  const ctx = await bare();
  const { raw } = await db();
  for (const sql of mysql.schema()) await raw.query(sql.replace('CHARSET=utf8mb4', 'CHARSET=utf8mb3'));
  await mysql.jobCache.saveLoad(JID, { fun: 'x', arg: ['😀'] }, [], ctx);
  await Promise.all([mysql.returner(ret('a', { return: 'ä😀' }), ctx), mysql.returner(ret('b'), ctx)]);
  await mysql.eventReturn([{ tag: 'x', data: { t: '😀' } }], ctx);
  assert.deepEqual((await mysql.jobCache.getLoad(JID, ctx))['arg'], ['😀']);
  const got = (await mysql.jobCache.getJid(JID, ctx)) as Record<string, WireMap>;
  assert.deepEqual([got['a']?.['return'], got['b']?.['return']], ['ä😀', true]);
  await mysql.close(ctx);
});

test('a return that is too large for its column takes no other with it', options, async () => {
  const ctx = await fresh();
  const { raw } = await db();
  await raw.query('ALTER TABLE salt_returns MODIFY full_ret varchar(300) NOT NULL');
  const results = await Promise.allSettled(
    ['a', 'b', 'c'].map(async (id) => mysql.returner(ret(id, id === 'b' ? { return: 'x'.repeat(500) } : {}), ctx)),
  );
  assert.deepEqual(
    results.map((r) => r.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const why = (results[1] as PromiseRejectedResult).reason as { retryable: boolean; message: string };
  assert.equal(why.retryable, false);
  assert.match(why.message, /Data too long/);
  await mysql.close(ctx);
});

test('long function names and tags are cut to their columns', options, async () => {
  const ctx = await fresh();
  await mysql.returner(ret('a', { fun: `mod.${'f'.repeat(60)}` }), ctx);
  await mysql.eventReturn([{ tag: 't'.repeat(300), data: {} }], ctx);
  assert.equal((await rows('SELECT fun FROM salt_returns'))[0]?.['fun'].length, 50);
  assert.equal((await rows('SELECT tag FROM salt_events'))[0]?.['tag'].length, 255);
  assert.deepEqual(Object.keys(await mysql.jobCache.getFun(`mod.${'f'.repeat(60)}`, ctx)), ['a']);
  await mysql.close(ctx);
});

test(
  'a missing table and a wrong password are errors that say so, and that trying again may cure',
  options,
  async () => {
    const ctx = await bare();
    await assert.rejects(
      async () => mysql.returner(ret('a'), ctx),
      (e: Error & { retryable?: boolean }) => /salt_returns.*doesn't exist/.test(e.message) && e.retryable === true,
    );
    await mysql.createTables(ctx);
    await mysql.returner(ret('a'), ctx);
    const wrong = await bare({ 'mysql.pass': 'wrong-word' });
    await assert.rejects(
      async () => mysql.returner(ret('a'), wrong),
      (e: Error) => /Access denied/.test(e.message) && !/wrong-word/.test(e.message),
    );
    await Promise.all([mysql.close(ctx), mysql.close(wrong)]);
  },
);

test('archive_jobs moves what expires into tables of its own', options, async () => {
  const ctx = await fresh({ archive_jobs: true, keep_jobs_seconds: 60 });
  await mysql.jobCache.saveLoad(JID, { fun: 'x' }, [], ctx);
  await mysql.returner(ret('a'), ctx);
  await mysql.eventReturn([{ tag: 'x', data: {} }], ctx);
  const { raw } = await db();
  for (const t of ['salt_returns', 'salt_events'])
    await raw.query(`UPDATE ${t} SET alter_time = NOW() - INTERVAL 61 SECOND`);
  assert.equal(await mysql.jobCache.cleanOldJobs(ctx, Date.now()), 1);
  for (const t of ['jids', 'salt_returns', 'salt_events']) {
    assert.equal((await rows(`SELECT * FROM ${t}`)).length, 0, t);
    assert.equal((await rows(`SELECT * FROM ${t}_archive`)).length, 1, t);
  }
  await mysql.close(ctx);
});

test('events are rows, and a batch that comes again after a break is not doubled', options, async () => {
  const ctx = await fresh();
  const events = [1, 2, 3].map((n) => ({ tag: `my/tag/${n}`, data: { n, _stamp: `2030-01-01T00:00:0${n}` } }));
  await mysql.eventReturn(events, ctx);
  const again = { ...ctx, context: new Map<string, unknown>() };
  await mysql.eventReturn([...events, { tag: 'my/tag/4', data: { n: 4 } }], again);
  assert.deepEqual(
    (await rows('SELECT tag, data, master_id FROM salt_events ORDER BY id')).map((r) => [r['tag'], r['master_id']]),
    [1, 2, 3, 4].map((n) => [`my/tag/${n}`, 'master_master']),
  );
  await Promise.all([mysql.close(ctx), mysql.close(again)]);
});

test('returns sent again and again through kills of the server are there once each', options, async (t) => {
  const ctx = await fresh();
  const { service } = await db();
  let failures = 0;
  const send = async (id: string): Promise<void> => {
    for (;;)
      try {
        await mysql.returner(ret(id), ctx);
        return;
      } catch {
        failures++;
        await new Promise((ok) => setTimeout(ok, 50));
      }
  };
  const all: Promise<void>[] = [];
  for (let i = 0; i < 600; i++) {
    all.push(send(`m${i}`));
    if (i % 10 === 9) await new Promise((ok) => setTimeout(ok, 5));
    if (i === 150 || i === 400) {
      raw?.destroy();
      raw = undefined;
      await service.kill();
      await new Promise((ok) => setTimeout(ok, 100));
      await service.start();
    }
  }
  await Promise.all(all);
  const found = await rows('SELECT id, COUNT(*) AS n FROM salt_returns GROUP BY id');
  const doubled = found.filter((r) => Number(r['n']) !== 1).length;
  t.diagnostic(
    `mysql: 600 returns through 2 kills, ${failures} tries failed: ${600 - found.length} lost, ${doubled} doubled`,
  );
  assert.deepEqual([found.length, doubled], [600, 0]);
  assert.ok(failures > 0);
  await mysql.close(ctx);
});

test('ten thousand returns are written at more than 1,000 a second', options, async (t) => {
  const ctx = await fresh();
  const began = performance.now();
  const many = Array.from({ length: 10_000 }, (_, i) => ret(`m${i}`));
  for (let at = 0; at < many.length; at += 500)
    await Promise.all(many.slice(at, at + 500).map(async (r) => mysql.returner(r, ctx)));
  const rate = Math.round(10_000 / ((performance.now() - began) / 1000));
  t.diagnostic(`mysql: ${rate} returns/s`);
  assert.equal((await rows('SELECT COUNT(DISTINCT id) AS n FROM salt_returns'))[0]?.['n'], 10_000);
  assert.ok(rate > 1000, `${rate}`);
  await mysql.close(ctx);
});

test('an open connection keeps no process alive', options, async () => {
  const ctx = await fresh();
  const holding = (): number => process.getActiveResourcesInfo().filter((r) => r.startsWith('TCP')).length;
  await mysql.close(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  const before = holding();
  await mysql.jobCache.getMinions(ctx);
  await new Promise((ok) => setTimeout(ok, 50));
  assert.equal(holding(), before);
  await mysql.close(ctx);
});
