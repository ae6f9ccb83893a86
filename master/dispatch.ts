import { messageOf, SaltError } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
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

/**
 * A local reaction as a publish order. `expr_form` is the old name of `tgt_type`; the reference no longer knows it, and such a
 * reaction then reaches nobody without a word.
 */
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

/** What dispatch is made of. */
export interface DispatchParts {
  queue: JobQueue;
  bus: EventBus;
  publisher: Publisher;
  processes: JobProcesses;
  log: Log;
  user: string;
  /** Runner and wheel calls at work at once. */
  concurrency: number;
  /** Seconds for which a published reaction is sent again to a minion that comes back without having returned it. */
  delivery: number;
}

/** A reaction's job that was sent and not yet returned by everybody. */
interface Sent {
  readonly order: PublishOrder;
  readonly left: Set<string>;
  readonly settle: () => void;
  readonly timer: NodeJS.Timeout;
}

/** Publishes on their way at once. */
const MOST_PUBLISHING = 64;
/** How many reactions may wait for their returns. */
const MOST_WAITING = 20_000;
/** A minion that has just signed in subscribes a moment later, ms. */
const SUBSCRIBE_MS = 300;

/**
 * Takes reactions from the queue and hands each to its client: local reactions are published, runner and wheel functions run in job
 * processes. A local reaction stays in the queue until its minions returned it or `delivery` seconds have passed: a minion that signs in
 * again meanwhile gets it again, under the same jid, and so does everybody after a crash of this master; minions run a jid once.
 */
export function startDispatch(p: DispatchParts): { stop(): Promise<void> } {
  const { queue, bus, publisher, processes, log, user } = p;
  const sent = new Map<string, Sent>();
  const byMinion = new Map<string, Set<string>>();
  const gate = new Gate(p.concurrency);
  // A publish takes no process, only the disk's time: many share each trip to it.
  const publishing = new Gate(Math.max(MOST_PUBLISHING, p.concurrency));
  let stopping = false;

  const forget = (jid: string): void => {
    const s = sent.get(jid);
    if (!s) return;
    sent.delete(jid);
    clearTimeout(s.timer);
    for (const id of s.left) byMinion.get(id)?.delete(jid);
    s.settle();
  };
  const returned = (jid: string, id: string): void => {
    const s = sent.get(jid);
    if (!s?.left.delete(id)) return;
    byMinion.get(id)?.delete(jid);
    if (!s.left.size) forget(jid);
  };
  const again = (id: string): void => {
    for (const jid of byMinion.get(id) ?? []) {
      const s = sent.get(jid);
      if (!s) continue;
      const order = { ...s.order, tgt: [id] as Wire, tgtType: 'list' };
      publisher.publish(order, { minions: [id], missing: [] }).catch((e: unknown) => log.error(messageOf(e)));
    }
  };
  const subscriptions = [
    bus.on('salt/job/*/ret/*').subscribe((e) => {
      const [, , jid = '', , ...id] = e.tag.split('/');
      if (sent.size) returned(jid, id.join('/'));
    }),
    bus.on('salt/auth').subscribe((e) => {
      if (!sent.size || e.data['act'] !== 'accept' || e.data['result'] !== true) return;
      const id = String(e.data['id']);
      if (byMinion.get(id)?.size) setTimeout(() => again(id), SUBSCRIBE_MS).unref();
    }),
  ];

  const publish = async (job: QueueJob, r: QueuedReaction): Promise<void> => {
    const order = localOrder(r, user, true);
    const out = await publishing.run(() => publisher.publish(order));
    if (out.error) {
      log.debug(`Reaction ${job.id}: ${out.error}`);
      return;
    }
    if (!p.delivery || !out.minions.length || stopping) return;
    await new Promise<void>((settle) => {
      const timer = setTimeout(() => forget(out.jid), p.delivery * 1000);
      sent.set(out.jid, { order, left: new Set(out.minions), settle, timer });
      for (const id of out.minions) {
        const jids = byMinion.get(id);
        if (jids) jids.add(out.jid);
        else byMinion.set(id, new Set([out.jid]));
      }
    });
  };

  const taking = queue.take(MOST_WAITING, async (job: QueueJob): Promise<void> => {
    const r = queuedReaction(job.data);
    const { call } = r;
    if (call.client === 'local') return publish(job, r);
    if (call.client === 'caller')
      throw new SaltError(
        'SaltInvocationError',
        `Reactor '${call.id}' in ${call.sls}: 'caller' reactions run where a minion reacts by itself, not on a master`,
      );
    const kwarg: WireMap = {};
    for (const [k, v] of entries(call.kwarg)) kwarg[String(k)] = v;
    await gate.run(() =>
      processes.call({
        form: call.client as 'runner' | 'wheel',
        fun: call.fun,
        arg: positional(call.arg),
        kwarg,
        jid: r.jid,
        user: REACTOR_USER,
        origin: 'master',
        cause: `event/${r.event}`,
      }),
    );
  });
  return {
    /** What waits for returns stays in the queue, to be sent again by the next master. */
    async stop() {
      stopping = true;
      for (const s of subscriptions) s.unsubscribe();
      for (const s of sent.values()) clearTimeout(s.timer);
      await queue.close();
      for (const s of [...sent.values()]) s.settle();
      await taking.stop();
    },
  };
}

/** Lets so many works run at once; others wait in line. */
class Gate {
  private free: number;
  private readonly line: (() => void)[] = [];
  constructor(most: number) {
    this.free = most;
  }
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((ok) => this.line.push(ok));
    try {
      return await work();
    } finally {
      const next = this.line.shift();
      if (next) next();
      else this.free++;
    }
  }
}
