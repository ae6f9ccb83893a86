/** The functions of module `state` that apply states, and what they share: conflicts, test mode, return codes. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { jidToTime } from '../../bus/jid.ts';
import { type Py, PyDict, toWire } from '../../bus/values.ts';
import { encodeBus } from '../../bus/wire/payload.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import type { High } from '../../sls/high.ts';
import { chunkTag } from '../../sls/requisites.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { verifyTops } from '../../sls/top.ts';
import { isStr, iterate, str, truth } from '../../sls/values.ts';
import { sleepSync } from '../clock.ts';
import { docFor } from '../doc-text.ts';
import { loadGrains } from '../grains.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import { freshPillar } from '../pillar.ts';
import { HighState, pillarOverride, RETCODE, runOpts, splitInput } from './compile.ts';
import { StateRun } from './run.ts';
import { StateModules } from './table.ts';
import { isGoodRun } from './verdict.ts';

const doc = docFor('state');
/** Keyword arguments beyond the named ones. */
export const kwargsOf = (a: Args): PyDict => (a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict());

function setCode(ctx: ModuleCtx, code: number): void {
  ctx.context.set('retcode', code);
}

/** Sets the job's return code by what a run came to. */
function judged(ret: Py, ctx: ModuleCtx, high?: PyDict): Py {
  setCode(ctx, Array.isArray(ret) ? RETCODE.compilerError : isGoodRun(ret, high) ? 0 : RETCODE.failure);
  return ret;
}

function compilerError<T extends Py>(errors: T, ctx: ModuleCtx): T {
  setCode(ctx, RETCODE.compilerError);
  return errors;
}

/** Whether a run only tells what it would change: its own argument, then the configuration. */
function testMode(test: Py, kwargs: PyDict, ctx: ModuleCtx): Py {
  if (test === false) return false;
  if (test !== null) return true;
  for (const [k, v] of kwargs) if (k === 'test' && truth(v)) return true;
  return ctx.opts.get('test') ?? null;
}

/** Other state functions that run now, in the reference's words. */
export function running(concurrent: boolean, ctx: ModuleCtx): string[] {
  if (concurrent || !ctx.salt.has('saltutil.is_running')) return [];
  const active = ctx.salt.call('saltutil.is_running', ['state.*']);
  const own = ctx.job?.jid;
  const out: string[] = [];
  for (const job of Array.isArray(active) ? (active as Py[]) : []) {
    if (!(job instanceof PyDict) || str(job.get('jid') ?? '') === own) continue;
    const jid = str(job.get('jid') ?? '');
    out.push(
      `The function "${str(job.get('fun') ?? null)}" is running as PID ${str(job.get('pid') ?? null)} and was started at ${jidToTime(jid)} with jid ${jid}`,
    );
  }
  return out;
}

/**
 * Keeps two state runs apart: answers why this one may not go, or nothing. `queue=True` (and `state_queue`) waits for the others, a
 * number does so only while fewer than that many are waited for.
 */
function conflict(a: Args, ctx: ModuleCtx): Py | undefined {
  const kwargs = kwargsOf(a);
  const queue = a['queue'] ?? ctx.opts.get('state_queue') ?? false;
  const concurrent = truth(kwargs.get('concurrent') ?? false);
  const waits = queue === true || (typeof queue === 'number' && queue > 0);
  let others = running(concurrent, ctx);
  if (waits && !(typeof queue === 'number' && others.length >= queue))
    while (others.length) {
      sleepSync(200);
      others = running(concurrent, ctx);
    }
  return others.length ? compilerError(others, ctx) : undefined;
}

