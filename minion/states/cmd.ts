/** States that run commands. */
import { statSync } from 'node:fs';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { bind, parseSignature } from '../../sls/bind.ts';
import { parseJson } from '../../sls/json.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { deepCopy, isStr, str, truth } from '../../sls/values.ts';
import { shellSplit } from '../process/shell-words.ts';
import type { StateCtx, StateModule } from './contract.ts';

const kwargsOf = (a: Args): PyDict => (a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict());
const given = (v: Py | undefined): v is Py => truth(v ?? null);

function answer(name: Py, result: Py = false, comment: Py = ''): PyDict {
  return new PyDict<Py>([
    ['name', name],
    ['changes', new PyDict()],
    ['result', result],
    ['comment', comment],
  ]);
}
const refused = (name: Py, comment: string): PyDict => answer(name, false, comment);

/** What a stateful command printed about itself: JSON, or `name=value` words on the last line. */
function reinterpreted(ret: PyDict): PyDict {
  const got = ret.get('changes') as PyDict;
  ret.set('changes', new PyDict());
  ret.set('comment', '');
  const out = str(got.get('stdout') ?? '');
  if (!out) {
    if (given(got.get('stderr'))) ret.set('comment', got.get('stderr') as Py);
    return ret;
  }
  const fail = (text: string): PyDict => {
    ret.set('comment', text);
    ret.set('result', false);
    return ret;
  };
  let data = new PyDict<Py>();
  let json = false;
  let cut = -1;
  let parsed: Py | undefined;
  try {
    parsed = parseJson(out);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
  }
  if (parsed !== undefined) {
    if (!(parsed instanceof PyDict)) return fail('script JSON output must be a JSON object (e.g., {})!');
    data = parsed;
    json = true;
  } else {
    cut = out.trimEnd().lastIndexOf('\n');
    const pairs = nameValuePairs(out.slice(cut + 1));
    if (!pairs) {
      fail('Failed parsing script output! Stdout must be JSON or a line of name=value pairs.');
      ret.set('changes', new PyDict(got));
      return ret;
    }
    for (const [k, v] of pairs) data.set(k as string, v as string);
  }
  const word = str(data.get('changed') ?? 'no').toLowerCase();
  const changed = ['true', 'yes', '1'].includes(word);
  if (!changed && !['false', 'no', '0'].includes(word))
    throw new SaltError('ValueError', `Failed parsing boolean value: ${str(data.get('changed') ?? 'no')}`);
  if (data.has('comment')) {
    ret.set('comment', data.get('comment') as Py);
    data.delete('comment');
  }
  if (changed) {
    for (const [k, v] of got) if (!data.has(k)) data.set(k, v);
    data.set('stdout', json ? '' : str(data.get('stdout') ?? '').slice(0, cut < 0 ? -1 : cut));
    ret.set('changes', data);
  }
  return ret;
}

/** `a=b c=d` as pairs; undefined where a word is none. */
function nameValuePairs(line: string): string[][] | undefined {
  try {
    const pairs = shellSplit(line).map((w) => w.split('='));
    return pairs.every((p) => p.length === 2) ? pairs : undefined;
  } catch (e) {
    if (e instanceof SaltError && e.code === 'ValueError') return undefined;
    throw e;
  }
}

interface Stateful {
  readonly on: boolean;
  readonly testName: Py | undefined;
}
function statefulOf(v: Py): Stateful {
  if (!Array.isArray(v)) return { on: v === true, testName: undefined };
  const first = (v as Py[])[0];
  const named = first instanceof PyDict ? first.get('test_name') : undefined;
  return { on: v.length > 0, testName: named };
}

const noFolder = (cwd: Py | undefined): boolean =>
  given(cwd) && !(statSync(str(cwd), { throwIfNoEntry: false })?.isDirectory() ?? false);

function finish(ret: PyDict, stateful: Stateful, ctx: StateCtx, code: Py): PyDict {
  const out = stateful.on ? reinterpreted(ret) : ret;
  if (ctx.test && code === 0 && truth(out.get('changes') ?? null)) out.set('result', null);
  return out;
}

