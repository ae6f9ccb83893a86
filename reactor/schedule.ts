/**
 * The schedule of a minion (execution functions) and of the master (runners): which jobs are due at a tick. Pure: the time is passed in,
 * and what is due is answered, not run.
 */
import { type Py, PyDict, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { deepCopy, truth } from '../sls/values.ts';
import { formatDate } from './date-text.ts';
import { type JobSurroundings, readJob, type ScheduledJob, ScheduleProblem, unknownKeys } from './schedule-job.ts';

export { formatDate, parseDateText, parseFormatted } from './date-text.ts';
export { ScheduleMemory } from './schedule-memory.ts';

/** Where a job was written: the configuration (which wins), or the pillar, which cannot be edited from here. */
export type ScheduleSource = 'opts' | 'pillar';

/** A job that is due now. */
export interface DueJob {
  readonly name: string;
  readonly fun: string;
  readonly args: Py[];
  readonly kwargs: PyDict;
  /** All that was written about the job. */
  readonly data: PyDict;
  /** The moment it was meant for, in ms since the epoch. */
  readonly due: number;
  /** Why it runs: its time came, the daemon started, its time was missed, or somebody said so. */
  readonly why: 'time' | 'start' | 'missed' | 'asked';
}

/** What a schedule needs of its daemon. */
export interface ScheduleParts {
  /** How many runs of a job go on now (`maxrunning`). */
  running(name: string): number;
  /** Told once of each thing that is wrong, when the schedule is read or a job is due; the other jobs go on. */
  problem(job: string, key: string, message: string): void;
  /** `whens` of the pillar, then of the grains. */
  whens?(): readonly Py[];
  random?: () => number;
  /** How late a moment is still met, in ms: the time between two ticks. */
  grace?: number;
}

/** Settings of the whole schedule, which stand among its jobs. */
const GLOBAL = new Set(['enabled', 'skip_function', 'skip_during_range', 'splay']);
/** Most runs that `run_all` makes up for. */
const MOST_MISSED = 1000;

/** Keys that say when a job runs. */
const TIMING = ['seconds', 'minutes', 'hours', 'days', 'when', 'cron', 'once', 'once_fmt', 'timezone', 'splay'];

const fingerprint = (v: Wire): string =>
  JSON.stringify(v, (_, x: unknown) => (typeof x === 'bigint' ? String(x) : x instanceof Map ? [...x] : x));

interface Entry {
  readonly name: string;
  readonly source: ScheduleSource;
  readonly data: PyDict;
  readonly written: string;
  /** The part of it that says when: a job whose other parts change keeps its times. */
  readonly timing: string;
  readonly job: ScheduledJob;
  /** The moment of the plan that comes next. */
  next: number | undefined;
  /** The same with its splay. */
  at: number | undefined;
  /** When to look at it again: no tick before that costs more than one comparison. */
  wake: number;
  onStart: boolean;
  backlog: number[];
  explicit: number[];
  lastRun?: number;
  /** The latest moment of the plan that was dealt with, or when the job was first seen. */
  handled: number;
  skipped?: { reason: string; at: number };
}

/** A schedule; see the head of this file. */
export class Schedule {
  private entries = new Map<string, Entry>();
  private readonly given: Record<ScheduleSource, PyDict> = { opts: new PyDict(), pillar: new PyDict() };
  private readonly told = new Set<string>();
  private readonly grace: number;
  private memory: ReadonlyMap<string, number> = new Map();

  constructor(private readonly parts: ScheduleParts) {
    this.grace = parts.grace ?? 1000;
  }

  /**
   * Takes a schedule as written. Jobs that did not change keep their times. `memory` is what {@link remember} answered before a restart:
   * jobs with `on_miss: run_once` or `run_all` count from there.
   */
  set(source: ScheduleSource, schedule: Py, now: number, memory?: WireMap): void {
    if (memory) this.memory = new Map(Object.entries(memory).map(([k, v]) => [k, Number(v)]));
    if (schedule instanceof PyDict) this.given[source] = deepCopy(schedule);
    else {
      this.given[source] = new PyDict();
      if (schedule !== null) this.problem('', 'schedule', 'Schedule must be of type dict.');
    }
    this.build(now);
  }

  /** Changes the configuration's part in place; answers what `change` answers. */
  edit<T>(now: number, change: (own: PyDict) => T): T {
    const answer = change(this.given.opts);
    this.build(now);
    return answer;
  }

  /** Whether a job of this name stands in a part of the schedule. */
  has(name: string, source: ScheduleSource): boolean {
    return this.given[source].has(name);
  }

  /** The configuration's part as it is to be kept on disk. */
  own(): PyDict {
    const out = new PyDict();
    for (const [name, v] of this.given.opts)
      out.set(name, v instanceof PyDict ? new PyDict([...v].filter(([k]) => !String(k).startsWith('_'))) : v);
    return deepCopy(out);
  }

  private setting(key: string): Py {
    return this.given.opts.get(key) ?? this.given.pillar.get(key) ?? null;
  }

  private problem(job: string, key: string, message: string): void {
    const id = `${job}\0${key}\0${message}`;
    if (this.told.has(id)) return;
    this.told.add(id);
    this.parts.problem(job, key, message);
  }

  private surroundings(): JobSurroundings {
    const whens = this.parts.whens?.() ?? [];
    return {
      splay: this.setting('splay'),
      skipDuringRange: this.setting('skip_during_range'),
      when(name, job) {
        for (const w of whens) {
          if (w instanceof PyDict) {
            const v = w.get(name);
            if (v !== undefined) return v;
          } else if (w !== null)
            throw new ScheduleProblem('whens', `"whens" of pillar and grains must be a dict. Ignoring job ${job}.`);
        }
        return undefined;
      },
    };
  }

  private build(now: number): void {
    const around = this.surroundings();
    const outside = JSON.stringify([toWire(around.splay), toWire(around.skipDuringRange)]);
    const before = this.entries;
    this.entries = new Map();
    for (const source of ['pillar', 'opts'] as const)
      for (const [key, value] of this.given[source]) {
        const name = String(key);
        if (GLOBAL.has(name) || (source === 'pillar' && this.given.opts.has(name))) continue;
        if (!(value instanceof PyDict)) {
          this.problem(name, name, `Scheduled job "${name}" should have a dict value, not ${typeof value}`);
          continue;
        }
        const entry = this.read(name, source, value, around, outside, before.get(name), now);
        if (entry) this.entries.set(name, entry);
      }
  }

  private read(
    name: string,
    source: ScheduleSource,
    data: PyDict,
    around: JobSurroundings,
    outside: string,
    old: Entry | undefined,
    now: number,
  ): Entry | undefined {
    try {
      const when = data.get('when');
      const named = (Array.isArray(when) ? (when as Py[]) : [when ?? null]).map((w) =>
        typeof w === 'string' ? toWire(around.when(w, name) ?? null) : null,
      );
      const written = fingerprint([toWire(data), named, outside]);
      const timing = fingerprint([TIMING.map((k) => toWire(data.get(k) ?? null)), named, toWire(around.splay)]);
      if (old && old.written === written && old.source === source) return { ...old, data };
      for (const key of unknownKeys(data))
        this.problem(name, key, `Unknown key ${key} in scheduled job ${name} is ignored.`);
      const job = readJob(name, data, around, now);
      return this.begin({ name, source, data, written, timing, job }, old, now);
    } catch (e) {
      if (!(e instanceof ScheduleProblem)) throw e;
      this.problem(name, e.key, e.message);
      return undefined;
    }
  }

  private begin(
    read: Pick<Entry, 'name' | 'source' | 'data' | 'written' | 'timing' | 'job'>,
    old: Entry | undefined,
    now: number,
  ): Entry {
    const { job } = read;
    const makesUp = job.onMiss === 'run_once' || job.onMiss === 'run_all';
    const remembered = makesUp ? this.memory.get(read.name) : undefined;
    const entry: Entry = {
      ...read,
      next: undefined,
      at: undefined,
      wake: 0,
      // Only edits that touch its time make a job start afresh.
      onStart: job.runOnStart && !old && (remembered === undefined || read.data.has('run_on_start')),
      backlog: [],
      explicit: job.explicit.filter((t) => t >= now - this.grace),
      handled: remembered ?? now,
      ...(old?.lastRun === undefined ? {} : { lastRun: old.lastRun }),
    };
    if (old?.timing === read.timing) {
      Object.assign(entry, { next: old.next, at: old.at, onStart: old.onStart, handled: old.handled });
      this.rest(entry);
      return entry;
    }
    const exact = job.plan?.kind === 'when' || job.plan?.kind === 'once';
    this.plan(entry, remembered ?? (exact ? now - this.grace - 1 : now));
    return entry;
  }

  /** Sets the next moment after one, with its splay. */
  private plan(entry: Entry, after: number): void {
    const { plan, splay } = entry.job;
    entry.next = plan?.next(after);
    const random = this.parts.random ?? Math.random;
    const wait = splay ? (splay.start + Math.floor(random() * (splay.end - splay.start + 1))) * 1000 : 0;
    entry.at = entry.next === undefined ? undefined : entry.next + wait;
    this.rest(entry);
  }

  private rest(entry: Entry): void {
    entry.wake =
      entry.onStart || entry.backlog.length
        ? 0
        : Math.min(entry.at ?? Number.POSITIVE_INFINITY, entry.explicit[0] ?? Number.POSITIVE_INFINITY);
  }

  /** The jobs that are due. To be called about once a {@link ScheduleParts.grace}; a tick that comes late makes up as `on_miss` says. */
  tick(now: number): DueJob[] {
    const out: DueJob[] = [];
    for (const entry of this.entries.values()) if (entry.wake <= now) this.look(entry, now, out);
    return out;
  }

  private look(entry: Entry, now: number, out: DueJob[]): void {
    try {
      if (entry.backlog.length === 0) {
        const due = this.due(entry, now);
        if (!due) return;
        const skip = due.why === 'start' ? undefined : entry.job.skips(now, this.grace);
        if (!this.enabled(entry)) this.skip(entry, 'disabled', now);
        else if (skip !== undefined) this.left(entry, skip, due, now, out);
        else this.run(entry, due, out, now);
        return;
      }
      if (!this.enabled(entry)) {
        entry.backlog = [];
        return;
      }
      while (entry.backlog.length && this.hasRoom(entry, out))
        this.push(entry, { due: entry.backlog.shift() as number, why: 'missed' }, out, now);
    } catch (e) {
      if (!(e instanceof ScheduleProblem)) throw e;
      this.problem(entry.name, e.key, e.message);
    } finally {
      this.rest(entry);
    }
  }

  private enabled(entry: Entry): boolean {
    const all = this.setting('enabled');
    return entry.job.enabled && (all === null || truth(all));
  }

  private skip(entry: Entry, reason: string, at: number): void {
    entry.skipped = { reason, at };
  }

  /** A run that a range or a date forbids: `skip_function` runs in its place, a run after the range is noted. */
  private left(entry: Entry, reason: string, due: Pick<DueJob, 'due' | 'why'>, now: number, out: DueJob[]): void {
    const instead = this.setting('skip_function');
    const inRange = reason !== 'until_passed' && reason !== 'after_not_passed';
    if (inRange && typeof instead === 'string') {
      this.run(entry, due, out, now, instead);
      return;
    }
    this.skip(entry, reason, now);
    if (reason !== 'in_skip_range') return;
    const end = entry.job.afterSkip(now);
    if (end === undefined || entry.explicit.includes(end + this.grace)) return;
    entry.explicit = [...entry.explicit, end + this.grace].sort((a, b) => a - b);
  }

  /** What of a job is due; moves on to its next moment. */
  private due(entry: Entry, now: number): Pick<DueJob, 'due' | 'why'> | undefined {
    const { job } = entry;
    if (entry.onStart) {
      entry.onStart = false;
      if (job.plan) this.plan(entry, now);
      entry.handled = now;
      return { due: now, why: 'start' };
    }
    const told = entry.explicit[0];
    if (told !== undefined && told <= now) {
      entry.explicit = entry.explicit.filter((t) => t > now);
      if (now - told <= this.grace || this.policy(entry) !== 'skip') return { due: told, why: 'time' };
    }
    const { at, next } = entry;
    if (at === undefined || next === undefined || at > now) return undefined;
    const late = now - at > this.grace;
    const missed = late && this.policy(entry) === 'run_all' ? this.allMissed(entry, now) : [];
    this.plan(entry, now);
    entry.handled = now;
    if (!late) return { due: next, why: 'time' };
    if (this.policy(entry) === 'skip') {
      this.skip(entry, 'missed', now);
      return undefined;
    }
    entry.backlog = missed.slice(1);
    return { due: next, why: 'missed' };
  }

  private policy(entry: Entry): string {
    return entry.job.onMiss ?? (entry.job.plan?.makesUp ? 'run_once' : 'skip');
  }

  private allMissed(entry: Entry, now: number): number[] {
    const out: number[] = [];
    for (let t = entry.next; t !== undefined && t <= now && out.length < MOST_MISSED; ) {
      out.push(t);
      const after: number | undefined = entry.job.plan?.next(t);
      if (after === t) break;
      t = after;
    }
    return out;
  }

  private hasRoom(entry: Entry, out: readonly DueJob[]): boolean {
    const most = entry.job.maxRunning;
    if (most === undefined) return true;
    const begun = out.filter((d) => d.name === entry.name).length;
    return begun + this.parts.running(entry.name) < most;
  }

  private run(entry: Entry, due: Pick<DueJob, 'due' | 'why'>, out: DueJob[], now: number, instead?: string): void {
    if (!this.hasRoom(entry, out)) {
      if (entry.job.onMiss === 'run_all') entry.backlog.unshift(due.due);
      else this.skip(entry, 'maxrunning', now);
      return;
    }
    this.push(entry, due, out, now, instead);
  }

  private push(entry: Entry, due: Pick<DueJob, 'due' | 'why'>, out: DueJob[], now: number, instead?: string): void {
    delete entry.skipped;
    entry.lastRun = now;
    if (!truth(entry.data.get('dry_run') ?? null)) out.push(this.asDue(entry, due, instead));
  }

  private asDue(entry: Entry, due: Pick<DueJob, 'due' | 'why'>, instead?: string): DueJob {
    const { fun, args, kwargs } = entry.job;
    return { name: entry.name, fun: instead ?? fun, args, kwargs, data: entry.data, ...due };
  }

  /** A job to run now because somebody says so; undefined when there is none or as many as may run do so. Disabled ones run too. */
  runNow(name: string, now: number): DueJob | undefined {
    const entry = this.entries.get(name);
    if (!entry) return undefined;
    if (!this.hasRoom(entry, [])) {
      this.skip(entry, 'maxrunning', now);
      return undefined;
    }
    entry.lastRun = now;
    return this.asDue(entry, { due: now, why: 'asked' });
  }

  /** When a job runs next, splay included, in ms since the epoch. */
  nextFireTime(name: string): number | undefined {
    const entry = this.entries.get(name);
    return entry && (entry.onStart ? entry.next : (entry.explicit[0] ?? entry.at));
  }

  /** Everything of a job with its state, under Salt's names; empty where there is none. Dates in the form `2017-11-29T16:00:00`. */
  status(name: string, format?: string): PyDict {
    const entry = this.entries.get(name);
    const given = this.given.opts.get(name) ?? this.given.pillar.get(name);
    const out: PyDict = given instanceof PyDict ? deepCopy(given) : new PyDict();
    if (!entry) return out;
    const date = (t: number | undefined): Py => (t === undefined ? null : formatDate(t, format));
    if (!out.has('name')) out.set('name', name);
    out.set('_next_fire_time', date(entry.next));
    out.set('_splay', entry.at === entry.next ? null : date(entry.at));
    if (entry.job.plan?.kind === 'interval') out.set('_seconds', (entry.job.plan.next(0) ?? 0) / 1000);
    out.set('_run_on_start', entry.onStart);
    if (!out.has('splay')) out.set('splay', this.setting('splay'));
    if (entry.lastRun !== undefined) {
      if (entry.job.maxRunning !== undefined) {
        out.set('jid_include', true);
        out.set('maxrunning', entry.job.maxRunning);
      }
      out.set('run', true);
      out.set('_last_run', date(entry.lastRun));
    }
    if (entry.skipped) {
      out.set('_skip_reason', entry.skipped.reason);
      out.set('_skipped_time', date(entry.skipped.at));
      out.set('_skipped', true);
    }
    return out;
  }

  /** The schedule with the state of its jobs: all of it, or one part. */
  list(where: ScheduleSource | null): PyDict {
    const all = new PyDict();
    for (const source of ['pillar', 'opts'] as const)
      if (where === null || where === source)
        for (const [k, v] of this.given[source]) all.set(k, v instanceof PyDict ? this.status(String(k)) : v);
    return all;
  }

  /** Since when jobs with `on_miss: run_once` or `run_all` have been waiting, for {@link set} after a restart. */
  remember(): WireMap {
    const out: Record<string, Wire> = {};
    for (const e of this.entries.values())
      if (e.job.onMiss === 'run_once' || e.job.onMiss === 'run_all')
        out[e.name] = e.backlog[0] ? e.backlog[0] - 1 : e.handled;
    return out;
  }
}
