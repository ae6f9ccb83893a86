/** Which root certificates https requests are checked against. */
import { PyDict } from '../../bus/values.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: {
    /** `certifi` is the reference's word for the bundled Mozilla roots, which are Node's too; `os` for the system's. */
    ca_truststore: (ctx) => new PyDict([['ca_truststore', ctx.opts.flag('use_os_truststore') ? 'os' : 'certifi']]),
  },
  provides: { ca_truststore: ['ca_truststore'] },
} satisfies GrainsModule;
