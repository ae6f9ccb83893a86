/**
 * Many minions in one process, with real keys, real sign-ins and real sealed requests, against any Salt master: for load tests. They answer
 * a few functions by themselves and have no modules, no grains and no files.
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { Subscription } from 'rxjs';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { tags } from '../bus/tags.ts';
import { ZmtpPublishClient, ZmtpRequestClient } from '../bus/transport/zmtp.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import { loadOrCreateKeyPair, type PrivateKey } from '../bus/wire/keys.ts';
import { MINION_COMMAND, type PublishLoad } from '../bus/wire/loads.ts';
import { finishSignIn, MinionSession, startSignIn } from '../bus/wire/minion-session.ts';
import { match } from '../sls/match/match.ts';
import { MasterChannel } from './channel.ts';

/** What a swarm is made of. */
export interface SwarmOptions {
  host: string;
  /** `ret_port` of the master. */
  port: number;
  count: number;
  /** Ids are this and a number from 0. */
  prefix: string;
  /** Folder of the minions' private keys, made where missing. */
  keyDir: string;
  /** So many different keys, shared out in turn (making a key takes a tenth of a second); 0 is a key for each. */
  keyPool: number;
  log: Log;
  /** Milliseconds for one request. */
  timeout?: number;
}

/** What a run of sign-ins came to. */
export interface SignInFigures {
  accepted: number;
  /** The master has the key and waits for a person. */
  pending: number;
  failed: number;
  /** From the first request to the last answer, in seconds; the answers are opened and checked after that. */
  seconds: number;
  why?: string;
}

/** What a run of requests came to. Times in ms. */
export interface LoadFigures {
  sent: number;
  answered: number;
  failed: number;
  seconds: number;
  p50: number;
  p99: number;
}

/** Running counters of a swarm. */
export interface SwarmStats {
  /** Publishes heard, over all minions. */
  heard: number;
  /** Publishes that were for the minion that heard them. */
  jobs: number;
  returned: number;
  failed: number;
  renewed: number;
}

interface OneMinion {
  readonly id: string;
  readonly key: PrivateKey;
  readonly requests: ZmtpRequestClient;
  readonly channel: MasterChannel;
  session: MinionSession | undefined;
  publishes: ZmtpPublishClient | undefined;
  subscription: Subscription | undefined;
  renewing: Promise<MinionSession> | undefined;
}

/** How many minions do something at once where all do it. */
const AT_ONCE = 64;

/** The middle and the 99th of a hundred, of times in any order. */
export function quantiles(times: readonly number[]): { p50: number; p99: number } {
  const sorted = Float64Array.from(times).sort();
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Runs a work for each item, so many at once; the first rejection ends it. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, one));
}

/** What a simulated minion answers: the value, and a bad end where it has no such function. */
function answerTo(fun: string, arg: readonly Wire[]): { value: Wire; retcode: number; success: boolean } {
  const good = (value: Wire): { value: Wire; retcode: number; success: boolean } => ({
    value,
    retcode: 0,
    success: true,
  });
  switch (fun) {
    case 'test.ping':
      return good(true);
    case 'test.echo':
      return good(arg[0] ?? null);
    case 'test.arg':
      return good({ args: [...arg], kwargs: {} });
    case 'saltutil.find_job':
      return good({});
    default:
      return { value: `'${fun}' is not available.`, retcode: 254, success: false };
  }
}

/** Simulated minions of one master. Call in order: open, connect, signIn, listen; close at the end. */
export class Swarm {
  readonly stats: SwarmStats = { heard: 0, jobs: 0, returned: 0, failed: 0, renewed: 0 };
  /** From a publish's arrival to the master's answer to its return, in ms, of the latest returns. */
  readonly times: number[] = [];
  private publishPort = 0;

  private constructor(
    private readonly o: SwarmOptions,
    private readonly minions: readonly OneMinion[],
  ) {}

  /** Loads or makes the keys; no connection yet. */
  static async open(o: SwarmOptions): Promise<Swarm> {
    const keys: PrivateKey[] = [];
    const wanted = o.keyPool > 0 ? Math.min(o.keyPool, o.count) : o.count;
    for (let i = 0; i < wanted; i++) {
      const name = `swarm-${i}`;
      const known = await access(join(o.keyDir, `${name}.pem`), constants.R_OK).then(
        () => true,
        () => false,
      );
      if (!known && (i + 1) % 50 === 0) o.log.info(`Making keys: ${i + 1} of ${wanted}`);
      keys.push(await loadOrCreateKeyPair(o.keyDir, name));
    }
    const minions: OneMinion[] = [];
    const swarm = new Swarm(o, minions);
    for (let i = 0; i < o.count; i++) minions.push(swarm.one(`${o.prefix}${i}`, keys[i % wanted] as PrivateKey));
    return swarm;
  }

