/** `--return NAME`: hands a job's return to the returners that the job or the configuration names. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import { isJid, JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { WireMap } from '../bus/values.ts';
import { encodeBus } from '../bus/wire/payload.ts';
import type { Returner } from '../returners/contract.ts';

declare const __brine_dist: string;

/** Names of the returners of a job: its own `ret`, then `return` of the configuration, each once. */
export function returnersOf(load: WireMap, opts: Opts): string[] {
  const own = typeof load['ret'] === 'string' ? load['ret'].split(',') : [];
  const configured = opts.list('return').flatMap((r) => String(r).split(','));
  return [...new Set([...own, ...configured].map((r) => r.trim()).filter(Boolean))];
}

function load(name: string): Returner | undefined {
  // A name comes from the job: it is a module's name, never a path.
  if (!/^[A-Za-z_]\w*$/.test(name)) return undefined;
  const path = join(__brine_dist, 'returners', `${name}.js`);
  if (!existsSync(path)) return undefined;
  return (createRequire(path)(path) as { default?: Returner }).default;
}

/** Calls each returner of a job; none that is unknown or fails keeps the others from their turn. */
export async function runReturners(job: WireMap, ret: WireMap, opts: Opts, log: Log): Promise<void> {
  for (const name of returnersOf(job, opts))
    try {
      const returner = load(name);
      if (!returner) {
        log.error(`Returner ${name}.returner could not be loaded: '${name}.returner' is not available.`);
        continue;
      }
      const ctx = {
        opts,
        log,
        context: new Map<string, unknown>(),
        ...(typeof job['ret_config'] === 'string' ? { retConfig: job['ret_config'] } : {}),
        ...(typeof job['ret_kwargs'] === 'object' && job['ret_kwargs'] !== null
          ? { retKwargs: job['ret_kwargs'] as WireMap }
          : {}),
      };
      const virtual = returner.virtual?.(ctx) ?? true;
      if (typeof virtual === 'object') {
        log.error(`Returner ${name}.returner could not be loaded: ${virtual.reason}`);
        continue;
      }
      await returner.returner({ ...ret, id: opts.str('id') }, ctx);
    } catch (e) {
      log.error(`The return failed for job ${String(job['jid'])}: ${messageOf(e)}`);
    }
}

/** Keeps a return for `saltutil.find_cached_job` (`cache_jobs`), under `cachedir/minion_jobs/<jid>`. */
export function cacheJob(opts: Opts, ret: WireMap): void {
  const jid = isJid(ret['jid']) ? ret['jid'] : new JidSource().next();
  const dir = join(opts.str('cachedir'), 'minion_jobs', jid);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'return.p'), encodeBus({ ...ret, jid }), { mode: 0o600 });
}
