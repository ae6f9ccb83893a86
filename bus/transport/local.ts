import { connect, type Socket } from 'node:net';
import { SaltError } from '../errors.ts';

/** Longest path that a unix socket address holds. */
const MAX_PATH = 107;

/** Where a local socket listens or is reached: a path, or a loopback port (`ipc_mode: tcp`). */
export type LocalAddress = string | { host: string; port: number };

/** Throws SaltError SaltConfigurationError for a path that no unix socket can have, naming it and the way out. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > MAX_PATH)
    throw new SaltError(
      'SaltConfigurationError',
      `The socket path ${path} is ${length} bytes long, the system allows ${MAX_PATH}: set a shorter sock_dir`,
      { path },
    );
}

/** Connects to a local address; rejects with SaltError SaltDaemonNotRunning when nobody listens there, naming it. */
export function connectLocal(address: LocalAddress, timeout = 5000): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (typeof address === 'string') checkSocketPath(address);
    const where = typeof address === 'string' ? address : `${address.host}:${address.port}`;
    const socket = typeof address === 'string' ? connect(address) : connect({ ...address, noDelay: true });
    const fail = (e: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      const text =
        e.code === 'EACCES'
          ? `No permission to connect to ${where}`
          : e.code === 'ENOENT' || e.code === 'ECONNREFUSED'
            ? `Nobody listens on ${where}: is the daemon running?`
            : `Could not connect to ${where}: ${e.message}`;
      reject(new SaltError('SaltDaemonNotRunning', text, { errno: e.code, address: where }, { cause: e }));
    };
    const timer = setTimeout(() => fail(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })), timeout);
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}

/** Longest time in ms for which one socket is read before everybody else gets a turn. */
const TURN_MS = 3;

/**
 * Hands over what a socket brings, a few ms at a time: one whose peer writes faster than we read is read by the system dozens of times in
 * a row otherwise. `mayGoOn` is asked before reading on.
 */
export function readInTurns(socket: Socket, take: (chunk: Buffer) => void, mayGoOn: () => boolean = () => true): void {
  let end = 0;
  let held = false;
  const next = (): void => {
    end = 0;
    if (!held) return;
    held = false;
    if (mayGoOn()) socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    if (end === 0) {
      end = performance.now() + TURN_MS;
      setImmediate(next);
    }
    take(chunk);
    if (!held && performance.now() > end) {
      held = true;
      socket.pause();
    }
  });
}

/** Cuts a stream of 4-byte big-endian lengths and bodies. Bodies are views that stay valid. */
export class LengthPrefixed {
  private parts: Buffer[] = [];
  private held = 0;
  /** The length that went beyond the limit; the stream is then of no more use. */
  broken = 0;

  constructor(private readonly limit: number) {}

  push(chunk: Buffer): Buffer[] {
    if (this.broken) return [];
    this.parts.push(chunk);
    this.held += chunk.length;
    // Without joining: is the first message whole yet?
    if (this.held < this.wanted()) return [];
    const buf = this.parts.length === 1 ? chunk : Buffer.concat(this.parts, this.held);
    const out: Buffer[] = [];
    let at = 0;
    while (buf.length - at >= 4) {
      const n = buf.readUInt32BE(at);
      if (n > this.limit) {
        this.broken = n;
        break;
      }
      if (buf.length - at - 4 < n) break;
      out.push(buf.subarray(at + 4, at + 4 + n));
      at += 4 + n;
    }
    this.parts = at < buf.length ? [buf.subarray(at)] : [];
    this.held = buf.length - at;
    return out;
  }

  private wanted(): number {
    const first = this.parts[0] as Buffer;
    if (first.length < 4) return 4;
    const n = first.readUInt32BE(0);
    return n > this.limit ? 4 : n + 4;
  }
}

/** Prefixes a message with its length, as the pull and control sockets want it. */
export function lengthPrefixed(body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(4 + body.length);
  out.writeUInt32BE(body.length, 0);
  out.set(body, 4);
  return out;
}
