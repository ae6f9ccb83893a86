import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventStore, StoredRecord } from '../../bus/store/contract.ts';

/**
 * What every EventStore promises, as tests.
 * @param name the adapter. @param open a fresh, empty store at each call.
 */
export function eventStoreSuite(name: string, open: () => Promise<EventStore>): void {
  const all = async (s: EventStore, from = 1): Promise<StoredRecord[]> => {
    const out: StoredRecord[] = [];
    for await (const r of s.read(from)) out.push(r);
    return out;
  };
  const text = (r: StoredRecord | undefined): string => Buffer.from(r?.bytes ?? []).toString();

  test(`${name}: positions start at 1, rise by one and follow the order of calls`, async () => {
    const s = await open();
    assert.deepEqual([s.head, s.tail], [0, 0]);
    const given = [1, 2, 3].map((i) => s.append(Buffer.from(`r${i}`), 1000 + i));
    assert.deepEqual(
      given.map((g) => g.seq),
      [1, 2, 3],
    );
    assert.equal(s.head, 3);
    await Promise.all(given.map((g) => g.safe));
    assert.equal(s.safe, 3);
    assert.equal(s.tail, 1);
    await s.close();
  });

  test(`${name}: what is appended is read at once, and again after it is safe`, async () => {
    const s = await open();
    const { safe } = s.append(Buffer.from('body'), 1, Buffer.from('head '));
    assert.deepEqual((await all(s)).map(text), ['head body']);
    await safe;
    assert.deepEqual((await all(s)).map(text), ['head body']);
    assert.deepEqual(await all(s, 2), []);
    await s.close();
  });

  test(`${name}: an appended buffer may be changed by its owner afterwards`, async () => {
    const s = await open();
    const b = Buffer.from('kept');
    s.append(b, 1);
    b.fill(0);
    assert.equal(text((await all(s))[0]), 'kept');
    await s.close();
  });

  test(`${name}: a reader sees the head of the moment it began, and no more`, async () => {
    const s = await open();
    for (let i = 0; i < 10; i++) s.append(Buffer.from(String(i)), i);
    let seen = 0;
    for await (const r of s.read(4)) {
      if (seen++ === 0) s.append(Buffer.from('late'), 99);
      assert.ok(r.seq >= 4 && r.seq <= 10);
    }
    assert.equal(seen, 7);
    await s.close();
  });

  test(`${name}: empty, large and binary records come back as they were`, async () => {
    const s = await open();
    const bodies = [Buffer.alloc(0), Buffer.alloc(3_000_000, 7), Buffer.from(Array.from({ length: 256 }, (_, i) => i))];
    await Promise.all(bodies.map((b, i) => s.append(b, i).safe));
    const got = await all(s);
    for (const [i, b] of bodies.entries()) assert.ok(Buffer.from(got[i]?.bytes ?? []).equals(b));
    await s.close();
  });

  test(`${name}: a time is found, also where the clock stepped back`, async () => {
    const s = await open();
    for (const t of [100, 200, 150, 300]) await s.append(Buffer.from('x'), t).safe;
    assert.equal(await s.seek(0), 1);
    assert.equal(await s.seek(101), 2);
    assert.equal(await s.seek(201), 4);
    assert.equal(await s.seek(301), 5);
    const times = (await all(s)).map((r) => r.time);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    await s.close();
  });
}
