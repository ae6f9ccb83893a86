/** The minion daemon: masters, jobs and the minion's own bus, wired together. Read it top to bottom. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  concatMap,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  mergeMap,
  type Observable,
  Subject,
  takeUntil,
} from 'rxjs';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { BusEvent, EventBus } from '../bus/event.ts';
import { openBus } from '../bus/event-bus.ts';
import { JidSource, stamp } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { MemoryEventStore } from '../bus/store/memory.ts';
import { tags } from '../bus/tags.ts';
import { type EventSockets, minionEventSockets, serveEventSockets } from '../bus/transport/ipc.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import { loadOrCreateKeyPair } from '../bus/wire/keys.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import { match } from '../sls/match/match.ts';
import { jitter } from './clock.ts';
import { type Arrived, MasterConnection, type Sockets } from './connection.ts';
import { InlineJobs } from './inline-jobs.ts';
import { Jobs, type MinionFacts, type RunningJob } from './jobs.ts';
import { MasterTalk } from './master-talk.ts';
import { masterGroups } from './masters.ts';
import { Outbox } from './outbox.ts';
import { runningJobs } from './proc-files.ts';
import { collectWhenIdle } from './rest.ts';
import { cacheJob } from './return-to.ts';
import { SeenJids } from './seen-jids.ts';

/** Answers an order of a job (`ctx.daemon`): an order with a plain answer may also come from a quick function. */
export type Order = (data: WireMap) => Wire | Promise<Wire>;

/** What a minion is made of. */
export interface MinionParts {
  opts: Opts;
  log: Log;
  sockets: Sockets;
  random?: () => number;
}

/** Events on the minion's own bus kept for late readers. */
const KEPT_EVENTS = 1000;
/** How long stopping waits for returns on their way, in ms; what is not delivered lies in the outbox. */
const LAST_WORDS = 500;
/** How often the outbox is looked at while online, in ms: jobs that outlived a kill of the minion leave their returns there. */
const SWEEP_EVERY = 15_000;

export class Minion {
  readonly id: string;
  /** Orders that jobs may give, by name; parts of the minion add theirs. */
  readonly orders = new Map<string, Order>();
  private readonly connections: MasterConnection[] = [];
  private readonly stop$ = new Subject<void>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly jids = new JidSource();
  private bus: EventBus | undefined;
  private eventSockets: EventSockets | undefined;
  private jobs: Jobs | undefined;
  private outbox: Outbox | undefined;
  private seen: SeenJids | undefined;
  private facts: MinionFacts;
  private grainsReady: Promise<void> = Promise.resolve();
  private exitCode = 0;
  private readonly over: Promise<number>;
  private endNow: (code: number) => void = () => undefined;
  private stopping: Promise<void> | undefined;
  private started = false;

  constructor(private readonly parts: MinionParts) {
    const { opts } = parts;
    this.id = opts.str('id');
    const pillar = opts.dict('pillar');
    this.facts = { version: 0, opts, grains: undefined, pillar, connected: false };
    this.over = new Promise((end) => {
      this.endNow = end;
    });
  }

  /** Runs until stopped or rejected for good; resolves with the exit code. Rejects when it cannot start (keys, sockets). */
  async run(): Promise<number> {
    const { opts, log, sockets, random } = this.parts;
    const cachedir = opts.str('cachedir');
    mkdirSync(cachedir, { recursive: true, mode: 0o755 });
    const key = await loadOrCreateKeyPair(opts.str('pki_dir'), 'minion', opts.num('keysize', 2048));
    const bus = await this.openBus();
    const seen = new SeenJids(join(cachedir, 'jids.log'), Math.max(1000, opts.num('minion_jid_queue_hwm', 100)));
    this.seen = seen;
    const outbox = new Outbox(join(cachedir, 'returns'), (letter) => this.deliver(letter.load, letter.to), log);
    this.outbox = outbox;
    const inline = new InlineJobs({
      opts,
      log,
      facts: () => this.facts,
      fire: (tag, data) => this.fire(tag, data),
      order: (name, data) => this.order(name, data),
    });
    const jobs = new Jobs({
      opts,
      log,
      seen,
      facts: () => this.facts,
      inline: (load) => inline.run(load),
      began: (job) => this.began(job),
      answer: (what, load, job) => this.answer(what, load, job),
      returned: (ret, job) => this.returned(ret, job),
    });
    this.jobs = jobs;
    this.ownOrders();
    jobs.settleUnfinished(runningJobs(cachedir));
    this.grainsReady = this.findGrains(false);

    for (const masters of masterGroups(opts, random))
      this.connections.push(
        new MasterConnection({ opts, log, key, sockets, masters, random, grains: () => this.grains() }),
      );
    const { connections } = this;
    if (!connections.length) await this.standAlone();

    const jobs$: Observable<Arrived> = merge(...connections.map((c) => this.readyJobs(c)));
    const mine$ = jobs$.pipe(
      map((arrived) => this.meant(arrived)),
      filter((a): a is Arrived => a !== undefined),
    );
    const relay$ = bus.on(`${tags.fireMaster}*`).pipe(concatMap((e) => this.relay(e)));
    const errors$ = bus.on(`${tags.saltError}*`).pipe(concatMap((e) => this.relayError(e)));
    const asked$ = bus.events$.pipe(mergeMap((e) => this.own(e)));
    const ends$ = merge(...connections.map((c) => c.ended$));

    mine$.pipe(takeUntil(this.stop$)).subscribe(({ load, from: c }) => {
      jobs.take({ load: forJob(load), from: c.name, wanted: true });
    });
    merge(relay$, errors$, asked$).pipe(takeUntil(this.stop$)).subscribe();
    ends$.pipe(takeUntil(this.stop$)).subscribe((e) => {
      this.exitCode = e.exitCode;
      void this.stop();
    });
    for (const c of connections) void c.start();
    this.every(SWEEP_EVERY, () => {
      if (outbox.waiting && connections.some((c) => c.online)) void outbox.sweep();
    });
    collectWhenIdle(jobs$, this.stop$);
    return this.over;
  }

