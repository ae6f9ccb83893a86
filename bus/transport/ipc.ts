import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { BusEvent, EventBus, Origin } from '../event.ts';
import type { Log } from '../log.ts';
import { isWireMap } from '../values.ts';
import { decodeBus } from '../wire/payload.ts';
import { LengthPrefixed, type LocalAddress, readInTurns } from './local.ts';
import { listenLocal } from './unix-server.ts';

/** The two addresses of a node's event sockets: readers connect to `pub`, firers to `pull`. */
export interface EventSocketAddresses {
  readonly pub: LocalAddress;
  readonly pull: LocalAddress;
}

/** Salt's names of the master's event sockets in `sock_dir`. */
export function masterEventSockets(sockDir: string): { pub: string; pull: string } {
  return { pub: join(sockDir, 'master_event_pub.ipc'), pull: join(sockDir, 'master_event_pull.ipc') };
}

/** Salt's names of a minion's event sockets: ten hex digits of its id's hash (`hash_type`, default sha256) tell minions apart. */
export function minionEventSockets(sockDir: string, id: string, hashType = 'sha256'): { pub: string; pull: string } {
  const short = createHash(hashType).update(id).digest('hex').slice(0, 10);
  return { pub: join(sockDir, `minion_event_${short}_pub.ipc`), pull: join(sockDir, `minion_event_${short}_pull.ipc`) };
}

const MAP_OF_TWO = 0x82;
const HEAD_EMPTY = Buffer.from('\xa4head\x80\xa4body', 'latin1');
const BODY_FIRST = Buffer.from('\xa4body', 'latin1');

/** Salt's envelope of a frame on either socket: `{head: {}, body: <frame>}`. */
export function wrapFrame(frame: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(wrappedLength(frame.length));
  wrapInto(out, 0, frame);
  return out;
}

const headOf = (length: number): number => (length < 0x100 ? 2 : length < 0x10000 ? 3 : 5);
const wrappedLength = (length: number): number => 1 + HEAD_EMPTY.length + headOf(length) + length;

function wrapInto(out: Buffer, at: number, frame: Uint8Array): number {
  const n = frame.length;
  let p = at;
  out[p++] = MAP_OF_TWO;
  HEAD_EMPTY.copy(out, p);
  p += HEAD_EMPTY.length;
  if (n < 0x100) {
    out[p++] = 0xc4;
    out[p++] = n;
  } else if (n < 0x10000) {
    out[p++] = 0xc5;
    p = out.writeUInt16BE(n, p);
  } else {
    out[p++] = 0xc6;
    p = out.writeUInt32BE(n, p);
  }
  out.set(frame, p);
  return p + n;
}

/** The frame inside an envelope, or undefined for anything else. Never throws. */
export function unwrapFrame(envelope: Uint8Array): Uint8Array | undefined {
  const b = Buffer.from(envelope.buffer, envelope.byteOffset, envelope.byteLength);
  // The usual bytes are read directly; any other spelling of the same map is decoded.
  const start = 1 + HEAD_EMPTY.length;
  if (b[0] === MAP_OF_TWO && b.length > start + 2 && b.compare(HEAD_EMPTY, 0, HEAD_EMPTY.length, 1, start) === 0) {
    const kind = b[start];
    const n = kind === 0xc4 ? b[start + 1] : kind === 0xc5 ? b.readUInt16BE(start + 1) : undefined;
    if (n !== undefined) {
      const at = start + (kind === 0xc4 ? 2 : 3);
      if (at + n === b.length) return b.subarray(at);
    }
  }
  if (b[0] === 0x81 && b.compare(BODY_FIRST, 0, 5, 1, 6) !== 0) return undefined;
  try {
    const v = decodeBus(b);
    if (!isWireMap(v)) return undefined;
    const body = v['body'];
    if (body instanceof Uint8Array) return body;
    // A sender of the old dialect writes bytes as text.
    return typeof body === 'string' ? Buffer.from(body, 'utf8') : undefined;
  } catch {
    // Malformed: the caller counts it.
    return undefined;
  }
}

/** What the two event sockets need. */
export interface EventSocketOptions extends EventSocketAddresses {
  bus: EventBus;
  /** Modes of the socket files; Salt's: 0660 and 0600. */
  pubMode?: number;
  pullMode?: number;
  /** Origin of events that come in by the pull socket. */
  origin: Origin;
  log: Log;
  /** Bytes that may wait for one reader before it is cut off (default 16 MiB). */
  readerLimit?: number;
  /** Longest message on the pull socket (default 64 MiB); a longer one ends its connection. */
  maxMessage?: number;
}

