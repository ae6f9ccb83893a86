/** `--return NAME`: hands a job's return to the returners that the job or the configuration names. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJid, JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { isWireMap, type WireMap } from '../bus/values.ts';
import { encodeBus } from '../bus/wire/payload.ts';
import { type ReturnerFacts, ReturnerSpool } from './returner-spool.ts';

/** Names of the returners of a job: its own `ret`, then `return` of the configuration, each once. */
export function returnersOf(load: WireMap, opts: Opts): string[] {
  const own = typeof load['ret'] === 'string' ? load['ret'].split(',') : [];
  const configured = opts.list('return').flatMap((r) => String(r).split(','));
  return [...new Set([...own, ...configured].map((r) => r.trim()).filter(Boolean))];
}

/** Calls each returner of a job; none that is unknown or fails keeps the others from their turn, and what fails waits on disk. */
export async function runReturners(
  job: WireMap,
  ret: WireMap,
  opts: Opts,
  log: Log,
  facts: ReturnerFacts = {},
): Promise<void> {
  const names = returnersOf(job, opts);
  if (!names.length) return;
  const spool = new ReturnerSpool(opts, log, () => facts);
  for (const name of names)
    await spool.send({
      name,
      ret: { ...ret, id: opts.str('id') },
      ...(typeof job['ret_config'] === 'string' && job['ret_config'] !== '' ? { config: job['ret_config'] } : {}),
      ...(isWireMap(job['ret_kwargs']) ? { kwargs: job['ret_kwargs'] } : {}),
    });
  await spool.close();
}

/** Keeps a return for `saltutil.find_cached_job` (`cache_jobs`), under `cachedir/minion_jobs/<jid>`. */
export function cacheJob(opts: Opts, ret: WireMap): void {
  const jid = isJid(ret['jid']) ? ret['jid'] : new JidSource().next();
  const dir = join(opts.str('cachedir'), 'minion_jobs', jid);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'return.p'), encodeBus({ ...ret, jid }), { mode: 0o600 });
}
