/** Events of a run while it goes. */
import { messageOf } from '../../bus/errors.ts';
import { tags } from '../../bus/tags.ts';
import { type Py, PyDict, toPy, toWire, type WireMap } from '../../bus/values.ts';
import { isStr, str, truth } from '../../sls/values.ts';
import type { ModuleCtx } from '../modules/contract.ts';

/** Tells the master how far the run is (`state_events`), or that a chunk which asks for it is done (`fire_event`). */
export function tellProgress(ret: PyDict, length: number, fire: Py, jid: string, ctx: ModuleCtx): void {
  const { opts } = ctx;
  if (opts.flag('local') || !(opts.flag('state_events') || truth(fire)) || !ctx.master.available) return;
  const data: WireMap = { ret: toWire(ret) };
  let tag: string;
  if (fire === true) tag = tags.stateResult(jid, opts.str('id'), str(ret.get('name') ?? null));
  else if (isStr(fire)) tag = tags.stateResult(jid, opts.str('id'), str(fire));
  else {
    tag = tags.jobProgress(jid, opts.str('id'), str(ret.get('__run_num__') ?? 0));
    data['len'] = length;
  }
  try {
    ctx.salt.call('event.fire_master', [toPy(data), tag], { preload: new PyDict([['jid', jid]]) });
  } catch (e) {
    ctx.log.error(`The event ${tag} was not fired: ${messageOf(e)}`);
  }
}
