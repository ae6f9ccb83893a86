/** Pauses of a run, which other jobs ask for (`state.pause`, `state.soft_kill`). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict, toPy } from '../../bus/values.ts';
import { decodeBus } from '../../bus/wire/payload.ts';
import { sleepSync } from '../clock.ts';
import type { ModuleCtx } from '../modules/contract.ts';

/** Waits while the run is paused at this chunk; tells whether it is to be ended. */
export function pausedAt(low: PyDict, jid: string | undefined, ctx: ModuleCtx): 'run' | 'kill' {
  if (!jid) return 'run';
  const path = join(ctx.opts.str('cachedir'), 'state_pause', jid);
  const began = Date.now();
  for (;;) {
    let data: Py;
    try {
      data = toPy(decodeBus(readFileSync(path)));
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT')
        ctx.log.error(`Failed to read in pause data for file located at: ${path}`);
      return 'run';
    }
    if (!(data instanceof PyDict)) return 'run';
    const own = data.get(low.get('__id__') ?? null) ?? data.get('__all__');
    if (!(own instanceof PyDict)) return 'run';
    if (own.has('duration') && Date.now() - began > Number(own.get('duration')) * 1000) return 'run';
    if (own.has('kill')) return 'kill';
    sleepSync(1000);
  }
}
