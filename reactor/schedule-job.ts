/** One job of a schedule: what was written, read once and checked, and when it is due. Pure: time is passed in. */
import { messageOf } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { repr, str, truth } from '../sls/values.ts';
import { type CronLine, readCron } from './cron.ts';
import { nextDateText, parseDateText, parseFormatted } from './date-text.ts';

/** What to do about moments that passed while nobody looked (ours): nothing, one run, or a run for each. */
export type OnMiss = 'skip' | 'run_once' | 'run_all';

/** When a job is due. */
export interface Plan {
  readonly kind: 'interval' | 'when' | 'once' | 'cron';
  /** The first moment after `after`, in ms since the epoch. */
  next(after: number): number | undefined;
  /** Whether a late moment is made up for by one run where `on_miss` says nothing, as Salt does. */
  readonly makesUp: boolean;
}

/** A job that could be read. */
export interface ScheduledJob {
  readonly fun: string;
  readonly args: Py[];
  readonly kwargs: PyDict;
  /** Absent: the job has no time and runs only when told to. */
  readonly plan: Plan | undefined;
  readonly enabled: boolean;
  readonly runOnStart: boolean;
  readonly onMiss: OnMiss | undefined;
  /** Most runs at a time; undefined where they are not counted (`jid_include: False`). */
  readonly maxRunning: number | undefined;
  readonly splay: { start: number; end: number } | undefined;
  /** Whether a run is to be left out: the reason, in Salt's word. Throws {@link ScheduleProblem} for dates that are none. */
  skips(now: number, grace: number): string | undefined;
  /** End of the range that is skipped now, where a run shall follow it (`run_after_skip_range`). */
  afterSkip(now: number): number | undefined;
  /** Moments at which it runs besides its plan (`run_explicit`). */
  readonly explicit: number[];
}

/** What is wrong with a job: names the key. */
export class ScheduleProblem extends Error {
  constructor(
    readonly key: string,
    message: string,
  ) {
    super(message);
  }
}

/** What a job takes from outside itself. */
export interface JobSurroundings {
  /** Value of a name in `whens` of pillar or grains. Throws {@link ScheduleProblem} where `whens` is no map. */
  when(name: string, job: string): Py | undefined;
  /** Settings of the whole schedule that jobs without their own take. */
  readonly splay: Py;
  readonly skipDuringRange: Py;
}

/** Keys a job may have; all others are reported, and then ignored. */
const KEYS = new Set(
  (
    'function func fun args kwargs seconds minutes hours days when cron once once_fmt splay range after until maxrunning jid_include ' +
    'return_job returner return_config return_kwargs metadata run_on_start run_after_skip_range skip_during_range skip_explicit ' +
    'run_explicit enabled name dry_run on_miss timezone saved run'
  ).split(' '),
);
const UNITS: readonly (readonly [string, number])[] = [
  ['seconds', 1],
  ['minutes', 60],
  ['hours', 3600],
  ['days', 86_400],
];
const OTHERS = ['when', 'cron', 'once'];
const EXPLICIT_FORMAT = '%Y-%m-%dT%H:%M:%S';

const whole = (v: Py, key: string, job: string): number => {
  const n = typeof v === 'boolean' || v === null || v === '' ? Number.NaN : Number(v.valueOf());
  if (!Number.isFinite(n) || n < 0)
    throw new ScheduleProblem(key, `Invalid value ${repr(v)} for ${key}. Ignoring job ${job}.`);
  return Math.trunc(n);
};

function splayOf(v: Py, job: string): { start: number; end: number } | undefined {
  if (!truth(v)) return undefined;
  if (!(v instanceof PyDict)) return { start: 1, end: Math.max(1, whole(v, 'splay', job)) };
  const [start, end] = [whole(v.get('start') ?? 0, 'splay', job), whole(v.get('end') ?? null, 'splay', job)];
  if (end >= start) return { start, end };
  throw new ScheduleProblem('splay', `Invalid Splay, end must be larger than start. Ignoring job ${job}.`);
}

function date(v: Py, now: number, problem: () => ScheduleProblem): number {
  const at = typeof v === 'string' ? parseDateText(v, now) : undefined;
  if (at === undefined) throw problem();
  return at;
}

