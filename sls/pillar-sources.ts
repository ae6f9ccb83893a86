/** External sources of pillar (`ext_pillar`): plug-ins by name, and which of them a caller may add for once. */
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { PluginFolder } from './loader.ts';
import type { ExtPillar } from './pillar.ts';

/** What a source is told besides its arguments. */
export interface ExtPillarCtx {
  readonly opts: Opts;
  readonly log: Log;
}

/** One source; a plug-in exports it as default. Synchronous: pillars are compiled in job processes, which may block. */
export interface ExtPillarModule {
  readonly doc?: string;
  /**
   * The data for a minion, over what there is so far; an empty dict or null for none. A configuration that is a list comes as `args`, a
   * dict as `kwargs`, all else as the only one of `args`. A throw becomes an error of the pillar.
   */
  extPillar(id: string, pillar: PyDict, args: readonly Py[], kwargs: PyDict, ctx: ExtPillarCtx): Py;
}

const isSource = (v: unknown): v is ExtPillarModule =>
  typeof v === 'object' && v !== null && typeof (v as { extPillar?: unknown }).extPillar === 'function';

/** Sources by name: those of operators' folders, best first, then our own. Each is loaded when first asked for. */
export function extPillars(opts: Opts, log: Log, dirs: readonly string[]): (name: string) => ExtPillar | undefined {
  let folder: PluginFolder<ExtPillarModule> | undefined;
  return (name) => {
    folder ??= new PluginFolder<ExtPillarModule>({ folder: 'master/pillars', dirs, accepts: isSource, log });
    const found = folder.get(name);
    return found && ((id, pillar, args, kwargs) => found.extPillar(id, pillar, args, kwargs, { opts, log }));
  };
}

/** The options with one more source, if `on_demand_ext_pillar` allows it; else as they are, with a line in the log. */
export function onDemand(opts: Opts, ext: Py, log: Log): Opts {
  if (!(ext instanceof PyDict)) {
    log.error(`On-demand pillar ${String(ext)} is not formatted as a dictionary`);
    return opts;
  }
  const allowed = opts.list('on_demand_ext_pillar').map(String);
  const refused = [...ext.keys()].map(String).filter((name) => !allowed.includes(name));
  if (!refused.length) return opts.with({ ext_pillar: [...opts.list('ext_pillar'), ext] });
  log.error(
    `The following ext_pillar modules are not allowed for on-demand pillar data: ${refused.sort().join(', ')}. Valid on-demand ext_pillar modules are: ${allowed.join(', ')}. The valid modules can be adjusted by setting the 'on_demand_ext_pillar' config option.`,
  );
  return opts;
}
