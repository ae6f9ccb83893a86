import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { StoredRecord } from '../../../bus/store/contract.ts';
import { type SegmentIo, SegmentStore } from '../../../bus/store/segment.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-segment-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
const fresh = (): string => join(root, String(n++));

async function all(store: SegmentStore, from = 1): Promise<StoredRecord[]> {
  const out: StoredRecord[] = [];
  for await (const r of store.read(from)) out.push(r);
  return out;
}
const text = (r: StoredRecord): string => Buffer.from(r.bytes).toString('latin1');
const payload = (i: number): string => `event ${i} ${'x'.repeat((i * 37) % 300)}`;

async function filled(count: number, options = {}): Promise<string> {
  const dir = fresh();
  const store = await SegmentStore.open(dir, options);
  await Promise.all(Array.from({ length: count }, (_, i) => store.append(Buffer.from(payload(i + 1)), 1000 + i).safe));
  await store.close();
  return dir;
}
const onlyFile = (dir: string): string => join(dir, readdirSync(dir).find((f) => f.endsWith('.log')) as string);

/** A copy of a log folder with its only file changed. */
function changed(dir: string, change: (path: string) => void): string {
  const to = fresh();
  mkdirSync(to);
  const file = onlyFile(dir);
  const copy = join(to, file.slice(dir.length + 1));
  copyFileSync(file, copy);
  change(copy);
  return to;
}

test('a log cut at any byte opens and loses only the record that was cut', async () => {
  const dir = await filled(400);
  const bytes = readFileSync(onlyFile(dir));
  for (let k = 0; k < 120; k++) {
    const cut = k < 40 ? bytes.length - 1 - k : Math.floor((bytes.length * k) / 121);
    const copy = changed(dir, (p) => truncateSync(p, cut));
    const store = await SegmentStore.open(copy);
    const got = await all(store);
    got.forEach((r, i) => {
      assert.equal(r.seq, i + 1);
      assert.equal(text(r), payload(i + 1));
    });
    // What is whole in the cut file is there: the next record would not have fitted.
    const used = got.reduce((sum, r) => sum + 28 + r.bytes.length, 96);
    if (cut >= 96) {
      assert.ok(used <= cut);
      assert.ok(cut - used < 28 + payload(got.length + 1).length, `cut at ${cut} lost whole records`);
    }
    const { seq, safe } = store.append(Buffer.from('after'), 9_000_000);
    await safe;
    assert.ok(seq > got.length, 'a position is not given out again');
    assert.equal(text((await all(store)).at(-1) as StoredRecord), 'after');
    await store.close();
    rmSync(copy, { recursive: true });
  }
});

test('a flipped bit anywhere costs at most the one record it hits, and the damage is counted', async () => {
  const dir = await filled(300);
  const bytes = readFileSync(onlyFile(dir));
  for (let k = 0; k < 200; k++) {
    const at = k < 96 ? k : Math.floor(((bytes.length - 1) * k) / 199);
    const copy = changed(dir, (p) => {
      const b = Buffer.from(bytes);
      b[at] = (b[at] as number) ^ (1 << (k % 8));
      writeFileSync(p, b);
    });
    const store = await SegmentStore.open(copy);
    const got = await all(store);
    for (const r of got) assert.equal(text(r), payload(r.seq));
    assert.equal(got.length, at < 96 ? 300 : 299, `flip at byte ${at}`);
    if (at >= 96) assert.equal(store.damaged, 1);
    await store.close();
    rmSync(copy, { recursive: true });
  }
});

test('a record planted inside an event is not taken for one when the reader recovers from damage', async () => {
  const donor = onlyFile(await filled(3));
  const planted = readFileSync(donor).subarray(96);
  const dir = fresh();
  const first = await SegmentStore.open(dir);
  first.append(Buffer.from('one'), 1);
  first.append(planted, 2);
  await first.append(Buffer.from('three'), 3).safe;
  await first.close();
  const file = onlyFile(dir);
  const b = readFileSync(file);
  const at = b.indexOf(planted) - 1;
  b[at] = (b[at] as number) ^ 1;
  writeFileSync(file, b);
  const store = await SegmentStore.open(dir);
  assert.deepEqual((await all(store)).map(text), ['one', 'three']);
  await store.close();
});

