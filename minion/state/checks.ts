/** The conditions of a chunk: `unless`, `onlyif`, `creates` before it runs and `check_cmd` after. */
import { existsSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { traverse } from '../../sls/traverse.ts';
import { contains, isStr, str, truth } from '../../sls/values.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import { fillCall } from './slots.ts';

const CMD_ARGS = ['cwd', 'root', 'runas', 'env', 'prepend_path', 'umask', 'timeout', 'success_retcodes'] as const;

interface Verdict {
  comment?: string;
  result: boolean;
  skip?: boolean;
}

const asList = (v: Py): Py[] => (Array.isArray(v) ? (v as Py[]) : [v]);

function cmdOpts(low: PyDict, ctx: ModuleCtx): PyDict {
  const excluded = low.has('cmd_opts_exclude') ? asList(low.get('cmd_opts_exclude') as Py) : [];
  const opts = new PyDict<Py>();
  for (const a of CMD_ARGS) if (!contains(excluded, a)) opts.set(a, low.get(a) ?? null);
  if (low.has('shell') && !contains(excluded, 'shell')) opts.set('shell', low.get('shell') as Py);
  else if (ctx.grains.has('shell')) opts.set('shell', ctx.grains.get('shell') as Py);
  return opts;
}

function retcode(cmd: Py, opts: PyDict, ctx: ModuleCtx): Py {
  return ctx.salt.call(
    'cmd.retcode',
    [cmd],
    new PyDict<Py>([['ignore_retcode', true], ['python_shell', true], ...opts]),
  );
}

/** Calls the function of a condition; `retcode` is what it left as the job's return code. */
function callEntry(entry: PyDict, ctx: ModuleCtx): { value: Py; retcode: Py } {
  const kwargs = new PyDict(entry);
  const path = kwargs.get('get_return');
  const fun = str(kwargs.get('fun') as Py);
  const given = kwargs.get('args');
  for (const k of ['get_return', 'fun', 'args']) kwargs.delete(k);
  const call = { args: Array.isArray(given) ? [...(given as Py[])] : [], kwargs };
  fillCall(call, ctx);
  let value = ctx.salt.call(fun, call.args, call.kwargs);
  if (truth(path ?? null)) value = traverse(value, str(path as Py)) ?? null;
  return { value, retcode: ctx.context.get('retcode') ?? 0 };
}

function onlyif(low: PyDict, opts: PyDict, ctx: ModuleCtx): Verdict {
  const skip: Verdict = { comment: 'onlyif condition is false', skip: true, result: true };
  let v: Verdict = { result: false };
  for (const entry of asList(low.get('onlyif') as Py)) {
    let code: Py;
    if (isStr(entry)) {
      try {
        code = retcode(entry, opts, ctx);
      } catch (e) {
        if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
        code = 100;
      }
    } else if (entry instanceof PyDict) {
      if (!entry.has('fun')) return { ...v, comment: `no \`fun\` argument in onlyif: ${str(entry)}` };
      const got = callEntry(entry, ctx);
      code = truth(got.retcode) ? got.retcode : truth(got.value) ? 0 : 1;
    } else return { comment: 'onlyif execution failed, bad type passed', result: false };
    if (code !== 0) return skip;
    v = { comment: 'onlyif condition is true', result: false };
  }
  return v;
}

function unless(low: PyDict, opts: PyDict, ctx: ModuleCtx): Verdict {
  let v: Verdict = { result: false };
  for (const entry of asList(low.get('unless') as Py)) {
    let code: Py;
    if (isStr(entry)) {
      try {
        code = retcode(entry, opts, ctx);
      } catch (e) {
        if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
        code = 0;
      }
      if (code !== 0) return { comment: 'unless condition is false', result: false };
    } else if (entry instanceof PyDict) {
      if (!entry.has('fun')) return { ...v, comment: `no \`fun\` argument in unless: ${str(entry)}` };
      const got = callEntry(entry, ctx);
      if (truth(got.retcode) || !truth(got.value))
        return {
          comment: 'unless condition is false',
          result: false,
          ...(truth(got.retcode) || !v.skip ? {} : { skip: v.skip }),
        };
    } else {
      v = { ...v, comment: 'unless condition is false, bad type passed', result: false };
      continue;
    }
    v = { comment: 'unless condition is true', skip: true, result: true };
  }
  return v;
}

function creates(low: PyDict): Verdict {
  const paths = low.get('creates') as Py;
  if (isStr(paths) && existsSync(str(paths))) return { comment: `${str(paths)} exists`, result: true, skip: true };
  if (Array.isArray(paths) && (paths as Py[]).every((p) => existsSync(str(p))))
    return { comment: 'All files in creates exist', result: true, skip: true };
  return { comment: 'Creates files not found', result: false };
}

/** Whether a chunk has conditions to be looked at before it runs. */
export function hasConditions(low: PyDict): boolean {
  return low.has('unless') || low.has('onlyif') || low.has('creates');
}

/** Looks at the conditions: entries for the chunk's result, of which a true `result` means that it is not run. */
export function conditions(low: PyDict, ctx: ModuleCtx): PyDict {
  const opts = cmdOpts(low, ctx);
  const verdicts: Verdict[] = [];
  if (low.has('onlyif')) verdicts.push(onlyif(low, opts, ctx));
  if (low.has('unless')) verdicts.push(unless(low, opts, ctx));
  if (low.has('creates')) verdicts.push(creates(low));
  const out = new PyDict<Py>([
    ['result', verdicts.some((v) => v.result)],
    ['comment', verdicts.map((v) => v.comment ?? null)],
  ]);
  for (const k of ['__sls__', '__id__', 'name']) out.set(k, low.get(k) ?? null);
  if (verdicts.some((v) => v.skip)) out.set('skip_watch', true);
  return out;
}

/** Runs `check_cmd`: entries that stand over the chunk's own result. */
export function checkCommands(low: PyDict, ctx: ModuleCtx): PyDict {
  const out = new PyDict<Py>([['result', false]]);
  for (const k of ['__sls__', '__id__', 'name']) out.set(k, low.get(k) ?? null);
  const opts = new PyDict<Py>();
  if (ctx.grains.has('shell')) opts.set('shell', ctx.grains.get('shell') as Py);
  for (const entry of asList(low.get('check_cmd') as Py)) {
    const good = retcode(entry, opts, ctx) === 0;
    out.set('comment', good ? 'check_cmd determined the state succeeded' : 'check_cmd determined the state failed');
    out.set('result', good);
    if (!good) break;
  }
  return out;
}
