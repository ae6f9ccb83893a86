/** Documentation of functions. */
import { PyDict, toPy } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { docsOf } from '../run-docs.ts';
import type { RunnerModule } from './contract.ts';

export default {
  doc: 'Shows the documentation of runner, wheel and execution functions.',
  functions: {
    runner: fn(
      'runner()',
      'Documentation of all runner functions.\n\nCLI Example:\n\n    salt-run doc.runner',
      () => new PyDict(docsOf('runner')),
    ),
    wheel: fn(
      'wheel()',
      'Documentation of all wheel functions.\n\nCLI Example:\n\n    salt-run doc.wheel',
      () => new PyDict(docsOf('wheel')),
    ),
    execution: fn(
      'execution()',
      'Documentation of all execution functions that the minions know.\n\nCLI Example:\n\n    salt-run doc.execution',
      async (_a, ctx) => {
        const all = new PyDict();
        const job = { tgt: '*', fun: 'sys.doc', timeout: ctx.opts.num('timeout', 5) };
        for await (const ret of ctx.client.run(job)) {
          const docs = ret.lost === undefined ? toPy(ret.ret) : null;
          if (docs instanceof PyDict) for (const [k, v] of docs) all.set(k, v);
        }
        return all;
      },
    ),
  },
} satisfies RunnerModule;
