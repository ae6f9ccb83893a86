/** Events from the master's side. */
import { SaltError } from '../../bus/errors.ts';
import { stamp } from '../../bus/jid.ts';
import { isWireMap, PyDict, toWire } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { truth } from '../../sls/values.ts';
import type { RunnerModule } from './contract.ts';

export default {
  doc: "Fires events on the master's bus.",
  functions: {
    send: fn(
      'send(tag, data=None)',
      'Fires an event with this tag and data, as they are. True once it is safe.\n\nCLI Example:\n\n    salt-run event.send site/deployed \'{"version": "1.4"}\'',
      async (a, ctx) => {
        const given = truth(a['data']!) ? a['data']! : new PyDict();
        const data = toWire(given);
        if (!isWireMap(data)) throw new SaltError('ValueError', `Dict object expected, not '${String(given)}'.`);
        await ctx.fire(String(a['tag']), data);
        // The reference stamps the map it was handed, and so its run's `ret` event shows the stamp among the arguments.
        if (given instanceof PyDict && given.size) given.set('_stamp', stamp());
        return true;
      },
    ),
  },
} satisfies RunnerModule;
