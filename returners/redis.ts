/**
 * Redis, with the keys of Salt's own redis returner: `ret:<jid>` (hash, minion to return), `load:<jid>`, `<minion>:<fun>` (newest jid),
 * `minions` (set); besides them `minions:<jid>` (set of expected minions) and the stream `salt:events`, which Salt does not look at.
 * Options `redis.host` (salt), `port`, `db`, `password`, `unix_socket_path`, `cluster_mode`, `cluster.startup_nodes`.
 */
import type { Cluster, Redis } from 'ioredis';
import { messageOf, SaltError } from '../bus/errors.ts';
import { stamp } from '../bus/jid.ts';
import { type Py, PyDict, toWire, type WireMap } from '../bus/values.ts';
import type { JobCache, JobLoad, JobReturn, Returner, ReturnerCtx } from './contract.ts';
import { groupFor } from './shape/group.ts';
import {
  countsAsLatest,
  filing,
  keepSeconds,
  keptReturn,
  listed,
  oldestKept,
  prepareJid,
  shownReturn,
  withoutSecrets,
} from './shape/job.ts';
import { mapFromJson, toJson } from './shape/json.ts';
import { closeLinks, Link, linkFor, type Wired } from './shape/link.ts';
import { numberOption, type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';

const KEYS = {
  host: 'host',
  port: 'port',
  unix_socket_path: 'unix_socket_path',
  db: 'db',
  password: 'password',
  cluster_mode: 'cluster_mode',
  startup_nodes: 'cluster.startup_nodes',
  skip_full_coverage_check: 'cluster.skip_full_coverage_check',
};
const DEFAULTS = { host: 'salt', port: 6379, db: '0' };
const EVENTS = 'salt:events';
/** How many events the stream keeps, about. */
const EVENTS_KEPT = 1_000_000;
/** Keys asked for at once. */
const SLICE = 500;

class Server implements Wired {
  /** Set after a batch of events whose fate is not known. */
  doubtful = true;
  constructor(
    readonly db: Redis | Cluster,
    readonly cluster: boolean,
  ) {}
  get alive(): boolean {
    return this.db.status === 'ready';
  }
  hold(on: boolean): void {
    const stream = this.cluster ? undefined : (this.db as Redis).stream;
    if (on) stream?.ref?.();
    else stream?.unref?.();
  }
  close(): void {
    this.db.disconnect();
  }

  /** Sends commands together and throws the first error among their answers; one by one where the keys live on several servers. */
  async together(commands: readonly (readonly [name: string, ...args: (string | number)[]])[]): Promise<unknown[]> {
    if (this.cluster) return Promise.all(commands.map(([name, ...args]) => this.db.call(name, args)));
    const answers = await (this.db as Redis)
      .pipeline(commands.map(([name, ...args]) => [name.toLowerCase(), ...args]))
      .exec();
    return (answers ?? []).map(([error, answer]) => {
      if (error) throw error;
      return answer;
    });
  }

  async keys(pattern: string): Promise<string[]> {
    const nodes = this.cluster ? (this.db as Cluster).nodes('master') : [this.db as Redis];
    const found = new Set<string>();
    for (const node of nodes) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
        for (const k of keys) found.add(k);
        cursor = next;
      } while (cursor !== '0');
    }
    return [...found];
  }

  async values(keys: readonly string[]): Promise<(string | null)[]> {
    const out: (string | null)[] = [];
    for (let at = 0; at < keys.length; at += SLICE) {
      const part = keys.slice(at, at + SLICE);
      if (this.cluster) out.push(...((await this.together(part.map((k) => ['GET', k] as const))) as (string | null)[]));
      else out.push(...(await this.db.mget(...part)));
    }
    return out;
  }
}

function nodesOf(options: ReturnerOptions): { host: string; port: number }[] {
  const given = options['startup_nodes'];
  const list: Py[] = Array.isArray(given) ? given : given instanceof PyDict && given.size ? [given] : [];
  return list.flatMap((n) =>
    n instanceof PyDict ? [{ host: String(n.get('host') ?? 'salt'), port: Number(n.get('port') ?? 6379) }] : [],
  );
}

