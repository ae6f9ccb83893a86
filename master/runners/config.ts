/** The master's own configuration. */
import { fn } from '../../sls/signature.ts';
import { traverse } from '../../sls/traverse.ts';
import { str } from '../../sls/values.ts';
import type { RunnerModule } from './contract.ts';

export default {
  doc: 'Shows options of the master.',
  functions: {
    get: fn(
      "get(key, default='', delimiter=':')",
      'An option of the master, also inside of maps and lists (`file_roots:base:0`); the default where there is none.\n\nCLI Example:\n\n    salt-run config.get file_roots:base',
      (a, ctx) => traverse(ctx.opts.data, str(a['key']!), str(a['delimiter']!)) ?? a['default']!,
    ),
  },
} satisfies RunnerModule;
