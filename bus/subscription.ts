import { messageOf } from './errors.ts';
import type { BusEvent } from './event.ts';
import type { Log } from './log.ts';
import type { KeyedStore } from './store/contract.ts';
import { compileGlob } from './tag-match.ts';

/** What a durable subscription works with; made by the bus. */
export interface SubscriptionParts {
  name: string;
  glob: string | ((tag: string) => boolean);
  handle: (events: BusEvent[]) => Promise<void>;
  log: Log;
  cursors?: KeyedStore;
  retry?: { first: number; most: number };
  /** The log's head at the moment of subscribing: a new name begins after it. */
  head: number;
  tail: () => number;
  batches: (from: number, signal: AbortSignal) => AsyncGenerator<{ events: BusEvent[]; next: number }>;
  closed: () => void;
}

const TABLE = 'cursors';
/** Positions passed without a match before the cursor is written all the same. */
const IDLE_POSITIONS = 5000;
/** Shortest time between two writes of a cursor, ms. */
const MOVE_MS = 25;

/** One named reader whose place survives the process: see EventBus.subscribe. */
export class DurableSubscription {
  private readonly stop = new AbortController();
  private readonly done: Promise<void>;
  private moving: Promise<void> | undefined;
  private kept = 0;
  private next = 0;

  constructor(private readonly parts: SubscriptionParts) {
    this.done = this.run().catch((e: unknown) => {
      parts.log.critical(`Durable subscription ${parts.name} ended: ${messageOf(e)}`);
    });
  }

  private async run(): Promise<void> {
    const { name, glob, head, tail, log } = this.parts;
    const matches = typeof glob === 'string' ? compileGlob(glob) : glob;
    const known = this.parts.cursors?.get(TABLE, [name]);
    this.next = typeof known === 'number' ? known : head + 1;
    this.kept = typeof known === 'number' ? known : 0;
    if (this.next > head + 1) {
      // The log was replaced by a younger one: nothing of it has been handled.
      log.warning(
        `Durable subscription ${name} stood at ${this.next}, beyond the log's end ${head}: it goes on at the end`,
      );
      this.next = head + 1;
    }
    const first = tail();
    if (first > this.next)
      log.warning(`Durable subscription ${name} missed events ${this.next} to ${first - 1}: no longer kept`);
    await this.keep();
    const signal = this.stop.signal;
    for await (const batch of this.parts.batches(this.next, signal)) {
      const wanted = batch.events.filter((e) => matches(e.tag));
      if (wanted.length && !(await this.hand(wanted))) return;
      this.next = batch.next;
      if (wanted.length || this.next - this.kept >= IDLE_POSITIONS) this.move();
      if (signal.aborted) return;
    }
  }

  /** Hands a batch over until it is taken; false when the subscription was closed meanwhile. */
  private async hand(events: BusEvent[]): Promise<boolean> {
    const { handle, log, name, retry = { first: 100, most: 30_000 } } = this.parts;
    for (let wait = retry.first; ; wait = Math.min(wait * 2, retry.most)) {
      try {
        await handle(events);
        return true;
      } catch (e) {
        log.warning(
          `Durable subscription ${name} failed at event ${events[0]?.id}, again in ${wait} ms: ${messageOf(e)}`,
        );
      }
      if (!(await this.pause(wait))) return false;
    }
  }

  private pause(ms: number): Promise<boolean> {
    const { signal } = this.stop;
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve(false);
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  /** Writes the cursor behind the work, not in its way: what a crash leaves behind it is handed over once more. */
  private move(): void {
    if (this.moving || this.kept === this.next) return;
    this.moving = this.keep()
      .catch((e: unknown) => this.parts.log.warning(`Cursor ${this.parts.name}: ${messageOf(e)}`))
      .then(() => this.pause(MOVE_MS))
      .then((goes) => {
        this.moving = undefined;
        if (goes) this.move();
      });
  }

  private async keep(): Promise<void> {
    const { next } = this;
    if (this.kept === next) return;
    await this.parts.cursors?.put(TABLE, [this.parts.name], next);
    this.kept = next;
  }

  /** Ends after the batch in hand; its cursor is written. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.done;
    await this.moving;
    await this.keep().catch((e: unknown) => this.parts.log.warning(`Cursor ${this.parts.name}: ${messageOf(e)}`));
    this.parts.closed();
  }
}
