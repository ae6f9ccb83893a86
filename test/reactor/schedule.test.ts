import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Py, type PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { formatDate, parseDateText, parseFormatted, Schedule } from '../../reactor/schedule.ts';

const at = (text: string): number => parseFormatted(text, '%Y-%m-%d %H:%M:%S') as number;
const START = at('2026-03-11 10:00:00'); // a Wednesday
const py = (v: unknown): Py => toPy(v as Wire);

/** A schedule under a clock that the test turns. */
class Bench {
  now = START;
  problems: [string, string, string][] = [];
  running = 0;
  whens: Py[] = [];
  readonly schedule = new Schedule({
    running: () => this.running,
    problem: (job, key, message) => void this.problems.push([job, key, message]),
    whens: () => this.whens,
    random: () => 0.5,
  });
  constructor(jobs: unknown, memory?: WireMap) {
    this.schedule.set('opts', py(jobs), this.now, memory);
  }
  /** Ticks each second for a time; answers what ran, as `name@seconds since the start`. */
  run(seconds: number): string[] {
    const out: string[] = [];
    for (let i = 0; i < seconds; i++) {
      for (const d of this.schedule.tick(this.now)) out.push(`${d.name}@${(this.now - START) / 1000}`);
      this.now += 1000;
    }
    return out;
  }
  jump(seconds: number): void {
    this.now += seconds * 1000;
  }
}

test('an interval runs at the start and then each seconds, minutes and hours added up', () => {
  const b = new Bench({ job: { function: 'test.ping', seconds: 10, minutes: 1 } });
  assert.deepEqual(b.run(212), ['job@0', 'job@70', 'job@140', 'job@210']);
  const c = new Bench({ job: { function: 'test.ping', seconds: 10, run_on_start: false } });
  assert.deepEqual(c.run(21), ['job@10', 'job@20']);
  const d = new Bench({ job: { function: 'test.ping', hours: 1, days: 1, run_on_start: false } });
  assert.equal(d.schedule.nextFireTime('job'), START + 25 * 3600_000);
});

test('a cron line has its seconds last and follows the clock of its time zone', () => {
  const b = new Bench({
    five: { function: 'test.ping', cron: '*/5 * * * *' },
    six: { function: 'test.ping', cron: '* * * * * 30' },
    sunday: { function: 'test.ping', cron: '0 3 * * sun' },
    zone: { function: 'test.ping', cron: '30 2 * * *', timezone: 'Europe/Berlin' },
  });
  assert.equal(b.schedule.nextFireTime('five'), START + 300_000);
  assert.equal(b.schedule.nextFireTime('six'), START + 30_000);
  assert.equal(formatDate(b.schedule.nextFireTime('sunday') as number), '2026-03-15T03:00:00');
  const skipped = Date.UTC(2026, 2, 29, 0, 59);
  b.schedule.set(
    'opts',
    py({ zone: { function: 'test.ping', cron: '30 2 * * *', timezone: 'Europe/Berlin' } }),
    skipped,
  );
  b.schedule.set(
    'opts',
    py({ fresh: { function: 'test.ping', cron: '30 2 * * *', timezone: 'Europe/Berlin' } }),
    skipped,
  );
  // 02:30 does not exist in the night the clocks go forward: it runs once, right after the gap.
  assert.equal(new Date(b.schedule.nextFireTime('fresh') as number).getUTCHours(), 1);
  assert.deepEqual(b.problems, []);
});

test('when takes one date, many, and names from whens of the pillar', () => {
  const b = new Bench({
    one: { function: 'test.ping', when: '10:00:20' },
    many: { function: 'test.ping', when: ['10:00:05', 'Wednesday 10:00:15', '3/11/2026 9:00am'] },
  });
  assert.deepEqual(b.run(60), ['many@5', 'many@15', 'one@20']);
  assert.equal(formatDate(b.schedule.nextFireTime('one') as number), '2026-03-12T10:00:20');
  b.whens = [py({ tea: '10:02am' })];
  b.schedule.set('pillar', py({ named: { function: 'test.ping', when: 'tea' } }), b.now);
  assert.deepEqual(b.run(70), ['named@120']);
});

test('once runs one time, and not when its time has passed', () => {
  const b = new Bench({
    later: { function: 'test.ping', once: '2026-03-11T10:00:03' },
    past: { function: 'test.ping', once: '2026-03-11T09:00:00' },
    formed: { function: 'test.ping', once: '11.03.2026 10:00', once_fmt: '%d.%m.%Y %H:%M' },
  });
  assert.deepEqual(b.run(30), ['formed@0', 'later@3']);
});

test('splay is added to each moment, from 1 to its number or within its range', () => {
  const b = new Bench({
    a: { function: 'test.ping', seconds: 10, splay: 4, run_on_start: false },
    b: { function: 'test.ping', seconds: 10, splay: { start: 6, end: 8 }, run_on_start: false },
  });
  assert.deepEqual(b.run(30), ['a@13', 'b@17', 'a@26']);
});

