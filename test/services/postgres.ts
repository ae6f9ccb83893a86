import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './ports.ts';

/** A PostgreSQL of the test's own on a loopback port, with a database and a role `salt`; killed and removed by `stop`. */
export interface PostgresService {
  readonly port: number;
  /** SIGKILLs the server and what it started. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The newest installed PostgreSQL's folder of programs; Debian keeps them off the path. */
function programs(): string | undefined {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  for (const dir of [
    newest === undefined ? '' : join('/usr/lib/postgresql', newest, 'bin'),
    '/usr/local/bin',
    '/usr/bin',
  ])
    if (dir && existsSync(join(dir, 'initdb'))) return dir;
  return undefined;
}

/** PostgreSQL refuses to run as root; its own user's ids, undefined where we are no root. */
function ownUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

/** Why PostgreSQL cannot be started here, or undefined. In CI that is a failure, elsewhere a reason to skip. */
export function postgresMissing(): string | undefined {
  const user = ownUser();
  if (programs() !== undefined && !(user && !(user.uid > 0))) return undefined;
  if (process.env['CI']) throw new Error('postgresql is not installed');
  return 'postgresql is not installed';
}

export async function startPostgres(): Promise<PostgresService> {
  const bin = programs() as string;
  const user = ownUser();
  const dir = mkdtempSync(join(tmpdir(), 'brine-postgres-'));
  if (user) spawnSync('chown', [`${user.uid}:${user.gid}`, dir]);
  const data = join(dir, 'data');
  const port = await freePort();
  const as = user ? { ...user, cwd: dir } : { cwd: dir };
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { encoding: 'utf8', ...as },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.stdout}`);
  mkdirSync(join(dir, 'run'));
  if (user) spawnSync('chown', [`${user.uid}:${user.gid}`, join(dir, 'run')]);
  let child: ChildProcess | undefined;
  const admin = async (): Promise<Client> => {
    const c = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
    await c.connect();
    return c;
  };
  const service: PostgresService = {
    port,
    async start() {
      rmSync(join(data, 'postmaster.pid'), { force: true });
      child = spawn(
        join(bin, 'postgres'),
        ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', join(dir, 'run'), '-c', 'max_connections=20'],
        { stdio: 'ignore', detached: true, ...as },
      );
      const end = Date.now() + 30_000;
      for (;;)
        try {
          await (await admin()).end();
          return;
        } catch (e) {
          if (Date.now() > end) throw e;
          await new Promise((ok) => setTimeout(ok, 50));
        }
    },
    async kill() {
      const c = child;
      if (!c || c.exitCode !== null || c.signalCode !== null) return;
      const gone = new Promise((ok) => c.once('exit', ok));
      // Children of the server end by themselves once it is gone; until then they hold its shared memory.
      process.kill(c.pid as number, 'SIGKILL');
      await gone;
    },
    async stop() {
      const c = child;
      if (c && c.exitCode === null && c.signalCode === null) {
        const gone = new Promise((ok) => c.once('exit', ok));
        c.kill('SIGQUIT');
        const timer = setTimeout(() => c.kill('SIGKILL'), 5000);
        await gone;
        clearTimeout(timer);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await service.start();
    const c = await admin();
    await c.query("CREATE ROLE salt LOGIN PASSWORD 'salt'");
    await c.query('CREATE DATABASE salt OWNER salt');
    await c.end();
  } catch (e) {
    await service.stop();
    throw e;
  }
  return service;
}
