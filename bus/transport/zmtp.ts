/**
 * The asking and the hearing side of Salt's default wire spoken by hand (ZMTP 3.0, NULL mechanism) over plain sockets: for programs that are
 * thousands of minions at once, where a ZeroMQ socket with its two file handles and its lock for each would be too much.
 */
import { connect, type Socket } from 'node:net';
import { BehaviorSubject, type Observable, Subject } from 'rxjs';
import { SaltError } from '../errors.ts';
import type { PublishClient, RequestClient } from './contract.ts';

const MORE = 1;
const LONG = 2;
const COMMAND = 4;
const EMPTY = Buffer.alloc(0);
/** Most bytes of one frame that we take. */
const MAX_FRAME = 512 << 20;

/** Who we are to the other end: signature, version 3.0, no security, client. */
const GREETING = Buffer.alloc(64);
GREETING[0] = 0xff;
GREETING[9] = 0x7f;
GREETING[10] = 3;
GREETING.write('NULL', 12);

function frame(flags: number, body: Uint8Array): Buffer {
  const long = body.length > 255;
  const out = Buffer.allocUnsafe((long ? 9 : 2) + body.length);
  out[0] = flags | (long ? LONG : 0);
  if (long) out.writeBigUInt64BE(BigInt(body.length), 1);
  else out[1] = body.length;
  out.set(body, long ? 9 : 2);
  return out;
}

function command(name: string, body: Uint8Array = EMPTY): Buffer {
  return frame(COMMAND, Buffer.concat([Buffer.from([name.length]), Buffer.from(name), body]));
}

function ready(type: string): Buffer {
  const name = 'Socket-Type';
  const head = Buffer.alloc(1 + name.length + 4);
  head[0] = name.length;
  head.write(name, 1);
  head.writeUInt32BE(type.length, 1 + name.length);
  return command('READY', Buffer.concat([head, Buffer.from(type)]));
}

/** One connection: greets, then gives whole messages. Answers the other end's heartbeats by itself. */
class Link {
  private readonly socket: Socket;
  private parts: Buffer[] = [];
  private held = 0;
  /** Bytes without which nothing more can be read. */
  private need = 64;
  private greeted = false;
  private message: Buffer[] = [];
  private over = false;

  constructor(
    host: string,
    port: number,
    private readonly type: 'REQ' | 'SUB',
    private readonly on: { up(): void; message(parts: Buffer[]): void; down(why: string): void },
  ) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.write(GREETING);
    this.socket.on('data', (chunk: Buffer) => this.take(chunk));
    let why = 'the connection was closed';
    this.socket.on('error', (e) => {
      why = e.message;
    });
    this.socket.on('close', () => this.end(why));
  }

  send(parts: readonly Uint8Array[]): void {
    const last = parts.length - 1;
    this.socket.write(
      parts.length === 1
        ? frame(0, parts[0] as Uint8Array)
        : Buffer.concat(parts.map((p, i) => frame(i < last ? MORE : 0, p))),
    );
  }

  close(): void {
    this.over = true;
    this.socket.destroy();
  }

  private end(why: string): void {
    if (this.over) return;
    this.over = true;
    this.socket.destroy();
    this.on.down(why);
  }

  private take(chunk: Buffer): void {
    this.parts.push(chunk);
    this.held += chunk.length;
    const need = this.need;
    if (this.held < need) return;
    const buf = this.parts.length === 1 ? chunk : Buffer.concat(this.parts, this.held);
    let at = 0;
    if (!this.greeted) {
      if (buf[0] !== 0xff || (buf[10] as number) < 3 || buf.toString('latin1', 12, 16) !== 'NULL') {
        this.end('the other end speaks no ZMTP 3 without security');
        return;
      }
      this.greeted = true;
      at = 64;
      this.socket.write(ready(this.type));
    }
    this.need = 2;
    while (!this.over && buf.length - at >= 2) {
      const flags = buf[at] as number;
      const long = (flags & LONG) !== 0;
      if (long && buf.length - at < 9) {
        this.need = 9;
        break;
      }
      const size = long ? Number(buf.readBigUInt64BE(at + 1)) : (buf[at + 1] as number);
      if (size > MAX_FRAME) {
        this.end('a frame is too long');
        return;
      }
      const start = at + (long ? 9 : 2);
      if (buf.length < start + size) {
        this.need = start + size - at;
        break;
      }
      at = start + size;
      this.whole(flags, buf.subarray(start, at));
    }
    this.parts = at < buf.length ? [buf.subarray(at)] : [];
    this.held = buf.length - at;
  }

  private whole(flags: number, body: Buffer): void {
    if (flags & COMMAND) {
      const name = body.toString('latin1', 1, 1 + (body[0] as number));
      if (name === 'READY') this.on.up();
      else if (name === 'PING') this.socket.write(command('PONG', body.subarray(7)));
      else if (name === 'ERROR') this.end('the other end refused the connection');
      return;
    }
    this.message.push(body);
    if (flags & MORE) return;
    const parts = this.message;
    this.message = [];
    this.on.message(parts);
  }
}

