import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Wire, WireMap } from '../values.ts';
import { decodeBus, encodeBus } from '../wire/payload.ts';
import type { AddOptions, DeadLetter, JobQueue, QueueJob } from './contract.ts';
import { Journal } from './journal.ts';

/** Back-off before the nth retry in ms: 1 s, 2 s, 4 s … up to 5 minutes. */
export const backoff = (attempt: number): number => Math.min(1000 * 2 ** Math.max(0, attempt - 1), 300_000);
/** Attempts before a job becomes a dead letter, unless its add says otherwise. */
export const DEFAULT_TRIES = 5;

interface Entry {
  id: string;
  data: WireMap;
  tries: number;
  key: string | undefined;
  attempt: number;
  notBefore: number;
  active: boolean;
}

/** Journal records: add, done, failed once, dead, revived, removed. */
type Rec =
  | ['a', string, WireMap, number, string | null, number]
  | ['d', string]
  | ['f', string, number, number]
  | ['x', string, string, number, number]
  | ['v', string]
  | ['r', string];

/**
 * The queue that needs no server: a journal on disk and its image in memory. `keep` is how many finished ids stay known, so that a
 * repeated add of one changes nothing; the journal is rewritten when most of it is history.
 */
export async function openEmbeddedQueue(
  dir: string,
  options: { log: Log; keep?: number; now?: () => number; onDead?: (letter: DeadLetter) => void },
): Promise<JobQueue> {
  const now = options.now ?? Date.now;
  const keep = options.keep ?? 100_000;
  mkdirSync(dir, { recursive: true, mode: 0o700 });

  const jobs = new Map<string, Entry>();
  const dead = new Map<string, DeadLetter & { tries: number; key: string | undefined }>();
  /** Finished ids, oldest first; a Set keeps insertion order. */
  const done = new Set<string>();
  let records = 0;

  const finish = (id: string): void => {
    done.add(id);
    if (done.size > keep)
      for (const old of done) {
        done.delete(old);
        if (done.size <= keep) break;
      }
  };
  const apply = (r: Rec): void => {
    records++;
    switch (r[0]) {
      case 'a':
        // A record may be read twice after a rewrite of the journal.
        if (jobs.has(r[1]) || done.has(r[1]) || dead.has(r[1])) return;
        jobs.set(r[1], {
          id: r[1],
          data: r[2],
          tries: r[3],
          key: r[4] ?? undefined,
          attempt: 0,
          notBefore: r[5],
          active: false,
        });
        return;
      case 'd':
        jobs.delete(r[1]);
        finish(r[1]);
        return;
      case 'f': {
        const e = jobs.get(r[1]);
        if (e) {
          e.attempt = r[2];
          e.notBefore = r[3];
        }
        return;
      }
      case 'x': {
        const e = jobs.get(r[1]);
        if (e)
          dead.set(e.id, {
            id: e.id,
            data: e.data,
            reason: r[2],
            attempts: r[3],
            time: r[4],
            tries: e.tries,
            key: e.key,
          });
        jobs.delete(r[1]);
        return;
      }
      case 'v': {
        const d = dead.get(r[1]);
        if (d)
          jobs.set(d.id, {
            id: d.id,
            data: d.data,
            tries: d.tries,
            key: d.key,
            attempt: 0,
            notBefore: 0,
            active: false,
          });
        dead.delete(r[1]);
        return;
      }
      case 'r':
        jobs.delete(r[1]);
        dead.delete(r[1]);
    }
  };
  const journal = await Journal.open(join(dir, 'queue.journal'), (bytes) => apply(decodeBus(bytes) as unknown as Rec));
  const image = function* (): Iterable<Uint8Array> {
    for (const id of done) yield encodeBus(['d', id]);
    for (const e of jobs.values()) {
      yield encodeBus(['a', e.id, e.data, e.tries, e.key ?? null, e.notBefore]);
      if (e.attempt) yield encodeBus(['f', e.id, e.attempt, e.notBefore]);
    }
    for (const d of dead.values()) {
      yield encodeBus(['a', d.id, d.data, d.tries, d.key ?? null, 0]);
      yield encodeBus(['x', d.id, d.reason, d.attempts, d.time]);
    }
  };
  let rewriting: Promise<void> | undefined;
  const compact = (): void => {
    const live = done.size + jobs.size + dead.size;
    if (rewriting || records < 20_000 || records < live * 3) return;
    rewriting = journal
      .rewrite(image())
      .then(() => {
        records = done.size + jobs.size + 2 * dead.size;
      })
      .catch((e: unknown) => options.log.error(`The job queue's journal could not be rewritten: ${messageOf(e)}`))
      .finally(() => {
        rewriting = undefined;
      });
  };
  if (records > 3 * (done.size + jobs.size + dead.size) + 1000) {
    await journal.rewrite(image());
    records = done.size + jobs.size + 2 * dead.size;
  }
  const write = (r: Rec): Promise<void> => journal.append(encodeBus(r as unknown as Wire));

  // A job is ready when it is safe, its time has come and no other of its key is active. `ready` holds ids in order of add.
  let ready: string[] = [];
  let head = 0;
  const busyKeys = new Set<string>();
  const parked = new Map<string, string[]>();
  const timers = new Map<string, NodeJS.Timeout>();
  let takers: { limit: number; active: number; handle: (job: QueueJob) => Promise<void>; idle: () => void }[] = [];
  let closed = false;

  const enqueue = (e: Entry): void => {
    const wait = e.notBefore - now();
    if (wait > 0) {
      timers.set(
        e.id,
        setTimeout(
          () => {
            timers.delete(e.id);
            if (jobs.has(e.id)) {
              ready.push(e.id);
              pump();
            }
          },
          Math.min(wait, 2 ** 31 - 1),
        ),
      );
    } else ready.push(e.id);
  };
  const pump = (): void => {
    for (const t of takers)
      while (!closed && t.active < t.limit && head < ready.length) {
        const id = ready[head++] as string;
        if (head > 1024 && head * 2 > ready.length) {
          ready = ready.slice(head);
          head = 0;
        }
        const e = jobs.get(id);
        if (!e || e.active) continue;
        if (e.key !== undefined) {
          if (busyKeys.has(e.key)) {
            const line = parked.get(e.key);
            if (line) line.push(id);
            else parked.set(e.key, [id]);
            continue;
          }
          busyKeys.add(e.key);
        }
        e.active = true;
        t.active++;
        void run(t, e);
      }
  };
  const run = async (t: (typeof takers)[number], e: Entry): Promise<void> => {
    try {
      await t.handle({ id: e.id, data: e.data, attempt: e.attempt });
      if (!closed) {
        // Not awaited: a done mark lost in a crash means the job is handed out once more, which the contract allows.
        void write(['d', e.id]).catch((x: unknown) => options.log.error(messageOf(x)));
        apply(['d', e.id]);
      }
    } catch (error) {
      if (!closed && jobs.has(e.id)) {
        const attempts = e.attempt + 1;
        const final = (error instanceof SaltError && !error.retryable) || attempts >= e.tries;
        const rec: Rec = final
          ? ['x', e.id, messageOf(error), attempts, now()]
          : ['f', e.id, attempts, now() + backoff(attempts)];
        void write(rec).catch((x: unknown) => options.log.error(messageOf(x)));
        apply(rec);
        options.log.warning(
          final
            ? `Queue job ${e.id} failed for good after ${attempts} attempt(s): ${messageOf(error)}`
            : `Queue job ${e.id} failed (attempt ${attempts} of ${e.tries}): ${messageOf(error)}`,
        );
        e.active = false;
        if (!final) enqueue(e);
        else options.onDead?.({ id: e.id, data: e.data, reason: messageOf(error), attempts, time: now() });
      }
    } finally {
      e.active = false;
      if (e.key !== undefined) {
        busyKeys.delete(e.key);
        const line = parked.get(e.key);
        const next = line?.shift();
        if (line && !line.length) parked.delete(e.key);
        if (next !== undefined) ready.splice(head, 0, next);
      }
      t.active--;
      if (t.active === 0) t.idle();
      compact();
      pump();
    }
  };
  for (const e of jobs.values()) enqueue(e);

  const queue: JobQueue = {
    async add(id, data, options) {
      return (await queue.addAll([{ id, data, ...(options ? { options } : {}) }]))[0] as boolean;
    },
    async addAll(list: readonly { id: string; data: WireMap; options?: AddOptions }[]) {
      if (closed) throw new SaltError('QueueClosed', 'The job queue is closed');
      const fresh: Entry[] = [];
      const writes: Promise<void>[] = [];
      const answers = list.map(({ id, data, options: o }) => {
        if (jobs.has(id) || done.has(id) || dead.has(id)) return false;
        const rec: Rec = ['a', id, data, o?.tries ?? DEFAULT_TRIES, o?.key ?? null, o?.delay ? now() + o.delay : 0];
        writes.push(write(rec));
        apply(rec);
        const e = jobs.get(id) as Entry;
        e.active = true; // not handed out before it is safe
        fresh.push(e);
        return true;
      });
      try {
        await Promise.all(writes);
      } catch (e) {
        for (const f of fresh) jobs.delete(f.id);
        throw e;
      }
      for (const e of fresh) {
        e.active = false;
        enqueue(e);
      }
      pump();
      return answers;
    },
    take(limit, handle) {
      let idle: () => void = () => undefined;
      const t = { limit, active: 0, handle, idle: () => idle() };
      takers.push(t);
      setImmediate(pump);
      return {
        async stop() {
          takers = takers.filter((x) => x !== t);
          if (t.active) await new Promise<void>((ok) => (idle = ok));
        },
      };
    },
    async counts() {
      let active = 0;
      for (const e of jobs.values()) if (e.active) active++;
      return {
        waiting: jobs.size - active - timers.size,
        active,
        delayed: timers.size,
        dead: dead.size,
        done: done.size,
      };
    },
    async list(limit = 100) {
      const out: QueueJob[] = [];
      for (const e of jobs.values()) {
        if (out.length >= limit) break;
        out.push({ id: e.id, data: e.data, attempt: e.attempt });
      }
      return out;
    },
    async dead(limit = 100) {
      return [...dead.values()]
        .slice(-limit)
        .map(({ id, data, reason, attempts, time }) => ({ id, data, reason, attempts, time }));
    },
    async revive(id) {
      if (!dead.has(id)) return false;
      await write(['v', id]);
      apply(['v', id]);
      enqueue(jobs.get(id) as Entry);
      pump();
      return true;
    },
    async remove(id) {
      if (!jobs.has(id) && !dead.has(id)) return false;
      await write(['r', id]);
      apply(['r', id]);
      clearTimeout(timers.get(id));
      timers.delete(id);
      return true;
    },
    async close() {
      closed = true;
      takers = [];
      for (const t of timers.values()) clearTimeout(t);
      timers.clear();
      await rewriting;
      await journal.close();
    },
  };
  return queue;
}
