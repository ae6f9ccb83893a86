import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { KeyedStore } from '../bus/store/contract.ts';
import { LmdbStore } from '../bus/store/lmdb.ts';
import { MemoryKeyedStore } from '../bus/store/memory.ts';
import { tags } from '../bus/tags.ts';
import { isWireMap, type Py, PyDict, toPy, toWire, type WireMap } from '../bus/values.ts';
import type { JobCache } from '../returners/contract.ts';
import { STORE_SLOT } from '../returners/local_cache.ts';
import { type ControlledClient, openLocalClient } from './client.ts';
import { openKeys } from './keys.ts';
import { MinionCache, type MinionData } from './minion-cache.ts';
import { loadReturner, returnerCtx } from './returners.ts';
import { callFunction } from './runner-call.ts';
import type { RunnerCtx } from './runners/contract.ts';

/** What a run is told about itself. */
export interface RunSettings {
  jid: string;
  user: string;
  /** Takes progress as it comes: prints it, or passes it on. */
  progress?: (data: Py, outputter?: string) => void;
  /** Takes what functions print. */
  print?: (text: string) => void;
}

/** A run's context and the way to end what it opened. */
export interface OpenRun {
  ctx: RunnerCtx;
  client: ControlledClient;
  /** Whether a master runs. */
  running: boolean;
  close(): Promise<void>;
}

/** What all runs of a process share: the stores and the connection to the master. */
export interface RunGround {
  /** Starts a run on it; closing the run leaves the ground open. */
  run(settings: RunSettings): OpenRun;
  close(): Promise<void>;
}

/** A single run on a ground of its own. */
export async function openRun(opts: Opts, log: Log, settings: RunSettings): Promise<OpenRun> {
  const ground = await openGround(opts, log);
  const run = ground.run(settings);
  return {
    ...run,
    close: async () => {
      await run.close();
      await ground.close();
    },
  };
}

/**
 * Opens what runner and wheel functions work with: stores are read beside the running master, and written through it. Where no master runs, the
 * stores are opened for writing.
 */
export async function openGround(opts: Opts, log: Log): Promise<RunGround> {
  const client = openLocalClient(opts);
  const store = await openBeside(opts);
  const cache = new MinionCache(store);
  const running = await client.connection().then(
    () => true,
    (e) => {
      if (e instanceof SaltError && e.code === 'SaltDaemonNotRunning') return false;
      throw e;
    },
  );
  const shared: Shared = {
    opts,
    log,
    client,
    running,
    keys: openKeys(opts),
    minions: running ? throughMaster(cache, client) : cache,
    jobs: jobCacheBeside(opts, log, store),
  };
  return {
    run: (settings) => runOn(shared, settings),
    close: async () => {
      await client.close();
      await store.close();
    },
  };
}

interface Shared extends Pick<RunnerCtx, 'opts' | 'log' | 'keys' | 'minions' | 'jobs'> {
  client: ControlledClient;
  running: boolean;
}

function runOn(shared: Shared, settings: RunSettings): OpenRun {
  const { opts, log, client, running, keys, minions, jobs } = shared;
  const pending = new Set<Promise<void>>();
  const ctx: RunnerCtx = {
    opts,
    log,
    client,
    keys,
    minions,
    jobs,
    jid: settings.jid,
    retcode: 0,
    progress: (data, outputter) => {
      settings.progress?.(data, outputter);
      const wire = toWire(data);
      const told = client.fire(
        tags.runProgress(settings.jid),
        isWireMap(wire) ? wire : { message: wire },
        `jid/${settings.jid}`,
      );
      pending.add(told.catch((e) => log.debug(`Progress was not told: ${messageOf(e)}`)));
    },
    print: (text) => (settings.print ?? ((t: string) => log.info(t)))(text),
    fire: (tag: string, data: WireMap) => client.fire(tag, data, `jid/${settings.jid}`),
    run: async (fun, args = [], kwargs = {}) => {
      const outcome = await callFunction('runner', fun, args, new PyDict(Object.entries(kwargs)), ctx);
      if (!outcome.success && outcome.retcode === 254)
        throw new SaltError('CommandNotFoundError', String(outcome.return));
      return outcome.return;
    },
    master: async (order, data = {}) => toPy(await client.order(order, data)),
  };
  return {
    ctx,
    client,
    running,
    close: async () => {
      await Promise.all(pending);
    },
  };
}

/** The master's keyed store, beside a running master for reading; an empty one where there never was a master. */
async function openBeside(opts: Opts): Promise<KeyedStore> {
  try {
    return await LmdbStore.open(join(opts.str('cachedir'), 'data'), { readOnly: true });
  } catch (e) {
    if (e instanceof SaltError && e.code === 'StoreFailed') return new MemoryKeyedStore();
    throw e;
  }
}

function jobCacheBeside(opts: Opts, log: Log, store: KeyedStore): RunnerCtx['jobs'] {
  const name = opts.str('ext_job_cache') || opts.str('master_job_cache', 'local_cache');
  const ctx = returnerCtx(opts, log, name);
  if (name === 'local_cache') ctx.context.set(STORE_SLOT, store);
  const cache: JobCache | undefined = loadReturner(name, ctx).jobCache;
  if (!cache) throw new SaltError('SaltConfigurationError', `Returner ${name} cannot be a job cache`);
  return { ...cache, ctx };
}

/** Reads answer from the file, writes go to the master, which alone writes it. */
function throughMaster(cache: MinionCache, client: ControlledClient): MinionData {
  return {
    ids: () => cache.ids(),
    grains: (id) => cache.grains(id),
    pillar: (id) => cache.pillar(id),
    mine: (id) => cache.mine(id),
    fetch: (bank, key) => cache.fetch(bank, key),
    list: (bank) => cache.list(bank),
    store: async (bank, key, value) => {
      await client.order('cache.store', { bank, key, value: toWire(value) });
    },
    flush: async (bank, key) =>
      (await client.order('cache.flush', key === undefined ? { bank } : { bank, key })) === true,
  };
}
