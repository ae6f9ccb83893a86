/**
 * The jobs of a minion: each publish runs once, quick functions at once in the daemon, all others in a job process of their own.
 * One spare process is kept for a while after activity, none when idle.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { messageOf, SaltError } from '../bus/errors.ts';
import { isJid } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import type { MinionFacts } from './facts.ts';
import { JobPipe, type PipeMessage } from './job-pipe.ts';
import { isOurProcess, removeProcFile, writeProcFile } from './proc-files.ts';
import { executorsOf } from './run-job.ts';
import type { SeenJids } from './seen-jids.ts';

declare const __brine_dist: string;

/** What the jobs need of the daemon. */
export interface JobsParts {
  opts: Opts;
  log: Log;
  seen: SeenJids;
  facts(): MinionFacts;
  /** Runs a quick function in this process; undefined when the function is not quick. */
  inline(load: WireMap): Promise<WireMap> | undefined;
  /** Told when a job begins to run. */
  began(job: RunningJob): void;
  /** Answers what a job asks: `master`, `fire` or `daemon`. Rejections go to the job. */
  answer(what: string, load: WireMap, job: RunningJob): Promise<Wire>;
  /** Takes a job's return; resolves when it is safe (on disk or delivered). */
  returned(ret: WireMap, job: RunningJob): Promise<void>;
}

/** A job with the master it came from. */
export interface RunningJob {
  readonly load: WireMap;
  /** Name of the master; absent for the minion's own jobs. */
  readonly from?: string;
  /** Whether its return is sent anywhere. */
  readonly wanted: boolean;
  /** Gives the return the form in which it is sent; for jobs of the schedule. */
  readonly reshape?: (ret: WireMap) => WireMap;
}

/** How long a spare process is kept, in ms. */
const SPARE_LIFE = 30_000;
/** How long ended jobs get between SIGTERM and SIGKILL when the minion stops, in ms. */
const GRACE = 1000;

/** One job process. */
class Child {
  readonly process: ChildProcess;
  private readonly pipe: JobPipe;
  private told = -1;
  job: RunningJob | undefined;
  returned = false;
  /** Set when a signal was ordered for the job, so that its end is no accident. */
  signalled = false;

  constructor(
    program: string,
    private readonly owner: { message(c: Child, m: PipeMessage): void; ended(c: Child, how: string): void },
  ) {
    this.process = spawn(process.execPath, ['--max-semi-space-size=1', program], {
      argv0: 'salt-minion',
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      detached: true,
    });
    this.pipe = new JobPipe(
      this.process.stdio[3] as Duplex,
      (m) => this.owner.message(this, m),
      () => undefined,
    );
    let over = false;
    const end = (how: string): void => {
      if (over) return;
      over = true;
      this.pipe.close();
      this.owner.ended(this, how);
    };
    this.process.on('error', (e) => end(e.message));
    // Not before its pipe is read to the end: the return may be in it.
    this.process.on('close', (code, signal) => end(signal ? `signal ${signal}` : `exit code ${code}`));
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  tell(facts: MinionFacts): void {
    if (this.told === facts.version) return;
    this.told = facts.version;
    this.pipe.send({
      type: 'facts',
      opts: toWire(facts.opts.data),
      grains: facts.grains ? toWire(facts.grains) : null,
      pillar: toWire(facts.pillar),
      connected: facts.connected,
    });
  }

  send(m: PipeMessage): void {
    this.pipe.send(m);
  }

  /** Lets a process without a job go: the end of its pipe is the end of its work. */
  release(): void {
    this.pipe.close();
  }
}

/** All jobs of a minion. */
export class Jobs {
  private readonly children = new Set<Child>();
  private readonly queue: RunningJob[] = [];
  private spare: Child | undefined;
  private spareEnd: NodeJS.Timeout | undefined;
  private readonly grainsWaiting = new Map<Child, { done(g: PyDict): void; failed(e: Error): void }>();
  private stopping = false;
  private readonly program = join(__brine_dist, 'minion', 'job-process.js');
  private idle: (() => void)[] = [];

  constructor(private readonly parts: JobsParts) {}

