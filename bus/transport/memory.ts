/** The transport contract inside one process: for tests of whole conversations, and for swarms of minions without sockets. */
import { BehaviorSubject, type Observable, Subject } from 'rxjs';
import { SaltError } from '../errors.ts';
import type { PublishClient, PublishServer, Request, RequestClient, RequestServer } from './contract.ts';

const FIRST_FREE_PORT = 49152;

/**
 * A network of its own: servers and clients that were made by it find each other by host and port. Delivery takes a microtask;
 * frames are handed over without a copy. Clients may be made before their server listens, and survive its end.
 */
export class MemoryNetwork {
  private readonly requests = new Map<string, MemoryRequestServer>();
  private readonly publishes = new Map<string, MemoryPublishServer>();
  private readonly clients = new Set<MemoryPublishClient>();
  private readonly queued = new Map<string, (() => void)[]>();
  private nextPort = FIRST_FREE_PORT;

  requestServer(): MemoryRequestServer {
    return new MemoryRequestServer(this);
  }
  requestClient(host: string, port: number): RequestClient {
    return new MemoryRequestClient(this, `${host}:${port}`);
  }
  publishServer(): PublishServer {
    return new MemoryPublishServer(this);
  }
  /** With topics only publishes that name one of them are heard. */
  publishClient(host: string, port: number, topics?: readonly string[]): PublishClient {
    const client = new MemoryPublishClient(this, `${host}:${port}`, topics);
    this.clients.add(client);
    client.link(this.publishes.has(client.address));
    return client;
  }

  /** Sends a raw multi-part message to a request server, as a hostile peer would. */
  sendRaw(host: string, port: number, parts: readonly Uint8Array[]): void {
    this.requests.get(`${host}:${port}`)?.takeRaw(parts);
  }

  /** @internal */
  claim(kind: 'requests' | 'publishes', host: string, wanted: number, server: object): number {
    const table = this[kind] as Map<string, object>;
    let port = wanted;
    if (port === 0) while (table.has(`${host}:${port}`) || port === 0) port = this.nextPort++;
    const address = `${host}:${port}`;
    if (table.has(address)) throw new SaltError('PortInUse', `Address already in use: ${address}`, { host, port });
    table.set(address, server);
    if (kind === 'publishes') for (const c of this.clients) if (c.address === address) c.link(true);
    if (kind === 'requests') for (const go of this.queued.get(address) ?? []) go();
    if (kind === 'requests') this.queued.delete(address);
    return port;
  }
  /** @internal */
  release(kind: 'requests' | 'publishes', address: string): void {
    this[kind].delete(address);
    if (kind === 'publishes') for (const c of this.clients) if (c.address === address) c.link(false);
  }
  /** @internal Runs now or once a server listens there. */
  whenListening(address: string, go: (server: MemoryRequestServer) => void): void {
    const server = this.requests.get(address);
    if (server) go(server);
    else {
      const list = this.queued.get(address) ?? [];
      list.push(() => this.whenListening(address, go));
      this.queued.set(address, list);
    }
  }
  /** @internal */
  *subscribers(address: string): Iterable<MemoryPublishClient> {
    for (const c of this.clients) if (c.address === address) yield c;
  }
  /** @internal */
  leave(client: MemoryPublishClient): void {
    this.clients.delete(client);
  }
}

/** Request server of a {@link MemoryNetwork}. */
export class MemoryRequestServer implements RequestServer {
  private readonly subject = new Subject<Request>();
  readonly requests$: Observable<Request> = this.subject.asObservable();
  readonly dropped: Record<string, number> = Object.create(null);
  private address: string | undefined;
  private closed = false;

  constructor(private readonly net: MemoryNetwork) {}

