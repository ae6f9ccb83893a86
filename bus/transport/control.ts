import type { Socket } from 'node:net';
import { ERRORS, type ErrorCode, messageOf, SaltError } from '../errors.ts';
import { type Log, quietLog } from '../log.ts';
import { isWireMap, type Wire, type WireMap } from '../values.ts';
import { decodeBus, encodeBus } from '../wire/payload.ts';
import { connectLocal, LengthPrefixed, type LocalAddress, lengthPrefixed, readInTurns } from './local.ts';

/*
 * The platform's own request and stream socket for command lines and programs on the same machine. Each message is a 4-byte
 * big-endian length and a map in the bus dialect: `{n, cmd, load}` asks; `{n, ok, result}` or `{n, ok: false, error}` answers;
 * `{n, item}` and `{n, end}` are a stream's; `{n, stop}` ends a stream from the asking side.
 */

/** A stream's far end, handed to a handler. */
export interface ControlStream {
  /** Sends an item; settles when the peer's buffer has room again, so a slow reader slows its producer and nobody else. */
  send(item: Wire): Promise<void>;
  /** Aborted when the peer stops the stream or goes away. */
  readonly signal: AbortSignal;
}

/** Who asks: a number for the connection, and what the handler keeps for it. */
export interface ControlPeer {
  readonly connection: number;
}

/**
 * Answers one command. A handler that streams sends its items and then resolves; its result travels with the end. Throw a
 * SaltError for an expected failure: its code and message reach the asker; anything else is logged and told as an internal error.
 */
export type ControlHandler = (cmd: string, load: WireMap, stream: ControlStream, peer: ControlPeer) => Promise<Wire>;

/** How a control socket is served. */
export interface ControlServerOptions {
  /** Mode of the socket file. */
  mode: number;
  handle: ControlHandler;
  log?: Log;
  /** Longest message in bytes (default 64 MiB). */
  maxMessage?: number;
  /** Requests of one connection in work at once (default 4096); more are not read until some are answered. */
  maxOpen?: number;
}

const MAX_MESSAGE = 64 * 1024 * 1024;

/** Collects a tick's messages and writes them in one go. */
class Outbox {
  private parts: Buffer[] = [];
  private waiting: (() => void)[] = [];

  constructor(private readonly socket: Socket) {
    socket.on('drain', () => this.release());
    socket.once('close', () => this.release());
  }
  private release(): void {
    for (const f of this.waiting.splice(0)) f();
  }
  push(message: Wire): void {
    if (this.socket.destroyed) return;
    this.parts.push(lengthPrefixed(encodeBus(message)));
    if (this.parts.length === 1) process.nextTick(() => this.flush());
  }
  private flush(): void {
    if (!this.parts.length || this.socket.destroyed) return;
    const out = this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts);
    this.parts = [];
    this.socket.write(out);
  }
  room(): Promise<void> {
    if (this.parts.length > 64) this.flush();
    if (this.socket.destroyed || !this.socket.writableNeedDrain) return Promise.resolve();
    return new Promise((done) => this.waiting.push(done));
  }
  flushNow(): void {
    this.flush();
  }
}

/** The answering side of a control socket. */
export class ControlServer {
  private constructor(private readonly listening: { close(): Promise<void> }) {}

  /** Listens; rejects with SaltError PortInUse when another process answers there. */
  static async listen(address: LocalAddress, options: ControlServerOptions): Promise<ControlServer> {
    const { listenLocal } = await import('./unix-server.ts');
    let count = 0;
    const listening = await listenLocal(address, options.mode, (s) => void new Connection(s, ++count, options));
    return new ControlServer(listening);
  }

  /** Stops listening and ends all connections; unanswered requests fail at their askers. */
  close(): Promise<void> {
    return this.listening.close();
  }
}

/** A request in work. Its signal is made when a handler first asks for it: most never do, and making one costs more than the rest. */
class Work {
  private control: AbortController | undefined;
  private aborted = false;
  get signal(): AbortSignal {
    this.control ??= new AbortController();
    if (this.aborted) this.control.abort();
    return this.control.signal;
  }
  abort(): void {
    this.aborted = true;
    this.control?.abort();
  }
}

