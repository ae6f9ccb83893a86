import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { formatJid } from '../../bus/jid.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, PyFloat, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import mysql from '../../returners/mysql.ts';
import postgres from '../../returners/postgres.ts';
import redis from '../../returners/redis.ts';
import { mariadbMissing, startMariadb } from '../services/mariadb.ts';
import { postgresMissing, startPostgres } from '../services/postgres.ts';
import { redisMissing, startRedis } from '../services/redis.ts';

const bin = process.env['BRINE_SALT_REF'] ?? join(process.cwd(), '.ref/bin');
const python = join(bin, 'python');
const saltext = process.env['BRINE_SALTEXT'] ?? join(bin, '../saltext');
const noReference = !existsSync(python)
  ? `no reference at ${python}: set BRINE_SALT_REF to the folder of its programs`
  : !existsSync(join(saltext, 'saltext'))
    ? `no Salt extensions at ${saltext}: set BRINE_SALTEXT to a folder where pip put saltext.redis and saltext.mysql`
    : undefined;

/** Calls functions of a Salt returner in the reference's interpreter, one line of JSON a call and an answer. */
const DRIVER = `
import sys, json, importlib
module, opts = sys.argv[1], json.loads(sys.argv[2])
m = importlib.import_module(module)
m.__opts__ = opts
m.__salt__ = {"config.option": lambda key, default="": opts.get(key, default)}
m.__context__ = {}
import salt.utils.jid
m.salt = sys.modules["salt"]
for line in sys.stdin:
    name, args = json.loads(line)
    try:
        answer = {"ok": getattr(m, name)(*args)}
    except BaseException as e:
        answer = {"error": repr(e)}
    print(json.dumps(answer), flush=True)
`;

type Call = readonly [name: string, args: readonly unknown[]];
async function theirs(
  module: string,
  opts: Readonly<Record<string, Wire>>,
  calls: readonly Call[],
): Promise<unknown[]> {
  const child = spawn(python, ['-c', DRIVER, module, JSON.stringify(opts)], {
    env: { ...process.env, PYTHONPATH: saltext },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  child.stderr.setEncoding('utf8').on('data', (d: string) => {
    err += d;
  });
  const ended = new Promise((ok) => child.once('close', ok));
  child.stdin.end(calls.map((c) => `${JSON.stringify(c)}\n`).join(''));
  await ended;
  const lines = out.trim().split('\n');
  assert.equal(lines.length, calls.length, err);
  return lines.map((line, i) => {
    // Python writes NaN, which JSON has not.
    const answer = JSON.parse(line.replace(/\bNaN\b/g, '"NaN"')) as { ok?: unknown; error?: string };
    assert.equal(answer.error, undefined, `${calls[i]?.[0]}: ${answer.error}\n${err}`);
    return answer.ok;
  });
}

const stops: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const stop of stops.reverse()) await stop();
});

const NOW = Math.floor(Date.now() / 1000) * 1000;
const jidAt = (seconds: number): string => formatJid(BigInt(NOW + seconds * 1000) * 1000n);
const [ONE, TWO, OLD] = [jidAt(0), jidAt(1), jidAt(-100_000)];
const BIG = 'ö0123456789abcdef'.repeat(62_000);
const TEXT = 'ä 中文 😀 \' " \\ \n %s ? $1';
const load = (jid: string, fun: string): WireMap => ({
  jid,
  fun,
  arg: [TEXT],
  tgt: '*',
  tgt_type: 'glob',
  user: 'root',
  ret: '',
});
const ret = (jid: string, id: string, fun: string, value: Wire): WireMap => ({
  jid,
  id,
  fun,
  fun_args: [TEXT],
  return: value,
  retcode: 0,
  success: true,
});

interface Store {
  readonly name: string;
  readonly module: string;
  readonly skip: string | undefined;
  readonly returner: typeof redis | typeof mysql;
  /** Options for both sides, on a fresh store. */
  open(): Promise<Record<string, Wire>>;
  empty(): Promise<void>;
  /** Makes the returns of a job old. */
  age(jid: string): Promise<void>;
  /** Functions that this one of Salt's has not, or that cannot work there. */
  readonly lacks: readonly string[];
}

function redisStore(): Store {
  let db: Redis;
  return {
    name: 'redis',
    module: 'saltext.redis.returners.redis_return',
    skip: redisMissing(),
    returner: redis,
    async open() {
      const service = await startRedis();
      db = new Redis(service.port, '127.0.0.1');
      stops.push(
        () => service.stop(),
        async () => db.disconnect(),
      );
      return { 'redis.host': '127.0.0.1', 'redis.port': service.port };
    },
    empty: async () => void (await db.flushall()),
    age: async (jid) => void (await db.del(`load:${jid}`)),
    // Salt reads a key there that nobody writes; it has no event_return and no get_jids_filter.
    lacks: ['get_fun', 'event_return', 'get_jids_filter'],
  };
}

