import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { controlEvents } from '../../bus/control-events.ts';
import type { BusEvent, EventBus } from '../../bus/event.ts';
import { openBus } from '../../bus/event-bus.ts';
import { quietLog } from '../../bus/log.ts';
import { SaltEvent } from '../../bus/program.ts';
import { MemoryEventStore } from '../../bus/store/memory.ts';
import { type SegmentIo, SegmentStore } from '../../bus/store/segment.ts';
import { ControlServer } from '../../bus/transport/control.ts';
import { masterEventSockets, minionEventSockets, serveEventSockets } from '../../bus/transport/ipc.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-program-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;

interface Daemon {
  bus: EventBus;
  stop(): Promise<void>;
}
async function daemon(
  dir: string,
  store = new MemoryEventStore() as Parameters<typeof openBus>[0]['store'],
  control = true,
): Promise<Daemon> {
  const bus = openBus({ store, log: quietLog });
  const sockets = await serveEventSockets({ bus, ...masterEventSockets(dir), origin: 'master', log: quietLog });
  const events = controlEvents(bus);
  const server = control
    ? await ControlServer.listen(join(dir, 'master_control.ipc'), {
        mode: 0o600,
        handle: (cmd, load, stream) => (cmd === 'fire' ? events.fire(load) : events.events(load, stream)),
      })
    : undefined;
  return {
    bus,
    stop: async () => {
      await sockets.close();
      await server?.close();
      await bus.close();
    },
  };
}
async function folder(): Promise<string> {
  const { mkdir } = await import('node:fs/promises');
  const dir = join(root, String(n++));
  await mkdir(dir);
  return dir;
}

test('a program waits for a tag, drops what it passed over, and gets null when the wait is over', async () => {
  const dir = await folder();
  const d = await daemon(dir);
  const events = new SaltEvent('master', dir);
  await events.connect();
  while (!d.bus.stats().readers) await new Promise((r) => setTimeout(r, 1));
  d.bus.fire('other', {}, { origin: 'master' });
  d.bus.fire('wanted/1', { i: 1 }, { origin: 'master' });
  d.bus.fire('wanted/2', { i: 2 }, { origin: 'master' });
  assert.equal((await events.getEvent({ tag: 'wanted' }))?.['i'], 1);
  const full = await events.getEvent({ tag: '*/2', matchType: 'fnmatch', full: true });
  assert.equal(full?.tag, 'wanted/2');
  assert.equal(await events.getEvent({ wait: 0.02 }), null);
  assert.equal(await events.getEvent({ noBlock: true }), null);
  for (const [matchType, tag] of [
    ['endswith', 'ted/3'],
    ['find', 'nte'],
    ['regex', 'w.*/\\d'],
    ['startswith', ''],
  ] as const) {
    d.bus.fire('wanted/3', {}, { origin: 'master' });
    assert.ok(await events.getEvent({ tag, matchType }), matchType);
  }
  events.close();
  await d.stop();
});

test('a fire is answered with the id that the log knows it by, many at once in order', async () => {
  const dir = await folder();
  const d = await daemon(dir, await SegmentStore.open(join(dir, 'log')));
  const events = new SaltEvent('master', dir);
  const ids = (await Promise.all(Array.from({ length: 3000 }, (_, i) => events.fireEvent({ i }, 'p/t')))).map(
    (a) => a.id,
  );
  assert.deepEqual(
    ids,
    Array.from({ length: 3000 }, (_, i) => i + 1),
  );
  let i = 0;
  for await (const e of d.bus.replay({})) {
    assert.equal(e.data['i'], i++);
    assert.match(e.origin, /^operator\//);
  }
  await assert.rejects(events.fireEvent({}, ''), { code: 'ValueError' });
  events.close();
  await d.stop();
});

test('a fire that the log could not keep is rejected, not answered', async () => {
  const dir = await folder();
  const io: SegmentIo = {
    write: async () => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    },
    sync: async () => undefined,
    truncate: async () => undefined,
  };
  const d = await daemon(dir, await SegmentStore.open(join(dir, 'log'), { io }));
  const events = new SaltEvent('master', dir);
  await assert.rejects(events.fireEvent({}, 'x'), { code: 'StoreFull' });
  events.close();
  await d.stop();
});

