/** One master as this minion sees it: found, signed in at, listened to, and found again whenever it is lost. */
import { lookup } from 'node:dns/promises';
import { BehaviorSubject, concatMap, filter, firstValueFrom, race, Subject, type Subscription, timer } from 'rxjs';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { PublishClient, RequestClient } from '../bus/transport/contract.ts';
import type { PyDict, Wire, WireMap } from '../bus/values.ts';
import type { PrivateKey } from '../bus/wire/keys.ts';
import { CLEAR_COMMAND, type PublishLoad } from '../bus/wire/loads.ts';
import type { MinionSession } from '../bus/wire/minion-session.ts';
import { encodeNetwork } from '../bus/wire/payload.ts';
import { MasterChannel, type RequestOptions } from './channel.ts';
import { jitter } from './clock.ts';
import type { MasterAddress } from './masters.ts';
import { signIn } from './sign-in.ts';

/** Makes the sockets; a test gives its own. */
export interface Sockets {
  requests(host: string, port: number): RequestClient;
  publishes(host: string, port: number): PublishClient;
}

/** What a connection is made of. */
export interface ConnectionParts {
  opts: Opts;
  log: Log;
  key: PrivateKey;
  grains: () => PyDict;
  sockets: Sockets;
  /** Masters to be tried in order, from the first, until one takes us; one only, unless `master_type: failover`. */
  masters: readonly MasterAddress[];
  /** Name to address; the system's resolver by default. Asked anew at each connection. */
  resolve?: (host: string, ipv6: boolean) => Promise<string>;
  random?: () => number;
}

/** A job and the connection it came by. */
export interface Arrived {
  load: PublishLoad & WireMap;
  from: MasterConnection;
}

/** Raised inside when the minion stops. */
class Stopped extends Error {}

const resolveName = async (host: string, ipv6: boolean): Promise<string> =>
  (await lookup(host, ipv6 ? { family: 6 } : { verbatim: false })).address;

/** Shortest time in ms between two sign-ins caused by publishes that do not open: forged ones must not keep the master busy. */
const RENEW_PAUSE = 2000;
/** Silence in ms after which the master is asked whether it is there. */
const SILENCE = 300_000;

/** A connection to one master (or one of several, under failover) that mends itself. */
export class MasterConnection {
  /** Jobs for whomever they are meant. Completes when the connection is stopped. */
  readonly jobs$ = new Subject<Arrived>();
  /** Whether we are signed in and the publish socket is connected. */
  readonly online$ = new BehaviorSubject(false);
  /** Emits once when the known master has rejected this minion for good. */
  readonly ended$ = new Subject<SaltError>();
  /** Publishes that were dropped, by reason. */
  readonly dropped: { [reason: string]: number } = {};

  private stopped = false;
  private readonly stop$ = new Subject<void>();
  private client: RequestClient | undefined;
  private publishes: PublishClient | undefined;
  private subscription: Subscription | undefined;
  private session: MinionSession | undefined;
  private renewing: Promise<MinionSession> | undefined;
  private renewedAt = 0;
  private heardAt = 0;
  private current: MasterAddress;
  private readonly random: () => number;
  private readonly channel: MasterChannel;
  private run: Promise<void> | undefined;

  constructor(private readonly parts: ConnectionParts) {
    const { opts, log } = parts;
    this.current = parts.masters[0] as MasterAddress;
    this.random = parts.random ?? Math.random;
    this.channel = new MasterChannel({
      log,
      client: { request: (body, timeout) => this.ask(body, timeout), close: async () => undefined },
      session: () => {
        if (!this.session) throw new SaltError('SaltReqTimeoutError', `Not signed in at ${this.name}`);
        return this.session;
      },
      renew: (stale) => this.renewWithin(stale, opts.num('request_channel_timeout', 60) * 1000),
      timeout: opts.num('request_channel_timeout', 60) * 1000,
      tries: opts.num('request_channel_tries', 3),
    });
  }

  /** Address of the master of the moment, as configured. */
  get name(): string {
    return this.current.host;
  }
  get online(): boolean {
    return this.online$.value;
  }
  /** `tcp://address:port` of the request socket, once resolved. */
  get uri(): string {
    return `tcp://${this.address}:${this.current.port}`;
  }
  private address = '';

  /** Begins to connect and goes on for ever; resolves when stopped or given up. */
  start(): Promise<void> {
    this.run ??= this.keepConnected().finally(() => {
      this.jobs$.complete();
      this.online$.complete();
    });
    return this.run;
  }

