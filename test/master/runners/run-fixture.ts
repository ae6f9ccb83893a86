import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { SaltError } from '../../../bus/errors.ts';
import { quietLog } from '../../../bus/log.ts';
import { Opts } from '../../../bus/opts.ts';
import { MemoryKeyedStore } from '../../../bus/store/memory.ts';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../../../bus/values.ts';
import type { JobRequest, MinionReturn } from '../../../master/client.ts';
import { PkiKeys } from '../../../master/keys.ts';
import { MinionCache } from '../../../master/minion-cache.ts';
import type { Outcome } from '../../../master/runner-call.ts';
import type { RunnerCtx, RunnerModule } from '../../../master/runners/contract.ts';
import localCache, { STORE_SLOT } from '../../../returners/local_cache.ts';
import { bind } from '../../../sls/bind.ts';

/** What a minion of the fixture answers to a job; undefined: nothing. */
export type Answer = (id: string, job: JobRequest) => Wire | undefined;

/** A run's context over real stores in a folder of its own, with stand-ins for the running master. */
export interface RunPlace {
  ctx: RunnerCtx;
  keys: PkiKeys;
  dir: string;
  fired: { tag: string; data: WireMap }[];
  orders: [string, WireMap][];
  printed: string[];
  progress: Py[];
  /** Keeps a job and its returns as the master would. */
  job(jid: string, load: WireMap, returns?: Record<string, WireMap>): Promise<void>;
  /** Calls a function of a module with positional and keyword arguments. */
  call(module: RunnerModule, fun: string, args?: Py[], kwargs?: Record<string, Py>): Promise<Py>;
}

const dirs: string[] = [];
after(() => {
  for (const d of dirs) rmSync(d, { recursive: true, force: true });
});

/** A place where no master runs, unless orders are answered. */
export function runPlace(
  settings: {
    opts?: Record<string, Py>;
    minions?: readonly string[];
    answer?: Answer;
    order?: (name: string, data: WireMap) => Wire;
    run?: (fun: string, args: readonly Py[], kwargs: Record<string, Py>) => Py | Outcome;
  } = {},
): RunPlace {
  const dir = mkdtempSync(join(tmpdir(), 'run-'));
  dirs.push(dir);
  for (const d of ['cache', 'pki', 'files', 'pillar', 'ext']) mkdirSync(join(dir, d));
  const opts = new Opts(
    new PyDict<Py>(
      Object.entries({
        cachedir: join(dir, 'cache'),
        pki_dir: join(dir, 'pki'),
        extension_modules: join(dir, 'ext'),
        conf_file: join(dir, 'master'),
        hash_type: 'sha256',
        timeout: 1,
        file_roots: new PyDict<Py>([['base', [join(dir, 'files')]]]),
        pillar_roots: new PyDict<Py>([['base', [join(dir, 'pillar')]]]),
        ...settings.opts,
      }),
    ),
  );
  const keys = new PkiKeys(join(dir, 'pki'));
  keys.prepare();
  for (const id of settings.minions ?? []) keys.put(id, 'minions', `KEY ${id}`);
  const store = new MemoryKeyedStore();
  const jobsCtx = { opts, log: quietLog, context: new Map<string, unknown>([[STORE_SLOT, store]]) };
  const place: Omit<RunPlace, 'ctx'> & { ctx?: RunnerCtx } = {
    keys,
    dir,
    fired: [],
    orders: [],
    printed: [],
    progress: [],
    async job(jid, load, returns = {}) {
      const minions = load['Minions'] as string[] | undefined;
      await localCache.jobCache.saveLoad(jid, { jid, ...load }, minions, jobsCtx);
      for (const [id, ret] of Object.entries(returns))
        await localCache.returner({ jid, id, fun: load['fun'] ?? 'x', ...ret }, jobsCtx);
    },
    async call(module, fun, args = [], kwargs = {}) {
      const found = module.functions[fun];
      if (!found) throw new Error(`no ${fun}`);
      return found.run(bind('', found.sig, args, kwargs), place.ctx as RunnerCtx);
    },
  };
  async function* run(
    job: JobRequest,
    options?: { onPublished?: (p: { jid: string; minions: string[]; missing: string[] }) => void },
  ): AsyncGenerator<MinionReturn> {
    const all = settings.minions ?? [];
    const wanted = Array.isArray(job.tgt) ? job.tgt.map(String) : [String(job.tgt)];
    const minions = all.filter((id) => wanted.includes('*') || wanted.includes(id));
    options?.onPublished?.({ jid: '20300101000000000000', minions, missing: [] });
    for (const id of minions) {
      const ret = settings.answer?.(id, job);
      const base = { id, retcode: 0, success: true, load: {} };
      if (ret === undefined) yield { ...base, ret: null, success: false, lost: 'no response' };
      else yield { ...base, ret };
    }
  }
  place.ctx = {
    opts,
    log: quietLog,
    client: {
      run,
      publish: async () => ({ jid: '20300101000000000000', minions: [], missing: [] }),
      async cmd(tgt, fun, arg = [], options = {}) {
        const out: WireMap = {};
        for await (const r of run({ ...options, tgt, fun, arg: arg as Wire[] }))
          if (r.lost === undefined) out[r.id] = r.ret;
        return out;
      },
      makeToken: async (eauth, username, password) =>
        password === 'right' ? { token: 'a'.repeat(64), name: username, eauth, start: 1, expire: 2 } : undefined,
      close: async () => undefined,
    },
    keys,
    minions: new MinionCache(store),
    jobs: { ...localCache.jobCache, ctx: jobsCtx },
    jid: '20300101000000000001',
    retcode: 0,
    progress: (data) => void place.progress.push(data),
    print: (text) => void place.printed.push(text),
    fire: async (tag, data) => void place.fired.push({ tag, data }),
    run: async (fun, args = [], kwargs = {}) => (settings.run?.(fun, args, kwargs) ?? null) as Py,
    master: async (name, data = {}) => {
      if (!settings.order) throw new SaltError('SaltDaemonNotRunning', 'No master runs here');
      place.orders.push([name, data]);
      return toPy(settings.order(name, data));
    },
  };
  return place as RunPlace;
}

/** A dict of the entries of an object, nested objects too. */
export function d(value: WireMap): PyDict {
  return toPy(value) as PyDict;
}
