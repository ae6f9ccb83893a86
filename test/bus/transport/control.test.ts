import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { controlEvents } from '../../../bus/control-events.ts';
import { SaltError } from '../../../bus/errors.ts';
import { openBus } from '../../../bus/event-bus.ts';
import { quietLog } from '../../../bus/log.ts';
import { MemoryEventStore } from '../../../bus/store/memory.ts';
import { ControlClient, type ControlHandler, ControlServer } from '../../../bus/transport/control.ts';
import type { WireMap } from '../../../bus/values.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-control-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;

async function pair(handle: ControlHandler): Promise<{ server: ControlServer; client: ControlClient; path: string }> {
  const path = join(root, `${++n}.ipc`);
  const server = await ControlServer.listen(path, { mode: 0o600, handle });
  return { server, client: await ControlClient.connect(path), path };
}

test('requests of one connection are answered each on its own, in whatever order they end', async () => {
  const { server, client, path } = await pair(async (_cmd, load) => {
    if (load['slow']) await new Promise((r) => setTimeout(r, 20));
    return { got: load['i'] ?? null };
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const order: number[] = [];
  const ask = async (i: number, slow: boolean): Promise<void> => {
    const r = (await client.request('x', { i, slow })) as WireMap;
    assert.equal(r['got'], i);
    order.push(i);
  };
  await Promise.all([ask(1, true), ask(2, false), ask(3, false)]);
  assert.deepEqual(order, [2, 3, 1]);
  client.close();
  await server.close();
});

test('a failure keeps its code, its message and its exit code; a bug is told as an internal error', async () => {
  const { server, client } = await pair(async (cmd) => {
    if (cmd === 'bug') throw new Error('oops');
    throw new SaltError('AuthorizationError', 'Authorization error occurred.', { exit: 77 });
  });
  await assert.rejects(client.request('x'), {
    code: 'AuthorizationError',
    message: 'Authorization error occurred.',
    exitCode: 77,
  });
  await assert.rejects(client.request('bug'), { code: 'SaltClientError', message: 'Internal error: oops' });
  client.close();
  await server.close();
});

test('a stream ends with its handler, and leaving the loop stops the handler', async () => {
  let stopped = false;
  const { server, client } = await pair(async (cmd, _load, stream) => {
    for (let i = 0; cmd === 'endless' ? !stream.signal.aborted : i < 5000; i++) await stream.send({ i });
    stopped = stream.signal.aborted;
    return null;
  });
  const got: number[] = [];
  for await (const item of client.stream('some')) got.push((item as { i: number }).i);
  assert.equal(got.length, 5000);
  assert.equal(got.at(-1), 4999);
  let count = 0;
  for await (const _ of client.stream('endless')) if (++count === 10) break;
  for (let i = 0; i < 200 && !stopped; i++) await new Promise((r) => setTimeout(r, 2));
  assert.ok(stopped);
  client.close();
  await server.close();
});

test('a request that is not answered in time, and one whose daemon goes away, fail with what happened', async () => {
  const { server, client, path } = await pair(() => new Promise(() => undefined));
  await assert.rejects(client.request('x', {}, { timeout: 10 }), { code: 'SaltReqTimeoutError' });
  const left = client.request('x');
  await server.close();
  await assert.rejects(left, { code: 'SaltDaemonNotRunning' });
  await assert.rejects(ControlClient.connect(path), { code: 'SaltDaemonNotRunning' });
});

test('bytes that are no request end only the connection they came on', async () => {
  const { server, client, path } = await pair(async () => 'fine');
  for (const bytes of [
    '\xff\xff\xff\xff',
    '\x00\x00\x00\x01\xc1',
    '\x00\x00\x00\x01\x01',
    '\x00\x00\x00\x04\x81\xa1n\x01',
  ]) {
    const raw = connect(path);
    const closed = new Promise((r) => raw.once('close', r));
    raw.on('error', () => undefined).resume();
    raw.write(Buffer.from(bytes, 'latin1'));
    await closed;
  }
  assert.equal(await client.request('x'), 'fine');
  client.close();
  await server.close();
});

test('an event fired over the control socket is answered with its id when it is safe, and read back with its origin', async () => {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const events = controlEvents(bus);
  const { server, client } = await pair((cmd, load, stream) =>
    cmd === 'fire' ? events.fire(load) : events.events(load, stream),
  );
  assert.deepEqual(
    { ...((await client.request('fire', { tag: 'a/b', data: { x: 1 }, user: 'ann' })) as object) },
    { id: 1 },
  );
  await assert.rejects(client.request('fire', { tag: '', data: {} }), { code: 'ValueError' });
  const items: WireMap[] = [];
  for await (const i of client.stream('events', { globs: ['a/*'], since_id: 1 })) items.push(i as WireMap);
  assert.equal(items.length, 1);
  assert.equal(items[0]?.['origin'], 'operator/ann');
  const following = client.stream('events', { follow: true });
  const next = following.next();
  await new Promise((r) => setTimeout(r, 10));
  bus.fire('live', {}, { origin: 'master' });
  assert.equal(((await next).value as WireMap)['tag'], 'live');
  await following.return(undefined);
  client.close();
  await server.close();
  await bus.close();
});

test('the chain of an event holds its first cause and all that followed, through jobs, and nothing else', async () => {
  const now = Date.UTC(2030, 0, 1, 10);
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog, clock: () => now });
  const m = { origin: 'master' } as const;
  const jid = '20300101100000000001';
  bus.fire('noise/1', {}, m);
  const first = bus.fire('web/up', {}, { origin: 'minion/m1' });
  bus.fire('noise/2', {}, m);
  bus.fire(`salt/job/${jid}/new`, { jid }, { ...m, cause: `event/${first.id}` });
  bus.fire(`salt/job/20300101100000000002/new`, {}, m);
  bus.fire(`salt/job/${jid}/ret/m1`, {}, { origin: 'minion/m1', cause: `jid/${jid}` });
  const last = bus.fire('after/ret', {}, { ...m, cause: `jid/${jid}` });
  bus.fire('noise/3', {}, m);
  const { causeChain } = await import('../../../bus/control-events.ts');
  const expected = ['web/up', `salt/job/${jid}/new`, `salt/job/${jid}/ret/m1`, 'after/ret'];
  assert.deepEqual(
    (await causeChain(bus, last.id)).map((e) => e.tag),
    expected,
  );
  assert.deepEqual(
    (await causeChain(bus, first.id)).map((e) => e.tag),
    expected,
  );
  await assert.rejects(causeChain(bus, 999), { code: 'ValueError' });
});
