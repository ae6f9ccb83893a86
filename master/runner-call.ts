import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import { type Py, PyDict, toPy, type Wire } from '../bus/values.ts';
import { bind } from '../sls/bind.ts';
import { PluginFolder } from '../sls/loader.ts';
import { traceback } from '../sls/traceback.ts';
import type { RunnerCtx, RunnerModule } from './runners/contract.ts';

declare const __brine_dist: string;

/** Runner functions answer operators, wheel functions manage the master itself. */
export type Form = 'runner' | 'wheel';

/** How a runner or wheel function ended. `retcode` is there when the function is unknown (254), failed, or set it. */
export interface Outcome {
  return: Py;
  success: boolean;
  retcode?: number;
}

const FOLDER: Record<Form, string> = { runner: 'runners', wheel: 'wheel' };
const NAME = /^[a-z_][a-z0-9_]*$/i;

/** Loads a built-in runner or wheel module by name; undefined when there is none. */
export function loadModule(form: Form, name: string): RunnerModule | undefined {
  if (!NAME.test(name) || name === 'contract') return undefined;
  const path = join(__brine_dist, 'master', FOLDER[form], `${name}.js`);
  try {
    return (require(path) as { default: RunnerModule }).default;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' && messageOf(e).includes(path)) return undefined;
    throw e;
  }
}

const isModule = (m: unknown): m is RunnerModule =>
  typeof m === 'object' && m !== null && typeof (m as { functions?: unknown }).functions === 'object';

/** An operator's own module: from `runner_dirs`, or synced into `extension_modules`. */
function operatorsModule(form: Form, name: string, { opts, log }: RunnerCtx): RunnerModule | undefined {
  const own = form === 'runner' ? opts.list('runner_dirs').map(String) : [];
  const dirs = [...own, join(opts.str('extension_modules'), FOLDER[form])].filter((d) => existsSync(d));
  if (!dirs.length || !NAME.test(name)) return undefined;
  const folder = new PluginFolder<RunnerModule>({ folder: `master/${FOLDER[form]}`, dirs, accepts: isModule, log });
  return folder.isOperators(name) ? folder.load(name) : undefined;
}

/** The function behind `module.name`, aliases resolved, if its module loads here. */
export function findFunction(form: Form, fun: string, ctx: RunnerCtx): RunnerModule['functions'][string] | undefined {
  return locate(form, fun, ctx)?.fn;
}

/** The same, and whether it is ours: a function of an operator's module may be gone the next time, and one of a module that asks whether it may load. */
export function locate(
  form: Form,
  fun: string,
  ctx: RunnerCtx,
): { fn: RunnerModule['functions'][string]; lasting: boolean } | undefined {
  const [module, name, more] = fun.split('.');
  if (!module || !name || more !== undefined) return undefined;
  const theirs = operatorsModule(form, module, ctx);
  const loaded = theirs ?? loadModule(form, module);
  if (!loaded) return undefined;
  const virtual = loaded.virtual?.(ctx);
  if (virtual !== undefined && virtual !== true && typeof virtual !== 'string') return undefined;
  const own = loaded.aliases && Object.hasOwn(loaded.aliases, name) ? loaded.aliases[name]! : name;
  const found = Object.hasOwn(loaded.functions, own) ? loaded.functions[own] : undefined;
  // Operators answer in plain JavaScript.
  const fn: typeof found =
    found && theirs ? { ...found, run: async (a, c) => toPy((await found.run(a, c)) as Wire) } : found;
  return fn && { fn, lasting: !theirs && !loaded.virtual };
}

/**
 * Calls a runner or wheel function. Never throws for what the function or its arguments do wrong: the outcome then says so in the reference's
 * words. Runs on the caller's thread, so never on a daemon's.
 */
export async function callFunction(
  form: Form,
  fun: string,
  args: readonly Py[],
  kwargs: PyDict,
  ctx: RunnerCtx,
): Promise<Outcome> {
  const found = findFunction(form, fun, ctx);
  if (!found) return { return: `'${fun}' is not available.`, success: false, retcode: 254 };
  try {
    const bound = bind('', found.sig, args, kwargs);
    const value = (await found.run(bound, ctx)) ?? null;
    const good =
      ctx.retcode === 0 && (!(value instanceof PyDict) || !value.has('data') || noneFailed(value.get('data')));
    const outcome: Outcome = { return: value, success: good };
    if (ctx.retcode !== 0) outcome.retcode = ctx.retcode;
    return outcome;
  } catch (e) {
    // The reference takes every refusal of arguments for an answer.
    if (e instanceof SaltError && (e.code === 'TypeError' || e.code === 'SaltInvocationError'))
      return { return: `\nPassed invalid arguments: ${e.message}\n\nUsage:\n${found.doc}`, success: true };
    return { return: `Exception occurred in ${form} ${fun}: ${traceback(e)}`, success: false, retcode: 1 };
  }
}

/** Whether data with state results, at any depth, holds none that failed; what is no map of maps counts as failed. */
function noneFailed(data: Py | undefined, below = false): boolean {
  if (!(data instanceof PyDict) || data.size === 0) return false;
  for (const [id, value] of data) {
    if (!below && !(id === '__extend__' ? Array.isArray(value) : value instanceof PyDict)) return false;
    if (!(value instanceof PyDict)) continue;
    const result = value.get('result');
    if (result === false || (result === undefined && !noneFailed(value, true))) return false;
  }
  return true;
}

/** A call's arguments as its events show them: the positional ones, then the keywords in a map if there are any. */
export function shownArgs(args: readonly Py[], kwargs: PyDict): Py[] {
  if (!kwargs.size) return [...args];
  const shown = new PyDict(kwargs);
  for (const secret of SECRETS) if (shown.has(secret)) shown.set(secret, '**********');
  return [...args, shown];
}

/** Keywords whose values are nobody's business: events and the job cache outlive the call. */
export const SECRETS: readonly string[] = ['password', 'token'];
