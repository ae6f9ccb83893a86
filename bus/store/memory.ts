import type { Py, Wire } from '../values.ts';
import { decodeBus, encodeBus } from '../wire/payload.ts';
import type { EventStore, Key, KeyedStore, StoredRecord } from './contract.ts';
import { decodeKey, encodeKey, keyBounds } from './key-order.ts';
import { SortedKeys } from './sorted-keys.ts';

/** An event log that lives as long as the process: for tests, and for `event_log: none`. Every append is safe at once. */
export class MemoryEventStore implements EventStore {
  head = 0;
  readonly damaged = 0;
  private records: StoredRecord[] = [];

  /** @param limits records kept at most (default 100,000) and age in ms (default none). */
  constructor(private readonly limits: { count?: number; age?: number } = {}) {}

  get tail(): number {
    return this.records[0]?.seq ?? 0;
  }
  get safe(): number {
    return this.head;
  }
  append(bytes: Uint8Array, time: number, prefix?: Uint8Array): { seq: number; safe: Promise<void> } {
    const seq = ++this.head;
    const last = this.records.at(-1)?.time ?? 0;
    const whole = prefix ? Buffer.concat([prefix, bytes]) : Buffer.from(bytes);
    this.records.push({ seq, time: Math.max(last, time), bytes: whole });
    const most = this.limits.count ?? 100_000;
    if (this.records.length > most * 1.25) this.records = this.records.slice(-most);
    return { seq, safe: Promise.resolve() };
  }
  async *read(from: number): AsyncGenerator<StoredRecord> {
    const end = this.head;
    for (let next = Math.max(from, this.tail); next <= end; next++) {
      const r = this.records[next - this.tail];
      if (r) yield r;
    }
  }
  async seek(time: number): Promise<number> {
    return this.records.find((r) => r.time >= time)?.seq ?? this.head + 1;
  }
  async trim(now: number): Promise<void> {
    const { age } = this.limits;
    if (age === undefined) return;
    const at = this.records.findIndex((r) => r.time >= now - age);
    this.records = at < 0 ? [] : this.records.slice(at);
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Keyed state that lives as long as the process. Values are kept packed, so a caller's later changes do not reach them. */
export class MemoryKeyedStore implements KeyedStore {
  private readonly entries = new SortedKeys<Buffer>();

  get(table: string, key: Key): Py | undefined {
    const v = this.entries.get(encodeKey(table, key));
    return v === undefined ? undefined : decodeBus(v);
  }
  async put(table: string, key: Key, value: Py): Promise<void> {
    this.entries.set(encodeKey(table, key), encodeBus(value as Wire));
  }
  async delete(table: string, key: Key): Promise<boolean> {
    return this.entries.delete(encodeKey(table, key));
  }
  *range(
    table: string,
    options: { start?: Key; end?: Key; reverse?: boolean; limit?: number } = {},
  ): Iterable<{ key: Key; value: Py }> {
    const { from, to } = keyBounds(table, options.start, options.end);
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    for (const [key, value] of this.entries.between(from, to, options.reverse ?? false)) {
      yield { key: decodeKey(key), value: decodeBus(value) };
      if (--left <= 0) return;
    }
  }
  async deleteRange(table: string, start: Key, end: Key): Promise<number> {
    const { from, to } = keyBounds(table, start, end);
    const keys = [...this.entries.between(from, to, false)].map(([k]) => k);
    for (const k of keys) this.entries.delete(k);
    return keys.length;
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}