/** Start and end of a range on the day of `now`. */
function rangeOf(v: Py, key: string, now: number, job: string): { start: number; end: number } {
  if (!(v instanceof PyDict))
    throw new ScheduleProblem(
      key,
      `schedule.handle_func: Invalid, ${key} must be specified as a dictionary. Ignoring job ${job}.`,
    );
  const where = key === 'range' ? '' : ` in ${key}`;
  const side = (name: string): number =>
    date(
      v.get(name) ?? null,
      now,
      () => new ScheduleProblem(key, `Invalid date string for ${name}${where}. Ignoring job ${job}.`),
    );
  const [start, end] = [side('start'), side('end')];
  if (end > start) return { start, end };
  throw new ScheduleProblem(
    key,
    `schedule.handle_func: Invalid range, end must be larger than start. Ignoring job ${job}.`,
  );
}

function explicitTimes(v: Py, key: string, job: string): number[] {
  if (v === null) return [];
  const list = Array.isArray(v) ? (v as Py[]) : [v];
  return list
    .map((one) => {
      const [time, format] =
        one instanceof PyDict
          ? [one.get('time') ?? null, str(one.get('time_fmt') ?? EXPLICIT_FORMAT)]
          : [one, EXPLICIT_FORMAT];
      const at = typeof time === 'string' ? parseFormatted(time, format) : undefined;
      if (at === undefined)
        throw new ScheduleProblem(
          key,
          `Date string could not be parsed: ${str(time)}, ${format}. Ignoring job ${job}.`,
        );
      return at;
    })
    .sort((a, b) => a - b);
}

function intervalPlan(data: PyDict, job: string): Plan {
  let seconds = 0;
  for (const [unit, factor] of UNITS) if (data.has(unit)) seconds += whole(data.get(unit) ?? null, unit, job) * factor;
  return { kind: 'interval', makesUp: true, next: (after) => after + seconds * 1000 };
}

function whenPlan(given: Py, job: string, around: JobSurroundings, now: number): Plan {
  const texts = (Array.isArray(given) ? (given as Py[]) : [given]).map((one) => {
    const named = typeof one === 'string' ? around.when(one, job) : undefined;
    const text = named ?? one;
    if (typeof text !== 'string' || parseDateText(text, now) === undefined)
      throw new ScheduleProblem('when', `Invalid date string ${str(one)}. Ignoring job ${job}.`);
    return text;
  });
  const next = (after: number): number | undefined => {
    const found = texts.map((t) => nextDateText(t, after + 1)).filter((t) => t !== undefined);
    return found.length ? Math.min(...found) : undefined;
  };
  return { kind: 'when', makesUp: false, next };
}

function oncePlan(data: PyDict, job: string): Plan {
  const given = data.get('once') ?? null;
  const format = str(data.get('once_fmt') ?? EXPLICIT_FORMAT);
  const at = typeof given === 'string' ? parseFormatted(given, format) : undefined;
  if (at === undefined)
    throw new ScheduleProblem(
      'once',
      `Date string could not be parsed: ${str(given)}, ${format}. Ignoring job ${job}.`,
    );
  return { kind: 'once', makesUp: false, next: (after) => (at > after ? at : undefined) };
}

function cronPlan(data: PyDict, job: string): Plan {
  const zone = data.get('timezone');
  let line: CronLine;
  try {
    line = readCron(str(data.get('cron') ?? ''), typeof zone === 'string' ? zone : undefined);
  } catch (e) {
    throw new ScheduleProblem('cron', `Invalid cron string. Ignoring job ${job}. (cron: ${messageOf(e)})`);
  }
  return { kind: 'cron', makesUp: true, next: (after) => line.next(after) };
}

function planOf(data: PyDict, job: string, around: JobSurroundings, now: number): Plan | undefined {
  const timed = UNITS.map(([u]) => u).filter((u) => data.has(u));
  const others = OTHERS.filter((k) => data.has(k));
  if (others.length > 1)
    throw new ScheduleProblem(
      others[1] as string,
      `Unable to use "${others.join('", "')}" options together. Ignoring job ${job}.`,
    );
  if (others.length && timed.length)
    throw new ScheduleProblem(
      others[0] as string,
      `Unable to use "${timed.join('", "')}" with "${others[0]}" options. Ignoring job ${job}.`,
    );
  if (timed.length) return intervalPlan(data, job);
  if (others[0] === 'when') return whenPlan(data.get('when') ?? null, job, around, now);
  if (others[0] === 'once') return oncePlan(data, job);
  if (others[0] === 'cron') return cronPlan(data, job);
  return undefined;
}

