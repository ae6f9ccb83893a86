import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { BusEvent, EventBus } from '../../../bus/event.ts';
import { openBus } from '../../../bus/event-bus.ts';
import { packFrame } from '../../../bus/frame.ts';
import { quietLog } from '../../../bus/log.ts';
import { MemoryEventStore } from '../../../bus/store/memory.ts';
import {
  type EventSockets,
  masterEventSockets,
  minionEventSockets,
  serveEventSockets,
  unwrapFrame,
  wrapFrame,
} from '../../../bus/transport/ipc.ts';
import { lengthPrefixed } from '../../../bus/transport/local.ts';
import { decodeBus, encodeBus, MsgpackStream } from '../../../bus/wire/payload.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-ipc-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;

interface Served {
  bus: EventBus;
  sockets: EventSockets;
  pub: string;
  pull: string;
  close(): Promise<void>;
}
async function served(extra: { readerLimit?: number; maxMessage?: number } = {}): Promise<Served> {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const pub = join(root, `${++n}_pub.ipc`);
  const pull = join(root, `${n}_pull.ipc`);
  const sockets = await serveEventSockets({ bus, pub, pull, origin: 'master', log: quietLog, ...extra });
  return {
    bus,
    sockets,
    pub,
    pull,
    close: async () => {
      await sockets.close();
      await bus.close();
    },
  };
}
const connected = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const s = connect(path, () => resolve(s));
    s.once('error', reject);
  });
const until = async (f: () => boolean): Promise<void> => {
  for (let i = 0; i < 2000 && !f(); i++) await new Promise((r) => setTimeout(r, 1));
  assert.ok(f(), 'did not happen in time');
};

test('recorded frames of the reference unwrap to its tag and data, and wrap again to the same bytes', () => {
  const path = 'test/golden/captures/event-bus.json';
  if (!existsSync(path)) throw new Error(`${path} is missing`);
  const { entries } = JSON.parse(readFileSync(path, 'utf8')) as {
    entries: { tag: string; ipc_pub_frame?: string }[];
  };
  let seen = 0;
  for (const e of entries) {
    if (!e.ipc_pub_frame) continue;
    const bytes = Buffer.from(e.ipc_pub_frame, 'base64');
    const frame = Buffer.from(unwrapFrame(bytes) as Uint8Array);
    assert.equal(frame.toString('utf8', 0, frame.indexOf('\n\n')), e.tag);
    assert.ok(wrapFrame(frame).equals(bytes));
    seen++;
  }
  assert.ok(seen > 10);
});

test('a reader of the pub socket gets every event from its connection on, one envelope after the other', async () => {
  const s = await served();
  const reader = await connected(s.pub);
  const stream = new MsgpackStream();
  const got: number[] = [];
  reader.on('data', (c) => {
    for (const m of stream.push(c as Buffer)) {
      const { head, body } = decodeBus(m) as { head: object; body: Uint8Array };
      assert.deepEqual({ ...head }, {});
      const b = Buffer.from(body);
      got.push((decodeBus(b.subarray(b.indexOf('\n\n') + 2)) as { i: number }).i);
    }
  });
  await until(() => s.bus.stats().readers === 1);
  for (let i = 0; i < 5000; i++) s.bus.fire('t', { i, fill: 'x'.repeat(i % 700) }, { origin: 'master' });
  await until(() => got.length === 5000);
  assert.deepEqual(
    got,
    Array.from({ length: 5000 }, (_, i) => i),
  );
  reader.destroy();
  await until(() => s.bus.stats().readers === 0);
  await s.close();
});

test('what is pushed in pieces of any size is fired, and what is no event is counted', async () => {
  const s = await served();
  const seen: BusEvent[] = [];
  s.bus.events$.subscribe((e) => seen.push(e));
  const firer = await connected(s.pull);
  const good = lengthPrefixed(encodeBus({ head: {}, body: packFrame('a/b', { x: 1 }) }));
  const all = Buffer.concat([
    good,
    lengthPrefixed(Buffer.from('nonsense')),
    lengthPrefixed(encodeBus({ head: {}, body: Buffer.from('no separator') })),
    good,
  ]);
  for (let i = 0; i < all.length; i += 3) firer.write(all.subarray(i, i + 3));
  await until(() => seen.length === 2 && s.sockets.malformed === 2);
  assert.equal(seen[1]?.tag, 'a/b');
  assert.equal(seen[1]?.origin, 'master');
  firer.destroy();
  await s.close();
});

