import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublishLine } from '../../master/publish-line.ts';

const turn = (): Promise<void> => new Promise((then) => setImmediate(then));
const busy = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

test('publishes leave in order, a few milliseconds of them a turn, and one that fails stops no other', async () => {
  const sent: number[] = [];
  const failures: unknown[] = [];
  const line = new PublishLine<number>(
    (n) => {
      busy(1);
      if (n === 3) throw new Error('three');
      sent.push(n);
    },
    (e) => failures.push(e),
  );
  for (let n = 0; n < 40; n++) line.push(n);
  assert.deepEqual(sent, [0], 'the first goes at once, the others wait');
  await turn();
  assert.ok(sent.length > 1 && sent.length < 30, `${sent.length} in one turn`);
  while (sent.length < 39) await turn();
  assert.deepEqual(
    sent,
    Array.from({ length: 40 }, (_, i) => i).filter((n) => n !== 3),
  );
  assert.equal(failures.length, 1);
});

test('what waits is sent when the line ends', () => {
  const sent: number[] = [];
  const line = new PublishLine<number>(
    (n) => void sent.push(n),
    () => assert.fail(),
  );
  for (let n = 0; n < 5; n++) line.push(n);
  line.flush();
  assert.deepEqual(sent, [0, 1, 2, 3, 4]);
});