async function connect(options: ReturnerOptions, ctx: ReturnerCtx): Promise<Server> {
  const { Redis, Cluster } = await import('ioredis');
  const password = textOption(options, 'password');
  const path = textOption(options, 'unix_socket_path');
  const host = textOption(options, 'host') ?? 'salt';
  const port = numberOption(options, 'port', 6379);
  const shared = { connectTimeout: 5000, commandTimeout: 20_000, enableOfflineQueue: false, lazyConnect: true };
  const clustered = options['cluster_mode'] === true;
  const db = clustered
    ? new Cluster(nodesOf(options), {
        lazyConnect: true,
        enableOfflineQueue: false,
        clusterRetryStrategy: () => null,
        redisOptions: { ...shared, ...(password === undefined ? {} : { password }) },
      })
    : new Redis({
        ...shared,
        ...(path === undefined ? { host, port } : { path }),
        db: numberOption(options, 'db', 0),
        ...(password === undefined ? {} : { password }),
        retryStrategy: () => null,
      });
  let last: unknown;
  db.on('error', (e: unknown) => {
    last = e;
  });
  const server = new Server(db, clustered);
  try {
    await db.connect();
    await db.ping();
  } catch (e) {
    db.disconnect();
    const why = last ?? e;
    throw new SaltError(
      'SaltClientError',
      `redis returner could not connect to ${path ?? `${host}:${port}`}: ${messageOf(why)}`,
      {},
      { cause: why },
    );
  }
  db.on('error', (e: unknown) => ctx.log.warning(`The connection to redis broke: ${messageOf(e)}`));
  return server;
}

function link(ctx: ReturnerCtx): Link<Server> {
  const options = returnerOptions('redis', KEYS, DEFAULTS, ctx);
  const key = toJson(toWire(new PyDict(Object.entries(options))));
  return linkFor(ctx.context, key, () => new Link(() => connect(options, ctx)));
}

const use = <T>(ctx: ReturnerCtx, work: (server: Server) => Promise<T>): Promise<T> => link(ctx).use(work);

type Command = readonly [string, ...(string | number)[]];

/** SET with the time to live that the configuration asks for. */
function kept(key: string, value: string, ctx: ReturnerCtx): Command {
  const seconds = keepSeconds(ctx);
  return seconds > 0 ? ['SET', key, value, 'EX', seconds] : ['SET', key, value];
}

function expiring(key: string, ctx: ReturnerCtx): Command[] {
  const seconds = keepSeconds(ctx);
  return seconds > 0 ? [['EXPIRE', key, seconds]] : [];
}

function expected(jid: string, minions: readonly string[], ctx: ReturnerCtx): Command[] {
  const key = `minions:${jid}`;
  return minions.length ? [['SADD', key, ...minions], ...expiring(key, ctx)] : [];
}

const jobCache: JobCache = {
  prepJid: prepareJid,

  async saveLoad(jid, load, minions, ctx) {
    const text = toJson(withoutSecrets({ jid, ...load }));
    await use(ctx, (s) => s.together([kept(`load:${jid}`, text, ctx), ...expected(jid, minions ?? [], ctx)]));
  },

  async saveMinions(jid, minions, ctx) {
    await use(ctx, (s) => s.together(expected(jid, minions, ctx)));
  },

  getLoad(jid, ctx) {
    return use(ctx, async (s) => {
      const [text, minions] = (await s.together([
        ['GET', `load:${jid}`],
        ['SMEMBERS', `minions:${jid}`],
      ])) as [string | null, string[]];
      if (!text) return {};
      const load = mapFromJson(text);
      return minions.length ? { ...load, Minions: minions.sort() } : load;
    });
  },

  getJid(jid, ctx) {
    return use(ctx, async (s) => {
      const answer: WireMap = {};
      const all = await s.db.hgetall(`ret:${jid}`);
      for (const id of Object.keys(all).sort()) if (all[id]) answer[id] = shownReturn(mapFromJson(all[id]));
      return answer;
    });
  },

  getJids(ctx, options = {}) {
    return use(ctx, async (s) => {
      let jids = (await s.keys('load:*')).map((k) => k.slice('load:'.length)).sort();
      if (options.since !== undefined) jids = jids.filter((j) => j >= (options.since as string));
      if (options.limit !== undefined) jids = options.limit > 0 ? jids.slice(-options.limit) : [];
      const texts = await s.values(jids.map((j) => `load:${j}`));
      return listed(jids.flatMap((j, i) => (texts[i] ? [[j, mapFromJson(texts[i] as string)] as const] : [])));
    });
  },

  getFun(fun, ctx) {
    return use(ctx, async (s) => {
      const minions = (await s.db.smembers('minions')).sort();
      const jids = await s.values(minions.map((m) => `${m}:${fun}`));
      const known = minions.flatMap((m, i) => (jids[i] ? [[m, jids[i] as string] as const] : []));
      const answer: WireMap = {};
      for (let at = 0; at < known.length; at += SLICE) {
        const part = known.slice(at, at + SLICE);
        const texts = await s.together(part.map(([m, jid]) => ['HGET', `ret:${jid}`, m] as const));
        part.forEach(([m], i) => {
          if (typeof texts[i] === 'string') answer[m] = mapFromJson(texts[i] as string);
        });
      }
      return answer;
    });
  },

  getMinions(ctx) {
    return use(ctx, async (s) => (await s.db.smembers('minions')).sort());
  },

  async updateEndtime(jid, time, ctx) {
    await use(ctx, async (s) => {
      const text = await s.db.get(`load:${jid}`);
      if (text) await s.db.set(`load:${jid}`, toJson({ ...mapFromJson(text), EndTime: time }), 'KEEPTTL');
    });
  },

  /** The keys expire by themselves; this takes jobs that are too old by their jid, and returns whose time a late minion renewed. */
  async cleanOldJobs(ctx, now) {
    const end = oldestKept(ctx, now);
    if (end === undefined) return 0;
    return use(ctx, async (s) => {
      let jobs = 0;
      const gone: string[] = [];
      for (const prefix of ['load:', 'ret:', 'minions:'])
        for (const key of await s.keys(`${prefix}*`)) {
          const jid = key.slice(prefix.length);
          if (!/^\d{20}/.test(jid) || jid >= end) continue;
          gone.push(key);
          if (prefix === 'load:') jobs++;
        }
      for (let at = 0; at < gone.length; at += SLICE)
        await s.together(gone.slice(at, at + SLICE).map((k) => ['DEL', k] as const));
      return jobs;
    });
  },
};

