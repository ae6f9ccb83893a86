/** A state run up to its low chunks: options, pillar, top files, high data. What runs them builds on it. */
import { SaltError } from '../../bus/errors.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type FileClient, LocalFiles, readTemplate, SlsNames } from '../../sls/files/client.ts';
import { Roots } from '../../sls/files/roots.ts';
import { type High, type LowChunk, verifyHigh } from '../../sls/high.ts';
import { applyExclude, type Compiled, compileHigh, reconcileExtend, requisiteIn } from '../../sls/high-state.ts';
import { StateFiles } from '../../sls/include.ts';
import nested from '../../sls/output/nested.ts';
import { SlsRenderer } from '../../sls/render/sls-file.ts';
import { type Matches, StateTops, verifyTops } from '../../sls/top.ts';
import { isList, str, truth } from '../../sls/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import { MinionFiles } from '../file-client.ts';
import type { CallTable, ModuleCtx } from '../modules/contract.ts';
import { compilesOwnPillar, freshPillar, plainPillar } from '../pillar.ts';
import { StateModules } from './table.ts';

/** Return codes of state functions (`__context__['retcode']`). */
export const RETCODE = { compilerError: 1, failure: 2, pillarFailure: 5 } as const;

/** Options that a master decides for its minions' state runs. */
const MASTERS_OWN: readonly [key: string, otherwise: Py | undefined][] = [
  ['renderer', undefined],
  ['failhard', false],
  ['state_top', 'top.sls'],
  ['state_top_saltenv', null],
  ['nodegroups', undefined],
  ['state_auto_order', undefined],
  ['file_roots', undefined],
  ['top_file_merging_strategy', undefined],
  ['env_order', undefined],
  ['default_top', undefined],
  ['jinja_env', undefined],
  ['jinja_sls_env', undefined],
  ['jinja_lstrip_blocks', false],
  ['jinja_trim_blocks', false],
];

/** The options of a run: `localconfig`, `saltenv` and `pillarenv` of its keywords over the minion's. */
export function runOpts(opts: Opts, kwargs: PyDict): Opts {
  const local = kwargs.get('localconfig');
  if (local !== undefined) {
    const own = loadYaml(readTemplate(str(local)), { file: str(local) });
    const out = new Opts(new PyDict(opts.data));
    if (own instanceof PyDict) for (const [k, v] of own) out.set(str(k), v);
    return out;
  }
  const out = new Opts(new PyDict(opts.data));
  const text = (v: Py): Py => (v === null ? null : str(v));
  const saltenv = kwargs.get('saltenv');
  if (saltenv !== undefined && saltenv !== null) {
    if (opts.flag('lock_saltenv') && text(saltenv) !== (opts.get('saltenv') ?? null))
      throw new SaltError('CommandExecutionError', 'lock_saltenv is enabled, saltenv cannot be changed');
    out.set('saltenv', text(saltenv));
  }
  if (kwargs.has('pillarenv')) out.set('pillarenv', text(kwargs.get('pillarenv') as Py));
  else if (opts.flag('pillarenv_from_saltenv') && saltenv !== undefined) out.set('pillarenv', text(saltenv));
  return out;
}

/** The pillar that a caller lays over the run's. Throws SaltInvocationError unless it is a dict or is to be decrypted first. */
export function pillarOverride(kwargs: PyDict, ctx: ModuleCtx): PyDict | undefined {
  const given = kwargs.get('pillar') ?? null;
  const encrypted = kwargs.get('pillar_enc') ?? null;
  if (given === null) return undefined;
  if (encrypted === null) {
    if (given instanceof PyDict) return given;
    throw new SaltError(
      'SaltInvocationError',
      'Pillar data must be formatted as a dictionary, unless pillar_enc is specified.',
    );
  }
  ctx.log.error(`Failed to decrypt pillar override: Decryption renderer '${str(encrypted)}' is not available`);
  const read = typeof given === 'string' ? loadYaml(given) : given;
  if (read instanceof PyDict) return read;
  ctx.log.error('Pillar override was not passed as a dictionary');
  return undefined;
}

/** Files of a run: this machine's own, read where they lie, or the master's, through the cache. */
function filesOf(opts: Opts, ctx: ModuleCtx): FileClient {
  return opts.str('file_client') === 'local' || !ctx.master.available
    ? new LocalFiles(new Roots(opts))
    : new MinionFiles(opts, ctx.master, ctx.log);
}

/** The options with those that the master decides, where there is one. */
function withMasters(opts: Opts, ctx: ModuleCtx): Opts {
  if (opts.str('file_client') === 'local' || !ctx.master.available) return opts;
  const own = ctx.master.request('_master_opts', {});
  if (!(own instanceof PyDict)) {
    ctx.log.error('The master did not tell its options; the usual ones are taken');
    return opts.with({ renderer: 'jinja|yaml', failhard: false, state_top: 'top.sls', nodegroups: new PyDict() });
  }
  for (const [key, otherwise] of MASTERS_OWN) {
    const v = own.get(key) ?? otherwise;
    if (v !== undefined) opts.set(key, v);
  }
  for (const key of ['state_events', 'state_aggregate'])
    if (!truth(opts.get(key) ?? false)) opts.set(key, own.get(key) ?? false);
  return opts;
}

/** Splits `a,b , c` or takes a list as it is. */
export function splitInput(v: Py): string[] {
  return isList(v)
    ? v.map((x) => str(x))
    : str(v)
        .split(',')
        .map((x) => x.trim());
}