test('a range lets a job run inside it, inverted outside it', () => {
  const range = { start: '10:00:10', end: '10:00:20' };
  const job = { function: 'test.ping', seconds: 5 };
  const b = new Bench({ in: { ...job, range }, out: { ...job, range: { ...range, invert: true } } });
  assert.deepEqual(b.run(26), ['in@0', 'out@0', 'out@5', 'in@10', 'out@10', 'in@15', 'in@20', 'out@20', 'out@25']);
  assert.equal(b.schedule.status('in').get('_skip_reason'), 'not_in_range');
});

test('skip_during_range leaves runs out, run_after_skip_range makes up for them, skip_function runs in their place', () => {
  const jobs = {
    skip_during_range: { start: '10:00:04', end: '10:00:12' },
    job: { function: 'test.ping', seconds: 5, run_on_start: false, run_after_skip_range: true },
  };
  const b = new Bench(jobs);
  assert.deepEqual(b.run(21), ['job@13', 'job@15', 'job@20']);
  const c = new Bench({ ...jobs, skip_function: 'test.version' });
  c.jump(5);
  assert.equal(c.schedule.tick(c.now)[0]?.fun, 'test.version');
});

test('after, until and skip_explicit bound the runs; the reason is told', () => {
  const job = { function: 'test.ping', seconds: 5, run_on_start: false };
  const b = new Bench({
    after: { ...job, after: '10:00:12' },
    until: { ...job, until: '10:00:12' },
    skip: { ...job, skip_explicit: [{ time: '2026-03-11T10:00:10', time_fmt: '%Y-%m-%dT%H:%M:%S' }] },
  });
  assert.deepEqual(b.run(16), ['until@5', 'skip@5', 'until@10', 'after@15', 'skip@15']);
  assert.equal(b.schedule.status('until').get('_skip_reason'), 'until_passed');
});

test('maxrunning counts the runs of a job unless jid_include is off', () => {
  const job = { function: 'test.sleep', seconds: 5 };
  const b = new Bench({ one: job, two: { ...job, maxrunning: 2 }, free: { ...job, jid_include: false } });
  b.running = 1;
  assert.deepEqual(b.run(1), ['two@0', 'free@0']);
  assert.equal(b.schedule.status('one').get('_skip_reason'), 'maxrunning');
});

test('a disabled job and a disabled schedule run nothing and go on when enabled', () => {
  const b = new Bench({
    off: { function: 'test.ping', seconds: 5, enabled: false },
    on: { function: 'test.ping', seconds: 5 },
  });
  assert.deepEqual(b.run(6), ['on@0', 'on@5']);
  b.schedule.edit(b.now, (own) => own.set('enabled', false));
  assert.deepEqual(b.run(6), []);
  b.schedule.edit(b.now, (own) => own.set('enabled', true));
  assert.deepEqual(b.run(6), ['on@15']);
});

test('missed moments: Salt makes up once for intervals and cron and never for dates; on_miss says otherwise', () => {
  const job = { function: 'test.ping', seconds: 10, run_on_start: false };
  const b = new Bench({
    salt: job,
    skip: { ...job, on_miss: 'skip' },
    all: { ...job, on_miss: 'run_all', maxrunning: 5 },
    date: { function: 'test.ping', when: '10:00:10' },
    dateOnce: { function: 'test.ping', when: '10:00:10', on_miss: 'run_once' },
  });
  b.jump(35);
  const ran = b.run(2).map((r) => r.split('@')[0]);
  assert.deepEqual(ran.sort(), ['all', 'all', 'all', 'dateOnce', 'salt']);
  assert.equal(b.schedule.status('skip').get('_skip_reason'), 'missed');
});

test('on_miss survives a restart', () => {
  const jobs = {
    once: { function: 'test.ping', minutes: 10, on_miss: 'run_once' },
    all: { function: 'test.ping', minutes: 10, on_miss: 'run_all', maxrunning: 9 },
    salt: { function: 'test.ping', minutes: 10, run_on_start: false },
  };
  const before = new Bench(jobs);
  before.run(5);
  const memory = before.schedule.remember();
  const b = new Bench({});
  b.jump(1850);
  b.schedule.set('opts', py(jobs), b.now, memory);
  assert.deepEqual(
    b
      .run(3)
      .map((r) => r.split('@')[0])
      .sort(),
    ['all', 'all', 'all', 'once'],
  );
});

