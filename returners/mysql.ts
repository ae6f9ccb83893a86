/**
 * MySQL and MariaDB, in the tables of Salt's mysql returner. Options `mysql.host` (salt), `.user`, `.pass`, `.db` (all salt), `.port` (3306),
 * `.ssl_ca`, `.ssl_cert`, `.ssl_key`. The conversation is in utf8mb4 whatever the tables hold.
 */
import { readFileSync } from 'node:fs';
import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { messageOf, SaltError } from '../bus/errors.ts';
import { PyDict, toWire } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { toJson } from './shape/json.ts';
import { Link, linkFor } from './shape/link.ts';
import { numberOption, type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';
import { type Row, type SqlConnection, sqlReturner } from './sql/cache.ts';
import { MYSQL_SCHEMA } from './sql/schema.ts';

const KEYS = {
  host: 'host',
  user: 'user',
  pass: 'pass',
  db: 'db',
  port: 'port',
  ssl_ca: 'ssl_ca',
  ssl_cert: 'ssl_cert',
  ssl_key: 'ssl_key',
};
const DEFAULTS = { host: 'salt', user: 'salt', pass: 'salt', db: 'salt', port: 3306 };
/** How long one statement may take before the connection counts as dead, in ms. */
const PATIENCE = 60_000;
/** The server refuses the data, not us: the same again would be refused again. */
const REFUSED = new Set([
  'ER_DATA_TOO_LONG',
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  'ER_NET_PACKET_TOO_LARGE',
  'ER_CANT_AGGREGATE_2COLLATIONS',
  'ER_BAD_NULL_ERROR',
]);
const CHARSET = new Set(['ER_TRUNCATED_WRONG_VALUE_FOR_FIELD', 'ER_CANT_AGGREGATE_2COLLATIONS']);

const codeOf = (e: unknown): string => {
  const code = (e as { code?: unknown }).code;
  return typeof code === 'string' ? code : '';
};

class MysqlConnection implements SqlConnection {
  doubtful = true;
  alive = true;
  constructor(private readonly c: Connection) {
    const broken = (): void => {
      this.alive = false;
    };
    c.on('error', broken);
    c.on('end', broken);
  }
  private async ask(sql: string, values: readonly (string | number)[] = []): Promise<unknown> {
    try {
      const [answer] = await this.c.query({ sql, values: [...values], timeout: PATIENCE });
      return answer;
    } catch (e) {
      if ((e as { fatal?: boolean }).fatal || codeOf(e) === 'PROTOCOL_SEQUENCE_TIMEOUT') this.close();
      const refused = REFUSED.has(codeOf(e));
      throw new SaltError(
        refused ? 'CommandExecutionError' : 'SaltClientError',
        `MySQL: ${messageOf(e) || codeOf(e)}`,
        { driver: codeOf(e) },
        { cause: e },
      );
    }
  }
  async run(sql: string, values?: readonly (string | number)[]): Promise<readonly Row[]> {
    const rows = await this.ask(sql, values);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  }
  async change(sql: string, values?: readonly (string | number)[]): Promise<number> {
    return Number(((await this.ask(sql, values)) as { affectedRows?: number }).affectedRows ?? 0);
  }
  hold(on: boolean): void {
    const { stream } = (this.c as unknown as { connection: { stream: { ref(): void; unref(): void } } }).connection;
    if (on) stream.ref();
    else stream.unref();
  }
  close(): void {
    this.alive = false;
    this.c.destroy();
  }
}

function tls(options: ReturnerOptions): Pick<ConnectionOptions, 'ssl'> {
  const file = (key: string): Buffer | undefined => {
    const path = textOption(options, key);
    return path === undefined ? undefined : readFileSync(path);
  };
  const [ca, cert, key] = [file('ssl_ca'), file('ssl_cert'), file('ssl_key')];
  if (!ca && !cert && !key) return {};
  return { ssl: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } };
}

async function connect(options: ReturnerOptions): Promise<SqlConnection> {
  const { createConnection } = await import('mysql2/promise');
  const host = textOption(options, 'host') ?? 'salt';
  const port = numberOption(options, 'port', 3306);
  const text = (key: string): string => textOption(options, key) ?? '';
  try {
    const c = await createConnection({
      host,
      port,
      user: text('user'),
      password: text('pass'),
      database: text('db'),
      charset: 'utf8mb4',
      connectTimeout: 5000,
      dateStrings: true,
      ...tls(options),
    });
    // Values are escaped with backslashes, which this mode would take for plain characters.
    await c.query("SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', '')");
    await c.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    return new MysqlConnection(c);
  } catch (e) {
    throw new SaltError(
      'SaltClientError',
      `MySQL returner could not connect to database ${text('db')} on ${host}:${port}: ${messageOf(e) || codeOf(e)}`,
      { driver: codeOf(e) },
      { cause: e },
    );
  }
}

function link(ctx: ReturnerCtx): Link<SqlConnection> {
  const options = returnerOptions('mysql', KEYS, DEFAULTS, ctx);
  const key = toJson(toWire(new PyDict(Object.entries(options))));
  return linkFor(ctx.context, key, () => new Link(() => connect(options)));
}

export default sqlReturner({
  schema: MYSQL_SCHEMA,
  link,
  success: ['1', '0'],
  replaceLoad: 'ON DUPLICATE KEY UPDATE `load` = VALUES(`load`)',
  exactId: 'BINARY `id` = BINARY ?',
  secondsAgo: '(NOW() - INTERVAL ? SECOND)',
  like: (copy, of) => `CREATE TABLE IF NOT EXISTS \`${copy}\` LIKE \`${of}\``,
  charsetTooSmall: (e) => e instanceof SaltError && CHARSET.has(String(e.details['driver'])),
}) satisfies Returner;
