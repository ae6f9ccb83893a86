/** Pillars as the master compiles them. */
import { type Py, PyDict, toPy } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import type { PillarTask } from '../compile-pillar.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

const text = (v: Py | undefined): string | null => (v === undefined || v === null ? null : str(v));

/** What a pillar is compiled for: a minion with the grains that the master has of it, other keywords laid over them. */
async function taskFor(minion: Py, kwargs: PyDict, ctx: RunnerCtx): Promise<PillarTask> {
  const id = minion === null ? ((await ctx.minions.ids())[0] ?? '*') : str(minion);
  const known = await ctx.minions.grains(id);
  const grains = known ? new PyDict(known) : new PyDict<Py>([['fqdn', id]]);
  for (const [k, v] of kwargs) if (k !== 'saltenv' && k !== 'pillarenv' && !str(k).startsWith('__')) grains.set(k, v);
  return {
    id,
    grains,
    saltenv: text(kwargs.get('saltenv')) ?? 'base',
    pillarenv: text(kwargs.get('pillarenv')),
    override: new PyDict(),
  };
}

async function showPillar(a: Args, ctx: RunnerCtx): Promise<Py> {
  const { pillarMaker } = await import('../compile-pillar.ts');
  return pillarMaker(ctx.opts, ctx.log)(await taskFor(a['minion'] as Py, a['kwargs'] as PyDict, ctx)).pillar;
}

async function showTop(a: Args, ctx: RunnerCtx): Promise<Py> {
  const { pillarTop } = await import('../compile-pillar.ts');
  const task = await taskFor(a['minion'] as Py, new PyDict([['saltenv', a['saltenv'] as Py]]), ctx);
  const { top, errors } = pillarTop(ctx.opts, ctx.log, task);
  if (!errors.length) return top;
  ctx.progress(errors, 'nested');
  return errors;
}

export default {
  doc: "Compiles minions' pillars on the master and shows them.",
  functions: {
    show_pillar: fn(
      "show_pillar(minion='*', **kwargs)",
      "The pillar of a minion, compiled now; without one, what every minion gets. saltenv and pillarenv choose environments, other keywords are laid over the minion's grains.\n\nCLI Example:\n\n    salt-run pillar.show_pillar web1\n    salt-run pillar.show_pillar os=Debian pillarenv=dev",
      showPillar,
    ),
    show_top: fn(
      "show_top(minion=None, saltenv='base')",
      'The pillar top data for a minion, by environment and target; without one, for the first that the master knows.\n\nCLI Example:\n\n    salt-run pillar.show_top web1',
      showTop,
    ),
    clear_pillar_cache: fn(
      "clear_pillar_cache(minion='*', **kwargs)",
      'Makes the running master forget the compiled pillars that it keeps.\n\nCLI Example:\n\n    salt-run pillar.clear_pillar_cache',
      async (_a, ctx) => toPy((await ctx.master('pillar.clear')) as never),
    ),
  },
} satisfies RunnerModule;
