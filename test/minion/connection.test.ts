import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { filter, firstValueFrom, take, timeout, toArray } from 'rxjs';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryNetwork } from '../../bus/transport/memory.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import type { PrivateKey } from '../../bus/wire/keys.ts';
import { type Arrived, MasterConnection } from '../../minion/connection.ts';
import { HandMaster, keyPairs } from './hand-master.ts';

let keys: { master: PrivateKey; other: PrivateKey; minion: PrivateKey };
let dir: string;
let net: MemoryNetwork;
let master: HandMaster;
let connection: MasterConnection | undefined;
let lines: string[];
let jid = 20260101000000000000n;

before(async () => {
  keys = await keyPairs();
  dir = mkdtempSync(join(tmpdir(), 'connection-'));
});
beforeEach(async () => {
  rmSync(join(dir, 'minion_master.pub'), { force: true });
  net = new MemoryNetwork();
  master = new HandMaster(net, keys.master);
  await master.start();
  lines = [];
});
afterEach(async () => {
  await connection?.stop();
  connection = undefined;
  await master.stop();
});
after(() => rmSync(dir, { recursive: true, force: true }));

function connect(
  options: Record<string, Py> = {},
  more: Partial<ConstructorParameters<typeof MasterConnection>[0]> = {},
) {
  const opts = new Opts(
    new PyDict<Py>(
      Object.entries({
        id: 'm1',
        pki_dir: dir,
        auth_timeout: 0.2,
        auth_tries: 1,
        acceptance_wait_time: 0.05,
        recon_default: 20,
        recon_max: 100,
        request_channel_timeout: 0.3,
        request_channel_tries: 2,
        ...options,
      }),
    ),
  );
  connection = new MasterConnection({
    opts,
    log: new Log('t', (r) => lines.push(`${r.level}: ${r.message}`), 0),
    key: keys.minion,
    grains: () => new PyDict(),
    sockets: {
      requests: (host, port) => net.requestClient(host, port),
      publishes: (host, port) => net.publishClient(host, port),
    },
    masters: [{ host: 'master', port: 4506 }],
    resolve: async (host) => host,
    ...more,
  });
  return connection;
}
const online = (c: MasterConnection): Promise<boolean> =>
  firstValueFrom(c.online$.pipe(filter(Boolean), timeout(5000)));
const jobs = (c: MasterConnection, n: number): Promise<Arrived[]> =>
  firstValueFrom(c.jobs$.pipe(take(n), toArray(), timeout(5000)));
const load = (fun = 'test.ping') => ({ fun, tgt: '*', jid: String(++jid) });

test('a signed-in minion hears jobs and asks questions', async () => {
  const c = connect();
  void c.start();
  await online(c);
  master.handle = (l) => ({ heard: l['what'] ?? null });
  assert.deepEqual({ ...((await c.request('_anything', { what: 7 })) as object) }, { heard: 7 });
  const heard = jobs(c, 1);
  master.publish(load('test.version'));
  assert.equal((await heard)[0]?.load['fun'], 'test.version');
});

test('a publish under a new key makes the minion sign in again and run that very publish', async () => {
  const c = connect();
  void c.start();
  await online(c);
  const before = master.signIns;
  master.rotate();
  const heard = jobs(c, 2);
  master.publish(load('first.after'));
  master.publish(load('second.after'));
  assert.deepEqual(
    (await heard).map((a) => a.load['fun']),
    ['first.after', 'second.after'],
  );
  assert.equal(master.signIns, before + 1);
});

test('a recorded publish that comes again is dropped and counted, also after signing in again', async () => {
  const c = connect();
  void c.start();
  await online(c);
  const heard = jobs(c, 2);
  const recorded = master.publish(load('once.only'));
  master.sendFrame(recorded);
  master.deaf = true;
  setTimeout(() => {
    master.deaf = false;
  }, 30);
  await c.request('_x', {}).catch(() => undefined);
  master.sendFrame(recorded);
  master.publish(load('other.job'));
  assert.deepEqual(
    (await heard).map((a) => a.load['fun']),
    ['once.only', 'other.job'],
  );
  assert.ok((c.dropped['replayed'] ?? 0) >= 2);
});