  /** Closes everything; requests under way are rejected by their sockets. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.stop$.next();
    await this.close();
    await this.run;
  }

  /**
   * A sealed request. While the connection is being made it waits for that, at most as long as one try may take. Rejects with
   * SaltReqTimeoutError when the master cannot be reached.
   */
  async request(cmd: string, load: WireMap, options: RequestOptions = {}): Promise<Wire> {
    if (!this.online)
      await this.untilOnline(options.timeout ?? this.parts.opts.num('request_channel_timeout', 60) * 1000);
    return this.channel.request(cmd, load, options);
  }

  private async untilOnline(ms: number): Promise<void> {
    const came = await firstValueFrom(race(this.online$.pipe(filter(Boolean)), timer(ms), this.stop$), {
      defaultValue: 0,
    });
    if (came !== true) throw new SaltError('SaltReqTimeoutError', `The master ${this.name} cannot be reached`);
  }

  private async ask(frame: Uint8Array, timeout: number): Promise<Uint8Array> {
    if (!this.client) throw new SaltError('SaltReqTimeoutError', `The master ${this.name} cannot be reached`);
    const reply = await this.client.request(frame, timeout);
    this.heardAt = Date.now();
    return reply;
  }

  private async keepConnected(): Promise<void> {
    const { log, opts } = this.parts;
    const most = Math.max(1000, opts.num('recon_default', 1000) + opts.num('recon_max', 10_000));
    let pause = Math.max(200, opts.num('recon_default', 1000) / 2);
    for (let turn = 0; !this.stopped; turn++) {
      this.current = this.parts.masters[turn % this.parts.masters.length] as MasterAddress;
      try {
        await this.connect();
        pause = Math.max(200, opts.num('recon_default', 1000) / 2);
        // The same master is tried first after a loss; only one that does not answer is passed over.
        turn--;
        await this.untilLost();
        log.warning(`Connection to master ${this.name} lost`);
      } catch (e) {
        if (e instanceof Stopped || this.stopped) break;
        if (e instanceof SaltError && e.code === 'AuthenticationError') {
          await this.close();
          this.ended$.next(e);
          return;
        }
        if (!(e instanceof SaltError)) log.error(`Connecting to ${this.name} failed: ${messageOf(e)}`);
        else log.error(`Error while bringing up minion. Is master at ${this.name} responding? ${e.message}`);
      }
      await this.close();
      await this.sleep(jitter(pause, 0.5, this.random)).catch(() => undefined);
      pause = Math.min(most, pause * 2);
    }
    await this.close();
  }

  private async connect(): Promise<void> {
    const { opts, log, sockets } = this.parts;
    const { host, port } = this.current;
    this.address = await this.resolve(host);
    this.client = sockets.requests(this.address, port);
    const signedIn = await this.signIn();
    this.session = signedIn.session;
    const own = opts.num('publish_port', 4505);
    const publishes = sockets.publishes(this.address, own === 4505 ? signedIn.publishPort : own);
    this.publishes = publishes;
    this.subscription = publishes.frames$
      .pipe(concatMap((frame) => this.opened(frame)))
      .subscribe({ error: (e: unknown) => log.error(`The publish socket failed: ${messageOf(e)}`) });
    const connected = await firstValueFrom(
      race(publishes.connected$.pipe(filter(Boolean)), timer(opts.num('auth_timeout', 5) * 2000), this.stop$),
      { defaultValue: 0 },
    );
    if (this.stopped) throw new Stopped();
    if (connected !== true)
      throw new SaltError('SaltClientError', `The publish port of master ${host} cannot be reached`);
    this.heardAt = Date.now();
    log.info(`Connected to master ${host}`);
    this.online$.next(true);
  }

  private async resolve(host: string): Promise<string> {
    const { opts, log } = this.parts;
    const every = this.parts.masters.length > 1 ? 0 : opts.num('retry_dns', 30);
    for (;;)
      try {
        return await (this.parts.resolve ?? resolveName)(host, opts.flag('ipv6'));
      } catch (e) {
        if (every <= 0)
          throw new SaltError('SaltClientError', `DNS lookup or connection check of '${host}' failed: ${messageOf(e)}`);
        log.error(`Master hostname: '${host}' not found or not responsive. Retrying in ${every} seconds`);
        await this.sleep(every * 1000);
      }
  }

