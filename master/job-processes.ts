import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Cause, EventBus, Origin } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { isWireMap, type Wire, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import { type Form, SECRETS } from './runner-call.ts';

declare const __brine_dist: string;

/** A runner or wheel function to be run in a process of its own. */
export interface ProcessCall {
  form: Form;
  fun: string;
  arg: readonly Wire[];
  kwarg: WireMap;
  jid: string;
  user: string;
  origin: Origin;
  cause?: Cause;
  /** The bus is told of a function that is not there, as with the reference's asynchronous calls; others only hear of it themselves. */
  told?: true;
}
/** Keyword arguments as events may show them: events and the job cache outlive the call, its secrets must not. */
function starred(kwarg: WireMap): WireMap {
  const shown = { ...kwarg };
  for (const secret of SECRETS) if (secret in shown) shown[secret] = '**********';
  return shown;
}

/** What came of it. */
export interface ProcessOutcome {
  return: Wire;
  success: boolean;
  retcode?: number;
  /** There is no such function. */
  unknown?: true;
}

/** An outcome with the arguments as the function left them. */
interface Finished extends ProcessOutcome {
  funArgs?: Wire[];
}

/** A call and who waits for it. */
interface Asked {
  readonly call: ProcessCall;
  resolve(o: Finished): void;
  found(): void;
  timer?: NodeJS.Timeout;
  /** When it was given to a process. */
  began: number;
}

/** To a job process: a call, or that a call found there may go on. */
export interface Order {
  readonly n: number;
  readonly call?: Uint8Array;
  readonly go?: true;
}

/** From a job process: that the function of a call was found (and whether it will be the next time), or what came of it. */
export interface Report {
  readonly n: number;
  readonly found?: 'built-in' | 'own';
  readonly outcome?: Uint8Array;
}

interface Worker {
  child: ChildProcess;
  /** Calls at work in it, by number. */
  readonly busy: Map<number, Asked>;
  /** It has told something. */
  started: boolean;
  /** To be sent with the end of this turn. */
  readonly orders: Order[];
  /** Counts down while it has nothing to do. */
  idle?: NodeJS.Timeout;
}

/** How long one process stays warm after the last work, ms. */
const WARM_MS = 60_000;
/** How long a second one does. */
const SPARE_MS = 2000;
/** How many calls of functions that have shown to be quick are at work in one process at once. */
const LANES = 8;
/** Functions whose time is remembered. */
const MOST_TIMED = 1000;
/** A function is quick when its runs take less than so many ms. */
const QUICK_MS = 150;
/** For so many ms a call waits for quick ones, or for a process that is starting, before another is forked. */
const STALL_MS = 100;

/**
 * Runs runner and wheel functions in forked processes of this same program, one call at a time each, but for functions whose runs are quick, of which a
 * few share a process: `new` is fired before, `ret` after (see `told` for functions that are not there). A process is
 * forked on first need; one stays warm for a while, none lives in an idle master. `runner_time_limit` (seconds, 0 none) ends what hangs.
 */
export class JobProcesses {
  private readonly workers = new Set<Worker>();
  private readonly waiting: Asked[] = [];
  private stall: NodeJS.Timeout | undefined;
  /** Built-in functions that were found before: they are announced without asking. */
  private readonly known = new Set<string>();
  /** How long the latest runs of a function took, ms. */
  private readonly took = new Map<string, number>();
  private next = 1;
  private closed = false;

  constructor(
    private readonly opts: Opts,
    private readonly bus: EventBus,
    private readonly log: Log,
    private readonly script = join(__brine_dist, 'master', 'job-process.js'),
    /** Told the data of each `ret` event, to keep it. */
    private readonly keep?: (ret: WireMap) => Promise<void>,
  ) {}

  /** Calls running now. */
  get running(): number {
    return [...this.workers].reduce((n, w) => n + w.busy.size, 0);
  }

  /** Runs a call and answers its outcome; never rejects. */
  async call(call: ProcessCall): Promise<ProcessOutcome> {
    const name = `${call.form}.${call.fun}`;
    const facts: WireMap = {
      fun: name,
      jid: call.jid,
      user: call.user,
      fun_args: Object.keys(call.kwarg).length ? [...call.arg, starred(call.kwarg)] : [...call.arg],
    };
    const options = { origin: call.origin, cause: call.cause ?? null };
    const [asNew, asReturn] =
      call.form === 'runner' ? [tags.runNew, tags.runReturn] : [tags.wheelNew, tags.wheelReturn];
    let isTold = false;
    const tell = (): void => {
      isTold = true;
      this.bus.fire(asNew(call.jid), facts, options);
    };
    const { funArgs, ...outcome } = await this.run(call, tell);
    if (outcome.unknown && !call.told) return outcome;
    const ret: WireMap = { ...facts, return: outcome.return, success: outcome.success };
    if (outcome.unknown && call.form === 'runner') {
      ret['fun'] = call.fun;
      delete ret['user'];
    } else if (!isTold) tell();
    if (funArgs) ret['fun_args'] = funArgs;
    if (outcome.retcode !== undefined) ret['retcode'] = outcome.retcode;
    this.bus.fire(asReturn(call.jid), ret, options);
    await this.keep?.(ret);
    return outcome;
  }

  private run(call: ProcessCall, found: () => void): Promise<Finished> {
    if (this.closed) return Promise.resolve({ return: 'The master is stopping', success: false, retcode: 1 });
    return new Promise((resolve) => {
      this.waiting.push({ call, resolve, found, began: 0 });
      this.pump();
    });
  }

  /** Gives waiting calls to processes without work, the oldest process first, so that spare ones come to rest. */
  private pump(): void {
    for (const worker of this.workers)
      while (this.waiting.length && worker.child.connected && this.takes(worker, this.waiting[0] as Asked))
        this.give(worker, this.waiting.shift() as Asked);
    if (!this.waiting.length) return;
    // Behind slow calls nobody waits; where all are slow or none is there, a process starts at once, one at a time.
    if ([...this.workers].every((w) => w.started && [...w.busy.values()].some((a) => this.isSlow(a))))
      this.give(this.fork(), this.waiting.shift() as Asked);
    if (!this.waiting.length || this.stall) return;
    const first = this.waiting[0];
    this.stall = setTimeout(() => {
      this.stall = undefined;
      // Nothing moved: what runs takes its time.
      if (first && this.waiting[0] === first) this.give(this.fork(), this.waiting.shift() as Asked);
      this.pump();
    }, STALL_MS);
  }

  /** A process without work takes any call; one at work takes quick ones beside quick ones. */
  private takes(worker: Worker, asked: Asked): boolean {
    if (!worker.busy.size) return true;
    if (worker.busy.size >= LANES || !this.isQuick(asked)) return false;
    for (const other of worker.busy.values()) if (!this.isQuick(other)) return false;
    return true;
  }

  private isQuick({ call }: Asked): boolean {
    return (this.took.get(`${call.form}.${call.fun}`) ?? QUICK_MS) < QUICK_MS;
  }

  private isSlow({ call, began }: Asked): boolean {
    const took = this.took.get(`${call.form}.${call.fun}`) ?? 0;
    return Math.max(took, performance.now() - began) >= QUICK_MS;
  }

  private give(worker: Worker, asked: Asked): void {
    clearTimeout(worker.idle);
    const n = this.next++;
    asked.began = performance.now();
    worker.busy.set(n, asked);
    const { form, fun, arg, kwarg, jid, user, cause } = asked.call;
    const limit = this.opts.num('runner_time_limit');
    if (limit > 0)
      asked.timer = setTimeout(() => {
        this.finish(worker, n, {
          return: `${form} ${fun} was stopped after ${limit} seconds`,
          success: false,
          retcode: 1,
        });
        worker.child.kill('SIGKILL');
      }, limit * 1000);
    const announced = this.known.has(`${form}.${fun}`);
    if (announced) asked.found();
    this.send(worker, {
      n,
      call: encodeBus({
        form,
        fun,
        arg: [...arg],
        kwarg,
        jid,
        user,
        cause: cause ?? null,
        announced,
        quick: this.isQuick(asked),
      }),
    });
  }

  /** What is sent in one turn of the loop goes as one message: each wakes a process. */
  private send(worker: Worker, order: Order): void {
    if (worker.orders.push(order) > 1) return;
    process.nextTick(() => {
      const orders = worker.orders.splice(0);
      if (worker.child.connected) worker.child.send({ orders });
    });
  }

  private fork(): Worker {
    const child = fork(this.script, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    const worker: Worker = { child, busy: new Map(), orders: [], started: false };
    this.workers.add(worker);
    child.send({ opts: encodeBus(this.opts.data) });
    child.on('message', (m) => {
      worker.started = true;
      for (const { n, outcome, found } of (m as { reports?: Report[] }).reports ?? []) {
        const asked = worker.busy.get(n);
        if (found && asked) {
          if (found === 'built-in') this.known.add(`${asked.call.form}.${asked.call.fun}`);
          asked.found();
          this.send(worker, { n, go: true });
        }
        if (outcome) this.finish(worker, n, readOutcome(outcome));
      }
    });
    child.on('error', (e) => this.log.error(`A job process failed: ${e.message}`));
    child.once('exit', (code, signal) => {
      this.workers.delete(worker);
      for (const n of [...worker.busy.keys()])
        this.finish(worker, n, {
          return: `The job process ended (${signal ?? `exit code ${code}`}) before it answered`,
          success: false,
          retcode: 1,
        });
    });
    child.unref();
    child.channel?.unref();
    return worker;
  }

  private finish(worker: Worker, n: number, outcome: Finished): void {
    const asked = worker.busy.get(n);
    if (!asked) return;
    worker.busy.delete(n);
    clearTimeout(asked.timer);
    if (this.took.size > MOST_TIMED) this.took.clear();
    const name = `${asked.call.form}.${asked.call.fun}`;
    const took = performance.now() - asked.began;
    // One late run on a busy machine makes no function slow.
    this.took.set(name, took + ((this.took.get(name) ?? took) - took) * 0.8);
    asked.resolve(outcome);
    this.pump();
    if (!worker.busy.size) this.rest(worker);
  }

  /** One resting process stays for a while, others end sooner. */
  private rest(worker: Worker): void {
    if (!this.workers.has(worker)) return;
    if (this.closed) {
      worker.child.kill();
      return;
    }
    const others = [...this.workers].some((w) => w !== worker && !w.busy.size);
    worker.idle = setTimeout(() => worker.child.kill(), others ? SPARE_MS : WARM_MS);
    worker.idle.unref();
  }

  /** Ends all processes; running calls answer that they were stopped. */
  close(): void {
    this.closed = true;
    clearTimeout(this.stall);
    for (const { resolve } of this.waiting.splice(0))
      resolve({ return: 'The master is stopping', success: false, retcode: 1 });
    for (const w of this.workers) {
      clearTimeout(w.idle);
      w.child.kill('SIGKILL');
    }
  }
}

function readOutcome(bytes: Uint8Array): Finished {
  const m = decodeBus(bytes);
  if (!isWireMap(m)) return { return: 'The job process answered nonsense', success: false, retcode: 1 };
  const outcome: Finished = { return: m['return'] ?? null, success: m['success'] === true };
  if (m['unknown'] === true) outcome.unknown = true;
  if (Array.isArray(m['fun_args'])) outcome.funArgs = m['fun_args'];
  if (typeof m['retcode'] === 'number') outcome.retcode = m['retcode'];
  return outcome;
}
