import { messageOf } from '../bus/errors.ts';
import type { BusEvent, EventBus } from '../bus/event.ts';
import type { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { JobQueue } from '../bus/queue/contract.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import type { ReactionCall } from './reaction.ts';
import type { Rules } from './rules.ts';

/** The user name that runner and wheel events of a reaction carry; events of this user start no reaction. */
export const REACTOR_USER = 'Reactor';

/** An event as the compiler of reactions is given it: the frame is decoded where it is rendered. */
export interface EventToReact {
  readonly id: number;
  readonly tag: string;
  readonly frame: Uint8Array;
  readonly sls: readonly string[];
}

/** A reaction as the queue holds it. `jid` is given when it is queued, so that a repeat after a crash carries the same one. */
export interface QueuedReaction {
  readonly call: ReactionCall;
  readonly jid: string;
  /** The event that started it. */
  readonly event: number;
  readonly tag: string;
}

/** Counters since start. */
export interface ReactorStats {
  matched: number;
  queued: number;
  known: number;
  failed: number;
}

/** Events whose reactions are rendered before they are safe, at most; further ones wait their turn. */
const MOST_AHEAD = 2000;

/** What the reactor is made of. */
export interface ReactorParts {
  readonly bus: EventBus;
  readonly rules: Rules;
  readonly queue: JobQueue;
  readonly jids: JidSource;
  readonly log: Log;
  /** Renders and compiles a batch, away from the main thread; an answer a event, in order. Errors of one event answer an empty list and are logged. */
  compile(events: readonly EventToReact[]): Promise<readonly ReactionCall[][]>;
}

/** The queue's name of a reaction: event, file, id, client and function, so the same one of the same event is queued once. */
export function reactionId(event: number, call: ReactionCall): string {
  return `${event}/${call.sls}/${call.id}/${call.client}.${call.fun}`;
}

/** Reads a queued reaction back. */
export function queuedReaction(data: WireMap): QueuedReaction {
  return data as unknown as QueuedReaction;
}

/**
 * Subscribes the rules to the bus: event -> matching files -> rendered calls -> queue. The cursor moves only when every call of an
 * event is safe in the queue; after a crash the events since are rendered again and the queue knows what it already has.
 */
export function startReactor(parts: ReactorParts): { stats: ReactorStats; stop(): Promise<void> } {
  const { bus, rules, queue, jids, log } = parts;
  const stats: ReactorStats = { matched: 0, queued: 0, known: 0, failed: 0 };

  // While the log takes an event to the disk its reactions are rendered; they are queued only after it is safe.
  const ahead = new Map<number, { sls: readonly string[]; calls: Promise<ReactionCall[]> }>();
  let fresh: EventToReact[] = [];
  const render = (): void => {
    const events = fresh;
    fresh = [];
    const all = parts.compile(events);
    for (const [i, { id, sls }] of events.entries()) {
      const calls = all.then((a) => a[i] ?? []);
      // Whoever asks for it sees the failure; a refused event is never asked for.
      calls.catch(() => undefined);
      ahead.set(id, { sls, calls });
    }
  };
  const live = bus.events$.subscribe((e) => {
    if (!rules.matches(e.tag) || fromReactor(e)) return;
    const sls = rules.match(e.tag);
    if (!sls.length || fresh.length + ahead.size >= MOST_AHEAD) return;
    if (fresh.push({ id: e.id, tag: e.tag, frame: e.frame, sls }) === 1) setImmediate(render);
  });

  /** Takes what was rendered ahead under the same files, and has the rest rendered now. */
  const compile = async (wanted: readonly EventToReact[]): Promise<readonly ReactionCall[][]> => {
    const known = wanted.map(({ id, sls }) => {
      const a = ahead.get(id);
      ahead.delete(id);
      return a && a.sls.length === sls.length && a.sls.every((f, i) => f === sls[i]) ? a.calls : undefined;
    });
    // Events come in order: what lies before these was refused by the log, or by a rule that is gone.
    for (const id of ahead.keys()) {
      if (id > (wanted.at(-1) as EventToReact).id) break;
      ahead.delete(id);
    }
    const rest = wanted.filter((_w, i) => !known[i]);
    const late = rest.length ? parts.compile(rest) : Promise.resolve([]);
    late.catch(() => undefined);
    const done: ReactionCall[][] = [];
    let at = 0;
    for (const calls of known) done.push(calls ? await calls : ((await late)[at++] ?? []));
    return done;
  };

  const react = async (events: BusEvent[]): Promise<void> => {
    const wanted = events
      .filter((e) => !fromReactor(e))
      .map((e) => ({ id: e.id, tag: e.tag, frame: e.frame, sls: rules.match(e.tag) }))
      .filter((e) => e.sls.length);
    if (!wanted.length) return;
    stats.matched += wanted.length;
    let compiled: readonly ReactionCall[][];
    try {
      compiled = await compile(wanted);
    } catch (e) {
      // One event may have brought the renderer down: each is tried alone, and only that one is given up.
      compiled = await Promise.all(
        wanted.map(async (w) => {
          try {
            return (await parts.compile([w]))[0] ?? [];
          } catch (alone) {
            stats.failed++;
            log.error(`Reactions for event ${w.id} (${w.tag}) could not be rendered: ${messageOf(alone)}`);
            return [];
          }
        }),
      );
      log.debug(`A batch of ${wanted.length} events was rendered one by one: ${messageOf(e)}`);
    }
    const jobs = compiled.flatMap((calls, i) => {
      const { id, tag } = wanted[i] as EventToReact;
      return calls.map((call) => ({
        id: reactionId(id, call),
        data: { call: call as unknown as Wire, jid: jids.next(), event: id, tag } as WireMap,
      }));
    });
    if (!jobs.length) return;
    const added = await queue.addAll(jobs);
    for (const isNew of added)
      if (isNew) stats.queued++;
      else stats.known++;
  };

  const subscription = bus.subscribe('reactor', (tag) => rules.matches(tag), react);
  return {
    stats,
    stop: () => {
      live.unsubscribe();
      return subscription.close();
    },
  };
}

function fromReactor(e: BusEvent): boolean {
  try {
    return e.data['user'] === REACTOR_USER;
  } catch {
    return true;
  }
}
