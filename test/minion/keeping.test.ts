import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { type Letter, Outbox, spoolReturn } from '../../minion/outbox.ts';
import { isOurProcess, procDir, removeProcFile, runningJobs, writeProcFile } from '../../minion/proc-files.ts';
import { SeenJids } from '../../minion/seen-jids.ts';

let dir: string;
beforeEach(() => {
  if (dir) rmSync(dir, { recursive: true, force: true });
  dir = mkdtempSync(join(tmpdir(), 'keeping-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));
const jid = (n: number): string => `202601010000${String(n).padStart(8, '0')}`;

test('a job is begun once, also after a restart of the minion', () => {
  const path = join(dir, 'jids.log');
  const first = new SeenJids(path);
  assert.equal(first.begin(jid(1), 'test.ping'), true);
  assert.equal(first.begin(jid(1), 'test.ping'), false);
  first.begin(jid(2), 'cmd.run');
  first.done(jid(1));
  // No close: as after a kill.
  const second = new SeenJids(path);
  assert.equal(second.begin(jid(1), 'test.ping'), false);
  assert.deepEqual(second.unfinished(), [{ jid: jid(2), fun: 'cmd.run' }]);
  first.close();
  second.close();
});

test('the list of jobs stays small and forgets the oldest; a torn last line costs that line alone', () => {
  const path = join(dir, 'jids.log');
  const seen = new SeenJids(path, 100);
  for (let i = 0; i < 3000; i++) seen.begin(jid(i), 'f') && seen.done(jid(i));
  seen.close();
  assert.ok(statSync(path).size < 40_000);
  writeFileSync(path, `S ${jid(1)} f\nS ${jid(2)} f\nD ${jid(1)}\nS 2026`);
  const again = new SeenJids(path, 100);
  assert.deepEqual(again.unfinished(), [{ jid: jid(2), fun: 'f' }]);
  again.close();
});

test('a return is on disk, readable by its owner alone, until it is delivered', async () => {
  let during: string[] = [];
  const box = new Outbox(
    join(dir, 'returns'),
    async () => {
      during = readdirSync(join(dir, 'returns'));
      assert.equal(statSync(join(dir, 'returns', during[0] as string)).mode & 0o777, 0o600);
    },
    quietLog,
  );
  assert.equal(await box.send({ load: { jid: jid(1) } }), true);
  assert.equal(during.length, 1);
  assert.equal(box.waiting, 0);
});

test('what could not be delivered waits on disk, survives a restart, and goes out once, oldest first', async () => {
  const folder = join(dir, 'returns');
  const down = new Outbox(
    folder,
    async () => {
      throw new Error('no master');
    },
    quietLog,
  );
  for (let i = 0; i < 3; i++) assert.equal(await down.send({ to: 'a', load: { jid: jid(i) } }), false);
  spoolReturn(folder, { load: { jid: jid(9) } });
  const got: Letter[] = [];
  const up = new Outbox(folder, async (l) => void got.push(l), quietLog);
  await Promise.all([up.sweep(), up.sweep()]);
  assert.deepEqual(
    got.map((l) => [l.to, l.load['jid']]),
    [
      ['a', jid(0)],
      ['a', jid(1)],
      ['a', jid(2)],
      [undefined, jid(9)],
    ],
  );
  assert.equal(up.waiting, 0);
});

test('a damaged kept return is set aside and does not hold the others up', async () => {
  const folder = join(dir, 'returns');
  mkdirSync(folder);
  writeFileSync(join(folder, '1-1-0.p'), 'garbage');
  spoolReturn(folder, { load: { jid: jid(1) } });
  const got: Letter[] = [];
  await new Outbox(folder, async (l) => void got.push(l), quietLog).sweep();
  assert.equal(got.length, 1);
  assert.ok(readdirSync(folder).some((n) => n.startsWith('.damaged-')));
});

test('a sweep stops at the first failure and keeps the rest', async () => {
  const folder = join(dir, 'returns');
  for (let i = 0; i < 3; i++) spoolReturn(folder, { load: { jid: jid(i) } });
  let tries = 0;
  const box = new Outbox(
    folder,
    async () => {
      if (++tries === 2) throw new Error('gone again');
    },
    quietLog,
  );
  await box.sweep();
  assert.equal(tries, 2);
  assert.equal(box.waiting, 2);
});

test('running jobs are read from the proc folder; files of dead and of foreign processes are cleared away', () => {
  process.title = 'salt-minion-test';
  const load = { jid: jid(1), fun: 'test.sleep', arg: [3] };
  writeProcFile(dir, process.pid, load);
  writeProcFile(dir, 2 ** 22 + 1, { ...load, jid: jid(2) });
  writeProcFile(dir, 1, { ...load, jid: jid(3) });
  writeFileSync(join(procDir(dir), jid(4)), 'torn');
  writeProcFile(dir, process.pid, { ...load, jid: '../../etc/passwd' });
  assert.equal(statSync(join(dir, 'proc', jid(1))).mode & 0o777, 0o600);
  const found = runningJobs(dir, -1);
  assert.deepEqual(
    found.map((j) => [j['jid'], j['pid'], j['fun']]),
    [[jid(1), process.pid, 'test.sleep']],
  );
  assert.deepEqual(readdirSync(join(dir, 'proc')), [jid(1)]);
  assert.deepEqual(runningJobs(dir, process.pid), []);
  removeProcFile(dir, jid(1));
  assert.deepEqual(runningJobs(dir, -1), []);
  assert.equal(isOurProcess(0), false);
});
