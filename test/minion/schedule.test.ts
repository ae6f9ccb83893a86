import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { MinionFacts } from '../../minion/facts.ts';
import type { RunningJob } from '../../minion/jobs.ts';
import type { ModuleCtx } from '../../minion/modules/contract.ts';
import module from '../../minion/modules/schedule.ts';
import { MinionSchedule } from '../../minion/schedule.ts';
import { loadYaml } from '../../sls/yaml.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-schedule-'));
after(() => rmSync(root, { recursive: true, force: true }));
const dict = (v: unknown): PyDict => toPy(v as Wire) as PyDict;

/** A minion's schedule without a minion. */
class Bench {
  readonly dir = mkdtempSync(join(root, 'm-'));
  readonly opts: Opts;
  readonly taken: RunningJob[] = [];
  readonly fired: [string, WireMap][] = [];
  readonly lines: string[] = [];
  facts: MinionFacts;
  readonly log = new Log('t', (r) => void this.lines.push(r.message));
  readonly schedule: MinionSchedule;
  constructor(schedule: unknown = {}, pillar: unknown = {}, more: WireMap = {}) {
    this.opts = new Opts(
      dict({
        id: 'm',
        conf_file: join(this.dir, 'minion'),
        cachedir: this.dir,
        default_include: 'minion.d/*.conf',
        schedule,
        ...more,
      } as Wire),
    );
    this.facts = { version: 1, opts: this.opts, grains: new PyDict(), pillar: dict(pillar), connected: true };
    this.schedule = new MinionSchedule({
      opts: this.opts,
      log: this.log,
      facts: () => this.facts,
      take: (job) => void this.taken.push(job),
      running: () => 0,
      fire: (tag, data) => void this.fired.push([tag, data]),
    });
    this.schedule.start(Date.now());
  }
  /** Calls a function of the module as a job of this minion does. */
  call(name: keyof typeof module.functions, args: Record<string, unknown> = {}, kwargs: unknown = {}): unknown {
    const ctx = {
      opts: this.opts,
      pillar: this.facts.pillar,
      log: this.log,
      daemon: (_: string, data: WireMap) => toPy(this.schedule.manage(data)),
      fireLocal: () => true,
    } as unknown as ModuleCtx;
    return module.functions[name].run({ kwargs: dict(kwargs), ...(args as WireMap) } as never, ctx);
  }
  get file(): string {
    return join(this.dir, 'minion.d', '_schedule.conf');
  }
}

const plain = (v: unknown): unknown =>
  v instanceof Map ? Object.fromEntries([...v].map(([k, x]) => [k, plain(x)])) : Array.isArray(v) ? v.map(plain) : v;

test('a due job is run with its arguments and returned as jid req under its name', () => {
  const b = new Bench({
    job: { function: 'test.arg', args: ['a', 1], kwargs: { k: 'v' }, seconds: 30, metadata: { why: 'test' } },
  });
  b.schedule.tick(Date.now());
  const [job] = b.taken;
  assert.ok(job);
  assert.deepEqual(job.load['arg'], ['a', 1, { k: 'v', __kwarg__: true }]);
  assert.equal(job.load['schedule'], 'job');
  assert.match(String(job.load['jid']), /^\d{20}$/);
  assert.deepEqual(Object.keys(job.load['metadata'] as WireMap), ['why', '_TOS', '_TS', '_TT']);
  const sent = job.reshape?.({ jid: 'x', fun_args: job.load['arg'] ?? null });
  assert.deepEqual(sent, { jid: 'req', fun_args: ['a', 1, { k: 'v' }] });
  b.schedule.tick(Date.now());
  assert.equal(b.taken.length, 1);
});

test('returners of the job and of schedule_returner are called once each, and the return keeps its jid', () => {
  const b = new Bench(
    {
      job: {
        function: 'test.ping',
        seconds: 30,
        returner: ['redis', 'mysql'],
        return_config: 'alt',
        return_kwargs: { db: 2 },
      },
    },
    {},
    { schedule_returner: 'redis' },
  );
  b.schedule.tick(Date.now());
  const [job] = b.taken;
  assert.equal(job?.load['ret'], 'redis,mysql');
  assert.equal(job?.load['ret_config'], 'alt');
  assert.deepEqual(job?.load['ret_kwargs'], { db: 2 });
  assert.equal(job?.reshape?.({ jid: '2026', fun_args: [] })['jid'], '2026');
});

test('return_job: False sends nothing back, nocache asks the master to keep nothing', () => {
  const b = new Bench({
    none: { function: 'test.ping', seconds: 30, return_job: false },
    no: { function: 'test.ping', seconds: 30, return_job: 'nocache' },
  });
  b.schedule.tick(Date.now());
  assert.deepEqual(
    b.taken.map((j) => j.wanted),
    [false, true],
  );
  assert.equal(b.taken[1]?.reshape?.({})['jid'], 'nocache');
});

