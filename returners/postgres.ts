/**
 * PostgreSQL, in the tables of Salt's postgres returner. Options `returner.postgres.host` (localhost), `.user`, `.passwd`, `.db` (all salt),
 * `.port` (5432); the shorter `postgres.host` … are read where those are absent.
 */
import type { Client } from 'pg';
import { messageOf, SaltError } from '../bus/errors.ts';
import { PyDict, toWire } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { toJson } from './shape/json.ts';
import { Link, linkFor } from './shape/link.ts';
import { numberOption, type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';
import { type Row, type SqlConnection, sqlReturner } from './sql/cache.ts';
import { POSTGRES_SCHEMA } from './sql/schema.ts';

const KEYS = { host: 'host', user: 'user', passwd: 'passwd', db: 'db', port: 'port' };
const DEFAULTS = { host: 'localhost', user: 'salt', passwd: 'salt', db: 'salt', port: 5432 };
/** How long one statement may take before the connection counts as dead, in ms. */
const PATIENCE = 60_000;

/** Class 22 (data exception), 23 (integrity), 54 (too large): the server refuses the data, and would again. */
const refuses = (code: string): boolean => /^(22|23|54)/.test(code);

const codeOf = (e: unknown): string => {
  const code = (e as { code?: unknown }).code;
  return typeof code === 'string' ? code : '';
};

/** The shared form of a statement to PostgreSQL's: numbered values, no backquotes. */
function native(sql: string): string {
  let n = 0;
  return sql.replace(/`(\w+)`/g, '"$1"').replace(/\?/g, () => `$${++n}`);
}

class PostgresConnection implements SqlConnection {
  doubtful = true;
  alive = true;
  constructor(private readonly c: Client) {
    const broken = (): void => {
      this.alive = false;
    };
    c.on('error', broken);
    c.on('end', broken);
  }
  private async ask(sql: string, values: readonly (string | number)[] = []): Promise<{ rows: Row[]; changed: number }> {
    try {
      const answer = await this.c.query(native(sql), [...values]);
      return { rows: answer.rows as Row[], changed: answer.rowCount ?? 0 };
    } catch (e) {
      const code = codeOf(e);
      // Without a code of the server's it is the connection that failed; 57P: the server is going down.
      if (!/^[0-9A-Z]{5}$/.test(code) || code.startsWith('57P') || code.startsWith('08')) this.close();
      throw new SaltError(
        refuses(code) ? 'CommandExecutionError' : 'SaltClientError',
        `PostgreSQL: ${messageOf(e) || code}`,
        { driver: code },
        { cause: e },
      );
    }
  }
  async run(sql: string, values?: readonly (string | number)[]): Promise<readonly Row[]> {
    return (await this.ask(sql, values)).rows;
  }
  async change(sql: string, values?: readonly (string | number)[]): Promise<number> {
    return (await this.ask(sql, values)).changed;
  }
  hold(on: boolean): void {
    const c = this.c as unknown as { ref(): void; unref(): void };
    if (on) c.ref();
    else c.unref();
  }
  close(): void {
    this.alive = false;
    const { connection } = this.c as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
  }
}

async function connect(options: ReturnerOptions): Promise<SqlConnection> {
  const pg = await import('pg');
  const host = textOption(options, 'host') ?? 'localhost';
  const port = numberOption(options, 'port', 5432);
  const text = (key: string): string => textOption(options, key) ?? '';
  const c = new pg.Client({
    host,
    port,
    user: text('user'),
    password: text('passwd'),
    database: text('db'),
    connectionTimeoutMillis: 5000,
    query_timeout: PATIENCE,
    keepAlive: true,
  });
  c.on('error', () => undefined);
  try {
    await c.connect();
    await c.query("SET client_encoding = 'UTF8'");
    return new PostgresConnection(c);
  } catch (e) {
    const { connection } = c as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
    throw new SaltError(
      'SaltClientError',
      `postgres returner could not connect to database ${text('db')} on ${host}:${port}: ${messageOf(e) || codeOf(e)}`,
      { driver: codeOf(e) },
      { cause: e },
    );
  }
}

function link(ctx: ReturnerCtx): Link<SqlConnection> {
  const short = returnerOptions('postgres', KEYS, DEFAULTS, ctx);
  const options = returnerOptions('returner.postgres', KEYS, short, ctx);
  const key = toJson(toWire(new PyDict(Object.entries(options))));
  return linkFor(ctx.context, key, () => new Link(() => connect(options)));
}

export default sqlReturner({
  schema: POSTGRES_SCHEMA,
  link,
  success: ['true', 'false'],
  replaceLoad: 'ON CONFLICT (`jid`) DO UPDATE SET `load` = EXCLUDED.`load`',
  exactId: '`id` = ?',
  secondsAgo: "(now() - ?::int * interval '1 second')",
  like: (copy, of) => `CREATE TABLE IF NOT EXISTS \`${copy}\` (LIKE \`${of}\`)`,
  charsetTooSmall: (e) => e instanceof SaltError && e.details['driver'] === '22P05',
}) satisfies Returner;
