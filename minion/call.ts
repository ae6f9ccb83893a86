/** Builds `salt['module.function'](…)`: the table of execution functions of one process, loaded module by module on first use. */
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, type WireMap } from '../bus/values.ts';
import { argspec as argspecOf, bind } from '../sls/bind.ts';
import { PluginFolder } from '../sls/loader.ts';
import type { ArgSpec, Fn } from '../sls/signature.ts';
import { extmodsDir } from './extmods-dir.ts';
import type { CallTable, Catalog, ExecutionModule, JobInfo, MasterLink, ModuleCtx } from './modules/contract.ts';
import { PythonModules } from './python-modules.ts';

/** What functions get to see; `grains` and `pillar` are asked for on first use. */
export interface CallPlace {
  opts: Opts;
  log: Log;
  grains(): PyDict;
  pillar(): PyDict;
  master: MasterLink;
  fireLocal(tag: string, data: WireMap): boolean;
  daemon(order: string, data?: WireMap): Py;
  catalog?(kind: 'states' | 'returners' | 'runners' | 'renderers'): Catalog;
}

/** Key of `__context__` under which pillar values are given as they are, not masked: set while templates call. */
export const PLAIN_PILLAR = '__pillar_plain__';

/** A place whose functions can be handed on one by one. */
function bound(place: CallPlace): CallPlace {
  return {
    opts: place.opts,
    log: place.log,
    grains: place.grains.bind(place),
    pillar: place.pillar.bind(place),
    master: place.master,
    fireLocal: place.fireLocal.bind(place),
    daemon: place.daemon.bind(place),
    ...(place.catalog ? { catalog: place.catalog.bind(place) } : {}),
  };
}

/** A link where no master is: every request is an error. */
export const noMaster: MasterLink = {
  available: false,
  request: (cmd) => {
    throw new SaltError('SaltClientError', `There is no master to send ${cmd} to`);
  },
};

const isModule = (m: unknown): m is ExecutionModule =>
  typeof m === 'object' && m !== null && typeof (m as { functions?: unknown }).functions === 'object';

/**
 * The execution modules of one process: our own folder and, before it, operators' (`module_dirs`, synced ones). Each is loaded
 * once; {@link Calls} gives each job its own table over them, with a `__context__` of its own.
 */
export class Modules {
  private readonly folder: PluginFolder<ExecutionModule>;
  /** Context of the call that makes a module load, for its `virtual`. */
  private ctx: ModuleCtx | undefined;
  private readonly broken = new Map<string, string>();
  /** Operators' Python files; no Python runs before one is loaded. */
  private readonly python = new PythonModules();

  constructor(
    opts: Opts,
    private readonly log: Log,
    dist?: string,
  ) {
    const own = opts.list('module_dirs').map(String);
    this.folder = new PluginFolder<ExecutionModule>({
      folder: 'minion/modules',
      dirs: [...own, ...own.map((d) => join(d, 'modules')), join(extmodsDir(opts.str('cachedir')), 'modules')],
      accepts: isModule,
      virtual: (m) => m.virtual?.(this.ctx as ModuleCtx) ?? true,
      python: (path) => this.python.execution(path),
      disabled: opts.list('disable_modules').map(String),
      whitelist: opts.list('whitelist_modules').map(String),
      log,
      ...(dist === undefined ? {} : { dist }),
    });
  }

  /** The module answering to a name here, or undefined. One that cannot be loaded is logged and counts as missing. */
  get(name: string, ctx: ModuleCtx): ExecutionModule | undefined {
    this.ctx = ctx;
    if (this.broken.has(name)) return undefined;
    try {
      return this.folder.get(name);
    } catch (e) {
      this.log.error(`Failed to import module ${name}: ${messageOf(e)}`);
      this.broken.set(name, messageOf(e));
      return undefined;
    }
  }

  /** Every module that loads here, by name. Loads all. */
  everything(ctx: ModuleCtx): ReadonlyMap<string, ExecutionModule> {
    this.ctx = ctx;
    return this.folder.all();
  }

  /** Why a module is not there. */
  reason(module: string): string | undefined {
    return this.broken.get(module) ?? this.folder.why(module);
  }

  /** Whether an operator's file stands for one of ours. */
  replaced(module: string): boolean {
    return this.folder.isOperators(module);
  }

