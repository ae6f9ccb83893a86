/** What happens between a publish load and its return: arguments, executors, errors as the reference words them, return code. */
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { invalidArguments, loadArgs } from '../sls/call-format.ts';
import { sleepSync } from './clock.ts';
import type { CallTable } from './modules/contract.ts';
import { traceback } from './traceback.ts';

/** What a job needs of the process it runs in. */
export interface JobPlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly calls: CallTable & {
    outputter(name: string): string | undefined;
    signature(name: string): string | undefined;
  };
  /** `__context__` of this job. */
  readonly context: PyDict;
  readonly grains: PyDict;
  readonly pillar: PyDict;
  /** Whether a master is there: only then the pillar's blackout counts. */
  readonly connected: boolean;
  fireLocal(tag: string, data: WireMap): boolean;
}

/** The default when neither the job nor the configuration names executors. */
const DIRECT = ['direct_call'];

/** The executors of a job, in order (`module_executors`). Throws SaltInvocationError for a list that is none. */
export function executorsOf(load: WireMap, opts: Opts): string[] {
  const asked = load['module_executors'];
  const given = asked && (!Array.isArray(asked) || asked.length) ? toPy(asked) : opts.get('module_executors');
  if (given === undefined || given === null) return DIRECT;
  if (typeof given === 'string') return [given];
  if (!Array.isArray(given) || !given.length)
    throw new SaltError(
      'SaltInvocationError',
      `Wrong executors specification: ${String(given)}. String or non-empty list expected`,
    );
  return given.map(String);
}

/** Seconds that the splay executor waits: a fixed share of `splaytime` for each minion id (Jenkins' one-at-a-time hash, 13 bits). */
export function splayOf(id: string, splaytime: number): number {
  let h = 0;
  for (const byte of Buffer.from(id)) {
    h = (h + byte) >>> 0;
    h = (h + (h << 10)) >>> 0;
    h = (h ^ (h >>> 6)) >>> 0;
  }
  h = (h + (h << 3)) >>> 0;
  h = (h ^ (h >>> 11)) >>> 0;
  h = (h + (h << 15)) >>> 0;
  return Math.trunc((splaytime * (h & 8191)) / 8192);
}

/** The splay executor: waits this minion's share of the splay time. */
export function runSplay(load: WireMap, opts: Opts): void {
  const own = load['executor_opts'];
  const asked = typeof own === 'object' && own !== null ? (own as WireMap)['splaytime'] : undefined;
  const seconds = Number(asked ?? opts.num('splaytime', 300));
  if (!(seconds > 0)) throw new SaltError('ValueError', 'splaytime must be a positive integer');
  sleepSync(splayOf(opts.str('id'), seconds) * 1000);
}

/** Why a function may not run now, if so: minion_blackout in pillar or grains. */
function blackout(fun: string, place: JobPlace): boolean {
  const out = (facts: PyDict): boolean => {
    const on = facts.get('minion_blackout');
    if (!on || fun === 'saltutil.refresh_pillar') return false;
    const allowed = facts.get('minion_blackout_whitelist');
    return !(Array.isArray(allowed) && allowed.includes(fun));
  };
  return (place.connected && out(place.pillar)) || out(place.grains);
}

/** Runs one function of a job through its executors. Throws what the function throws. */
async function execute(
  fun: string,
  args: Py[],
  load: WireMap,
  executors: readonly string[],
  place: JobPlace,
): Promise<Py> {
  if (blackout(fun, place))
    throw new SaltError(
      'SaltInvocationError',
      "Minion in blackout mode. Set 'minion_blackout' to False in pillar or grains to resume operations. Only saltutil.refresh_pillar allowed in blackout mode.",
    );
  const sig = place.calls.signature(fun);
  if (sig === undefined) throw new SaltError('SaltInvocationError', missing(fun, place.calls));
  const bound = loadArgs(sig, args, toPy(load) as PyDict);
  place.context.set('retcode', 0);
  let answer: Py = null;
  for (const name of executors) {
    if (name === 'direct_call') answer = await place.calls.callAsync(fun, bound.args, bound.kwargs);
    else if (name === 'splay') runSplay(load, place.opts);
    else throw new SaltError('SaltInvocationError', `Executor '${name}' is not available`);
    if (answer !== null && answer !== undefined) break;
  }
  return answer ?? null;
}

/** Text for a function that is not there, with the reason where its module refused to load. */
export function missing(fun: string, calls: CallTable): string {
  const why = calls.unavailable(fun.split('.')[0] ?? '');
  return why === undefined ? `'${fun}' is not available.` : `'${fun}' is not available. Possible reasons: '${why}'`;
}

/** The return code: `__context__['retcode']`, else 1 for a map whose `result` or `success` is false. */
export function retcodeOf(answer: Py, context: PyDict): Wire {
  const code = context.get('retcode');
  if (code !== undefined && code !== null && code !== 0 && code !== false) return toWire(code);
  if (!(answer instanceof PyDict)) return 0;
  const good = ['result', 'success'].every((k) => {
    const v = answer.has(k) ? answer.get(k) : true;
    return v !== false && v !== null && v !== 0 && v !== '';
  });
  return good ? 0 : 1;
}

interface Failure {
  text: string;
  level: 'debug' | 'warning' | 'error';
  log: string;
  /** A bug or an exception nobody expected: also an event. */
  unexpected?: true;
}

