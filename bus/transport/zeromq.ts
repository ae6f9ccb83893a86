/** The transport of Salt's default wire: ROUTER and REQ for requests, PUB and SUB for publishes, plain TCP underneath. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BehaviorSubject, type Observable, Subject } from 'rxjs';
import { Publisher, Request as ReqSocket, Router, Subscriber } from 'zeromq';
import { messageOf, SaltError } from '../errors.ts';
import type { PublishClient, PublishServer, Request, RequestClient, RequestServer } from './contract.ts';

/** Options of the listening side, named in our words; each Salt option stands beside its field. Times in ms. */
export interface ZmqServerOptions {
  /** `zmq_heartbeat_ivl` (10000) and `zmq_heartbeat_timeout` (30000); 0 turns them off. */
  heartbeatInterval?: number;
  heartbeatTimeout?: number;
  /** `zmq_backlog` (1000): connections that may wait to be accepted. */
  backlog?: number;
  /** `pub_hwm` (1000): messages kept for one slow subscriber before its newest are dropped. */
  highWater?: number;
  /** Frames that may wait for the socket; further ones are dropped and counted. Default 10,000. */
  sendQueue?: number;
  /** Most bytes of one received message; the peer's connection is closed beyond. Default 512 MiB. */
  maxMessage?: number;
}

/** Keepalive of the connecting side, Salt's `tcp_keepalive*`; -1 leaves a value to the system. Seconds. */
export interface Keepalive {
  enabled?: boolean;
  idle?: number;
  count?: number;
  interval?: number;
}

/** A host and port to connect to. */
export interface Endpoint {
  host: string;
  port: number;
}

/** Topic of publishes for everybody, under `zmq_filtering`. */
export const BROADCAST_TOPIC = 'broadcast';
/** Topic of copies for syndics, under `zmq_filtering`. */
export const SYNDIC_TOPIC = 'syndic';
/** Topic of publishes for one minion, under `zmq_filtering`: SHA-1 of its id. */
export function topicOf(minionId: string): string {
  return createHash('sha1').update(minionId).digest('hex');
}

const LINGER = { replies: 1000, publishes: 1, requests: 0 } as const;
const FLUSH_MS = 1000;
const BIND_TRIES = 20;
const BIND_WAIT_MS = 15;
/** Messages read in one go before timers and other sockets get their turn, and the most milliseconds for it. */
const BURST = 128;
const BURST_MS = 4;