/** State files that `state.disable` forbids, in the reference's words. */
function disabledFiles(names: readonly Py[], ctx: ModuleCtx): string[] {
  const forbidden = ctx.grains.get('state_runs_disabled');
  const out: string[] = [];
  for (const name of names.map((n) => str(n)))
    for (const f of Array.isArray(forbidden) ? (forbidden as Py[]).map((x) => str(x)) : [])
      if (f.includes('.*')) {
        if (name.startsWith(`${f.split('.')[0]}.`))
          out.push(`The state file "${name}" is currently disabled by "${f}", to re-enable, run state.enable ${f}.`);
      } else if (f === name)
        out.push(`The state file "${f}" is currently disabled, to re-enable, run state.enable ${f}.`);
  return out;
}

function jidOf(kwargs: PyDict, ctx: ModuleCtx): string | undefined {
  const jid = kwargs.get('__pub_jid');
  return jid === undefined || jid === null ? ctx.job?.jid : str(jid);
}

/** The runtime over the context of a compilation. */
function runtime(ctx: ModuleCtx, kwargs: PyDict, states = new StateModules(ctx)): StateRun {
  return new StateRun({
    ctx,
    states,
    jid: jidOf(kwargs, ctx),
    mocked: truth(kwargs.get('mock') ?? false),
    freshPillar: () => {
      const override = pillarOverride(kwargs, ctx);
      return freshPillar(ctx, override ? { override } : {});
    },
    freshGrains: () => loadGrains(ctx.opts, ctx.log, { refresh: true }),
  });
}

/** One run from options to results: the pillar is compiled, looked at, and the run ended, whatever comes. */
function withRun(a: Args, ctx: ModuleCtx, sls: boolean, work: (run: HighState, kwargs: PyDict) => Py): Py {
  const kwargs = kwargsOf(a);
  const opts = runOpts(ctx.opts, kwargs);
  opts.set('test', testMode(a['test'] ?? null, kwargs, ctx));
  if (sls && (opts.get('saltenv') ?? null) === null) opts.set('saltenv', 'base');
  const events = a['state_events'] ?? null;
  if (events !== null) opts.set('state_events', events);
  const override = pillarOverride(kwargs, ctx);
  let states: StateModules | undefined;
  const run = new HighState(ctx, opts, override, (name) => {
    states ??= new StateModules(ctx);
    return states.has(name);
  });
  try {
    const errors = run.pillarErrors(kwargs);
    if (errors.length) {
      setCode(ctx, RETCODE.pillarFailure);
      return ['Pillar failed to render with the following messages:', ...errors];
    }
    return work(run, kwargs);
  } finally {
    run.close();
  }
}

/** Runs high data; answers the results by tag, or the errors of its compilation. */
function callHigh(run: HighState, high: High, kwargs: PyDict): Py {
  const errors = run.reconcile(high);
  if (errors.length) return errors;
  const compiled = run.compile(high, kwargs.get('orchestration_jid'));
  if (compiled.errors.length) return compiled.errors;
  return runtime(run.ctx, kwargs).runAll(compiled.chunks, compiled.graph, compiled.disabled);
}

function exclude(high: High, given: Py): void {
  if (!truth(given)) return;
  const list: Py[] = Array.isArray(given)
    ? [...(given as Py[])]
    : isStr(given)
      ? splitInput(given)
      : [...iterate(given)];
  const own = high.get('__exclude__');
  if (Array.isArray(own)) own.push(...list);
  else high.set('__exclude__', list);
}

/** Only what failed or changed, where `state_data: terse` or `terse=True` asks for it. */
function shortened(ret: Py, kwargs: PyDict, ctx: ModuleCtx): Py {
  const terse = ctx.opts.str('state_data') === 'terse' || truth(kwargs.get('terse') ?? false);
  if (!terse || !(ret instanceof PyDict)) return ret;
  return new PyDict(
    [...ret].filter(
      ([, v]) => v instanceof PyDict && (!truth(v.get('result') ?? null) || truth(v.get('changes') ?? null)),
    ),
  );
}

