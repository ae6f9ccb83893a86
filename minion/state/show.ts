/** The functions of module `state` that show what a run would do, without running it. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { verifyHigh } from '../../sls/high.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { verifyTops } from '../../sls/top.ts';
import { repr, str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import { HighState, pillarOverride, RETCODE, runOpts, splitInput } from './compile.ts';

const doc = docFor('state');
const kwargsOf = (a: Args): PyDict => (a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict());

/** Does something with a run whose pillar is sound, and ends it. */
function withRun<T>(
  a: Args,
  ctx: ModuleCtx,
  how: { readonly override: boolean; readonly sls?: boolean; readonly pillar?: boolean },
  work: (run: HighState) => T,
): T {
  const kwargs = kwargsOf(a);
  const opts = runOpts(ctx.opts, kwargs);
  // Single files are taken from base where no environment is said; top files say theirs.
  if (how.sls && (opts.get('saltenv') ?? null) === null) opts.set('saltenv', 'base');
  const run = new HighState(ctx, opts, how.override ? pillarOverride(kwargs, ctx) : undefined);
  try {
    if (how.pillar !== false) run.requirePillar(kwargs);
    return work(run);
  } finally {
    run.close();
  }
}

function failed(errors: string[], ctx: ModuleCtx): string[] {
  ctx.context.set('retcode', RETCODE.compilerError);
  return errors;
}

/** Whether no `result` anywhere in data is false, as the reference judges returns of state functions. */
function isGood(data: PyDict): boolean {
  for (const v of data.values()) {
    if (!(v instanceof PyDict)) continue;
    if (v.has('result') ? v.get('result') === false : !isGood(v)) return false;
  }
  return true;
}

function judged<T extends Py>(ret: T, ctx: ModuleCtx): T {
  const bad = Array.isArray(ret)
    ? RETCODE.compilerError
    : ret instanceof PyDict && ret.size && isGood(ret)
      ? 0
      : RETCODE.failure;
  ctx.context.set('retcode', bad);
  return ret;
}

function showSls(a: Args, ctx: ModuleCtx): Py {
  return withRun(a, ctx, { override: true, sls: true }, (run) => {
    const { high, errors } = run.render(run.named(a['mods'] as Py));
    errors.push(...verifyHigh(high));
    return errors.length ? failed(errors, ctx) : high;
  });
}

function showLowSls(a: Args, ctx: ModuleCtx): Py {
  return withRun(a, ctx, { override: true, sls: true }, (run) => {
    const { high, errors } = run.render(run.named(a['mods'] as Py));
    errors.push(...verifyHigh(high));
    if (errors.length) return failed(errors, ctx);
    const compiled = run.compile(high);
    return compiled.errors.length ? failed(compiled.errors, ctx) : compiled.chunks;
  });
}

function idExists(a: Args, ctx: ModuleCtx): boolean {
  const chunks = showLowSls(a, ctx);
  const ids = new Set<string>();
  for (const c of chunks as Py[]) {
    if (!(c instanceof PyDict)) throw new SaltError('TypeError', "string indices must be integers, not 'str'");
    ids.add(str(c.get('__id__') ?? null));
  }
  return splitInput(a['ids'] as Py).every((id) => ids.has(id));
}

function showTop(a: Args, ctx: ModuleCtx): Py {
  return withRun(a, ctx, { override: false }, (run) => {
    const top = run.tops.top();
    const errors = verifyTops(top);
    return errors.length ? failed(errors, ctx) : run.tops.matches(top);
  });
}

function showStates(a: Args, ctx: ModuleCtx): Py {
  return withRun(a, ctx, { override: false }, (run) => {
    const chunks = run.lowChunks();
    const names = new Set<Py>();
    for (const c of chunks) {
      if (!(c instanceof PyDict)) return judged(chunks, ctx);
      const sls = c.get('__sls__');
      if (sls === undefined) throw new SaltError('KeyError', repr('__sls__'));
      names.add(sls);
    }
    return [...names];
  });
}

/** Which of the SLS files of each environment a highstate uses. */
function showStateUsage(a: Args, ctx: ModuleCtx): Py {
  return withRun(a, ctx, { override: true, pillar: false }, (run) => {
    const top = run.tops.top();
    const errors = verifyTops(top);
    if (errors.length) return judged(errors, ctx);
    const matches = run.tops.matches(top);
    const usage = new PyDict();
    for (const env of run.tops.envs()) {
      const all = run.names.all(env);
      const wanted = new Set((matches.get(env) ?? []).map((s) => str(s)));
      const used = all.filter((s) => wanted.has(s));
      const unused = all.filter((s) => !wanted.has(s));
      usage.set(
        env,
        new PyDict<Py>([
          ['used', used],
          ['unused', unused],
          ['count_all', all.length],
          ['count_used', used.length],
          ['count_unused', unused.length],
        ]),
      );
    }
    return judged(usage, ctx);
  });
}

const MODS = 'mods, test=None, queue=None, **kwargs';

/** `state.show_*`, `state.sls_exists` and `state.id_exists`. */
export const showFunctions: Readonly<Record<string, Fn<ModuleCtx>>> = {
  show_sls: fn(
    `show_sls(${MODS})`,
    doc(
      'The high data of one or more SLS files, as they render: a list of errors where they do not. saltenv, pillarenv and pillar choose and override as in state.sls.',
      'show_sls core,edit.vim saltenv=dev',
    ),
    showSls,
  ),
  show_low_sls: fn(
    `show_low_sls(${MODS})`,
    doc(
      'The low data of one or more SLS files, in order of execution, without requisites from the other side and extensions.',
      'show_low_sls web',
    ),
    showLowSls,
  ),
  show_top: fn(
    'show_top(queue=None, **kwargs)',
    doc('The SLS files that top files give this minion, by environment.', 'show_top'),
    showTop,
  ),
  show_highstate: fn(
    'show_highstate(queue=None, **kwargs)',
    doc('The high data of a highstate of this minion.', 'show_highstate'),
    (a, ctx) => withRun(a, ctx, { override: true }, (run) => judged(run.highstate(), ctx)),
  ),
  show_lowstate: fn(
    'show_lowstate(queue=None, **kwargs)',
    doc('The low data that a highstate would run, in order of execution.', 'show_lowstate'),
    (a, ctx) => withRun(a, ctx, { override: false }, (run) => run.lowChunks()),
  ),
  show_states: fn(
    'show_states(queue=None, **kwargs)',
    doc('The SLS files that a highstate would apply, in order.', 'show_states'),
    showStates,
  ),
  show_state_usage: fn(
    'show_state_usage(queue=None, **kwargs)',
    doc('Used and unused SLS files of each environment, with counts.', 'show_state_usage'),
    showStateUsage,
  ),
  sls_exists: fn(
    `sls_exists(${MODS})`,
    doc('Whether SLS files are there and render.', 'sls_exists core,edit.vim'),
    (a, ctx) => showSls(a, ctx) instanceof PyDict,
  ),
  id_exists: fn(
    'id_exists(ids, mods, test=None, queue=None, **kwargs)',
    doc('Whether SLS files hold all of some IDs.', 'id_exists create_file,update_file web'),
    idExists,
  ),
};
