import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { filter, map } from 'rxjs';
import type { BusEvent, EventBus } from '../../bus/event.ts';
import { openBus } from '../../bus/event-bus.ts';
import { packFrame } from '../../bus/frame.ts';
import { Log, type LogSink, quietLog } from '../../bus/log.ts';
import { MemoryEventStore, MemoryKeyedStore } from '../../bus/store/memory.ts';
import { type SegmentIo, SegmentStore } from '../../bus/store/segment.ts';
import { decodeBus } from '../../bus/wire/payload.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-bus-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
const dir = (): string => join(root, String(n++));
const master = { origin: 'master' } as const;
const memoryBus = (log = quietLog): EventBus => openBus({ store: new MemoryEventStore(), log });

async function collect(events: AsyncIterable<BusEvent>): Promise<BusEvent[]> {
  const out: BusEvent[] = [];
  for await (const e of events) out.push(e);
  return out;
}

test('an event carries its data with a stamp, its origin and its cause, live and out of the log', async () => {
  const store = await SegmentStore.open(dir());
  const bus = openBus({ store, log: quietLog });
  const live: BusEvent[] = [];
  bus.events$.subscribe((e) => live.push(e));
  const fired = bus.fire('my/tag', { a: 1, s: 'ü' }, { origin: 'minion/m1', cause: 'jid/20300101100000000000' });
  assert.equal(fired.id, 1);
  assert.equal(live.length, 1, 'shown before it is safe, in the same tick');
  await fired.durable;
  assert.match(live[0]?.stamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
  const [past] = await collect(bus.replay({}));
  for (const e of [live[0], past]) {
    assert.deepEqual({ ...e?.data }, { a: 1, s: 'ü', _stamp: live[0]?.stamp });
    assert.equal(e?.tag, 'my/tag');
    assert.equal(e?.origin, 'minion/m1');
    assert.equal(e?.cause, 'jid/20300101100000000000');
    assert.equal(e?.stamp, live[0]?.stamp);
  }
  await bus.close();
});

test('listeners hear the tags of their glob, in the order of firing even when a listener fires in turn', async () => {
  const bus = memoryBus();
  const heard: string[] = [];
  bus.on('a/*').subscribe((e) => {
    heard.push(`1 ${e.tag}`);
    if (e.tag === 'a/1') bus.fire('a/2', {}, master);
  });
  bus.on('a/*').subscribe((e) => heard.push(`2 ${e.tag}`));
  bus.on('b').subscribe((e) => heard.push(`3 ${e.tag}`));
  bus.fire('a/1', {}, master);
  bus.fire('b', {}, master);
  bus.fire('bb', {}, master);
  assert.deepEqual(heard, ['1 a/1', '2 a/1', '1 a/2', '2 a/2', '3 b']);
});

test('a listener that throws is logged, stays subscribed and disturbs no other, also behind operators', async () => {
  const lines: string[] = [];
  const sink: LogSink = (r) => lines.push(r.message);
  const bus = memoryBus(new Log('test', sink));
  let bad = 0;
  let piped = 0;
  let good = 0;
  bus.on('*').subscribe(() => {
    bad++;
    throw new Error('first listener broke');
  });
  bus
    .on('*')
    .pipe(
      filter(() => true),
      map((e) => e.tag),
    )
    .subscribe(() => {
      piped++;
      throw new Error('second listener broke');
    });
  bus.events$.subscribe(() => good++);
  bus.fire('x', {}, master);
  bus.fire('y', {}, master);
  await new Promise((r) => setTimeout(r, 5));
  assert.deepEqual([bad, piped, good], [2, 2, 2]);
  assert.equal(lines.filter((l) => l.includes('first listener broke')).length, 2);
  assert.equal(lines.filter((l) => l.includes('second listener broke')).length, 2);
});

test('a ready-made frame keeps its stamp or gets one, and what is no event is counted and refused', () => {
  const bus = memoryBus();
  const seen: BusEvent[] = [];
  bus.events$.subscribe((e) => seen.push(e));
  bus.fireFrame(packFrame('t1', { _stamp: '2030-01-01T10:00:00.000000+00:00', k: [1, { a: 2 }] }), master);
  bus.fireFrame(packFrame('t2', Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, i]))), master);
  assert.equal(seen[0]?.stamp, '2030-01-01T10:00:00.000000+00:00');
  assert.equal(seen[1]?.data['_stamp'], seen[1]?.stamp);
  assert.equal(Object.keys(seen[1]?.data ?? {}).length, 16);
  const good = packFrame('t', { a: [1, 2, 3], b: 'text' });
  for (let cut = 0; cut < good.length; cut++) assert.equal(bus.fireFrame(good.subarray(0, cut), master), undefined);
  assert.equal(bus.fireFrame(Buffer.concat([good, Buffer.from([0xc0])]), master), undefined);
  assert.equal(bus.fireFrame(Buffer.from('t\n\n\x93\x01\x02\x03', 'latin1'), master), undefined);
  assert.equal(bus.fireFrame(Buffer.from('t\n\n\x81\xa1k\xdd\xff\xff\xff\xff', 'latin1'), master), undefined);
  assert.equal(bus.stats().refused, good.length + 3);
  assert.equal(seen.length, 2);
});

