/**
 * A job cache behind a journal on disk: writes are safe as soon as they are in the journal, and reach the store in their order when the store
 * answers. Nobody waits for a database; reads answer what is there, and fail at once while the store is known to be away.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { Journal } from '../../bus/queue/journal.ts';
import { isWireMap, type WireMap } from '../../bus/values.ts';
import { decodeBus, encodeBus } from '../../bus/wire/payload.ts';
import type { JobCache, Returner, ReturnerCtx } from '../contract.ts';
import { withoutSecrets } from '../shape/job.ts';

/** How a returner behind a journal fares. */
export interface SpoolStatus {
  readonly name: string;
  readonly state: 'up' | 'down';
  /** Writes that wait, and their size in bytes. */
  readonly waiting: number;
  readonly bytes: number;
  readonly written: number;
  /** Tries that failed, and writes that the store refused for good. */
  readonly failures: number;
  readonly refused: number;
  readonly error: string;
}

/** What a write-behind is made of. */
export interface WriteBehindOptions {
  readonly name: string;
  /** The journal's file. */
  readonly path: string;
  /** Most bytes that may wait; writes beyond are refused with StoreFull. */
  readonly most?: number;
  /** Called when the store goes away and when it is back. */
  readonly onState?: (status: SpoolStatus) => void;
  /** First and longest pause between tries in ms. */
  readonly pause?: readonly [first: number, longest: number];
  /** How long a read may take in ms. */
  readonly readTime?: number;
}

type Order = {
  do: 'load' | 'minions' | 'return' | 'endtime';
  jid?: string;
  load?: WireMap;
  minions?: string[];
  time?: string;
};

/** How many orders of one kind go to the store at once. */
const AT_ONCE = 500;
/** The journal is emptied once it is this large and nothing waits. */
const SHRINK_AT = 4_000_000;

/** Wraps a returner; give the result to whatever takes a job cache. */
export class WriteBehind {
  private readonly queue: { order: Order; bytes: number }[] = [];
  private bytes = 0;
  private written = 0;
  private failures = 0;
  private refused = 0;
  private error = '';
  private down = false;
  private closed = false;
  private working: Promise<void> | undefined;
  private wake: (() => void) | undefined;
  private readonly journal: Promise<Journal>;

  constructor(
    private readonly inner: Returner & { jobCache: JobCache },
    private readonly ctx: ReturnerCtx,
    private readonly options: WriteBehindOptions,
  ) {
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    this.journal = Journal.open(options.path, (payload) => {
      const order = decodeBus(payload);
      if (isWireMap(order)) this.take(order as unknown as Order, payload.length);
    });
    // A journal that does not open is the error of whoever writes first.
    this.journal.then(
      () => this.start(),
      (e: unknown) => ctx.log.error(`The spool of ${options.name} could not be opened: ${messageOf(e)}`),
    );
  }

  status(): SpoolStatus {
    return {
      name: this.options.name,
      state: this.down ? 'down' : 'up',
      waiting: this.queue.length,
      bytes: this.bytes,
      written: this.written,
      failures: this.failures,
      refused: this.refused,
      error: this.error,
    };
  }

  /** The returner whose writes go through the journal. */
  readonly returner = (): Returner & { jobCache: JobCache } => {
    const { jobCache: cache } = this.inner;
    return {
      ...this.inner,
      returner: (ret) => this.keep({ do: 'return', load: ret }),
      jobCache: {
        ...cache,
        saveLoad: (jid, load, minions) =>
          this.keep({
            do: 'load',
            jid,
            load: withoutSecrets(load),
            ...(minions === undefined ? {} : { minions: [...minions] }),
          }),
        saveMinions: (jid, minions) => this.keep({ do: 'minions', jid, minions: [...minions] }),
        updateEndtime: (jid, time) => this.keep({ do: 'endtime', jid, time }),
        getLoad: async (jid, ctx) => this.waitingLoad(jid) ?? (await this.read(() => cache.getLoad(jid, ctx))),
        getJid: (jid, ctx) => this.read(() => cache.getJid(jid, ctx)),
        getJids: (ctx, o) => this.read(() => cache.getJids(ctx, o)),
        getFun: (fun, ctx) => this.read(() => cache.getFun(fun, ctx)),
        getMinions: (ctx) => this.read(() => cache.getMinions(ctx)),
        cleanOldJobs: async (ctx, now) => (this.down ? 0 : cache.cleanOldJobs(ctx, now)),
      },
    };
  };

  private waitingLoad(jid: string): WireMap | undefined {
    const found = this.queue.findLast(({ order }) => order.do === 'load' && order.jid === jid);
    const { load, minions } = found?.order ?? {};
    return load && { ...load, ...(minions ? { Minions: minions } : {}) };
  }