  /** Stops: no new jobs, running ones ended, returns delivered or kept, sockets closed. Within two seconds. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    this.stop$.next();
    for (const t of this.timers) clearInterval(t);
    await this.jobs?.stop();
    await Promise.race([this.quiet(), new Promise((done) => setTimeout(done, LAST_WORDS).unref())]);
    this.outbox?.close();
    await Promise.all(this.connections.map((c) => c.stop()));
    await this.eventSockets?.close();
    await this.bus?.close();
    this.seen?.close();
    this.endNow(this.exitCode);
  }

  // ---- the minion's own bus

  private async openBus(): Promise<EventBus> {
    const { opts, log } = this.parts;
    const bus = openBus({ store: new MemoryEventStore({ count: KEPT_EVENTS }), log });
    this.bus = bus;
    const sockDir = opts.str('sock_dir');
    mkdirSync(sockDir, { recursive: true, mode: 0o755 });
    this.eventSockets = await serveEventSockets({
      bus,
      log,
      ...minionEventSockets(sockDir, this.id, opts.str('hash_type', 'sha256')),
      origin: `minion/${this.id}`,
    });
    return bus;
  }

  private fire(tag: string, data: WireMap): boolean {
    this.bus?.fire(tag, data, { origin: `minion/${this.id}` });
    return this.bus !== undefined;
  }

  /** What parts of the minion, and programs at its event socket, ask of it by an event. */
  private async own(e: BusEvent): Promise<void> {
    const { log } = this.parts;
    try {
      if (e.tag.startsWith(tags.pillarRefresh)) await this.refreshPillar(e.data['clean_cache'] === true);
      else if (e.tag.startsWith(tags.moduleRefresh)) {
        await this.findGrains(true);
        this.jobs?.refresh();
        if (e.data['notify']) this.fire('/salt/minion/minion_mod_refresh_complete', { complete: true });
      } else if (e.tag.startsWith(tags.grainsRefresh)) await this.refreshPillar(false);
      else if (e.tag.startsWith('resource_refresh'))
        await Promise.all(this.online().map((c) => this.talk(c).registerResources()));
      else if (e.tag.startsWith(tags.minionMine))
        await Promise.all(
          this.online().map((c) => c.request(String(e.data['cmd'] ?? MINION_COMMAND.mine), withoutStamp(e.data))),
        );
    } catch (err) {
      log.warning(`Handling the event ${e.tag} failed: ${messageOf(err)}`);
    }
  }

  private async relay(e: BusEvent): Promise<void> {
    const { data, tag, events, pretag } = e.data;
    await Promise.all(
      this.connections.map((c) =>
        this.talk(c).fire({
          data: data ?? null,
          tag: typeof tag === 'string' ? tag : '',
          events: Array.isArray(events) ? events : undefined,
          pretag: pretag ?? null,
        }),
      ),
    );
  }

  private async relayError(e: BusEvent): Promise<void> {
    await Promise.all(this.online().map((c) => this.talk(c).fire({ data: e.data, tag: e.tag, pretag: null })));
  }

  // ---- masters

  private online(): MasterConnection[] {
    return this.connections.filter((c) => c.online);
  }