test('a full disk rejects the events of that moment as StoreFull, tears nothing and takes later ones when space returns', async () => {
  const dir = fresh();
  let room = 3000;
  const { write, ftruncate, fdatasync } = await import('node:fs');
  const { promisify } = await import('node:util');
  const io: SegmentIo = {
    write: async (fd, b, o, l, p) => {
      if (room <= 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      const part = Math.min(l, room);
      room -= part;
      return (await promisify(write)(fd, b, o, part, p)).bytesWritten;
    },
    sync: promisify(fdatasync),
    truncate: promisify(ftruncate),
  };
  const store = await SegmentStore.open(dir, { io, maxGroup: 5 });
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => store.append(Buffer.from(payload(i)), i).safe),
  );
  const kept = results.filter((r) => r.status === 'fulfilled').length;
  assert.ok(kept > 0 && kept < 50);
  for (const r of results) if (r.status === 'rejected') assert.equal(r.reason.code, 'StoreFull');
  room = 1e9;
  const late = store.append(Buffer.from('late'), 99);
  await late.safe;
  assert.equal(late.seq, 51);
  const live = await all(store);
  assert.equal(live.length, kept + 1);
  await store.close();
  const again = await SegmentStore.open(dir);
  assert.deepEqual((await all(again)).map(text), live.map(text));
  assert.equal(again.damaged, 0);
  await again.close();
});

test('a failed sync rejects its group as StoreFailed and the log goes on in a new file', async () => {
  const dir = fresh();
  const { write, ftruncate, fdatasync } = await import('node:fs');
  const { promisify } = await import('node:util');
  let broken = false;
  const store = await SegmentStore.open(dir, {
    io: {
      write: async (fd, b, o, l, p) => (await promisify(write)(fd, b, o, l, p)).bytesWritten,
      sync: async (fd) => {
        if (broken) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
        await promisify(fdatasync)(fd);
      },
      truncate: promisify(ftruncate),
    },
  });
  await store.append(Buffer.from('a'), 1).safe;
  broken = true;
  await assert.rejects(store.append(Buffer.from('b'), 2).safe, { code: 'StoreFailed' });
  broken = false;
  await store.append(Buffer.from('c'), 3).safe;
  assert.deepEqual((await all(store)).map(text), ['a', 'c']);
  assert.equal(readdirSync(dir).filter((f) => f.endsWith('.log')).length, 2);
  await store.close();
});

test('retention drops whole files by size and by age, and the newest position survives an emptied log', async () => {
  const dir = fresh();
  const store = await SegmentStore.open(dir, { segmentSize: 2000, size: 6000, age: 1000, maxGroup: 4 });
  for (let i = 1; i <= 60; i++) await store.append(Buffer.from('y'.repeat(200)), i * 10).safe;
  await store.trim(600);
  assert.ok(store.tail > 20 && store.tail < 60);
  assert.equal((await all(store))[0]?.seq, store.tail);
  assert.equal((await all(store)).at(-1)?.seq, 60);
  await store.trim(10_000);
  assert.deepEqual(await all(store), []);
  assert.equal(store.append(Buffer.from('z'), 10_001).seq, 61);
  await store.flush();
  await store.trim(50_000);
  await store.close();
  const again = await SegmentStore.open(dir);
  assert.equal(again.head, 61);
  assert.equal(again.append(Buffer.from('z'), 50_001).seq, 62);
  await again.close();
});

test('a time is found across files and among records not yet written', async () => {
  const dir = fresh();
  const store = await SegmentStore.open(dir, { segmentSize: 1500, maxGroup: 3 });
  for (let i = 1; i <= 40; i++) await store.append(Buffer.from('y'.repeat(100)), i * 10).safe;
  const pending = store.append(Buffer.from('last'), 1000);
  assert.equal(await store.seek(0), 1);
  assert.equal(await store.seek(195), 20);
  assert.equal(await store.seek(200), 20);
  assert.equal(await store.seek(401), 41);
  assert.equal(await store.seek(1001), 42);
  await pending.safe;
  await store.close();
});

test('a second writer is refused while the first lives, a reader is not, and a dead writer leaves a gap in the positions', async () => {
  const dir = fresh();
  const store = await SegmentStore.open(dir);
  await store.append(Buffer.from('a'), 1).safe;
  await assert.rejects(SegmentStore.open(dir), { code: 'FileLockError' });
  const reader = await SegmentStore.open(dir, { readOnly: true });
  assert.deepEqual((await all(reader)).map(text), ['a']);
  await assert.rejects(reader.append(Buffer.from('b'), 2).safe, { code: 'StoreFailed' });
  await reader.close();
  await store.close();
  writeFileSync(join(dir, 'lock'), '999999999 1\n');
  const after = await SegmentStore.open(dir);
  assert.equal(after.append(Buffer.from('b'), 2).seq, 100_001);
  await after.close();
});

test('records are read in order while others are being written', async () => {
  const dir = fresh();
  const store = await SegmentStore.open(dir, { segmentSize: 50_000, maxGroup: 50 });
  let last = 0;
  let fired = 0;
  const writer = (async () => {
    for (let i = 0; i < 40; i++) {
      for (let k = 0; k < 100; k++) store.append(Buffer.from(payload(++fired)), fired);
      await new Promise((r) => setImmediate(r));
    }
  })();
  while (last < 4000) {
    for await (const r of store.read(last + 1)) {
      assert.equal(r.seq, last + 1);
      assert.equal(text(r), payload(r.seq));
      last = r.seq;
    }
    await new Promise((r) => setImmediate(r));
  }
  await writer;
  await store.close();
});
