/** The minion's schedule: due jobs run like published ones, orders edit it, and what operators add is kept beside the configuration. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { type DueJob, formatDate, Schedule, ScheduleMemory, type ScheduleSource } from '../reactor/schedule.ts';
import { deepCopy, truth } from '../sls/values.ts';
import { dumpYaml } from '../sls/yaml.ts';
import type { MinionFacts } from './facts.ts';
import type { RunningJob } from './jobs.ts';

/** What the schedule needs of the daemon. */
export interface MinionScheduleParts {
  opts: Opts;
  log: Log;
  facts(): MinionFacts;
  take(job: RunningJob): void;
  /** How many runs of a scheduled job go on now. */
  running(name: string): number;
  /** Fires on the minion's own bus. */
  fire(tag: string, data: WireMap): void;
  random?: () => number;
}

/** Tags with which Salt's minion says that an order was carried out. */
const DONE: Readonly<Record<string, string>> = {
  delete: 'minion_schedule_delete_complete',
  add: 'minion_schedule_add_complete',
  modify: 'minion_schedule_delete_complete',
  enable: 'minion_schedule_enabled_complete',
  disable: 'minion_schedule_disabled_complete',
  enable_job: 'minion_schedule_enabled_job_complete',
  disable_job: 'minion_schedule_disabled_job_complete',
  postpone_job: 'minion_schedule_postpone_job_complete',
  skip_job: 'minion_schedule_skip_job_complete',
  list: 'minion_schedule_list_complete',
  save_schedule: 'minion_schedule_saved',
  get_next_fire_time: 'minion_schedule_next_fire_time_complete',
  job_status: 'minion_schedule_job_status_complete',
};
const TIME_FORMAT = '%Y-%m-%dT%H:%M:%S';

/** File that `schedule.save` and every persisted change write (`_schedule.conf` in the folder of `default_include`). */
export function scheduleFile(opts: Opts): string {
  const folder = opts.str('conf_dir') || dirname(opts.str('conf_file', '/etc/salt/minion'));
  return join(folder, dirname(opts.str('default_include', 'minion.d/*.conf')), '_schedule.conf');
}

