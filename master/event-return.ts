import { join } from 'node:path';
import type { EventBus } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { Returner, ReturnerCtx } from '../returners/contract.ts';
import { globOf } from '../sls/fnmatch.ts';

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

/**
 * `event_return`: hands every event that the white and black list let through to the named returners. Each has a cursor of its own in the log: a store
 * that is down delays its own events and loses none.
 */
export function startEventReturn(opts: Opts, bus: EventBus, log: Log): { close(): Promise<void> } {
  const globs = (key: string): ((tag: string) => boolean)[] => opts.list(key).map((g) => globOf(String(g)));
  const white = globs('event_return_whitelist');
  const black = globs('event_return_blacklist');
  const wanted = (tag: string): boolean =>
    (!white.length || white.some((g) => g(tag))) && !black.some((g) => g(tag));
  const running: { close(): Promise<void> }[] = [];
  for (const name of opts.list('event_return').map(String).filter((n) => n !== '')) {
    const ctx = returnerCtx(opts, log, name);
    try {
      const returner = loadReturner(name, ctx);
      const write = returner.eventReturn?.bind(returner);
      if (!write) {
        log.error(`Could not store events: returner '${name}' has no event_return`);
        continue;
      }
      running.push(
        bus.subscribe(`event_return/${name}`, '*', async (events) => {
          const batch = events.filter((e) => wanted(e.tag)).map((e) => ({ tag: e.tag, data: e.data }));
          if (batch.length) await write(batch, ctx);
        }),
      );
    } catch (e) {
      log.error(`Could not store events: ${e}`);
    }
  }
  return { close: async () => void (await Promise.all(running.map((r) => r.close()))) };
}
