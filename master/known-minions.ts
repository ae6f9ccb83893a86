import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { checkMinions } from '../sls/match/expected.ts';
import type { RunnerCtx } from './runners/contract.ts';

/** Ids with an accepted key that a target means, by what the master has cached of them; a missing target means all. */
export function targeted(ctx: RunnerCtx, tgt: Py, tgtType: Py = 'glob', greedy = true): string[] {
  const accepted = ctx.keys.list().minions;
  if (tgt === null) return accepted;
  const known = accepted.map((id) => ({
    id,
    get grains() {
      return ctx.minions.grains(id);
    },
    get pillar() {
      return ctx.minions.pillar(id);
    },
  }));
  return checkMinions(String(tgtType), tgt, known, {
    greedy,
    nodegroups: ctx.opts.dict('nodegroups'),
    onError: (m) => ctx.log.error(m),
  }).minions;
}

/** Ids connected now and their addresses; none where no master runs. */
export async function connectedMinions(ctx: RunnerCtx): Promise<PyDict> {
  try {
    const found = await ctx.master('minions.connected');
    return found instanceof PyDict ? found : new PyDict();
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltDaemonNotRunning') return new PyDict();
    throw e;
  }
}
