import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { type MariadbService, mariadbMissing, startMariadb } from '../services/mariadb.ts';
import { type Place, startPlace } from '../services/place.ts';
import { type RedisService, redisMissing, startRedis } from '../services/redis.ts';

const skip = redisMissing() ?? mariadbMissing() ?? false;

const until = async (what: string, done: () => Promise<boolean>, seconds = 40): Promise<void> => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    if (await done().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`in ${seconds} s not: ${what}`);
    await new Promise((ok) => setTimeout(ok, 200));
  }
};

describe('returners on real servers', { skip }, () => {
  let redis: RedisService;
  let maria: MariadbService;
  let place: Place;

  const rows = async (sql: string, values: readonly string[] = []): Promise<RowDataPacket[]> => {
    const c = await createConnection({
      host: '127.0.0.1',
      port: maria.port,
      user: 'salt',
      password: 'salt',
      database: 'salt',
    });
    try {
      return (await c.query<RowDataPacket[]>(sql, [...values]))[0];
    } finally {
      await c.end();
    }
  };
  const start = async (master: string): Promise<void> => {
    const stores = `redis.host: 127.0.0.1\nredis.port: ${redis.port}\nmysql.host: 127.0.0.1\nmysql.port: ${maria.port}\nalternative.redis.db: 5\n`;
    place = await startPlace({ minions: ['alpha', 'beta'], master: stores + master, minion: stores });
  };

  before(async () => {
    [redis, maria] = await Promise.all([startRedis(), startMariadb()]);
    await start(
      'master_job_cache: mysql\nevent_return: [mysql]\nevent_return_whitelist: ["my/*"]\nevent_return_queue: 100\n',
    );
  });
  after(async () => {
    await place?.close();
    await redis?.stop();
    await maria?.stop();
  });

  test('returner.schema prints the tables and returner.create makes them', async () => {
    const shown = await place.run('salt-run', ['returner.schema', 'mysql']);
    assert.match(shown.stdout, /CREATE TABLE IF NOT EXISTS `salt_returns`/);
    const made = await place.run('salt-run', ['returner.create', 'mysql', '--out=json']);
    assert.deepEqual(JSON.parse(made.stdout), { returner: 'mysql', statements: 3 });
    assert.equal((await place.run('salt-run', ['returner.create', 'mysql'])).code, 0);
    await until('the job cache is up', async () =>
      /"state": "up"/.test((await place.run('salt-run', ['returner.status', '--out=json'])).stdout),
    );
  });

  test('--return redis,mysql writes to both, with a profile and an override too', async () => {
    const r = await place.run('salt', ['*', 'test.echo', 'ä😀', '--return', 'redis,mysql', '--out=json', '--static']);
    assert.deepEqual(JSON.parse(r.stdout), { alpha: 'ä😀', beta: 'ä😀' });
    const db = new Redis(redis.port, '127.0.0.1');
    try {
      await until('both returns are in redis', async () => (await db.scard('minions')) === 2);
      const [jid] = (await db.keys('ret:*')).map((k) => k.slice(4)) as [string];
      await until('both returns are in mysql', async () => {
        const found = await rows('SELECT id, `return` FROM salt_returns WHERE jid = ? ORDER BY id', [jid]);
        return (
          JSON.stringify(found) ===
          JSON.stringify([
            { id: 'alpha', return: '"ä😀"' },
            { id: 'beta', return: '"ä😀"' },
          ])
        );
      });
      await place.run('salt', ['alpha', 'test.ping', '--return', 'redis', '--return_config', 'alternative']);
      await place.run('salt', ['beta', 'test.ping', '--return', 'redis', '--return_kwargs', '{"db": 6}']);
      for (const [number, id] of [
        [5, 'alpha'],
        [6, 'beta'],
      ] as const) {
        const other = new Redis({ host: '127.0.0.1', port: redis.port, db: number });
        await until(`${id} in database ${number}`, async () => (await other.smembers('minions')).join() === id);
        other.disconnect();
      }
    } finally {
      db.disconnect();
    }
  });

  test('the jobs runner answers from mysql', async () => {
    const [job] = await rows("SELECT jid FROM jids WHERE `load` LIKE '%test.echo%'");
    const jid = String(job?.['jid']);
    const found = await place.run('salt-run', ['jobs.lookup_jid', jid, '--out=json']);
    assert.deepEqual(JSON.parse(found.stdout), { alpha: 'ä😀', beta: 'ä😀' });
    assert.deepEqual([found.code, found.ms < 20_000], [0, true], 'the open connection keeps it from ending');
    const list = JSON.parse((await place.run('salt-run', ['jobs.list_jobs', '--out=json'])).stdout);
    assert.equal(list[jid].Function, 'test.echo');
    const one = JSON.parse((await place.run('salt-run', ['jobs.list_job', jid, '--out=json'])).stdout);
    assert.deepEqual([...one.Minions].sort(), ['alpha', 'beta']);
  });

  test('with the database killed and the master killed twice, commands go on, and nothing is lost or doubled', async (t) => {
    const quick = await place.run('salt', ['*', 'test.ping', '--out=json', '--static']);
    await maria.kill();
    const fired: number[] = [];
    const jids: string[] = [];
    const slow: number[] = [];
    for (let round = 0; round < 3; round++) {
      const bus = place.events();
      for (let i = 0; i < 100; i++) {
        const n = round * 100 + i;
        assert.ok(await bus.fireEvent({ n }, `my/event/${n}`));
        fired.push(n);
      }
      for (const id of ['alpha', 'beta']) {
        const r = await place.run('salt', [
          id,
          'test.echo',
          `round ${round}`,
          '--out=json',
          '--show-jid',
          '--return',
          'redis',
        ]);
        assert.match(r.stdout, new RegExp(`"${id}": "round ${round}"`), r.stdout + r.stderr);
        slow.push(r.ms);
        jids.push(/jid: (\d{20})/.exec(r.stdout)?.[1] ?? '');
      }
      const status = JSON.parse((await place.run('salt-run', ['returner.status', '--out=json'])).stdout);
      assert.equal(status.master_job_cache.state, 'down');
      if (round === 2) break;
      await place.master.kill();
      const back = ['alpha', 'beta'].map(async (id) =>
        until(`${id} answers again`, async () =>
          (await place.run('salt', [id, 'test.ping', '--out=json', '-t', '2'])).stdout.includes('true'),
        ),
      );
      place.master.start();
      await Promise.all(back);
    }
    await maria.start();
    await until(
      'all events are there',
      async () => {
        const [row] = await rows("SELECT COUNT(DISTINCT tag) AS n FROM salt_events WHERE tag LIKE 'my/event/%'");
        return Number(row?.['n']) === fired.length;
      },
      60,
    );
    await until(
      'all returns are there',
      async () => {
        const found = await rows(`SELECT jid FROM salt_returns WHERE jid IN (${jids.map(() => '?').join()})`, jids);
        return new Set(found.map((r) => r['jid'])).size === jids.length;
      },
      60,
    );
    const events = await rows("SELECT tag, COUNT(*) AS n FROM salt_events WHERE tag LIKE 'my/event/%' GROUP BY tag");
    const returns = await rows('SELECT jid, id, COUNT(*) AS n FROM salt_returns GROUP BY jid, id');
    const doubled = [...events, ...returns].filter((r) => Number(r['n']) !== 1).length;
    t.diagnostic(
      `${fired.length} events and ${jids.length} jobs while the database was away and the master was killed twice: ` +
        `${fired.length - events.length} events lost, ${doubled} doubled; a command took ${Math.round(quick.ms)} ms before and at most ${Math.round(Math.max(...slow))} ms then`,
    );
    assert.deepEqual([events.length, doubled], [fired.length, 0]);
    const db = new Redis(redis.port, '127.0.0.1');
    for (const jid of jids) assert.equal(await db.hlen(`ret:${jid}`), 1);
    db.disconnect();
  });

  test('a minion keeps what its returner does not take, and sends it when the server is back', async () => {
    await redis.kill();
    const r = await place.run('salt', ['alpha', 'test.echo', 'later', '--return', 'redis', '--out=json', '--show-jid']);
    assert.match(r.stdout, /"alpha": "later"/);
    const jid = /jid: (\d{20})/.exec(r.stdout)?.[1] ?? '';
    await redis.start();
    const db = new Redis(redis.port, '127.0.0.1');
    await until('the return is in redis', async () => (await db.hexists(`ret:${jid}`, 'alpha')) === 1, 60);
    db.disconnect();
  });

  test('no database at all leaves a master that starts and answers', async () => {
    await maria.kill();
    await place.master.stop();
    place.master.start();
    await until('alpha answers', async () =>
      (await place.run('salt', ['alpha', 'test.ping', '--out=json', '-t', '2'])).stdout.includes('true'),
    );
    await maria.start();
  });
});
