/** Builds `salt['module.function'](…)`: the table of execution functions of one process, loaded module by module on first use. */
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, type WireMap } from '../bus/values.ts';
import { argspec as argspecOf, bind } from '../sls/bind.ts';
import type { ArgSpec, Fn } from '../sls/signature.ts';
import type { CallTable, Catalog, ExecutionModule, JobInfo, MasterLink, ModuleCtx } from './modules/contract.ts';

/** Where execution modules come from: the built-in folder and operators' own, by file name. */
export interface ModuleSource {
  /** Files that may provide a module of this name, best first, as names without ending. */
  candidates(module: string): string[];
  /** All files, sorted. */
  files(): string[];
  /** Loads a file once; throws when it cannot be loaded. */
  load(file: string): ExecutionModule;
}

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

interface Loaded {
  file: string;
  module: ExecutionModule;
}

/** A link where no master is: every request is an error. */
export const noMaster: MasterLink = {
  available: false,
  request: (cmd) => {
    throw new SaltError('SaltClientError', `There is no master to send ${cmd} to`);
  },
};

/**
 * The modules of one process. They are loaded once; {@link Calls} gives each job its own table over them, with a `__context__` of
 * its own.
 */
export class Modules {
  private readonly byName = new Map<string, Loaded | undefined>();
  private readonly refused = new Map<string, string>();
  private readonly virtuals = new Map<string, string | undefined>();
  private all: ReadonlyMap<string, Loaded> | undefined;

  constructor(
    private readonly source: ModuleSource,
    private readonly log: Log,
    /** `disable_modules` of the configuration. */
    private readonly disabled: ReadonlySet<string> = new Set(),
  ) {}

  /** The module answering to a name here, or undefined. */
  get(name: string, ctx: ModuleCtx): Loaded | undefined {
    if (this.byName.has(name)) return this.byName.get(name);
    let found = this.all?.get(name);
    if (!this.all)
      for (const file of this.source.candidates(name)) {
        const loaded = this.load(file, ctx);
        if (loaded?.name !== name) continue;
        found = loaded;
        break;
      }
    this.byName.set(name, found);
    return found;
  }

  /** Every module that loads here, by name. */
  everything(ctx: ModuleCtx): ReadonlyMap<string, Loaded> {
    if (this.all) return this.all;
    const all = new Map<string, Loaded>();
    for (const file of this.source.files()) {
      const loaded = this.load(file, ctx);
      if (loaded && !all.has(loaded.name)) all.set(loaded.name, loaded);
    }
    this.all = new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
    return this.all;
  }

  /** Why a module is not there. */
  reason(module: string): string | undefined {
    return this.refused.get(module);
  }

  /** Files that do not load here. */
  notLoaded(ctx: ModuleCtx): string[] {
    const used = new Set([...this.everything(ctx).values()].map((l) => l.file));
    return this.source.files().filter((f) => !used.has(f));
  }

  private load(file: string, ctx: ModuleCtx): (Loaded & { name: string }) | undefined {
    let module: ExecutionModule;
    try {
      module = this.source.load(file);
    } catch (e) {
      this.log.error(`Failed to import module ${file}: ${messageOf(e)}`);
      this.refused.set(file, messageOf(e));
      return undefined;
    }
    if (!this.virtuals.has(file)) this.virtuals.set(file, this.virtualName(file, module, ctx));
    const name = this.virtuals.get(file);
    return name === undefined || this.disabled.has(name) ? undefined : { file, module, name };
  }

  private virtualName(file: string, module: ExecutionModule, ctx: ModuleCtx): string | undefined {
    if (!module.virtual) return file;
    try {
      const answer = module.virtual(ctx);
      if (answer === true) return file;
      if (typeof answer === 'string') return answer;
      this.refused.set(file, answer.reason);
    } catch (e) {
      this.log.error(`The virtual of module ${file} failed: ${messageOf(e)}`);
      this.refused.set(file, messageOf(e));
    }
    return undefined;
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
    const salt = this;
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
      salt,
      log: place.log,
      master: place.master,
      job,
      context,
      fireLocal: place.fireLocal.bind(place),
      daemon: place.daemon.bind(place),
      ...(place.catalog ? { catalog: place.catalog.bind(place) } : {}),
    };
  }

  /** The function behind a name, aliases included. */
  find(name: string): Fn<ModuleCtx> | undefined {
    const dot = name.indexOf('.');
    if (dot < 1) return undefined;
    const loaded = this.modules.get(name.slice(0, dot), this.ctx);
    if (!loaded) return undefined;
    const own = name.slice(dot + 1);
    const { functions, aliases } = loaded.module;
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
    for (const [name, { module }] of this.modules.everything(this.ctx))
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
    if (!name.includes('.')) return this.modules.get(name, this.ctx)?.module.doc;
    return this.find(name)?.doc;
  }

  unavailable(module: string): string | undefined {
    return this.modules.get(module, this.ctx) ? undefined : this.modules.reason(module);
  }

  outputter(name: string): string | undefined {
    const dot = name.indexOf('.');
    return this.modules.get(name.slice(0, dot), this.ctx)?.module.outputters?.[name.slice(dot + 1)];
  }

  provider(module: string): string | undefined {
    return this.modules.get(module, this.ctx)?.file;
  }

  notLoaded(): string[] {
    return this.modules.notLoaded(this.ctx);
  }

  private start(name: string, args: readonly Py[], kwargs: PyDict | Record<string, Py>): Py | Promise<Py> {
    const f = this.find(name);
    if (!f) throw new SaltError('KeyError', `'${name}'`);
    const answer = f.run(bind('', f.sig, args, kwargs), this.ctx);
    return answer ?? null;
  }
}
