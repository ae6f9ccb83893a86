import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Key, KeyedStore } from '../../bus/store/contract.ts';

/**
 * What every KeyedStore promises, as tests.
 * @param name the adapter. @param open a fresh, empty store at each call.
 */
export function keyedStoreSuite(name: string, open: () => Promise<KeyedStore>): void {
  const keys = (s: KeyedStore, table: string, o?: Parameters<KeyedStore['range']>[1]): Key[] =>
    [...s.range(table, o)].map((e) => e.key);

  test(`${name}: a put is seen at once by get and by range, before and after it is safe`, async () => {
    const s = await open();
    const safe = s.put('t', ['a', 1], { x: [1, 'two', null] });
    assert.deepEqual(JSON.stringify(s.get('t', ['a', 1])), '{"x":[1,"two",null]}');
    assert.deepEqual(keys(s, 't'), [['a', 1]]);
    await safe;
    assert.deepEqual(keys(s, 't'), [['a', 1]]);
    const again = s.put('t', ['a', 1], 'new');
    assert.equal(s.get('t', ['a', 1]), 'new');
    assert.deepEqual([...s.range('t')], [{ key: ['a', 1], value: 'new' }]);
    await again;
    await s.close();
  });

  test(`${name}: a delete answers whether there was something, and is seen at once`, async () => {
    const s = await open();
    await s.put('t', ['a'], 1);
    const gone = s.delete('t', ['a']);
    assert.equal(s.get('t', ['a']), undefined);
    assert.deepEqual(keys(s, 't'), []);
    assert.equal(await gone, true);
    assert.equal(await s.delete('t', ['a']), false);
    await s.close();
  });

  test(`${name}: tables do not see each other, whatever their names`, async () => {
    const s = await open();
    await Promise.all([s.put('t', ['k'], 1), s.put('tt', ['k'], 2), s.put('t\u0000', ['k'], 3), s.put('', ['k'], 4)]);
    for (const [table, value] of [
      ['t', 1],
      ['tt', 2],
      ['t\u0000', 3],
      ['', 4],
    ] as const)
      assert.deepEqual([...s.range(table)], [{ key: ['k'], value }]);
    await s.close();
  });

  test(`${name}: keys are ordered component by component: numbers, then text, short before long`, async () => {
    const s = await open();
    const sorted: Key[] = [
      [-5.5],
      [-1],
      [0],
      [0, 'x'],
      [1],
      [1.5],
      [2],
      [10],
      [1e15],
      [''],
      ['', 0],
      ['A'],
      ['a'],
      ['a', -1],
      ['a', 7],
      ['a', 'b'],
      ['a\u0000'],
      ['a\u0000', 1],
      ['ab'],
      ['é'],
      ['中'],
      ['😀'],
    ];
    await Promise.all(sorted.toReversed().map((k, i) => s.put('o', k, i)));
    assert.deepEqual(keys(s, 'o'), sorted);
    assert.deepEqual(keys(s, 'o', { reverse: true }), sorted.toReversed());
    await s.close();
  });

  test(`${name}: bounds take the start and leave out the end, in both directions, with a limit`, async () => {
    const s = await open();
    for (let i = 0; i < 10; i++) void s.put('r', ['j', i], i);
    await s.flush();
    const bound = { start: ['j', 3], end: ['j', 7] };
    assert.deepEqual(
      keys(s, 'r', bound).map((k) => k[1]),
      [3, 4, 5, 6],
    );
    assert.deepEqual(
      keys(s, 'r', { ...bound, reverse: true }).map((k) => k[1]),
      [6, 5, 4, 3],
    );
    assert.deepEqual(
      keys(s, 'r', { ...bound, reverse: true, limit: 2 }).map((k) => k[1]),
      [6, 5],
    );
    assert.deepEqual(keys(s, 'r', { limit: 0 }), []);
    assert.deepEqual(
      keys(s, 'r', { start: ['j', 8] }).map((k) => k[1]),
      [8, 9],
    );
    assert.deepEqual(keys(s, 'r', { start: ['k'], end: ['j'] }), []);
    await s.close();
  });

  test(`${name}: a range is deleted and counted, and its neighbours stay`, async () => {
    const s = await open();
    await Promise.all(Array.from({ length: 1500 }, (_, i) => s.put('d', [i], i)));
    await s.put('e', [5], 'other');
    assert.equal(await s.deleteRange('d', [100], [1400]), 1300);
    assert.equal(keys(s, 'd').length, 200);
    assert.equal(s.get('e', [5]), 'other');
    await s.close();
  });

  test(`${name}: after any puts and deletes the store equals a sorted map`, async () => {
    const s = await open();
    let run = 0;
    const op = fc.record({
      del: fc.boolean(),
      key: fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('', 'a', 'b', 'a\u0000b')), {
        minLength: 1,
        maxLength: 2,
      }),
      value: fc.integer(),
      wait: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 25 }), async (ops) => {
        const table = `p${run++}`;
        const model = new Map<string, number>();
        for (const o of ops) {
          const id = JSON.stringify(o.key);
          const done = o.del ? s.delete(table, o.key) : s.put(table, o.key, o.value);
          if (o.del) model.delete(id);
          else model.set(id, o.value);
          assert.equal(s.get(table, o.key), model.get(id));
          if (o.wait) await done;
          else void done;
          const seen = [...s.range(table)].map((e) => [JSON.stringify(e.key), e.value] as const);
          assert.deepEqual(new Map(seen), model);
          assert.equal(seen.length, model.size);
        }
      }),
      { numRuns: 25 },
    );
    await s.close();
  });

  test(`${name}: a key too long is refused by name`, async () => {
    const s = await open();
    assert.throws(() => s.get('t', ['x'.repeat(3000)]), { code: 'ValueError' });
    await s.close();
  });
}
