import { Subject } from 'rxjs';
import type { EventBus, Origin } from '../bus/event.ts';
import { isJid, jidTime } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { isWireMap, PyDict, type Wire, type WireMap } from '../bus/values.ts';
import { asMap, readReturn, readSyndicReturns } from '../bus/wire/loads.ts';
import type { Jobs } from './jobs.ts';

/** Functions whose failed states are fired one by one. */
const STATE_RUNS = new Set(['state.highstate', 'state.sls']);
/** Target kinds whose minions the master knows for certain, so that a return of any other minion is a lie. */
const CERTAIN = new Set(['glob', 'pcre', 'list']);

/** Takes what minions return: checks it, fires it, keeps it in the job cache. A return is answered after both event and cache have it safe. */
export class Returns {
  /** Every accepted return, for job caches beyond the master's own; never a tag's listener, as tags prove nothing. */
  readonly accepted$ = new Subject<WireMap>();
  accepted = 0;
  refused = 0;
  repeated = 0;

  constructor(
    private readonly opts: Opts,
    private readonly bus: EventBus,
    private readonly jobs: Jobs,
    private readonly log: Log,
  ) {}

  /** `_return` of a minion whose identity is proven: `load.id` is the sender. */
  async take(load: WireMap): Promise<null | false> {
    const ret = readReturn(load);
    if (!ret) {
      this.refused++;
      return false;
    }
    const origin: Origin = `minion/${ret.id}`;
    if (ret.jid === 'req') {
      const own: WireMap = {
        ...ret,
        arg: ret['arg'] ?? ret.fun_args ?? [],
        tgt_type: 'glob',
        tgt: ret.id,
        jid: this.jobs.jid(),
      };
      const { return: _value, retcode: _code, success: _ok, cmd: _cmd, ...asked } = own;
      await this.jobs.save(String(own['jid']), asked, [ret.id]);
      await this.jobs.seen(String(own['jid']), ret.id, undefined);
      return this.accept(own, origin);
    }
    // A job of a minion's schedule that wants to be heard of, but not kept (`return_job: nocache`).
    if (ret.jid === 'nocache') return this.accept({ ...ret, jid: this.jobs.jid() }, origin, false);
    if (!isJid(ret.jid)) {
      this.refused++;
      this.log.warning(`A return of ${ret.id} was refused: ${JSON.stringify(ret.jid).slice(0, 80)} is no job id`);
      return false;
    }
    const job = await this.jobs.known(ret.jid);
    if (job?.minions && CERTAIN.has(job.tgtType) && !job.minions.has(ret.id)) {
      this.refused++;
      this.log.warning(`A return of ${ret.id} for job ${ret.jid} was refused: the job was not for it`);
      return false;
    }
    if (await this.jobs.seen(ret.jid, ret.id, jidTime(ret.jid))) {
      this.repeated++;
      return null;
    }
    if (!job) await this.saveUnknown(ret);
    return this.accept(ret, origin);
  }

  /** A job that this master did not publish (a minion with several masters, a restored minion): its load is made from the return. */
  private async saveUnknown(ret: WireMap): Promise<void> {
    const { return: value, retcode: _code, success: _ok, cmd: _cmd, ...asked } = ret;
    const inner = asMap(value);
    await this.jobs.save(
      String(ret['jid']),
      { ...asked, fun: asked['fun'] ?? inner?.['fun'] ?? null, user: asked['user'] ?? inner?.['user'] ?? 'root' },
      undefined,
    );
  }

  private async accept(ret: WireMap, origin: Origin, keep = true): Promise<null> {
    const jid = String(ret['jid']);
    this.accepted++;
    const cause = `jid/${jid}` as const;
    const fired = this.bus.fire(tags.jobReturn(jid, String(ret['id'])), ret, { origin, cause });
    this.fireFailures(ret, origin);
    this.accepted$.next(ret);
    const kept =
      keep && this.opts.flag('job_cache', true) && !this.opts.str('ext_job_cache')
        ? this.jobs.keep(ret)
        : Promise.resolve();
    await Promise.all([fired.durable, kept]);
    return null;
  }

  /** Fires each failed state of a state run with a bad retcode: as `<state>.<function>`, then under its job. */
  private fireFailures(ret: WireMap, origin: Origin): void {
    if (!ret['retcode']) return;
    const funs = Array.isArray(ret['fun']) ? ret['fun'] : [ret['fun']];
    funs.forEach((fun, i) => {
      if (typeof fun !== 'string' || !STATE_RUNS.has(fun)) return;
      const several = Array.isArray(ret['fun']);
      const retcode = several ? part(ret['retcode'], fun, i) : ret['retcode'];
      const states = several ? part(ret['return'], fun, i) : ret['return'];
      if (!retcode) return;
      for (const [name, state] of entries(states)) {
        const data = asMap(state);
        if (data?.['result'] !== false) continue;
        const words = name.split('_|-');
        const tag = `${words[0]}.${words.at(-1)}`;
        const options = { origin, cause: `jid/${String(ret['jid'])}` as const };
        this.bus.fire(tag, { ...data, retcode: retcode as Wire }, options);
        this.bus.fire(
          tags.jobSubError(String(ret['jid']), String(ret['id']), fun),
          {
            ...data,
            retcode: retcode as Wire,
            jid: ret['jid']!,
            id: ret['id']!,
            success: false,
            return: `Error: ${tag}`,
            fun,
            ...(ret['user'] === undefined ? {} : { user: ret['user'] }),
          },
          options,
        );
      }
    });
  }

  /**
   * `_syndic_return`: returns of the minions below a syndic, one by one. Taken only by a master of masters (`order_masters`), and never for an id that
   * has a key of its own here.
   */
  async takeSyndic(load: WireMap, ownsKey: (id: string) => boolean): Promise<null> {
    const { returns, refused } = readSyndicReturns(load);
    this.refused += refused;
    if (!this.opts.flag('order_masters')) {
      this.refused += returns.length;
      this.log.warning(`Returns of syndic ${String(load['id'])} were refused: order_masters is off`);
      return null;
    }
    for (const one of returns) {
      if (!isJid(one.jid) || one.id !== load['id']) {
        this.refused++;
        continue;
      }
      if (one.load && !(await this.jobs.known(one.jid))) await this.jobs.save(one.jid, one.load, undefined);
      for (const r of one.return) {
        if (ownsKey(r.minion) && r.minion !== one.id) {
          this.refused++;
          continue;
        }
        if (await this.jobs.seen(one.jid, r.minion, jidTime(one.jid))) continue;
        const ret: WireMap = { jid: one.jid, id: r.minion, return: r.return, fun: one.fun ?? null };
        if (r.retcode !== undefined) ret['retcode'] = r.retcode;
        if (r.success !== undefined) ret['success'] = r.success;
        await this.accept(ret, `minion/${String(load['id'])}`);
      }
    }
    return null;
  }
}

function part(value: Wire | undefined, fun: string, i: number): Wire | undefined {
  return Array.isArray(value) ? value[i] : asMap(value)?.[fun];
}

function entries(value: Wire | undefined): [string, Wire][] {
  if (value instanceof PyDict) return [...value].map(([k, v]) => [String(k), v as Wire]);
  return isWireMap(value) ? Object.entries(value) : [];
}
