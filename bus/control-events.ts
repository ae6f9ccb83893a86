import { SaltError } from './errors.ts';
import type { BusEvent, Cause, EventBus, FireOptions, Origin } from './event.ts';
import { jidTime } from './jid.ts';
import { compileGlob } from './tag-match.ts';
import type { ControlStream } from './transport/control.ts';
import { isWireMap, type Wire, type WireMap } from './values.ts';

/** An event as it travels on the control socket. */
export function eventItem(e: BusEvent): WireMap {
  return { id: e.id, tag: e.tag, data: e.data, stamp: e.stamp, origin: e.origin, cause: e.cause };
}

/** The commands of the control socket that concern events; give each to its function. */
export interface ControlEvents {
  /**
   * `fire` {tag, data, user, cause?}: answers {id} once the event is durable. {frames, user}: many ready-made frames at once; answers
   * {ids} in their order, null where one was refused or not kept, and then `error` {code, message} of the first such.
   */
  fire(load: WireMap): Promise<Wire>;
  /**
   * `events` {globs?, since_id?, since_time? (ms), until? (ms), follow?, cause? (an event id)}: streams events. `cause` streams the
   * whole chain of one event instead: first causes first, then all that followed from them. Answers {count}.
   */
  events(load: WireMap, stream: ControlStream): Promise<Wire>;
}

const num = (v: Wire | undefined): number | undefined =>
  typeof v === 'number' ? v : typeof v === 'object' && v !== null ? Number(v.valueOf()) : undefined;
const CAUSE = /^(event\/\d+|jid\/\d{20}(_\d+)?)$/;
const USER = /^[^\s/]{1,64}$/;

function operator(load: WireMap): Origin {
  const user = load['user'];
  return typeof user === 'string' && USER.test(user) ? `operator/${user}` : 'operator/unknown';
}

async function fireMany(bus: EventBus, frames: readonly Wire[], options: FireOptions): Promise<Wire> {
  const ids: (number | null)[] = [];
  let error: SaltError | undefined;
  // Events of one group share its promise: there are far fewer of them than events.
  let last: { safe: Promise<void>; from: number; to: number } | undefined;
  const groups: { safe: Promise<void>; from: number; to: number }[] = [];
  for (const frame of frames) {
    const fired = frame instanceof Uint8Array ? bus.fireFrame(frame, options) : undefined;
    if (!fired) error ??= new SaltError('FrameRefused', 'A frame is no event');
    else if (last?.safe === fired.durable) last.to = ids.length;
    else {
      last = { safe: fired.durable, from: ids.length, to: ids.length };
      groups.push(last);
    }
    ids.push(fired?.id ?? null);
  }
  for (const g of groups) {
    try {
      await g.safe;
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      error ??= e;
      ids.fill(null, g.from, g.to + 1);
    }
  }
  return error ? { ids, error: { code: error.code, message: error.message } } : { ids };
}

/** The event commands for a bus. Who may use them is decided by the caller (socket mode or credentials). */
export function controlEvents(bus: EventBus): ControlEvents {
  return {
    async fire(load) {
      const { tag, data, frames, cause } = load;
      const options = {
        origin: operator(load),
        ...(typeof cause === 'string' && CAUSE.test(cause) ? { cause: cause as Cause } : {}),
      };
      if (Array.isArray(frames)) return fireMany(bus, frames, options);
      if (typeof tag !== 'string' || tag === '') throw new SaltError('ValueError', 'Empty tag.');
      if (!isWireMap(data)) throw new SaltError('ValueError', 'Dict object expected, not the given data.');
      const fired = bus.fire(tag, data, options);
      await fired.durable;
      return { id: fired.id };
    },

    async events(load, stream) {
      const cause = num(load['cause']);
      let count = 0;
      const send = async (e: BusEvent): Promise<void> => {
        count++;
        await stream.send(eventItem(e));
      };
      if (cause !== undefined) {
        for (const e of await causeChain(bus, cause)) await send(e);
        return { count };
      }
      const globs = Array.isArray(load['globs']) ? load['globs'].map(String).map(compileGlob) : [];
      const id = num(load['since_id']);
      const time = num(load['since_time']);
      const until = num(load['until']);
      const follow = load['follow'] === true;
      const past = bus.replay({
        ...(id !== undefined ? { id } : time !== undefined ? { time } : follow ? { id: bus.stats().head + 1 } : {}),
        ...(until !== undefined ? { until } : {}),
        follow,
        signal: stream.signal,
      });
      for await (const e of past) {
        if (stream.signal.aborted) break;
        if (!globs.length || globs.some((m) => m(e.tag))) await send(e);
      }
      return { count };
    },
  };
}

const JOB_TAG = /^salt\/(?:job|run|wheel)\/(\d{20}(?:_\d+)?)(?:\/|$)/;

/** The job an event tells of: by its tag, or for a publish by its data. */
function jobOf(e: BusEvent): string | undefined {
  return JOB_TAG.exec(e.tag)?.[1];
}

/** How far before its own time a job's first event is looked for, in ms: clocks of its makers differ. */
const EARLIER = 5000;

async function eventAt(bus: Pick<EventBus, 'replay'>, id: number): Promise<BusEvent | undefined> {
  for await (const e of bus.replay({ id })) return e.id === id ? e : undefined;
  return undefined;
}

/** The first event of a job: near the time that its id tells. */
async function firstOfJob(bus: Pick<EventBus, 'replay'>, jid: string, before: number): Promise<BusEvent | undefined> {
  for await (const e of bus.replay({ time: (jidTime(jid) ?? 0) - EARLIER })) {
    if (e.id >= before) return undefined;
    if (jobOf(e) === jid) return e;
  }
  return undefined;
}

/**
 * All events of one chain, in order: walks back from an event to its first cause (an event, or a job and that job's own cause) and
 * gathers everything that followed from there, up to the log's head. Rejects with SaltError ValueError when there is no such event.
 */
export async function causeChain(bus: Pick<EventBus, 'replay'>, id: number): Promise<BusEvent[]> {
  let root = await eventAt(bus, id);
  if (!root) throw new SaltError('ValueError', `No event ${id} in the log`);
  for (let { cause } = root; cause; { cause } = root) {
    // A cause lies before its effect; retention may have taken it.
    const at = cause.startsWith('event/') ? Number(cause.slice(6)) : undefined;
    const up: BusEvent | undefined =
      at === undefined
        ? await firstOfJob(bus, cause.slice(4), root.id)
        : at < root.id
          ? await eventAt(bus, at)
          : undefined;
    if (!up) break;
    root = up;
  }
  const first = root.id;
  const inChain = new Set<string>();
  const chain: BusEvent[] = [];
  for await (const e of bus.replay({ id: first })) {
    const job = jobOf(e);
    if (e.id !== first && !(e.cause && inChain.has(e.cause)) && !(job && inChain.has(`jid/${job}`))) continue;
    chain.push(e);
    inChain.add(`event/${e.id}`);
    if (job) inChain.add(`jid/${job}`);
  }
  return chain;
}
