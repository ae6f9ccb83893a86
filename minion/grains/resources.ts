/** Resources this minion answers for. */
import { PyDict } from '../../bus/values.ts';
import { truth } from '../../sls/values.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: {
    resources: (ctx) => {
      const managed = ctx.opts.get('resources') ?? null;
      return truth(managed) ? new PyDict([['salt_resources', managed]]) : new PyDict();
    },
  },
  provides: { resources: ['salt_resources'] },
} satisfies GrainsModule;