function mysqlStore(): Store {
  let port = 0;
  const run = async (sql: string): Promise<void> => {
    const c = await createConnection({ host: '127.0.0.1', port, user: 'salt', password: 'salt', database: 'salt' });
    await c.query(sql);
    await c.end();
  };
  return {
    name: 'mysql',
    module: 'saltext.mysql.returners.mysql',
    skip: mariadbMissing(),
    returner: mysql,
    async open() {
      const service = await startMariadb();
      stops.push(() => service.stop());
      port = service.port;
      for (const sql of mysql.schema()) await run(sql);
      return { 'mysql.host': '127.0.0.1', 'mysql.port': port };
    },
    async empty() {
      for (const t of ['jids', 'salt_returns', 'salt_events']) await run(`TRUNCATE ${t}`);
    },
    age: (jid) => run(`UPDATE salt_returns SET alter_time = NOW() - INTERVAL 2 DAY WHERE jid = '${jid}'`),
    lacks: [],
  };
}

function postgresStore(): Store {
  let port = 0;
  const run = async (sql: string): Promise<void> => {
    const c = new Client({ host: '127.0.0.1', port, user: 'salt', password: 'salt', database: 'salt' });
    await c.connect();
    await c.query(sql);
    await c.end();
  };
  return {
    name: 'postgres',
    module: 'salt.returners.postgres',
    skip:
      postgresMissing() ??
      (existsSync(join(saltext, 'psycopg2')) ? undefined : 'no psycopg2 beside the Salt extensions'),
    returner: postgres,
    async open() {
      const service = await startPostgres();
      stops.push(() => service.stop());
      port = service.port;
      for (const sql of postgres.schema()) await run(sql);
      return { 'returner.postgres.host': '127.0.0.1', 'returner.postgres.port': port };
    },
    async empty() {
      for (const t of ['jids', 'salt_returns', 'salt_events']) await run(`TRUNCATE ${t}`);
    },
    age: (jid) => run(`UPDATE salt_returns SET alter_time = now() - interval '2 days' WHERE jid = '${jid}'`),
    // Salt's statement for get_fun is no PostgreSQL; it never cleans.
    lacks: ['get_fun', 'clean_old_jobs', 'get_jids_filter'],
  };
}

