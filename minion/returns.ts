import { join } from 'node:path';
import { stamp } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { WireMap } from '../bus/values.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import type { RunningJob } from './jobs.ts';
import type { Requester } from './master-talk.ts';
import { Outbox } from './outbox.ts';
import { cacheJob } from './return-to.ts';
import type { SeenJids } from './seen-jids.ts';

/** What returns need of the daemon. */
export interface ReturnsParts {
  opts: Opts;
  log: Log;
  seen: SeenJids;
  random?: () => number;
  online(): boolean;
  /** The master of a name, or another one where that is gone; throws SaltClientError where there is none. */
  to(name: string | undefined): Requester;
}

/** How long stopping waits for returns on their way, in ms; what is not delivered lies in the outbox. */
const LAST_WORDS = 500;

/** Takes the returns of jobs and brings them to the masters they are for (`_return`), by way of the outbox. */
export class Returns {
  private readonly outbox: Outbox;

  constructor(private readonly parts: ReturnsParts) {
    const dir = join(parts.opts.str('cachedir'), 'returns');
    this.outbox = new Outbox(dir, ({ load, to }) => this.deliver(load, to), parts.log);
  }

  /** Takes one return; resolves when the first try to deliver it is over. It is safe from the moment of the call. */
  async take(ret: WireMap, job: RunningJob): Promise<void> {
    const { opts, seen } = this.parts;
    if (opts.flag('cache_jobs')) cacheJob(opts, ret);
    const sent =
      job.wanted && opts.flag('pub_ret', true)
        ? this.outbox.send({ to: job.from, load: { ...ret, _stamp: stamp() } })
        : undefined;
    // The outbox has it on disk as soon as `send` has been called.
    seen.done(String(job.load['jid'] ?? ''));
    await sent;
  }

  /** Notes the jobs whose returns an earlier life of this minion left here as done. */
  claim(): void {
    for (const jid of this.outbox.jids()) this.parts.seen.done(jid);
  }

  /** Tries again to deliver what waits, where a master is there. */
  sweep(): void {
    if (this.parts.online() && this.outbox.waiting) void this.outbox.sweep();
  }

  /** Waits a moment for returns on their way. */
  async close(): Promise<void> {
    await Promise.race([this.outbox.idle(), new Promise((done) => setTimeout(done, LAST_WORDS).unref())]);
    this.outbox.close();
  }

  /** One try, within `return_retry_timer` to `return_retry_timer_max` seconds, `return_retry_tries` times. */
  private async deliver(load: WireMap, to: string | undefined): Promise<void> {
    const { opts, random = Math.random } = this.parts;
    const low = opts.num('return_retry_timer', 5);
    const high = Math.max(low, opts.num('return_retry_timer_max', 10));
    const limits = { timeout: (low + (high - low) * random()) * 1000, tries: opts.num('return_retry_tries', 3) };
    await this.parts.to(to).request(MINION_COMMAND.return, { id: opts.str('id'), ...load }, limits);
    // Also for returns that a job left here itself because its minion had died.
    this.parts.seen.done(String(load['jid'] ?? ''));
  }
}