/** Keeps what a run made for `cache=True` and for people who look; a cache that cannot be written costs a line in the log. */
function keep(ctx: ModuleCtx, name: string, data: Py): void {
  const path = join(ctx.opts.str('cachedir'), name);
  try {
    writeFileSync(path, encodeBus(toWire(data)), { mode: 0o600 });
  } catch (e) {
    ctx.log.error(`Unable to write to cache file ${path}: ${String((e as Error).message)}`);
  }
}

function applySls(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const mods = a['mods'] as Py;
  const off = disabledFiles(Array.isArray(mods) ? (mods as Py[]) : [mods], ctx);
  if (off.length) return compilerError(off, ctx);
  return withRun(a, ctx, true, (run, kwargs) => {
    syncMods(a['sync_mods'] ?? null, run);
    const { high, errors } = run.render(run.named(mods));
    if (errors.length) return compilerError(errors, ctx);
    exclude(high, a['exclude'] ?? null);
    const ret = shortened(callHigh(run, high, kwargs), kwargs, ctx);
    keep(ctx, 'sls.p', ret);
    judged(ret, ctx, high);
    keep(ctx, `${str(kwargs.get('cache_name') ?? 'highstate')}.cache.p`, high);
    return ret;
  });
}

function syncMods(given: Py, run: HighState): void {
  let kinds = given === true ? ['all'] : given === null || given === false ? [] : splitInput(given);
  if (kinds.includes('all')) kinds = ['all'];
  for (const kind of kinds)
    if (run.ctx.salt.has(`saltutil.sync_${kind}`))
      run.ctx.salt.call(`saltutil.sync_${kind}`, [], { saltenv: run.opts.str('saltenv') || 'base' });
    else run.ctx.log.warning(`Invalid custom module type '${kind}', ignoring`);
}

const NOTHING = 'No Top file or master_tops data matches found. Please see master log for details.';

function noStates(comment: string): PyDict {
  return new PyDict([
    [
      'no_|-states_|-states_|-None',
      new PyDict<Py>([
        ['result', false],
        ['comment', comment],
        ['name', 'No States'],
        ['changes', new PyDict()],
        ['__run_num__', 0],
      ]),
    ],
  ]);
}

function callHighstate(run: HighState, kwargs: PyDict, excluded: Py): { ret: Py; high?: PyDict } {
  let top: PyDict;
  try {
    top = run.tops.top();
  } catch (e) {
    if (!(e instanceof SaltError) || e.code !== 'SaltRenderError') throw e;
    return { ret: noStates(`Unable to render top file: ${e.message}`) };
  }
  const errors = verifyTops(top);
  const matches = run.tops.matches(top);
  const only = kwargs.get('whitelist') ?? null;
  if (!matches.size) return { ret: noStates(NOTHING) };
  if (truth(only))
    for (const [env, list] of matches) {
      const kept = list.filter((s) => splitInput(only).some((w) => fnmatch(str(s), w)));
      if (kept.length) matches.set(env, kept);
      else matches.delete(env);
    }
  if (
    run.ctx.opts.flag('autoload_dynamic_modules') &&
    run.ctx.master.available &&
    run.ctx.salt.has('saltutil.sync_all')
  )
    run.ctx.salt.call('saltutil.sync_all', [[...matches.keys()]]);
  const rendered = run.render(matches);
  exclude(rendered.high, excluded);
  errors.push(...rendered.errors);
  if (errors.length) return { ret: errors };
  if (!rendered.high.size) return { ret: noStates('No states found for this minion') };
  keep(run.ctx, `${str(kwargs.get('cache_name') ?? 'highstate')}.cache.p`, rendered.high);
  return { ret: callHigh(run, rendered.high, kwargs), high: rendered.high };
}

function highstate(a: Args, ctx: ModuleCtx): Py {
  if (disabledFiles(['highstate'], ctx).length)
    return new PyDict<Py>([
      ['name', 'Salt highstate run is disabled. To re-enable, run state.enable highstate'],
      ['result', 'False'],
      ['comment', 'Disabled'],
    ]);
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  return withRun(a, ctx, false, (run, kwargs) => {
    const { ret, high } = callHighstate(run, kwargs, kwargs.get('exclude') ?? null);
    return judged(shortened(ret, kwargs, ctx), ctx, high);
  });
}

