import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';

/** A redis-server of the test's own on a loopback port, with an append-only file; killed and removed by `stop`. */
export interface RedisService {
  readonly url: string;
  readonly port: number;
  /** SIGKILLs the server. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Why Redis cannot be started here, or undefined. In CI that is a failure, elsewhere a reason to skip. */
export function redisMissing(): string | undefined {
  const there = spawnSync('redis-server', ['--version']).status === 0;
  if (there) return undefined;
  if (process.env['CI']) throw new Error('redis-server is not installed');
  return 'redis-server is not installed';
}

async function answers(port: number): Promise<boolean> {
  return new Promise((ok) => {
    const s = connect(port, '127.0.0.1', () => s.write('PING\r\n'));
    s.once('data', (d) => {
      s.destroy();
      ok(d.toString().startsWith('+PONG'));
    });
    s.once('error', () => ok(false));
  });
}

export async function startRedis(): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'brine-redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const service: RedisService = {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    async start() {
      child = spawn(
        'redis-server',
        [
          '--port',
          String(port),
          '--bind',
          '127.0.0.1',
          '--dir',
          dir,
          '--appendonly',
          'yes',
          '--save',
          '',
          '--daemonize',
          'no',
        ],
        { stdio: 'ignore' },
      );
      const end = Date.now() + 15_000;
      while (!(await answers(port))) {
        if (Date.now() > end) throw new Error('redis-server did not answer within 15 s');
        await new Promise((ok) => setTimeout(ok, 20));
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
  await service.start();
  return service;
}
