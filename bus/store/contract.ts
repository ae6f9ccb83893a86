/**
 * Two kinds of store. An EventStore is an append-only sequence of records with positions; a KeyedStore is sorted keyed state.
 * Adapters: segment (own log, the default), memory, later jetstream; lmdb, memory.
 */
import type { Py } from '../values.ts';

/** One record: position (1, 2, 3 … with gaps where damage was skipped, a write failed or a process died), time in ms, opaque bytes. */
export interface StoredRecord {
  readonly seq: number;
  readonly time: number;
  readonly bytes: Uint8Array;
}

export interface EventStore {
  /** First position still kept and the last one given out (0 when empty). */
  readonly tail: number;
  readonly head: number;
  /** The last position known to be safe under the sync policy. */
  readonly safe: number;
  /**
   * Gives the record its position at once; the promise settles when it is safe (policy `group`: after the fdatasync of its group;
   * `always`: after its own; `interval`: after the write). Order of positions is order of calls. Rejects StoreFull / StoreFailed:
   * then the record is not in the store and later ones may be. `prefix` is written before `bytes` in the same record.
   */
  append(bytes: Uint8Array, time: number, prefix?: Uint8Array): { seq: number; safe: Promise<void> };
  /** Records from a position (inclusive) to the head of the moment, in order; damaged ones are skipped and counted. Reads what is appended, safe or not. */
  read(from: number): AsyncIterable<StoredRecord>;
  /** The first position at or after a time in ms, by index; head + 1 when there is none. */
  seek(time: number): Promise<number>;
  /** Drops what retention (size, age) no longer keeps. Called by the owner's clock. */
  trim(now: number): Promise<void>;
  readonly damaged: number;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Sorted keyed state, one environment a daemon, readable by other processes while it runs. Keys are arrays of text and numbers
 * ordered component by component; values are anything MessagePack (bus dialect) holds. A put is visible to the next get of this
 * process at once and durable when its promise settles (puts of a tick share one transaction).
 */
export interface KeyedStore {
  get(table: string, key: Key): Py | undefined;
  put(table: string, key: Key, value: Py): Promise<void>;
  delete(table: string, key: Key): Promise<boolean>;
  /** Entries in key order between bounds (start inclusive, end exclusive), lazily. `reverse` swaps the walk, not the meaning of bounds. */
  range(
    table: string,
    options?: { start?: Key; end?: Key; reverse?: boolean; limit?: number },
  ): Iterable<{ key: Key; value: Py }>;
  /** Removes a key range in slices that never block the loop for more than a few ms; answers the count. */
  deleteRange(table: string, start: Key, end: Key): Promise<number>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
/** A key of a {@link KeyedStore}: its parts from the widest to the narrowest. */
export type Key = readonly (string | number)[];