/** Serving sockets, with counters. */
export interface EventSockets {
  /** Messages on the pull socket that were no event. */
  readonly malformed: number;
  /** Connections that read now. */
  readonly readers: number;
  close(): Promise<void>;
}

const READER_LIMIT = 16 * 1024 * 1024;

/** Serves Salt's two event sockets for a bus: see PROTOCOL of the project's documents. Rejects with PortInUse when they are taken. */
export async function serveEventSockets(options: EventSocketOptions): Promise<EventSockets> {
  const readers = new Readers(options);
  const pub = await listenLocal(options.pub, options.pubMode ?? 0o660, (s) => readers.add(s));
  const firers = new Firers(options);
  try {
    const pull = await listenLocal(options.pull, options.pullMode ?? 0o600, (s) => firers.add(s));
    return {
      get malformed() {
        return firers.malformed;
      },
      get readers() {
        return readers.size;
      },
      close: async () => {
        readers.close();
        await Promise.all([pub.close(), pull.close()]);
      },
    };
  } catch (e) {
    readers.close();
    await pub.close();
    throw e;
  }
}

/** The pub side: each tick's frames are wrapped once into one buffer, written once to every reader. */
class Readers {
  private readonly sockets = new Map<Socket, string>();
  private tick: Uint8Array[] = [];
  private bytes = 0;
  private scheduled = false;
  private count = 0;
  private readonly subscription: { unsubscribe(): void };

  constructor(private readonly o: EventSocketOptions) {
    this.subscription = o.bus.events$.subscribe((e) => this.take(e));
  }

  get size(): number {
    return this.sockets.size;
  }

  add(socket: Socket): void {
    const name = `${typeof this.o.pub === 'string' ? 'ipc' : 'tcp'}-${++this.count}`;
    this.flush();
    this.sockets.set(socket, name);
    this.o.bus.readers.opened();
    // Readers send nothing; what comes is read away so that a close is noticed.
    socket.resume();
    socket.on('error', (e) => this.o.log.debug(`Event reader ${name}: ${messageOf(e)}`));
    socket.once('close', () => {
      if (this.sockets.delete(socket)) this.o.bus.readers.closed();
    });
  }

  private take(e: BusEvent): void {
    if (!this.sockets.size) return;
    this.tick.push(e.frame);
    this.bytes += wrappedLength(e.frame.length);
    if (this.bytes > 1024 * 1024) this.flush();
    else if (!this.scheduled) {
      this.scheduled = true;
      // Right after the callback that fired: all of a chunk's events go out in one write, and none waits for other sockets.
      process.nextTick(() => {
        this.scheduled = false;
        this.flush();
      });
    }
  }

  private flush(): void {
    if (!this.tick.length) return;
    const out = Buffer.allocUnsafe(this.bytes);
    let at = 0;
    for (const f of this.tick) at = wrapInto(out, at, f);
    this.tick = [];
    this.bytes = 0;
    const limit = this.o.readerLimit ?? READER_LIMIT;
    for (const [socket, name] of this.sockets) {
      socket.write(out);
      if (socket.writableLength > limit) {
        const held = socket.writableLength;
        this.sockets.delete(socket);
        this.o.bus.readers.closed();
        socket.destroy();
        this.o.bus.readers.cut(name, held);
      }
    }
  }

  close(): void {
    this.subscription.unsubscribe();
    this.flush();
  }
}

/** The pull side: length-prefixed envelopes, fired as they come. */
class Firers {
  malformed = 0;

  constructor(private readonly o: EventSocketOptions) {}

  add(socket: Socket): void {
    const limit = this.o.maxMessage ?? 64 * 1024 * 1024;
    const cut = new LengthPrefixed(limit);
    readInTurns(socket, (chunk) => {
      for (const message of cut.push(chunk)) {
        const frame = unwrapFrame(message);
        if (!frame || !this.o.bus.fireFrame(frame, { origin: this.o.origin })) this.malformed++;
      }
      if (cut.broken) {
        this.malformed++;
        this.o.log.warning(`A firer announced a message of ${cut.broken} bytes and was disconnected`);
        socket.destroy();
      }
    });
    socket.on('error', (e) => this.o.log.debug(`Event firer: ${messageOf(e)}`));
  }
}
