import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { quietLog } from '../../../bus/log.ts';
import { readTime } from '../../../master/job-report.ts';
import { noteRun } from '../../../master/run-files.ts';
import jobs from '../../../master/runners/jobs.ts';
import { str, toWire } from '../../../sls/values.ts';
import { d, type RunPlace, runPlace } from './run-fixture.ts';

const A = '20300115103000000001';
const B = '20300115113000000002';
const C = '20300116103000000003';

async function place(): Promise<RunPlace> {
  const p = runPlace();
  const load = { tgt: '*', tgt_type: 'glob', user: 'root', Minions: ['web1', 'web2'] };
  await p.job(
    A,
    { ...load, fun: 'pkg.install', arg: ['vim', { __kwarg__: true, metadata: { site: 'x' } }] },
    {
      web1: { return: { vim: 'ok' }, retcode: 0, success: true },
    },
  );
  await p.job(B, { ...load, fun: 'saltutil.find_job', arg: [A] });
  await p.job(
    C,
    { ...load, fun: 'state.apply', tgt: ['web2'], tgt_type: 'list', kwargs: { metadata: { site: 'y' } } },
    {
      web2: { return: { s: { result: false } }, retcode: 2, success: false, out: 'highstate' },
    },
  );
  return p;
}
const keys = (v: unknown): string[] => [...(v as Map<string, unknown>).keys()];

test('lookup_jid answers what came back, on request also who did not answer', async () => {
  const p = await place();
  assert.deepEqual(toWire(await p.call(jobs, 'lookup_jid', [A])), { web1: { vim: 'ok' } });
  assert.deepEqual(toWire(await p.call(jobs, 'lookup_jid', [A], { missing: true, returned: false })), {
    web2: 'Minion did not return',
  });
  const shown = toWire(await p.call(jobs, 'lookup_jid', [C]));
  assert.deepEqual(shown, { outputter: 'highstate', data: { web2: { s: { result: false } } } });
});

test('a job is shown with target, arguments and answers; an unknown one as an error', async () => {
  const p = await place();
  const job = toWire(await p.call(jobs, 'list_job', [A])) as Record<string, unknown>;
  assert.deepEqual(Object.keys(job), [
    'jid',
    'Function',
    'Arguments',
    'Target',
    'Target-type',
    'User',
    'Metadata',
    'Minions',
    'StartTime',
    'Result',
  ]);
  assert.deepEqual(job['Result'], { web1: { return: { vim: 'ok' }, retcode: 0, success: true } });
  assert.equal(job['StartTime'], '2030, Jan 15 10:30:00.000001');
  assert.deepEqual(toWire(await p.call(jobs, 'print_job', ['20010101000000000000'])), {
    '20010101000000000000': {
      Error: 'Cannot contact returner or no job with this jid',
      StartTime: '2001, Jan 01 00:00:00.000000',
      Result: {},
    },
  });
});

test('jobs are found by function, target, metadata and time, all at once', async () => {
  const p = await place();
  const found = async (kwargs: Parameters<typeof p.call>[3]): Promise<string[]> =>
    keys(await p.call(jobs, 'list_jobs', [], kwargs));
  assert.deepEqual(await found({}), [A, B, C]);
  assert.deepEqual(await found({ search_function: 'pkg.*,state.*' }), [A, C]);
  assert.deepEqual(await found({ search_function: ['pkg.*'], search_target: 'web*' }), []);
  assert.deepEqual(await found({ search_target: 'web?' }), [C]);
  assert.deepEqual(await found({ search_metadata: d({ site: 'y', other: 1 }) }), [C]);
  assert.deepEqual(await found({ search_metadata: 'site' }), []);
  assert.deepEqual(await found({ start_time: '2030, Jan 15 11:00' }), [B, C]);
  assert.deepEqual(await found({ start_time: '2030-01-15 11:00', end_time: '16 Jan 2030 00:00' }), [B]);
  await assert.rejects(found({ start_time: 'soon' }), { code: 'ValueError' });
  const wrapped = toWire(await p.call(jobs, 'list_jobs', [], { outputter: 'json', search_target: 'web2' })) as object;
  assert.deepEqual(Object.keys(wrapped), ['outputter', 'data']);
});

