/** Operators' own modules for the master. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { syncModules } from '../sync-modules.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

/** The kinds of modules: the function's name after `sync_`, the folder's name after `_`, and the name in sync_all's answer. */
const KINDS: readonly (readonly [name: string, folder: string, shown: string])[] = [
  ['clouds', 'clouds', 'clouds'],
  ['modules', 'modules', 'modules'],
  ['states', 'states', 'states'],
  ['grains', 'grains', 'grains'],
  ['renderers', 'renderers', 'renderers'],
  ['returners', 'returners', 'returners'],
  ['output', 'output', 'output'],
  ['proxymodules', 'proxy', 'proxymodules'],
  ['runners', 'runners', 'runners'],
  ['wheel', 'wheel', 'wheel'],
  ['engines', 'engines', 'engines'],
  ['thorium', 'thorium', 'thorium'],
  ['queues', 'queues', 'queues'],
  ['pillar', 'pillar', 'pillar'],
  ['utils', 'utils', 'utils'],
  ['sdb', 'sdb', 'sdb'],
  ['cache', 'cache', 'cache'],
  ['fileserver', 'fileserver', 'fileserver'],
  ['tops', 'tops', 'tops'],
  ['eauth_tokens', 'tokens', 'tokens'],
  ['serializers', 'serializers', 'serializers'],
  ['executors', 'executors', 'executors'],
  ['wrapper', 'wrapper', 'wrapper'],
  ['roster', 'roster', 'roster'],
];

const PARAMETERS = "(saltenv='base', extmod_whitelist=None, extmod_blacklist=None)";

function sync(folder: string, a: Args, ctx: RunnerCtx): Py {
  const order = { saltenv: a['saltenv']!, whitelist: a['extmod_whitelist']!, blacklist: a['extmod_blacklist']! };
  return syncModules(ctx.opts, folder, order, ctx.log);
}

export default {
  doc: "Copies operators' own modules from the file server to the master.",
  functions: {
    sync_all: fn(
      `sync_all${PARAMETERS}`,
      'Copies modules of all kinds from the file server to the master; answers what is new, by kind.\n\nCLI Example:\n\n    salt-run saltutil.sync_all',
      (a, ctx) => new PyDict<Py>(KINDS.map(([, folder, shown]) => [shown, sync(folder, a, ctx)])),
    ),
    ...Object.fromEntries(
      KINDS.map(([name, folder]) => [
        `sync_${name}`,
        fn<RunnerCtx>(
          `sync_${name}${PARAMETERS}`,
          `Copies modules from salt://_${folder} to the master; answers what is new.\n\nCLI Example:\n\n    salt-run saltutil.sync_${name}`,
          (a, ctx) => sync(folder, a, ctx),
        ),
      ]),
    ),
  },
} satisfies RunnerModule;
