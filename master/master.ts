import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { merge, Subject, takeUntil } from 'rxjs';
import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { openBus } from '../bus/event-bus.ts';
import { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { KeyedStore } from '../bus/store/contract.ts';
import { LmdbStore } from '../bus/store/lmdb.ts';
import type { PublishServer, RequestServer } from '../bus/transport/contract.ts';
import { masterEventSockets, serveEventSockets } from '../bus/transport/ipc.ts';
import { toWire, type Wire, type WireMap } from '../bus/values.ts';
import { MasterSession } from '../bus/wire/master-session.ts';
import { parseArgs } from '../sls/args.ts';
import { Access } from './access.ts';
import { AutoSign } from './autosign.ts';
import { ClearCommands } from './clear-commands.ts';
import { Control, type Order } from './control.ts';
import { FileServer } from './file-server.ts';
import type { GatherParts } from './gather.ts';
import { JobProcesses } from './job-processes.ts';
import { Jobs } from './jobs.ts';
import { KeyDesk } from './key-desk.ts';
import { openKeys } from './keys.ts';
import { masterKeyPair } from './master-key.ts';
import { Mine } from './mine.ts';
import { MinionCache } from './minion-cache.ts';
import { minionCommands } from './minion-commands.ts';
import { MinionEvents } from './minion-events.ts';
import { masterOrders } from './orders.ts';
import { type ParseInput, Peer } from './peer.ts';
import { type CompilePillar, type PillarQuestion, Pillars } from './pillar.ts';
import { PillarProcess } from './pillar-process.ts';
import { Presence } from './presence.ts';
import { Publisher } from './publish.ts';
import { PublishLine } from './publish-line.ts';
import { type Reactions, startReactions } from './reactions.ts';
import { Requests } from './requests.ts';
import { reportReturners, startEventReturn, tellState } from './returners.ts';
import { Returns } from './returns.ts';
import { KeyRotation } from './rotation.ts';
import { startSchedule } from './schedule.ts';
import { Sessions } from './sessions.ts';
import {
  expectedBy,
  jobCache,
  openEventStore,
  pingAll,
  sessionSettings,
  signatureCheck,
  zmqPublishes,
  zmqRequests,
} from './setup.ts';
import { SignIn } from './sign-in.ts';
import { Tokens } from './tokens.ts';
import { Upkeep } from './upkeep.ts';

/** What a test or another transport puts in the place of the usual parts. */
export interface MasterParts {
  requests?: RequestServer;
  publishes?: PublishServer;
  compilePillar?: CompilePillar;
}

/** How long a stopping master lets requests that it took end, ms. */
const SETTLE_MS = 1000;

/** A running master. */
export interface Master {
  readonly bus: EventBus;
  readonly store: KeyedStore;
  readonly publisher: Publisher;
  readonly processes: JobProcesses;
  readonly gathering: GatherParts;
  readonly jobs: Jobs;
  readonly presence: Presence;
  readonly access: Access;
  readonly requests: Requests;
  readonly upkeep: Upkeep;
  readonly rotation: KeyRotation;
  readonly reactions: Reactions;
  /** Named orders of the control socket; the reactor and the queue add theirs. */
  readonly orders: Map<string, Order>;
  /** Ports in use (for port 0). */
  readonly ports: { readonly publish: number; readonly ret: number };
  /** Stops taking requests, flushes everything, closes. Within two seconds. */
  stop(): Promise<void>;
}

/**
 * Starts a master: stores, bus, sockets, then the streams that join them, top to bottom. Rejects with SaltError PortInUse, FileLockError,
 * InvalidKeyError or StoreFailed, with everything closed again.
 */
export async function startMaster(opts: Opts, log: Log, parts: MasterParts = {}): Promise<Master> {
  const cachedir = opts.str('cachedir');
  mkdirSync(cachedir, { recursive: true, mode: 0o750 });
  const closers: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await build(opts, log, parts, closers, stop);
  } catch (e) {
    await stop();
    throw e;
  }
}

