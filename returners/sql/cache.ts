/**
 * What the SQL returners share: Salt's tables `jids`, `salt_returns` and `salt_events`, written in groups, and read as Salt reads them.
 * Salt's tables know no unique return; a return of ours is there once all the same, for each write looks first.
 */
import { stamp } from '../../bus/jid.ts';
import type { Wire, WireMap } from '../../bus/values.ts';
import type { JobCache, JobLoad, JobReturn, Returner, ReturnerCtx } from '../contract.ts';
import { groupFor } from '../shape/group.ts';
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
} from '../shape/job.ts';
import { asciiJson, mapFromJson, toJson } from '../shape/json.ts';
import { closeLinks, type Link, type Wired } from '../shape/link.ts';

/** A row by column; every column that is asked for is text. */
export type Row = Readonly<Record<string, string>>;

/** One open connection, whatever the driver. Statements are written with `?` for values and backquoted names. */
export interface SqlConnection extends Wired {
  /** Set after a batch of events whose fate is not known. */
  doubtful: boolean;
  run(sql: string, values?: readonly (string | number)[]): Promise<readonly Row[]>;
  /** How many rows a statement changed. */
  change(sql: string, values?: readonly (string | number)[]): Promise<number>;
}

/** In what the databases differ. */
export interface Dialect {
  readonly schema: readonly string[];
  /** The link for the options in effect. Its errors are SaltErrors; `retryable` false means that the data itself is refused. */
  link(ctx: ReturnerCtx): Link<SqlConnection>;
  /** What the driver of Salt's own returner makes of True and False. */
  readonly success: readonly [yes: string, no: string];
  /** A statement's end that makes a second jid replace the load of the first. */
  readonly replaceLoad: string;
  /** Compares a minion id by its exact letters. */
  readonly exactId: string;
  /** The moment so many seconds ago by the database's clock. */
  readonly secondsAgo: string;
  /** Creates an empty table like another. */
  like(copy: string, of: string): string;
  /** Whether a failure is about characters that the table cannot hold. */
  charsetTooSmall(e: unknown): boolean;
}

interface ReturnRow {
  readonly jid: string;
  readonly id: string;
  readonly values: readonly string[];
}

const marks = (n: number): string => Array(n).fill('?').join(', ');
/** Cut to what a column holds, without splitting a character. */
const cut = (text: string, most: number): string => (text.length <= most ? text : [...text].slice(0, most).join(''));
const EVENTS_LOOKED_AT = 10_000;

async function inTransaction<T>(c: SqlConnection, work: () => Promise<T>): Promise<T> {
  await c.run('START TRANSACTION');
  try {
    const answer = await work();
    await c.run('COMMIT');
    return answer;
  } catch (e) {
    if (c.alive) await c.run('ROLLBACK').catch(() => undefined);
    throw e;
  }
}