  async listen(host: string, port: number): Promise<number> {
    const got = this.net.claim('requests', host, port, this);
    this.address = `${host}:${got}`;
    return got;
  }
  /** @internal */
  take(body: Uint8Array, peer: string, answer: (body: Uint8Array) => void): void {
    if (this.closed) return;
    let answered = false;
    const reply = (bytes: Uint8Array): void => {
      if (answered) return;
      answered = true;
      if (this.closed) this.dropped['late reply'] = (this.dropped['late reply'] ?? 0) + 1;
      else answer(bytes);
    };
    this.subject.next({ body, peer, reply });
  }
  /** @internal */
  takeRaw(parts: readonly Uint8Array[]): void {
    const body = parts[2];
    if (parts.length !== 3 || parts[1]?.length !== 0 || !body)
      this.dropped['framing'] = (this.dropped['framing'] ?? 0) + 1;
    else this.take(body, 'raw', () => undefined);
  }
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.address) this.net.release('requests', this.address);
    this.subject.complete();
  }
}

class MemoryRequestClient implements RequestClient {
  private closed = false;
  private readonly open = new Set<(e: Error) => void>();

  constructor(
    private readonly net: MemoryNetwork,
    private readonly address: string,
  ) {}

  request(body: Uint8Array, timeout: number): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new SaltError('SaltClientError', 'The request channel is closed'));
    return new Promise((resolve, reject) => {
      let done = false;
      const fail = (e: Error): void => {
        if (done) return;
        finish();
        reject(e);
      };
      const finish = (): void => {
        done = true;
        clearTimeout(timer);
        this.open.delete(fail);
      };
      const timer = setTimeout(() => fail(new SaltError('SaltReqTimeoutError', 'Message timed out')), timeout);
      this.open.add(fail);
      queueMicrotask(() =>
        this.net.whenListening(this.address, (server) => {
          if (done) return;
          server.take(body, 'memory', (reply) =>
            queueMicrotask(() => {
              if (done) return;
              finish();
              resolve(reply);
            }),
          );
        }),
      );
    });
  }
  async close(): Promise<void> {
    this.closed = true;
    for (const fail of [...this.open]) fail(new SaltError('SaltClientError', 'The request channel is closed'));
  }
}

class MemoryPublishServer implements PublishServer {
  private address: string | undefined;

  constructor(private readonly net: MemoryNetwork) {}

  async listen(host: string, port: number): Promise<number> {
    const got = this.net.claim('publishes', host, port, this);
    this.address = `${host}:${got}`;
    return got;
  }
  publish(body: Uint8Array, topics?: readonly string[]): void {
    if (!this.address) return;
    for (const c of this.net.subscribers(this.address)) c.hear(body, topics);
  }
  peers(): ReadonlySet<string> {
    const out = new Set<string>();
    if (this.address) for (const _ of this.net.subscribers(this.address)) out.add(`memory:${out.size + 1}`);
    return out;
  }
  async close(): Promise<void> {
    if (this.address) this.net.release('publishes', this.address);
    this.address = undefined;
  }
}

class MemoryPublishClient implements PublishClient {
  private readonly subject = new Subject<Uint8Array>();
  private readonly state = new BehaviorSubject(false);
  readonly frames$: Observable<Uint8Array> = this.subject.asObservable();
  readonly connected$: Observable<boolean> = this.state.asObservable();
  private closed = false;

  constructor(
    private readonly net: MemoryNetwork,
    readonly address: string,
    private readonly topics: readonly string[] | undefined,
  ) {}

  link(on: boolean): void {
    if (this.state.value !== on) this.state.next(on);
  }
  /** A copy for each topic heard, as on the wire. */
  hear(body: Uint8Array, topics: readonly string[] | undefined): void {
    const copies = !topics
      ? this.topics
        ? 0
        : 1
      : topics.filter((t) => !this.topics || this.topics.includes(t)).length;
    for (let i = 0; i < copies; i++)
      queueMicrotask(() => {
        if (!this.closed) this.subject.next(body);
      });
  }
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.net.leave(this);
    this.subject.complete();
    this.state.complete();
  }
}