test('each kind of nonsense gives one sentence that names the key, and all other jobs go on', () => {
  const ping = { function: 'test.ping' };
  const nonsense: Record<string, [unknown, string]> = {
    both: [{ ...ping, seconds: 5, when: '5:00pm' }, 'when'],
    three: [{ ...ping, when: '5:00pm', cron: '* * * * *' }, 'cron'],
    cron: [{ ...ping, cron: '61 * * * *' }, 'cron'],
    fields: [{ ...ping, cron: 'often' }, 'cron'],
    seconds: [{ ...ping, seconds: 'soon' }, 'seconds'],
    when: [{ ...ping, when: 'some day' }, 'when'],
    once: [{ ...ping, once: 'never' }, 'once'],
    nofun: [{ seconds: 5 }, 'function'],
    args: [{ ...ping, seconds: 5, args: 'x' }, 'args'],
    kwargs: [{ ...ping, seconds: 5, kwargs: ['x'] }, 'kwargs'],
    range: [{ ...ping, seconds: 5, range: { start: '8:00pm', end: '6:00am' } }, 'range'],
    skip: [{ ...ping, seconds: 5, skip_during_range: 'always' }, 'skip_during_range'],
    wait: [{ ...ping, seconds: 5, splay: { start: 9, end: 1 } }, 'splay'],
    until: [{ ...ping, seconds: 5, until: 'x' }, 'until'],
    miss: [{ ...ping, seconds: 5, on_miss: 'cry' }, 'on_miss'],
    unknown: [{ ...ping, cron: '0 0 1 1 *', secnods: 5 }, 'secnods'],
    text: ['test.ping', 'text'],
  };
  const jobs = Object.fromEntries(Object.entries(nonsense).map(([k, [v]]) => [k, v]));
  const b = new Bench({ first: { ...ping, seconds: 2 }, ...jobs, last: { ...ping, seconds: 2 } });
  assert.deepEqual(b.run(3), ['first@0', 'last@0', 'first@2', 'last@2']);
  assert.deepEqual(
    b.problems.map(([job, key]) => [job, key]),
    Object.entries(nonsense).map(([job, [, key]]) => [job, key]),
  );
  for (const [job, key, message] of b.problems) assert.ok(message.includes(job), `${key}: ${message}`);
});

test('the configuration wins over the pillar, and only its jobs can be edited', () => {
  const b = new Bench({ a: { function: 'test.ping', seconds: 5 } });
  b.schedule.set(
    'pillar',
    py({ a: { function: 'test.version', seconds: 1 }, p: { function: 'test.echo', seconds: 5 } }),
    b.now,
  );
  assert.deepEqual(
    b.schedule.tick(b.now).map((d) => d.fun),
    ['test.echo', 'test.ping'],
  );
  assert.ok(b.schedule.has('p', 'pillar') && !b.schedule.has('p', 'opts'));
  assert.deepEqual([...b.schedule.own().keys()], ['a']);
});

test('a job that changes in another part keeps its times', () => {
  const b = new Bench({ a: { function: 'test.ping', seconds: 10 } });
  b.run(5);
  b.schedule.edit(b.now, (own) => (own.get('a') as PyDict).set('maxrunning', 3));
  assert.deepEqual(b.run(10), ['a@10']);
});

test('dates are read as operators write them', () => {
  const noon = at('2026-03-11 12:00:00');
  const read = (t: string): string | undefined => {
    const v = parseDateText(t, noon);
    return v === undefined ? undefined : formatDate(v);
  };
  assert.equal(read('5:00pm'), '2026-03-11T17:00:00');
  assert.equal(read('12:05am'), '2026-03-11T00:05:00');
  assert.equal(read('8pm'), '2026-03-11T20:00:00');
  assert.equal(read('Monday 5:00pm'), '2026-03-16T17:00:00');
  assert.equal(read('11/29/2017 4:00pm'), '2017-11-29T16:00:00');
  assert.equal(read('2017-11-29 16:00'), '2017-11-29T16:00:00');
  assert.equal(read('Nov 29, 2017 4pm'), '2017-11-29T16:00:00');
  assert.equal(read('29 November 2017'), '2017-11-29T00:00:00');
  for (const bad of ['', '25:00', '13:00pm', 'soon', '2017-02-30']) assert.equal(read(bad), undefined, bad);
});

test('dates read back what was written, in both forms', () => {
  fc.assert(
    fc.property(fc.integer({ min: at('1995-01-01 00:00:00'), max: at('2037-12-31 00:00:00') }), (ms) => {
      const text = formatDate(ms);
      // In the hour that comes twice a text has two meanings.
      const again = parseFormatted(text, '%Y-%m-%dT%H:%M:%S') as number;
      assert.equal(formatDate(again), text);
      assert.equal(parseDateText(text, START), again);
    }),
  );
});

test('a tick over ten thousand jobs costs under a millisecond while none is due', () => {
  const jobs = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [`j${i}`, { function: 'test.ping', hours: 1, run_on_start: false }]),
  );
  const b = new Bench(jobs);
  b.run(20);
  const t = process.hrtime.bigint();
  b.run(100);
  const each = Number(process.hrtime.bigint() - t) / 1e6 / 100;
  assert.ok(each < 1, `${each} ms`);
});