test('schedule.add keeps a job beside the configuration, list shows it, delete removes it', () => {
  const b = new Bench();
  assert.deepEqual(plain(b.call('add', { name: 'job1' }, { function: 'test.ping', seconds: 3600 })), {
    comment: 'Added job: job1 to schedule.',
    result: true,
    changes: { job1: 'added' },
  });
  assert.deepEqual(plain(loadYaml(readFileSync(b.file, 'utf8'))), {
    schedule: {
      job1: { enabled: true, function: 'test.ping', jid_include: true, maxrunning: 1, name: 'job1', seconds: 3600 },
    },
  });
  const defaults = { show_all: false, show_disabled: true, where: null, return_yaml: true, offline: false };
  assert.equal(
    b.call('list', defaults),
    'schedule:\n  job1:\n    enabled: true\n    function: test.ping\n    jid_include: true\n    maxrunning: 1\n    name: job1\n    saved: true\n    seconds: 3600\n',
  );
  assert.deepEqual(plain(b.call('add', { name: 'job1' }, { function: 'test.ping', seconds: 5 })), {
    comment: 'Job job1 already exists in schedule.',
    result: false,
    changes: {},
  });
  assert.deepEqual(
    b.fired.map(([tag]) => tag).filter((t) => t.includes('add')),
    ['/salt/minion/minion_schedule_add_complete'],
  );
  assert.deepEqual(plain(b.call('delete', { name: 'job1' })), {
    comment: 'Deleted Job job1 from schedule.',
    result: true,
    changes: { job1: 'removed' },
  });
  assert.equal(b.call('list', defaults), 'schedule: {}\n');
});

test('jobs are modified, switched, run, postponed and skipped with the texts of the reference', () => {
  const b = new Bench({ job: { function: 'test.ping', hours: 1, run_on_start: false, name: 'job' } });
  const comment = (v: unknown): unknown => (v as PyDict).get('comment');
  assert.equal(comment(b.call('modify', { name: 'job' }, { seconds: 5 })), 'Modified job: job in schedule.');
  assert.equal(comment(b.call('modify', { name: 'job' }, { seconds: 5 })), 'Job job in correct state');
  assert.equal(comment(b.call('modify', { name: 'x' }, { seconds: 5 })), 'Job x does not exist in schedule.');
  assert.equal(comment(b.call('disable_job', { name: 'job' })), 'Disabled Job job in schedule.');
  assert.equal(comment(b.call('run_job', { name: 'job', force: false })), 'Job job is disabled.');
  assert.equal(comment(b.call('run_job', { name: 'job', force: true })), 'Scheduling Job job on minion.');
  assert.equal(b.taken.length, 1);
  assert.equal(comment(b.call('enable_job', { name: 'job' })), 'Enabled Job job in schedule.');
  const time = '2036-03-11T10:00:00';
  assert.equal(
    comment(b.call('postpone_job', { name: 'job', current_time: time, new_time: '2036-03-11T11:00:00' })),
    'Postponed Job job in schedule.',
  );
  assert.equal(comment(b.call('skip_job', { name: 'job', current_time: time })), 'Added Skip Job job in schedule.');
  assert.equal(comment(b.call('skip_job', { name: 'job', current_time: 'noon' })), 'Date string could not be parsed.');
  assert.equal(comment(b.call('disable')), 'Disabled schedule on minion.');
  assert.equal(b.call('is_enabled', { name: null }), false);
  assert.equal(comment(b.call('enable')), 'Enabled schedule on minion.');
  assert.equal(comment(b.call('save')), 'Schedule (non-pillar items) saved.');
  assert.deepEqual(comment(b.call('purge')), ['Deleted job: job from schedule.']);
  assert.ok(existsSync(b.file));
});

test('jobs of the pillar run and cannot be edited', () => {
  const b = new Bench({}, { schedule: { p: { function: 'test.ping', minutes: 5 } } });
  b.schedule.tick(Date.now());
  assert.equal(b.taken.length, 1);
  assert.equal((b.call('delete', { name: 'p' }) as PyDict).get('comment'), 'Failed to delete job p from schedule.');
  assert.ok(b.lines.some((l) => l === "Cannot delete job p, it's in the pillar!"));
  b.facts = { ...b.facts, pillar: dict({ schedule: { q: { function: 'test.version', minutes: 5 } } }) };
  b.schedule.tick(Date.now());
  assert.deepEqual(
    b.taken.map((j) => j.load['fun']),
    ['test.ping', 'test.version'],
  );
});

test('the status of a job tells when it runs next and why it was left out', () => {
  const b = new Bench({ job: { function: 'test.ping', hours: 1, enabled: false } });
  b.schedule.tick(Date.now());
  const status = b.call('job_status', { name: 'job', time_fmt: '%Y' }) as PyDict;
  assert.equal(status.get('_skip_reason'), 'disabled');
  assert.match(String(status.get('_next_fire_time')), /^\d{4}$/);
  assert.equal(status.get('_seconds'), 3600);
  const next = b.call('show_next_fire_time', { name: 'job' }) as PyDict;
  assert.match(String(next.get('next_fire_time')), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
});

test('a wrong job is told once in the log and as an event, and the rest goes on', () => {
  const b = new Bench({ bad: { function: 'test.ping', cron: 'often' }, good: { function: 'test.ping', minutes: 1 } });
  b.schedule.tick(Date.now());
  b.schedule.tick(Date.now());
  assert.equal(b.taken.length, 1);
  assert.equal(b.lines.filter((l) => l.startsWith('Invalid cron string. Ignoring job bad.')).length, 1);
  const told = b.fired.find(([tag]) => tag === '/salt/minion/minion_schedule_problem');
  assert.equal(told?.[1]['key'], 'cron');
});

test('every function of the reference is there', () => {
  const inventory = JSON.parse(readFileSync('test/golden/cli/inventory.json', 'utf8')) as {
    kinds: { execution: Record<string, unknown> };
  };
  const named = Object.keys(inventory.kinds.execution)
    .filter((n) => n.startsWith('schedule.'))
    .map((n) => n.slice('schedule.'.length));
  assert.deepEqual(Object.keys(module.functions).sort(), named.sort());
});
