/** The master's schedule: runners of the `schedule` option, each due run an event and then a job of the queue. */
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import type { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { JobQueue } from '../bus/queue/contract.ts';
import { tags } from '../bus/tags.ts';
import { PyDict, toWire, type Wire, type WireMap } from '../bus/values.ts';
import type { ReactionCall } from '../reactor/reaction.ts';
import { type DueJob, Schedule, ScheduleMemory } from '../reactor/schedule.ts';

/** What the master's schedule is made of. */
export interface MasterScheduleParts {
  readonly opts: Opts;
  readonly bus: EventBus;
  readonly queue: JobQueue;
  readonly jids: JidSource;
  readonly log: Log;
  /** The time; the system's by default. */
  readonly now?: () => number;
}

/** Time between two looks at the schedule, ms. */
const TICK_MS = 1000;

/**
 * Starts the schedule of the configuration; `tick` is called each second. A due job is fired as `salt/schedule/<name>/due` and is then in
 * the queue under its name and moment, so that a crash between the two neither loses nor doubles it. A job counts as running until
 * its `salt/run/<jid>/ret`.
 */
export function startSchedule(p: MasterScheduleParts): { tick(): Promise<void>; stop(): Promise<void> } {
  const { opts, bus, queue, jids } = p;
  const log = p.log.child('schedule');
  const now = p.now ?? Date.now;
  const active = new Map<string, string>();
  const schedule = new Schedule({
    running: (name) => [...active.values()].filter((n) => n === name).length,
    problem: (job, key, message) => {
      log.error(message);
      bus.fire(tags.scheduleProblem, { job, key, message }, { origin: 'master' });
    },
    grace: TICK_MS,
  });
  const memory = new ScheduleMemory(join(opts.str('cachedir'), 'schedule.json'), log);
  schedule.set('opts', opts.get('schedule') ?? new PyDict(), now(), memory.read());
  const over = bus.on('salt/run/*/ret').subscribe((e) => active.delete(e.tag.split('/')[2] ?? ''));

  const enqueue = async (due: DueJob): Promise<void> => {
    const jid = jids.next();
    active.set(jid, due.name);
    const call: ReactionCall = {
      client: 'runner',
      id: due.name,
      sls: 'schedule',
      fun: due.fun,
      arg: due.args.map((a) => toWire(a)),
      kwarg: toWire(due.kwargs),
      extra: {},
    };
    const tag = tags.scheduleDue(due.name);
    try {
      const data = { name: due.name, fun: due.fun, jid, due: due.due / 1000, why: due.why };
      const fired = bus.fire(tag, data, { origin: 'master', cause: `jid/${jid}` });
      await fired.durable;
      const job = { call: call as unknown as Wire, jid, event: fired.id, tag } as WireMap;
      const fresh = await queue.add(`schedule/${due.name}/${due.due}`, job);
      if (!fresh) active.delete(jid);
      else log.info(`Running scheduled job: ${due.name} with jid ${jid}`);
    } catch (e) {
      active.delete(jid);
      log.error(`Scheduled job ${due.name} could not be queued: ${messageOf(e)}`);
    }
  };
  let working: Promise<void> = Promise.resolve();
  const tick = (): Promise<void> => {
    const due = schedule.tick(now());
    if (due.length) working = Promise.all([working, ...due.map(enqueue)]).then(() => memory.note(schedule.remember()));
    return working;
  };
  const timer = setInterval(() => void tick(), TICK_MS);
  return {
    tick,
    async stop() {
      clearInterval(timer);
      over.unsubscribe();
      await working;
    },
  };
}