function run(a: Args, ctx: StateCtx): PyDict {
  const stateful = statefulOf(a['stateful'] as Py);
  const name = a['name'] as Py;
  const command = ctx.test && given(stateful.testName) ? stateful.testName : name;
  const ret = answer(name);
  const env = a['env'] ?? null;
  if (env !== null && !Array.isArray(env) && !(env instanceof PyDict))
    return refused(name, "Invalidly-formatted 'env' parameter. See documentation.");
  if (ctx.test && !given(stateful.testName)) {
    ret.set('result', null);
    ret.set('comment', `Command "${str(name)}" would have been executed`);
    ret.set('changes', new PyDict([['cmd', name]]));
    return stateful.on ? reinterpreted(ret) : ret;
  }
  if (noFolder(a['cwd'])) return refused(name, `Desired working directory "${str(a['cwd'] as Py)}" is not available`);
  const kwargs = new PyDict<Py>(deepCopy(kwargsOf(a)));
  for (const k of ['cwd', 'root', 'runas', 'password', 'use_vt', 'env', 'prepend_path', 'output_loglevel'])
    kwargs.set(k, a[k] ?? null);
  for (const k of ['hide_output', 'success_retcodes', 'success_stdout', 'success_stderr', 'timeout'])
    kwargs.set(k, a[k] ?? null);
  kwargs.set('shell', given(a['shell']) ? a['shell'] : (ctx.grains.get('shell') ?? null));
  kwargs.set('python_shell', true);
  kwargs.set('cmd', command);
  let all: PyDict;
  try {
    all = ctx.salt.call(given(a['root']) ? 'cmd.run_chroot' : 'cmd.run_all', [], kwargs) as PyDict;
  } catch (e) {
    return refused(name, messageOf(e));
  }
  const code = all.get('retcode') ?? null;
  ret.set('changes', all);
  ret.set('result', !truth(code));
  ret.set('comment', `Command "${str(command)}" run`);
  if (truth(a['ignore_timeout'] as Py) && code === 1 && str(all.get('stdout') ?? '').includes('Timed out after')) {
    all.set('retcode', 0);
    ret.set('result', true);
  }
  return finish(ret, stateful, ctx, code);
}

function script(a: Args, ctx: StateCtx): PyDict {
  const stateful = statefulOf(a['stateful'] as Py);
  const name = ctx.test && given(stateful.testName) ? stateful.testName : (a['name'] as Py);
  const env = a['env'] ?? null;
  const { context, defaults } = a as { context: Py; defaults: Py };
  if (env !== null && !Array.isArray(env) && !(env instanceof PyDict))
    return refused(name, "Invalidly-formatted 'env' parameter. See documentation.");
  if (given(context) && !(context instanceof PyDict))
    return refused(name, "Invalidly-formatted 'context' parameter. Must be formed as a dict.");
  if (given(defaults) && !(defaults instanceof PyDict))
    return refused(name, "Invalidly-formatted 'defaults' parameter. Must be formed as a dict.");
  const ret = answer(name);
  const vars = new PyDict<Py>([
    ...(defaults instanceof PyDict ? defaults : []),
    ...(context instanceof PyDict ? context : []),
  ]);
  const kwargs = new PyDict<Py>(deepCopy(kwargsOf(a)));
  for (const k of ['runas', 'password', 'env', 'cwd', 'template', 'timeout', 'output_loglevel', 'hide_output'])
    kwargs.set(k, a[k] ?? null);
  for (const k of ['use_vt', 'success_retcodes', 'success_stdout', 'success_stderr']) kwargs.set(k, a[k] ?? null);
  kwargs.set('shell', given(a['shell']) ? a['shell'] : (ctx.grains.get('shell') ?? null));
  kwargs.set('context', vars);
  kwargs.set('saltenv', ctx.saltenv);
  const source = a['source'] ?? name;
  const text = str(name);
  if (!given(kwargs.get('args')) && text.trim().split(/\s+/).length > 1)
    kwargs.set('args', text.slice(text.indexOf(' ') + 1));
  if (ctx.test && !given(stateful.testName)) {
    ret.set('result', null);
    ret.set('comment', `Command '${text}' would have been executed`);
    return stateful.on ? reinterpreted(ret) : ret;
  }
  if (noFolder(a['cwd'])) return refused(name, `Desired working directory "${str(a['cwd'] as Py)}" is not available`);
  kwargs.set('python_shell', true);
  let all: PyDict;
  try {
    all = ctx.salt.call('cmd.script', [source], kwargs) as PyDict;
  } catch (e) {
    if (!(e instanceof SaltError) && !(e as NodeJS.ErrnoException).code) throw e;
    return refused(name, messageOf(e));
  }
  const code = all instanceof PyDict ? (all.get('retcode') ?? null) : all;
  ret.set('changes', all);
  ret.set('result', !truth(code));
  ret.set(
    'comment',
    all instanceof PyDict && given(all.get('cache_error'))
      ? `Unable to cache script ${str(source)} from saltenv '${ctx.saltenv}'`
      : `Command '${text}' run`,
  );
  return finish(ret, stateful, ctx, code);
}

