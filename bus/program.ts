/**
 * The bus for programs: what `import { SaltEvent } from 'brine'` gives. Works with our daemons and with the reference's.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { type ErrorCode, SaltError } from './errors.ts';
import { packFrame } from './frame.ts';
import { StampSource } from './stamp.ts';
import { ControlClient } from './transport/control.ts';
import { EventSocketClient, type MatchType, type ReceivedEvent, tagTest } from './transport/event-client.ts';
import { type EventSocketAddresses, masterEventSockets, minionEventSockets } from './transport/ipc.ts';
import type { WireMap } from './values.ts';

export { SaltError } from './errors.ts';
export type { MatchType } from './transport/event-client.ts';
export type { Wire, WireMap } from './values.ts';

/** What is known of an event outside the daemon. */
export interface ProgramEvent {
  readonly tag: string;
  readonly data: WireMap;
}

/** Where a node's event sockets are, when the defaults do not hold. */
export interface SaltEventOptions {
  /** The minion's id, for node `minion`. */
  id?: string;
  /** The minion's `hash_type` (default sha256). */
  hashType?: string;
  /** Loopback ports in place of socket files (`ipc_mode: tcp`). */
  addresses?: EventSocketAddresses;
  /** Default of `matchType` (`event_match_type`). */
  matchType?: MatchType;
}

/** What to wait for. Times in seconds, as everywhere in Salt. */
export interface GetEventOptions {
  /** Longest wait (default 5); 0 waits for ever. */
  wait?: number;
  /** Wanted tag (default '': every tag). */
  tag?: string;
  matchType?: MatchType;
  /** Answers only what is here already. */
  noBlock?: boolean;
}

/** Events held for a program that does not read before its socket is held up. */
const HELD = 10_000;
/** Events of one message to the master, which fires them in one go. */
const BATCH = 256;
const BATCH_BYTES = 1024 * 1024;

/**
 * A program's place on an event bus, as Salt's SaltEvent: get_event, iter_events and fire_event under camel-case names. The first
 * wait connects; from then on events are kept in order until they are asked for, and those passed over by a wait are dropped.
 */
export class SaltEvent {
  private readonly sockets: EventSocketClient;
  private readonly control: string | undefined;
  private queue: ReceivedEvent[] = [];
  private head = 0;
  private wake = new Set<() => void>();
  private taps = new Set<(e: ReceivedEvent) => void>();
  private connecting: Promise<void> | undefined;
  private client: Promise<ControlClient | undefined> | undefined;
  private ready: ControlClient | undefined;
  private readonly stamps = new StampSource(() => performance.timeOrigin + performance.now());
  private batch: { frame: Buffer; resolve: (id: number) => void; reject: (e: unknown) => void }[] = [];
  private batchBytes = 0;
  private closed = false;
  private kept = false;
  private readonly user: string;

  /** @param node whose bus. @param sockDir the node's `sock_dir`. */
  constructor(
    private readonly node: 'master' | 'minion',
    sockDir: string,
    private readonly options: SaltEventOptions = {},
  ) {
    if (node === 'minion' && !options.id && !options.addresses)
      throw new SaltError('ValueError', 'The bus of a minion needs its id');
    this.sockets = new EventSocketClient(
      options.addresses ??
        (node === 'master'
          ? masterEventSockets(sockDir)
          : minionEventSockets(sockDir, options.id as string, options.hashType)),
    );
    this.control = node === 'master' && !options.addresses ? join(sockDir, 'master_control.ipc') : undefined;
    this.user = userName();
  }

  /** Connects the reading side now; rejects with SaltDaemonNotRunning when nobody is there. Waits connect by themselves. */
  connect(): Promise<void> {
    this.kept = true;
    return this.open();
  }

  private open(): Promise<void> {
    if (this.closed) return Promise.reject(new SaltError('SaltDaemonNotRunning', 'This SaltEvent was closed'));
    if (this.sockets.listening) return Promise.resolve();
    this.connecting ??= this.sockets
      .listen(
        (e) => this.take(e),
        () => this.turn(),
      )
      .finally(() => {
        this.connecting = undefined;
      });
    return this.connecting;
  }