/** One state run: its pillar, its files and its compilation. End it with `close`. */
export class HighState {
  /** The context of the run: functions see the run's options and pillar. */
  readonly ctx: ModuleCtx;
  readonly opts: Opts;
  readonly pillar: PyDict;
  readonly names: SlsNames;
  readonly tops: StateTops;
  readonly files: StateFiles;
  private readonly renderer: SlsRenderer;
  private states: StateModules | undefined;

  /** Compiles the run's pillar: anew, but for salt-call, which has just done so. Its errors are for the caller to look at. */
  constructor(
    ctx: ModuleCtx,
    opts: Opts,
    override?: PyDict,
    /** Whether a state function is there; by default the state modules of this program answer. */
    private readonly known?: (name: string) => boolean,
  ) {
    this.opts = withMasters(opts, ctx);
    const sameEnv = (opts.get('pillarenv') ?? null) === (ctx.opts.get('pillarenv') ?? null);
    const kept = ctx.opts.str('__cli') === 'salt-call' || (!ctx.master.available && !compilesOwnPillar(ctx.opts));
    const under = ctx.derive?.({ opts: this.opts }) ?? ctx;
    this.pillar =
      !override && kept && sameEnv
        ? ctx.pillar
        : freshPillar(under, {
            saltenv: this.opts.get('saltenv') ?? null,
            pillarenv: this.opts.get('pillarenv') ?? null,
            ...(override ? { override } : {}),
          });
    this.ctx = ctx.derive?.({ opts: this.opts, pillar: this.pillar }) ?? ctx;
    const salt: CallTable = this.ctx.salt;
    this.names = new SlsNames(filesOf(this.opts, ctx));
    this.renderer = new SlsRenderer({
      opts: this.opts,
      log: ctx.log,
      files: this.names.files,
      grains: ctx.grains,
      pillar: this.pillar,
      stateRun: true,
      salt: plainPillar(salt, this.ctx.context),
    });
    this.tops = new StateTops({
      opts: this.opts,
      log: ctx.log,
      names: this.names,
      renderer: this.renderer,
      id: this.opts.str('id'),
      grains: ctx.grains,
      pillar: this.pillar,
      masterTops: () => this.masterTops(),
    });
    this.files = new StateFiles({
      opts: this.opts,
      log: ctx.log,
      names: this.names,
      renderer: this.renderer,
      hasEnv: (env) => this.tops.hasEnv(env),
    });
  }

  /** Errors of the pillar's compilation; none with `force=True`. */
  pillarErrors(kwargs: PyDict): string[] {
    if (truth(kwargs.get('force') ?? false)) return [];
    const errors = this.pillar.get('_errors');
    return isList(errors ?? null) ? (errors as Py[]).map((e) => str(e)) : [];
  }

  /** Throws CommandExecutionError, with return code 5, when the pillar has errors. */
  requirePillar(kwargs: PyDict): void {
    const errors = this.pillarErrors(kwargs);
    if (!errors.length) return;
    this.ctx.context.set('retcode', RETCODE.pillarFailure);
    const plain = new Opts(new PyDict<Py>([['color', false]]));
    const shown = nested.output(errors, { opts: plain, log: quietLog } as Parameters<typeof nested.output>[1]);
    throw new SaltError('CommandExecutionError', `Pillar failed to render. Additional info follows:\n\n${shown}`, {
      info: errors,
    });
  }

  private masterTops(): PyDict {
    if (this.opts.str('file_client') === 'local' || !this.ctx.master.available) return new PyDict();
    const tops = this.ctx.master.request('_master_tops', { id: this.opts.str('id') });
    return tops instanceof PyDict ? tops : new PyDict();
  }

  /** Whether a state function is there. */
  hasState(name: string): boolean {
    if (this.known) return this.known(name);
    this.states ??= new StateModules(this.ctx);
    return this.states.find(name) !== undefined;
  }

  /** SLS names of the environment that the run is in (`base` where none is said). */
  named(mods: Py): Matches {
    return new PyDict<Py[]>([[this.opts.str('saltenv') || 'base', splitInput(mods)]]);
  }

  /** High data of some SLS files, as written: what extends and excludes still stands in it. */
  render(matches: Matches): { high: High; errors: string[] } {
    const { high, errors } = this.files.render(matches);
    return { high, errors };
  }

  /** High data to ordered chunks, without a look at extensions and requisites of the other side. */
  compile(high: High, orchestrationJid?: Py): Compiled {
    const { ctx, opts } = this;
    const place = { opts, log: ctx.log, grains: ctx.grains, hasState: (name: string) => this.hasState(name) };
    return compileHigh(high, place, orchestrationJid);
  }

  /** Works extensions, `require_in` and its like and excludes into high data and checks its form; answers the errors. */
  reconcile(high: High): string[] {
    const errors = reconcileExtend(high);
    errors.push(...verifyHigh(high));
    errors.push(...requisiteIn(high, this.opts, this.ctx.log));
    applyExclude(high);
    return errors;
  }

  /** High data of the top files' SLS for this minion, or the errors. */
  highstate(): High | string[] {
    const top = this.tops.top();
    const errors = verifyTops(top);
    const rendered = this.render(this.tops.matches(top));
    errors.push(...rendered.errors);
    return errors.length ? errors : rendered.high;
  }

  /** The chunks that a highstate would run, in order, or the errors. */
  lowChunks(): LowChunk[] | string[] {
    const { high, errors } = this.render(this.tops.matches(this.tops.top()));
    errors.push(...this.reconcile(high));
    if (errors.length) return errors;
    const compiled = this.compile(high);
    return compiled.errors.length ? compiled.errors : compiled.chunks;
  }

  /** The data that a file of this machine renders to. */
  renderFile(path: string, sls: string, saltenv: string): Py {
    return this.renderer.render({ path, sls, saltenv });
  }

  close(): void {
    this.renderer.close();
  }
}
