import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { quietLog } from '../../../bus/log.ts';
import { openBullmqQueue } from '../../../bus/queue/bullmq.ts';
import type { JobQueue } from '../../../bus/queue/contract.ts';
import { queueSuite } from '../../conformance/queue-suite.ts';
import { type RedisService, redisMissing, startRedis } from '../../services/redis.ts';

/** A wire to Redis that can be cut for good: to Redis, the queue behind it is a process that died. */
async function cable(port: number): Promise<{ port: number; cut(): void }> {
  const open = new Set<Socket>();
  const server: Server = createServer((a) => {
    const b = connect(port, '127.0.0.1');
    for (const s of [a, b]) {
      open.add(s);
      s.on('error', () => undefined);
      s.on('close', () => {
        open.delete(s);
        a.destroy();
        b.destroy();
      });
    }
    a.pipe(b);
    b.pipe(a);
  });
  await new Promise<void>((ok) => server.listen(0, '127.0.0.1', ok));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cut() {
      server.close();
      for (const s of open) s.destroy();
    },
  };
}

const missing = redisMissing();
if (missing) test('bullmq queue', { skip: missing }, () => undefined);
else {
  let redis: RedisService;
  const dead: JobQueue[] = [];
  let wire: { port: number; cut(): void } | undefined;
  before(async () => {
    redis = await startRedis();
  });
  after(async () => {
    wire?.cut();
    await Promise.all(dead.map((q) => q.close()));
    await redis.stop();
  });
  let n = 0;
  const open = async (): Promise<JobQueue> => {
    wire?.cut();
    wire = await cable(redis.port);
    return openBullmqQueue({ url: `redis://127.0.0.1:${wire.port}/0`, name: `q${n}`, log: quietLog, lock: 3000 });
  };
  queueSuite('bullmq', {
    open: () => {
      n++;
      return open();
    },
    async reopen(old) {
      dead.push(old);
      return open();
    },
  });
}
