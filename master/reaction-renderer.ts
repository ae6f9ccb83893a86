import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import { LEVELS, type Level, type Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { Wire } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import type { ReactionCall } from '../reactor/reaction.ts';
import type { EventToReact } from '../reactor/reactor.ts';

declare const __brine_dist: string;

/** How long the process stays after its last work, ms. */
const WARM_MS = 300_000;
/** A batch that takes longer than this is stopped, ms, unless `reactor_time_limit` (seconds) says otherwise. */
const LIMIT_MS = 30_000;

interface Pending {
  resolve(calls: ReactionCall[][]): void;
  reject(e: Error): void;
  timer: NodeJS.Timeout;
}

/**
 * Renders reactions in a process of their own, so that no template can hold up the master: it is forked on first need, stopped when a
 * template runs away (time and memory), and forked again for the next event. Batches are answered in order.
 */
export class ReactionRenderer {
  private child: ChildProcess | undefined;
  private readonly pending = new Map<number, Pending>();
  private next = 1;
  private idle: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly script = join(__brine_dist, 'master', 'job-process.js'),
  ) {}

  /** Renders a batch; rejects when the process died on it or ran out of time. */
  compile(events: readonly EventToReact[]): Promise<ReactionCall[][]> {
    if (this.closed) return Promise.reject(new SaltError('QueueClosed', 'The reactor is stopping'));
    const child = this.child ?? this.fork();
    clearTimeout(this.idle);
    const n = this.next++;
    return new Promise((resolve, reject) => {
      const limit = this.opts.num('reactor_time_limit') * 1000 || LIMIT_MS;
      const timer = setTimeout(() => {
        this.log.error(
          `Rendering reactions took longer than ${limit / 1000} s and was stopped (${events
            .map((e) => e.tag)
            .slice(0, 5)
            .join(', ')})`,
        );
        child.kill('SIGKILL');
      }, limit);
      this.pending.set(n, { resolve, reject, timer });
      child.send({ n, react: encodeBus(events.map((e) => ({ ...e, sls: [...e.sls] })) as unknown as Wire) });
    });
  }

  private fork(): ChildProcess {
    const child = fork(this.script, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: ['--max-old-space-size=256'],
    });
    this.child = child;
    child.send({ opts: encodeBus(this.opts.data) });
    child.on('message', (m) => this.take(m as { n?: number; reacted?: Uint8Array; log?: [string, string][] }));
    child.on('error', (e) => this.log.error(`The process that renders reactions failed: ${e.message}`));
    child.once('exit', (code, signal) => {
      if (this.child === child) this.child = undefined;
      for (const [n, p] of this.pending) {
        clearTimeout(p.timer);
        p.reject(
          new SaltError(
            'SaltRenderError',
            `The process that renders reactions ended (${signal ?? `exit code ${code}`})`,
          ),
        );
        this.pending.delete(n);
      }
    });
    child.unref();
    child.channel?.unref();
    return child;
  }

  private take(m: { n?: number; reacted?: Uint8Array; log?: [string, string][] }): void {
    for (const [level, text] of m.log ?? []) this.say(level, text);
    if (m.n === undefined || !m.reacted) return;
    const p = this.pending.get(m.n);
    if (!p) return;
    this.pending.delete(m.n);
    clearTimeout(p.timer);
    p.resolve(decodeBus(m.reacted) as unknown as ReactionCall[][]);
    if (!this.pending.size && !this.closed) {
      this.idle = setTimeout(() => this.child?.kill(), WARM_MS);
      this.idle.unref();
    }
  }

  private say(level: string, text: string): void {
    const l = level as Level;
    if (l === 'warning') this.log.warning(text);
    else if (l in LEVELS && LEVELS[l] >= LEVELS.error) this.log.error(text);
    else this.log.debug(text);
  }

  /** Ends the process; batches in hand are rejected and their events read again at the next start. */
  close(): void {
    this.closed = true;
    clearTimeout(this.idle);
    this.child?.kill('SIGKILL');
  }
}
