import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, PyTuple, toPy, toWire } from '../bus/values.ts';
import { decodeNetwork, encodeNetwork } from '../bus/wire/payload.ts';
import { fnmatch } from '../sls/fnmatch.ts';
import { pyRegex } from '../sls/regex.ts';
import { str } from '../sls/values.ts';
import { extmodsDir } from './extmods-dir.ts';
import type { GrainsCtx, GrainsModule } from './grains/contract.ts';
import { pythonGrains } from './python-grains.ts';

declare const __brine_dist: string;

/** What {@link loadGrains} takes besides. */
export interface GrainsRequest {
  /** Names of the grains wanted: work for others is left out where it can be. They may be answered too. */
  readonly only?: readonly string[];
  /** Finds everything anew, whatever `grains_cache` holds. */
  readonly refresh?: boolean;
  /** Modules by name, instead of the built-in and the synced ones. */
  readonly modules?: Readonly<Record<string, GrainsModule>>;
  /** Execution functions for operators' own modules; the grains found so far are what those see. */
  readonly salt?: (grains: PyDict) => GrainsCtx['salt'];
}

/** Lays one map over another; nested maps are joined where `grains_deep_merge` wants it. */
function lay(base: PyDict, over: PyDict, deep: boolean): void {
  for (const [k, v] of over) {
    const old = base.get(k);
    if (deep && old instanceof PyDict && v instanceof PyDict) lay(old, v, deep);
    else base.set(k, v);
  }
}

function files(folder: string): [name: string, path: string][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((n) => /\.(c?js|py)$/.test(n))
    .sort()
    .map((n) => [n.replace(/\.(c?js|py)$/, ''), join(folder, n)]);
}

/** Built-in modules and those synced from the master, the core first; one that can't be loaded is logged and left out. */
function installed(opts: Opts, log: Log): Record<string, GrainsModule> {
  const require = createRequire(join(__brine_dist, 'index.js'));
  const own = files(join(__brine_dist, 'minion', 'grains'));
  const synced = files(join(extmodsDir(opts.str('cachedir')), 'grains'));
  const found: Record<string, GrainsModule> = {};
  for (const [name, path] of [...own.filter(([n]) => n === 'core'), ...own.filter(([n]) => n !== 'core'), ...synced])
    try {
      const module = path.endsWith('.py') ? pythonGrains(path) : (require(path) as { default?: GrainsModule }).default;
      if (module?.functions) found[name] = module;
    } catch (e) {
      log.error(`The grains module ${path} cannot be loaded: ${messageOf(e)}`);
    }
  return found;
}

/** Whether a pattern of `grains_blacklist` (a glob or a regular expression over the whole name) names a grain. */
function blocked(grain: Py, patterns: readonly Py[], log: Log): boolean {
  return patterns.some((p) => {
    const pattern = str(p);
    if (fnmatch(str(grain), pattern)) return true;
    try {
      return pyRegex(pattern).fullmatch(str(grain)) !== null;
    } catch (e) {
      log.trace(`grains_blacklist: ${pattern} is no regular expression (${messageOf(e)})`);
      return false;
    }
  });
}

/** Puts back what a trip over the wire or a cache takes from grains: `osrelease_info` is a tuple. Changes and answers its argument. */
export function receivedGrains(grains: PyDict): PyDict {
  const info = grains.get('osrelease_info');
  if (Array.isArray(info) && !(info instanceof PyTuple)) grains.set('osrelease_info', PyTuple.from_(info as Py[]));
  return grains;
}

const cacheFile = (opts: Opts): string => join(opts.str('cachedir'), 'grains.cache.p');

function fromCache(opts: Opts, log: Log): PyDict | undefined {
  const path = cacheFile(opts);
  const age = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (age === undefined || Date.now() - age > opts.num('grains_cache_expiration', 300) * 1000) return undefined;
  if (opts.flag('refresh_grains_cache')) return undefined;
  try {
    const read = toPy(decodeNetwork(readFileSync(path)));
    return read instanceof PyDict && read.size ? receivedGrains(read) : undefined;
  } catch (e) {
    log.debug(`Grains cache was not readable and is made anew: ${messageOf(e)}`);
    return undefined;
  }
}

/**
 * This machine's grains: the core, other grains modules in order of name (the grains file among them), synced modules, then
 * `grains` of the configuration, later ones over earlier ones; nested maps are joined with `grains_deep_merge`. With
 * `grains_cache` a cache younger than `grains_cache_expiration` seconds is the answer. Starts a few programs and takes tens of
 * milliseconds unless `only` is given: not for a daemon's main thread. A module that fails is logged and left out.
 */
export function loadGrains(opts: Opts, log: Log, request: GrainsRequest = {}): PyDict {
  const cached = opts.flag('grains_cache') && !request.refresh ? fromCache(opts, log) : undefined;
  if (cached) return cached;
  if (opts.flag('skip_grains')) return new PyDict();
  const { only } = request;
  const wanted = only && ((grain: string): boolean => only.includes(grain));
  const deep = opts.flag('grains_deep_merge');
  const block = opts.list('grains_blacklist');
  const grains = new PyDict();
  const salt = request.salt?.(grains);
  const ctx: GrainsCtx = { opts, log, grains, ...(wanted ? { wanted } : {}), ...(salt ? { salt } : {}) };
  for (const [name, module] of Object.entries(request.modules ?? installed(opts, log)))
    for (const [fun, find] of Object.entries(module.functions)) {
      if (wanted && module.provides?.[fun] && !module.provides[fun].some(wanted)) continue;
      try {
        const got = find(ctx);
        for (const k of [...got.keys()]) if (blocked(k, block, log)) got.delete(k);
        lay(grains, got, deep);
      } catch (e) {
        log.critical(`Failed to load grains defined in grain file ${name} in function ${fun}, error: ${messageOf(e)}`);
      }
    }
  lay(grains, opts.dict('grains'), deep);
  if (opts.flag('grains_cache') && !wanted)
    try {
      writeFileSync(cacheFile(opts), encodeNetwork(toWire(grains)), { mode: 0o600 });
    } catch (e) {
      log.error(`Unable to write to grains cache file ${cacheFile(opts)}: ${messageOf(e)}`);
    }
  return grains;
}
