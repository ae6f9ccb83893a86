import { close, constants, fdatasync, ftruncate, open as openFd, write } from 'node:fs';
import { mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SaltError } from '../errors.ts';
import { type Log, quietLog } from '../log.ts';
import type { EventStore, StoredRecord } from './contract.ts';
import { DirLock } from './dir-lock.ts';
import {
  checkRecord,
  decodeSegmentHeader,
  encodeSegmentHeader,
  type LogKey,
  newLogKey,
  RECORD_HEADER,
  recordSeq,
  recordTime,
  SEGMENT_HEADER,
  sealRecord,
  takeRecord,
} from './record.ts';
import { SegmentFile } from './segment-file.ts';

/** When an append counts as safe: after its group's fdatasync, after its own, or after the write (synced every `interval` ms). */
export type SyncPolicy = 'group' | 'always' | 'interval';

/** The system calls a store writes with; replaced in tests to make a disk full or broken. */
export interface SegmentIo {
  /** Files are opened so that a write is safe when it returns (O_DSYNC), where the policy is to sync each group: one trip to the disk instead of two. */
  readonly writesThrough?: boolean;
  write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  sync(fd: number): Promise<void>;
  truncate(fd: number, length: number): Promise<void>;
}

/** How a log is kept. Sizes in bytes, times in milliseconds. */
export interface SegmentOptions {
  /** Bytes kept at most, whole segments (default 1 GiB); 0 keeps all. */
  size?: number;
  /** Age kept at most (default 7 days); 0 keeps all. */
  age?: number;
  /** A new file is begun beyond this (default 16 MiB). */
  segmentSize?: number;
  sync?: SyncPolicy;
  /** Time between syncs under policy `interval` (default 1,000). */
  interval?: number;
  /** Records of one group at most (default 1,000): bounds the wait of a burst's first firer. */
  maxGroup?: number;
  /** Opens for reading beside a writer or when there is none; appends are refused. */
  readOnly?: boolean;
  io?: SegmentIo;
  log?: Log;
}

const writeAt = promisify(write);
const IO: SegmentIo = {
  writesThrough: true,
  write: async (fd, b, o, l, p) => (await writeAt(fd, b, o, l, p)).bytesWritten,
  sync: promisify(fdatasync),
  truncate: promisify(ftruncate),
};
/** After a stop that was not clean, positions go on at the next multiple of this: one given out but never written is not given twice. */
const AFTER_CRASH = 100_000;
const FIRST_BUFFER = 16 * 1024;
/** Larger buffers are left to the collector. */
const SPARE_BUFFER = 512 * 1024;
const NAME = /^(\d{16})\.log$/;
const fileName = (seq: number): string => `${String(seq).padStart(16, '0')}.log`;

/** Records that are written and synced together. */
class Group {
  used = 0;
  count = 0;
  firstSeq = 0;
  firstTime = 0;
  lastSeq = 0;
  readonly safe: Promise<void>;
  settle!: () => void;
  fail!: (e: SaltError) => void;
  constructor(public buf: Buffer) {
    this.safe = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
    // Firers that do not wait for safety must not end the process; those that wait see the rejection.
    this.safe.catch(() => undefined);
  }
  room(bytes: number): void {
    if (this.used + bytes <= this.buf.length) return;
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.used + bytes));
    this.buf.copy(bigger, 0, 0, this.used);
    this.buf = bigger;
  }
}

/**
 * The default event log: append-only files in one folder, a checksum a record, grouped writes with one fdatasync a group. Opens
 * after any cut or flipped bit: what cannot be verified is skipped and counted, what follows it is found again. A group that cannot
 * be written is rejected as a whole and leaves nothing behind; later ones are tried afresh.
 */
export class SegmentStore implements EventStore {
  head = 0;
  safe = 0;
  private files: SegmentFile[] = [];
  private fd: number | undefined;
  private queue: Group[] = [];
  private writing: Group | undefined;
  private pumping = false;
  private scheduled = false;
  private closed = false;
  private rollNext = false;
  private dirty = false;
  private lastTime = 0;
  private idle: (() => void)[] = [];
  private syncTimer: NodeJS.Timeout | undefined;
  private lock: DirLock | undefined;
  private readonly o: Required<Omit<SegmentOptions, 'log'>> & { log: Log };