  /** Files that give this module, and those that give none. */
  providers(ctx: ModuleCtx): { of: ReadonlyMap<ExecutionModule, string>; unused: string[] } {
    const used = new Set(this.everything(ctx).values());
    const of = new Map<ExecutionModule, string>();
    const unused: string[] = [];
    for (const file of this.folder.files())
      try {
        const module = this.folder.load(file);
        if (used.has(module)) of.set(module, file);
        else unused.push(file);
      } catch {
        // `everything` has told of it.
        unused.push(file);
      }
    return { of, unused };
  }
}

/** The table of one job (or one template, or one salt-call), and the context its functions get. */
export class Calls implements CallTable {
  readonly ctx: ModuleCtx;

  constructor(
    private readonly modules: Modules,
    place: CallPlace,
    job: JobInfo | undefined,
    readonly context: PyDict = new PyDict(),
  ) {
    let grains: PyDict | undefined;
    let pillar: PyDict | undefined;
    this.ctx = {
      opts: place.opts,
      get grains() {
        grains ??= place.grains();
        return grains;
      },
      get pillar() {
        pillar ??= place.pillar();
        return pillar;
      },
      salt: this,
      log: place.log,
      master: place.master,
      job,
      context,
      fireLocal: place.fireLocal.bind(place),
      daemon: place.daemon.bind(place),
      derive: ({ opts, pillar }) =>
        new Calls(
          modules,
          { ...bound(place), ...(opts ? { opts } : {}), ...(pillar ? { pillar: () => pillar } : {}) },
          job,
          context,
        ).ctx,
      ...(place.catalog ? { catalog: place.catalog.bind(place) } : {}),
    };
  }

  /** The function behind a name, aliases included. */
  find(name: string): Fn<ModuleCtx> | undefined {
    const dot = name.indexOf('.');
    if (dot < 1) return undefined;
    const module = this.modules.get(name.slice(0, dot), this.ctx);
    if (!module) return undefined;
    const own = name.slice(dot + 1);
    const { functions, aliases } = module;
    if (Object.hasOwn(functions, own)) return functions[own];
    const target = aliases && Object.hasOwn(aliases, own) ? aliases[own] : undefined;
    return target !== undefined && Object.hasOwn(functions, target) ? functions[target] : undefined;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  call(name: string, args: readonly Py[] = [], kwargs: PyDict | Record<string, Py> = {}): Py {
    const answer = this.start(name, args, kwargs);
    if (answer instanceof Promise) {
      // Nobody will see its end: a later rejection must not end the process.
      answer.catch(() => undefined);
      throw new SaltError('CommandExecutionError', `${name} cannot be called from here: it does not answer at once`);
    }
    return answer;
  }

  async callAsync(name: string, args: readonly Py[] = [], kwargs: PyDict | Record<string, Py> = {}): Promise<Py> {
    return this.start(name, args, kwargs);
  }

  names(): string[] {
    const out: string[] = [];
    for (const [name, module] of this.modules.everything(this.ctx))
      for (const f of [...Object.keys(module.functions), ...Object.keys(module.aliases ?? {})])
        out.push(`${name}.${f}`);
    return out.sort();
  }

  argspec(name: string): ArgSpec | undefined {
    const f = this.find(name);
    return f && argspecOf(f.sig);
  }

  /** The Python signature of a function. */
  signature(name: string): string | undefined {
    return this.find(name)?.sig;
  }

  doc(name: string): string | undefined {
    if (!name.includes('.')) return this.modules.get(name, this.ctx)?.doc;
    return this.find(name)?.doc;
  }

  unavailable(module: string): string | undefined {
    return this.modules.get(module, this.ctx) ? undefined : this.modules.reason(module);
  }

  outputter(name: string): string | undefined {
    const dot = name.indexOf('.');
    return this.modules.get(name.slice(0, dot), this.ctx)?.outputters?.[name.slice(dot + 1)];
  }

  provider(module: string): string | undefined {
    const found = this.modules.get(module, this.ctx);
    return found && this.modules.providers(this.ctx).of.get(found);
  }

  notLoaded(): string[] {
    return this.modules.providers(this.ctx).unused;
  }

  private start(name: string, args: readonly Py[], kwargs: PyDict | Record<string, Py>): Py | Promise<Py> {
    const f = this.find(name);
    if (!f) throw new SaltError('KeyError', `'${name}'`);
    const answer = f.run(bind('', f.sig, args, kwargs), this.ctx);
    return answer ?? null;
  }
}