  /** How many jobs run in processes now. */
  get running(): number {
    return [...this.children].filter((c) => c.job).length;
  }
  /** How many runs of a job of the schedule go on or wait. */
  scheduled(name: string): number {
    const jobs = [...[...this.children].map((c) => c.job), ...this.queue];
    return jobs.filter((j) => j?.load['schedule'] === name).length;
  }
  /** Whether a function whose name begins so runs in a process now. */
  runs(prefix: string): boolean {
    return [...this.children].some((c) => c.job && funText(c.job.load).startsWith(prefix));
  }
  /** Jobs waiting for a place (`process_count_max`). */
  get waiting(): readonly RunningJob[] {
    return this.queue;
  }

  /**
   * Takes a job. One seen before, by this minion or before its restart, is left alone; `req` and jids that are none are always new.
   */
  take(job: RunningJob): void {
    const { load } = job;
    const { log, seen } = this.parts;
    const jid = String(load['jid'] ?? '');
    if (this.stopping) return;
    if (isJid(jid) && !seen.begin(jid, funText(load))) {
      log.debug(`Job ${jid} was seen before and is not run again`);
      return;
    }
    const user = typeof load['user'] === 'string' ? `User ${load['user']} Executing` : 'Executing';
    log.info(`${user} command ${funText(load)} with jid ${jid}`);
    const inline = this.inline(job);
    if (inline) {
      inline.catch((e: unknown) => log.error(`Job ${jid} failed: ${messageOf(e)}`));
      return;
    }
    const most = this.parts.opts.num('process_count_max', -1);
    if (most > 0 && this.running >= most) {
      log.warning(
        `Maximum number of processes reached while executing jid ${jid}, queuing... (Running: ${this.running}, Max: ${most})`,
      );
      this.queue.push(job);
      return;
    }
    this.begin(job);
  }

  private inline(job: RunningJob): Promise<void> | undefined {
    const { load } = job;
    if (typeof load['fun'] !== 'string' || load['ret'] || this.parts.opts.has('return')) return undefined;
    try {
      if (!executorsOf(load, this.parts.opts).every((e) => e === 'direct_call')) return undefined;
    } catch (e) {
      // A wrong list of executors: the job process reports it like any other error.
      if (e instanceof SaltError) return undefined;
      throw e;
    }
    const done = this.parts.inline(load);
    if (done) this.parts.began(job);
    return done?.then((ret) => this.parts.returned(ret, job));
  }

  private begin(job: RunningJob): void {
    this.parts.began(job);
    const child = this.claim();
    child.job = job;
    const { load } = job;
    try {
      writeProcFile(this.parts.opts.str('cachedir'), child.pid, load);
    } catch (e) {
      this.parts.log.error(`The proc file of job ${String(load['jid'])} cannot be written: ${messageOf(e)}`);
    }
    child.tell(this.parts.facts());
    child.send({ type: 'job', load, from: job.from ?? null, wanted: job.wanted });
    this.keepSpare();
  }

  /** The spare, or a new process. */
  private claim(): Child {
    clearTimeout(this.spareEnd);
    const child = this.spare ?? this.fork();
    this.spare = undefined;
    return child;
  }

  private fork(): Child {
    const child = new Child(this.program, {
      message: (c, m) => this.message(c, m),
      ended: (c, how) => this.ended(c, how),
    });
    this.children.add(child);
    return child;
  }

  /** Makes a spare while jobs come, and lets it go after a quiet time. */
  private keepSpare(): void {
    if (this.stopping) return;
    clearTimeout(this.spareEnd);
    this.spareEnd = setTimeout(() => this.dropSpare(), SPARE_LIFE);
    this.spareEnd.unref();
    if (this.spare) return;
    // Not at once: the job just begun needs the processor more.
    setTimeout(() => {
      if (this.stopping || this.spare) return;
      this.spare = this.fork();
      this.spare.tell(this.parts.facts());
    }, 250).unref();
  }

  private dropSpare(): void {
    this.spare?.release();
    this.spare = undefined;
  }

  private message(child: Child, m: PipeMessage): void {
    if (m.type === 'grains') {
      const g = toPy(m['grains'] as Wire) as PyDict;
      this.grainsWaiting.get(child)?.done(g);
      this.grainsWaiting.delete(child);
      return;
    }
    const { job } = child;
    if (!job) return;
    if (m.type === 'ask') {
      this.parts.answer(String(m['what']), m['load'] as WireMap, job).then(
        (value) => child.send({ type: 'answer', value }),
        (e: unknown) =>
          child.send({
            type: 'error',
            code: e instanceof SaltError ? e.code : 'SaltClientError',
            message: messageOf(e),
          }),
      );
    } else if (m.type === 'return') {
      child.returned = true;
      this.hand(m['ret'] as WireMap, job);
    }
  }

