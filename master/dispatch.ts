import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { JobQueue, QueueJob } from '../bus/queue/contract.ts';
import { isWireMap, PyDict, type Wire, type WireMap } from '../bus/values.ts';
import { type QueuedReaction, queuedReaction, REACTOR_USER } from '../reactor/reactor.ts';
import type { JobProcesses } from './job-processes.ts';
import type { Publisher, PublishOrder } from './publish.ts';

/** Job fields that a local reaction may carry besides its target; others (requisites, order …) are the compiler's. */
const PASSED = [
  'metadata',
  'module_executors',
  'executor_opts',
  'ret_config',
  'ret_kwargs',
  'delimiter',
  'start_event',
];

const entries = (kwarg: Wire): [Wire, Wire][] =>
  kwarg instanceof PyDict ? ([...kwarg] as [Wire, Wire][]) : isWireMap(kwarg) ? Object.entries(kwarg) : [];

/** Positional arguments as they are published: a text counts as its characters, as the reference's client takes it. */
const positional = (arg: Wire): Wire[] =>
  Array.isArray(arg) ? [...arg] : typeof arg === 'string' ? [...arg] : arg === null ? [] : [arg];

/** A local reaction as a publish order. `expr_form` is the old name of `tgt_type`. */
export function localOrder(r: QueuedReaction, user: string, again: boolean): PublishOrder {
  const { call } = r;
  const x = call.extra;
  const arg = positional(call.arg);
  const kwargs = entries(call.kwarg);
  if (kwargs.length) {
    const last = new PyDict(kwargs);
    last.set('__kwarg__', true);
    arg.push(last);
  }
  const extra: WireMap = {};
  for (const k of PASSED) if (x[k] !== undefined) extra[k] = x[k] as Wire;
  return {
    tgt: x['tgt'] ?? '',
    tgtType: String(x['tgt_type'] ?? x['expr_form'] ?? 'glob'),
    fun: call.fun,
    arg,
    ret: typeof x['ret'] === 'string' ? x['ret'] : '',
    user,
    jid: typeof x['jid'] === 'string' && x['jid'] ? x['jid'] : r.jid,
    extra,
    origin: 'master',
    cause: `event/${r.event}`,
    republish: again,
  };
}

/**
 * Takes reactions from the queue and hands each to its client: local reactions are published, runner and wheel functions run in job
 * processes. A reaction handed out again after a crash keeps its jid, so minions and the job cache know it.
 */
export function startDispatch(parts: {
  queue: JobQueue;
  publisher: Publisher;
  processes: JobProcesses;
  log: Log;
  user: string;
  /** Reactions at work at once; runner and wheel functions share the same number. */
  concurrency: number;
}): { stop(): Promise<void> } {
  const { queue, publisher, processes, log, user } = parts;
  const handle = async (job: QueueJob): Promise<void> => {
    const r = queuedReaction(job.data);
    const { call } = r;
    if (call.client === 'local') {
      const sent = await publisher.publish(localOrder(r, user, true));
      if (sent.error) log.debug(`Reaction ${job.id}: ${sent.error}`);
      return;
    }
    if (call.client === 'caller')
      throw new SaltError(
        'SaltInvocationError',
        `Reactor '${call.id}' in ${call.sls}: 'caller' reactions run where a minion reacts by itself, not on a master`,
      );
    const kwarg: WireMap = {};
    for (const [k, v] of entries(call.kwarg)) kwarg[String(k)] = v;
    await processes.call({
      form: call.client,
      fun: call.fun,
      arg: positional(call.arg),
      kwarg,
      jid: r.jid,
      user: REACTOR_USER,
      origin: 'master',
      cause: `event/${r.event}`,
    });
  };
  return queue.take(parts.concurrency, handle);
}
