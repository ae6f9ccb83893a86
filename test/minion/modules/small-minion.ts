/** A real, small minion for tests of execution modules: real modules behind real argument binding, no daemon and no master. */
import { SaltError } from '../../../bus/errors.ts';
import { LEVELS, Log } from '../../../bus/log.ts';
import { Opts } from '../../../bus/opts.ts';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../../../bus/values.ts';
import type { CallTable, ExecutionModule, ModuleCtx } from '../../../minion/modules/contract.ts';
import { argspec, bind } from '../../../sls/bind.ts';
import type { Fn } from '../../../sls/signature.ts';

export interface SmallMinion {
  readonly ctx: ModuleCtx;
  /** Calls `module.function` with positional and keyword arguments in wire form. */
  call(name: string, args?: Wire[], kwargs?: WireMap): Py;
  /** Log lines so far, `level: text`. */
  readonly lines: string[];
}

export interface Setting {
  readonly opts?: WireMap;
  readonly grains?: WireMap;
  readonly pillar?: WireMap;
  /** Answers requests to the master, by wire command and load; absent: no master. */
  readonly master?: (cmd: string, load: WireMap) => Py;
}

export function smallMinion(modules: Record<string, ExecutionModule>, setting: Setting = {}): SmallMinion {
  const lines: string[] = [];
  const find = (name: string): Fn<ModuleCtx> | undefined => {
    const [module = '', fun = ''] = name.split('.');
    const m = modules[module];
    const alias = Object.entries(m?.aliases ?? {}).find(([, to]) => to === fun)?.[0];
    return m?.functions[alias ?? fun];
  };
  const call = (name: string, args: readonly Py[] = [], kwargs: PyDict | Record<string, Py> = {}): Py | Promise<Py> => {
    const f = find(name);
    if (!f) throw new SaltError('KeyError', `'${name}'`);
    return f.run(bind('', f.sig, args, kwargs), ctx);
  };
  const salt: CallTable = {
    has: (name) => find(name) !== undefined,
    call: (name, args, kwargs) => {
      const r = call(name, args, kwargs);
      if (r instanceof Promise) throw new Error(`${name} answers a promise`);
      return r;
    },
    callAsync: async (name, args, kwargs) => await call(name, args, kwargs),
    names: () =>
      Object.entries(modules)
        .flatMap(([m, e]) => Object.keys(e.functions).map((f) => `${m}.${f}`))
        .sort(),
    argspec: (name) => {
      const f = find(name);
      return f && argspec(f.sig);
    },
    doc: (name) => find(name)?.doc,
    unavailable: () => undefined,
  };
  const ctx: ModuleCtx = {
    opts: new Opts(toPy({ id: 'm1', ...setting.opts } as Wire) as PyDict),
    grains: toPy((setting.grains ?? {}) as Wire) as PyDict,
    pillar: toPy((setting.pillar ?? {}) as Wire) as PyDict,
    salt,
    log: new Log('test', (r) => lines.push(`${r.level}: ${r.message}`), LEVELS.debug),
    master: {
      available: setting.master !== undefined,
      request: (cmd, load) => {
        if (!setting.master) throw new SaltError('SaltClientError', 'no master');
        return setting.master(cmd, load);
      },
    },
    job: undefined,
    context: new PyDict(),
    fireLocal: () => false,
    daemon: () => null,
  };
  return {
    ctx,
    lines,
    call: (name, args = [], kwargs = {}) =>
      salt.call(
        name,
        args.map((x) => toPy(x)),
        toPy(kwargs as Wire) as PyDict,
      ),
  };
}