class Connection {
  private readonly out: Outbox;
  private readonly open = new Map<number, Work>();
  private readonly log: Log;

  constructor(
    private readonly socket: Socket,
    private readonly number: number,
    private readonly options: ControlServerOptions,
  ) {
    this.log = options.log ?? quietLog;
    this.out = new Outbox(socket);
    const cut = new LengthPrefixed(options.maxMessage ?? MAX_MESSAGE);
    const take = (chunk: Buffer): void => {
      for (const m of cut.push(chunk)) this.take(m);
      if (cut.broken) this.drop(`a message of ${cut.broken} bytes`);
    };
    readInTurns(socket, take, () => this.open.size < (options.maxOpen ?? 4096));
    socket.on('error', (e) => this.log.debug(`Control connection ${number}: ${messageOf(e)}`));
    socket.once('close', () => {
      for (const a of this.open.values()) a.abort();
    });
  }

  private drop(why: string): void {
    this.log.warning(`Control connection ${this.number} was ended: ${why}`);
    this.socket.destroy();
  }

  private take(bytes: Buffer): void {
    let m: Wire;
    try {
      m = decodeBus(bytes);
    } catch (e) {
      this.drop(messageOf(e));
      return;
    }
    if (!isWireMap(m) || typeof m['n'] !== 'number') {
      this.drop('a message that is no request');
      return;
    }
    const n = m['n'];
    if (m['stop'] === true) {
      this.open.get(n)?.abort();
      return;
    }
    const { cmd, load } = m;
    if (typeof cmd !== 'string' || !(load === undefined || load === null || isWireMap(load)) || this.open.has(n)) {
      this.drop('a malformed request');
      return;
    }
    const work = new Work();
    this.open.set(n, work);
    if (this.open.size >= (this.options.maxOpen ?? 4096)) this.socket.pause();
    const stream: ControlStream = {
      get signal() {
        return work.signal;
      },
      send: (item) => {
        this.out.push({ n, item });
        return this.out.room();
      },
    };
    this.answer(n, cmd, load ?? {}, stream).finally(() => {
      this.open.delete(n);
      if (this.socket.isPaused()) this.socket.resume();
    });
  }

  private async answer(n: number, cmd: string, load: WireMap, stream: ControlStream): Promise<void> {
    try {
      const result = await this.options.handle(cmd, load, stream, { connection: this.number });
      this.out.push({ n, ok: true, end: true, result: result ?? null });
    } catch (e) {
      if (!(e instanceof SaltError))
        this.log.error(`Control command ${cmd} failed: ${e instanceof Error ? (e.stack ?? e.message) : messageOf(e)}`);
      const error: WireMap =
        e instanceof SaltError
          ? { code: e.code, message: e.message, exit: e.exitCode }
          : { code: 'SaltClientError', message: `Internal error: ${messageOf(e)}` };
      this.out.push({ n, ok: false, end: true, error });
    }
  }
}

interface Asked {
  resolve(result: Wire): void;
  reject(e: unknown): void;
  item?(item: Wire): void;
}

