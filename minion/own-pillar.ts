/** Compiles a pillar in this process. Loaded by name, when first needed: templates and YAML come with it. */
import { join } from 'node:path';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { LocalFiles } from '../sls/files/client.ts';
import { Roots } from '../sls/files/roots.ts';
import { PluginFolder } from '../sls/loader.ts';
import { type ExtPillar, PillarCompiler } from '../sls/pillar.ts';
import type { CallSource } from '../sls/render/jinja.ts';
import { extmodsDir } from './extmods-dir.ts';

/** Which pillar is wanted; what is left out is as the options say. */
export interface PillarWish {
  readonly saltenv?: Py;
  readonly pillarenv?: Py;
  readonly override?: PyDict;
  /** The pillar in use until now, where a new one is laid over it. */
  readonly previous?: PyDict;
  /** One more external source for this time (`pillar.ext`). */
  readonly ext?: Py;
}

/** What compiling here takes of a process. */
export interface OwnPillarPlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly grains: PyDict;
}

/** Compiles the pillar from this machine's `pillar_roots`. `functions` makes what its templates may call. */
export function compileOwn(
  place: OwnPillarPlace,
  wish: PillarWish,
  functions: (opts: Opts, pillar: PyDict) => CallSource,
): PyDict {
  const text = (v: Py | undefined): string | null => (typeof v === 'string' ? v : null);
  const opts = wish.ext === undefined ? place.opts : onDemand(place.opts, wish.ext, place.log);
  const sources = extPillars(opts, place.log);
  return new PillarCompiler({
    opts,
    log: place.log,
    id: opts.str('id'),
    grains: place.grains,
    saltenv: text(wish.saltenv ?? null),
    pillarenv: text(wish.pillarenv ?? null),
    override: wish.override ?? new PyDict(),
    ...(wish.previous ? { previous: wish.previous } : {}),
    files: (o) => new LocalFiles(new Roots(o, 'pillar_roots')),
    functions,
    extPillar: sources,
  }).compile();
}

/** The options with one more external source, if `on_demand_ext_pillar` allows it; else as they are, with a line in the log. */
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

interface ExtPillarModule {
  extPillar(id: string, pillar: PyDict, args: readonly Py[], kwargs: PyDict, ctx: { opts: Opts; log: Log }): Py;
}

const isSource = (v: unknown): v is ExtPillarModule =>
  typeof v === 'object' && v !== null && typeof (v as { extPillar?: unknown }).extPillar === 'function';

/** External sources by name: our own, and operators' before them. */
export function extPillars(opts: Opts, log: Log): (name: string) => ExtPillar | undefined {
  let folder: PluginFolder<ExtPillarModule> | undefined;
  return (name) => {
    folder ??= new PluginFolder<ExtPillarModule>({
      folder: 'master/pillars',
      dirs: [
        ...opts.list('module_dirs').map((d) => join(String(d), 'pillar')),
        join(extmodsDir(opts.str('cachedir')), 'pillar'),
      ],
      accepts: isSource,
      log,
    });
    const found = folder.get(name);
    return found && ((id, pillar, args, kwargs) => found.extPillar(id, pillar, args, kwargs, { opts, log }));
  };
}
