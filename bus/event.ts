import type { Observable } from 'rxjs';
import type { WireMap } from './values.ts';

/**
 * Who put an event on the bus, stamped by the bus and never taken from a peer: `master`, `operator/<user>` or `minion/<id>`.
 * A minion's own bus knows `minion/<id>` (itself), `operator/<user>` (salt-call, a script) and `master`.
 */
export type Origin = 'master' | `operator/${string}` | `minion/${string}`;

/**
 * What led to an event: `event/<id>` (a position in the log), `jid/<jid>`, or null for a first cause. Walking causes back from any
 * event ends at the first one: reaction -> event, job -> reaction, return -> job.
 */
export type Cause = `event/${number}` | `jid/${string}` | null;

/**
 * One fact on the bus. `frame` is what travels and is stored: tag, two line feeds, msgpack (bus dialect) of the data including
 * `_stamp`. `data` is decoded on first use and then kept, so fan-out and storage never decode.
 */
export interface BusEvent {
  /** Position in the log; rises by at least one an event; 0 before it is known (memory bus without a log counts too). */
  readonly id: number;
  readonly tag: string;
  readonly frame: Uint8Array;
  readonly data: WireMap;
  /** ISO-8601 UTC with microseconds; equals `data._stamp`. */
  readonly stamp: string;
  readonly origin: Origin;
  readonly cause: Cause;
}

/** What a firer gets: the event's id at once, and a promise that settles when it is as safe as the log's sync policy says. */
export interface Fired {
  readonly id: number;
  /** Rejects with SaltError StoreFailed or StoreFull when the event could not be kept; the event was then shown to nobody durable. */
  readonly durable: Promise<void>;
}

/** Whose event it is and what led to it. */
export interface FireOptions {
  origin: Origin;
  cause?: Cause;
}

/** Counters of a bus since its start, for `/stats`-like answers. */
export interface BusStats {
  fired: number;
  refused: number;
  readers: number;
  cutOff: number;
  head: number;
  tail: number;
}

/** Where transports report the live readers that they serve outside this process, for stats and for the event that names a slow one. */
export interface LiveReaders {
  opened(): void;
  closed(): void;
  /** A reader that held back more than its bound was disconnected: counted, logged and told by an event `salt/event/reader/cut`. */
  cut(reader: string, heldBytes: number): void;
}

/**
 * The bus of one daemon. Live listeners see an event in the tick in which it is fired, in order of id; the log has it when
 * `durable` settles. Listeners that throw are logged and stay subscribed; none can delay another.
 */
export interface EventBus {
  /** Fires data (a `_stamp` is added) under a tag. */
  fire(tag: string, data: WireMap, options: FireOptions): Fired;
  /** Fires a frame that arrived ready-made (local socket); its `_stamp` is kept if it has one. Malformed frames are counted and refused. */
  fireFrame(frame: Uint8Array, options: FireOptions): Fired | undefined;
  /** Every event from now on. Hot. */
  readonly events$: Observable<BusEvent>;
  /** Events whose tag matches a glob (`*` crosses `/`, `?`, `[seq]`, as Python's fnmatch), compiled once into a shared matcher. */
  on(glob: string): Observable<BusEvent>;
  /**
   * Past events from a position (inclusive) or a time (ms; neither: from the oldest kept), then ends at the head; `follow` goes on
   * live without gap or double. `until` (ms) ends it before the first event of that time or later; `tag` is a glob; `signal` ends a
   * following reader that waits.
   */
  replay(from: {
    id?: number;
    time?: number;
    until?: number;
    tag?: string;
    follow?: boolean;
    signal?: AbortSignal;
  }): AsyncIterable<BusEvent>;
  /**
   * A durable subscription: calls `handle` for each matching event once its bytes are safe, in order; the cursor moves when the
   * promise settles (at-least-once across a crash). A rejected promise stops the cursor and retries with back-off.
   */
  subscribe(
    name: string,
    glob: string | ((tag: string) => boolean),
    handle: (events: BusEvent[]) => Promise<void>,
  ): { close(): Promise<void> };
  stats(): BusStats;
  readonly readers: LiveReaders;
  /** Waits until every fired event is safe. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