/** `state.apply`: with names as `state.sls`, without as `state.highstate`. */
export function apply(mods: Py, kwargs: PyDict, ctx: ModuleCtx): Py {
  const named = truth(mods) ? 'state.sls' : 'state.highstate';
  return ctx.salt.call(named, truth(mods) ? [mods] : [], kwargs);
}

function top(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  return withRun(a, ctx, false, (run, kwargs) => {
    const file = str(a['topfn'] as Py);
    run.opts.set('state_top', file.startsWith('salt://') ? file : `salt://${file}`);
    if (kwargs.has('saltenv')) run.opts.set('state_top_saltenv', kwargs.get('saltenv') as Py);
    const { ret, high } = callHighstate(run, kwargs, kwargs.get('exclude') ?? null);
    return judged(ret, ctx, high);
  });
}

function slsId(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  return withRun(a, ctx, true, (run, kwargs) => {
    const { high, errors } = run.render(run.named(a['mods'] as Py));
    errors.push(...run.reconcile(high));
    if (errors.length) return compilerError(errors, ctx);
    const compiled = run.compile(high);
    if (compiled.errors.length) return compilerError(compiled.errors, ctx);
    const one = runtime(run.ctx, kwargs);
    const ret = new PyDict();
    for (const chunk of compiled.chunks)
      if (str(chunk.get('__id__') ?? '') === str(a['id_'] as Py)) {
        const results = new PyDict();
        one.attach(compiled.graph);
        one.callChunk(chunk, results, compiled.chunks);
        for (const [k, v] of results) ret.set(k, v);
      }
    judged(ret, ctx);
    if (!ret.size)
      throw new SaltError(
        'SaltInvocationError',
        `No matches for ID '${str(a['id_'] as Py)}' found in SLS '${str(a['mods'] as Py)}' within saltenv '${run.opts.str('saltenv')}'`,
      );
    return ret;
  });
}

function single(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const parts = str(a['fun'] as Py).split('.');
  if (parts.length < 2) return compilerError('Invalid function passed', ctx);
  const kwargs = kwargsOf(a);
  const low = new PyDict<Py>(kwargs);
  low.set('state', parts[0] as string);
  low.set('fun', parts[1] as string);
  low.set('__id__', a['name'] as Py);
  low.set('name', a['name'] as Py);
  const opts = runOpts(ctx.opts, kwargs);
  opts.set('test', testMode(a['test'] ?? null, kwargs, ctx));
  const run = new HighState(ctx, opts, pillarOverride(kwargs, ctx));
  try {
    const one = runtime(run.ctx, kwargs);
    const errors = one.verify(low);
    if (errors.length) return compilerError(errors, ctx);
    one.init(low);
    return judged(new PyDict([[chunkTag(low), one.call(low)]]), ctx);
  } finally {
    run.close();
  }
}

function low(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const data = a['data'];
  if (!(data instanceof PyDict)) throw new SaltError('TypeError', "string indices must be integers, not 'str'");
  const one = runtime(ctx.derive?.({ opts: ctx.opts.with({}) }) ?? ctx, kwargsOf(a));
  const errors = one.verify(data);
  if (errors.length) return compilerError(errors, ctx);
  if (!data.has('__id__')) throw new SaltError('KeyError', "'__id__'");
  const ret = one.call(data);
  if (!isGoodRun(ret)) setCode(ctx, RETCODE.failure);
  return ret;
}

/** `state.high`: high data as it stands. */
function high(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const data = a['data'];
  const kwargs = kwargsOf(a);
  const opts = runOpts(ctx.opts, kwargs);
  opts.set('test', testMode(a['test'] ?? null, kwargs, ctx));
  const run = new HighState(ctx, opts, pillarOverride(kwargs, ctx));
  try {
    if (!(data instanceof PyDict)) return compilerError(['High data is not a dictionary and is invalid'], ctx);
    return judged(callHigh(run, data, kwargs), ctx, data);
  } finally {
    run.close();
  }
}

