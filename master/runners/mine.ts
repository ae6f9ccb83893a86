/** The mine, from the master's side. */
import { type Py, PyDict } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { truth } from '../../sls/values.ts';
import { targeted } from '../known-minions.ts';
import type { RunnerModule } from './contract.ts';

/** A kept value: with a list of readers it lies one level deeper. */
function shownValue(kept: Py): Py {
  const guarded = kept instanceof PyDict && kept.has('__saltmine_acl__');
  return guarded ? (kept.get('__data__') ?? null) : kept;
}

export default {
  doc: 'Reads and refreshes what minions publish for each other.',
  functions: {
    get: fn(
      "get(tgt, fun, tgt_type='glob')",
      "Mine values of the targeted minions: of one function by minion, of several (a list or commas) by function and minion.\n\nCLI Example:\n\n    salt-run mine.get '*' network.ip_addrs",
      (a, ctx) => {
        const fun = a['fun']!;
        const several = Array.isArray(fun) || String(fun).includes(',');
        const names = Array.isArray(fun) ? fun.map(String) : String(fun).split(',');
        const answer = new PyDict();
        for (const id of targeted(ctx, a['tgt']!, a['tgt_type']!))
          for (const name of names) {
            const kept = ctx.minions.mine(id)?.get(name);
            if (kept === undefined) continue;
            const by = several ? ((answer.get(name) as PyDict | undefined) ?? new PyDict()) : answer;
            by.set(id, shownValue(kept));
            if (several) answer.set(name, by);
          }
        return answer;
      },
    ),
    update: fn(
      "update(tgt, tgt_type='glob', clear=False, mine_functions=None)",
      "Has the targeted minions publish anew: all, or only mine_functions.\n\nCLI Example:\n\n    salt-run mine.update 'web*'",
      (a, ctx) =>
        ctx.run('salt.execute', [a['tgt']!, 'mine.update'], {
          tgt_type: a['tgt_type']!,
          kwarg: new PyDict<Py>([
            ['clear', truth(a['clear']!)],
            ['mine_functions', a['mine_functions']!],
          ]),
        }),
    ),
  },
} satisfies RunnerModule;
