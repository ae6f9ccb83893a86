import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Opts } from '../../bus/opts.ts';
import { LmdbStore } from '../../bus/store/lmdb.ts';
import { PyDict, type Wire } from '../../bus/values.ts';
import { Mine } from '../../master/mine.ts';
import { MinionCache } from '../../master/minion-cache.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-mine-'));
let store: LmdbStore;
let cache: MinionCache;
let mine: Mine;
let now = 1_800_000_000_000;
before(async () => {
  store = await LmdbStore.open(root);
  cache = new MinionCache(store);
  const expected = (): never => ({ minions: ['a', 'b'], missing: [] }) as never;
  mine = new Mine(new Opts(new PyDict()), cache, expected, () => now);
});
after(async () => {
  await store.close();
  rmSync(root, { recursive: true, force: true });
});
const get = (fun: string): Wire => JSON.parse(JSON.stringify(mine.get({ id: 'a', tgt: '*', fun, tgt_type: 'glob' })));

test('a value with max_age is shown for that many seconds after it came, one without for ever', async () => {
  const aging = { __data__: 1, __saltmine_acl__: 1, max_age: 60 };
  await mine.update({ id: 'a', data: { aging, lasting: 2 }, clear: false });
  now += 59_000;
  await mine.update({ id: 'b', data: { aging }, clear: false });
  assert.deepEqual(get('aging'), { a: 1, b: 1 });
  now += 2000;
  assert.deepEqual(get('aging'), { b: 1 });
  assert.deepEqual(get('lasting'), { a: 2 });
  await mine.update({ id: 'a', data: { aging }, clear: false });
  assert.deepEqual(get('aging'), { a: 1, b: 1 });
});

test('a purged minion leaves neither values nor times', async () => {
  await mine.update({ id: 'a', data: { lasting: 2 }, clear: false });
  await cache.purge('a');
  assert.deepEqual(get('lasting'), {});
  assert.ok(!cache.list('mine_times').includes('a'));
});