const NOT_IN_TEMPLATES = ['include', 'exclude', 'extends'] as const;

/** The high data of a single template in its long form, and what is wrong with it. */
function templateHigh(data: Py, name: string): { high: PyDict; errors: string[] } {
  const errors: string[] = [];
  if (!(data instanceof PyDict))
    return { high: new PyDict(), errors: [`Template ${name} does not render to a dictionary`] };
  for (const item of NOT_IN_TEMPLATES)
    if (data.has(item)) {
      errors.push(`The '${item}' declaration found on '${name}' is invalid when rendering single templates`);
      return { high: data, errors };
    }
  for (const [id, body] of [...data]) {
    if (isStr(body)) {
      const [state = '', fun] = str(body).split('.');
      if (fun === undefined) errors.push(`ID ${str(id)} in template ${name} is not a dictionary`);
      else data.set(id, new PyDict([[state, [fun]]]));
      continue;
    }
    if (!(body instanceof PyDict)) continue;
    const seen = new Set<string>();
    for (const key of [...body.keys()].map((k) => str(k)).sort()) {
      const run = body.get(key) ?? null;
      if (key.startsWith('_')) continue;
      if (run === null) {
        errors.push(
          `ID '${str(id)}' in template ${name} contains a short declaration (${key}) with a trailing colon. When not passing any arguments to a state, the colon must be omitted.`,
        );
        continue;
      }
      if (!Array.isArray(run)) continue;
      const [state = '', fun] = key.split('.');
      if (fun !== undefined) {
        if (seen.has(state)) {
          errors.push(`ID '${str(id)}' in template '${name}' contains multiple state declarations of the same type`);
          continue;
        }
        body.delete(key);
        body.set(state, [...(run as Py[]), fun]);
      }
      seen.add(state);
    }
  }
  return { high: data, errors };
}

function templateStr(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const kwargs = kwargsOf(a);
  const run = new HighState(ctx, runOpts(ctx.opts, kwargs), undefined);
  const folder = mkdtempSync(join(tmpdir(), '__salt.tmp.'));
  try {
    const path = join(folder, 'template');
    writeFileSync(path, str(a['tem'] as Py), { mode: 0o600 });
    const data = run.renderFile(path, '', run.opts.str('saltenv') || 'base');
    if (!truth(data)) return judged(data, ctx);
    const { high, errors } = templateHigh(data, '<template-str>');
    return judged(errors.length ? errors : callHigh(run, high, kwargs), ctx);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    run.close();
  }
}

function template(a: Args, ctx: ModuleCtx): Py {
  const other = conflict(a, ctx);
  if (other !== undefined) return other;
  const kwargs = kwargsOf(a);
  const run = new HighState(ctx, runOpts(ctx.opts, kwargs), undefined);
  try {
    run.requirePillar(kwargs);
    const given = str(a['tem'] as Py);
    const path = given.endsWith('.sls') ? given : `${given}.sls`;
    if (!statSync(path, { throwIfNoEntry: false })?.isFile())
      return compilerError(
        [
          `Specified SLS ${path} in saltenv ${str(kwargs.get('saltenv') ?? '')} is not available on the salt master or through a configured fileserver`,
        ],
        ctx,
      );
    const data = run.renderFile(path, '', str(kwargs.get('saltenv') ?? ''));
    const { high, errors } = templateHigh(data, path);
    if (errors.length) return compilerError(errors, ctx);
    for (const body of high.values())
      if (body instanceof PyDict) {
        if (!body.has('__sls__')) body.set('__sls__', path);
        if (!body.has('__env__')) body.set('__env__', str(kwargs.get('saltenv') ?? ''));
      }
    return judged(callHigh(run, high, kwargs), ctx, high);
  } finally {
    run.close();
  }
}