interface Filed {
  readonly jid: string;
  readonly id: string;
  readonly fun: string;
  readonly json: string;
}

/** Writes returns in as few commands as their keys allow: a job's hash, its expiry, the newest jids, the minions. */
async function writeReturns(returns: readonly Filed[], ctx: ReturnerCtx): Promise<void> {
  const jobs = new Map<string, string[]>();
  for (const { jid, id, json } of returns) {
    const fields = jobs.get(jid);
    if (fields) fields.push(id, json);
    else jobs.set(jid, [id, json]);
  }
  await use(ctx, (s) =>
    s.together([
      ...[...jobs].flatMap(([jid, fields]): Command[] => [
        ['HSET', `ret:${jid}`, ...fields],
        ...expiring(`ret:${jid}`, ctx),
      ]),
      ...returns.flatMap(({ jid, id, fun }) => (countsAsLatest(fun) ? [kept(`${id}:${fun}`, jid, ctx)] : [])),
      ['SADD', 'minions', ...new Set(returns.map((r) => r.id))],
    ]),
  );
}

async function returner(given: JobReturn, ctx: ReturnerCtx): Promise<void> {
  const standalone = given['jid'] === 'req';
  const ret: JobReturn = standalone ? { ...given, jid: prepareJid(ctx) } : given;
  const filed = filing(ret);
  if (!filed) return;
  const { jid } = filed;
  if (standalone) await jobCache.saveLoad(jid, keptReturn(ret) as JobLoad, undefined, ctx);
  const group = groupFor(ctx, (items: readonly Filed[]) => writeReturns(items, ctx));
  const json = toJson(keptReturn(ret));
  await group.add({ ...filed, json }, json.length);
  if (ctx.opts.flag('job_cache_store_endtime')) await jobCache.updateEndtime(jid, stamp(), ctx);
}

/** Events of a batch that the stream does not hold yet; asked only after a batch whose fate is not known. */
async function missing(server: Server, lines: readonly [string, string][]): Promise<readonly [string, string][]> {
  if (!server.doubtful) return lines;
  const newest = (await server.db.xrevrange(EVENTS, '+', '-', 'COUNT', 10_000)) as [string, string[]][];
  const there = new Set(newest.map(([, f]) => `${f[1]}\n${f[3]}`));
  return lines.filter(([tag, data]) => !there.has(`${tag}\n${data}`));
}

export default {
  returner,
  jobCache,
  async eventReturn(events, ctx) {
    await use(ctx, async (s) => {
      const fresh = await missing(
        s,
        events.map((e) => [e.tag, toJson(e.data)]),
      );
      s.doubtful = true;
      const master = ctx.opts.str('id');
      await s.together(
        fresh.map(
          ([tag, data]) =>
            ['XADD', EVENTS, 'MAXLEN', '~', EVENTS_KEPT, '*', 'tag', tag, 'data', data, 'master_id', master] as const,
        ),
      );
      s.doubtful = false;
    });
  },
  close: (ctx) => closeLinks(ctx.context),
} satisfies Returner;
