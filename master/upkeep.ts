import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { formatJid } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { EventStore } from '../bus/store/contract.ts';
import { tags } from '../bus/tags.ts';
import type { WireMap } from '../bus/values.ts';
import type { FileServer } from './file-server.ts';
import type { Jobs } from './jobs.ts';
import type { Peer } from './peer.ts';
import type { Presence } from './presence.ts';
import type { KeyRotation } from './rotation.ts';
import type { Tokens } from './tokens.ts';

/** What upkeep looks after. */
export interface UpkeepParts {
  opts: Opts;
  bus: EventBus;
  log: Log;
  store: EventStore;
  jobs: Jobs;
  tokens: Tokens;
  presence: Presence;
  files: FileServer;
  peer: Peer;
  rotation: KeyRotation;
}

/** The master's clock: presence and key rotation every `loop_interval`, expiry and trimming every tenth of an hour, file server updates. */
export class Upkeep {
  private timer: NodeJS.Timeout | undefined;
  private watcher: NodeJS.Timeout | undefined;
  private lastHead = -1;
  private lastClean = 0;
  private lastFiles = 0;
  private working: Promise<void> | undefined;
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

  constructor(private readonly p: UpkeepParts) {}

  start(): void {
    this.watcher = setInterval(() => this.watchLoop(), 1000).unref();
    this.lastFiles = Date.now();
    const every = Math.max(1, this.p.opts.num('loop_interval', 60)) * 1000;
    this.timer = setInterval(() => this.tick(), every);
    if (this.p.opts.flag('presence_events')) this.guard('presence', () => this.p.presence.tell());
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    clearInterval(this.watcher);
    this.delay.disable();
    await this.working;
  }

  /** Measuring wakes the thread fifty times a second, so it is done only while events are fired. */
  private watchLoop(): void {
    const { head } = this.p.bus.stats();
    if (head === this.lastHead) this.delay.disable();
    else this.delay.enable();
    this.lastHead = head;
  }

  /** How late the main thread was while it worked, in ms, since the last reset. */
  loopDelay(reset = false): { mean: number; p99: number; max: number } {
    const ms = (ns: number): number => Math.max(0, ns / 1e6 - LOOP_RESOLUTION_MS);
    const now = { mean: ms(this.delay.mean), p99: ms(this.delay.percentile(99)), max: ms(this.delay.max) };
    if (reset) this.delay.reset();
    return now;
  }

  private tick(): void {
    if (this.p.opts.flag('presence_events')) this.guard('presence', () => this.p.presence.tell());
    this.guard('key rotation', () => this.p.rotation.run());
    if (this.working) return;
    this.working = this.slow().finally(() => {
      this.working = undefined;
    });
  }

  private guard(what: string, work: () => void): void {
    try {
      work();
    } catch (e) {
      this.p.log.error(`Upkeep (${what}) failed: ${messageOf(e)}`);
    }
  }

  private async slow(): Promise<void> {
    const now = Date.now();
    const { opts } = this.p;
    if (now - this.lastClean > CLEAN_MS) {
      this.lastClean = now;
      await this.attempt('job cache', () => this.p.jobs.cache.cleanOldJobs(this.p.jobs.ctx, now));
      await this.attempt('tokens', () => this.p.tokens.clean());
      const keep = opts.num('keep_jobs_seconds', 86_400);
      if (keep > 0)
        await this.attempt('publishers', () => this.p.peer.clean(formatJid(BigInt(now - keep * 1000) * 1000n)));
      await this.attempt('event log', () => this.p.store.trim(now));
    }
    if (now - this.lastFiles > opts.num('fileserver_interval', 3600) * 1000) {
      this.lastFiles = now;
      await this.attempt('file server', async () => {
        for (const { backend, data } of await this.p.files.update())
          this.p.bus.fire(tags.fileserverUpdate(backend), data as WireMap, { origin: 'master' });
      });
    }
  }

  private async attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (e) {
      this.p.log.error(`Upkeep (${what}) failed: ${messageOf(e)}`);
    }
  }
}

const LOOP_RESOLUTION_MS = 20;
const CLEAN_MS = 360_000;
