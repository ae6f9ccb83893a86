import { join } from 'node:path';
import type { Log } from './log.ts';
import type { Opts } from './opts.ts';
import type { EventStore } from './store/contract.ts';
import { MemoryEventStore } from './store/memory.ts';
import { SegmentStore, type SyncPolicy } from './store/segment.ts';

/** Where a node keeps its event log: `cachedir/event_log`. */
export function eventLogDir(opts: Opts): string {
  return join(opts.str('cachedir'), 'event_log');
}

/**
 * Opens a node's event log as its option `event_log` says: a dict of size (bytes), age (seconds), sync and interval (ms), or `none`
 * for one in memory. `readOnly` opens beside the daemon, for command lines.
 */
export async function openEventLog(opts: Opts, log: Log, options: { readOnly?: boolean } = {}): Promise<EventStore> {
  if (opts.get('event_log') === 'none') return new MemoryEventStore({ count: 10_000 });
  const o = opts.dict('event_log');
  const num = (key: string, fallback: number): number => {
    const v = o.get(key);
    return v === undefined || v === null ? fallback : Number(v.valueOf());
  };
  return SegmentStore.open(eventLogDir(opts), {
    size: num('size', 1024 ** 3),
    age: num('age', 604_800) * 1000,
    sync: (o.get('sync') ?? 'group') as SyncPolicy,
    interval: num('interval', 1000),
    log,
    ...options,
  });
}
