/**
 * The pipe between a daemon and one of its job processes (the child's descriptor 3, a socket pair): frames of a 4-byte big-endian
 * length and a MessagePack map (bus dialect). The child's side blocks, the daemon's side never does.
 */
import { readSync, writeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { SaltError } from '../bus/errors.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import { sleepSync } from './clock.ts';

/** One message; `type` says which. */
export interface PipeMessage {
  type: string;
  [key: string]: Wire;
}

/** The descriptor a job process finds its pipe on. */
export const PIPE_FD = 3;
/** Most bytes of one frame: a return may carry a big file, but a torn stream must not ask for all memory. */
const MOST = 1 << 30;

function frame(message: PipeMessage): Buffer {
  const body = encodeBus(message);
  const out = Buffer.allocUnsafe(4 + body.length);
  out.writeUInt32BE(body.length, 0);
  body.copy(out, 4);
  return out;
}

function message(body: Uint8Array): PipeMessage {
  const m = decodeBus(body, { maxValues: Number.MAX_SAFE_INTEGER });
  if (typeof m !== 'object' || m === null || typeof (m as WireMap)['type'] !== 'string')
    throw new SaltError('SaltDeserializationError', 'a frame of the job pipe without a type');
  return m as PipeMessage;
}

/** The child's end: every call blocks until the bytes are through. */
export class BlockingPipe {
  constructor(private readonly fd: number = PIPE_FD) {}

  /** Sends one message; throws EPIPE when the daemon is gone. */
  send(m: PipeMessage): void {
    const bytes = frame(m);
    for (let at = 0; at < bytes.length; )
      at += this.patient(() => writeSync(this.fd, bytes, at, bytes.length - at)) as number;
  }

  /** The next message, or undefined when the daemon is gone. */
  receive(): PipeMessage | undefined {
    const head = this.exactly(4);
    if (!head) return undefined;
    const size = head.readUInt32BE(0);
    if (size > MOST) throw new SaltError('SaltDeserializationError', `a frame of ${size} bytes on the job pipe`);
    const body = this.exactly(size);
    return body && message(body);
  }

  private exactly(n: number): Buffer | undefined {
    const out = Buffer.allocUnsafe(n);
    for (let at = 0; at < n; ) {
      const got = this.patient(() => readSync(this.fd, out, at, n - at, null)) as number;
      if (got === 0) return undefined;
      at += got;
    }
    return out;
  }

  /** Some systems hand the descriptor over in non-blocking mode: then a try is repeated after a short sleep. */
  private patient(io: () => number): number {
    for (;;)
      try {
        return io();
      } catch (e) {
        const code = (e as NodeJS.ErrnoException).code;
        if (code === 'ECONNRESET') return 0;
        if (code !== 'EAGAIN' && code !== 'EINTR') throw e;
        sleepSync(2);
      }
  }
}

/** The daemon's end: calls `receive` for each message in order, `broken` once when the other side is gone or sends nonsense. */
export class JobPipe {
  private buf: Buffer = Buffer.alloc(0);
  private ended = false;

  constructor(
    private readonly stream: Duplex,
    receive: (m: PipeMessage) => void,
    broken: (why: string) => void,
  ) {
    const end = (why: string): void => {
      if (this.ended) return;
      this.ended = true;
      broken(why);
    };
    stream.on('data', (chunk: Buffer) => {
      this.buf = this.buf.length ? Buffer.concat([this.buf, chunk]) : chunk;
      try {
        for (let m = this.next(); m; m = this.next()) receive(m);
      } catch (e) {
        stream.destroy();
        end((e as Error).message);
      }
    });
    stream.on('error', (e: Error) => end(e.message));
    stream.on('close', () => end('closed'));
  }

  /** Sends one message; one that no longer reaches the child is dropped (its end is reported by `broken`). */
  send(m: PipeMessage): void {
    if (!this.ended) this.stream.write(frame(m));
  }

  close(): void {
    this.ended = true;
    this.stream.destroy();
  }

  private next(): PipeMessage | undefined {
    if (this.buf.length < 4) return undefined;
    const size = this.buf.readUInt32BE(0);
    if (size > MOST) throw new SaltError('SaltDeserializationError', `a frame of ${size} bytes on the job pipe`);
    if (this.buf.length < 4 + size) return undefined;
    const body = this.buf.subarray(4, 4 + size);
    this.buf = this.buf.subarray(4 + size);
    return message(body);
  }
}
