/** The minion daemon: masters, jobs and the minion's own bus, wired together. Read it top to bottom. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { concatMap, filter, from, merge, mergeMap, type Observable, Subject, takeUntil } from 'rxjs';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { BusEvent } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { loadOrCreateKeyPair } from '../bus/wire/keys.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import { Chores } from './chores.ts';
import { type Arrived, MasterConnection, type Sockets } from './connection.ts';
import { Facts } from './facts.ts';
import { InlineJobs } from './inline-jobs.ts';
import { forJob, startOf } from './job-info.ts';
import { Jobs, type RunningJob } from './jobs.ts';
import { MasterTalk } from './master-talk.ts';
import { masterGroups } from './masters.ts';
import { OwnBus, REFRESHED } from './own-bus.ts';
import { runningJobs } from './proc-files.ts';
import { collectWhenIdle } from './rest.ts';
import { Returns } from './returns.ts';
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

/** How often the outbox is looked at, in ms: jobs that outlived a kill of the minion leave their returns there. */
const SWEEP_EVERY = 15_000;
/** The same while such jobs are known to run, in ms. */
const SURVIVORS_EVERY = 500;

/** A minion, from its start to its end. */
export class Minion {
  /** Orders that jobs may give, by name; parts of the minion add theirs. */
  readonly orders = new Map<string, Order>();
  private readonly id: string;
  private readonly facts: Facts;
  private readonly connections: MasterConnection[] = [];
  private readonly stop$ = new Subject<void>();
  private bus!: OwnBus;
  private jobs!: Jobs;
  private returns!: Returns;
  private seen!: SeenJids;
  private chores!: Chores;
  private grainsFound: Promise<void> = Promise.resolve();
  private started = false;
  private stopping: Promise<void> | undefined;
  private exitCode = 0;
  private endNow: (code: number) => void = () => undefined;
  private readonly over = new Promise<number>((end) => {
    this.endNow = end;
  });

  constructor(private readonly parts: MinionParts) {
    this.id = parts.opts.str('id');
    this.facts = new Facts(parts.opts, parts.log);
  }

  /** Runs until stopped or rejected for good; resolves with the exit code. Rejects when it cannot start (keys, sockets). */
  async run(): Promise<number> {
    const { opts, log, sockets, random } = this.parts;
    const { facts, connections, stop$ } = this;
    const cachedir = opts.str('cachedir');
    mkdirSync(cachedir, { recursive: true, mode: 0o755 });
    const key = await loadOrCreateKeyPair(opts.str('pki_dir'), 'minion', opts.num('keysize', 2048));
    this.bus = await OwnBus.open(opts, log);
    this.seen = new SeenJids(join(cachedir, 'jids.log'), Math.max(1000, opts.num('minion_jid_queue_hwm', 100)));
    this.returns = new Returns({
      opts,
      log,
      seen: this.seen,
      random,
      online: () => this.online().length > 0,
      to: (name) => this.bus.telling(this.connectionFor(name)),
    });
    const inline = new InlineJobs({
      opts,
      log,
      facts: () => facts.all,
      fire: (tag, data) => this.bus.fire(tag, data),
      order: (name, data) => this.order(name, data),
    });
    this.jobs = new Jobs({
      opts,
      log,
      seen: this.seen,
      facts: () => facts.all,
      inline: (load) => inline.run(load),
      began: (job) => this.began(job),
      answer: (what, load, job) => this.answer(what, load, job),
      returned: (ret, job) => this.returns.take(job.reshape?.(ret) ?? ret, job),
    });
    this.chores = new Chores(opts, log, this.jobs, facts, (tag, data) => this.bus.fire(tag, data), random);
    this.ownOrders();
    this.resume(cachedir);
    this.grainsFound = this.findGrains(false);
    for (const masters of masterGroups(opts, random))
      connections.push(new MasterConnection({ opts, log, key, sockets, masters, random, grains: () => facts.grains }));

    const arrived$ = merge(...connections.map((c) => this.readyJobs(c)));
    const mine$ = arrived$.pipe(filter(({ load }) => facts.isMeant(load)));
    const relayed$ = this.bus.bus.on(`${tags.fireMaster}*`).pipe(concatMap((e) => this.relay(e)));
    const errors$ = this.bus.bus.on(`${tags.saltError}*`).pipe(concatMap((e) => this.tell(e.tag, e.data)));
    const asked$ = this.bus.bus.events$.pipe(mergeMap((e) => this.asked(e)));
    const ended$ = merge(...connections.map((c) => c.ended$));

    mine$
      .pipe(takeUntil(stop$))
      .subscribe(({ load, from: c }) => this.jobs.take({ load: forJob(load), from: c.name, wanted: true }));
    merge(relayed$, errors$, asked$).pipe(takeUntil(stop$)).subscribe();
    ended$.pipe(takeUntil(stop$)).subscribe((e) => {
      this.exitCode = e.exitCode;
      void this.stop();
    });
    this.chores.every(SWEEP_EVERY, () => this.returns.sweep());
    collectWhenIdle(arrived$, stop$);
    for (const c of connections) void c.start();
    if (!connections.length) void this.standAlone();
    return this.over;
  }