  private async read<T>(work: () => Promise<T>): Promise<T> {
    if (this.down) throw new SaltError('StoreFailed', `${this.options.name} is away: ${this.error}`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(
        () => fail(new SaltError('StoreFailed', `${this.options.name} did not answer in time`)),
        this.options.readTime ?? 2000,
      );
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private take(order: Order, bytes: number): void {
    this.queue.push({ order, bytes });
    this.bytes += bytes;
  }

  private async keep(order: Order): Promise<void> {
    const payload = encodeBus(order);
    const most = this.options.most ?? 512 * 2 ** 20;
    if (this.bytes + payload.length > most)
      throw new SaltError('StoreFull', `The spool of ${this.options.name} is full (${most} bytes)`);
    const journal = await this.journal;
    this.take(order, payload.length);
    const safe = journal.append(payload);
    this.start();
    await safe;
  }

  private start(): void {
    if (this.working || this.closed || !this.queue.length) return;
    this.working = this.work().finally(() => {
      this.working = undefined;
    });
  }

  private async work(): Promise<void> {
    const [first, longest] = this.options.pause ?? [250, 30_000];
    let pause = first;
    while (this.queue.length && !this.closed) {
      const kind = this.queue[0]?.order.do;
      const end = this.queue.slice(0, AT_ONCE).findIndex((q) => q.order.do !== kind);
      const part = this.queue.slice(0, end < 0 ? AT_ONCE : end);
      const results = await Promise.allSettled(part.map(({ order }) => this.write(order)));
      const failed = this.settle(part, results);
      if (failed === undefined) {
        pause = first;
        this.state(false, '');
        continue;
      }
      this.state(true, messageOf(failed));
      await new Promise<void>((ok) => {
        const timer = setTimeout(ok, pause);
        this.wake = () => {
          clearTimeout(timer);
          ok();
        };
      });
      pause = Math.min(pause * 2, longest);
    }
    const journal = await this.journal;
    if (!this.queue.length && journal.size > SHRINK_AT) await this.shrink(journal);
  }

  /** Takes what is done or hopeless off the queue; answers the first failure that trying again may cure. */
  private settle(part: typeof this.queue, results: PromiseSettledResult<void>[]): unknown {
    let failure: unknown;
    const left: typeof this.queue = [];
    part.forEach((item, i) => {
      const result = results[i] as PromiseSettledResult<void>;
      if (result.status === 'rejected') {
        if (!(result.reason instanceof SaltError && !result.reason.retryable)) {
          this.failures++;
          failure ??= result.reason;
          left.push(item);
          return;
        }
        this.refused++;
        const jid = item.order.jid ?? String(item.order.load?.['jid']);
        this.ctx.log.critical(
          `${this.options.name} refuses a ${item.order.do} of job ${jid}: ${result.reason.message}`,
        );
      } else this.written++;
      this.bytes -= item.bytes;
    });
    this.queue.splice(0, part.length, ...left);
    return failure;
  }

  private async write(order: Order): Promise<void> {
    const { jobCache } = this.inner;
    const { jid = '', load = {}, minions } = order;
    if (order.do === 'return') await this.inner.returner(load, this.ctx);
    else if (order.do === 'load') await jobCache.saveLoad(jid, load, minions, this.ctx);
    else if (order.do === 'minions') await jobCache.saveMinions(jid, minions ?? [], this.ctx);
    else await jobCache.updateEndtime(jid, order.time ?? '', this.ctx);
  }

  private async shrink(journal: Journal): Promise<void> {
    try {
      await journal.rewrite(this.queue.map(({ order }) => encodeBus(order)));
    } catch (e) {
      this.ctx.log.error(`The spool of ${this.options.name} could not be emptied: ${messageOf(e)}`);
    }
  }

  private state(down: boolean, error: string): void {
    this.error = error;
    if (this.down === down) return;
    this.down = down;
    this.options.onState?.(this.status());
  }

  /** Stops; what has not reached the store stays in the journal for the next start. Waits for a store that answers, up to `patience` ms. */
  async close(patience = 2000): Promise<void> {
    const journal = await this.journal.catch(() => undefined);
    if (!this.down) await within(this.working, patience);
    this.closed = true;
    this.wake?.();
    await within(this.working, 500);
    if (journal) {
      await journal.flush();
      await this.shrink(journal);
      await journal.close();
    }
    await this.inner.close?.(this.ctx);
  }
}

/** Waits for some work, but no longer than so many ms. */
async function within(work: Promise<void> | undefined, ms: number): Promise<void> {
  if (!work) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((ok) => {
    timer = setTimeout(ok, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
