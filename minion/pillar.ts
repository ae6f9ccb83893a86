/** The pillar as a minion gets it, compiled here (`file_client: local`) or by its master; and when its values are shown. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toWire } from '../bus/values.ts';
import { truth } from '../sls/values.ts';
import { PLAIN_PILLAR as PLAIN } from './call.ts';
import type { CallTable, ModuleCtx } from './modules/contract.ts';
import type { OwnPillarPlace, PillarWish } from './own-pillar.ts';

declare const __brine_dist: string;

/** Whether this minion compiles its own pillar. */
export function compilesOwnPillar(opts: Opts): boolean {
  return opts.str('file_client') === 'local' && !opts.flag('use_master_when_local');
}

/** Compiles the pillar anew: by the master, or here. Throws SaltClientError where the master gives none. */
export function freshPillar(ctx: ModuleCtx, wish: PillarWish = {}): PyDict {
  const { opts } = ctx;
  const saltenv = wish.saltenv ?? opts.get('saltenv') ?? null;
  const pillarenv = wish.pillarenv ?? (opts.flag('pillarenv_from_saltenv') ? saltenv : (opts.get('pillarenv') ?? null));
  if (compilesOwnPillar(opts) || !ctx.master.available)
    return ownPillar(ctx, { ...wish, saltenv, pillarenv, previous: ctx.pillar }, (o, pillar) =>
      functionsOf(ctx, o, pillar),
    );
  const got = ctx.master.request('_pillar', {
    id: opts.str('id'),
    grains: toWire(ctx.grains),
    saltenv: toWire(saltenv),
    pillarenv: toWire(pillarenv),
    pillar_override: toWire(wish.override ?? new PyDict()),
    extra_minion_data: {},
    ver: '2',
    ...(wish.ext === undefined ? {} : { ext: toWire(wish.ext) }),
  });
  if (!(got instanceof PyDict)) throw new SaltError('SaltClientError', 'Got a bad pillar from the master');
  return got;
}

function functionsOf(ctx: ModuleCtx, opts: Opts, pillar: PyDict): PlainCalls {
  const inner = ctx.derive?.({ opts, pillar }) ?? ctx;
  return plainPillar(inner.salt, inner.context);
}

/** Compiles the pillar from this machine's `pillar_roots`; the compiler is loaded for it. `functions` makes what its templates may call. */
export function ownPillar(
  place: OwnPillarPlace,
  wish: PillarWish,
  functions: (opts: Opts, pillar: PyDict) => PlainCalls,
): PyDict {
  const path = join(__brine_dist, 'minion', 'own-pillar.js');
  const { compileOwn } = createRequire(path)(path) as typeof import('./own-pillar.ts');
  return compileOwn(place, wish, functions);
}

/** Functions as templates call them. */
export interface PlainCalls {
  has(name: string): boolean;
  call(name: string, args?: readonly Py[], kwargs?: PyDict): Py;
  names(): string[];
}

/** What stands for a value that is not shown. */
const MASK = '**********';

/** A table whose functions see and give pillar values as they are: what templates call. Elsewhere they are masked. */
export function plainPillar(calls: CallTable, context: PyDict): PlainCalls {
  return {
    has: (name) => calls.has(name),
    names: () => calls.names(),
    call: (name, args = [], kwargs) => {
      const before = context.get(PLAIN);
      context.set(PLAIN, true);
      try {
        return calls.call(name, args, kwargs);
      } finally {
        if (before === undefined) context.delete(PLAIN);
        else context.set(PLAIN, before);
      }
    },
  };
}

/** Whether pillar values are shown where a function was called from: in templates they are. */
export function showsPillar(ctx: ModuleCtx): boolean {
  return truth(ctx.context.get(PLAIN) ?? false);
}

/** A value as an operator may see it: every text, number and true in it is masked; nothing else is. */
export function maskPillar(v: Py): Py {
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]): [Py, Py] => [k, maskPillar(x)]));
  if (Array.isArray(v)) return v.map((x) => maskPillar(x as Py));
  if (v instanceof Uint8Array) return v.length ? Buffer.from(MASK) : v;
  return truth(v) && (typeof v !== 'object' || v === null || 'v' in v) ? MASK : v;
}
