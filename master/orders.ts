import { SaltError } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { toPy, type Wire, type WireMap } from '../bus/values.ts';
import { operator } from './clear-commands.ts';
import type { Order } from './control.ts';
import type { Jobs } from './jobs.ts';
import type { KeyDesk } from './key-desk.ts';
import type { KeyState } from './keys.ts';
import type { MinionCache } from './minion-cache.ts';
import type { Presence } from './presence.ts';
import type { Requests } from './requests.ts';
import type { Upkeep } from './upkeep.ts';

/** Parts of the master that orders reach. */
export interface OrderParts {
  cache: MinionCache;
  desk: KeyDesk;
  bus: EventBus;
  requests: Requests;
  upkeep: Upkeep;
  jobs: Jobs;
  presence: Presence;
  /** How the returners of the master fare: see reportReturners. */
  returners: () => WireMap;
  /** The master's own id: what runner and wheel functions answer is kept under it. */
  id: string;
}

const STATES: readonly KeyState[] = ['minions', 'minions_pre', 'minions_rejected', 'minions_denied'];

/**
 * The orders every master knows: `key.accept|reject {ids, from}` and `key.delete {ids}` (answer the ids they changed), `cache.store|flush {bank, key, value}`,
 * `minions.connected` (id to address), `job.keep` (the data of a run's `ret` event), `stats` {reset}, `returner.status`. Only its own user reaches them.
 */
export function masterOrders(p: OrderParts): Map<string, Order> {
  const ids = (data: WireMap): string[] => (Array.isArray(data['ids']) ? data['ids'].map(String) : []);
  const from = (data: WireMap): KeyState[] => {
    const given = Array.isArray(data['from']) ? data['from'] : ['minions_pre'];
    return STATES.filter((s) => given.includes(s));
  };
  return new Map<string, Order>([
    ['key.accept', (data, user) => ids(data).filter((id) => p.desk.accept(id, from(data), operator(user)))],
    ['key.reject', (data, user) => ids(data).filter((id) => p.desk.reject(id, from(data), operator(user)))],
    [
      'key.delete',
      (data, user) => ids(data).filter((id) => p.desk.delete(id, operator(user), data['keep_data'] === true)),
    ],
    [
      'cache.store',
      async (data) => {
        const { bank, key } = names(data);
        await p.cache.store(bank, key, toPy(data['value'] ?? null));
        return true;
      },
    ],
    [
      'cache.flush',
      (data) => {
        const { bank } = names(data, false);
        return p.cache.flush(bank, typeof data['key'] === 'string' ? data['key'] : undefined);
      },
    ],
    ['minions.connected', () => Object.fromEntries(p.presence.addressesConnected())],
    [
      'job.keep',
      async (data) => {
        await p.jobs.keepRun(data, p.id);
        return true;
      },
    ],
    ['stats', (data) => stats(p, data['reset'] === true)],
    ['returner.status', () => p.returners()],
  ]);
}

function names(data: WireMap, both = true): { bank: string; key: string } {
  const { bank, key } = data;
  if (typeof bank !== 'string' || bank === '' || (both && (typeof key !== 'string' || key === '')))
    throw new SaltError('SaltInvocationError', 'A bank and a key are needed');
  return { bank, key: String(key) };
}

/** Everything the master counts, for people and tests. */
function stats(p: OrderParts, reset: boolean): Wire {
  const { commands, refused, ...requests } = p.requests.stats;
  return {
    bus: { ...p.bus.stats() } as unknown as WireMap,
    requests: { ...requests, refused: { ...refused } },
    commands: Object.fromEntries(Object.entries(commands).map(([k, v]) => [k, { ...v }])),
    job_cache_failures: p.jobs.failures,
    returners: p.returners(),
    loop_delay_ms: { ...p.upkeep.loopDelay(reset) },
    memory: process.memoryUsage.rss(),
    uptime: process.uptime(),
  };
}
