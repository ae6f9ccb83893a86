import { after, before, test } from 'node:test';
import { quietLog } from '../../../bus/log.ts';
import { openBullmqQueue } from '../../../bus/queue/bullmq.ts';
import type { JobQueue } from '../../../bus/queue/contract.ts';
import { queueSuite } from '../../conformance/queue-suite.ts';
import { type RedisService, redisMissing, startRedis } from '../../services/redis.ts';

const missing = redisMissing();
if (missing) test('bullmq queue', { skip: missing }, () => undefined);
else {
  let redis: RedisService;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());
  let n = 0;
  const left: JobQueue[] = [];
  const open = (): Promise<JobQueue> => openBullmqQueue({ url: redis.url, name: `q${n}`, log: quietLog, lock: 1000 });
  queueSuite('bullmq', {
    open: () => {
      n++;
      return open();
    },
    async reopen(old) {
      left.push(old);
      await redis.kill();
      await redis.start();
      return open();
    },
  });
}
