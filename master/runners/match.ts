/** Targets, asked from the master's side. */
import { type Py, PyDict } from '../../bus/values.ts';
import { isMinionId } from '../../bus/wire/minion-id.ts';
import { fn } from '../../sls/signature.ts';
import { targeted } from '../known-minions.ts';
import type { RunnerModule } from './contract.ts';

export default {
  doc: 'Tells whether a target means a minion.',
  functions: {
    compound_matches: fn(
      'compound_matches(expr, minion_id)',
      "`res` is the minion's id when the compound target surely means it, by what is cached of it, else False. Pillar counts by exact value only.\n\nCLI Example:\n\n    salt-run match.compound_matches 'G@os:Debian and not db*' web1",
      (a, ctx) => {
        const id = a['minion_id']!;
        const sure =
          ctx.opts.flag('minion_data_cache', true) &&
          isMinionId(id) &&
          targeted(ctx, a['expr']!, 'compound_pillar_exact', false).includes(id);
        return new PyDict<Py>([['res', sure ? id : false]]);
      },
    ),
  },
} satisfies RunnerModule;
