import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { eventReturnOptions, returnEvents } from '../bus/event-return.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import type { WireMap } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from '../returners/contract.ts';

declare const __brine_dist: string;

/** Loads a built-in returner by Salt's name; throws when there is none or it does not load here. */
export function loadReturner(name: string, ctx: ReturnerCtx): Returner {
  if (!/^[a-z_][a-z0-9_]*$/i.test(name) || name === 'contract') throw new Error(`${name} is no returner's name`);
  const loaded = (require(join(__brine_dist, 'returners', `${name}.js`)) as { default: Returner }).default;
  const virtual = loaded.virtual?.(ctx);
  if (typeof virtual === 'object') throw new Error(`returner ${name} does not load: ${virtual.reason}`);
  return loaded;
}

/** A returner's context: options, a log of its name, and a slot of its own. */
export function returnerCtx(opts: Opts, log: Log, name: string): ReturnerCtx {
  return { opts, log: log.child(`returners.${name}`), context: new Map() };
}

/** How a returner of the master fares, as `returner.status` shows it. */
export interface ReturnerState {
  readonly name: string;
  readonly state: 'up' | 'down';
  readonly written: number;
  readonly failures: number;
  readonly error: string;
}

/** Tells of a returner whose store goes away or is back: a line in the log and an event. */
export function tellState(bus: EventBus, log: Log, use: string): (s: ReturnerState) => void {
  return (s) => {
    if (s.state === 'down')
      log.error(`Returner ${s.name} (${use}) does not answer, what it should keep waits: ${s.error}`);
    else log.warning(`Returner ${s.name} (${use}) answers again`);
    bus.fire(tags.returnerState(s.name, s.state), { use, error: s.error }, { origin: 'master' });
  };
}

/** The `event_return` of a master. */
export interface EventReturn {
  status(): ReturnerState[];
  close(): Promise<void>;
}

/** What `returner.status` answers: the job cache's journal (null for the master's own store) and each event_return that has written or failed. */
export function reportReturners(spool: { status(): ReturnerState } | undefined, events: EventReturn): () => WireMap {
  return () => ({
    master_job_cache: spool ? { ...spool.status() } : null,
    event_return: events.status().map((s) => ({ ...s })),
  });
}

/** `event_return`: hands events to every named returner, each at its own pace and none lost while its store is away. */
export function startEventReturn(opts: Opts, bus: EventBus, log: Log): EventReturn {
  const running: { close(): Promise<void> }[] = [];
  const states = new Map<string, ReturnerState>();
  const tell = tellState(bus, log, 'event_return');
  const told = async (name: string, count: number, write: () => Promise<void>): Promise<void> => {
    const was = states.get(name) ?? { name, state: 'up', written: 0, failures: 0, error: '' };
    let now: ReturnerState;
    try {
      await write();
      now = { ...was, state: 'up', written: was.written + count, error: '' };
    } catch (e) {
      now = { ...was, state: 'down', failures: was.failures + 1, error: messageOf(e) };
      if (e instanceof SaltError && !e.retryable) {
        log.critical(`Returner ${name} refuses ${count} events, they are given up: ${e.message}`);
        states.set(name, { ...now, state: was.state });
        return;
      }
      states.set(name, now);
      if (was.state === 'up') tell(now);
      throw e;
    }
    states.set(name, now);
    if (was.state === 'down') tell(now);
  };
  for (const name of opts
    .list('event_return')
    .map(String)
    .filter((n) => n !== '')) {
    const ctx = returnerCtx(opts, log, name);
    try {
      const returner = loadReturner(name, ctx);
      const write = returner.eventReturn?.bind(returner);
      if (!write) {
        log.error(`Could not store events: returner '${name}' has no event_return`);
        continue;
      }
      const feed = returnEvents(bus, name, eventReturnOptions(opts), (events) =>
        told(name, events.length, () => write(events, ctx)),
      );
      running.push({ close: () => feed.close().then(() => returner.close?.(ctx)) });
    } catch (e) {
      log.error(`Could not store events: ${messageOf(e)}`);
    }
  }
  return {
    status: () => [...states.values()],
    close: async () => void (await Promise.all(running.map((r) => r.close()))),
  };
}