/** Writes a schedule to {@link scheduleFile}, whole or not at all. Throws what the file system says. */
export function saveSchedule(opts: Opts, schedule: PyDict): void {
  const path = scheduleFile(opts);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, dumpYaml(new PyDict([['schedule', schedule]]), { flowStyle: false }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** See the head of this file. Nothing happens by itself: {@link tick} is to be called about once a second. */
export class MinionSchedule {
  private readonly schedule: Schedule;
  private readonly jids = new JidSource();
  private seen: { pillar?: PyDict; grains?: PyDict | undefined } = {};
  private readonly memory: ScheduleMemory;

  constructor(private readonly parts: MinionScheduleParts) {
    const { log, facts } = parts;
    this.memory = new ScheduleMemory(join(parts.opts.str('cachedir'), 'schedule.json'), log);
    this.schedule = new Schedule({
      running: parts.running,
      problem: (job, key, message) => {
        log.error(message);
        parts.fire('/salt/minion/minion_schedule_problem', { job, key, message });
      },
      whens: () => [facts().pillar.get('whens') ?? null, facts().grains?.get('whens') ?? null],
      grace: Math.max(1, parts.opts.num('loop_interval', 1)) * 1000,
      ...(parts.random ? { random: parts.random } : {}),
    });
  }

  /** Reads the configuration's schedule and what an earlier life of this minion noted for `on_miss`. */
  start(now: number): void {
    this.follow(now);
    this.schedule.set('opts', this.parts.opts.get('schedule') ?? new PyDict(), now, this.memory.read());
  }

  /** Takes over a new pillar, and new grains for their `whens`. */
  private follow(now: number): void {
    const { pillar, grains } = this.parts.facts();
    if (this.seen.pillar === pillar && this.seen.grains === grains) return;
    this.seen = { pillar, grains };
    this.schedule.set('pillar', pillar.get('schedule') ?? new PyDict(), now);
  }

  /** Runs what is due. */
  tick(now: number): void {
    this.follow(now);
    const due = this.schedule.tick(now);
    for (const job of due) this.run(job, now);
    if (due.length) this.memory.note(this.schedule.remember());
  }

  private returners({ data }: DueJob): string {
    const both = [data.get('returner') ?? null, this.parts.opts.get('schedule_returner') ?? null];
    const names = both.flatMap((r) => (Array.isArray(r) ? (r as Py[]) : [r])).filter((r) => typeof r === 'string');
    return [...new Set(names)].join(',');
  }

  private run(due: DueJob, now: number): void {
    const { log } = this.parts;
    const { data } = due;
    const jid = this.jids.next();
    const ret = this.returners(due);
    const arg = due.args.map((a) => toWire(a));
    const kwargs = toWire(due.kwargs);
    const given = due.kwargs.size > 0;
    if (given) arg.push({ ...(kwargs as WireMap), __kwarg__: true });
    const late = now - due.due >= 1000 ? ` (runtime missed by ${Math.floor((now - due.due) / 1000)} seconds)` : '';
    log.info(`Running scheduled job: ${due.name}${late} with jid ${jid}`);
    const load: WireMap = { jid, fun: due.fun, arg, ret, schedule: due.name };
    if (data.has('return_config')) load['ret_config'] = toWire(data.get('return_config') ?? null);
    if (data.has('return_kwargs')) load['ret_kwargs'] = toWire(data.get('return_kwargs') ?? null);
    const metadata = data.get('metadata');
    if (metadata instanceof PyDict) load['metadata'] = { ...(toWire(metadata) as WireMap), ...timesOf(now) };
    else if (metadata !== undefined)
      log.warning('schedule: The metadata parameter must be specified as a dictionary.  Ignoring.');
    const wish = data.has('return_job') ? (data.get('return_job') ?? null) : true;
    this.parts.take({
      load,
      wanted: truth(wish),
      reshape: (r) => ({
        ...r,
        fun_args:
          given && Array.isArray(r['fun_args']) ? [...r['fun_args'].slice(0, -1), kwargs] : (r['fun_args'] ?? []),
        // A job without returners of its own is kept under a jid of the master's making.
        ...(ret ? {} : { jid: wish === 'nocache' ? 'nocache' : 'req' }),
      }),
    });
  }

  /**
   * Carries out an order of `schedule.*` (Salt's `manage_schedule` event): `func` with `name`, `schedule`, `where`, `persist`, `time` and so
   * on. Answers what the completion event on the minion's bus carries; an order that is unknown answers `complete: false`.
   */
  manage(order: WireMap): WireMap {
    const func = String(order['func'] ?? '');
    const now = Date.now();
    this.follow(now);
    const answer = this.obey(func, order, now);
    const tag = DONE[func];
    if (tag !== undefined) this.parts.fire(`/salt/minion/${tag}`, answer);
    return answer;
  }

  private obey(func: string, order: WireMap, now: number): WireMap {
    const { schedule } = this;
    const name = String(order['name'] ?? '');
    if (func === 'list') {
      const where = order['where'];
      const source: ScheduleSource | null = where === 'opts' || where === 'pillar' ? where : null;
      return { complete: true, schedule: toWire(schedule.list(source)) };
    }
    if (func === 'get_next_fire_time') {
      const at = schedule.nextFireTime(name);
      return { complete: true, next_fire_time: at === undefined ? null : formatDate(at) };
    }
    if (func === 'job_status') {
      const format = typeof order['time_fmt'] === 'string' ? order['time_fmt'] : undefined;
      return { complete: true, data: toWire(schedule.status(name, format)) };
    }
    if (func === 'run_job') {
      const due = schedule.runNow(name, now);
      if (due) this.run(due, now);
      return { complete: due !== undefined };
    }
    if (func === 'save_schedule') return { complete: this.persist() };
    if (!this.change(func, name, order, now)) return { complete: false };
    // Only what Salt keeps by itself: postponed and skipped runs are gone with the minion.
    const keeps = order['persist'] !== false && !['postpone_job', 'skip_job', 'reload'].includes(func);
    if (keeps) this.persist();
    return { complete: true, schedule: toWire(schedule.list(null)) };
  }

  /** Edits the configuration's part; false for an order that is none. A job of the pillar is left as it is, with a line in the log. */
  private change(func: string, name: string, order: WireMap, now: number): boolean {
    const { schedule } = this;
    const { log } = this.parts;
    const inPillar = !schedule.has(name, 'opts') && schedule.has(name, 'pillar');
    const refuse = (verb: string): true => {
      log.warning(`Cannot ${verb} job ${name}, it's in the pillar!`);
      return true;
    };
    const given = toPy(order['schedule'] ?? null);
    const job = (own: PyDict): PyDict => {
      const found = own.get(name);
      return found instanceof PyDict ? found : new PyDict();
    };
    const explicit = (data: PyDict, key: string, time: Wire | undefined): void => {
      const list = data.get(key);
      const one = new PyDict<Py>([
        ['time', toPy(time)],
        ['time_fmt', typeof order['time_fmt'] === 'string' ? order['time_fmt'] : TIME_FORMAT],
      ]);
      data.set(key, [...(Array.isArray(list) ? (list as Py[]) : []), one]);
    };
    switch (func) {
      case 'enable':
      case 'disable':
        schedule.edit(now, (own) => own.set('enabled', func === 'enable'));
        return true;
      case 'add':
        if (!(given instanceof PyDict) || given.size !== 1) return false;
        if (inPillar) return refuse('update');
        schedule.edit(now, (own) => {
          for (const [k, v] of given) {
            if (v instanceof PyDict && !v.has('enabled')) v.set('enabled', true);
            own.set(k, deepCopy(v));
          }
        });
        return true;
      case 'delete':
        if (inPillar) return refuse('delete');
        schedule.edit(now, (own) => own.delete(name));
        return true;
      case 'modify':
        if (inPillar) return refuse('modify');
        schedule.edit(now, (own) => own.set(name, given));
        return true;
      case 'enable_job':
      case 'disable_job':
        if (inPillar) return refuse('modify');
        schedule.edit(now, (own) => job(own).set('enabled', func === 'enable_job'));
        return true;
      case 'postpone_job':
      case 'skip_job':
        if (inPillar) return refuse('modify');
        schedule.edit(now, (own) => {
          explicit(job(own), 'skip_explicit', order['time']);
          if (func === 'postpone_job') explicit(job(own), 'run_explicit', order['new_time']);
        });
        return true;
      case 'reload': {
        const inner = given instanceof PyDict ? (given.get('schedule') ?? given) : null;
        if (!(inner instanceof PyDict)) return false;
        schedule.edit(now, (own) => {
          for (const [k, v] of inner) own.set(k, v);
        });
        return true;
      }
    }
    return false;
  }

  private persist(): boolean {
    try {
      saveSchedule(this.parts.opts, this.schedule.own());
      return true;
    } catch (e) {
      this.parts.log.error(`Failed to persist the updated schedule: ${messageOf(e)}`);
      return false;
    }
  }
}

/** What Salt adds to the metadata of a scheduled job: offset of the time zone, time, and time in a form of its own (month twice). */
function timesOf(now: number): WireMap {
  const d = new Date(now);
  const east = -d.getTimezoneOffset();
  const two = (n: number): string => String(n).padStart(2, '0');
  const month = d.toLocaleString('en-US', { month: 'long', timeZone: 'UTC' });
  const day = d.toLocaleString('en-US', { weekday: 'short', timeZone: 'UTC' });
  const date = two(d.getUTCDate());
  return {
    _TOS: `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}${two(Math.abs(east) % 60)}`,
    _TS: `${d.toString().slice(0, 7)} ${String(d.getDate()).padStart(2)} ${formatDate(now, '%H:%M:%S %Y')}`,
    _TT: `${d.getUTCFullYear()} ${month} ${date} ${day} ${two(d.getUTCHours())} ${two(d.getUTCMonth() + 1)}`,
  };
}
