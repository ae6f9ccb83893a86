import type { Observable, Subscriber } from 'rxjs';
import { messageOf, SaltError } from './errors.ts';
import type { BusEvent, BusStats, EventBus, Fired, FireOptions, LiveReaders, Origin } from './event.ts';
import { addStamp, frameShape, joinFrame, MAX_TAG } from './frame.ts';
import { GuardedObservable } from './guarded.ts';
import type { Log } from './log.ts';
import { RecentEvents } from './recent.ts';
import { eventOf, eventPrefix, FramedEvent } from './record.ts';
import { StampSource } from './stamp.ts';
import type { EventStore, KeyedStore } from './store/contract.ts';
import { DurableSubscription } from './subscription.ts';
import { compileGlob, TagMatcher } from './tag-match.ts';
import { tags } from './tags.ts';
import { trimData } from './trim.ts';
import { PyDict, type WireMap } from './values.ts';
import { decodeBus, encodeBus } from './wire/payload.ts';

/** What a bus is made of. */
export interface BusParts {
  /** The log; the bus closes it with itself. */
  store: EventStore;
  log: Log;
  /** Milliseconds since the epoch, fractions allowed. */
  clock?: () => number;
  /** Where durable subscriptions keep their cursors (table `cursors`); without it they live as long as the process. */
  cursors?: KeyedStore;
  /** Salt's `max_event_size` in bytes (default 1 MiB); 0 trims nothing. */
  maxEventSize?: number;
  /** How often in ms the log is trimmed to its retention (default a minute); 0 leaves that to the caller. */
  trimEvery?: number;
  /** Back-off of a durable subscription whose handler failed, in ms: first wait and longest. */
  retry?: { first: number; most: number };
}

type Listener = (e: BusEvent) => void;
const BATCH = 256;

/** Opens the bus of a daemon over its log. */
export function openBus(parts: BusParts): EventBus {
  return new Bus(parts);
}

