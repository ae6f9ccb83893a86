import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import { tags } from '../bus/tags.ts';
import type { Request } from '../bus/transport/contract.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import {
  type AesEnvelope,
  CLEAR_COMMAND,
  type ClearEnvelope,
  MINION_COMMAND,
  REFUSAL,
  ROUTING_ERROR,
  readEnvelope,
} from '../bus/wire/loads.ts';
import type { MasterSession, OpenedRequest, RefusedRequest } from '../bus/wire/master-session.ts';
import { encodeNetwork } from '../bus/wire/payload.ts';
import { ReplayWindow } from './replay.ts';

/** Answers one command of a proven minion. The load's `id` is the sender. Undefined answers nil; a throw answers the empty text. */
export type MinionHandler = (load: WireMap, request: OpenedRequest) => Wire | undefined | Promise<Wire | undefined>;
/** Answers one clear command; what it needs of credentials it checks itself. */
export type ClearHandler = (load: WireMap) => Wire | Promise<Wire>;

/** What the router needs. */
export interface RequestParts {
  session: MasterSession;
  /** The session before the last key rotation, while its grace lasts: old requests under its key are still opened. */
  previous: () => MasterSession | undefined;
  bus: EventBus;
  log: Log;
  /** Handlers by wire command; what is not in the map does not exist for a peer. */
  minion: ReadonlyMap<string, MinionHandler>;
  clear: ReadonlyMap<string, ClearHandler>;
  signIn: (envelope: ClearEnvelope) => Promise<Uint8Array>;
  pillar: (load: WireMap) => Promise<Wire | undefined>;
  /** Makes the signed pillar answer; absent keys throw. */
  minimumVersion: number;
  /** Seconds in which a request may be old; 0 is no limit (replays are then remembered for an hour). */
  requestTtl: number;
  /** Whether an id has an accepted key: only such ids are named in events. */
  isKnown: (id: string) => boolean;
  clock?: () => number;
}

/** Counters of the request server since its start. */
export interface RequestStats {
  requests: number;
  garbage: number;
  malformed: number;
  unknown: number;
  replayed: number;
  failed: number;
  refused: Record<string, number>;
  commands: Record<string, { runs: number; mean: number }>;
}

/** Seconds by which a minion's clock may be ahead of ours. */
const AHEAD = 60;
/** Costly answers (RSA) are made in slices of this many ms, so that quick ones never wait long. */
const SLICE_MS = 4;
const TELL_EVERY = 1000;

/** Turns frames of port 4506 into answers: opens, proves, routes by command, seals. Bad frames are counted and cost nothing else. */
export class Requests {
  readonly stats: RequestStats = {
    requests: 0,
    garbage: 0,
    malformed: 0,
    unknown: 0,
    replayed: 0,
    failed: 0,
    refused: {},
    commands: {},
  };
  private readonly replays: ReplayWindow;
  private readonly costly: (() => void)[] = [];
  private slicing = false;
  private readonly told = new Map<string, { at: number; count: number }>();
  private readonly badLoad = encodeNetwork(REFUSAL.badLoad);
  private readonly routingError = encodeNetwork(ROUTING_ERROR);
  private open = 0;
  private lastNoise = 0;
  private noise = 0;

  constructor(private readonly p: RequestParts) {
    this.replays = new ReplayWindow((p.requestTtl > 0 ? p.requestTtl : 3600) + AHEAD);
  }

  /** Takes one request; answers it at most once, maybe later. Never throws. */
  take(request: Request): void {
    this.stats.requests++;
    const envelope = readEnvelope(request.body);
    if (envelope === 'garbage') {
      this.stats.garbage++;
      this.noisy();
      request.reply(this.routingError);
    } else if (envelope === 'malformed') {
      this.stats.malformed++;
      this.noisy();
      request.reply(this.badLoad);
    } else if (envelope.enc === 'clear') this.takeClear(envelope, request);
    else this.takeSealed(envelope, request);
  }

  /** One line for all that a flood of bad frames does in ten seconds. */
  private noisy(): void {
    this.noise++;
    const now = performance.now();
    if (this.lastNoise && now - this.lastNoise < 10_000) return;
    this.lastNoise = now;
    this.p.log.warning(`Malformed requests received: ${this.noise}`);
    this.noise = 0;
  }

  private takeClear(envelope: ClearEnvelope, request: Request): void {
    const cmd = envelope.load['cmd'];
    if (envelope.version < this.p.minimumVersion && this.p.minimumVersion > 0) {
      this.refuse('old version');
      request.reply(this.badLoad);
      return;
    }
    if (cmd === CLEAR_COMMAND.signIn) {
      if (envelope.version < 3 && typeof envelope.load['id'] === 'string')
        this.tellOld(envelope.load['id'], envelope.version);
      this.later(async () => {
        const started = performance.now();
        request.reply(await this.p.signIn(envelope));
        this.measure(cmd, started);
      }, request);
      return;
    }
    const handler = typeof cmd === 'string' ? this.p.clear.get(cmd) : undefined;
    if (!handler) {
      this.stats.unknown++;
      request.reply(encodeNetwork({}));
      return;
    }
    this.run(String(cmd), () => handler(envelope.load)).then((answer) => request.reply(encodeNetwork(answer ?? null)));
  }