  private hand(ret: WireMap, job: RunningJob): void {
    removeProcFile(this.parts.opts.str('cachedir'), String(job.load['jid'] ?? ''));
    this.parts.returned(ret, job).catch((e: unknown) => this.parts.log.error(`A return was lost: ${messageOf(e)}`));
  }

  private ended(child: Child, how: string): void {
    this.children.delete(child);
    if (this.spare === child) this.spare = undefined;
    this.grainsWaiting.get(child)?.failed(new Error(`The job process ended with ${how}`));
    this.grainsWaiting.delete(child);
    const { job } = child;
    if (job && !child.returned) {
      const jid = String(job.load['jid'] ?? '');
      if (child.signalled) {
        removeProcFile(this.parts.opts.str('cachedir'), jid);
        this.parts.seen.done(jid);
      } else this.hand(lostReturn(job.load, `The job process ended with ${how} before it returned`), job);
    }
    const next = this.stopping ? undefined : this.queue.shift();
    if (next) this.begin(next);
    if (!this.children.size) for (const done of this.idle.splice(0)) done();
  }

  /** Finds the grains in a job process, past any cache with `refresh`; rejects when that process dies. */
  grains(refresh: boolean): Promise<PyDict> {
    const child = this.claim();
    child.tell(this.parts.facts());
    return new Promise<PyDict>((done, failed) => {
      this.grainsWaiting.set(child, { done, failed });
      child.send({ type: 'grains', refresh });
    }).finally(() => {
      if (this.stopping || this.spare || !this.children.has(child)) child.release();
      else {
        this.spare = child;
        clearTimeout(this.spareEnd);
        this.spareEnd = setTimeout(() => this.dropSpare(), SPARE_LIFE);
        this.spareEnd.unref();
      }
    });
  }

  /** Notes that a signal is about to be sent to a job, so that its end counts as ordered; false for a job that is not ours. */
  signalled(jid: string): boolean {
    const meant = [...this.children].filter((c) => c.job?.load['jid'] === jid);
    for (const c of meant) c.signalled = true;
    return meant.length > 0;
  }

  /** A waiting job as `saltutil.find_job` shows it. */
  queued(jid: string): WireMap | undefined {
    const found = this.queue.find((j) => j.load['jid'] === jid);
    return found && { ...found.load, pid: 0, queued: true, queue_type: 'job_queue' };
  }

  /** Gives up on spares, e.g. when modules were synced. */
  refresh(): void {
    this.dropSpare();
  }

  /**
   * Jobs that an earlier life of this minion began and that came to no outcome: still running ones are left to finish (their
   * return will lie in the outbox), the others get a return that says so.
   */
  settleUnfinished(runningNow: readonly WireMap[]): void {
    for (const { jid, fun } of this.parts.seen.unfinished()) {
      const alive = runningNow.some((j) => j['jid'] === jid && isOurProcess(Number(j['pid'])));
      if (alive) continue;
      const load = { jid, fun: fun.includes(',') ? fun.split(',') : fun, arg: [] };
      this.hand(lostReturn(load, 'The minion was restarted while this job ran, its outcome is not known'), {
        load,
        wanted: true,
      });
    }
  }

  /** Ends all jobs: SIGTERM, and after a second SIGKILL, to the job processes alone, as what they started may have to go on. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.spareEnd);
    this.dropSpare();
    if (!this.children.size) return;
    const gone = new Promise<void>((done) => this.idle.push(done));
    for (const c of this.children) c.process.kill('SIGTERM');
    const kill = setTimeout(() => {
      for (const c of this.children) c.process.kill('SIGKILL');
    }, GRACE);
    await gone;
    clearTimeout(kill);
  }
}

function funText(load: WireMap): string {
  const fun = load['fun'];
  return Array.isArray(fun) ? fun.map(String).join(',') : String(fun ?? '');
}

/** The return of a job that never answered. */
function lostReturn(load: WireMap, why: string): WireMap {
  return {
    success: false,
    return: why,
    retcode: 1,
    out: 'nested',
    jid: load['jid'] ?? null,
    fun: load['fun'] ?? '',
    fun_args: load['arg'] ?? [],
    ...(load['user'] === undefined ? {} : { user: load['user'] }),
  };
}