interface Waiting {
  readonly body: Uint8Array;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (e: SaltError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Where to connect. */
export interface ZmtpEndpoint {
  host: string;
  port: number;
}

/** Port 4506, asked over one plain connection: one request at a time, the others wait in order. */
export class ZmtpRequestClient implements RequestClient {
  private link: Link | undefined;
  private up = false;
  private readonly opened: (() => void)[] = [];
  private readonly waiting: Waiting[] = [];
  /** The request on its way; the first of `waiting`. */
  private sent = false;
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly to: ZmtpEndpoint) {}

  /** Connects before the first request does; rejects with SaltReqTimeoutError after `timeout` ms. */
  open(timeout: number): Promise<void> {
    if (this.up) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new SaltError('SaltReqTimeoutError', `${this.to.host}:${this.to.port} cannot be reached`)),
        timeout,
      );
      this.opened.push(() => {
        clearTimeout(timer);
        resolve();
      });
      this.connect();
    });
  }

  request(body: Uint8Array, timeout: number): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new SaltError('SaltClientError', 'The request channel is closed'));
    return new Promise((resolve, reject) => {
      const w: Waiting = { body, resolve, reject, timer: setTimeout(() => this.late(w), timeout) };
      this.waiting.push(w);
      this.connect();
      this.next();
    });
  }

  private connect(): void {
    if (this.link || this.closed) return;
    this.link = new Link(this.to.host, this.to.port, 'REQ', {
      up: () => {
        this.up = true;
        for (const done of this.opened.splice(0)) done();
        this.next();
      },
      message: (parts) => this.answered(parts),
      down: () => this.lost(),
    });
  }

  private next(): void {
    const first = this.waiting[0];
    if (!first || this.sent || !this.up) return;
    this.sent = true;
    this.link?.send([EMPTY, first.body]);
  }

  private answered(parts: Buffer[]): void {
    if (!this.sent || parts[0]?.length !== 0) return;
    this.sent = false;
    const w = this.waiting.shift();
    if (!w) return;
    clearTimeout(w.timer);
    w.resolve(parts.at(-1) as Buffer);
    this.next();
  }

  private late(w: Waiting): void {
    const at = this.waiting.indexOf(w);
    if (at < 0) return;
    this.waiting.splice(at, 1);
    w.reject(new SaltError('SaltReqTimeoutError', 'Message timed out'));
    // Its answer may still come and would be taken for the next one's.
    if (at === 0 && this.sent) this.drop();
  }

  private drop(): void {
    this.link?.close();
    this.link = undefined;
    this.up = false;
    this.sent = false;
    if (this.waiting.length) this.connect();
  }

  /** Requests under way are sent again over a new connection until their time is up, as a REQ socket that reconnects does. */
  private lost(): void {
    this.link = undefined;
    this.up = false;
    this.sent = false;
    if (this.closed || (!this.waiting.length && !this.opened.length)) return;
    this.again = setTimeout(() => this.connect(), RECONNECT_MS);
  }

  close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.again);
    this.link?.close();
    for (const w of this.waiting.splice(0)) {
      clearTimeout(w.timer);
      w.reject(new SaltError('SaltClientError', 'The request channel is closed'));
    }
    return Promise.resolve();
  }
}

const RECONNECT_MS = 100;

/** Port 4505, heard over one plain connection that is made again whenever it is lost. */
export class ZmtpPublishClient implements PublishClient {
  private readonly subject = new Subject<Uint8Array>();
  private readonly state = new BehaviorSubject(false);
  readonly frames$: Observable<Uint8Array> = this.subject.asObservable();
  /** Starts with the present state. */
  readonly connected$: Observable<boolean> = this.state.asObservable();
  private link: Link | undefined;
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly o: ZmtpEndpoint & { topics?: readonly string[] }) {
    this.connect();
  }

  private connect(): void {
    if (this.closed) return;
    const link = new Link(this.o.host, this.o.port, 'SUB', {
      up: () => {
        for (const topic of this.o.topics ?? ['']) link.send([Buffer.from(`\x01${topic}`)]);
        this.state.next(true);
      },
      message: (parts) => this.subject.next(parts.at(-1) as Buffer),
      down: () => {
        if (this.closed) return;
        if (this.state.value) this.state.next(false);
        this.again = setTimeout(() => this.connect(), RECONNECT_MS);
      },
    });
    this.link = link;
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.closed = true;
    clearTimeout(this.again);
    this.link?.close();
    this.subject.complete();
    this.state.complete();
    return Promise.resolve();
  }
}