test('values that make an event larger than max_event_size are replaced, the largest first', () => {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog, maxEventSize: 600 });
  const seen: BusEvent[] = [];
  bus.events$.subscribe((e) => seen.push(e));
  bus.fire('t', { a: 'x'.repeat(1000), b: 'y'.repeat(200), n: { q: 'z'.repeat(500) } }, master);
  bus.fireFrame(packFrame('t', { a: ['x'.repeat(2000)], b: 'kept', c: 'z'.repeat(900) }), master);
  assert.equal(seen[0]?.data['a'], 'VALUE_TRIMMED');
  assert.equal(seen[0]?.data['b'], 'y'.repeat(200));
  assert.deepEqual({ ...(seen[0]?.data['n'] as object) }, { q: 'VALUE_TRIMMED' });
  assert.equal(seen[1]?.data['b'], 'kept');
  assert.equal(seen[1]?.data['c'], 'VALUE_TRIMMED');
  assert.ok(seen[1] && seen[1].frame.length < 600);
});

test('replay answers by position, time and tag, and following goes on live without gap or double', async () => {
  const store = await SegmentStore.open(dir(), { segmentSize: 20_000 });
  let now = 1_900_000_000_000;
  const bus = openBus({ store, log: quietLog, clock: () => now++ });
  for (let i = 0; i < 6000; i++) bus.fire(`t/${i % 3}`, { i }, master);
  await bus.flush();
  assert.equal((await collect(bus.replay({}))).length, 6000);
  const some = await collect(bus.replay({ id: 5990, tag: 't/0' }));
  assert.deepEqual(
    some.map((e) => e.data['i']),
    [5991, 5994, 5997],
  );
  const timed = await collect(bus.replay({ time: 1_900_000_000_000 + 100, until: 1_900_000_000_000 + 103 }));
  assert.deepEqual(
    timed.map((e) => e.data['i']),
    [100, 101, 102],
  );
  const stop = new AbortController();
  const got: number[] = [];
  const follower = (async () => {
    for await (const e of bus.replay({ id: 1, follow: true, signal: stop.signal })) {
      got.push(e.data['i'] as number);
      if (got.length === 9000) stop.abort();
      if (got.length % 500 === 0) await new Promise((r) => setImmediate(r));
    }
  })();
  for (let i = 6000; i < 9000; i++) {
    bus.fire('t/x', { i }, master);
    if (i % 100 === 0) await new Promise((r) => setImmediate(r));
  }
  await follower;
  assert.deepEqual(
    got,
    Array.from({ length: 9000 }, (_, i) => i),
  );
  await bus.close();
});

test('a follower that waits ends at once when it is told to', async () => {
  const bus = memoryBus();
  const stop = new AbortController();
  const ended = collect(bus.replay({ follow: true, signal: stop.signal }));
  await new Promise((r) => setImmediate(r));
  stop.abort();
  assert.deepEqual(await ended, []);
});

test('a durable subscription goes on where it stood, repeats what failed, and never sees what the log could not keep', async () => {
  const cursors = new MemoryKeyedStore();
  const folder = dir();
  const { write, ftruncate, fdatasync } = await import('node:fs');
  const { promisify } = await import('node:util');
  let full = false;
  const io: SegmentIo = {
    write: async (fd, b, o, l, p) => {
      if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      return (await promisify(write)(fd, b, o, l, p)).bytesWritten;
    },
    sync: promisify(fdatasync),
    truncate: promisify(ftruncate),
  };
  const open = async (): Promise<EventBus> =>
    openBus({ store: await SegmentStore.open(folder, { io }), log: quietLog, cursors, retry: { first: 1, most: 2 } });
  let bus = await open();
  const got: number[] = [];
  let failures = 2;
  const handle = async (events: BusEvent[]): Promise<void> => {
    if (failures-- > 0) throw new Error('not now');
    for (const e of events) got.push(e.data['i'] as number);
  };
  bus.subscribe('s', 'x/*', handle);
  for (let i = 0; i < 10; i++) bus.fire(i % 2 ? 'x/1' : 'y', { i }, master);
  await bus.flush();
  full = true;
  const lost = bus.fire('x/lost', { i: -1 }, master);
  await assert.rejects(lost.durable, { code: 'StoreFull' });
  full = false;
  await bus.fire('x/kept', { i: 11 }, master).durable;
  while (got.length < 6) await new Promise((r) => setTimeout(r, 2));
  await bus.close();
  assert.deepEqual(got, [1, 3, 5, 7, 9, 11]);
  bus = await open();
  await bus.fire('x/2', { i: 12 }, master).durable;
  bus.subscribe('s', 'x/*', handle);
  while (got.length < 7) await new Promise((r) => setTimeout(r, 2));
  await bus.close();
  assert.deepEqual(got.slice(6), [12]);
  assert.ok((cursors.get('cursors', ['s']) as number) > 12);
});

test('a closed bus completes its listeners and refuses further events', async () => {
  const bus = memoryBus();
  let completed = false;
  bus.on('*').subscribe({ complete: () => (completed = true) });
  await bus.close();
  assert.ok(completed);
  await assert.rejects(bus.fire('x', {}, master).durable, { code: 'StoreFailed' });
});

test('what is stored is exactly what travels', async () => {
  const store = new MemoryEventStore();
  const bus = openBus({ store, log: quietLog });
  bus.fire('a/b', { k: 1 }, master);
  const [e] = await collect(bus.replay({}));
  const text = Buffer.from(e?.frame ?? []);
  assert.equal(text.toString('utf8', 0, 5), 'a/b\n\n');
  assert.equal((decodeBus(text.subarray(5)) as { k: number }).k, 1);
});
