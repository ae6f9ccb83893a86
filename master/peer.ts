import { SaltError } from '../bus/errors.ts';
import { isJid, type JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { type MinionPublishLoad, readMinionPublish } from '../bus/wire/loads.ts';
import { pyRegex } from '../sls/regex.ts';
import type { Access } from './access.ts';
import { resolveNodegroup } from './clear-commands.ts';
import { type GatherParts, gather } from './gather.ts';
import type { JobProcesses } from './job-processes.ts';
import type { Jobs } from './jobs.ts';
import type { MinionCache } from './minion-cache.ts';
import type { PublishOrder } from './publish.ts';

/** Turns words as a shell gives them into arguments: `k=v` into keywords, YAML into values. */
export type ParseInput = (args: readonly Wire[], noParse?: readonly string[]) => Wire[];

/** Parts of the master that peer commands reach. */
export interface PeerParts {
  opts: Opts;
  log: Log;
  access: Access;
  cache: MinionCache;
  jobs: Jobs;
  jids: JidSource;
  gathering: GatherParts;
  processes: JobProcesses;
  parse: ParseInput;
}

/** Bank of the data cache that says which minion published a job. */
const OWNERS = 'publish_auth';

/** What minions may ask of other minions and of runners, as far as `peer` and `peer_run` allow: nothing by default, and never `publish` itself. */
export class Peer {
  constructor(private readonly p: PeerParts) {}

  private rules(key: 'peer' | 'peer_run', id: string): Py[] {
    const rules: Py[] = [];
    for (const [who, what] of this.p.opts.dict(key))
      if (matchesStart(String(who), id) && Array.isArray(what)) rules.push(...(what as Py[]));
    return rules;
  }

  private order(load: WireMap): { order: PublishOrder; ask: MinionPublishLoad } | undefined {
    const ask = readMinionPublish(load);
    if (!ask) return undefined;
    const several = typeof ask.fun === 'string' && ask.fun.includes(',');
    const fun = several ? (ask.fun as string).split(',') : ask.fun;
    const funs = Array.isArray(fun) ? fun : [fun];
    if (funs.some((f) => /^publish\./.test(f))) {
      this.p.log.warning(`Minion ${ask.id} tried to publish ${funs.join(', ')}: refused`);
      return undefined;
    }
    const noParse = Array.isArray(load['no_parse']) ? load['no_parse'].map(String) : [];
    const arg = Array.isArray(fun)
      ? ask.arg.map((a) => this.p.parse(Array.isArray(a) ? a : [a], noParse) as Wire)
      : this.p.parse(ask.arg, noParse);
    const target = resolveNodegroup(this.p.opts, ask.tgt, ask.tgt_type);
    const found = this.p.gathering.publisher.targets(target);
    const job = {
      ...target,
      fun: funs,
      args: Array.isArray(fun) ? (arg as Wire[][]) : [arg],
      minions: found.minions,
    };
    if (!this.p.access.allows(this.rules('peer', ask.id), job, [], true)) return undefined;
    return {
      ask,
      order: {
        ...target,
        fun,
        arg,
        ret: typeof ask.ret === 'string' ? ask.ret : '',
        user: this.p.access.masterUser,
        id: ask.id,
        origin: `minion/${ask.id}`,
      },
    };
  }

  /** `minion_pub`: publishes and answers jid and minions at once; `{}` when not allowed. */
  async publish(load: WireMap): Promise<Wire> {
    const asked = this.order(load);
    if (!asked) return {};
    const published = await this.p.gathering.publisher.publish(asked.order);
    if (published.error !== undefined) return { jid: '', minions: [] };
    await this.p.cache.store(OWNERS, published.jid, asked.ask.id);
    return { jid: published.jid, minions: published.minions };
  }

  /** `minion_publish`: publishes and waits; answers returns by id, whole ones under `ret` with `form: full`. */
  async publishAndWait(load: WireMap): Promise<Wire> {
    const asked = this.order(load);
    if (!asked) return {};
    const { publisher } = this.p.gathering;
    const jid = publisher.newJid();
    const full = asked.ask.form === 'full';
    const answer: WireMap = {};
    const patience = { timeout: asked.ask.tmo, gatherJobTimeout: this.p.opts.num('gather_job_timeout', 10) };
    for await (const ret of gather(this.p.gathering, asked.order, patience, jid, () => undefined)) {
      if (ret.lost) continue;
      if (!full) answer[ret.id] = ret.ret;
      else {
        const { return: value, ...rest } = ret.load;
        answer[ret.id] = { ...rest, ret: value ?? null };
      }
    }
    await this.p.cache.store(OWNERS, jid, asked.ask.id);
    if (full && Object.keys(answer).length) answer['__jid__'] = jid;
    return answer;
  }

  /** `pub_ret`: returns of a job, for the minion that published it. */
  async returns(load: WireMap): Promise<Wire> {
    const jid = load['jid'];
    if (!isJid(jid) || this.p.cache.fetch(OWNERS, jid) !== load['id']) return {};
    const answer: WireMap = {};
    for (const [id, ret] of Object.entries(await this.p.jobs.returns(jid)))
      answer[id] = { ret: (ret as WireMap)['return'] ?? null };
    return answer;
  }

  /** `minion_runner`: runs a runner function that `peer_run` allows, and answers its value. */
  async runner(load: WireMap): Promise<Wire> {
    const { fun, id } = load;
    if (typeof fun !== 'string' || typeof id !== 'string') return {};
    const rules = this.rules('peer_run', id);
    if (!rules.some((r) => typeof r === 'string' && matchesStart(r, fun))) {
      this.p.log.warning(`Minion ${id} may not run the runner ${fun}`);
      return {};
    }
    const words = Array.isArray(load['arg']) ? load['arg'] : [];
    const noParse = Array.isArray(load['no_parse']) ? load['no_parse'].map(String) : [];
    const { args, kwargs } = splitKwargs(this.p.parse(words, noParse));
    const outcome = await this.p.processes.call({
      form: 'runner',
      fun,
      arg: args,
      kwarg: kwargs,
      jid: this.p.jids.next(),
      user: id,
      origin: `minion/${id}`,
      told: true,
    });
    return outcome.return;
  }

  /** Forgets who published jobs that the cache no longer has. */
  async clean(olderThan: string): Promise<void> {
    for (const jid of this.p.cache.list(OWNERS)) if (jid < olderThan) await this.p.cache.flush(OWNERS, jid);
  }
}

/** Splits the keyword maps (`__kwarg__`) off a list of arguments. */
export function splitKwargs(parsed: readonly Wire[]): { args: Wire[]; kwargs: WireMap } {
  const args: Wire[] = [];
  const kwargs: WireMap = {};
  for (const a of parsed) {
    if (a instanceof PyDict && a.get('__kwarg__') === true) {
      for (const [k, v] of a) if (k !== '__kwarg__') kwargs[String(k)] = toWire(v);
    } else if (typeof a === 'object' && a !== null && !Array.isArray(a) && (a as WireMap)['__kwarg__'] === true) {
      for (const [k, v] of Object.entries(a as WireMap)) if (k !== '__kwarg__') kwargs[k] = v;
    } else args.push(a);
  }
  return { args, kwargs };
}

function matchesStart(expression: string, text: string): boolean {
  try {
    return pyRegex(expression).matches(text);
  } catch (e) {
    if (e instanceof SaltError) return false; // a rule that cannot be read allows nothing
    throw e;
  }
}