  private talk(c: MasterConnection): MasterTalk {
    return new MasterTalk(this.parts.opts, this.parts.log, c);
  }

  /** The jobs of a connection, held back until what comes with each new connection is done for the first time. */
  private readyJobs(c: MasterConnection): Observable<Arrived> {
    const ready = new Promise<void>((done) => {
      c.online$
        .pipe(
          filter(Boolean),
          concatMap(() => this.arrivedAt(c)),
        )
        .subscribe({ next: () => done(), complete: () => done() });
    });
    return c.jobs$.pipe(concatMap((a) => from(ready.then(() => a))));
  }

  /** What a minion does at each new connection, in the reference's order. */
  private async arrivedAt(c: MasterConnection): Promise<void> {
    const { log } = this.parts;
    try {
      this.know({ connected: true });
      await this.grainsReady;
      const talk = this.talk(c);
      const pillar = await talk.pillar(this.grains(), false);
      if (pillar) this.know({ pillar });
      await talk.announce(this.grains());
      log.info('Minion is ready to receive requests!');
      void this.outbox?.sweep();
      if (this.started) return;
      this.started = true;
      this.startUp();
    } catch (e) {
      log.error(`Greeting master ${c.name} failed: ${messageOf(e)}`);
    }
  }

  /** Once, after the first connection (or without a master at all). */
  private startUp(): void {
    const { opts, log, random } = this.parts;
    if (opts.flag('mine_enabled', true)) {
      this.updateMine();
      const minutes = opts.num('mine_interval', 60);
      if (minutes > 0) this.every(jitter(minutes * 60_000, 0.05, random), () => this.updateMine());
    }
    const ping = opts.num('ping_interval', 0);
    if (ping > 0)
      this.every(ping * 60_000, () => {
        for (const c of this.online()) void this.talk(c).fire({ data: 'ping', tag: 'minion_ping', pretag: null });
      });
    const wanted = opts.str('startup_states');
    if (!wanted) return;
    if (!this.connections.length && opts.str('file_client', 'remote') === 'remote') {
      log.warning(
        "Cannot run startup_states when 'master_type' is set to 'disable' and 'file_client' is set to 'remote'. Skipping.",
      );
      return;
    }
    const [fun, arg]: [string, Wire[]] =
      wanted === 'sls'
        ? ['state.sls', [opts.list('sls_list') as Wire[]]]
        : wanted === 'top'
          ? ['state.top', [opts.str('top_file')]]
          : ['state.highstate', []];
    this.jobs?.take({ load: { jid: 'req', ret: opts.str('ext_job_cache'), fun, arg }, wanted: true });
  }

  private async standAlone(): Promise<void> {
    this.parts.log.warning('Master is set to disable, skipping connection');
    await this.grainsReady;
    this.startUp();
  }

  private updateMine(): void {
    const own = (d: PyDict | undefined): boolean => d?.get('mine_functions') !== undefined;
    if (!own(this.parts.opts.data) && !own(this.facts.pillar) && !own(this.facts.grains)) return;
    this.jobs?.take({ load: { jid: this.jids.next(), fun: 'mine.update', arg: [], ret: '' }, wanted: false });
  }

  private async refreshPillar(clean: boolean): Promise<void> {
    await this.findGrains(true);
    for (const c of this.online()) {
      const talk = this.talk(c);
      const pillar = await talk.pillar(this.grains(), clean);
      if (pillar) this.know({ pillar });
      await talk.registerResources();
    }
    this.fire('/salt/minion/minion_pillar_refresh_complete', { complete: true });
  }

  // ---- facts

  private know(news: Partial<MinionFacts>): void {
    this.facts = { ...this.facts, ...news, version: this.facts.version + 1 };
  }

  private grains(): PyDict {
    return this.facts.grains ?? new PyDict([['id', this.id]]);
  }

  private async findGrains(refresh: boolean): Promise<void> {
    const jobs = this.jobs as Jobs;
    try {
      const grains = await jobs.grains(refresh);
      // Found in a job process, but told of the daemon.
      if (grains.has('pid')) grains.set('pid', process.pid);
      this.know({ grains });
    } catch (e) {
      if (!this.stopping) this.parts.log.error(`The grains could not be found: ${messageOf(e)}`);
    }
  }

  // ---- jobs

