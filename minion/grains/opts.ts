/** The minion's options as a grain, where `grain_opts` asks for it. */
import { PyDict } from '../../bus/values.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: {
    opts: (ctx) => (ctx.opts.flag('grain_opts') ? new PyDict([['opts', ctx.opts.data]]) : new PyDict()),
  },
  provides: { opts: ['opts'] },
} satisfies GrainsModule;
