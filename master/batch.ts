import { SaltError } from '../bus/errors.ts';
import { JidSource } from '../bus/jid.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { repr } from '../sls/values.ts';
import type { JobRequest, LocalClient, MinionReturn, Publication } from './client.ts';

/** What a batch run is to do. */
export interface BatchOrder {
  /** The job; its target is what the whole run is about. `timeout` in seconds. */
  job: JobRequest;
  /** `10` or `25%`. */
  size: string | number;
  /** Seconds a slot stays empty after an answer. */
  wait: number;
  /** Stop at the first failure. */
  failhard: boolean;
  gatherJobTimeout: number;
  /** The job id of all parts; made after the ping when absent. */
  jid?: string;
}

/** Told what happens, in the order in which Salt prints it. */
export interface BatchListener {
  /** The answer to the question who is there; without an `error` it went out. */
  asked?(p: Publication): void;
  /** Ids that did not answer the ping: they get no job. */
  down?(id: string): void;
  /** The job id of all parts is known. */
  numbered?(jid: string): void;
  /** The next minions are about to start. */
  starting?(ids: readonly string[]): void;
  /** The state of the run changed; the third argument of the last call is not `progress`. */
  state?(state: WireMap, stage: 'new' | 'progress' | 'complete' | 'halted'): void;
}

/** One minion's part. `ret` is undefined where no answer came in time. */
export interface BatchResult {
  id: string;
  ret: MinionReturn | undefined;
}

/** How many minions a batch holds, at least one. Throws SaltError SaltInvocationError for a size that is none. */
export function batchSize(size: string | number, minions: number): number {
  const text = String(size).trim();
  if (text.includes('%')) {
    const share = text.replace(/^%+|%+$/g, '');
    const percent = share.trim() === '' ? Number.NaN : Number(share);
    if (!Number.isNaN(percent)) {
      const n = (percent / 100) * minions;
      return n < 1 ? Math.max(1, Math.ceil(n)) : Math.floor(n);
    }
  } else if (/^[-+]?\d+$/.test(text)) return Math.max(1, Number(text));
  throw new SaltError(
    'SaltInvocationError',
    `Invalid batch specification ${repr(size)}: must be an integer or percentage string like '10' or '25%'.`,
  );
}

/**
 * Runs a job on a few minions at a time: asks who is there, starts as many as the size allows, and starts the next as soon as one
 * has answered (and its wait is over). Yields each minion's result as it comes; nothing at all when no minion answered the ping.
 * A client that fails ends the run with its error.
 */
export async function* runBatch(
  client: Pick<LocalClient, 'run'>,
  order: BatchOrder,
  listener: BatchListener = {},
): AsyncGenerator<BatchResult> {
  const run = new BatchRun(client, order, listener);
  yield* run.results();
}

class BatchRun {
  private pending: string[] = [];
  private readonly active = new Map<string, number>();
  private readonly done: WireMap = {};
  private readonly failed: WireMap = {};
  /** Moments (ms) until which slots stay empty. */
  private waits: number[] = [];
  private readonly inbox: BatchResult[] = [];
  private failure: unknown;
  private bell: (() => void) | undefined;
  private readonly streams = new Set<AsyncIterator<MinionReturn>>();
  private halted = false;
  private all: string[] = [];
  private size = 1;
  private jid = '';
  private readonly created = Date.now() / 1000;

  constructor(
    private readonly client: Pick<LocalClient, 'run'>,
    private readonly order: BatchOrder,
    private readonly listener: BatchListener,
  ) {}

  async *results(): AsyncGenerator<BatchResult> {
    const down = await this.ask();
    if (!this.all.length) return;
    this.size = batchSize(this.order.size, this.all.length);
    this.jid = this.order.jid ?? new JidSource().next();
    this.listener.numbered?.(this.jid);
    this.listener.state?.(this.state(), 'new');
    for (const id of down) this.listener.down?.(id);
    try {
      for (let came: BatchResult[] = []; ; came = this.inbox.splice(0)) {
        for (const r of came) this.settle(r);
        this.start();
        for (const r of came) {
          yield r;
          if (this.halted && failed(r)) return;
        }
        if (!this.pending.length && !this.active.size && !this.inbox.length) return;
        if (!this.inbox.length) await this.nap();
        if (this.failure !== undefined) throw this.failure;
      }
    } finally {
      this.listener.state?.(this.state(), this.halted ? 'halted' : 'complete');
      await Promise.all([...this.streams].map((s) => s.return?.()));
    }
  }

