import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { freePort } from './ports.ts';

/** A MariaDB of the test's own on a loopback port, with a database and a user `salt` (password `salt`); killed and removed by `stop`. */
export interface MariadbService {
  readonly port: number;
  /** SIGKILLs the server. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Why MariaDB cannot be started here, or undefined. In CI that is a failure, elsewhere a reason to skip. */
export function mariadbMissing(): string | undefined {
  const there =
    spawnSync('mariadbd', ['--version']).status === 0 &&
    spawnSync('mariadb-install-db', ['--help'], { stdio: 'ignore' }).error === undefined;
  if (there) return undefined;
  if (process.env['CI']) throw new Error('mariadb-server is not installed');
  return 'mariadb-server is not installed';
}

export async function startMariadb(): Promise<MariadbService> {
  const dir = mkdtempSync(join(tmpdir(), 'brine-mariadb-'));
  chmodSync(dir, 0o755);
  const data = join(dir, 'data');
  const port = await freePort();
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const made = spawnSync(
    'mariadb-install-db',
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...user],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`mariadb-install-db failed: ${made.stderr || made.stdout}`);
  let child: ChildProcess | undefined;
  const root = (): ReturnType<typeof createConnection> => createConnection({ host: '127.0.0.1', port, user: 'root' });
  const service: MariadbService = {
    port,
    async start() {
      child = spawn(
        'mariadbd',
        [
          '--no-defaults',
          `--datadir=${data}`,
          `--socket=${join(dir, 'sock')}`,
          `--pid-file=${join(dir, 'pid')}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          '--skip-name-resolve',
          '--innodb-buffer-pool-size=64M',
          ...user,
        ],
        { stdio: 'ignore' },
      );
      const end = Date.now() + 30_000;
      for (;;)
        try {
          await (await root()).end();
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
      c.kill('SIGKILL');
      await gone;
    },
    async stop() {
      await service.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await service.start();
    const c = await root();
    await c.query('CREATE DATABASE salt DEFAULT CHARACTER SET utf8mb4');
    await c.query("CREATE USER salt@'127.0.0.1' IDENTIFIED BY 'salt'");
    await c.query("GRANT ALL ON *.* TO salt@'127.0.0.1'");
    await c.end();
  } catch (e) {
    await service.stop();
    throw e;
  }
  return service;
}
