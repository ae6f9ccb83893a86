import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { quietLog } from '../../../bus/log.ts';
import { openEmbeddedQueue } from '../../../bus/queue/embedded.ts';
import { queueSuite } from '../../conformance/queue-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-queue-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
let dir = '';

queueSuite('embedded', {
  open() {
    dir = join(root, String(n++));
    return openEmbeddedQueue(dir, { log: quietLog });
  },
  async reopen() {
    // A crash leaves the journal as it is: a copy of it is what the next process finds.
    const copy = join(root, String(n++));
    cpSync(dir, copy, { recursive: true });
    dir = copy;
    return openEmbeddedQueue(dir, { log: quietLog });
  },
});

test('a torn tail of the journal costs only what was never acknowledged', async () => {
  const d = join(root, 'torn');
  const q = await openEmbeddedQueue(d, { log: quietLog });
  await q.addAll(Array.from({ length: 20 }, (_, i) => ({ id: `j${i}`, data: { i } })));
  await q.close();
  const path = join(d, 'queue.journal');
  const whole = readFileSync(path);
  for (let cut = whole.length - 1; cut > whole.length - 200; cut -= 7) {
    writeFileSync(path, whole.subarray(0, cut));
    appendFileSync(path, Buffer.from([1, 2, 3]));
    const again = await openEmbeddedQueue(d, { log: quietLog });
    const left = await again.list();
    assert.ok(left.length >= 10 && left.length < 20, `${left.length} jobs at ${cut}`);
    assert.equal(await again.add('after the tear', {}), true);
    await again.close();
    const third = await openEmbeddedQueue(d, { log: quietLog });
    assert.equal((await third.list()).at(-1)?.id, 'after the tear');
    await third.close();
  }
});

test('the journal is private and is rewritten when most of it is history', async () => {
  const d = join(root, 'compact');
  const q = await openEmbeddedQueue(d, { log: quietLog, keep: 10 });
  const path = join(d, 'queue.journal');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  let done = 0;
  q.take(100, async () => void done++);
  for (let i = 0; i < 120; i++)
    await q.addAll(Array.from({ length: 100 }, (_, k) => ({ id: `${i}-${k}`, data: { i, k } })));
  while (done < 12_000) await new Promise((ok) => setTimeout(ok, 10));
  await q.close();
  const again = await openEmbeddedQueue(d, { log: quietLog, keep: 10 });
  assert.equal((await again.list()).length, 0);
  assert.ok(statSync(path).size < 200_000, `${statSync(path).size} bytes left`);
  await again.close();
});
