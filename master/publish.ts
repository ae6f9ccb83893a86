import { createHash } from 'node:crypto';
import type { Cause, EventBus, Origin } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import type { Expected } from './access.ts';
import type { Publication } from './client.ts';
import type { Jobs } from './jobs.ts';

/** A job that may be published: whoever asks was proven and allowed before. */
export interface PublishOrder {
  tgt: Wire;
  tgtType: string;
  fun: string | string[];
  arg: Wire[];
  ret: string;
  user: string;
  /** Wanted jid; without one the job cache makes it. */
  jid?: string;
  /** `kwargs` of the clear command: metadata, delimiter, module_executors, ret_config, ret_kwargs, start_event … */
  extra?: WireMap;
  /** Seconds, for syndics. */
  to?: number;
  /** The minion that publishes (peer publish). */
  id?: string;
  origin: Origin;
  cause?: Cause;
  /** The job may have been published before by this jid: it is sent again, but its events and its load are kept once. */
  republish?: boolean;
}

/** Sends a sealed publish to minions; topics name receivers under zmq_filtering. */
export type SendPublish = (load: WireMap, topics: readonly string[] | undefined) => void;

/** Options of a job that reach the minion as they are. */
const PASSED = ['ret_config', 'metadata', 'module_executors', 'executor_opts', 'ret_kwargs'] as const;

/** Sends jobs out: finds who is expected, fires `new` and `publish`, keeps the load, and answers after it is kept. */
export class Publisher {
  published = 0;

  constructor(
    private readonly opts: Opts,
    private readonly bus: EventBus,
    private readonly jobs: Jobs,
    private readonly expected: Expected,
    private readonly send: SendPublish,
    private readonly log: Log,
  ) {}

  /** A jid for a job that somebody listens to before it is published. */
  newJid(wanted?: string): string {
    return this.jobs.jid(wanted);
  }

  /** The minions that a target means now; a nodegroup's name must have been resolved before. */
  targets(order: Pick<PublishOrder, 'tgt' | 'tgtType' | 'extra'>): { minions: string[]; missing: string[] } {
    const delimiter = order.extra?.['delimiter'];
    return this.expected(order.tgt, order.tgtType, typeof delimiter === 'string' ? delimiter : undefined);
  }

  /** Publishes. Throws nothing for an empty target: the answer then has no jid and an `error` text. */
  async publish(order: PublishOrder, found = this.targets(order)): Promise<Publication> {
    const { minions, missing } = found;
    if (!minions.length && !this.opts.flag('order_masters'))
      return {
        jid: '',
        minions: [],
        missing: [],
        error: `Master could not resolve minions for target ${shown(order.tgt)}`,
      };
    const jid = this.jobs.jid(order.jid);
    const load = this.load(order, jid);
    const known = order.republish ? await this.jobs.known(jid) : undefined;
    if (known?.announced) {
      this.transmit(order, load, minions);
      return { jid, minions: [...(known.minions ?? minions)], missing };
    }
    const options = { origin: order.origin, cause: order.cause ?? null };
    const announcement: WireMap = {
      jid,
      tgt_type: order.tgtType,
      tgt: order.tgt,
      user: order.user,
      fun: order.fun,
      arg: order.arg,
      minions,
      missing,
    };
    const kept: WireMap = {
      ...load,
      cmd: 'publish',
      ...(order.extra && Object.keys(order.extra).length ? { kwargs: order.extra } : {}),
      ...(order.cause ? { cause: order.cause } : {}),
    };
    const fired = [
      this.bus.fire(tags.jobNew(jid), announcement, options),
      this.bus.fire(tags.jobPublish(jid), load, options),
    ];
    if (order.republish) {
      // The mark follows the events: a job found without it after a crash is announced again rather than never.
      await Promise.all(fired.map((f) => f.durable));
      await this.jobs.save(jid, kept, minions);
      this.transmit(order, load, minions);
    } else {
      this.transmit(order, load, minions);
      await this.jobs.save(jid, kept, minions);
    }
    this.log.info(`User ${order.user} Published command ${String(order.fun)} with jid ${jid}`);
    return { jid, minions, missing };
  }

  private load(order: PublishOrder, jid: string): WireMap {
    const extra = order.extra ?? {};
    const load: WireMap = { fun: order.fun, arg: order.arg, tgt: order.tgt, jid, ret: order.ret };
    const masterId = extra['master_id'] ?? (this.opts.has('master_id') ? this.opts.str('master_id') : undefined);
    if (masterId !== undefined) load['master_id'] = masterId;
    if (typeof extra['delimiter'] === 'string' && extra['delimiter'] !== ':') load['delimiter'] = extra['delimiter'];
    if (order.id !== undefined) load['id'] = order.id;
    load['tgt_type'] = order.tgtType;
    if (order.to !== undefined) load['to'] = order.to;
    for (const k of PASSED) if (extra[k] !== undefined && extra[k] !== null) load[k] = extra[k]!;
    if (extra['start_event']) load['start_event'] = true;
    load['user'] = order.user;
    return load;
  }

  private transmit(order: PublishOrder, load: WireMap, minions: readonly string[]): void {
    this.published++;
    this.send(load, this.opts.flag('zmq_filtering') ? this.topics(order, minions) : undefined);
  }

  private topics(order: PublishOrder, minions: readonly string[]): string[] {
    let topics: string[];
    if (order.tgtType === 'glob' || order.tgtType === 'pcre' || order.tgtType === 'list') {
      const ids = order.tgtType === 'list' ? new Set([...minions, ...listed(order.tgt)]) : minions;
      topics = [...ids].map((id) => createHash('sha1').update(id).digest('hex'));
    } else topics = ['broadcast'];
    if (this.opts.flag('order_masters')) topics.push('syndic');
    return topics;
  }
}

function listed(tgt: Wire): string[] {
  if (Array.isArray(tgt)) return tgt.map(String);
  return String(tgt)
    .split(',')
    .map((t) => t.trim())
    .filter((t) => t !== '');
}

/** A target as the reference prints it in messages: a list in Python's spelling. */
function shown(tgt: Wire): string {
  if (Array.isArray(tgt)) return `[${tgt.map((t) => `'${String(t)}'`).join(', ')}]`;
  return String(tgt);
}