test('without a control socket, as on the reference, a fire goes to the pull socket', async () => {
  const dir = await folder();
  const d = await daemon(dir, new MemoryEventStore(), false);
  const heard = new Promise<BusEvent>((r) => {
    d.bus.on('x').subscribe(r);
  });
  const events = new SaltEvent('master', dir);
  assert.deepEqual(await events.fireEvent({ a: 1 }, 'x'), {});
  assert.equal((await heard).data['a'], 1);
  events.close();
  await d.stop();
});

test('iterating goes on over a restart of the daemon and ends when it is closed', async () => {
  const dir = await folder();
  let d = await daemon(dir);
  const events = new SaltEvent('master', dir);
  const got: unknown[] = [];
  const loop = (async () => {
    for await (const e of events.iterEvents({ tag: 'k', full: true })) got.push(e.data['i']);
  })();
  while (!d.bus.stats().readers) await new Promise((r) => setTimeout(r, 2));
  d.bus.fire('k', { i: 1 }, { origin: 'master' });
  while (got.length < 1) await new Promise((r) => setTimeout(r, 2));
  await d.stop();
  d = await daemon(dir);
  while (!d.bus.stats().readers) await new Promise((r) => setTimeout(r, 2));
  d.bus.fire('k', { i: 2 }, { origin: 'master' });
  while (got.length < 2) await new Promise((r) => setTimeout(r, 2));
  events.close();
  await loop;
  assert.deepEqual(got, [1, 2]);
  await d.stop();
});

test('events arrive as an Observable, which errors when the daemon goes away', async () => {
  const dir = await folder();
  const d = await daemon(dir);
  const events = new SaltEvent('master', dir);
  const tags: string[] = [];
  let failure = '';
  events.events$.subscribe({
    next: (e) => tags.push(e.tag),
    error: (e: { code: string }) => {
      failure = e.code;
    },
  });
  while (!d.bus.stats().readers) await new Promise((r) => setTimeout(r, 2));
  d.bus.fire('a', {}, { origin: 'master' });
  d.bus.fire('b', {}, { origin: 'master' });
  while (tags.length < 2) await new Promise((r) => setTimeout(r, 2));
  await d.stop();
  while (!failure) await new Promise((r) => setTimeout(r, 2));
  assert.deepEqual(tags, ['a', 'b']);
  assert.equal(failure, 'SaltDaemonNotRunning');
  events.close();
});

test('on a minion, fireMaster asks the minion to pass the event on', async () => {
  const dir = await folder();
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const sockets = await serveEventSockets({
    bus,
    ...minionEventSockets(dir, 'm1'),
    origin: 'minion/m1',
    log: quietLog,
  });
  const heard = new Promise<BusEvent>((r) => {
    bus.on('fire_master').subscribe(r);
  });
  const events = new SaltEvent('minion', dir, { id: 'm1' });
  await events.fireMaster({ k: 1 }, 'up/there');
  const { data } = await heard;
  assert.equal(data['tag'], 'up/there');
  assert.deepEqual({ ...(data['data'] as object) }, { k: 1 });
  assert.equal(data['pretag'], null);
  events.close();
  await sockets.close();
  await bus.close();
});

test('where no daemon is, connecting says so and a fire is refused', async () => {
  const events = new SaltEvent('master', await folder());
  await assert.rejects(events.connect(), { code: 'SaltDaemonNotRunning' });
  await assert.rejects(events.fireEvent({}, 'x'), { code: 'SaltDaemonNotRunning' });
  assert.equal(await events.getEvent({ wait: 0.05 }), null);
  events.close();
});