async function build(
  opts: Opts,
  log: Log,
  parts: MasterParts,
  closers: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<Master> {
  const cachedir = opts.str('cachedir');

  // What is kept.
  const keys = openKeys(opts);
  keys.prepare();
  const [masterKey, store, eventStore] = await Promise.all([
    masterKeyPair(keys.dir, opts),
    LmdbStore.open(join(cachedir, 'data')),
    openEventStore(opts, log),
  ]);
  closers.push(() => store.close());
  const bus = openBus({
    store: eventStore,
    cursors: store,
    log: log.child('bus'),
    maxEventSize: opts.num('max_event_size', 1 << 20),
  });
  closers.push(() => bus.close());
  const cache = new MinionCache(store);
  const tokens = new Tokens(cache, opts.str('hash_type', 'sha256'));
  const jids = new JidSource();

  // Who is who.
  const sessions = new Sessions(keys, store, opts.num('publish_session', 86_400), (id, e) =>
    log.error(`The session of ${id} was not kept: ${messageOf(e)}`),
  );
  const settings = await sessionSettings(opts, masterKey, sessions, keys.dir);
  const session = new MasterSession(settings);
  const expected = expectedBy(opts, cache, () => keys.acceptedIds(), log);
  const access = new Access(opts, log, expected, tokens);
  access.prepare();

  // Jobs out, returns in.
  const publishes = parts.publishes ?? (await zmqPublishes(opts));
  closers.push(() => publishes.close());
  const line = new PublishLine<{ load: WireMap; topics: readonly string[] | undefined }>(
    ({ load, topics }) => publishes.publish(session.publish(load as never), topics),
    (e) => log.error(`A job could not be published: ${messageOf(e)}`),
  );
  closers.push(() => line.flush());
  const kept = jobCache(opts, log, store, tellState(bus, log, 'master_job_cache'));
  closers.push(async () => kept.spool?.close());
  const jobs = new Jobs(kept.returner, kept.ctx, bus, log);
  const publisher = new Publisher(opts, bus, jobs, expected, (load, topics) => line.push({ load, topics }), log);
  const presence = new Presence(
    bus,
    cache,
    () => publishes.peers(),
    () => keys.acceptedIds(),
  );
  const gathering: GatherParts = { bus, publisher, absent: (id) => presence.absent(id) };
  const keepRun = (ret: WireMap): Promise<void> => jobs.keepRun(ret, opts.str('id', 'master'));
  const keeps = opts.flag('runner_returns', true) ? keepRun : undefined;
  const processes = new JobProcesses(opts, bus, log, undefined, keeps);
  closers.push(() => processes.close());
  const returns = new Returns(opts, bus, jobs, log);
  const rotation = new KeyRotation(opts, bus, log, session, settings, () => void pingAll(publisher, access.masterUser));
  const desk = new KeyDesk({ opts, bus, log, keys, sessions, cache, rotation });
  desk.watch();
  closers.push(() => desk.close());

  // What minions may ask.
  const files = new FileServer(opts, log);
  const parse: ParseInput = (args, noParse) => toWire(parseArgs(args, noParse)) as Wire[];
  const peer = new Peer({ opts, log, access, cache, jobs, jids, gathering, processes, parse });
  const ports = { publish: 0, ret: 0 };
  const signIn = new SignIn({
    opts,
    bus,
    log,
    keys,
    autosign: new AutoSign(opts, log),
    sessions,
    session,
    connected: () => presence.connected(),
    publishPort: () => ports.publish,
  });
  const pillarProcess = new PillarProcess(opts, log);
  closers.push(() => pillarProcess.close());
  const compilePillar = parts.compilePillar ?? ((question: PillarQuestion) => pillarProcess.compile(question));
  const pillars = new Pillars(opts, cache, bus, compilePillar, log);
  const isKnown = (id: string): boolean => keys.current(id)?.state === 'minions';
  const requests = new Requests({
    session,
    previous: () => rotation.previous(),
    bus,
    log,
    minion: minionCommands({
      opts,
      bus,
      cache,
      files,
      mine: new Mine(opts, cache, expected),
      events: new MinionEvents(bus, log, opts.flag('order_masters')),
      returns,
      peer,
      ownsKey: isKnown,
      revoke: (id, keepData) => desk.delete(id, `minion/${id}`, keepData),
      signatureHolds: signatureCheck(opts, sessions, log),
    }),
    clear: new ClearCommands({ opts, bus, log, access, tokens, publisher, processes, jids }).handlers(),
    signIn: (envelope) => signIn.take(envelope),
    pillar: (load) => pillars.answer(load),
    minimumVersion: settings.minimumVersion ?? 3,
    requestTtl: settings.requestTtl ?? 0,
    isKnown,
  });

  // What looks after it, and how command lines reach it.
  const upkeep = new Upkeep({ opts, bus, log, store: eventStore, jobs, tokens, presence, files, peer, rotation });
  const eventReturn = startEventReturn(opts, bus, log);
  closers.push(() => eventReturn.close());
  const returners = reportReturners(kept.spool, eventReturn);
  const id = opts.str('id', 'master');
  const orders = masterOrders({ cache, desk, bus, requests, upkeep, jobs, presence, returners, id });
  orders.set('pillar.clear', () => {
    pillarProcess.forget();
    return true;
  });
  const reactions = await startReactions({
    opts,
    bus,
    publisher,
    processes,
    jids,
    log,
    orders,
    user: access.masterUser,
  });
  closers.push(() => reactions.stop());
  const control = new Control({ opts, bus, log, access, jids, gathering, processes, orders });

  // The sockets, last: from here on the world may speak.
  const requestServer = parts.requests ?? (await zmqRequests(opts));
  const stopped$ = new Subject<void>();
  merge(requestServer.requests$)
    .pipe(takeUntil(stopped$))
    .subscribe({
      next: (request) => requests.take(request),
      error: (e) => log.critical(`The request socket failed: ${e}`),
    });
  closers.push(async () => {
    stopped$.next();
    await requests.settled(SETTLE_MS);
    await requestServer.close();
  });
  const host = opts.str('interface', '0.0.0.0');
  ports.publish = await publishes.listen(host, opts.num('publish_port', 4505));
  ports.ret = await requestServer.listen(host, opts.num('ret_port', 4506));
  await control.listen();
  closers.push(() => control.close());
  const sockets = await serveEventSockets({
    ...masterEventSockets(opts.str('sock_dir')),
    bus,
    origin: `operator/${access.masterUser}`,
    log,
  });
  closers.push(() => sockets.close());
  upkeep.start();
  closers.push(() => upkeep.stop());
  const schedule = startSchedule({ opts, bus, queue: reactions.queue, jids, log });
  closers.push(() => schedule.stop());
  await desk.reconcile();
  return {
    bus,
    store,
    publisher,
    processes,
    gathering,
    jobs,
    presence,
    access,
    requests,
    upkeep,
    rotation,
    reactions,
    orders,
    ports,
    stop,
  };
}
