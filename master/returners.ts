import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { eventReturnOptions, returnEvents } from '../bus/event-return.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
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

/** `event_return`: hands events to every named returner, each at its own pace and none lost while its store is away. */
export function startEventReturn(opts: Opts, bus: EventBus, log: Log): { close(): Promise<void> } {
  const running: { close(): Promise<void> }[] = [];
  for (const name of opts
    .list('event_return')
    .map(String)
    .filter((n) => n !== '')) {
    const ctx = returnerCtx(opts, log, name);
    try {
      const returner = loadReturner(name, ctx);
      const write = returner.eventReturn?.bind(returner);
      if (write) running.push(returnEvents(bus, name, eventReturnOptions(opts), (events) => write(events, ctx)));
      else log.error(`Could not store events: returner '${name}' has no event_return`);
    } catch (e) {
      log.error(`Could not store events: ${messageOf(e)}`);
    }
  }
  return { close: async () => void (await Promise.all(running.map((r) => r.close()))) };
}
