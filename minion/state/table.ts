/** Builds `__states__`: the table of state functions of one process, loaded module by module on first use. */
import { join } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import type { Py, PyDict } from '../../bus/values.ts';
import { argspec as argspecOf, bind } from '../../sls/bind.ts';
import { PluginFolder } from '../../sls/loader.ts';
import type { ArgSpec, Fn } from '../../sls/signature.ts';
import { extmodsDir } from '../extmods-dir.ts';
import type { CallTable, ModuleCtx } from '../modules/contract.ts';
import type { StateCtx, StateModule } from '../states/contract.ts';

const isModule = (m: unknown): m is StateModule =>
  typeof m === 'object' && m !== null && typeof (m as { functions?: unknown }).functions === 'object';

/** The state modules of one run: our own folder and, before it, operators' (`states_dirs`, synced ones). */
export class StateModules {
  private readonly folder: PluginFolder<StateModule>;
  private readonly broken = new Map<string, string>();

  /** @param given modules by name that stand for files, for tests and for orchestration. */
  constructor(
    private readonly ctx: ModuleCtx,
    private readonly given: Readonly<Record<string, StateModule>> = {},
  ) {
    const { opts } = ctx;
    const own = [...opts.list('states_dirs'), ...opts.list('module_dirs').map((d) => join(String(d), 'states'))];
    this.folder = new PluginFolder<StateModule>({
      folder: 'minion/states',
      dirs: [...own.map(String), join(extmodsDir(opts.str('cachedir')), 'states')],
      accepts: isModule,
      virtual: (m) => m.virtual?.(ctx) ?? true,
      disabled: opts.list('disable_states').map(String),
      log: ctx.log,
    });
  }

  private get(name: string): StateModule | undefined {
    const given = Object.hasOwn(this.given, name) ? this.given[name] : undefined;
    if (given || this.broken.has(name)) return given;
    try {
      return this.folder.get(name);
    } catch (e) {
      this.ctx.log.error(`Failed to import states ${name}: ${messageOf(e)}`);
      this.broken.set(name, messageOf(e));
      return undefined;
    }
  }

  /** The function behind `state.function`, aliases included. */
  find(name: string): Fn<StateCtx> | undefined {
    const dot = name.indexOf('.');
    if (dot < 1) return undefined;
    const module = this.get(name.slice(0, dot));
    if (!module) return undefined;
    const own = name.slice(dot + 1);
    if (Object.hasOwn(module.functions, own)) return module.functions[own];
    const target = module.aliases && Object.hasOwn(module.aliases, own) ? module.aliases[own] : undefined;
    return target !== undefined && Object.hasOwn(module.functions, target) ? module.functions[target] : undefined;
  }
  has(name: string): boolean {
    return this.find(name) !== undefined;
  }
  /** Why a state function is not there, as the reference tells it. */
  reason(name: string): string {
    const [module = ''] = name.split('.');
    if (this.get(module)) return `'${name}' is not available.`;
    const why = this.broken.get(module) ?? this.folder.why(module);
    return why === undefined
      ? `'${name}' is not available.`
      : `'${module}' __virtual__ returned False${why ? `: ${why}` : ''}`;
  }
  names(): string[] {
    const out: string[] = [];
    for (const [name, m] of this.folder.all())
      for (const f of [...Object.keys(m.functions), ...Object.keys(m.aliases ?? {})]) out.push(`${name}.${f}`);
    return out.sort();
  }
}

/** State functions as one chunk's function calls them: with that chunk's context. */
export class StateCalls implements CallTable {
  constructor(
    private readonly modules: StateModules,
    private readonly ctx: () => StateCtx,
  ) {}
  has(name: string): boolean {
    return this.modules.has(name);
  }
  call(name: string, args: readonly Py[] = [], kwargs: PyDict | Record<string, Py> = {}): Py {
    const f = this.modules.find(name);
    if (!f) throw new SaltError('KeyError', `'${name}'`);
    const answer = f.run(bind('', f.sig, args, kwargs), this.ctx());
    if (answer instanceof Promise) {
      // Nobody will see its end: a later rejection must not end the process.
      answer.catch(() => undefined);
      throw new SaltError('CommandExecutionError', `${name} cannot be called from here: it does not answer at once`);
    }
    return answer ?? null;
  }
  async callAsync(name: string, args: readonly Py[] = [], kwargs: PyDict | Record<string, Py> = {}): Promise<Py> {
    return this.call(name, args, kwargs);
  }
  names(): string[] {
    return this.modules.names();
  }
  argspec(name: string): ArgSpec | undefined {
    const f = this.modules.find(name);
    return f && argspecOf(f.sig);
  }
  doc(name: string): string | undefined {
    return this.modules.find(name)?.doc;
  }
  unavailable(module: string): string | undefined {
    return this.modules.reason(module);
  }
}