/** `cmd.call` runs a function that a renderer of functions handed over: a callable value, or an execution function's name. */
function call(a: Args, ctx: StateCtx): PyDict {
  const name = a['name'] as Py;
  const func = a['func'] as Py;
  if (!isStr(func) || !ctx.salt.has(str(func)))
    throw new SaltError('TypeError', `'${typeof func === 'string' ? 'str' : typeof func}' object is not callable`);
  const result = ctx.salt.call(
    str(func),
    Array.isArray(a['args']) ? (a['args'] as Py[]) : [],
    a['kws'] instanceof PyDict ? a['kws'] : {},
  );
  const ret = answer(name);
  if (result instanceof PyDict) {
    for (const [k, v] of result) ret.set(k, v);
    return ret;
  }
  ret.set('changes', new PyDict([['retval', result]]));
  ret.set('result', result === null || truth(result));
  if (isStr(result)) ret.set('comment', result);
  return ret;
}

const SIG = {
  run: "run(name, cwd=None, root=None, runas=None, password=None, shell=None, env=None, prepend_path=None, stateful=False, output_loglevel='debug', hide_output=False, timeout=None, ignore_timeout=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs)",
  script:
    "script(name, source=None, template=None, cwd=None, runas=None, password=None, shell=None, env=None, stateful=False, timeout=None, use_vt=False, output_loglevel='debug', hide_output=False, defaults=None, context=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs)",
  wait: "wait(name, cwd=None, root=None, runas=None, shell=None, env=(), stateful=False, output_loglevel='debug', hide_output=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs)",
  wait_script:
    "wait_script(name, source=None, template=None, cwd=None, runas=None, shell=None, env=None, stateful=False, use_vt=False, output_loglevel='debug', hide_output=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs)",
  call: "call(name, func, args=(), kws=None, output_loglevel='debug', hide_output=False, use_vt=False, **kwargs)",
  wait_call:
    "wait_call(name, func, args=(), kws=None, stateful=False, use_vt=False, output_loglevel='debug', hide_output=False, **kwargs)",
} as const;

function modWatch(a: Args, ctx: StateCtx): PyDict {
  const name = a['name'] as Py;
  const kwargs = new PyDict<Py>(kwargsOf(a));
  const sfun = str(kwargs.get('sfun') ?? null);
  const kind = /^(wait|run|watch)$/.test(sfun)
    ? 'run'
    : /^(wait_)?script$/.test(sfun)
      ? 'script'
      : /^(wait_)?call$/.test(sfun)
        ? 'call'
        : undefined;
  if (kind === 'call') {
    if (!given(kwargs.get('func'))) return refused(name, `cmd.${sfun} needs a named parameter func`);
    return call(bind('', SIG.call, [name], kwargs), ctx);
  }
  if (!kind)
    return refused(name, `cmd.${sfun} does not work with the watch requisite, please use cmd.wait or cmd.wait_script`);
  const stateful = given(kwargs.get('stateful'));
  if (stateful) kwargs.delete('stateful');
  const ret = (kind === 'run' ? run : script)(bind(parseSignature(SIG[kind]).name, SIG[kind], [name], kwargs), ctx);
  return stateful ? reinterpreted(ret) : ret;
}

const waits = (sig: string, what: string): Fn<StateCtx> => fn(sig, what, (a) => answer(a['name'] as Py, true));

export default {
  doc: 'Runs commands and scripts, always or when something else changed.',
  functions: {
    run: fn(
      SIG.run,
      'Runs a command with the shell; fails when its return code is not 0. stateful reads what the command prints as its own result.',
      run,
    ),
    script: fn(SIG.script, 'Fetches a script, renders it where template says so, and runs it.', script),
    wait: waits(SIG.wait, 'Runs a command only when a watched state changed.'),
    watch: waits(SIG.wait.replace('wait(', 'watch('), 'Runs a command only when a watched state changed, as wait.'),
    wait_script: waits(SIG.wait_script, 'Runs a script only when a watched state changed.'),
    call: fn(SIG.call, 'Calls a function and takes its answer as the result.', call),
    wait_call: waits(SIG.wait_call, 'Calls a function only when a watched state changed.'),
    mod_watch: fn('mod_watch(name, **kwargs)', 'Runs what a watch asks for.', modWatch),
  },
} satisfies StateModule;