  /** Stops: no new jobs, running ones ended, returns delivered or kept, sockets closed. Within two seconds. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    this.stop$.next();
    this.chores.stop();
    await this.jobs.stop();
    await this.returns.close();
    await Promise.all(this.connections.map((c) => c.stop()));
    await this.bus.close();
    this.seen.close();
    this.endNow(this.exitCode);
  }

  private online(): MasterConnection[] {
    return this.connections.filter((c) => c.online);
  }

  private talk(c: MasterConnection): MasterTalk {
    return new MasterTalk(this.parts.opts, this.parts.log, c);
  }

  /** The jobs of a connection, held back until what comes with its first connection is done. */
  private readyJobs(c: MasterConnection): Observable<Arrived> {
    const greeted$ = c.online$.pipe(
      filter(Boolean),
      concatMap(() => this.greet(c)),
    );
    const ready = new Promise<void>((done) => greeted$.subscribe({ next: () => done(), complete: () => done() }));
    return c.jobs$.pipe(concatMap((a) => from(ready.then(() => a))));
  }

  /** What a minion does at each new connection, in the reference's order: pillar, events, resources, kept returns. */
  private async greet(c: MasterConnection): Promise<void> {
    const { log } = this.parts;
    try {
      this.facts.learn({ connected: true });
      await this.grainsFound;
      const pillar = await this.talk(c).pillar(this.facts.grains, false);
      if (pillar) this.facts.learn({ pillar });
      await this.talk(c).announce(this.facts.grains);
      log.info('Minion is ready to receive requests!');
      this.returns.sweep();
      if (!this.started) this.chores.start(() => void this.tell('minion_ping', 'ping'), false);
      this.started = true;
    } catch (e) {
      log.error(`Greeting master ${c.name} failed: ${messageOf(e)}`);
    }
  }

  private async standAlone(): Promise<void> {
    this.parts.log.warning('Master is set to disable, skipping connection');
    await this.grainsFound;
    this.chores.start(() => undefined, true);
  }

  /** Fires an event at every master that is there. */
  private async tell(tag: string, data: Wire): Promise<void> {
    await Promise.all(this.online().map((c) => this.talk(c).fire({ data, tag, pretag: null })));
  }

  /** `fire_master`: what is inside goes to the masters, waiting for those that are being connected. */
  private async relay({ data }: BusEvent): Promise<void> {
    const event = {
      data: data['data'] ?? null,
      tag: typeof data['tag'] === 'string' ? data['tag'] : '',
      events: Array.isArray(data['events']) ? data['events'] : undefined,
      pretag: data['pretag'] ?? null,
    };
    await Promise.all(this.connections.map((c) => this.talk(c).fire(event)));
  }

