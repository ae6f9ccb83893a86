import type { Queue, Worker } from 'bullmq';
import { messageOf, SaltError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { WireMap } from '../values.ts';
import { decodeBus, encodeBus } from '../wire/payload.ts';
import type { AddOptions, DeadLetter, JobQueue, QueueJob } from './contract.ts';
import { DEFAULT_TRIES } from './embedded.ts';

/** What BullMQ stores of a job: the data in the bus dialect, base64 (JSON would lose bytes, floats and big integers). */
interface Stored {
  id: string;
  body: string;
  key?: string;
}

/** BullMQ refuses `:` in ids and reads all-digit ids as its own. */
const safeId = (id: string): string => `j-${encodeURIComponent(id)}`;

/** Where Redis is and how the queue is named there. */
export interface BullmqOptions {
  url: string;
  name?: string;
  log: Log;
  /** Seconds for which finished ids stay known; default one day. */
  keep?: number;
  /** Milliseconds after which a job of a dead process is handed to another; default 10 s. */
  lock?: number;
  /** Called once for each dead letter that a worker of this process made. */
  onDead?: (letter: DeadLetter) => void;
}

/**
 * The queue in Redis, for more than one master or machine. While Redis is away, adds wait and jobs stand still; both go on when it is
 * back (run it with `appendonly yes`, or it may forget jobs when it is killed). Jobs of one key run one at a time within a process.
 */
export async function openBullmqQueue(options: BullmqOptions): Promise<JobQueue> {
  const { Queue: QueueClass, Worker: WorkerClass, UnrecoverableError } = await import('bullmq');
  const { Redis } = await import('ioredis');
  const name = options.name ?? 'salt-jobs';
  const connect = (): InstanceType<typeof Redis> => {
    const c = new Redis(options.url, {
      maxRetriesPerRequest: null,
      retryStrategy: (n) => Math.min(50 * 2 ** Math.min(n, 6), 2000),
    });
    let said = '';
    c.on('error', (e: Error) => {
      if (said !== e.message)
        options.log.warning(
          `Redis at ${options.url.replace(/\/\/.*@/, '//')}: ${e.message}; jobs wait until it is back`,
        );
      said = e.message;
    });
    c.on('ready', () => {
      said = '';
    });
    return c;
  };
  const redis = connect();
  const queue: Queue<Stored> = new QueueClass<Stored>(name, { connection: redis, skipMetasUpdate: true });
  queue.on('error', (e) => options.log.debug(`Job queue: ${e.message}`));
  const keep = options.keep ?? 86_400;
  const seenKey = (id: string): string => `brine:${name}:seen:${safeId(id)}`;
  const workers: { worker: Worker<Stored>; redis: InstanceType<typeof Redis> }[] = [];
  /** The end of the line of each key in this process. */
  const lines = new Map<string, Promise<void>>();
  const openJob = (j: { data: Stored; attemptsMade: number }): QueueJob => ({
    id: j.data.id,
    data: decodeBus(Buffer.from(j.data.body, 'base64')) as WireMap,
    attempt: j.attemptsMade,
  });
  const of = (id: string, data: WireMap, o?: AddOptions) => ({
    name: 'job',
    data: { id, body: encodeBus(data).toString('base64'), ...(o?.key === undefined ? {} : { key: o.key }) } as Stored,
    opts: {
      jobId: safeId(id),
      attempts: o?.tries ?? DEFAULT_TRIES,
      backoff: { type: 'exponential', delay: 1000 },
      removeOnComplete: { age: keep, count: 100_000 },
      removeOnFail: { count: 10_000 },
      ...(o?.delay ? { delay: o.delay } : {}),
    },
  });

  const api: JobQueue = {
    async add(id, data, o) {
      return (await api.addAll([{ id, data, ...(o ? { options: o } : {}) }]))[0] as boolean;
    },
    async addAll(list) {
      // The id of a job is what makes an add happen once; the mark beside it only answers whether this add was the first.
      const marks = redis.pipeline();
      for (const j of list) marks.set(seenKey(j.id), '1', 'EX', keep, 'NX');
      const fresh = ((await marks.exec()) ?? []).map(([, answer]) => answer === 'OK');
      await queue.addBulk(list.map((j) => of(j.id, j.data, j.options)));
      return fresh;
    },
    take(concurrency, handle) {
      const own = connect();
      const worker = new WorkerClass<Stored>(
        name,
        async (j) => {
          const job = openJob(j);
          const key = j.data.key;
          const before = key === undefined ? undefined : lines.get(key);
          let release: () => void = () => undefined;
          const mine = new Promise<void>((ok) => (release = ok));
          if (key !== undefined) lines.set(key, mine);
          await before;
          try {
            await handle(job);
          } catch (e) {
            options.log.warning(`Queue job ${job.id} failed (attempt ${job.attempt + 1}): ${messageOf(e)}`);
            if (e instanceof SaltError && !e.retryable) throw new UnrecoverableError(messageOf(e));
            throw e;
          } finally {
            if (key !== undefined && lines.get(key) === mine) lines.delete(key);
            release();
          }
        },
        {
          connection: own,
          concurrency,
          lockDuration: options.lock ?? 10_000,
          stalledInterval: (options.lock ?? 10_000) / 2,
          maxStalledCount: 1_000_000,
        },
      );
      worker.on('failed', (j, e) => {
        if (!j || (j.attemptsMade < (j.opts.attempts ?? 1) && !(e instanceof UnrecoverableError))) return;
        const { id, data } = openJob(j);
        options.onDead?.({ id, data, reason: e.message, attempts: j.attemptsMade, time: Date.now() });
      });
      worker.on('error', (e) => options.log.debug(`Job queue worker: ${e.message}`));
      const entry = { worker, redis: own };
      workers.push(entry);
      return {
        async stop() {
          workers.splice(workers.indexOf(entry), 1);
          await worker.close();
          own.disconnect();
        },
      };
    },
    async counts() {
      const c = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed', 'completed');
      return {
        waiting: (c['waiting'] ?? 0) + (c['prioritized'] ?? 0),
        active: c['active'] ?? 0,
        delayed: c['delayed'] ?? 0,
        dead: c['failed'] ?? 0,
        done: c['completed'] ?? 0,
      };
    },
    async list(limit = 100) {
      return (await queue.getJobs(['active', 'waiting', 'delayed'], 0, limit - 1, true))
        .filter(Boolean)
        .slice(0, limit)
        .map(openJob);
    },
    async dead(limit = 100) {
      return (await queue.getFailed(0, limit - 1)).map((j) => ({
        ...openJob(j),
        reason: j.failedReason ?? '',
        attempts: j.attemptsMade,
        time: j.finishedOn ?? 0,
      }));
    },
    async revive(id) {
      const j = await queue.getJob(safeId(id));
      if (!j || !(await j.isFailed())) return false;
      await j.retry('failed', { resetAttemptsMade: true });
      return true;
    },
    async remove(id) {
      const j = await queue.getJob(safeId(id));
      if (!j) return false;
      await j.remove();
      await redis.del(seenKey(id));
      return true;
    },
    async close() {
      // Without Redis nothing can be handed back: what is active comes back to another process when its lock ends.
      const away = redis.status !== 'ready';
      if (away) {
        redis.disconnect();
        for (const w of workers) w.redis.disconnect();
      }
      await Promise.all(workers.map(({ worker }) => worker.close(away)));
      for (const w of workers) w.redis.disconnect();
      await queue.close();
      redis.disconnect();
    },
  };
  return api;
}