class Bus implements EventBus {
  readonly events$: Observable<BusEvent>;
  readonly readers: LiveReaders;
  private readonly store: EventStore;
  private readonly log: Log;
  private readonly stamps: StampSource;
  private readonly matcher = new TagMatcher<Listener>();
  private everyone: Listener[] = [];
  private readonly ends = new Set<() => void>();
  private readonly recent = new RecentEvents();
  private readonly prefixes = new Map<Origin, Buffer>();
  private readonly subscriptions = new Map<string, DurableSubscription>();
  private waiting: (() => void)[] = [];
  private safeWaiting: (() => void)[] = [];
  private lastSafe: Promise<void> | undefined;
  private lastGroup: { end: number } | undefined;
  private delivering = false;
  private readonly undelivered: BusEvent[] = [];
  private closed = false;
  private fired = 0;
  private refused = 0;
  private live = 0;
  private cutOff = 0;
  private readonly trimmer: NodeJS.Timeout | undefined;
  private lastFailure = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: BusParts) {
    this.store = parts.store;
    this.log = parts.log;
    this.stamps = new StampSource(parts.clock ?? (() => performance.timeOrigin + performance.now()));
    this.events$ = this.stream((f) => {
      this.everyone = [...this.everyone, f];
      return () => {
        this.everyone = this.everyone.filter((x) => x !== f);
      };
    });
    const every = parts.trimEvery ?? 60_000;
    if (every > 0) this.trimmer = setInterval(() => this.trim(), every).unref();
    this.readers = {
      opened: () => void this.live++,
      closed: () => void this.live--,
      cut: (reader, heldBytes) => {
        this.cutOff++;
        this.log.warning(`Event reader ${reader} was cut off: ${heldBytes} bytes were waiting for it`);
        this.fire(tags.readerCut, { reader, held_bytes: heldBytes }, { origin: 'master' });
      },
    };
  }

  fire(tag: string, data: WireMap, options: FireOptions): Fired {
    if (tag.includes('\n\n') || tag.length > MAX_TAG)
      throw new SaltError('ValueError', 'An event tag holds no empty line and at most 65536 characters');
    const { stamp, time } = this.stamps.next();
    const stamped: WireMap = { ...data, _stamp: stamp };
    let body = encodeBus(stamped);
    const max = this.parts.maxEventSize ?? 1024 * 1024;
    let kept: WireMap | undefined = stamped;
    if (max > 0 && body.length + 33 > max) {
      body = trimData(stamped, body, max);
      kept = undefined;
    }
    return this.put(tag, joinFrame(tag, body), Buffer.byteLength(tag) + 2, time, stamp, options, kept);
  }

  fireFrame(frame: Uint8Array, options: FireOptions): Fired | undefined {
    const shape = frameShape(frame);
    if (!shape) {
      this.refused++;
      return undefined;
    }
    const max = this.parts.maxEventSize ?? 1024 * 1024;
    if (max > 0 && frame.length - shape.bodyAt + 33 > max) {
      try {
        const data = decodeBus(frame.subarray(shape.bodyAt)) as WireMap | PyDict;
        return this.fireStamped(shape.tag, data, shape.stamp, options);
      } catch (e) {
        this.log.debug(`A frame of ${frame.length} bytes was refused: ${messageOf(e)}`);
        this.refused++;
        return undefined;
      }
    }
    const { stamp, time } = this.stamps.next();
    const whole = shape.stamp === undefined ? addStamp(frame, shape.bodyAt, stamp) : frame;
    return this.put(shape.tag, whole, shape.bodyAt, time, shape.stamp ?? stamp, options, undefined);
  }

  /** The slow way in for a frame that must be trimmed. */
  private fireStamped(tag: string, data: WireMap | PyDict, given: string | undefined, options: FireOptions): Fired {
    const { stamp, time } = this.stamps.next();
    const stamped =
      data instanceof PyDict ? new PyDict(data).set('_stamp', given ?? stamp) : { ...data, _stamp: given ?? stamp };
    const body = trimData(stamped, encodeBus(stamped), this.parts.maxEventSize ?? 1024 * 1024);
    return this.put(tag, joinFrame(tag, body), Buffer.byteLength(tag) + 2, time, given ?? stamp, options, undefined);
  }

  private put(
    tag: string,
    frame: Uint8Array,
    bodyAt: number,
    time: number,
    stamp: string,
    options: FireOptions,
    data: WireMap | undefined,
  ): Fired {
    if (this.closed) {
      const durable = Promise.reject(new SaltError('StoreFailed', 'The event bus is closed'));
      durable.catch(() => undefined);
      return { id: 0, durable };
    }
    const { origin, cause = null } = options;
    const { seq, safe } = this.store.append(frame, time, this.prefix(origin, cause));
    const event = new FramedEvent(seq, tag, frame, origin, cause, bodyAt, stamp, data);
    this.fired++;
    this.recent.put(event);
    if (safe !== this.lastSafe) this.watch(safe, seq);
    this.deliver(event);
    return { id: seq, durable: safe };
  }

  private prefix(origin: Origin, cause: FireOptions['cause']): Buffer {
    if (cause) return eventPrefix(origin, cause);
    let p = this.prefixes.get(origin);
    if (!p) {
      p = eventPrefix(origin, null);
      if (this.prefixes.size >= 10_000) this.prefixes.clear();
      this.prefixes.set(origin, p);
    }
    return p;
  }

  /** Follows one group of the log: wakes durable subscriptions when it is safe, forgets its events when it was refused. */
  private watch(safe: Promise<void>, first: number): void {
    this.lastSafe = safe;
    if (this.lastGroup) this.lastGroup.end = first - 1;
    const group = { end: Number.POSITIVE_INFINITY };
    this.lastGroup = group;
    safe.then(
      () => this.wake('safeWaiting'),
      (e: unknown) => {
        const end = Math.min(group.end, this.store.head);
        for (let id = first; id <= end; id++) this.recent.forget(id);
        // Under a full disk groups fail by the hundred; one line in five seconds says it.
        if (performance.now() - this.lastFailure > 5000) {
          this.lastFailure = performance.now();
          this.log.error(`Events ${first} to ${end} were not kept: ${messageOf(e)}`);
        }
        this.wake('safeWaiting');
      },
    );
  }

  private wake(which: 'waiting' | 'safeWaiting'): void {
    if (!this[which].length) return;
    const list = this[which];
    this[which] = [];
    for (const f of list) f();
  }

  private deliver(event: BusEvent): void {
    if (this.waiting.length) this.wake('waiting');
    // A listener that fires in turn must not make later listeners see the two in the wrong order.
    if (this.delivering) {
      this.undelivered.push(event);
      return;
    }
    this.delivering = true;
    for (let e: BusEvent | undefined = event; e; e = this.undelivered.shift()) {
      for (const f of this.everyone) this.tell(f, e);
      for (const f of this.matcher.match(e.tag)) this.tell(f, e);
    }
    this.delivering = false;
  }

  private tell(f: Listener, e: BusEvent): void {
    try {
      f(e);
    } catch (error) {
      this.report(error);
    }
  }

  private readonly report = (e: unknown): void => {
    this.log.error(`An event listener failed: ${e instanceof Error ? (e.stack ?? e.message) : messageOf(e)}`);
  };

  private stream(attach: (f: Listener) => () => void): Observable<BusEvent> {
    return new GuardedObservable<BusEvent>(this.report, (subscriber: Subscriber<BusEvent>) => {
      if (this.closed) {
        subscriber.complete();
        return undefined;
      }
      const end = (): void => subscriber.complete();
      const detach = attach((e) => subscriber.next(e));
      this.ends.add(end);
      return () => {
        this.ends.delete(end);
        detach();
      };
    });
  }

  on(glob: string): Observable<BusEvent> {
    return this.stream((f) => this.matcher.add(glob, f));
  }

  async *replay(from: Parameters<EventBus['replay']>[0]): AsyncGenerator<BusEvent> {
    const match = from.tag === undefined ? undefined : compileGlob(from.tag);
    const start = from.id ?? (from.time !== undefined ? await this.store.seek(from.time) : this.store.tail || 1);
    const source = this.batches(start, () => this.store.head, from.follow ? 'waiting' : undefined, from.signal);
    for await (const { events } of source)
      for (const e of events) {
        if (from.until !== undefined && Date.parse(e.stamp) >= from.until) return;
        if (!match || match(e.tag)) yield e;
      }
  }

  /**
   * Events in batches from a position up to a bound that may grow, then waits for more (or ends). Newest ones come from memory,
   * older ones from the log; `next` is the position after the batch.
   */
  async *batches(
    start: number,
    bound: () => number,
    follow: 'waiting' | 'safeWaiting' | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<{ events: BusEvent[]; next: number }> {
    let next = Math.max(1, start);
    const last = bound();
    while (!signal?.aborted) {
      const end = follow ? bound() : last;
      if (next > end) {
        if (!follow || this.closed) return;
        await this.more(follow, signal);
      } else if (this.recent.covers(next)) {
        const batch = this.recent.slice(next, end, BATCH);
        next = batch.next;
        if (batch.events.length) yield batch;
      } else {
        let events: BusEvent[] = [];
        for await (const record of this.store.read(next)) {
          if (record.seq > end || signal?.aborted) break;
          next = record.seq + 1;
          const e = this.read(record);
          if (e) events.push(e);
          if (events.length >= BATCH) {
            yield { events, next };
            events = [];
            if (this.recent.covers(next)) break;
          }
        }
        if (events.length) yield { events, next };
        if (next <= end && !this.recent.covers(next)) {
          // Neither in memory any more nor in the file yet: the group being written brings it. What is safe and still not read was damaged.
          if (this.store.safe < end && !this.closed && !signal?.aborted) await this.more('safeWaiting', signal);
          else next = end + 1;
        }
      }
    }
  }

  private read(record: Parameters<typeof eventOf>[0]): BusEvent | undefined {
    try {
      return eventOf(record);
    } catch (e) {
      this.log.warning(messageOf(e));
      return undefined;
    }
  }

  private more(which: 'waiting' | 'safeWaiting', signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      signal?.addEventListener('abort', done, { once: true });
      this[which].push(done);
    });
  }

  subscribe(
    name: string,
    glob: string | ((tag: string) => boolean),
    handle: (events: BusEvent[]) => Promise<void>,
  ): { close(): Promise<void> } {
    if (this.subscriptions.has(name)) throw new SaltError('ValueError', `A durable subscription named ${name} exists`);
    const subscription = new DurableSubscription({
      name,
      glob,
      handle,
      log: this.log,
      ...(this.parts.cursors ? { cursors: this.parts.cursors } : {}),
      ...(this.parts.retry ? { retry: this.parts.retry } : {}),
      head: this.store.head,
      tail: () => this.store.tail,
      batches: (from, signal) => this.batches(from, () => this.store.safe, 'safeWaiting', signal),
      closed: () => void this.subscriptions.delete(name),
    });
    this.subscriptions.set(name, subscription);
    return subscription;
  }

  private trim(): void {
    const now = (this.parts.clock ?? Date.now)();
    this.store.trim(now).catch((e: unknown) => this.log.error(`The event log could not be trimmed: ${messageOf(e)}`));
  }

  stats(): BusStats {
    return {
      fired: this.fired,
      refused: this.refused,
      readers: this.live,
      cutOff: this.cutOff,
      head: this.store.head,
      tail: this.store.tail,
    };
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.trimmer);
    await this.store.flush();
    for (const s of [...this.subscriptions.values()]) await s.close();
    for (const end of [...this.ends]) end();
    this.wake('waiting');
    this.wake('safeWaiting');
    await this.store.close();
  }
}
