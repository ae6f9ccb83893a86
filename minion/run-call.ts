/** What salt-call makes of a function: arguments, return, and the reference's words for everything that goes wrong. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import { JidSource } from '../bus/jid.ts';
import { LEVELS } from '../bus/log.ts';
import { type Py, PyDict, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { encodeBus } from '../bus/wire/payload.ts';
import { parseArgs, yamlify } from '../sls/args.ts';
import { loadArgs } from '../sls/call-format.ts';
import type { Calls } from './call.ts';
import { procDir } from './proc-files.ts';
import { executorsOf, missing, retcodeOf, runSplay } from './run-job.ts';
import { pythonName, traceback } from './traceback.ts';

/** How a call ended: with a return to be shown, or with texts and an exit code. */
export type CallOutcome =
  | { kind: 'return'; ret: WireMap }
  | { kind: 'error'; stdout: string; stderr: string; log: string; exit: number };

const ended = (exit: number, stderr: string, stdout = '', log = ''): CallOutcome => ({
  kind: 'error',
  stdout,
  stderr,
  log,
  exit,
});

/** Exit code of the reference's `sys.exit(-1)`. */
const EX_UNAVAILABLE = 255;

/** Runs one function with the words of a command line. Never rejects. */
export async function runCall(fun: string, words: readonly string[], calls: Calls): Promise<CallOutcome> {
  const { opts } = calls.ctx;
  const jid = new JidSource().next();
  if (!calls.has(fun)) {
    const near = calls.names().filter((n) => n.startsWith(fun));
    if (!near.length) return ended(EX_UNAVAILABLE, `${missing(fun, calls)}\n`);
    const docs: WireMap = {};
    for (const n of near) docs[n] = calls.doc(n) ?? null;
    docs[fun] = missing(fun, calls);
    return { kind: 'return', ret: { jid, out: 'nested', return: docs } };
  }
  const metadata = opts.get('metadata');
  const facts = new PyDict<Py>([
    ['fun', fun],
    ['pid', process.pid],
    ['jid', jid],
    ['tgt', 'salt-call'],
  ]);
  const own = typeof metadata === 'string' ? yamlify(metadata) : (metadata ?? null);
  if (own !== null) facts.set('metadata', own);
  let answer: Py;
  try {
    const noParse = opts.list('no_parse').map(String);
    const bound = loadArgs(calls.signature(fun) as string, parseArgs(words, noParse), facts);
    const proc = writeProc(jid, facts, calls);
    try {
      answer = await throughExecutors(fun, bound, calls);
    } finally {
      if (proc) rmSync(proc, { force: true });
    }
  } catch (e) {
    return failed(fun, e, calls);
  }
  const ret: WireMap = { jid, return: toWire(answer), retcode: retcodeOf(answer, calls.context) };
  const out = calls.outputter(fun);
  if (out !== undefined) ret['out'] = out;
  ret['id'] = opts.str('id');
  ret['fun'] = fun;
  ret['fun_args'] = [...words];
  if (own !== null) ret['metadata'] = toWire(own);
  return { kind: 'return', ret };
}

async function throughExecutors(fun: string, bound: { args: Py[]; kwargs: PyDict }, calls: Calls): Promise<Py> {
  const { opts } = calls.ctx;
  const given = opts.get('module_executors');
  const load: WireMap = typeof given === 'string' ? { module_executors: toWire(yamlify(given)) } : {};
  const own = opts.get('executor_opts');
  if (typeof own === 'string') load['executor_opts'] = toWire(yamlify(own));
  let answer: Py = null;
  for (const name of executorsOf(load, opts)) {
    if (name === 'direct_call') answer = await calls.callAsync(fun, bound.args, bound.kwargs);
    else if (name === 'splay') runSplay(load, opts);
    else throw new SaltError('SaltInvocationError', `Executor '${name}' is not available`);
    if (answer !== null) break;
  }
  return answer;
}

/** Notes the call among the running jobs; a folder that cannot be written to costs a line on standard error and nothing else. */
function writeProc(jid: string, facts: PyDict, calls: Calls): string | undefined {
  const path = join(calls.ctx.opts.str('cachedir'), 'proc', jid);
  try {
    procDir(calls.ctx.opts.str('cachedir'));
    writeFileSync(path, encodeBus(facts), { mode: 0o600 });
    return path;
  } catch {
    process.stderr.write(`Cannot write to process directory. Do you have permissions to write to ${path} ?\n`);
    return undefined;
  }
}

function failed(fun: string, e: unknown, calls: Calls): CallOutcome {
  const message = e instanceof Error ? e.message : String(e);
  const verbose = calls.ctx.log.enabled('debug') && LEVELS.debug > 0;
  const trace = verbose ? traceback(e) : '';
  if (e instanceof SaltError)
    switch (e.code) {
      case 'TypeError':
        return ended(1, `\nPassed invalid arguments: ${message}.\n\nUsage:\n${trace}`, `${calls.doc(fun) ?? ''}\n`);
      case 'CommandExecutionError':
      case 'TimedProcTimeoutError':
        return ended(1, `${trace}Error running '${fun}': ${message}\n`);
      case 'CommandNotFoundError':
        return ended(1, `Command required for '${fun}' not found: ${message}\n`);
      case 'SaltInvocationError':
        return ended(1, `${message}\n`);
    }
  const whole = traceback(e);
  return ended(
    1,
    whole,
    '',
    `An un-handled exception was caught by Salt's global exception handler:\n${pythonName(e)}: ${message}\n${whole.trimEnd()}`,
  );
}

/** The value that is printed for a return, and its outputter. */
export function shownReturn(ret: WireMap, metadata: boolean): { data: Wire; out: string } {
  if (metadata) return { data: ret, out: 'nested' };
  return { data: ret['return'] ?? {}, out: typeof ret['out'] === 'string' ? ret['out'] : 'nested' };
}