  /** Ids of all minions. */
  get ids(): string[] {
    return this.minions.map((m) => m.id);
  }

  private get timeout(): number {
    return this.o.timeout ?? 60_000;
  }

  private one(id: string, key: PrivateKey): OneMinion {
    const requests = new ZmtpRequestClient({ host: this.o.host, port: this.o.port });
    const m: OneMinion = {
      id,
      key,
      requests,
      session: undefined,
      publishes: undefined,
      subscription: undefined,
      renewing: undefined,
      channel: new MasterChannel({
        client: requests,
        log: this.o.log,
        session: () => {
          if (!m.session) throw new SaltError('SaltReqTimeoutError', `${id} is not signed in`);
          return m.session;
        },
        renew: (stale) => this.renew(m, stale),
        timeout: this.timeout,
        tries: 2,
      }),
    };
    return m;
  }

  /** Opens the request connections of all minions. */
  async connect(): Promise<void> {
    await eachOf(this.minions, AT_ONCE, (m) => m.requests.open(this.timeout));
  }

  /** Signs in those who are not yet in; call it again for those that the master lets wait. */
  async signIn(atOnce = AT_ONCE): Promise<SignInFigures> {
    const outside = this.minions.filter((m) => !m.session);
    const tries = outside.map((m) => ({ m, attempt: startSignIn({ id: m.id, key: m.key }) }));
    const replies: (Uint8Array | SaltError)[] = [];
    const began = performance.now();
    let i = 0;
    await eachOf(tries, atOnce, async ({ m, attempt }) => {
      const at = i++;
      replies[at] = await m.requests.request(attempt.frame, this.timeout).catch((e: unknown) => {
        if (e instanceof SaltError) return e;
        throw e;
      });
    });
    const figures: SignInFigures = { accepted: 0, pending: 0, failed: 0, seconds: (performance.now() - began) / 1000 };
    for (const [at, { m, attempt }] of tries.entries()) {
      // Some milliseconds of RSA each: heartbeats and other answers get their turn between.
      if (at % 4 === 3) await new Promise((turn) => setImmediate(turn));
      const reply = replies[at] as Uint8Array | SaltError;
      if (reply instanceof SaltError) {
        figures.failed++;
        figures.why = reply.message;
        continue;
      }
      const outcome = finishSignIn(attempt, reply, { id: m.id, key: m.key });
      if (outcome.kind === 'accepted') {
        figures.accepted++;
        this.publishPort = outcome.publishPort;
        m.session = new MinionSession({ id: m.id, key: m.key, ...outcome });
      } else if (outcome.kind === 'pending') figures.pending++;
      else {
        figures.failed++;
        figures.why = outcome.kind === 'untrusted' ? outcome.why : outcome.kind;
      }
    }
    return figures;
  }

  private renew(m: OneMinion, stale: MinionSession): Promise<MinionSession> {
    if (m.session && m.session !== stale) return Promise.resolve(m.session);
    m.renewing ??= (async () => {
      this.stats.renewed++;
      const attempt = startSignIn({ id: m.id, key: m.key });
      const outcome = finishSignIn(attempt, await m.requests.request(attempt.frame, this.timeout), {
        id: m.id,
        key: m.key,
      });
      if (outcome.kind !== 'accepted')
        throw new SaltError('SaltClientError', `${m.id} is not taken in again: ${outcome.kind}`);
      m.session = new MinionSession({ id: m.id, key: m.key, ...outcome });
      return m.session;
    })().finally(() => {
      m.renewing = undefined;
    });
    return m.renewing;
  }