  private signIn(): ReturnType<typeof signIn> {
    const { opts, log, key, grains, masters } = this.parts;
    return signIn({
      opts: masters.length > 1 ? opts.with({ auth_retries: 1 }) : opts,
      log,
      key,
      grains,
      master: this.name,
      ask: (frame, timeout) => this.ask(frame, timeout),
      sleep: (ms) => this.sleep(ms),
    });
  }

  /** Ends when the publish socket is lost or a silent master does not answer. */
  private async untilLost(): Promise<void> {
    const { opts } = this.parts;
    const publishes = this.publishes as PublishClient;
    const every = (opts.num('master_alive_interval', 0) || 0) * 1000 || SILENCE;
    for (;;) {
      const what = await firstValueFrom(
        race(publishes.connected$.pipe(filter((c) => !c)), timer(jitter(every, 0.2, this.random)), this.stop$),
        { defaultValue: false },
      );
      if (this.stopped) throw new Stopped();
      if (what === false) return;
      if (Date.now() - this.heardAt >= every * 0.5 && !(await this.answers())) return;
    }
  }

  /** Whether the master answers a ping: a half-open connection keeps a socket that nobody is behind. */
  private async answers(): Promise<boolean> {
    const frame = encodeNetwork({ enc: 'clear', load: { cmd: CLEAR_COMMAND.ping }, version: 3 });
    for (let i = 0; i < 2; i++)
      try {
        await this.ask(frame, this.parts.opts.num('auth_timeout', 5) * 1000);
        return true;
      } catch (e) {
        if (!(e instanceof SaltError)) throw e;
      }
    return false;
  }

  /** Opens a publish; one sealed under a key we do not know makes us sign in again and is then tried once more. */
  private async opened(frame: Uint8Array): Promise<void> {
    const { log } = this.parts;
    this.heardAt = Date.now();
    const session = this.session;
    if (!session) return;
    let outcome = session.openPublish(frame);
    if (outcome.kind === 'stale') {
      if (Date.now() - this.renewedAt < RENEW_PAUSE) return this.drop('sealed under an unknown key');
      log.info('A publish does not decrypt: the master has a new key, signing in again');
      this.renewedAt = Date.now();
      try {
        outcome = (await this.renew(session)).openPublish(frame);
      } catch (e) {
        if (!(e instanceof Stopped)) log.warning(`Signing in again failed: ${messageOf(e)}`);
        return;
      }
    }
    if (outcome.kind === 'job') this.jobs$.next({ load: outcome.load, from: this });
    else this.drop(outcome.kind);
  }

  private drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
    this.parts.log.warning(`A publish was dropped: ${reason}`);
  }

  /** Signs in again unless that has happened since; both keys are replaced. */
  private renew(stale: MinionSession): Promise<MinionSession> {
    if (this.session && this.session !== stale) return Promise.resolve(this.session);
    this.renewing ??= this.signIn()
      .then(({ session }) => {
        // Under an unchanged key old publishes would open again: they stay behind the serial.
        if (session.aes === stale.aes) session.serial = stale.serial;
        this.session = session;
        return session;
      })
      .catch((e: unknown) => {
        if (e instanceof SaltError && e.code === 'AuthenticationError') this.ended$.next(e);
        throw e;
      })
      .finally(() => {
        this.renewing = undefined;
      });
    return this.renewing;
  }

  private renewWithin(stale: MinionSession, ms: number): Promise<MinionSession> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new SaltError('SaltReqTimeoutError', `Signing in again at ${this.name} takes too long`)),
        ms,
      );
      this.renew(stale)
        .then(resolve, reject)
        .finally(() => clearTimeout(late));
    });
  }

  private sleep(ms: number): Promise<void> {
    if (this.stopped) return Promise.reject(new Stopped());
    return new Promise((resolve, reject) => {
      const stop = this.stop$.subscribe(() => {
        clearTimeout(clock);
        reject(new Stopped());
      });
      const clock = setTimeout(() => {
        stop.unsubscribe();
        resolve();
      }, ms);
    });
  }

  private async close(): Promise<void> {
    if (this.online$.value && !this.online$.closed) this.online$.next(false);
    this.subscription?.unsubscribe();
    const { client, publishes } = this;
    this.client = undefined;
    this.publishes = undefined;
    this.subscription = undefined;
    await Promise.all([publishes?.close(), client?.close()]);
  }
}