for (const store of [redisStore(), mysqlStore(), postgresStore()]) {
  const skip = noReference ?? store.skip;
  const options = skip === undefined ? {} : { skip };
  let opened: Promise<Record<string, Wire>> | undefined;
  const begin = async (): Promise<{ ctx: ReturnerCtx; opts: Record<string, Wire> }> => {
    opened ??= store.open();
    const opts = { id: 'master_master', keep_jobs_seconds: 86_400, ...(await opened) };
    await store.empty();
    const ctx = {
      opts: new Opts(new PyDict(Object.entries(opts).map(([k, v]) => [k, toPy(v)]))),
      log: quietLog,
      context: new Map<string, unknown>(),
    };
    return { ctx, opts };
  };
  const has = (name: string): boolean => !store.lacks.includes(name);
  const { returner } = store;
  const { jobCache } = returner;

  test(`${store.name}: what Salt writes, ours reads`, options, async (t) => {
    const { ctx, opts } = await begin();
    const covered = new Set<string>();
    const write = async (calls: readonly Call[]): Promise<unknown[]> => {
      for (const [name] of calls) covered.add(name);
      return theirs(store.module, opts, calls);
    };
    const written = await write([
      ['prep_jid', [false, ONE]],
      ['save_load', [ONE, load(ONE, 'test.echo')]],
      ['save_load', [ONE, load(ONE, 'test.echo')]],
      ['save_minions', [ONE, ['a', 'b']]],
      ['save_load', [TWO, load(TWO, 'test.ping')]],
      ['returner', [ret(ONE, 'a', 'test.echo', { text: TEXT, list: [1, 2.5, null, true] })]],
      ['returner', [ret(ONE, 'b', 'test.echo', BIG)]],
      ['returner', [ret(ONE, 'b', 'test.echo', BIG)]],
      ['returner', [ret(TWO, 'a', 'test.ping', true)]],
      ...(has('event_return') ? ([['event_return', [[{ tag: 'x/y', data: { t: TEXT } }]]]] as const) : []),
    ]);
    assert.equal(written[0], ONE);
    assert.deepEqual((await jobCache.getLoad(ONE, ctx))['arg'], [TEXT]);
    const got = (await jobCache.getJid(ONE, ctx)) as Record<string, WireMap>;
    assert.deepEqual(Object.keys(got), ['a', 'b']);
    assert.deepEqual(JSON.parse(JSON.stringify(got['a']?.['return'])), { text: TEXT, list: [1, 2.5, null, true] });
    assert.ok(got['b']?.['return'] === BIG);
    assert.deepEqual([got['a']?.['retcode'], got['a']?.['success']], [0, true]);
    assert.deepEqual(Object.keys(await jobCache.getJids(ctx)), [ONE, TWO]);
    assert.equal(((await jobCache.getJids(ctx))[TWO] as WireMap)['Function'], 'test.ping');
    assert.equal(((await jobCache.getFun('test.ping', ctx))['a'] as WireMap)['jid'], TWO);
    assert.deepEqual(await jobCache.getMinions(ctx), ['a', 'b']);
    await store.age(ONE);
    await jobCache.cleanOldJobs(ctx, Date.now());
    assert.deepEqual(Object.keys(await jobCache.getJids(ctx)), [TWO]);
    t.diagnostic(
      `${store.name}: Salt wrote with ${covered.size} functions, ours read with getLoad, getJid, getJids, getFun, getMinions, cleanOldJobs`,
    );
    await returner.close(ctx);
  });

  test(`${store.name}: what ours writes, Salt reads`, options, async (t) => {
    const { ctx, opts } = await begin();
    const bytes = new Uint8Array([0xff, 0x00, 0x41]);
    await jobCache.saveLoad(ONE, load(ONE, 'test.echo'), ['a', 'b'], ctx);
    await jobCache.saveLoad(TWO, load(TWO, 'test.ping'), ['a'], ctx);
    await jobCache.saveLoad(OLD, load(OLD, 'test.ping'), ['a'], ctx);
    await returner.returner(
      ret(ONE, 'a', 'test.echo', { text: TEXT, whole: new PyFloat(1), nan: new PyFloat(Number.NaN), bytes }),
      ctx,
    );
    for (let i = 0; i < 3; i++) await returner.returner(ret(ONE, 'b', 'test.echo', BIG), ctx);
    await returner.returner(ret(TWO, 'a', 'test.ping', true), ctx);
    await returner.returner({ ...ret(TWO, 'c', 'test.version', '1'), jid: 'req' }, ctx);
    await returner.eventReturn([{ tag: 'x/y', data: { t: TEXT } }], ctx);
    const calls: Call[] = [
      ['get_load', [ONE]],
      ['get_load', ['20000101000000000000']],
      ['get_jid', [ONE]],
      ['get_jids', []],
      ['get_minions', []],
      ...(has('get_fun') ? ([['get_fun', ['test.ping']]] as const) : []),
      ...(has('get_jids_filter') ? ([['get_jids_filter', [10]]] as const) : []),
    ];
    const answers = await theirs(store.module, opts, calls);
    const of = (name: string, nth = 0): Record<string, Record<string, unknown>> =>
      calls.flatMap((c, i) => (c[0] === name ? [answers[i]] : []))[nth] as Record<string, Record<string, unknown>>;
    assert.deepEqual(of('get_load')['arg'], [TEXT]);
    assert.deepEqual(of('get_load', 1), {});
    const jid = of('get_jid');
    assert.deepEqual(Object.keys(jid).sort(), ['a', 'b']);
    assert.deepEqual(jid['a']?.['return'], { text: TEXT, whole: 1, nan: 'NaN', bytes: '\udcff\u0000A' });
    assert.equal(jid['a']?.['jid'], ONE);
    assert.ok(jid['b']?.['return'] === BIG);
    const jids = of('get_jids');
    const standalone = Object.keys(jids).find((j) => ![ONE, TWO, OLD].includes(j));
    assert.deepEqual(Object.keys(jids).sort(), [OLD, ONE, TWO, standalone].sort());
    assert.deepEqual(
      [jids[TWO]?.['Function'], jids[TWO]?.['Target-type'], jids[TWO]?.['User']],
      ['test.ping', 'glob', 'root'],
    );
    assert.equal(jids[standalone as string]?.['Function'], 'test.version');
    assert.deepEqual((of('get_minions') as unknown as string[]).sort(), ['a', 'b', 'c']);
    if (has('get_fun')) assert.equal(of('get_fun')['a']?.['return'], true);
    if (has('get_jids_filter')) assert.equal((of('get_jids_filter') as unknown as unknown[]).length, 4);
    if (has('clean_old_jobs')) {
      await store.age(ONE);
      await theirs(store.module, opts, [['clean_old_jobs', []]]);
      assert.deepEqual(await jobCache.getJid(ONE, ctx), {});
      assert.deepEqual(Object.keys(await jobCache.getJid(TWO, ctx)), ['a']);
    }
    t.diagnostic(
      `${store.name}: ours wrote, Salt read with ${new Set(calls.map((c) => c[0])).size + Number(has('clean_old_jobs'))} functions`,
    );
    await returner.close(ctx);
  });
}
