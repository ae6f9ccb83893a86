/** The files under `pillar_roots`. */
import { fn } from '../../sls/signature.ts';
import { findInRoots, listAllRoots, listRootsOf, readInRoots, writeInRoots } from '../roots-files.ts';
import type { WheelModule } from './contract.ts';

const KEY = 'pillar_roots';

export default {
  doc: 'Reads and writes files under pillar_roots; never outside of them.',
  functions: {
    find: fn(
      "find(path, saltenv='base')",
      'Where a path lies in the folders of an environment, each with txt or bin.\n\nCLI Example:\n\n    salt-call saltutil.wheel pillar_roots.find top.sls',
      (a, ctx) => findInRoots(ctx.opts, KEY, a['path']!, a['saltenv']!),
    ),
    list_env: fn(
      "list_env(saltenv='base')",
      'Everything in the folders of an environment.\n\nCLI Example:\n\n    salt-call saltutil.wheel pillar_roots.list_env',
      (a, ctx) => listRootsOf(ctx.opts, KEY, a['saltenv']!),
    ),
    list_roots: fn(
      'list_roots()',
      'Everything in the folders of all environments.\n\nCLI Example:\n\n    salt-call saltutil.wheel pillar_roots.list_roots',
      (_a, ctx) => listAllRoots(ctx.opts, KEY),
    ),
    read: fn(
      "read(path, saltenv='base')",
      'The text of a file; of each where several folders have it. Files that are no text are left out.\n\nCLI Example:\n\n    salt-call saltutil.wheel pillar_roots.read top.sls',
      (a, ctx) => readInRoots(ctx.opts, KEY, a['path']!, a['saltenv']!),
    ),
    write: fn(
      "write(data, path, saltenv='base', index=0)",
      'Writes a file in the first folder of an environment, or in that of the index.\n\nCLI Example:\n\n    salt-call saltutil.wheel pillar_roots.write "{}" empty.sls',
      (a, ctx) => writeInRoots(ctx.opts, KEY, a['data']!, a['path']!, a['saltenv']!, a['index']!),
    ),
  },
} satisfies WheelModule;
