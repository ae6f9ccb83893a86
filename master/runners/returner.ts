/** Returners: the tables they need, and how those that the master uses fare. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import type { Returner, ReturnerCtx } from '../../returners/contract.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { loadReturner, returnerCtx } from '../returners.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

function open(a: Args, ctx: RunnerCtx): { name: string; returner: Returner; own: ReturnerCtx } {
  const name = String(a['name']);
  const profile = a['return_config'];
  const own = {
    ...returnerCtx(ctx.opts, ctx.log, name),
    ...(typeof profile === 'string' && profile !== '' ? { retConfig: profile } : {}),
  };
  try {
    return { name, returner: loadReturner(name, own), own };
  } catch (e) {
    throw new SaltError('SaltInvocationError', `Returner ${name} could not be loaded`, {}, { cause: e });
  }
}

function noTables(name: string): never {
  throw new SaltError('SaltInvocationError', `Returner ${name} needs no tables`);
}

export default {
  doc: 'Prepares the stores of returners and shows how they fare.',
  functions: {
    schema: fn(
      'schema(name, return_config=None)',
      'Prints the statements that create the tables of a returner.\n\nCLI Example:\n\n    salt-run returner.schema mysql\n    salt-run returner.schema postgres',
      (a, ctx) => {
        const { name, returner } = open(a, ctx);
        const statements = returner.schema?.() ?? noTables(name);
        return statements.map((s) => `${s};`).join('\n');
      },
    ),
    create: fn(
      'create(name, return_config=None)',
      'Creates the tables of a returner where its options point; tables that exist stay as they are. Answers how many statements were run.\n\nCLI Example:\n\n    salt-run returner.create mysql\n    salt-run returner.create postgres return_config=alternative',
      async (a, ctx) => {
        const { name, returner, own } = open(a, ctx);
        if (!returner.createTables) noTables(name);
        try {
          const run = await returner.createTables(own);
          return new PyDict<Py>([
            ['returner', name],
            ['statements', run.length],
          ]);
        } finally {
          await returner.close?.(own);
        }
      },
    ),
    status: fn(
      'status()',
      'How the returners of the running master fare: whether their store answers, what waits for it, and its last error.\n\nCLI Example:\n\n    salt-run returner.status',
      (_a, ctx) => ctx.master('returner.status'),
    ),
  },
} satisfies RunnerModule;