  private take(e: ReceivedEvent): void {
    for (const tap of this.taps) tap(e);
    // Observables alone need no queue: it would grow without a reader.
    if (!this.kept) return;
    this.queue.push(e);
    if (this.queue.length - this.head >= HELD) this.sockets.hold(true);
    this.turn();
  }

  private turn(): void {
    const waiting = [...this.wake];
    this.wake.clear();
    for (const f of waiting) f();
  }

  private next(): ReceivedEvent | undefined {
    if (this.head >= this.queue.length) return undefined;
    const e = this.queue[this.head++];
    if (this.head === this.queue.length || this.head > 1024) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    if (this.queue.length - this.head === HELD / 2) this.sockets.hold(false);
    return e;
  }

  /**
   * The next event whose tag matches, or null after the wait. Where nobody listens yet, it keeps trying to connect for as long.
   * `full` answers `{tag, data}`, otherwise the data alone.
   */
  getEvent(options: GetEventOptions & { full: true }): Promise<ProgramEvent | null>;
  getEvent(options?: GetEventOptions & { full?: false }): Promise<WireMap | null>;
  async getEvent(options: GetEventOptions & { full?: boolean } = {}): Promise<ProgramEvent | WireMap | null> {
    const e = await this.waitFor(options);
    return e ? (options.full ? { tag: e.tag, data: e.data } : e.data) : null;
  }

  private async waitFor(options: GetEventOptions, signal?: AbortSignal): Promise<ReceivedEvent | undefined> {
    const matches = tagTest(options.tag ?? '', options.matchType ?? this.options.matchType);
    const wait = options.wait ?? 5;
    const deadline = wait === 0 ? Number.POSITIVE_INFINITY : performance.now() + wait * 1000;
    this.kept = true;
    for (let pause = 20; !this.closed && !signal?.aborted; ) {
      for (let e = this.next(); e; e = this.next()) if (matches(e.tag)) return e;
      if (!this.sockets.listening) {
        try {
          await this.connect();
          pause = 20;
          if (options.noBlock) await new Promise((r) => setImmediate(r));
          continue;
        } catch (e) {
          if (!(e instanceof SaltError) || e.code !== 'SaltDaemonNotRunning') throw e;
          if (options.noBlock || performance.now() + pause >= deadline) return undefined;
          await this.sleep(pause, signal);
          pause = Math.min(pause * 2, 100);
          continue;
        }
      }
      if (options.noBlock) return undefined;
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      await this.sleep(left, signal);
    }
    return undefined;
  }