function clearCache(ctx: ModuleCtx): Py {
  const dir = ctx.opts.str('cachedir');
  const found = readdirSync(dir).filter((n) => n.endsWith('.cache.p') && statSync(join(dir, n)).isFile());
  for (const n of found) rmSync(join(dir, n));
  return found;
}

/** Functions of module `state` that run states. */
export const applyFunctions: Readonly<Record<string, Fn<ModuleCtx>>> = {
  apply: fn(
    'apply_(mods=None, **kwargs)',
    doc(
      'Applies SLS files, or with none named all that the top files give this minion. Takes the arguments of state.sls and state.highstate.',
      'apply',
      'apply web,db test=True',
    ),
    (a, ctx) => apply(a['mods'] ?? null, kwargsOf(a), ctx),
  ),
  test: fn(
    'test(*args, **kwargs)',
    doc('Tells what state.apply would change, and changes nothing.', 'test web'),
    (a, ctx) => {
      const kwargs = kwargsOf(a);
      kwargs.set('test', true);
      return ctx.salt.call('state.apply', a['args'] as Py[], kwargs);
    },
  ),
  sls: fn(
    'sls(mods, test=None, exclude=None, queue=None, sync_mods=None, state_events=None, **kwargs)',
    doc(
      `Applies SLS files, by name or as a list.

test=True only tells what would change. pillar lays a dict over the pillar, saltenv and pillarenv choose environments, exclude leaves
out SLS files or IDs, queue waits for other runs, concurrent=True does not mind them, mock=True calls no state, localconfig reads
further options from a file, sync_mods syncs kinds of modules first, state_events reports each state to the master.`,
      'sls core,edit.vim',
      "sls web exclude=\"[{'id': 'extra'}]\"",
    ),
    applySls,
  ),
  highstate: fn(
    'highstate(test=None, queue=None, state_events=None, **kwargs)',
    doc(
      'Applies all SLS files that the top files give this minion. Takes the arguments of state.sls; whitelist keeps only some files.',
      'highstate',
      'highstate whitelist=web,db',
    ),
    highstate,
  ),
  top: fn(
    'top(topfn, test=None, queue=None, **kwargs)',
    doc('Applies what another top file gives this minion.', 'top other_top.sls'),
    top,
  ),
  sls_id: fn(
    'sls_id(id_, mods, test=None, queue=None, state_events=None, **kwargs)',
    doc('Applies one ID of some SLS files, with all that it requires.', 'sls_id vim core'),
    slsId,
  ),
  single: fn(
    'single(fun, name, test=None, queue=None, **kwargs)',
    doc('Applies one state function with the arguments given.', 'single pkg.installed name=vim'),
    single,
  ),
  low: fn(
    'low(data, queue=None, **kwargs)',
    doc('Applies one low chunk.', 'low \'{"state": "pkg", "fun": "installed", "name": "vi", "__id__": "vi"}\''),
    low,
  ),
  high: fn(
    'high(data, test=None, queue=None, **kwargs)',
    doc('Applies high data as it is given.', 'high \'{"vim": {"pkg": ["installed"]}}\''),
    high,
  ),
  template: fn(
    'template(tem, queue=None, **kwargs)',
    doc("Applies an SLS file that lies on the minion; '.sls' is added to its path.", 'template /srv/local/web'),
    template,
  ),
  template_str: fn(
    'template_str(tem, queue=None, **kwargs)',
    doc('Applies the text of an SLS file.', "template_str 'vim: pkg.installed'"),
    templateStr,
  ),
  running: fn(
    'running(concurrent=False)',
    doc('Tells which state functions run now, one line each.', 'running'),
    (a, ctx) => running(truth(a['concurrent'] ?? false), ctx),
  ),
  clear_cache: fn(
    'clear_cache()',
    doc('Removes kept high data; answers the names of the files.', 'clear_cache'),
    (_a, ctx) => clearCache(ctx),
  ),
};