  private constructor(
    private readonly dir: string,
    private key: LogKey,
    options: SegmentOptions,
  ) {
    this.o = {
      size: options.size ?? 1024 ** 3,
      age: options.age ?? 7 * 86_400_000,
      segmentSize: options.segmentSize ?? 16 * 1024 ** 2,
      sync: options.sync ?? 'group',
      interval: options.interval ?? 1000,
      maxGroup: options.sync === 'always' ? 1 : (options.maxGroup ?? 1000),
      readOnly: options.readOnly ?? false,
      io: options.io ?? IO,
      log: options.log ?? quietLog,
    };
  }

  /**
   * Opens a log folder, made with mode 0700 when absent. Only the newest file is read here; older ones are verified at their first
   * read. Rejects with SaltError FileLockError when another process writes to it.
   */
  static async open(dir: string, options: SegmentOptions = {}): Promise<SegmentStore> {
    const store = new SegmentStore(dir, newLogKey(), options);
    if (!options.readOnly) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      store.lock = await DirLock.take(dir, 'event log');
    }
    try {
      await store.recover();
    } catch (e) {
      await store.lock?.release();
      throw e;
    }
    if (store.o.sync === 'interval' && !options.readOnly) {
      store.syncTimer = setInterval(() => void store.syncNow(), store.o.interval);
      store.syncTimer.unref();
    }
    return store;
  }

  private async recover(): Promise<void> {
    const names = (await readdir(this.dir)).filter((n) => NAME.test(n)).sort();
    const headers = [];
    for (const n of names) {
      const path = join(this.dir, n);
      const f = await open(path, 'r');
      try {
        const { buffer, bytesRead } = await f.read(Buffer.alloc(SEGMENT_HEADER), 0, SEGMENT_HEADER, 0);
        headers.push({ path, n, size: (await f.stat()).size, h: decodeSegmentHeader(buffer.subarray(0, bytesRead)) });
      } finally {
        await f.close();
      }
    }
    const known = headers.find((x) => x.h)?.h;
    if (known) this.key = known.key;
    let time = 0;
    for (const x of headers) {
      if (!x.h) this.lostHeaders++;
      time = Math.max(time, x.h?.time ?? time);
      const file = new SegmentFile(x.path, Number(NAME.exec(x.n)?.[1]), time, x.h?.key ?? this.key, false);
      file.end = x.size;
      this.files.push(file);
    }
    const last = this.files.at(-1);
    if (last) {
      await last.walk();
      this.lastTime = last.lastTime;
      // Positions of records lost in the tail are not given out again: no cursor may point at a later event of the same number.
      this.head = last.lastSeq + Math.ceil(last.tailGarbage / RECORD_HEADER);
      if (this.lock?.wasHeld) this.head = Math.ceil((this.head + 1) / AFTER_CRASH) * AFTER_CRASH;
      if (last.damaged) this.o.log.warning(`Event log ${last.path}: ${last.damaged} damaged stretch(es) skipped`);
    }
    this.safe = this.head;
    // A file that was open when the process ended is never written again; the next append begins a new one.
    this.rollNext = true;
  }
  /** Buffers of written groups, to be filled again. */
  private spare: Buffer[] = [];
  private lostHeaders = 0;
  private commits = 0;

  get damaged(): number {
    let n = this.lostHeaders;
    for (const f of this.files) n += f.damaged;
    return n;
  }

  get tail(): number {
    const first = this.files[0]?.firstSeq ?? this.writing?.firstSeq ?? this.queue[0]?.firstSeq;
    return first === undefined || first > this.head ? 0 : first;
  }

  /** @param prefix bytes written before `bytes` in the same record, saving the caller a copy. */
  append(bytes: Uint8Array, time: number, prefix?: Uint8Array): { seq: number; safe: Promise<void> } {
    if (this.closed || this.o.readOnly) {
      const safe = Promise.reject(
        new SaltError(
          'StoreFailed',
          this.closed ? 'The event log is closed' : 'The event log was opened for reading only',
        ),
      );
      safe.catch(() => undefined);
      return { seq: this.head, safe };
    }
    const seq = ++this.head;
    // Times never step back in the log, or a position could not be found by time.
    this.lastTime = Math.max(this.lastTime, time);
    let group = this.queue.at(-1);
    if (!group || group.count >= this.o.maxGroup) {
      group = new Group(this.spare.pop() ?? Buffer.allocUnsafeSlow(FIRST_BUFFER));
      this.queue.push(group);
    }
    const head = prefix?.length ?? 0;
    const length = head + bytes.length;
    group.room(RECORD_HEADER + length);
    const at = group.used;
    if (prefix) group.buf.set(prefix, at + RECORD_HEADER);
    group.buf.set(bytes, at + RECORD_HEADER + head);
    sealRecord(group.buf, at, length, seq, this.lastTime, this.key);
    if (group.count++ === 0) {
      group.firstSeq = seq;
      group.firstTime = this.lastTime;
    }
    group.used += RECORD_HEADER + length;
    group.lastSeq = seq;
    if (!this.pumping && !this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        void this.pump();
      });
    }
    return { seq, safe: group.safe };
  }

  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    for (let group = this.queue.shift(); group; group = this.queue.shift()) {
      this.writing = group;
      try {
        await this.commit(group);
        this.safe = group.lastSeq;
        this.writing = undefined;
        group.settle();
      } catch (e) {
        this.writing = undefined;
        group.fail(this.explain(e));
      }
      if (group.buf.length <= SPARE_BUFFER && this.spare.length < 2) this.spare.push(group.buf);
    }
    this.pumping = false;
    for (const f of this.idle.splice(0)) f();
  }

  private get writesThrough(): boolean {
    return this.o.io.writesThrough === true && this.o.sync !== 'interval';
  }

  private explain(e: unknown): SaltError {
    const errno = (e as NodeJS.ErrnoException).code;
    const full = errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
    return new SaltError(
      full ? 'StoreFull' : 'StoreFailed',
      `${full ? 'No space left for' : 'Could not write'} the event log in ${this.dir}: ${messageOf(e)}`,
      { errno },
      { cause: e },
    );
  }

  private async commit(group: Group): Promise<void> {
    let file = this.files.at(-1);
    if (!file || this.fd === undefined || this.rollNext || file.end >= this.o.segmentSize) {
      file = await this.roll(group);
    }
    const fd = this.fd as number;
    const start = file.end;
    const through = this.writesThrough;
    let synced = !through;
    try {
      for (let done = 0; done < group.used; ) {
        const n = await this.o.io.write(fd, group.buf, done, group.used - done, start + done);
        if (n === 0) throw Object.assign(new Error('write wrote nothing'), { code: 'EIO' });
        done += n;
      }
      if (this.o.sync === 'interval') this.dirty = true;
      else if (!through) {
        synced = false;
        await this.o.io.sync(fd);
      }
    } catch (e) {
      // A failed sync (or a write that syncs) may have dropped pages that a later sync would call clean: such a file is not trusted with more.
      if (!synced) this.rollNext = true;
      try {
        await this.o.io.truncate(fd, start);
      } catch (t) {
        this.rollNext = true;
        this.o.log.error(`Event log ${file.path} could not be cut back to ${start} bytes: ${messageOf(t)}`);
      }
      throw e;
    }
    for (let at = 0; at < group.used; ) {
      file.note(recordSeq(group.buf, at), recordTime(group.buf, at), start + at);
      at += RECORD_HEADER + group.buf.readUInt32LE(at + 8);
    }
    file.end = start + group.used;
    this.commits++;
  }

  /** Begins a new file whose first record is the group's. */
  private async roll(group: Group): Promise<SegmentFile> {
    if (this.fd !== undefined) {
      const old = this.fd;
      this.fd = undefined;
      if (this.dirty) await this.o.io.sync(old);
      await promisify(close)(old);
    }
    const path = join(this.dir, fileName(group.firstSeq));
    const flags = constants.O_CREAT | constants.O_WRONLY | constants.O_TRUNC;
    const fd = await promisify(openFd)(path, this.writesThrough ? flags | constants.O_DSYNC : flags, 0o600);
    try {
      const header = encodeSegmentHeader({ key: this.key, firstSeq: group.firstSeq, time: group.firstTime });
      const n = await this.o.io.write(fd, header, 0, header.length, 0);
      if (n !== header.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      const folder = await open(this.dir, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (e) {
      await promisify(close)(fd);
      await unlink(path).catch((u: unknown) => this.o.log.error(`Could not remove ${path}: ${messageOf(u)}`));
      throw e;
    }
    this.fd = fd;
    this.rollNext = false;
    // An empty file of the same first position was just written over.
    if (this.files.at(-1)?.path === path) this.files.pop();
    const file = new SegmentFile(path, group.firstSeq, group.firstTime, this.key, true);
    this.files.push(file);
    return file;
  }

  private async syncNow(): Promise<void> {
    if (!this.dirty || this.fd === undefined) return;
    this.dirty = false;
    try {
      await this.o.io.sync(this.fd);
    } catch (e) {
      this.rollNext = true;
      this.o.log.error(this.explain(e).message);
    }
  }

  async *read(from: number): AsyncGenerator<StoredRecord> {
    const end = this.head;
    let next = Math.max(1, from);
    while (next <= end) {
      let found = false;
      const before = this.commits;
      // The list may grow and shrink while records are handed out; positions decide where to go on.
      const at = this.files.findLastIndex((f) => f.firstSeq <= next);
      for (const f of this.files.slice(Math.max(0, at))) {
        for await (const r of f.read(next)) {
          if (r.seq > end) return;
          next = r.seq + 1;
          found = true;
          yield r;
        }
      }
      const waiting = this.pending(next, end);
      for (const r of waiting) {
        next = r.seq + 1;
        found = true;
        yield r;
      }
      // A group that was written meanwhile was neither in the file nor waiting: look again.
      if (!found && this.commits === before) return;
    }
  }

  /** Records given out but not yet written, from a position on. */
  private pending(from: number, end: number): StoredRecord[] {
    const out: StoredRecord[] = [];
    for (const g of this.writing ? [this.writing, ...this.queue] : this.queue) {
      if (g.lastSeq < from) continue;
      for (let at = 0; at < g.used; ) {
        const whole = checkRecord(g.buf, at, g.used, this.key);
        if (whole <= 0) break;
        const seq = recordSeq(g.buf, at);
        if (seq >= from && seq <= end) out.push(takeRecord(g.buf, at, whole));
        at += whole;
      }
    }
    return out;
  }

  async seek(time: number): Promise<number> {
    let at = this.files.findLastIndex((f) => f.firstTime < time);
    if (at < 0) at = 0;
    const file = this.files[at];
    let from = this.tail || 1;
    if (file) {
      await file.walk();
      from = file.seqBefore(time);
    }
    for await (const r of this.read(from)) if (r.time >= time) return r.seq;
    return this.head + 1;
  }

  async trim(now: number): Promise<void> {
    if (this.o.readOnly) return;
    let total = 0;
    for (const f of this.files) total += f.end;
    while (this.files.length) {
      const [first, second] = this.files as [SegmentFile, SegmentFile | undefined];
      const newest = second ? second.firstTime : first.lastTime;
      const tooOld = this.o.age > 0 && newest < now - this.o.age;
      const tooBig = this.o.size > 0 && total > this.o.size && second !== undefined;
      if (!tooOld && !tooBig) return;
      if (!second) {
        // The file being written goes only when all in it is old and nothing is on its way into it.
        if (this.pumping || this.queue.length || first.end <= SEGMENT_HEADER) return;
        this.rollNext = true;
        // An empty successor keeps the head known across a restart.
        return this.replaceLast(first);
      }
      this.files.shift();
      total -= first.end;
      await unlink(first.path);
    }
  }

  private async replaceLast(old: SegmentFile): Promise<void> {
    this.pumping = true;
    try {
      const group = new Group(Buffer.alloc(0));
      group.firstSeq = this.head + 1;
      group.firstTime = this.lastTime;
      if (old.firstSeq === group.firstSeq) return;
      await this.roll(group);
      this.files.splice(this.files.indexOf(old), 1);
      await unlink(old.path);
    } finally {
      this.pumping = false;
      if (this.queue.length) void this.pump();
    }
  }

  async flush(): Promise<void> {
    if (this.queue.length || this.writing || this.pumping) await new Promise<void>((done) => this.idle.push(done));
    await this.syncNow();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    await this.flush();
    this.closed = true;
    clearInterval(this.syncTimer);
    if (this.fd !== undefined) await promisify(close)(this.fd);
    this.fd = undefined;
    await this.lock?.release();
  }

  /** Bytes on disk, for stats. */
  async size(): Promise<number> {
    let n = 0;
    for (const f of this.files) n += (await stat(f.path)).size;
    return n;
  }
}