const address = (host: string, port: number | '*'): string =>
  `tcp://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

function serverSettings(o: ZmqServerOptions, linger: number): Record<string, unknown> {
  return {
    linger,
    ipv6: false,
    backlog: o.backlog ?? 1000,
    heartbeatInterval: o.heartbeatInterval ?? 10_000,
    heartbeatTimeout: o.heartbeatTimeout ?? 30_000,
    tcpKeepalive: 1,
    tcpKeepaliveIdle: 60,
    tcpKeepaliveInterval: 15,
    tcpKeepaliveCount: 3,
    maxMessageSize: o.maxMessage ?? 512 << 20,
  };
}

function clientSettings(k: Keepalive = {}): Record<string, unknown> {
  return {
    tcpKeepalive: (k.enabled ?? true) ? 1 : 0,
    tcpKeepaliveIdle: k.idle ?? 300,
    tcpKeepaliveCount: k.count ?? -1,
    tcpKeepaliveInterval: k.interval ?? -1,
  };
}

/**
 * Binds and answers the port; PortInUse when another program has it. A closed socket's port is freed a little later, on ZeroMQ's own
 * thread (and unbinding before closing can abort the process in libzmq 4.3.5), so a taken port is tried again for a moment.
 */
async function bind(socket: Router | Publisher, host: string, port: number): Promise<number> {
  socket.ipv6 = host.includes(':');
  for (let left = BIND_TRIES; ; left--)
    try {
      await socket.bind(address(host, port === 0 ? '*' : port));
      return Number(/:(\d+)$/.exec(socket.lastEndpoint ?? '')?.[1] ?? port);
    } catch (e) {
      const taken = (e as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (taken && left > 0) {
        await new Promise((again) => setTimeout(again, BIND_WAIT_MS));
        continue;
      }
      if (taken)
        throw new SaltError('PortInUse', `Address already in use: ${host}:${port}`, { host, port }, { cause: e });
      const why = `Unable to bind to ${host}:${port}: ${messageOf(e)}`;
      throw new SaltError('SaltClientError', why, { host, port }, { cause: e });
    }
}

/** Waits for a promise, but no longer than this. */
async function within(done: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    done,
    new Promise<void>((late) => {
      timer = setTimeout(late, ms);
    }),
  ]);
  clearTimeout(timer);
}

/** The socket takes one message at a time: the others wait here, up to a bound. */
class SendQueue {
  private readonly waiting: (Uint8Array | string)[][] = [];
  private busy = false;
  private idle: (() => void)[] = [];

  constructor(
    private readonly send: (parts: (Uint8Array | string)[]) => Promise<void>,
    private readonly bound: number,
    private readonly lost: (reason: string) => void,
  ) {}

  push(parts: (Uint8Array | string)[]): void {
    if (this.waiting.length >= this.bound) {
      this.lost('send queue full');
      return;
    }
    this.waiting.push(parts);
    if (!this.busy) void this.pump();
  }

  private async pump(): Promise<void> {
    this.busy = true;
    for (let at = 0; at < this.waiting.length; at++) {
      try {
        await this.send(this.waiting[at] as (Uint8Array | string)[]);
      } catch {
        // A closed socket or a peer that is gone: the frame is lost either way, and counted.
        this.lost('send failed');
      }
    }
    this.waiting.length = 0;
    this.busy = false;
    for (const done of this.idle.splice(0)) done();
  }

  /** Waits until nothing is left to send, or the time is up. */
  async drain(ms: number): Promise<void> {
    if (!this.busy) return;
    await within(new Promise<void>((done) => this.idle.push(done)), ms);
  }
}

/** A signal came in the middle of a system call: nothing is lost, the call is made again. */
function interrupted(e: unknown): boolean {
  const code = (e as NodeJS.ErrnoException).code;
  return code === 'EINTR' || code === 'EAGAIN';
}

/** The next message of a socket, whatever signals come meanwhile. */
async function received(socket: { receive(): Promise<Buffer[]> }): Promise<Buffer[]> {
  for (;;)
    try {
      return await socket.receive();
    } catch (e) {
      if (!interrupted(e)) throw e;
    }
}

/**
 * Port 4506, bound. `dropped` counts `framing` (not `[identity, empty, body]`), `send queue full`, `send failed` and `late reply`
 * (answered after closing). The addresses of peers are not known on this transport.
 */
export class ZmqRequestServer implements RequestServer {
  private readonly socket: Router;
  private readonly subject = new Subject<Request>();
  readonly requests$: Observable<Request> = this.subject.asObservable();
  private readonly counts: Record<string, number> = Object.create(null);
  private readonly queue: SendQueue;
  private state: 'new' | 'open' | 'closing' | 'closed' = 'new';
  private reading: Promise<void> | undefined;

  constructor(options: ZmqServerOptions = {}) {
    this.socket = new Router({ ...serverSettings(options, LINGER.replies), handover: true });
    this.queue = new SendQueue(
      (p) => this.socket.send(p),
      options.sendQueue ?? 10_000,
      (r) => this.count(r),
    );
  }

  get dropped(): { readonly [reason: string]: number } {
    return this.counts;
  }
  private count(reason: string): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
  }

  async listen(host: string, port: number): Promise<number> {
    const bound = await bind(this.socket, host, port);
    this.state = 'open';
    this.reading = this.read();
    return bound;
  }

  private async read(): Promise<void> {
    let burst = 0;
    let end = 0;
    while (this.state === 'open') {
      let parts: Buffer[];
      try {
        parts = await this.socket.receive();
      } catch (e) {
        if (this.state === 'open' && interrupted(e)) continue;
        if (this.state === 'open') this.subject.error(e);
        return;
      }
      if (this.state !== 'open') return;
      this.take(parts);
      if (burst++ === 0) end = performance.now() + BURST_MS;
      else if (burst >= BURST || performance.now() > end) {
        burst = 0;
        await turn();
      }
    }
  }

  private take(parts: Buffer[]): void {
    const [identity, empty, body] = parts;
    if (parts.length !== 3 || !identity || empty?.length !== 0 || !body) {
      this.count('framing');
      return;
    }
    let answered = false;
    this.subject.next({
      body,
      reply: (bytes) => {
        if (answered) return;
        answered = true;
        if (this.state === 'open' || this.state === 'closing') this.queue.push([identity, empty, bytes]);
        else this.count('late reply');
      },
    });
  }

  async close(): Promise<void> {
    if (this.state === 'closing' || this.state === 'closed') return;
    this.state = 'closing';
    this.subject.complete();
    await this.queue.drain(FLUSH_MS);
    this.state = 'closed';
    this.socket.close();
    await this.reading;
  }
}

/** Options of {@link ZmqRequestClient}. */
export interface ZmqRequestClientOptions extends Endpoint {
  /** Sockets, and so requests, that may be open at once; further requests wait in order. Default 4. */
  sockets?: number;
  keepalive?: Keepalive;
  /** Asked before each new connection, so that a name that moved is followed; `host` is used without it. */
  resolve?: (host: string) => Promise<string>;
}

interface Waiting {
  body: Uint8Array;
  settle(outcome: { reply: Uint8Array } | { error: Error }): void;
  settled: boolean;
  /** The socket that is on this request, to be closed if time runs out. */
  socket?: ReqSocket;
}

/** The asking side of port 4506. A socket whose request timed out is closed, since REQ cannot be used again; the next one is new. */
export class ZmqRequestClient implements RequestClient {
  private readonly waiting: Waiting[] = [];
  private readonly idle: ReqSocket[] = [];
  private readonly active = new Set<Waiting>();
  private open = 0;
  private closed = false;

  constructor(private readonly o: ZmqRequestClientOptions) {}

  request(body: Uint8Array, timeout: number): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new SaltError('SaltClientError', 'The request channel is closed'));
    return new Promise((resolve, reject) => {
      const w: Waiting = {
        body,
        settled: false,
        settle: (outcome) => {
          if (w.settled) return;
          w.settled = true;
          clearTimeout(timer);
          if ('reply' in outcome) resolve(outcome.reply);
          else reject(outcome.error);
        },
      };
      const timer = setTimeout(() => {
        w.settle({ error: new SaltError('SaltReqTimeoutError', 'Message timed out') });
        this.forget(w);
      }, timeout);
      this.waiting.push(w);
      this.next();
    });
  }

  /** Ends a request that nobody waits for any more. */
  private forget(w: Waiting): void {
    const at = this.waiting.indexOf(w);
    if (at >= 0) this.waiting.splice(at, 1);
    w.socket?.close();
  }

  private next(): void {
    while (this.waiting.length && (this.idle.length || this.open < (this.o.sockets ?? 4))) {
      const w = this.waiting.shift() as Waiting;
      const socket = this.idle.pop();
      if (!socket) this.open++;
      this.active.add(w);
      void this.run(w, socket);
    }
  }

  private async connect(): Promise<ReqSocket> {
    const host = (await this.o.resolve?.(this.o.host)) ?? this.o.host;
    const socket = new ReqSocket({
      ...clientSettings(this.o.keepalive),
      linger: LINGER.requests,
      reconnectMaxInterval: 5000,
      ipv6: host.includes(':'),
    });
    socket.connect(address(host, this.o.port));
    return socket;
  }

  private async run(w: Waiting, given: ReqSocket | undefined): Promise<void> {
    let socket = given;
    try {
      socket ??= await this.connect();
      w.socket = socket;
      if (!w.settled) {
        await socket.send(w.body);
        const [reply] = await received(socket);
        w.settle({ reply: reply as Buffer });
      }
    } catch (e) {
      // A socket closed by the timeout fails its pending call too; the request is settled by then and this changes nothing.
      w.settle({
        error:
          e instanceof SaltError
            ? e
            : new SaltError('SaltClientError', `Request failed: ${messageOf(e)}`, {}, { cause: e }),
      });
      socket?.close();
    }
    w.socket = undefined;
    this.active.delete(w);
    const usable = socket && !socket.closed && !this.closed;
    if (usable && (this.waiting.length || !this.idle.length)) this.idle.push(socket as ReqSocket);
    else {
      socket?.close();
      this.open--;
    }
    this.next();
  }

  close(): Promise<void> {
    this.closed = true;
    const error = new SaltError('SaltClientError', 'The request channel is closed');
    for (const w of [...this.waiting.splice(0), ...this.active]) {
      w.settle({ error });
      w.socket?.close();
    }
    for (const s of this.idle.splice(0)) s.close();
    return Promise.resolve();
  }
}

/**
 * Port 4505, bound. Filtering is the caller's: with topics a copy goes out as `[topic, payload]` for each. Frames that do not fit
 * the send queue, and those that ZeroMQ drops for one slow subscriber, are lost; `dropped` counts the first kind.
 */
export class ZmqPublishServer implements PublishServer {
  private readonly socket: Publisher;
  private readonly queue: SendQueue;
  private readonly counts: Record<string, number> = Object.create(null);
  private port = 0;
  private closing = false;

  constructor(options: ZmqServerOptions = {}) {
    const hwm = options.highWater ?? 1000;
    this.socket = new Publisher({
      ...serverSettings(options, LINGER.publishes),
      sendHighWaterMark: hwm,
    });
    this.queue = new SendQueue(
      (p) => this.socket.send(p),
      options.sendQueue ?? 10_000,
      (reason) => {
        this.counts[reason] = (this.counts[reason] ?? 0) + 1;
      },
    );
  }

  /** Frames lost on our side, by reason. */
  get dropped(): { readonly [reason: string]: number } {
    return this.counts;
  }

  async listen(host: string, port: number): Promise<number> {
    this.port = await bind(this.socket, host, port);
    return this.port;
  }

  publish(body: Uint8Array, topics?: readonly string[]): void {
    if (this.closing) return;
    if (!topics) this.queue.push([body]);
    else for (const topic of topics) this.queue.push([topic, body]);
  }

  /**
   * Live connections as `address:port`. ZeroMQ does not tell them, so the system's table of connections to our port is read, as the
   * reference does for presence; empty where there is no such table. Costs about a millisecond a thousand connections.
   */
  peers(): ReadonlySet<string> {
    return connectionsTo(this.port);
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.queue.drain(FLUSH_MS);
    this.socket.close();
  }
}

/** The address part of an entry of {@link ZmqPublishServer.peers}. */
export function hostOfPeer(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':'));
}

const ESTABLISHED = '01';

/** Remote ends of established TCP connections to a local port, from the kernel's table; IPv4-mapped addresses as IPv4. */
function connectionsTo(port: number): Set<string> {
  const out = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text: string;
    try {
      text = readFileSync(table, 'latin1');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw e;
    }
    for (const line of text.split('\n').slice(1)) {
      const [, local, remote, state] = line.trim().split(/\s+/);
      if (state !== ESTABLISHED || !local || !remote) continue;
      if (Number.parseInt(local.slice(local.indexOf(':') + 1), 16) !== port) continue;
      const [host = '', far = ''] = remote.split(':');
      out.add(`${kernelAddress(host)}:${Number.parseInt(far, 16)}`);
    }
  }
  return out;
}

/** The kernel prints addresses as 32-bit words in the machine's byte order (little-endian on all we run on). */
function kernelAddress(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8)
    for (let i = 6; i >= 0; i -= 2) bytes.push(Number.parseInt(hex.slice(word + i, word + i + 2), 16));
  const mapped =
    bytes.length === 16 && bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (bytes.length === 4 || mapped) return bytes.slice(-4).join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
}

/** Options of {@link ZmqPublishClient}. Times in ms. */
export interface ZmqPublishClientOptions extends Endpoint {
  /** Topics to hear under `zmq_filtering`; everything without. */
  topics?: readonly string[];
  /** `recon_default` (1000), `recon_max` (10000), `recon_randomize` (true): waits between attempts to connect. */
  reconnect?: { base?: number; max?: number; randomize?: boolean };
  keepalive?: Keepalive;
  /** Asked before connecting and after each loss, so that a name that moved is followed. */
  resolve?: (host: string) => Promise<string>;
  random?: () => number;
}

/** The hearing side of port 4505. Connects by itself, again and again; `frames$` gives the last part of each message. */
export class ZmqPublishClient implements PublishClient {
  private readonly socket: Subscriber;
  private readonly subject = new Subject<Uint8Array>();
  private readonly link = new BehaviorSubject(false);
  readonly frames$: Observable<Uint8Array> = this.subject.asObservable();
  /** Starts with the present state. */
  readonly connected$: Observable<boolean> = this.link.asObservable();
  private closed = false;
  private target = '';
  private readonly reading: Promise<void>;

  constructor(private readonly o: ZmqPublishClientOptions) {
    const { base = 1000, max = 10_000, randomize = true } = o.reconnect ?? {};
    const random = o.random ?? Math.random;
    this.socket = new Subscriber({
      ...clientSettings(o.keepalive),
      linger: LINGER.publishes,
      reconnectInterval: randomize ? Math.round(base + random() * max) : base,
      reconnectMaxInterval: max,
      heartbeatInterval: 10_000,
      heartbeatTimeout: 30_000,
    });
    if (o.topics) this.socket.subscribe(...o.topics);
    else this.socket.subscribe();
    const events = this.socket.events;
    events.on('handshake', () => this.turned(true));
    events.on('disconnect', () => {
      this.turned(false);
      if (this.o.resolve) void this.aim();
    });
    void this.aim();
    this.reading = this.read();
  }

  private turned(on: boolean): void {
    if (!this.closed && this.link.value !== on) this.link.next(on);
  }

  /** Connects to where the name points now; leaves the old address when it moved. A failed look-up keeps the old one. */
  private async aim(): Promise<void> {
    let host = this.o.host;
    try {
      host = (await this.o.resolve?.(host)) ?? host;
    } catch {
      // The name may come back: the resolver's owner reports it, and the next loss or retry asks again.
      if (!this.closed && !this.target) setTimeout(() => void this.aim(), this.o.reconnect?.base ?? 1000).unref();
      return;
    }
    const to = address(host, this.o.port);
    if (this.closed || to === this.target) return;
    if (this.target) this.socket.disconnect(this.target);
    this.socket.ipv6 = host.includes(':');
    this.socket.connect(to);
    this.target = to;
  }

  private async read(): Promise<void> {
    let burst = 0;
    let end = 0;
    while (!this.closed) {
      let parts: Buffer[];
      try {
        parts = await this.socket.receive();
      } catch (e) {
        if (!this.closed && interrupted(e)) continue;
        if (!this.closed) this.subject.error(e);
        return;
      }
      const frame = parts.at(-1);
      if (frame && !this.closed) this.subject.next(frame);
      if (burst++ === 0) end = performance.now() + BURST_MS;
      else if (burst >= BURST || performance.now() > end) {
        burst = 0;
        await turn();
      }
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
    this.subject.complete();
    this.link.complete();
    await this.reading;
  }
}