  /** Subscribes all minions to the master's publishes and answers what is for them; each says that it is up, as a minion does. Resolves when all have. */
  async listen(): Promise<void> {
    await eachOf(this.minions, AT_ONCE, async (m) => {
      const publishes = new ZmtpPublishClient({ host: this.o.host, port: this.publishPort });
      m.publishes = publishes;
      await new Promise<void>((up, late) => {
        const timer = setTimeout(
          () => late(new SaltError('SaltClientError', `The publish port ${this.publishPort} cannot be reached`)),
          this.timeout,
        );
        const watch = publishes.connected$.subscribe((on) => {
          if (!on) return;
          clearTimeout(timer);
          setImmediate(() => watch.unsubscribe());
          up();
        });
      });
      m.subscription = publishes.frames$.subscribe((frame) => void this.heard(m, frame));
      const stamp = new Date().toString();
      const load = { tag: tags.minionStart(m.id), pretag: null, data: `Minion ${m.id} started at ${stamp}` };
      await m.channel.request(MINION_COMMAND.event, load);
    });
  }

  private async heard(m: OneMinion, frame: Uint8Array): Promise<void> {
    const began = performance.now();
    this.stats.heard++;
    try {
      let outcome = (m.session as MinionSession).openPublish(frame);
      if (outcome.kind === 'stale') outcome = (await this.renew(m, m.session as MinionSession)).openPublish(frame);
      if (outcome.kind !== 'job') return;
      await this.work(m, outcome.load);
      this.times.push(performance.now() - began);
      if (this.times.length > 100_000) this.times.splice(0, 50_000);
    } catch (e) {
      this.stats.failed++;
      this.o.log.warning(`${m.id}: ${messageOf(e)}`);
    }
  }

  private async work(m: OneMinion, load: PublishLoad & WireMap): Promise<void> {
    const none = new PyDict();
    if (!match(load.tgt_type, toPy(load.tgt), { id: m.id, grains: none, pillar: none })) return;
    this.stats.jobs++;
    const { fun, arg, jid } = load;
    const ret: WireMap = { id: m.id, jid, fun, fun_args: arg };
    if (Array.isArray(fun)) {
      const answers = fun.map((f, i) => [f, answerTo(f, (arg[i] as Wire[] | undefined) ?? [])] as const);
      ret['return'] = Object.fromEntries(answers.map(([f, a]) => [f, a.value]));
      ret['retcode'] = Object.fromEntries(answers.map(([f, a]) => [f, a.retcode]));
      ret['success'] = Object.fromEntries(answers.map(([f, a]) => [f, a.success]));
    } else {
      const { value, retcode, success } = answerTo(fun, arg);
      Object.assign(ret, { return: value, retcode, success });
    }
    await m.channel.request(MINION_COMMAND.return, ret);
    this.stats.returned++;
  }

  /** Fires one event from one minion; resolves with the master's answer. */
  async fire(minion: number, tag: string, data: WireMap): Promise<void> {
    const m = this.minions[minion % this.minions.length] as OneMinion;
    await m.channel.request(MINION_COMMAND.event, { tag, data, pretag: null });
  }

  /**
   * Fires events from all minions, each waiting for the master's answer before its next one. `rate` is events a second over all (0: as fast
   * as they are answered); ends after `count` events or `seconds`, whichever comes first, or when the signal says so.
   */
  async events(o: {
    tag: string;
    data: (i: number) => WireMap;
    rate: number;
    count?: number;
    seconds?: number;
    signal?: AbortSignal;
  }): Promise<LoadFigures> {
    const times: number[] = [];
    let sent = 0;
    let failed = 0;
    const began = performance.now();
    const end = o.seconds === undefined ? Number.POSITIVE_INFINITY : began + o.seconds * 1000;
    const most = o.count ?? Number.POSITIVE_INFINITY;
    const one = async (index: number): Promise<void> => {
      while (sent < most && !o.signal?.aborted) {
        const i = sent++;
        if (o.rate > 0) {
          const wait = began + (i / o.rate) * 1000 - performance.now();
          if (wait > 0) await new Promise((then) => setTimeout(then, wait));
        }
        const start = performance.now();
        if (start >= end || o.signal?.aborted) {
          sent--;
          return;
        }
        try {
          await this.fire(index, o.tag, o.data(i));
          times.push(performance.now() - start);
        } catch (e) {
          failed++;
          this.o.log.warning(messageOf(e));
        }
      }
    };
    await Promise.all(this.minions.map((_m, index) => one(index)));
    const seconds = (performance.now() - began) / 1000;
    return { sent, answered: times.length, failed, seconds, ...quantiles(times) };
  }

  async close(): Promise<void> {
    await Promise.all(
      this.minions.map(async (m) => {
        m.subscription?.unsubscribe();
        await Promise.all([m.publishes?.close(), m.requests.close()]);
      }),
    );
  }
}