test('times are read as people write them', () => {
  const noon = Date.UTC(2030, 0, 15, 12);
  for (const text of [
    '2030, Jan 15 12:00',
    '2030-01-15T12:00',
    '2030-01-15 12:00:00.000',
    '15 Jan 2030 12:00',
    '2030-01-15T13:00+01:00',
  ])
    assert.equal(readTime(text), noon, text);
  assert.equal(readTime('2030-01-15'), Date.UTC(2030, 0, 15));
  assert.equal(readTime('2030, Jan 15 12:00:00.250000'), noon + 250);
  assert.equal(readTime('yesterday-ish'), undefined);
});

test('the newest jobs come without find_job, oldest first, whatever lies between', async () => {
  const p = await place();
  for (let i = 0; i < 80; i++)
    await p.job(`20300117${String(100000 + i)}000000`, { fun: 'saltutil.find_job', tgt: '*', arg: [] });
  const list = toWire(await p.call(jobs, 'list_jobs_filter', [2])) as Record<string, unknown>[];
  assert.deepEqual(
    list.map((j) => j['JID']),
    [A, C],
  );
  assert.equal(list[0]?.['Function'], 'pkg.install');
  assert.equal((toWire(await p.call(jobs, 'list_jobs_filter', [5, false])) as unknown[]).length, 5);
  assert.deepEqual(toWire(await p.call(jobs, 'list_jobs_filter', [0])), []);
});

test('last_run answers the newest job that fits, False when none does', async () => {
  const p = await place();
  assert.deepEqual(keys(await p.call(jobs, 'last_run')), [C]);
  assert.deepEqual(keys(await p.call(jobs, 'last_run', [], { function: 'pkg.*' })), [A]);
  assert.equal(await p.call(jobs, 'last_run', [], { function: 'nosuch' }), false);
  assert.equal(await p.call(jobs, 'last_run', [], { metadata: 'text' }), false);
});

test('exit_success tells of every targeted minion', async () => {
  const p = await place();
  assert.deepEqual(toWire(await p.call(jobs, 'exit_success', [A])), { web1: true, web2: false });
});

test('an external job cache that cannot be loaded is said to be so', async () => {
  const p = await place();
  assert.match(
    str(await p.call(jobs, 'lookup_jid', [A], { ext_source: 'nosuch' })),
    /^Requested returner could not be loaded/,
  );
});

test('running jobs are shown by job, with who runs them and who is done', async () => {
  const running = { jid: A, fun: 'pkg.install', arg: ['vim'], tgt: '*', tgt_type: 'glob', user: 'root', pid: 7 };
  const p = runPlace({ minions: ['web1', 'web2'], answer: (id) => (id === 'web1' ? [running] : []) });
  await p.job(A, { fun: 'pkg.install' }, { web2: { return: true } });
  const report = toWire(await p.call(jobs, 'active', [true])) as Record<string, Record<string, unknown>>;
  assert.deepEqual(report[A]?.['Running'], [{ web1: 7 }]);
  assert.deepEqual(report[A]?.['Returned'], ['web2']);
  assert.equal(report[A]?.['Function'], 'pkg.install');
  assert.equal(p.progress.length, 3);
});

test('runs on the master are listed while their process lives, and notes of dead ones go', async () => {
  const p = runPlace();
  const forget = noteRun(p.ctx.opts, quietLog, A, { jid: A, fun: 'runner.test.sleep' });
  mkdirSync(join(p.dir, 'cache', 'proc'), { recursive: true });
  writeFileSync(join(p.dir, 'cache', 'proc', B), 'nonsense');
  const list = toWire(await p.call(jobs, 'master')) as Record<string, unknown>[];
  assert.deepEqual(
    list.map((r) => [r['fun'], r['pid']]),
    [['runner.test.sleep', process.pid]],
  );
  forget();
  assert.deepEqual(await p.call(jobs, 'master'), []);
});