  /** Pings the target; answers who was expected and kept silent. */
  private async ask(): Promise<string[]> {
    let expected: string[] = [];
    const there = new Set<string>();
    const { job, gatherJobTimeout } = this.order;
    const { arg: _arg, kwarg: _kwarg, ret: _ret, jid: _jid, extra, ...rest } = job;
    const ping: JobRequest = { ...rest, fun: 'test.ping' };
    if (extra?.['delimiter'] !== undefined) ping.extra = { delimiter: extra['delimiter'] };
    const onPublished = (p: Publication): void => {
      expected = p.minions;
      this.listener.asked?.(p);
    };
    for await (const r of this.client.run(ping, { gatherJobTimeout, onPublished })) if (!r.lost) there.add(r.id);
    this.all = [...there];
    this.pending = [...there];
    return expected.filter((id) => !there.has(id)).sort();
  }

  private settle({ id, ret }: BatchResult): void {
    this.active.delete(id);
    if (ret) this.done[id] = { ret: ret.ret, retcode: ret.retcode, jid: this.jid };
    else this.failed[id] = 'timeout';
    if (this.order.wait > 0) this.waits.push(Date.now() + this.order.wait * 1000);
    if (this.order.failhard && ret && ret.retcode > 0) this.halted = true;
  }

  private start(): void {
    const now = Date.now();
    this.waits = this.waits.filter((until) => until > now);
    const free = this.size - this.active.size - this.waits.length;
    const ids = this.halted || free <= 0 ? [] : this.pending.splice(0, free);
    for (const id of ids) this.active.set(id, now / 1000);
    this.listener.state?.(this.state(), 'progress');
    if (!ids.length) return;
    this.listener.starting?.(ids);
    void this.follow(ids);
  }

  /** Runs one part; each of its minions ends in the inbox, answered or not. */
  private async follow(ids: readonly string[]): Promise<void> {
    const { job, gatherJobTimeout } = this.order;
    const { jid } = this;
    const left = new Set(ids);
    const stream = this.client
      .run({ ...job, tgt: [...ids], tgtType: 'list', jid }, { gatherJobTimeout })
      [Symbol.asyncIterator]();
    this.streams.add(stream);
    try {
      for (let next = await stream.next(); !next.done; next = await stream.next()) {
        const ret = next.value;
        // Answers of the other parts carry the same job id.
        if (ret.lost || !left.delete(ret.id)) continue;
        this.inbox.push({ id: ret.id, ret });
        this.bell?.();
      }
      for (const id of left) this.inbox.push({ id, ret: undefined });
    } catch (e) {
      this.failure = e;
    }
    this.streams.delete(stream);
    this.bell?.();
  }

  /** Until something came, or a slot's wait is over. */
  private nap(): Promise<void> {
    return new Promise((resolve) => {
      const until = this.pending.length && this.waits.length ? Math.min(...this.waits) - Date.now() : undefined;
      const timer = until === undefined ? undefined : setTimeout(resolve, Math.max(0, until));
      this.bell = () => {
        clearTimeout(timer);
        this.bell = undefined;
        resolve();
      };
      if (this.inbox.length || this.failure !== undefined) this.bell();
    });
  }

  /** The run as Salt's batch events carry it. */
  private state(): WireMap {
    const { order } = this;
    const { job } = order;
    return {
      jid: this.jid,
      all_minions: this.all,
      pending: [...this.pending],
      active: Object.fromEntries(this.active),
      done: { ...this.done },
      failed: { ...this.failed },
      wait: this.waits.map((ms) => ms / 1000),
      batch_size: this.size,
      fun: job.fun,
      arg: [...(job.arg ?? [])],
      kwargs: {},
      tgt: job.tgt,
      tgt_type: job.tgtType ?? 'glob',
      failhard: order.failhard,
      batch_wait: order.wait,
      timeout: job.timeout ?? 60,
      gather_job_timeout: order.gatherJobTimeout,
      last_progress: Date.now() / 1000,
      created: this.created,
      halted: this.halted,
      halted_reason: this.halted ? 'failhard' : null,
      driver: 'cli',
      ret: job.ret ?? '',
      user: (job.user ?? 'root') as Wire,
    };
  }
}

function failed(r: BatchResult): boolean {
  return r.ret !== undefined && r.ret.retcode > 0;
}
