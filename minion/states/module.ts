/** States that run execution functions. */
import { messageOf, SaltError } from '../../bus/errors.ts';
import { JidSource } from '../../bus/jid.ts';
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import type { ArgSpec } from '../../sls/signature.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { isStr, str, truth } from '../../sls/values.ts';
import { runReturners } from '../return-to.ts';
import { answer, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

const kwargsOf = (a: Args): PyDict => (a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict());

/** Whether a map tells of success: no `result` of False and no `retcode` but 0 in it, or in what is nested in it. */
function isGood(v: Py): boolean {
  if (typeof v === 'boolean') return v;
  if (!(v instanceof PyDict)) return true;
  for (const [k, x] of v) {
    if ((k === 'result' && x === false) || (k === 'retcode' && x !== 0)) return false;
    if (x instanceof PyDict && !isGood(x)) return false;
  }
  return true;
}

function toReturner(name: Py, fun: string, value: Py, ctx: StateCtx): void {
  if (!truth(name)) return;
  const ret: WireMap = {
    id: ctx.opts.str('id'),
    return: toWire(value),
    fun,
    jid: new JidSource().next(),
    success: true,
  };
  runReturners({ ret: str(name) }, ret, ctx.opts, ctx.log).catch((e: unknown) =>
    ctx.log.error(`The returner ${str(name)} failed: ${messageOf(e)}`),
  );
}

/** Calls a function with a list of arguments in which maps hold keyword arguments. Throws SaltInvocationError for missing ones. */
function callWith(fun: string, given: Py, ctx: StateCtx): Py {
  const spec = ctx.salt.argspec(fun) as ArgSpec;
  const names = spec.args ?? [];
  const defaults = spec.defaults ?? [];
  const required = names.slice(0, names.length - defaults.length);
  const kwargs = new PyDict<Py>(defaults.map((d, i): [Py, Py] => [names[required.length + i] as string, d]));
  const args: Py[] = [];
  const byName = new Map<string, Py>();
  const list =
    given === null
      ? []
      : Array.isArray(given)
        ? [...(given as Py[])]
        : given instanceof PyDict
          ? [...given.keys()]
          : [given];
  for (const one of list.reverse())
    if (!(one instanceof PyDict)) args.push(one);
    else
      for (const k of one.keys())
        if (isStr(k) && required.includes(str(k))) byName.set(str(k), one.get(k) as Py);
        else for (const [kk, v] of one) kwargs.set(kk, v);
  args.reverse();
  for (const r of required) if (byName.has(r)) args.push(byName.get(r) as Py);
  if (required.length > args.length) {
    const missing = names.slice(args.length).filter((n) => !kwargs.has(n));
    if (missing.length) throw new SaltError('SaltInvocationError', `Missing arguments: ${missing.join(', ')}`);
  }
  return ctx.salt.call(fun, args, kwargs);
}

/** The form with functions as keys: `module.run: [{test.ping: []}]`. */
function runMany(given: PyDict, ctx: StateCtx): PyDict {
  const kwargs = new PyDict<Py>(given);
  kwargs.delete('name');
  const ret = answer([...kwargs.keys()], null);
  const functions = [...kwargs.keys()].map((k) => str(k)).filter((k) => k.includes('.'));
  const missing: string[] = [];
  const tests: string[] = [];
  for (const f of functions.map((k) => k.split(':')[0] as string))
    if (!ctx.salt.has(f)) missing.push(f);
    else if (ctx.test) tests.push(f);
  if (!functions.length) return say(ret, false, 'No function provided.');
  if (tests.length || missing.length) {
    // The reference prints Python's truth of there being more than one.
    const many = (l: readonly string[]): string => (l.length > 1 ? 'True' : '');
    const text = [
      missing.length ? `Unavailable function${many(missing)}: ${missing.join(', ')}.` : '',
      tests.length ? `Function${many(tests)} ${tests.join(', ')} to be executed.` : '',
    ]
      .join(' ')
      .trim();
    return say(ret, missing.length ? false : null, text);
  }
  const bad: string[] = [];
  const good: string[] = [];
  for (const key of functions) {
    const f = key.split(':')[0] as string;
    try {
      const value = callWith(f, kwargs.get(key) ?? null, ctx);
      toReturner(kwargs.get('returner') ?? null, f, value, ctx);
      if (!isGood(value)) {
        if (value instanceof PyDict) bad.push(`'${key}' failed: ${str(value.get('comment') ?? '(error message N/A)')}`);
        if (value === false) bad.push(`'${key}': False`);
      } else {
        good.push(`${key}: ${value instanceof PyDict ? str(value.get('comment') ?? 'Success') : str(value)}`);
        (ret.get('changes') as PyDict).set(key, value);
      }
    } catch (e) {
      if (!(e instanceof SaltError) || !['SaltInvocationError', 'TypeError'].includes(e.code)) throw e;
      bad.push(`'${key}' failed: ${e.message}`);
    }
  }
  return say(ret, bad.length === 0, [...bad, ...good].join(', '));
}

/** Arguments that the state itself has under the same name. */
const RENAMED = new Set(['name', 'fun', 'names', 'state', 'saltenv']);
const given = (arg: string): string => (RENAMED.has(arg) ? `m_${arg}` : arg);

/** The form with the function as name: `module.run: [{name: test.ping}]`. */
function runOne(all: PyDict, ctx: StateCtx): PyDict {
  const kwargs = new PyDict<Py>(all);
  const name = str(kwargs.get('name') ?? null);
  kwargs.delete('name');
  const ret = answer(name, null);
  if (!ctx.salt.has(name)) return say(ret, false, `Module function ${name} is not available`);
  if (ctx.test) return say(ret, null, `Module function ${name} is set to execute`);
  const spec = ctx.salt.argspec(name) as ArgSpec;
  const names = spec.args ?? [];
  const defaults = new Map<string, Py>();
  (spec.defaults ?? []).forEach((d, i) => {
    defaults.set(names[names.length - (spec.defaults as Py[]).length + i] as string, d);
  });
  const take = (key: string): Py => {
    const v = kwargs.get(key) as Py;
    kwargs.delete(key);
    return v;
  };
  for (const arg of defaults.keys()) {
    if (RENAMED.has(arg) && arg !== 'names' && kwargs.has(`m_${arg}`)) defaults.set(arg, take(`m_${arg}`));
    if (kwargs.has(arg)) defaults.set(arg, take(arg));
  }
  const args: Py[] = [];
  const missing: string[] = [];
  for (const arg of names)
    if (defaults.has(arg)) args.push(defaults.get(arg) as Py);
    else if (kwargs.has(given(arg))) args.push(take(given(arg)));
    else missing.push(given(arg));
  if (missing.length)
    return say(ret, false, `The following arguments are missing:${missing.map((m) => ` ${m}`).join('')}`);
  if (spec.varargs) {
    const key = ['args', 'm_args', given(String(spec.varargs))].find((k) => kwargs.has(k));
    if (key !== undefined) {
      const more = take(key);
      if (!Array.isArray(more)) return say(ret, false, `'${key}' must be a list.`);
      args.push(...(more as Py[]));
    }
  }
  let more = new PyDict<Py>();
  if (spec.kwargs && kwargs.has('kwargs')) {
    const v = take('kwargs');
    if (!(v instanceof PyDict)) return say(ret, false, "'kwargs' must be a dict.");
    more = v;
  }
  let value: Py;
  try {
    value = ctx.salt.call(name, args, more);
  } catch (e) {
    return say(ret, false, `Module function ${name} threw an exception. Exception: ${messageOf(e)}`);
  }
  (ret.get('changes') as PyDict).set('ret', value);
  toReturner(kwargs.get('returner') ?? null, name, value, ctx);
  return say(ret, isGood(value), `Module function ${name} executed`);
}

function run(a: Args, ctx: StateCtx): PyDict {
  const kwargs = kwargsOf(a);
  const keys = [...kwargs.keys()].map((k) => str(k)).filter((k) => !['name', '__reqs__', 'sfun'].includes(k));
  const old = keys.some((k) => !k.includes('.')) || (!keys.length && kwargs.size > 0);
  return old ? runOne(kwargs, ctx) : runMany(kwargs, ctx);
}

const waits = (a: Args): PyDict => answer(a['name'] as Py);

export default {
  doc: 'Runs execution functions, always or when something else changed.',
  functions: {
    run: fn('run(**kwargs)', 'Runs functions: as keys with lists of arguments, or one by name.', run),
    wait: fn('wait(name, **kwargs)', 'Runs a function only when a watched state changed.', waits),
    watch: fn('watch(name, **kwargs)', 'Runs a function only when a watched state changed, as wait.', waits),
    mod_watch: fn('mod_watch(**kwargs)', 'Runs what a watch asks for.', run),
  },
} satisfies StateModule;
