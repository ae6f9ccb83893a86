/** Minions as the master sees them. */
import { fn } from '../../sls/signature.ts';
import { connectedMinions } from '../known-minions.ts';
import type { WheelModule } from './contract.ts';

export default {
  doc: 'Tells which minions are connected.',
  functions: {
    connected: fn(
      'connected()',
      'Ids of the minions that are connected to the master now.\n\nCLI Example:\n\n    salt-call saltutil.wheel minions.connected',
      async (_a, ctx) => [...(await connectedMinions(ctx)).keys()].sort(),
    ),
  },
} satisfies WheelModule;
