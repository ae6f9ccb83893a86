import type { BusEvent } from './event.ts';

/** The newest events, by id, so that followers and durable subscribers seldom read the log. Bounded by count and by bytes. */
export class RecentEvents {
  private readonly slots: (BusEvent | undefined)[];
  private bytes = 0;
  private oldest = 0;
  private newest = 0;

  /** @param count a power of two. */
  constructor(
    private readonly count = 2048,
    private readonly maxBytes = 4 * 1024 * 1024,
  ) {
    this.slots = new Array<BusEvent | undefined>(count);
  }

  put(e: BusEvent): void {
    if (this.newest === 0) this.oldest = e.id;
    this.newest = e.id;
    this.drop(e.id - this.count);
    this.slots[e.id & (this.count - 1)] = e;
    this.bytes += e.frame.length;
    while (this.bytes > this.maxBytes && this.oldest < e.id) this.drop(this.oldest);
  }

  /** Forgets everything up to an id. */
  private drop(upTo: number): void {
    for (; this.oldest <= upTo && this.oldest <= this.newest; this.oldest++) this.forget(this.oldest);
  }

  /** Forgets one event: it could not be kept in the log. */
  forget(id: number): void {
    const at = id & (this.count - 1);
    const e = this.slots[at];
    if (e?.id !== id) return;
    this.bytes -= e.frame.length;
    this.slots[at] = undefined;
  }

  /** Whether every event from this id on is here (those that are not were never kept). */
  covers(id: number): boolean {
    return this.newest > 0 && id >= this.oldest && id <= this.newest;
  }

  /** Events from an id up to another, at most `limit` of them. */
  slice(from: number, to: number, limit: number): { events: BusEvent[]; next: number } {
    const events: BusEvent[] = [];
    let id = from;
    for (const end = Math.min(to, this.newest); id <= end && events.length < limit; id++) {
      const e = this.slots[id & (this.count - 1)];
      if (e?.id === id) events.push(e);
    }
    return { events, next: id };
  }
}
