/** Asks many minions the same and groups them by answer. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, toPy, toWire, type WireMap } from '../../bus/values.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { unifiedDiff } from '../unified-diff.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

interface Pool {
  ids: string[];
  result: Py;
}

/** Minions with equal answers together; the largest group first, or last with survey_sort=up. */
async function pools(a: Args, ctx: RunnerCtx): Promise<Pool[]> {
  const [tgt, fun, ...arg] = a['args'] as Py[];
  if (tgt === undefined || fun === undefined)
    throw new SaltError('SaltInvocationError', 'A target and a function are needed');
  const kwargs = cleanKwargs(a['kwargs'] as PyDict);
  const take = (name: string, fallback: Py): Py => {
    const v = kwargs.get(name) ?? fallback;
    kwargs.delete(name);
    return v;
  };
  const tgtType = str(take('tgt_type', 'glob'));
  const sort = str(take('survey_sort', 'down'));
  const kwarg = toWire(kwargs) as WireMap;
  const answers = await ctx.client.cmd(toWire(tgt), str(fun), arg, {
    tgtType,
    timeout: ctx.opts.num('timeout', 5),
    ...(Object.keys(kwarg).length ? { kwarg } : {}),
  });
  const groups = new Map<string, Pool>();
  for (const id of Object.keys(answers).sort()) {
    const result = toPy(answers[id]);
    const key = str(result);
    const group = groups.get(key) ?? { ids: [], result };
    group.ids.push(id);
    groups.set(key, group);
  }
  return [...groups.values()].sort((x, y) => (y.ids.length - x.ids.length) * (sort === 'up' ? -1 : 1));
}

const shown = (found: readonly Pool[]): Py[] =>
  found.map(
    (p) =>
      new PyDict<Py>([
        ['pool', p.ids],
        ['result', p.result],
      ]),
  );

async function diff(a: Args, ctx: RunnerCtx): Promise<Py> {
  const found = await pools(a, ctx);
  const first = found[0];
  for (const pool of found) {
    ctx.print('minion pool :\n------------');
    ctx.print(`[${pool.ids.map((id) => `'${id}'`).join(', ')}]`);
    ctx.print(`pool size :\n----------\n    ${pool.ids.length}`);
    if (pool === first) {
      ctx.print(`pool result :\n------------\n    ${str(pool.result)}\n`);
      continue;
    }
    const title = `differences from "${first?.ids[0]}" results :`;
    const text = unifiedDiff(str(first?.result ?? ''), str(pool.result), 'stable pool', 'unstable pool');
    ctx.print(`${title}\n${'-'.repeat(title.length - 1)}\n${text}`);
  }
  return truth(found.length) ? shown(found) : [];
}

export default {
  doc: 'Finds the minions that answer differently from the others.',
  functions: {
    hash: fn(
      'hash(*args, **kwargs)',
      "Calls a function on minions and groups them by what they answered. Further arguments: tgt_type, survey_sort=up.\n\nCLI Example:\n\n    salt-run survey.hash '*' cmd.run 'cat /etc/resolv.conf'",
      async (a, ctx) => shown(await pools(a, ctx)),
    ),
    diff: fn(
      'diff(*args, **kwargs)',
      "As hash, and prints how each group's answer differs from the first group's.\n\nCLI Example:\n\n    salt-run survey.diff survey_sort=up '*' cmd.run 'cat /etc/resolv.conf'",
      diff,
    ),
  },
} satisfies RunnerModule;
