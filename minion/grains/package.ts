/** How the minion was installed. */
import { type Py, PyDict } from '../../bus/values.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: { package: () => new PyDict<Py>([['package', null]]) },
  provides: { package: ['package'] },
} satisfies GrainsModule;
