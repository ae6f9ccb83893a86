import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LmdbStore } from '../../../bus/store/lmdb.ts';
import { MemoryEventStore, MemoryKeyedStore } from '../../../bus/store/memory.ts';
import { SegmentStore } from '../../../bus/store/segment.ts';
import { eventStoreSuite } from '../../conformance/event-store-suite.ts';
import { keyedStoreSuite } from '../../conformance/keyed-store-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-stores-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
const dir = (): string => join(root, String(n++));

eventStoreSuite('segment', () => SegmentStore.open(dir(), { segmentSize: 100_000 }));
eventStoreSuite('segment, each record synced', () => SegmentStore.open(dir(), { sync: 'always' }));
eventStoreSuite('segment, synced by the clock', () => SegmentStore.open(dir(), { sync: 'interval', interval: 50 }));
eventStoreSuite('memory', async () => new MemoryEventStore());
keyedStoreSuite('lmdb', () => LmdbStore.open(dir()));
keyedStoreSuite('memory', async () => new MemoryKeyedStore());

test('an lmdb store is private to its user, outlives its process and is read by another while it is open', async () => {
  const folder = dir();
  const store = await LmdbStore.open(folder);
  await store.put('t', ['a'], { v: 1 });
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, 'data.mdb')).mode & 0o777, 0o600);
  const lmdb = createRequire(join(process.cwd(), 'package.json')).resolve('lmdb');
  const reader = spawnSync(
    process.execPath,
    [
      '-e',
      `const db = require(${JSON.stringify(lmdb)}).open({ path: ${JSON.stringify(folder)}, encoding: 'binary', keyEncoding: 'binary', readOnly: true });
       process.stdout.write(String([...db.getKeys({})].length)); db.close();`,
    ],
    { encoding: 'utf8' },
  );
  assert.equal(reader.stdout, '1', reader.stderr);
  const second = await LmdbStore.open(folder, { readOnly: true });
  assert.equal((second.get('t', ['a']) as { v: number }).v, 1);
  await second.close();
  await store.close();
  const again = await LmdbStore.open(folder);
  assert.equal((again.get('t', ['a']) as { v: number }).v, 1);
  await again.close();
  await assert.rejects(again.put('t', ['b'], 1), { code: 'StoreFailed' });
});
