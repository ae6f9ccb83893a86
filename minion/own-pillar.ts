/** Compiles a pillar in this process. Loaded by name, when first needed: templates and YAML come with it. */
import { join } from 'node:path';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { LocalFiles } from '../sls/files/client.ts';
import { Roots } from '../sls/files/roots.ts';
import { PillarCompiler } from '../sls/pillar.ts';
import { extPillars, onDemand } from '../sls/pillar-sources.ts';
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
  const dirs = [
    ...opts.list('module_dirs').map((d) => join(String(d), 'pillar')),
    join(extmodsDir(opts.str('cachedir')), 'pillar'),
  ];
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
    extPillar: extPillars(opts, place.log, dirs),
  }).compile();
}