  /** Until an event or a loss of connection turns up, or the time is over. */
  private sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.wake.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = Number.isFinite(ms) ? setTimeout(done, Math.min(ms, 2 ** 31 - 1)) : undefined;
      this.wake.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /**
   * Events for ever, in order, also over a restart of the daemon; ends with {@link close}, with `signal`, or, when `follow` is false, with
   * the connection.
   */
  iterEvents(options: {
    tag?: string;
    full: true;
    matchType?: MatchType;
    follow?: boolean;
    signal?: AbortSignal;
  }): AsyncGenerator<ProgramEvent>;
  iterEvents(options?: {
    tag?: string;
    full?: false;
    matchType?: MatchType;
    follow?: boolean;
    signal?: AbortSignal;
  }): AsyncGenerator<WireMap>;
  async *iterEvents(
    options: { tag?: string; full?: boolean; matchType?: MatchType; follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ProgramEvent | WireMap> {
    if (options.follow === false) await this.connect();
    const ask = {
      wait: options.follow === false ? 1 : 0,
      ...(options.tag !== undefined ? { tag: options.tag } : {}),
      ...(options.matchType ? { matchType: options.matchType } : {}),
    };
    while (!this.closed && !options.signal?.aborted) {
      const e = await this.waitFor(ask, options.signal);
      if (e) yield options.full ? { tag: e.tag, data: e.data } : e.data;
      else if (options.follow === false && !this.sockets.listening) return;
    }
  }

  /**
   * Fires an event. On our master it resolves when the event is safe on disk, with its `id`, and many may be under way at once;
   * elsewhere when the system has taken it, as Salt does. Rejects with SaltDaemonNotRunning when nobody is there.
   */
  async fireEvent(data: WireMap, tag: string): Promise<{ id?: number }> {
    if (tag === '') throw new SaltError('ValueError', 'Empty tag.');
    if (typeof data !== 'object' || data === null || Array.isArray(data))
      throw new SaltError('ValueError', `Dict object expected, not '${data === null ? 'None' : String(data)}'.`);
    const frame = packFrame(tag, { ...data, _stamp: this.stamps.next().stamp });
    if (this.control !== undefined) {
      const client = this.ready?.connected ? this.ready : await this.controlClient();
      if (client) return { id: await this.gather(client, frame) };
    }
    await this.sockets.fire(frame);
    return {};
  }

  /** Puts a frame into the request of this tick. */
  private gather(client: ControlClient, frame: Buffer): Promise<number> {
    if (this.batch.length === 0) process.nextTick(() => this.send(client));
    return new Promise((resolve, reject) => {
      this.batch.push({ frame, resolve, reject });
      this.batchBytes += frame.length;
      if (this.batch.length >= BATCH || this.batchBytes > BATCH_BYTES) this.send(client);
    });
  }

  private send(client: ControlClient): void {
    const batch = this.batch;
    if (!batch.length) return;
    this.batch = [];
    this.batchBytes = 0;
    client.request('fire', { frames: batch.map((b) => b.frame), user: this.user }).then(
      (answer) => {
        const { ids, error } = answer as { ids: (number | null)[]; error?: { code: ErrorCode; message: string } };
        for (const [i, b] of batch.entries()) {
          const id = ids[i];
          if (typeof id === 'number') b.resolve(id);
          else b.reject(new SaltError(error?.code ?? 'StoreFailed', error?.message ?? 'The event was not kept'));
        }
      },
      (e: unknown) => {
        for (const b of batch) b.reject(e);
      },
    );
  }

  /** On a minion: has the minion fire the event on its master's bus. */
  fireMaster(data: WireMap, tag: string): Promise<{ id?: number }> {
    if (this.node !== 'minion') return this.fireEvent(data, tag);
    return this.fireEvent({ tag, data, events: null, pretag: null }, 'fire_master');
  }

  private controlClient(): Promise<ControlClient | undefined> {
    this.client ??= ControlClient.connect(this.control as string).catch((e: unknown) => {
      // The reference's master has no such socket; then the pull socket is tried each time anew.
      if (!(e instanceof SaltError)) throw e;
      this.client = undefined;
      return undefined;
    });
    const client = this.client;
    return client.then((c) => {
      if (c?.connected) this.ready = c;
      if (!c || c.connected) return c;
      if (this.client === client) this.client = undefined;
      return this.controlClient();
    });
  }

  /** Every event from the moment of subscribing. Hot; loads rxjs when first asked for. Ends with an error when the connection ends. */
  get events$(): Observable<ProgramEvent> {
    const { Observable } = require('rxjs') as typeof import('rxjs');
    return new Observable<ProgramEvent>((subscriber) => {
      const tap = (e: ReceivedEvent): void => subscriber.next(e);
      const lost = (): void => {
        if (this.closed) subscriber.complete();
        else if (!this.sockets.listening && !this.connecting)
          subscriber.error(new SaltError('SaltDaemonNotRunning', 'The event socket was closed'));
        else this.wake.add(lost);
      };
      this.taps.add(tap);
      this.open().then(
        () => this.wake.add(lost),
        (e: unknown) => subscriber.error(e),
      );
      return () => {
        this.taps.delete(tap);
        this.wake.delete(lost);
      };
    });
  }

  /** Ends all connections and waits. */
  close(): void {
    if (this.ready) this.send(this.ready);
    this.closed = true;
    this.sockets.close();
    this.client?.then(
      (c) => c?.close(),
      () => undefined,
    );
    this.turn();
  }
}

function userName(): string {
  const sudo = process.env['SUDO_USER'];
  if (sudo && process.getuid?.() === 0) return `sudo_${sudo}`;
  try {
    return userInfo().username;
  } catch {
    // A uid without an account.
    return String(process.getuid?.() ?? 'unknown');
  }
}