test('a length beyond all measure ends the connection that sent it, others go on', async () => {
  const s = await served({ maxMessage: 10_000 });
  const seen: BusEvent[] = [];
  s.bus.events$.subscribe((e) => seen.push(e));
  const bad = await connected(s.pull);
  const good = await connected(s.pull);
  let gone = false;
  bad.on('close', () => (gone = true)).resume();
  bad.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]));
  await until(() => gone);
  good.write(lengthPrefixed(wrapFrame(packFrame('ok', {}))));
  await until(() => seen.length === 1);
  good.destroy();
  await s.close();
});

test('a reader that stops reading is cut off and named, the others miss nothing', async () => {
  const s = await served({ readerLimit: 300_000 });
  const slow = await connected(s.pub);
  slow.pause();
  const quick = await connected(s.pub);
  const stream = new MsgpackStream();
  let got = 0;
  quick.on('data', (c) => {
    got += stream.push(c as Buffer).length;
  });
  await until(() => s.bus.stats().readers === 2);
  const cuts: BusEvent[] = [];
  s.bus.on('salt/event/reader/cut').subscribe((e) => cuts.push(e));
  for (let i = 0; i < 300; i++) {
    s.bus.fire('t', { fill: 'x'.repeat(5000) }, { origin: 'master' });
    if (i % 10 === 0) await new Promise((r) => setTimeout(r, 1));
  }
  await until(() => got === 301);
  assert.equal(cuts.length, 1);
  assert.match(String(cuts[0]?.data['reader']), /^ipc-\d+$/);
  assert.equal(s.bus.stats().cutOff, 1);
  assert.equal(s.bus.stats().readers, 1);
  slow.destroy();
  quick.destroy();
  await s.close();
});

test('socket files have the modes of the reference, a stale one is replaced, a living one is not', async () => {
  const s = await served();
  assert.equal(statSync(s.pub).mode & 0o777, 0o660);
  assert.equal(statSync(s.pull).mode & 0o777, 0o600);
  await assert.rejects(
    serveEventSockets({ bus: s.bus, pub: s.pub, pull: join(root, 'other.ipc'), origin: 'master', log: quietLog }),
    { code: 'PortInUse' },
  );
  await s.close();
  const stale = join(root, 'stale_pub.ipc');
  const dead = createServer();
  await new Promise<void>((r) => dead.listen(stale, r));
  // Closing through the handle leaves the file behind, as a killed process does.
  const keep = join(root, 'kept');
  const { linkSync, renameSync } = await import('node:fs');
  linkSync(stale, keep);
  await new Promise((r) => dead.close(r));
  renameSync(keep, stale);
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const again = await serveEventSockets({
    bus,
    pub: stale,
    pull: join(root, 'stale_pull.ipc'),
    origin: 'master',
    log: quietLog,
  });
  (await connected(stale)).destroy();
  await again.close();
  writeFileSync(stale, 'a plain file');
  await assert.rejects(
    serveEventSockets({ bus, pub: stale, pull: join(root, 'x_pull.ipc'), origin: 'master', log: quietLog }),
    { code: 'SaltConfigurationError' },
  );
  await bus.close();
});

test('a path too long for a unix socket is refused by name', async () => {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const long = join(root, 'd'.repeat(120));
  await assert.rejects(serveEventSockets({ bus, pub: long, pull: long, origin: 'master', log: quietLog }), {
    code: 'SaltConfigurationError',
    message: /107/,
  });
});

test('the names of the sockets are those of the reference', () => {
  assert.equal(masterEventSockets('/run/salt').pub, '/run/salt/master_event_pub.ipc');
  assert.equal(minionEventSockets('/s', 'm1').pull, '/s/minion_event_ca0df2c95a_pull.ipc');
});

test('loopback ports serve the same (ipc_mode: tcp)', async () => {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const free = async (): Promise<number> => {
    const t = createServer();
    await new Promise<void>((r) => t.listen(0, '127.0.0.1', r));
    const { port } = t.address() as { port: number };
    await new Promise((r) => t.close(r));
    return port;
  };
  const pull = { host: '127.0.0.1', port: await free() };
  const sockets = await serveEventSockets({
    bus,
    pub: { host: '127.0.0.1', port: await free() },
    pull,
    origin: 'master',
    log: quietLog,
  });
  let seen = 0;
  bus.events$.subscribe(() => seen++);
  const firer = connect(pull);
  firer.write(lengthPrefixed(wrapFrame(packFrame('t', {}))));
  await until(() => seen === 1);
  firer.destroy();
  await sockets.close();
});
