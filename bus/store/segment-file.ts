import { type FileHandle, open } from 'node:fs/promises';
import type { StoredRecord } from './contract.ts';
import { checkRecord, type LogKey, recordSeq, recordTime, SEGMENT_HEADER, takeRecord } from './record.ts';

/** Bytes between two entries of the sparse index. */
const INDEX_STEP = 64 * 1024;
const WINDOW = 256 * 1024;

/** Where a record starts, for finding positions and times without reading a whole segment. */
interface IndexEntry {
  readonly seq: number;
  readonly time: number;
  readonly offset: number;
}

/** One file of the log: what is known of it, and the reader that finds its way through damage. */
export class SegmentFile {
  /** Bytes of it that hold finished writes; readers never look beyond. */
  end = SEGMENT_HEADER;
  lastSeq: number;
  lastTime: number;
  /** Damaged stretches met when the whole file was walked. */
  damaged = 0;
  /** Bytes behind the last good record (a torn or flipped tail). */
  tailGarbage = 0;
  private walked: boolean;
  private index: IndexEntry[] = [];
  private indexedTo = -INDEX_STEP;

  constructor(
    readonly path: string,
    readonly firstSeq: number,
    readonly firstTime: number,
    private readonly key: LogKey,
    fresh: boolean,
  ) {
    this.lastSeq = firstSeq - 1;
    this.lastTime = firstTime;
    this.walked = fresh;
  }

  /** Notes a record that was written to the end of this file. */
  note(seq: number, time: number, offset: number): void {
    this.lastSeq = seq;
    this.lastTime = time;
    if (offset - this.indexedTo >= INDEX_STEP) {
      this.index.push({ seq, time, offset });
      this.indexedTo = offset;
    }
  }

  /** Walks the file once, checking every record; fills the index and the counters. */
  async walk(): Promise<void> {
    if (this.walked) return;
    this.walked = true;
    this.index = [];
    this.indexedTo = -INDEX_STEP;
    for await (const r of this.records(SEGMENT_HEADER, true)) this.note(r.seq, r.time, r.offset);
  }

  /** Where to start reading for a position. */
  private offsetOf(seq: number): number {
    let found = SEGMENT_HEADER;
    let lo = 0;
    let hi = this.index.length - 1;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1;
      const e = this.index[mid] as IndexEntry;
      if (e.seq <= seq) {
        found = e.offset;
        lo = mid + 1;
      } else hi = mid - 1;
    }
    return found;
  }

  /** A position at or before the first record of a time. */
  seqBefore(time: number): number {
    let found = this.firstSeq;
    for (const e of this.index) {
      if (e.time >= time) break;
      found = e.seq;
    }
    return found;
  }

  /** Good records from a position on, in order, up to what was written when the reader got there. */
  async *read(from: number): AsyncGenerator<StoredRecord> {
    await this.walk();
    for await (const r of this.records(this.offsetOf(from), false))
      if (r.seq >= from) yield takeRecord(r.buf, r.at, r.whole);
  }

  private async *records(
    start: number,
    count: boolean,
  ): AsyncGenerator<{ seq: number; time: number; offset: number; buf: Buffer; at: number; whole: number }> {
    let file: FileHandle;
    try {
      file = await open(this.path, 'r');
    } catch (e) {
      // Retention removed the file between the listing and this read: its records are no longer kept.
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw e;
    }
    try {
      let buf: Buffer = Buffer.alloc(0);
      let base = start;
      let at = 0;
      let last = this.firstSeq - 1;
      let inDamage = false;
      let goodEnd = start;
      for (;;) {
        const pos = base + at;
        if (pos >= this.end) break;
        let whole = checkRecord(buf, at, buf.length, this.key);
        if (whole < 0 && base + buf.length < this.end && pos - whole <= this.end) {
          const want = Math.min(Math.max(WINDOW, -whole), this.end - pos);
          const next = Buffer.allocUnsafe(want);
          const { bytesRead } = await file.read(next, 0, want, pos);
          if (bytesRead === 0) break;
          buf = next.subarray(0, bytesRead);
          base = pos;
          at = 0;
          continue;
        }
        if (whole > 0) {
          const seq = recordSeq(buf, at);
          if (seq > last) {
            last = seq;
            inDamage = false;
            yield { seq, time: recordTime(buf, at), offset: pos, buf, at, whole };
            at += whole;
            goodEnd = base + at;
            continue;
          }
          whole = 0;
        }
        // Damage: look for the next place where a record may begin.
        if (!inDamage && count) this.damaged++;
        inDamage = true;
        const found = buf.indexOf(this.key.marker, at + 1);
        at = found >= 0 ? found : Math.max(at + 1, buf.length - 3);
      }
      if (count) this.tailGarbage = Math.max(0, this.end - goodEnd);
    } finally {
      await file.close();
    }
  }
}