/** The return text and log line of a failed function. */
export function failureOf(fun: string, e: unknown, doc: string | undefined): Failure {
  const message = e instanceof Error ? e.message : String(e);
  if (e instanceof SaltError)
    switch (e.code) {
      case 'CommandNotFoundError': {
        const text = `Command required for '${fun}' not found: ${message}`;
        return { text, level: 'debug', log: text };
      }
      case 'CommandExecutionError':
      case 'TimedProcTimeoutError':
        return { text: `ERROR: ${message}`, level: 'error', log: `A command in '${fun}' had a problem: ${message}` };
      case 'SaltInvocationError':
      case 'SaltClientError':
      case 'SaltReqTimeoutError':
      case 'AuthenticationError':
        return {
          text: `ERROR executing '${fun}': ${message}`,
          level: 'error',
          log: `Problem executing '${fun}': ${message}`,
        };
      case 'TypeError': {
        const text = invalidArguments(fun, message, doc ?? '');
        return { text, level: 'warning', log: text };
      }
    }
  const head = 'The minion function caused an exception';
  return { text: `${head}: ${traceback(e)}`, level: 'warning', log: `${head}\n${traceback(e)}`, unexpected: true };
}

const ERROR_TEXT = 'The minion function caused an exception';

async function single(load: WireMap, fun: string, args: Py[], place: JobPlace): Promise<WireMap> {
  const { calls, log, context } = place;
  if (!calls.has(fun)) {
    // A module's name alone is answered with the documentation of what it holds.
    const docs = calls.names().filter((n) => n.startsWith(fun));
    const text = missing(fun, calls);
    const answer: Wire = docs.length ? {} : text;
    if (docs.length) {
      const map = answer as WireMap;
      for (const n of docs) map[n] = calls.doc(n) ?? null;
      map[fun] = `'${fun}' is not available.`;
    }
    return { success: false, return: answer, retcode: 1, out: 'nested' };
  }
  try {
    const answer = await execute(fun, args, load, executorsOf(load, place.opts), place);
    const retcode = retcodeOf(answer, context);
    return { success: retcode === 0, return: toWire(answer), retcode };
  } catch (e) {
    const failed = failureOf(fun, e, calls.doc(fun));
    log[failed.level](failed.log);
    if (failed.unexpected) place.fireLocal('_salt_error', { message: ERROR_TEXT, args: [ERROR_TEXT] });
    return { success: false, return: failed.text, out: 'nested', retcode: 1 };
  }
}

async function several(load: WireMap, funs: string[], args: Py[], place: JobPlace): Promise<WireMap> {
  const ordered = place.opts.flag('multifunc_ordered');
  const returns: [string, Wire][] = [];
  const retcodes: [string, Wire][] = [];
  const successes: [string, Wire][] = [];
  for (const [i, fun] of funs.entries()) {
    const own = args[i];
    try {
      const list = Array.isArray(own) ? own : own === undefined || own === null ? [] : [own];
      const answer = await execute(fun, list, load, executorsOf(load, place.opts), place);
      const retcode = retcodeOf(answer, place.context);
      returns.push([fun, toWire(answer)]);
      retcodes.push([fun, retcode]);
      successes.push([fun, retcode === 0]);
    } catch (e) {
      place.log.warning(`The minion function caused an exception: ${e instanceof Error ? e.message : String(e)}`);
      returns.push([fun, place.calls.has(fun) ? traceback(e) : missing(fun, place.calls)]);
      // The reference notes no code for a function that raised.
      if (ordered) retcodes.push([fun, null]);
      successes.push([fun, false]);
    }
  }
  const shape = (pairs: [string, Wire][]): Wire => (ordered ? pairs.map((p) => p[1]) : Object.fromEntries(pairs));
  return { return: shape(returns), retcode: shape(retcodes), success: shape(successes) };
}

/**
 * Runs a job and answers its return: the fields of `_return` but for `cmd` and `id`, in the reference's order. Never rejects:
 * whatever a function does wrong becomes an unsuccessful return.
 */
export async function runJob(load: WireMap, place: JobPlace): Promise<WireMap> {
  const fun = load['fun'] ?? '';
  const args = load['arg'] === undefined ? [] : (toPy(load['arg']) as Py);
  const list = Array.isArray(args) ? args : [args];
  const ret = Array.isArray(fun)
    ? await several(load, fun.map(String), list, place)
    : await single(load, String(fun), list, place);
  ret['jid'] = load['jid'] ?? null;
  ret['fun'] = fun;
  // Read after the run: a function that changes its arguments shows it here, as in the reference.
  ret['fun_args'] = toWire(args);
  if (load['user'] !== undefined) ret['user'] = load['user'];
  if (load['master_id'] !== undefined) ret['master_id'] = load['master_id'];
  if (load['schedule'] !== undefined) {
    ret['schedule'] = load['schedule'];
    ret['pid'] = process.pid;
  }
  const metadata = load['metadata'];
  if (metadata !== undefined) {
    if (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata)) ret['metadata'] = metadata;
    else place.log.warning('The metadata parameter must be a dictionary. Ignoring.');
  }
  if (ret['out'] === undefined && typeof fun === 'string') {
    const out = place.calls.outputter(fun);
    if (out !== undefined) ret['out'] = out;
  }
  return ret;
}
