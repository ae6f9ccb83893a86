/**
 * The job queue: at-least-once delivery of named jobs, each added once by id however often it is added. What survives a crash:
 * every job whose `add` promise settled and that was not `done`. Adapters: embedded (journal on disk, no server), bullmq (Redis).
 * Not part of the contract: order between jobs of different keys, and who else takes from the same Redis.
 */
import type { WireMap } from '../values.ts';

export interface QueueJob {
  /** Identity, e.g. `<event id>/<rule>/<chunk>`; a second add of the same id, also after it was done (within `keep`), changes nothing. */
  readonly id: string;
  readonly data: WireMap;
  /** How often it has been handed out before; 0 the first time. */
  readonly attempt: number;
}
export interface AddOptions {
  /** Not before this many ms from now. */
  delay?: number;
  /** Attempts before it becomes a dead letter; default 5. */
  tries?: number;
  /** Jobs of one key run one at a time, in order of add. */
  key?: string;
}
/** A job that was given up, and why. `time` is in ms since the epoch. */
export interface DeadLetter {
  readonly id: string;
  readonly data: WireMap;
  readonly reason: string;
  readonly attempts: number;
  readonly time: number;
}
/** The contract; see the head of this file. */
export interface JobQueue {
  /** Settles when the job is safe on disk (or in Redis); true when new, false when its id was known. */
  add(id: string, data: WireMap, options?: AddOptions): Promise<boolean>;
  /** Adds many in one write; same promises, answers in order. */
  addAll(jobs: readonly { id: string; data: WireMap; options?: AddOptions }[]): Promise<boolean[]>;
  /**
   * Hands jobs to `handle`, at most `concurrency` at once. A fulfilled promise marks the job done (durable, batched); a rejected
   * one retries with exponential back-off, or at once makes a dead letter when the error is a SaltError that is not retryable.
   * A job handed out when the process died is handed out again at the next start.
   */
  take(concurrency: number, handle: (job: QueueJob) => Promise<void>): { stop(): Promise<void> };
  counts(): Promise<{ waiting: number; active: number; delayed: number; dead: number; done: number }>;
  /** Jobs not yet done, oldest first. */
  list(limit?: number): Promise<QueueJob[]>;
  dead(limit?: number): Promise<DeadLetter[]>;
  /** Puts a dead letter back with its attempts reset; false when there is none of this id. */
  revive(id: string): Promise<boolean>;
  /** Forgets a job or a dead letter. */
  remove(id: string): Promise<boolean>;
  close(): Promise<void>;
}