  private takeSealed(envelope: AesEnvelope, request: Request): void {
    let opened: OpenedRequest | RefusedRequest = this.p.session.openRequest(envelope);
    if (!opened.ok && opened.reason === 'undecryptable' && envelope.version < 3)
      opened = this.p.previous()?.openRequest(envelope) ?? opened;
    if (!opened.ok) {
      this.refuse(opened.reason, opened.id);
      request.reply(this.badLoad);
      return;
    }
    if (!this.isTimely(opened)) {
      this.refuse('expired', opened.id);
      request.reply(this.badLoad);
      return;
    }
    if (opened.nonce !== undefined && !this.replays.first(opened.nonce)) {
      this.stats.replayed++;
      this.refuse('replayed', opened.id);
      request.reply(this.badLoad);
      return;
    }
    if (opened.version < 3) this.tellOld(opened.id, opened.version);
    this.dispatch(opened, request);
  }

  /** The session checks how old a request is; a clock far ahead would let it be replayed after its nonce is forgotten. */
  private isTimely(opened: OpenedRequest): boolean {
    const ts = opened.load['ts'];
    if (this.p.requestTtl <= 0 || typeof ts !== 'number') return true;
    return ts - (this.p.clock?.() ?? Date.now() / 1000) <= AHEAD;
  }

  private dispatch(opened: OpenedRequest, request: Request): void {
    const cmd = opened.load['cmd'];
    const seal = (answer: Wire | undefined): void =>
      request.reply(this.p.session.sealReply(opened, answer === undefined ? null : answer));
    if (cmd === MINION_COMMAND.pillar) {
      this.run(cmd, () => this.p.pillar(opened.load)).then((pillar) => {
        if (pillar === undefined) seal(false);
        else if (pillar === '') seal('');
        else this.later(() => request.reply(this.p.session.pillarReply(opened, pillar)), request);
      });
      return;
    }
    const handler = typeof cmd === 'string' ? this.p.minion.get(cmd) : undefined;
    if (!handler) {
      this.stats.unknown++;
      seal({});
      return;
    }
    this.run(cmd as string, () => handler(opened.load, opened)).then(seal);
  }

  /** Runs a handler; what it throws is logged and answers the empty text, as the reference does. */
  private async run(cmd: string, work: () => Wire | undefined | Promise<Wire | undefined>): Promise<Wire | undefined> {
    const started = performance.now();
    this.open++;
    try {
      return await work();
    } catch (e) {
      this.stats.failed++;
      this.p.log.error(`Error in function ${cmd}: ${messageOf(e)}`);
      this.p.log.debug(e instanceof Error ? (e.stack ?? '') : String(e));
      return '';
    } finally {
      this.open--;
      this.measure(cmd, started);
    }
  }

  /** Settles when every request that was taken is answered, at the latest after so many ms. */
  async settled(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while ((this.open > 0 || this.costly.length > 0) && performance.now() < end)
      await new Promise((r) => setTimeout(r, 2));
    // The last answers leave in the turn in which their handlers end.
    await new Promise((r) => setImmediate(r));
  }

  private measure(cmd: string, started: number): void {
    const own = Object.hasOwn(this.stats.commands, cmd) ? this.stats.commands[cmd]! : { runs: 0, mean: 0 };
    own.runs++;
    own.mean += ((performance.now() - started) / 1000 - own.mean) / own.runs;
    this.stats.commands[cmd] = own;
  }

  /** Work with RSA in it: in order, a few milliseconds at a time. */
  private later(work: () => void | Promise<void>, request: Request): void {
    this.costly.push(() => {
      const attempt = async (): Promise<void> => work();
      attempt().catch((e) => {
        this.stats.failed++;
        this.p.log.error(`A request could not be answered: ${messageOf(e)}`);
        request.reply(this.badLoad);
      });
    });
    if (this.slicing) return;
    this.slicing = true;
    setImmediate(() => this.slice());
  }

  private slice(): void {
    const end = performance.now() + SLICE_MS;
    let at = 0;
    while (at < this.costly.length) {
      this.costly[at++]!();
      if (performance.now() > end) break;
    }
    this.costly.splice(0, at);
    if (this.costly.length) setImmediate(() => this.slice());
    else this.slicing = false;
  }

  private refuse(reason: string, id?: string): void {
    this.stats.refused[reason] = (this.stats.refused[reason] ?? 0) + 1;
    if (id === undefined || !this.p.isKnown(id)) return;
    // A session that ended (deleted key, aged key) is everyday life: the minion signs in again.
    if (reason === 'unknown id' || reason === 'undecryptable') return;
    this.tell(`refused\n${id}`, (count) => {
      this.p.log.warning(`A request in the name of ${id} was refused: ${reason}`);
      this.p.bus.fire(tags.refused(id), { id, reason, count }, { origin: 'master' });
    });
  }

  private tellOld(id: string, version: number): void {
    if (!this.p.isKnown(id)) return;
    this.tell(`old\n${id}`, (count) => {
      this.p.log.warning(`Minion ${id} speaks version ${version} of the protocol (minimum_auth_version allows it)`);
      this.p.bus.fire(tags.oldVersion(id), { id, version, count }, { origin: 'master' });
    });
  }

  /** At most one message a second about one thing; the next one says how many there were. */
  private tell(key: string, say: (count: number) => void): void {
    const now = performance.now();
    const last = this.told.get(key);
    if (last && now - last.at < TELL_EVERY) {
      last.count++;
      return;
    }
    if (this.told.size > 10_000) this.told.delete(this.told.keys().next().value as string);
    this.told.set(key, { at: now, count: 0 });
    say((last?.count ?? 0) + 1);
  }
}
