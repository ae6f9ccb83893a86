import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import { isJid } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import { tags } from '../bus/tags.ts';
import type { WireMap } from '../bus/values.ts';
import type { JobCache, JobReturn, Returner, ReturnerCtx } from '../returners/contract.ts';

/** What is remembered of a job in memory, so that a return needs no look into the store. */
export interface KnownJob {
  /** Minions that were expected; undefined when the load never said. */
  readonly minions: ReadonlySet<string> | undefined;
  readonly tgtType: string;
  readonly user: string;
  /** Set once its `new` and `publish` events are safe: a republished job does not fire them again. */
  announced: boolean;
}

const KEPT_JOBS = 4096;
const KEPT_RETURNS = 65_536;
const ANNOUNCED = '__announced__';

/**
 * The master's job cache with a memory in front of it. A store that fails never fails a command: the failure is logged, counted and told by
 * an event, and what could not be kept is lost to the cache only.
 */
export class Jobs {
  private readonly recent = new Map<string, KnownJob>();
  private readonly returned = new Set<string>();
  failures = 0;

  constructor(
    private readonly returner: Returner & { jobCache: JobCache },
    readonly ctx: ReturnerCtx,
    private readonly bus: EventBus,
    private readonly log: Log,
    private readonly started = Date.now(),
  ) {}

  get cache(): JobCache {
    return this.returner.jobCache;
  }

  /** A fresh jid, or the wanted one if it is one. */
  jid(wanted?: string): string {
    return this.cache.prepJid(this.ctx, wanted !== undefined && isJid(wanted) ? wanted : undefined);
  }

  private async guarded<T>(what: string, work: () => Promise<T> | T, fallback: T): Promise<T> {
    try {
      return await work();
    } catch (e) {
      this.failures++;
      this.log.error(`The job cache could not ${what}: ${messageOf(e)}`);
      this.bus.fire(tags.jobCacheFailed, { what, message: messageOf(e) }, { origin: 'master' });
      return fallback;
    }
  }

  private remember(jid: string, job: KnownJob): void {
    this.recent.delete(jid);
    this.recent.set(jid, job);
    if (this.recent.size > KEPT_JOBS) this.recent.delete(this.recent.keys().next().value as string);
  }

  /** Keeps a load; settles when it is as safe as the store makes it. */
  async save(jid: string, load: WireMap, minions: readonly string[] | undefined, announced = true): Promise<void> {
    this.remember(jid, {
      minions: minions && new Set(minions),
      tgtType: String(load['tgt_type'] ?? 'glob'),
      user: String(load['user'] ?? ''),
      announced,
    });
    await this.guarded(
      'keep a load',
      () => this.cache.saveLoad(jid, announced ? { ...load, [ANNOUNCED]: true } : load, minions, this.ctx),
      undefined,
    );
  }

  /** What is known of a jid; undefined when it never was a job here or is expired. */
  async known(jid: string): Promise<KnownJob | undefined> {
    const job = this.recent.get(jid);
    if (job || !isJid(jid)) return job;
    const load = await this.guarded<WireMap>('answer', () => this.cache.getLoad(jid, this.ctx), {});
    if (load['jid'] === undefined && load['fun'] === undefined) return undefined;
    const minions = load['Minions'];
    const found: KnownJob = {
      minions: Array.isArray(minions) ? new Set(minions.map(String)) : undefined,
      tgtType: String(load['tgt_type'] ?? 'glob'),
      user: String(load['user'] ?? ''),
      announced: load[ANNOUNCED] === true,
    };
    this.remember(jid, found);
    return found;
  }

  load(jid: string): Promise<WireMap> {
    return this.guarded('answer', () => this.cache.getLoad(jid, this.ctx), {});
  }

  returns(jid: string): Promise<WireMap> {
    return this.guarded('answer', () => this.cache.getJid(jid, this.ctx), {});
  }

  /**
   * Whether this return came before, in this run of the master or, for a job older than it, in an earlier one. Answering false also remembers
   * the return, so of two equal ones at once only the first counts.
   */
  async seen(jid: string, id: string, jobTime: number | undefined): Promise<boolean> {
    const key = `${jid}/${id}`;
    if (this.returned.has(key)) return true;
    this.returned.add(key);
    if (this.returned.size > KEPT_RETURNS) this.returned.delete(this.returned.values().next().value as string);
    if (jobTime === undefined || jobTime >= this.started) return false;
    return Object.hasOwn(await this.returns(jid), id);
  }

  /**
   * Keeps what a runner or wheel function answered, as a job of the master's own id (the reference's `runner_returns`). `ret` is the data of its
   * `ret` event.
   */
  async keepRun(ret: WireMap, masterId: string): Promise<void> {
    const { jid, fun } = ret;
    if (!isJid(jid) || typeof fun !== 'string') return;
    const facts = { jid, fun, user: ret['user'] ?? '', tgt: masterId, tgt_type: 'list', arg: [] };
    await this.guarded('keep a load', () => this.cache.saveLoad(jid, { ...facts }, undefined, this.ctx), undefined);
    const success = ret['success'] === true;
    await this.keep({ jid, id: masterId, fun, return: ret, success, retcode: ret['retcode'] ?? (success ? 0 : 1) });
  }

  /** Keeps a return; settles when safe. */
  keep(ret: JobReturn): Promise<void> {
    return this.guarded('keep a return', () => this.returner.returner(ret, this.ctx), undefined);
  }
}