function skipCheck(data: PyDict, job: string, around: JobSurroundings): Pick<ScheduledJob, 'skips' | 'afterSkip'> {
  const has = (k: string): boolean => truth(data.get(k) ?? null);
  const skipped: Py = has('skip_during_range') ? (data.get('skip_during_range') as Py) : around.skipDuringRange;
  const skipTimes = explicitTimes(data.get('skip_explicit') ?? null, 'skip_explicit', job);
  const bound = (key: string, now: number): number =>
    date(
      data.get(key) ?? null,
      now,
      () =>
        new ScheduleProblem(key, `Invalid date string ${str(data.get(key) ?? null)} for ${key}. Ignoring job ${job}.`),
    );
  return {
    skips(now, grace) {
      if (data.has('range')) {
        const range = data.get('range') ?? null;
        const { start, end } = rangeOf(range, 'range', now, job);
        const invert = range instanceof PyDict && truth(range.get('invert') ?? null);
        if (invert && start < now && now < end) return 'in_skip_range';
        if (!invert && (now < start || now > end)) return 'not_in_range';
      }
      if (truth(skipped)) {
        const { start, end } = rangeOf(skipped, 'skip_during_range', now, job);
        if (start <= now && now <= end) return 'in_skip_range';
      }
      if (skipTimes.some((t) => t <= now && now <= t + grace)) return 'skip_explicit';
      if (data.has('until') && bound('until', now) <= now) return 'until_passed';
      if (data.has('after') && bound('after', now) >= now) return 'after_not_passed';
      return undefined;
    },
    afterSkip(now) {
      if (!has('run_after_skip_range') || !truth(skipped)) return undefined;
      return rangeOf(skipped, 'skip_during_range', now, job).end;
    },
  };
}

/** Keys of a job that mean nothing, in the order written; those with a leading underscore are states that Salt wrote. */
export function unknownKeys(data: PyDict): string[] {
  return [...data.keys()].map(String).filter((k) => !KEYS.has(k) && !k.startsWith('_'));
}

/** Reads a job. Throws {@link ScheduleProblem} with one clear sentence that names job and key. */
export function readJob(name: string, data: PyDict, around: JobSurroundings, now: number): ScheduledJob {
  const fun = ['function', 'func', 'fun'].map((k) => data.get(k)).find((v) => v !== undefined && v !== null);
  if (typeof fun !== 'string' || !fun)
    throw new ScheduleProblem('function', `Invalid function: ${repr(fun ?? null)} in scheduled job ${name}.`);
  const args = data.get('args') ?? [];
  if (!Array.isArray(args)) throw new ScheduleProblem('args', `args must be a list. Ignoring job ${name}.`);
  const kwargs = data.get('kwargs') ?? new PyDict();
  if (!(kwargs instanceof PyDict))
    throw new ScheduleProblem('kwargs', `kwargs must be a dictionary. Ignoring job ${name}.`);
  const onMiss = data.get('on_miss') ?? undefined;
  if (onMiss !== undefined && onMiss !== 'skip' && onMiss !== 'run_once' && onMiss !== 'run_all')
    throw new ScheduleProblem(
      'on_miss',
      `Invalid value ${repr(onMiss)} for on_miss, it is one of skip, run_once and run_all. Ignoring job ${name}.`,
    );
  const plan = planOf(data, name, around, now);
  const checks = skipCheck(data, name, around);
  // Ranges and bounds that can never be read are told at once, not when the job is first due.
  checks.skips(now, 0);
  const counted = truth(data.has('jid_include') ? (data.get('jid_include') ?? null) : true);
  return {
    fun,
    args: args as Py[],
    kwargs,
    plan,
    enabled: truth(data.has('enabled') ? (data.get('enabled') ?? null) : true),
    runOnStart: data.has('run_on_start') ? truth(data.get('run_on_start') ?? null) : plan?.kind === 'interval',
    onMiss,
    maxRunning: counted
      ? data.has('maxrunning')
        ? whole(data.get('maxrunning') ?? null, 'maxrunning', name)
        : 1
      : undefined,
    splay: splayOf(data.has('splay') ? (data.get('splay') ?? null) : around.splay, name),
    ...checks,
    explicit: explicitTimes(data.get('run_explicit') ?? null, 'run_explicit', name),
  };
}
