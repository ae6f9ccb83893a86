import type { BusEvent, EventBus } from './event.ts';
import type { Opts } from './opts.ts';
import { compileGlob } from './tag-match.ts';
import type { WireMap } from './values.ts';

/** Takes a batch of events to a place outside; rejects to have the same batch again later. */
export type EventSink = (events: readonly { tag: string; data: WireMap }[]) => Promise<void>;

/** Salt's options of event_return, by {@link eventReturnOptions}. */
export interface EventReturnOptions {
  /** Events of one batch at most; 0 sends each alone. A batch that is not full goes out all the same: nothing waits for company. */
  queue: number;
  /** Pause in seconds between batches that are not full, at most 1; 0 means a twentieth of a second. */
  maxSeconds: number;
  whitelist: readonly string[];
  blacklist: readonly string[];
}

/** Reads `event_return_queue`, `event_return_queue_max_seconds`, `event_return_whitelist` and `event_return_blacklist`. */
export function eventReturnOptions(opts: Opts): EventReturnOptions {
  return {
    queue: opts.num('event_return_queue'),
    maxSeconds: opts.num('event_return_queue_max_seconds'),
    whitelist: opts.list('event_return_whitelist').map(String),
    blacklist: opts.list('event_return_blacklist').map(String),
  };
}

/** Whether an event goes out: it must match the whitelist if there is one, and not the blacklist. */
export function eventFilter(options: Pick<EventReturnOptions, 'whitelist' | 'blacklist'>): (tag: string) => boolean {
  const allow = options.whitelist.map(compileGlob);
  const deny = options.blacklist.map(compileGlob);
  return (tag) => (!allow.length || allow.some((m) => m(tag))) && !deny.some((m) => m(tag));
}

/**
 * Feeds one returner's `event_return` as a durable subscriber: nothing is dropped while its store is away, and a batch may come twice
 * after a crash. Gathering holds the cursor, so events still in the queue are read again after a restart.
 */
export function returnEvents(
  bus: EventBus,
  name: string,
  options: EventReturnOptions,
  send: EventSink,
): { close(): Promise<void> } {
  const wanted = eventFilter(options);
  const gather = new Gatherer(options, send);
  const subscription = bus.subscribe(`event_return/${name}`, '*', (events) =>
    gather.take(events.filter((e) => wanted(e.tag))),
  );
  return {
    close: async () => {
      gather.close();
      await subscription.close();
    },
  };
}

class Gatherer {
  private wake: (() => void) | undefined;
  private closed = false;

  constructor(
    private readonly options: EventReturnOptions,
    private readonly send: EventSink,
  ) {}

  async take(events: readonly BusEvent[]): Promise<void> {
    if (!events.length) return;
    const size = Math.max(1, this.options.queue);
    for (let at = 0; at < events.length; at += size) {
      const part = events.slice(at, at + size);
      await this.send(part.map((e) => ({ tag: e.tag, data: e.data })));
    }
    // Waiting here lets the log gather what comes meanwhile: the next batch is then as large as the queue allows.
    if (this.options.queue > 1 && events.length < this.options.queue && !this.closed) {
      const seconds = this.options.maxSeconds > 0 ? Math.min(this.options.maxSeconds, 1) : 0.05;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }
}
