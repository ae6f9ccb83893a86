import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { messageOf, SaltError } from '../errors.ts';
import type { Py, Wire } from '../values.ts';
import { decodeBus, encodeBus } from '../wire/payload.ts';
import type { Key, KeyedStore } from './contract.ts';
import { decodeKey, encodeKey, keyBounds } from './key-order.ts';
import { SortedKeys } from './sorted-keys.ts';

const SLICE = 500;
const COMMIT_MS = 3;
type Pending = { value: Buffer | undefined };

/**
 * Keyed state in one lmdb environment. Any number of processes may read it while one writes; a folder of mode 0700 with files of
 * 0600. Writes of a few ms share one transaction, and their promises settle when it is on disk.
 */
export class LmdbStore implements KeyedStore {
  /** Writes on their way: they are seen by this process's reads before the transaction is there. */
  private readonly pending = new SortedKeys<Pending>();
  private closed = false;

  private constructor(
    private readonly db: RootDatabase<Buffer, Buffer> | Database<Buffer, Buffer>,
    private readonly dir: string,
  ) {}

  /** Opens (and makes) an environment; `readOnly` needs one that exists. Loads lmdb on first use. */
  static async open(dir: string, options: { readOnly?: boolean } = {}): Promise<LmdbStore> {
    const { open } = await import('lmdb');
    if (!options.readOnly) await mkdir(dir, { recursive: true, mode: 0o700 });
    try {
      const db = open<Buffer, Buffer>({
        path: dir,
        noSubdir: false,
        encoding: 'binary',
        keyEncoding: 'binary',
        // Settled means on disk, not only visible.
        overlappingSync: false,
        // A commit costs as much for one write as for a hundred: those of a few ms share it.
        commitDelay: COMMIT_MS,
        readOnly: options.readOnly ?? false,
      });
      if (!options.readOnly) for (const f of ['data.mdb', 'lock.mdb']) await chmod(join(dir, f), 0o600);
      return new LmdbStore(db, dir);
    } catch (e) {
      throw new SaltError('StoreFailed', `Could not open the store in ${dir}: ${messageOf(e)}`, {}, { cause: e });
    }
  }

  get(table: string, key: Key): Py | undefined {
    const k = encodeKey(table, key);
    const waiting = this.pending.get(k);
    const bytes = waiting ? waiting.value : this.db.get(k);
    return bytes === undefined ? undefined : decodeBus(Buffer.from(bytes));
  }

  put(table: string, key: Key, value: Py): Promise<void> {
    const k = encodeKey(table, key);
    const bytes = encodeBus(value as Wire);
    return this.write(k, bytes, () => this.db.put(k, bytes)).then(() => undefined);
  }

  async delete(table: string, key: Key): Promise<boolean> {
    const k = encodeKey(table, key);
    const waiting = this.pending.get(k);
    const had = waiting ? waiting.value !== undefined : this.db.doesExist(k);
    if (had) await this.write(k, undefined, () => this.db.remove(k));
    return had;
  }

  private async write(k: Buffer, value: Buffer | undefined, go: () => Promise<boolean>): Promise<boolean> {
    if (this.closed) throw new SaltError('StoreFailed', `The store in ${this.dir} is closed`);
    const mark: Pending = { value };
    this.pending.set(k, mark);
    try {
      return await go();
    } catch (e) {
      const text = messageOf(e);
      const full = /MDB_MAP_FULL|No space left|ENOSPC/i.test(text);
      throw new SaltError(
        full ? 'StoreFull' : 'StoreFailed',
        `Could not write the store in ${this.dir}: ${text}`,
        {},
        { cause: e },
      );
    } finally {
      if (this.pending.get(k) === mark) this.pending.delete(k);
    }
  }

  *range(
    table: string,
    options: { start?: Key; end?: Key; reverse?: boolean; limit?: number } = {},
  ): Iterable<{ key: Key; value: Py }> {
    const reverse = options.reverse ?? false;
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    const { from, to } = keyBounds(table, options.start, options.end);
    if (Buffer.compare(from, to) >= 0) return;
    for (const [key, value] of this.merged(from, to, reverse)) {
      yield { key: decodeKey(key), value: decodeBus(value) };
      if (--left <= 0) return;
    }
  }

  /** Stored entries with the waiting writes laid over them, in order. */
  private *merged(from: Buffer, to: Buffer, reverse: boolean): Generator<[Buffer, Buffer]> {
    const waiting = [...this.pending.between(from, to, reverse)];
    let w = 0;
    const before = (a: Buffer, b: Buffer): boolean => (reverse ? Buffer.compare(a, b) > 0 : Buffer.compare(a, b) < 0);
    for (const { key, value } of this.stored(from, to, reverse)) {
      for (let head = waiting[w]; head && before(head[0], key); head = waiting[++w])
        if (head[1].value) yield [head[0], head[1].value];
      const same = waiting[w];
      if (same && Buffer.compare(same[0], key) === 0) {
        w++;
        if (same[1].value) yield [key, same[1].value];
      } else yield [key, value];
    }
    for (; w < waiting.length; w++) {
      const [key, mark] = waiting[w] as [Buffer, Pending];
      if (mark.value) yield [key, mark.value];
    }
  }

  private *stored(from: Buffer, to: Buffer, reverse: boolean): Generator<{ key: Buffer; value: Buffer }> {
    // In reverse lmdb's start is the upper end and inclusive; ours excludes the upper end and includes the lower.
    const range = reverse ? this.db.getRange({ start: to, reverse }) : this.db.getRange({ start: from, end: to });
    for (const { key, value } of range) {
      if (reverse && Buffer.compare(key, to) >= 0) continue;
      if (reverse && Buffer.compare(key, from) < 0) return;
      yield { key: Buffer.from(key), value: Buffer.from(value) };
    }
  }

  async deleteRange(table: string, start: Key, end: Key): Promise<number> {
    const { from, to } = keyBounds(table, start, end);
    let count = 0;
    for (;;) {
      const keys: Buffer[] = [];
      for (const [key] of this.merged(from, to, false)) {
        keys.push(key);
        if (keys.length >= SLICE) break;
      }
      if (!keys.length) return count;
      await Promise.all(keys.map((k) => this.write(k, undefined, () => this.db.remove(k))));
      count += keys.length;
    }
  }

  async flush(): Promise<void> {
    await this.db.committed;
    await this.db.flushed;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    await this.flush();
    this.closed = true;
    await this.db.close();
  }
}
