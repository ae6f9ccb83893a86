import { constants, readFileSync, write } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { messageOf, SaltError } from '../errors.ts';

const HEADER = 8;
/** A write is on disk when it returns: one trip to the disk for a group. */
const APPEND = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC;
const writeTo = promisify(write);

function frame(payload: Uint8Array): Buffer {
  const b = Buffer.allocUnsafe(HEADER + payload.length);
  b.writeUInt32LE(payload.length, 0);
  b.writeUInt32LE(crc32(payload), 4);
  b.set(payload, HEADER);
  return b;
}

/**
 * An append-only file of checksummed records, synced in groups. A torn tail (the process or machine died in a write) is cut
 * off when the file is opened; everything whose promise settled is before it.
 */
export class Journal {
  private waiting: { buf: Buffer; ok: () => void; fail: (e: unknown) => void }[] = [];
  private running: Promise<void> | undefined;
  private closed = false;
  /** Bytes in the file that hold records. */
  size: number;

  private constructor(
    private readonly path: string,
    private file: FileHandle,
    size: number,
  ) {
    this.size = size;
  }

  /** Opens or creates the file (mode 0600) and hands every whole record, oldest first, to `each`. */
  static async open(path: string, each: (payload: Uint8Array) => void): Promise<Journal> {
    const file = await open(path, APPEND, 0o600);
    const bytes = readFileSync(path);
    let at = 0;
    while (at + HEADER <= bytes.length) {
      const length = bytes.readUInt32LE(at);
      const end = at + HEADER + length;
      if (end > bytes.length || crc32(bytes.subarray(at + HEADER, end)) !== bytes.readUInt32LE(at + 4)) break;
      each(bytes.subarray(at + HEADER, end));
      at = end;
    }
    if (at < bytes.length) {
      await file.truncate(at);
      await file.sync();
    }
    return new Journal(path, file, at);
  }

  /** Appends one record; settles when it is on disk. Rejects StoreFailed (the record is then not in the file). */
  append(payload: Uint8Array): Promise<void> {
    if (this.closed) return Promise.reject(new SaltError('QueueClosed', 'The job queue is closed'));
    return new Promise((ok, fail) => {
      this.waiting.push({ buf: frame(payload), ok, fail });
      this.running ??= this.write().finally(() => {
        this.running = undefined;
      });
    });
  }

  private async write(): Promise<void> {
    // One turn of the loop gathers everything that is added together.
    await new Promise(setImmediate);
    while (this.waiting.length) {
      const group = this.waiting.splice(0, 2000);
      const bytes = Buffer.concat(group.map((g) => g.buf));
      try {
        for (let done = 0; done < bytes.length; )
          done += (await writeTo(this.file.fd, bytes, done, bytes.length - done, null)).bytesWritten;
        this.size += bytes.length;
        for (const g of group) g.ok();
      } catch (e) {
        await this.file.truncate(this.size).catch(() => undefined);
        const failed = new SaltError('StoreFailed', `Could not write ${this.path}: ${messageOf(e)}`, {}, { cause: e });
        for (const g of group) g.fail(failed);
      }
    }
  }

  /**
   * Replaces the whole file by the given records, atomically and without blocking the loop; appends made meanwhile wait and follow.
   * The caller's records must be such that reading a later append twice does no harm.
   */
  async rewrite(records: Iterable<Uint8Array>): Promise<void> {
    await this.flush();
    const work = this.replace(records);
    // Appends queue behind the swap of files.
    this.running = work
      .catch(() => undefined)
      .then(() => this.write())
      .finally(() => {
        this.running = undefined;
      });
    await work;
  }

  private async replace(records: Iterable<Uint8Array>): Promise<void> {
    const tmp = `${this.path}.new`;
    const fresh = await open(tmp, 'w', 0o600);
    let size = 0;
    let group: Buffer[] = [];
    let held = 0;
    const put = async (): Promise<void> => {
      await fresh.appendFile(Buffer.concat(group));
      size += held;
      group = [];
      held = 0;
    };
    for (const r of records) {
      const f = frame(r);
      group.push(f);
      held += f.length;
      if (held > 65_536) await put();
    }
    await put();
    await fresh.sync();
    await fresh.close();
    await rename(tmp, this.path);
    const dir = await open(dirname(this.path), 'r');
    await dir.sync();
    await dir.close();
    const old = this.file;
    this.file = await open(this.path, APPEND, 0o600);
    this.size = size;
    await old.close();
  }

  async flush(): Promise<void> {
    while (this.running) await this.running;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.flush();
    await this.file.close();
  }
}