test('garbage and forged publishes never reach a job, and forged ones cause one sign-in at most', async () => {
  const c = connect();
  void c.start();
  await online(c);
  const before = master.signIns;
  const stranger = new HandMaster(new MemoryNetwork(), keys.other);
  await stranger.start();
  let seen = 0;
  c.jobs$.subscribe(() => seen++);
  for (let i = 0; i < 20; i++) master.sendFrame(stranger.publish(load()));
  master.sendFrame(Buffer.from('garbage'));
  master.sendFrame(Buffer.alloc(0));
  const heard = jobs(c, 1);
  master.publish(load('test.ping'));
  await heard;
  await stranger.stop();
  assert.equal(seen, 1);
  assert.ok(master.signIns - before <= 1, `${master.signIns - before} sign-ins`);
});

test('a master that cannot read a request is signed in at again, and the request is made once more', async () => {
  const c = connect();
  void c.start();
  await online(c);
  master.deaf = true;
  const before = master.signIns;
  const asked = c.request('_return', { jid: '1' });
  setTimeout(() => {
    master.deaf = false;
  }, 0);
  await asked.catch(() => undefined);
  master.deaf = false;
  assert.equal(master.signIns, before + 1);
  await c.request('_return', { jid: '2' });
  assert.equal(master.loads.at(-1)?.['jid'], '2');
});

test('a request to a silent master ends with a timeout after its tries', async () => {
  const c = connect();
  void c.start();
  await online(c);
  master.handle = () => undefined;
  await assert.rejects(c.request('_x', {}, { timeout: 20, tries: 3 }), { code: 'SaltReqTimeoutError' });
  assert.equal(master.loads.length, 3);
});

test('a lost master is found again, its name asked for anew, and offline requests wait for it', async () => {
  const asked: string[] = [];
  let address = 'master';
  const c = connect(
    {},
    {
      resolve: async (host) => {
        asked.push(host);
        return address;
      },
    },
  );
  void c.start();
  await online(c);
  await master.stop();
  await firstValueFrom(c.online$.pipe(filter((o) => !o)));
  const waiting = c.request('_return', { jid: '9' }, { timeout: 3000 });
  address = 'moved';
  master = new HandMaster(net, keys.master, 'moved');
  await master.start();
  await online(c);
  await waiting;
  assert.equal(master.loads.at(-1)?.['jid'], '9');
  assert.ok(asked.length >= 2);
  assert.ok(lines.some((l) => l === 'warning: Connection to master master lost'));
});

test('a name that cannot be resolved is asked for again after retry_dns seconds', async () => {
  let fails = 2;
  const c = connect(
    { retry_dns: 0.02 },
    {
      resolve: async (host) => {
        if (fails-- > 0) throw new Error('ENOTFOUND');
        return host;
      },
    },
  );
  void c.start();
  await online(c);
  assert.ok(lines.some((l) => l.includes("Master hostname: 'master' not found or not responsive. Retrying in")));
});

test('failover goes to the next master when the first does not answer', async () => {
  const second = new HandMaster(net, keys.master, 'second');
  await second.start();
  await master.stop();
  const c = connect(
    {},
    {
      masters: [
        { host: 'master', port: 4506 },
        { host: 'second', port: 4506 },
      ],
    },
  );
  void c.start();
  await online(c);
  assert.equal(c.name, 'second');
  await second.stop();
});

test('a rejection while running ends the connection for good', async () => {
  const c = connect();
  void c.start();
  await online(c);
  const ended = firstValueFrom(c.ended$.pipe(timeout(5000)));
  master.answers = ['rejected'];
  master.rotate();
  master.publish(load());
  assert.equal((await ended).code, 'AuthenticationError');
});

test('a connection can be stopped in any state', async () => {
  for (const answer of ['pending', 'silence', 'accept'] as const) {
    master.answers = [answer];
    const c = connect({ acceptance_wait_time: 60 });
    const run = c.start();
    await new Promise((r) => setTimeout(r, 20));
    await c.stop();
    await run;
  }
});