  /** What jobs, and programs at the event socket, ask of the minion by an event. */
  private async asked({ tag, data }: BusEvent): Promise<void> {
    try {
      if (tag.startsWith(tags.pillarRefresh)) await this.refreshPillar(data['clean_cache'] === true);
      else if (tag.startsWith(tags.grainsRefresh)) await this.refreshPillar(false);
      else if (tag.startsWith(tags.moduleRefresh)) {
        await this.findGrains(true);
        this.jobs.refresh();
        if (data['notify']) this.bus.fire(REFRESHED.modules, { complete: true });
      } else if (tag.startsWith('resource_refresh'))
        await Promise.all(this.online().map((c) => this.talk(c).registerResources()));
      else if (tag.startsWith(tags.minionMine)) {
        const { cmd, _stamp: _, ...load } = data;
        await Promise.all(this.online().map((c) => c.request(String(cmd ?? MINION_COMMAND.mine), load)));
      }
    } catch (e) {
      this.parts.log.warning(`Handling the event ${tag} failed: ${messageOf(e)}`);
    }
  }

  private async refreshPillar(clean: boolean): Promise<void> {
    await this.findGrains(true);
    for (const c of this.online()) {
      const pillar = await this.talk(c).pillar(this.facts.grains, clean);
      if (pillar) this.facts.learn({ pillar });
      await this.talk(c).registerResources();
    }
    this.bus.fire(REFRESHED.pillar, { complete: true });
  }

  private async findGrains(refresh: boolean): Promise<void> {
    try {
      const grains = await this.jobs.grains(refresh);
      // Found in a job process, but told of the daemon.
      if (grains.has('pid')) grains.set('pid', process.pid);
      this.facts.learn({ grains });
    } catch (e) {
      if (!this.stopping) this.parts.log.error(`The grains could not be found: ${messageOf(e)}`);
    }
  }

  /** Settles what an earlier life of this minion left, and listens for returns of jobs that outlived it. */
  private resume(cachedir: string): void {
    const survivors = runningJobs(cachedir);
    this.returns.claim();
    this.jobs.settleUnfinished(survivors);
    if (survivors.length) this.chores.every(SURVIVORS_EVERY, () => this.returns.sweep());
  }

  /** The event of a job's begin, where its publisher asked for it (`start_event`). */
  private began({ load, from: name }: RunningJob): void {
    const c = this.connections.find((x) => x.name === name);
    if (load['start_event'] !== true || !c) return;
    const tag = tags.jobStart(String(load['jid']), this.id);
    void this.talk(c).fire({ data: startOf(load, this.id), tag, pretag: null });
  }

  /** The connection to a master by name, else any that is there, else any. */
  private connectionFor(name: string | undefined): MasterConnection {
    const c = this.connections.find((x) => x.name === name) ?? this.online()[0] ?? this.connections[0];
    if (!c) throw new SaltError('SaltClientError', 'This minion has no master');
    return c;
  }

  private async answer(what: string, load: WireMap, job: RunningJob): Promise<Wire> {
    if (what === 'fire') return this.bus.fire(String(load['tag']), load['data'] as WireMap);
    if (what === 'daemon') return this.order(String(load['order']), (load['data'] ?? {}) as WireMap);
    return this.bus.telling(this.connectionFor(job.from)).request(String(load['cmd']), (load['load'] ?? {}) as WireMap);
  }

  private order(name: string, data: WireMap): Wire | Promise<Wire> {
    const order = this.orders.get(name);
    if (!order) throw new SaltError('SaltClientError', `The minion knows no order ${name}`);
    return order(data);
  }

  private ownOrders(): void {
    this.orders.set('schedule', (data) => this.chores.schedule.manage(data));
    this.orders.set('queued_job', ({ jid }) => this.jobs.queued(String(jid)) ?? null);
    this.orders.set('job_signalled', ({ jid }) => this.jobs.signalled(String(jid)));
    this.orders.set('fire_and_wait', ({ tag, data, answer, timeout }) =>
      this.bus.ask(String(tag), data as WireMap, String(answer), Number(timeout)),
    );
    this.orders.set('keys_changed', () => {
      this.parts.log.warning('The key pair was removed: a new one is made when the minion starts again');
      return true;
    });
  }
}
