import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaltError } from '../../bus/errors.ts';
import type { JobQueue, QueueJob } from '../../bus/queue/contract.ts';

/** What an adapter's test hands to the suite: a queue of its own, and the same queue opened again after a crash of its process. */
export interface QueueHarness {
  open(): Promise<JobQueue>;
  /** Ends the process's hold without any of the niceties of close, then opens the same queue again. */
  reopen(old: JobQueue): Promise<JobQueue>;
}

const until = async (what: string, is: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> => {
  const end = Date.now() + ms;
  while (!(await is())) {
    if (Date.now() > end) assert.fail(`waited ${ms} ms in vain: ${what}`);
    await new Promise((ok) => setTimeout(ok, 5));
  }
};

/** Runs the promises of bus/queue/contract.ts against one adapter. */
export function queueSuite(name: string, harness: QueueHarness): void {
  test(`${name}: a job is handed out once, with its data as it was`, async () => {
    const q = await harness.open();
    const got: QueueJob[] = [];
    q.take(4, async (j) => void got.push(j));
    assert.equal(await q.add('1/r/a', { fun: 'test.ping', arg: [1, 'ü', null, { x: [true] }] }), true);
    await until('the job', () => got.length === 1);
    assert.equal(got[0]?.id, '1/r/a');
    assert.equal(got[0]?.attempt, 0);
    assert.deepEqual(JSON.parse(JSON.stringify(got[0]?.data)), {
      fun: 'test.ping',
      arg: [1, 'ü', null, { x: [true] }],
    });
    await q.close();
  });

  test(`${name}: the same id added again changes nothing, before and after it was done`, async () => {
    const q = await harness.open();
    const got: string[] = [];
    assert.equal(await q.add('twice', { n: 1 }), true);
    assert.equal(await q.add('twice', { n: 2 }), false);
    q.take(2, async (j) => void got.push(`${j.id}:${j.data['n']}`));
    await until('the job', () => got.length === 1);
    await until('it to be done', async () => (await q.counts()).active === 0);
    assert.equal(await q.add('twice', { n: 3 }), false);
    await new Promise((ok) => setTimeout(ok, 50));
    assert.deepEqual(got, ['twice:1']);
    await q.close();
  });

  test(`${name}: a failed job is tried again, and ends as a dead letter with its reason`, async () => {
    const q = await harness.open();
    let calls = 0;
    q.take(1, async () => {
      calls++;
      throw new Error('no such luck');
    });
    await q.add('fails', { n: 1 }, { tries: 2 });
    await until('the dead letter', async () => (await q.dead()).length === 1);
    assert.equal(calls, 2);
    const [letter] = await q.dead();
    assert.equal(letter?.id, 'fails');
    assert.match(letter?.reason ?? '', /no such luck/);
    assert.equal(letter?.attempts, 2);
    await q.close();
  });

  test(`${name}: an error that retrying cannot help makes a dead letter at once; revive runs it again`, async () => {
    const q = await harness.open();
    let calls = 0;
    q.take(1, async () => {
      calls++;
      if (calls === 1) throw new SaltError('SaltInvocationError', 'wrong arguments');
    });
    await q.add('bad', { n: 1 });
    await until('the dead letter', async () => (await q.dead()).length === 1);
    assert.equal(calls, 1);
    assert.equal(await q.revive('bad'), true);
    await until('the second run', () => calls === 2);
    await until('no dead letter', async () => (await q.dead()).length === 0);
    assert.equal(await q.revive('bad'), false);
    await q.close();
  });

  test(`${name}: a delayed job waits for its time`, async () => {
    const q = await harness.open();
    const got: number[] = [];
    const start = Date.now();
    q.take(1, async () => void got.push(Date.now() - start));
    await q.add('later', {}, { delay: 300 });
    assert.equal((await q.counts()).delayed, 1);
    await until('the job', () => got.length === 1);
    assert.ok((got[0] ?? 0) >= 295, `ran after ${got[0]} ms`);
    await q.close();
  });

  test(`${name}: jobs of one key run one at a time in order, others meanwhile`, async () => {
    const q = await harness.open();
    const order: string[] = [];
    let running = 0;
    let most = 0;
    q.take(8, async (j) => {
      if (j.data['k']) {
        running++;
        most = Math.max(most, running);
      }
      await new Promise((ok) => setTimeout(ok, 10));
      if (j.data['k']) running--;
      order.push(j.id);
    });
    await q.addAll([
      ...[1, 2, 3, 4, 5].map((n) => ({ id: `k${n}`, data: { k: 1 }, options: { key: 'one' } })),
      { id: 'free', data: { k: 0 } },
    ]);
    await until('all jobs', () => order.length === 6);
    assert.equal(most, 1);
    assert.deepEqual(
      order.filter((i) => i !== 'free'),
      ['k1', 'k2', 'k3', 'k4', 'k5'],
    );
    await q.close();
  });

  test(`${name}: what was added or handed out but not done comes back after a crash, what was done does not`, async () => {
    let q = await harness.open();
    const done: string[] = [];
    let held = 0;
    q.take(3, async (j) => {
      if (j.id === 'done') {
        done.push(j.id);
        return;
      }
      held++;
      await new Promise(() => undefined);
    });
    await q.add('done', {});
    await until('the first job to be done', () => done.length === 1);
    await until('its mark', async () => (await q.counts()).active === 0);
    await q.addAll([
      { id: 'held', data: { n: 1 } },
      { id: 'held too', data: { n: 2 } },
    ]);
    await until('two jobs in hand', () => held === 2);
    q = await harness.reopen(q);
    const again: string[] = [];
    q.take(3, async (j) => void again.push(j.id));
    await until('both jobs again', () => again.length >= 2);
    assert.deepEqual([...again].sort(), ['held', 'held too']);
    assert.equal(await q.add('done', {}), false);
    await q.close();
  });

  test(`${name}: 2,000 jobs all run once`, async () => {
    const q = await harness.open();
    const seen = new Map<string, number>();
    q.take(50, async (j) => void seen.set(j.id, (seen.get(j.id) ?? 0) + 1));
    const ids = Array.from({ length: 2000 }, (_, i) => `${i}`);
    for (let i = 0; i < ids.length; i += 100)
      await q.addAll(ids.slice(i, i + 100).map((id) => ({ id: `job/${id}`, data: { id } })));
    await until('all of them', () => seen.size === 2000);
    assert.ok([...seen.values()].every((n) => n === 1));
    await q.close();
  });
}