/** Builds a returner with job cache and event_return over a database. */
export function sqlReturner(
  d: Dialect,
): Returner & Required<Pick<Returner, 'eventReturn' | 'jobCache' | 'schema' | 'createTables' | 'close'>> {
  const use = <T>(ctx: ReturnerCtx, work: (c: SqlConnection) => Promise<T>): Promise<T> => {
    const link = d.link(ctx);
    // One connection carries one conversation at a time.
    const turn = turns.get(link) ?? Promise.resolve();
    const mine = turn.then(() => link.use(work));
    turns.set(
      link,
      mine.catch(() => undefined),
    );
    return mine;
  };
  const turns = new WeakMap<Link<SqlConnection>, Promise<unknown>>();

  /** Writes once more in ASCII where a table's character set is too small. */
  const fitting = async <T>(write: (text: (json: string) => string) => Promise<T>): Promise<T> => {
    try {
      return await write((json) => json);
    } catch (e) {
      if (!d.charsetTooSmall(e)) throw e;
      return write(asciiJson);
    }
  };

  async function writeReturns(rows: readonly ReturnRow[], ctx: ReturnerCtx): Promise<void> {
    const last = new Map(rows.map((r) => [`${r.jid}/${r.id}`, r]));
    const all = [...last.values()];
    await fitting((text) =>
      use(ctx, (c) =>
        inTransaction(c, async () => {
          const jids = [...new Set(all.map((r) => r.jid))];
          const found = await c.run(
            `SELECT \`jid\`, \`id\` FROM \`salt_returns\` WHERE \`jid\` IN (${marks(jids.length)}) AND \`id\` IN (${marks(all.length)})`,
            [...jids, ...all.map((r) => r.id)],
          );
          const there = new Set(found.map((r) => `${r['jid']}/${r['id']}`));
          const values = (r: ReturnRow): string[] => r.values.map((v, i) => (i < 2 ? text(v) : v));
          const fresh = all.filter((r) => !there.has(`${r.jid}/${r.id}`));
          if (fresh.length)
            await c.change(
              `INSERT INTO \`salt_returns\` (\`return\`, \`full_ret\`, \`fun\`, \`jid\`, \`id\`, \`success\`) VALUES ${fresh.map(() => '(?, ?, ?, ?, ?, ?)').join(', ')}`,
              fresh.flatMap((r) => {
                const [ret, full, fun, success] = values(r) as [string, string, string, string];
                return [ret, full, fun, r.jid, r.id, success];
              }),
            );
          for (const r of all)
            if (there.has(`${r.jid}/${r.id}`))
              await c.change(
                `UPDATE \`salt_returns\` SET \`return\` = ?, \`full_ret\` = ?, \`fun\` = ?, \`success\` = ? WHERE \`jid\` = ? AND ${d.exactId}`,
                [...values(r), r.jid, r.id],
              );
        }),
      ),
    );
  }

  async function readLoad(c: SqlConnection, jid: string): Promise<WireMap | undefined> {
    const [row] = await c.run('SELECT `load` FROM `jids` WHERE `jid` = ?', [jid]);
    return row && mapFromJson(row['load'] as string);
  }

  async function changeLoad(jid: string, change: (load: WireMap) => WireMap, ctx: ReturnerCtx): Promise<void> {
    await fitting((text) =>
      use(ctx, (c) =>
        inTransaction(c, async () => {
          const load = await readLoad(c, jid);
          if (load) await c.change('UPDATE `jids` SET `load` = ? WHERE `jid` = ?', [text(toJson(change(load))), jid]);
        }),
      ),
    );
  }

  const jobCache: JobCache = {
    prepJid: prepareJid,

    async saveLoad(jid, load, minions, ctx) {
      const kept: WireMap = { jid, ...withoutSecrets(load) };
      if (minions !== undefined) kept['Minions'] = [...minions];
      const json = toJson(kept);
      await fitting((text) =>
        use(ctx, (c) =>
          c.change(`INSERT INTO \`jids\` (\`jid\`, \`load\`) VALUES (?, ?) ${d.replaceLoad}`, [jid, text(json)]),
        ),
      );
    },

    async saveMinions(jid, minions, ctx) {
      await changeLoad(
        jid,
        (load) => {
          const known = Array.isArray(load['Minions']) ? load['Minions'].map(String) : [];
          return { ...load, Minions: [...new Set([...known, ...minions])].sort() };
        },
        ctx,
      );
    },

    async getLoad(jid, ctx) {
      return (await use(ctx, (c) => readLoad(c, jid))) ?? {};
    },

    async getJid(jid, ctx) {
      const rows = await use(ctx, (c) => c.run('SELECT `id`, `full_ret` FROM `salt_returns` WHERE `jid` = ?', [jid]));
      const found = rows.map((r) => [r['id'] as string, shownReturn(mapFromJson(r['full_ret'] ?? ''))] as const);
      return Object.fromEntries([...new Map(found)].sort(([a], [b]) => (a < b ? -1 : 1)));
    },

    async getJids(ctx, options = {}) {
      if (options.limit !== undefined && options.limit <= 0) return {};
      const since = options.since === undefined ? '' : 'WHERE `jid` >= ?';
      const limit = options.limit === undefined ? '' : `LIMIT ${Math.floor(options.limit)}`;
      const rows = await use(ctx, (c) =>
        c.run(
          `SELECT \`jid\`, \`load\` FROM \`jids\` ${since} ORDER BY \`jid\` DESC ${limit}`,
          options.since === undefined ? [] : [options.since],
        ),
      );
      return listed(rows.map((r) => [r['jid'] as string, mapFromJson(r['load'] as string)]));
    },

    /** The newest by the time of writing: job ids of several masters need not sort by time. */
    async getFun(fun, ctx) {
      if (!countsAsLatest(fun)) return {};
      const rows = await use(ctx, (c) =>
        c.run(
          'SELECT s.`id`, s.`full_ret` FROM `salt_returns` s JOIN (SELECT `id`, MAX(`alter_time`) AS `newest` FROM `salt_returns` WHERE `fun` = ? GROUP BY `id`) m ON s.`id` = m.`id` AND s.`alter_time` = m.`newest` WHERE s.`fun` = ? ORDER BY s.`jid`',
          [cut(fun, 50), cut(fun, 50)],
        ),
      );
      return Object.fromEntries(rows.map((r) => [r['id'] as string, mapFromJson(r['full_ret'] ?? '') as Wire]));
    },

    async getMinions(ctx) {
      const rows = await use(ctx, (c) => c.run('SELECT DISTINCT `id` FROM `salt_returns`'));
      return rows.map((r) => r['id'] as string).sort();
    },

    updateEndtime: (jid, time, ctx) => changeLoad(jid, (load) => ({ ...load, EndTime: time }), ctx),

    /** By the database's clock as Salt does it; loads that nobody answered go by their jid. `archive_jobs` copies first. */
    async cleanOldJobs(ctx, now) {
      const seconds = keepSeconds(ctx);
      const end = oldestKept(ctx, now);
      if (end === undefined) return 0;
      const old = d.secondsAgo;
      const jobs = `(\`jid\` IN (SELECT \`jid\` FROM \`salt_returns\` WHERE \`alter_time\` < ${old}) OR (\`jid\` < ? AND \`jid\` NOT IN (SELECT \`jid\` FROM \`salt_returns\`)))`;
      return use(ctx, async (c) => {
        const parts = [
          ['jids', jobs, [seconds, end]],
          ['salt_returns', `\`alter_time\` < ${old}`, [seconds]],
          ['salt_events', `\`alter_time\` < ${old}`, [seconds]],
        ] as const;
        const archive = ctx.opts.flag('archive_jobs');
        if (archive) for (const [table] of parts) await c.run(d.like(`${table}_archive`, table));
        return inTransaction(c, async () => {
          const counts: number[] = [];
          for (const [table, where, values] of parts) {
            if (archive)
              await c.change(`INSERT INTO \`${table}_archive\` SELECT * FROM \`${table}\` WHERE ${where}`, values);
            counts.push(await c.change(`DELETE FROM \`${table}\` WHERE ${where}`, values));
          }
          return counts[0] as number;
        });
      });
    },
  };

  async function returner(given: JobReturn, ctx: ReturnerCtx): Promise<void> {
    const standalone = given['jid'] === 'req';
    const ret: JobReturn = standalone ? { ...given, jid: prepareJid(ctx) } : given;
    const filed = filing(ret);
    if (!filed) return;
    if (standalone) await jobCache.saveLoad(filed.jid, keptReturn(ret) as JobLoad, undefined, ctx);
    const full = toJson(keptReturn(ret));
    const value = toJson(ret['return']);
    const group = groupFor(ctx, (items: readonly ReturnRow[]) => writeReturns(items, ctx));
    const row = {
      jid: filed.jid,
      id: cut(filed.id, 255),
      values: [value, full, cut(filed.fun, 50), d.success[ret['success'] === true ? 0 : 1]],
    };
    await group.add(row, full.length + value.length);
    if (ctx.opts.flag('job_cache_store_endtime')) await jobCache.updateEndtime(filed.jid, stamp(), ctx);
  }

  /** Events of a batch that the table does not hold yet; asked only after a batch whose fate is not known. */
  async function missingEvents(
    c: SqlConnection,
    rows: readonly [string, string][],
  ): Promise<readonly [string, string][]> {
    if (!c.doubtful) return rows;
    const tags = [...new Set(rows.map(([tag]) => tag))];
    const [top] = await c.run('SELECT MAX(`id`) AS `top` FROM `salt_events`');
    const from = Math.max(0, Number(top?.['top'] ?? 0) - EVENTS_LOOKED_AT);
    const found = await c.run(
      `SELECT \`tag\`, \`data\` FROM \`salt_events\` WHERE \`id\` > ? AND \`tag\` IN (${marks(tags.length)})`,
      [from, ...tags],
    );
    const there = new Set(found.map((r) => `${r['tag']}\n${r['data']}`));
    return rows.filter(([tag, data]) => !there.has(`${tag}\n${data}`));
  }

  return {
    returner,
    jobCache,
    async eventReturn(events, ctx) {
      const master = ctx.opts.str('id');
      const given = events.map((e) => [cut(e.tag, 255), toJson(e.data)] as [string, string]);
      await fitting((text) =>
        use(ctx, (c) =>
          inTransaction(c, async () => {
            const rows = await missingEvents(
              c,
              given.map(([tag, data]) => [tag, text(data)]),
            );
            c.doubtful = true;
            for (let at = 0; at < rows.length; at += 500) {
              const part = rows.slice(at, at + 500);
              await c.change(
                `INSERT INTO \`salt_events\` (\`tag\`, \`data\`, \`master_id\`) VALUES ${part.map(() => '(?, ?, ?)').join(', ')}`,
                part.flatMap(([tag, data]) => [tag, data, master]),
              );
            }
          }).then(() => {
            c.doubtful = false;
          }),
        ),
      );
    },
    schema: () => d.schema,
    async createTables(ctx) {
      for (const sql of d.schema) await use(ctx, (c) => c.run(sql));
      return d.schema;
    },
    close: (ctx) => closeLinks(ctx.context),
  };
}