  /** The arrival when its target means this minion. */
  private meant(arrived: Arrived): Arrived | undefined {
    const { load } = arrived;
    const { opts, log } = this.parts;
    const type = typeof load['tgt_type'] === 'string' ? load['tgt_type'] : 'glob';
    const subject = { id: this.id, grains: this.grains(), pillar: this.facts.pillar };
    try {
      const hit = match(type, toPy(load['tgt'] as Wire), subject, {
        nodegroups: opts.dict('nodegroups'),
        delimiter: typeof load['delimiter'] === 'string' ? load['delimiter'] : ':',
      });
      return hit ? arrived : undefined;
    } catch (e) {
      log.error(`The target of job ${String(load['jid'])} cannot be matched: ${messageOf(e)}`);
      return undefined;
    }
  }

  /** The event of a job's begin, where its publisher asked for it (`start_event`). */
  private began({ load, from: name }: RunningJob): void {
    if (load['start_event'] !== true) return;
    const c = this.connections.find((x) => x.name === name);
    const data: WireMap = { id: this.id };
    for (const key of ['jid', 'fun', 'tgt', 'tgt_type', 'user']) data[key] = load[key] ?? null;
    for (const key of ['master_id', 'metadata']) if (load[key]) data[key] = load[key] as Wire;
    if (c) void this.talk(c).fire({ data, tag: tags.jobStart(String(load['jid']), this.id), pretag: null });
  }

  private async returned(ret: WireMap, job: RunningJob): Promise<void> {
    const jid = String(job.load['jid'] ?? '');
    if (this.parts.opts.flag('cache_jobs')) cacheJob(this.parts.opts, ret);
    if (!job.wanted || !this.parts.opts.flag('pub_ret', true)) return this.seen?.done(jid);
    const sent = this.outbox?.send({ to: job.from, load: { ...ret, _stamp: stamp() } });
    // The outbox has it on disk as soon as `send` has been called.
    this.seen?.done(jid);
    await sent;
  }

  /** One try to bring a return to the master it is for, or to any where that one is gone. */
  private async deliver(load: WireMap, to: string | undefined): Promise<void> {
    const { opts, random = Math.random } = this.parts;
    const c = this.connections.find((x) => x.name === to) ?? this.online()[0] ?? this.connections[0];
    if (!c) throw new SaltError('SaltClientError', 'Minion not connected');
    const low = opts.num('return_retry_timer', 5);
    const high = Math.max(low, opts.num('return_retry_timer_max', 10));
    await c.request(
      MINION_COMMAND.return,
      { id: this.id, ...load },
      { timeout: (low + (high - low) * random()) * 1000, tries: opts.num('return_retry_tries', 3) },
    );
  }

  private async answer(what: string, load: WireMap, job: RunningJob): Promise<Wire> {
    if (what === 'fire') return this.fire(String(load['tag']), load['data'] as WireMap);
    if (what === 'daemon') return this.order(String(load['order']), (load['data'] ?? {}) as WireMap);
    const c = this.connections.find((x) => x.name === job.from) ?? this.online()[0] ?? this.connections[0];
    if (!c) throw new SaltError('SaltClientError', 'This minion has no master');
    return c.request(String(load['cmd']), (load['load'] ?? {}) as WireMap);
  }

  private order(name: string, data: WireMap): Wire | Promise<Wire> {
    const order = this.orders.get(name);
    if (!order) throw new SaltError('SaltClientError', `The minion knows no order ${name}`);
    return order(data);
  }

  private ownOrders(): void {
    this.orders.set('queued_job', ({ jid }) => this.jobs?.queued(String(jid)) ?? null);
    this.orders.set('job_signalled', ({ jid }) => {
      this.jobs?.signalled(String(jid));
      return true;
    });
    this.orders.set('fire_and_wait', async ({ tag, data, answer, timeout }) => {
      const seen = firstValueFrom(
        merge(
          (this.bus as EventBus).on(`${String(answer)}*`).pipe(map((e) => e.data['complete'] !== false)),
          from(new Promise<boolean>((late) => setTimeout(() => late(false), Number(timeout) * 1000).unref())),
        ),
      );
      this.fire(String(tag), data as WireMap);
      return seen;
    });
    this.orders.set('keys_changed', () => {
      this.parts.log.warning('The key pair was removed: a new one is made when the minion starts again');
      return true;
    });
  }

  // ---- clock

  private every(ms: number, act: () => void): void {
    const t = setInterval(act, ms);
    t.unref();
    this.timers.add(t);
  }

  /** Resolves when no return is on its way. */
  private async quiet(): Promise<void> {
    await this.outbox?.idle();
  }
}

/** The load as a job sees it: without the serial, with what 3008 says about resources. */
function forJob(load: WireMap): WireMap {
  const { serial: _, ...rest } = load;
  return { ...rest, resource_targets: [], pure_resource_target: false, minion_is_target: true };
}

function withoutStamp(data: WireMap): WireMap {
  const { cmd: _, _stamp: __, ...rest } = data;
  return rest;
}