/** The asking side. Requests of one connection travel without waiting for each other. */
export class ControlClient {
  private readonly asked = new Map<number, Asked>();
  private readonly out: Outbox;
  private last = 0;
  private ended: SaltError | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly where: string,
  ) {
    this.out = new Outbox(socket);
    const cut = new LengthPrefixed(Number.MAX_SAFE_INTEGER);
    socket.on('data', (chunk) => {
      try {
        for (const m of cut.push(chunk as Buffer)) this.take(decodeBus(m));
      } catch (e) {
        this.end(messageOf(e));
      }
    });
    socket.on('error', (e) => this.end(messageOf(e)));
    socket.once('close', () => this.end('the connection was closed'));
  }

  /** Connects; rejects with SaltError SaltDaemonNotRunning when nobody answers. */
  static async connect(address: LocalAddress, timeout = 5000): Promise<ControlClient> {
    const socket = await connectLocal(address, timeout);
    return new ControlClient(socket, typeof address === 'string' ? address : `${address.host}:${address.port}`);
  }

  /** Whether the connection still stands. */
  get connected(): boolean {
    return this.ended === undefined;
  }

  private end(why: string): void {
    if (this.ended) return;
    this.ended = new SaltError('SaltDaemonNotRunning', `The daemon behind ${this.where} went away: ${why}`);
    this.socket.destroy();
    for (const a of this.asked.values()) a.reject(this.ended);
    this.asked.clear();
  }

  private take(m: Wire): void {
    if (!isWireMap(m) || typeof m['n'] !== 'number') throw new Error('an answer that is none');
    const asked = this.asked.get(m['n']);
    if (!asked) return;
    if ('item' in m) {
      asked.item?.(m['item'] as Wire);
      return;
    }
    this.asked.delete(m['n']);
    if (m['ok'] === true) asked.resolve(m['result'] ?? null);
    else asked.reject(errorOf(m['error']));
  }

  private ask(cmd: string, load: WireMap, asked: Asked): number {
    if (this.ended) throw this.ended;
    const n = ++this.last;
    this.asked.set(n, asked);
    this.out.push({ n, cmd, load });
    return n;
  }

  /**
   * Asks and waits for the answer. Rejects with the SaltError that the far side threw, SaltReqTimeoutError after `timeout` ms (none by
   * default), or SaltDaemonNotRunning when the connection ends first.
   */
  request(cmd: string, load: WireMap = {}, options: { timeout?: number } = {}): Promise<Wire> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const n = this.ask(cmd, load, {
        resolve: (r) => {
          clearTimeout(timer);
          resolve(r);
        },
        reject: (e) => {
          clearTimeout(timer);
          reject(e);
        },
      });
      if (options.timeout)
        timer = setTimeout(() => {
          this.asked.delete(n);
          reject(new SaltError('SaltReqTimeoutError', `No answer to ${cmd} within ${options.timeout} ms`));
        }, options.timeout);
    });
  }

  /**
   * Asks for a stream. Leaving the loop stops it at the far side. When the reader lags far behind, the socket is not read, so the
   * far side waits. Rejects like {@link request}.
   */
  async *stream(cmd: string, load: WireMap = {}): AsyncGenerator<Wire> {
    const items: Wire[] = [];
    let wake: (() => void) | undefined;
    let over = false;
    let failure: unknown;
    const turn = (): void => {
      wake?.();
      wake = undefined;
    };
    const n = this.ask(cmd, load, {
      item: (i) => {
        items.push(i);
        if (items.length >= 4096) this.socket.pause();
        turn();
      },
      resolve: () => {
        over = true;
        turn();
      },
      reject: (e) => {
        over = true;
        failure = e;
        turn();
      },
    });
    try {
      for (;;) {
        const batch = items.splice(0);
        if (batch.length && this.socket.isPaused()) this.socket.resume();
        for (const i of batch) yield i;
        if (items.length) continue;
        if (over) {
          if (failure) throw failure;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      if (!over && !this.ended) {
        this.asked.delete(n);
        this.out.push({ n, stop: true });
        if (this.socket.isPaused()) this.socket.resume();
      }
    }
  }

  /** Sends what is queued and closes. */
  close(): void {
    this.out.flushNow();
    this.ended ??= new SaltError('SaltDaemonNotRunning', 'The connection was closed');
    this.socket.end();
    // The far side's half is not waited for.
    this.socket.unref();
    for (const a of this.asked.values()) a.reject(this.ended);
    this.asked.clear();
  }
}

function errorOf(error: Wire | undefined): SaltError {
  const e = isWireMap(error) ? error : {};
  const code = typeof e['code'] === 'string' && e['code'] in ERRORS ? (e['code'] as ErrorCode) : 'SaltClientError';
  const details = typeof e['exit'] === 'number' ? { exit: e['exit'] } : {};
  return new SaltError(code, typeof e['message'] === 'string' ? e['message'] : 'Unknown error', details);
}
