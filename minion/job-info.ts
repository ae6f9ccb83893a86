import { toPy, type Wire, type WireMap } from '../bus/values.ts';
import type { JobInfo } from './modules/contract.ts';

/** What functions may know of the job they run in. */
export function jobInfo(load: WireMap): JobInfo {
  const text = (k: string): string => (typeof load[k] === 'string' ? load[k] : '');
  return {
    jid: text('jid'),
    fun: text('fun'),
    user: text('user'),
    tgt: toPy(load['tgt']),
    tgtType: text('tgt_type'),
    ret: text('ret'),
    cause: text('jid') ? `jid/${text('jid')}` : null,
  };
}

/** The load as a job sees it: without the serial, with what 3008 says about resources. */
export function forJob(load: WireMap): WireMap {
  const { serial: _, ...rest } = load;
  return { ...rest, resource_targets: [], pure_resource_target: false, minion_is_target: true };
}

/** What a job's begin is told with (`start_event`). */
export function startOf(load: WireMap, id: string): WireMap {
  const data: WireMap = { id };
  for (const key of ['jid', 'fun', 'tgt', 'tgt_type', 'user']) data[key] = load[key] ?? null;
  for (const key of ['master_id', 'metadata']) if (load[key]) data[key] = load[key] as Wire;
  return data;
}
