import { toPy, type WireMap } from '../bus/values.ts';
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
