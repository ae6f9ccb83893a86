import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import { LEVELS, type Level, type Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import type { PillarQuestion } from './pillar.ts';
import { stateText } from './pillar-inputs.ts';

declare const __brine_dist: string;

/** How long a process stays after its last work, ms. */
const WARM_MS = 60_000;
/** A pillar that takes longer than this is given up, ms, unless `pillar_time_limit` (seconds) says otherwise. */
const LIMIT_MS = 60_000;
/** Processes at most. */
const MOST = 2;
/** Pillars that are kept. */
const KEPT = 1000;

interface Task {
  readonly key: string;
  readonly question: PillarQuestion;
  resolve(answer: Uint8Array): void;
  reject(e: Error): void;
}
interface Worker {
  readonly child: ChildProcess;
  task?: Task;
  timer?: NodeJS.Timeout;
}
interface Kept {
  readonly pillar: Wire;
  readonly inputs: readonly (readonly [string, string])[];
}

/** What a process answers to a question. */
interface Reply {
  made?: Uint8Array;
  failed?: string;
  log?: [string, string][];
}

/**
 * Compiles pillars in processes of their own, so that no template can hold up the master. A pillar is kept while none of its inputs
 * changes: question, pillar files and folders; one that hangs on more (external sources, functions with a will of their own) is made
 * each time. Equal questions at the same time are answered by one compilation. `close` ends the processes.
 */
export class PillarProcess {
  private readonly workers = new Set<Worker>();
  private readonly waiting: Task[] = [];
  private readonly flights = new Map<string, Promise<Wire>>();
  private readonly kept = new Map<string, Kept>();
  private idle: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly script = join(__brine_dist, 'master', 'job-process.js'),
  ) {}

  /** The pillar for a question; one that could not be compiled at all has nothing but `_errors`. */
  async compile(question: PillarQuestion): Promise<PyDict> {
    const key = keyOf(question);
    let flight = this.flights.get(key);
    if (!flight) {
      flight = this.answer(key, question).finally(() => this.flights.delete(key));
      this.flights.set(key, flight);
    }
    const pillar = toPy(await flight);
    return pillar instanceof PyDict ? pillar : new PyDict();
  }

  private async answer(key: string, question: PillarQuestion): Promise<Wire> {
    const kept = this.kept.get(key);
    if (kept) {
      if (await unchanged(kept.inputs)) return kept.pillar;
      this.kept.delete(key);
    }
    try {
      const made = decodeBus(await this.ask(key, question)) as unknown as Kept & { inputs: Kept['inputs'] | null };
      if (made.inputs) this.keep(key, { pillar: made.pillar, inputs: made.inputs });
      return made.pillar;
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.log.critical(`The pillar of ${question.id} could not be compiled: ${e.message}`);
      return { _errors: [e.message] };
    }
  }

  /** Forgets all kept pillars. */
  forget(): void {
    this.kept.clear();
  }

  private keep(key: string, kept: Kept): void {
    if (this.kept.size >= KEPT) this.kept.delete(this.kept.keys().next().value as string);
    this.kept.set(key, kept);
  }

  private ask(key: string, question: PillarQuestion): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new SaltError('QueueClosed', 'The master is stopping'));
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, question, resolve, reject });
      this.next();
    });
  }

  private next(): void {
    while (this.waiting.length) {
      const free = [...this.workers].find((w) => !w.task);
      const worker = free ?? (this.workers.size < MOST ? this.fork() : undefined);
      if (!worker) return;
      this.give(worker, this.waiting.shift() as Task);
    }
    if (this.closed || [...this.workers].some((w) => w.task)) return;
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      for (const w of this.workers) w.child.kill();
    }, WARM_MS);
    this.idle.unref();
  }

  private give(worker: Worker, task: Task): void {
    clearTimeout(this.idle);
    worker.task = task;
    const limit = this.opts.num('pillar_time_limit') * 1000 || LIMIT_MS;
    worker.timer = setTimeout(() => {
      this.log.error(`Compiling the pillar of ${task.question.id} took longer than ${limit / 1000} s and was stopped`);
      worker.child.kill('SIGKILL');
    }, limit);
    const { id, grains, saltenv, pillarenv, override, ext } = task.question;
    worker.child.send({
      pillar: encodeBus({
        id,
        grains: toWire(grains),
        saltenv,
        pillarenv,
        override: toWire(override),
        ...(ext === undefined ? {} : { ext: toWire(ext) }),
      }),
    });
  }

  private fork(): Worker {
    const child = fork(this.script, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: ['--max-old-space-size=512'],
    });
    const worker: Worker = { child };
    this.workers.add(worker);
    child.send({ opts: encodeBus(this.opts.data) });
    child.on('message', (m) => this.take(worker, m as Reply));
    child.on('error', (e) => this.log.error(`A process that compiles pillars failed: ${e.message}`));
    child.once('exit', (code, signal) => {
      this.workers.delete(worker);
      const task = this.done(worker);
      const how = signal ?? `exit code ${code}`;
      task?.reject(new SaltError('SaltRenderError', `The process that compiled it ended (${how})`));
      if (!this.closed) this.next();
    });
    child.unref();
    child.channel?.unref();
    return worker;
  }

  private done(worker: Worker): Task | undefined {
    const { task } = worker;
    delete worker.task;
    clearTimeout(worker.timer);
    return task;
  }

  private take(worker: Worker, m: Reply): void {
    for (const [level, text] of m.log ?? []) this.say(level, text);
    if (!m.made && m.failed === undefined) return;
    const task = this.done(worker);
    if (m.made) task?.resolve(m.made);
    else task?.reject(new SaltError('SaltRenderError', m.failed ?? ''));
    this.next();
  }

  private say(level: string, text: string): void {
    const l = level as Level;
    if (l === 'critical') this.log.critical(text);
    else if (l === 'warning') this.log.warning(text);
    else if (l in LEVELS && LEVELS[l] >= LEVELS.error) this.log.error(text);
    else this.log.debug(text);
  }

  /** Ends the processes; questions in hand are answered with an error. */
  close(): void {
    this.closed = true;
    clearTimeout(this.idle);
    for (const w of this.workers) w.child.kill('SIGKILL');
    for (const task of this.waiting.splice(0)) task.reject(new SaltError('QueueClosed', 'The master is stopping'));
  }
}

function keyOf(q: PillarQuestion): string {
  const load: WireMap = {
    id: q.id,
    grains: toWire(q.grains),
    saltenv: q.saltenv,
    pillarenv: q.pillarenv,
    override: toWire(q.override),
    ext: q.ext === undefined ? null : toWire(q.ext),
  };
  return createHash('sha256').update(encodeBus(load)).digest('base64');
}

/** Whether every input is as it was. Looks at some at a time, so that other work goes on between. */
async function unchanged(inputs: Kept['inputs']): Promise<boolean> {
  for (let at = 0; at < inputs.length; at += 64) {
    const states = await Promise.all(
      inputs.slice(at, at + 64).map(([path, was]) =>
        stat(path).then(
          (s) => stateText(s) === was,
          () => was === 'none',
        ),
      ),
    );
    if (states.includes(false)) return false;
  }
  return true;
}
