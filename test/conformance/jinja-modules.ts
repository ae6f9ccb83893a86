/** The execution modules of this build as the `salt` of recorded templates: those of the recorded machine, without a master. */
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { Calls, Modules, noMaster } from '../../minion/call.ts';
import { defaultOptions } from '../../sls/config-defaults.ts';
import type { CallSource } from '../../sls/render/jinja.ts';
import type { JinjaMachine } from './jinja.ts';

/** The table of functions for one template. */
export function realModules(machine: JinjaMachine): CallSource {
  const opts = new Opts(
    new PyDict<Py>([...defaultOptions('minion', 'root', '/root'), ...machine.opts, ['grains', machine.grains]]),
  );
  return new Calls(
    new Modules(opts, quietLog),
    {
      opts,
      log: quietLog,
      grains: () => machine.grains,
      pillar: () => machine.pillar,
      master: noMaster,
      fireLocal: () => false,
      daemon: () => null,
    },
    undefined,
  );
}
