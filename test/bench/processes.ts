import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a command cost. */
export interface Cost {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** User and system time of the command and all that it waited for, in seconds. */
  readonly cpu: number;
  /** Seconds. */
  readonly wall: number;
}

/**
 * Runs a command and measures it: bash's own `time` reads what the system accounted for the child, to the millisecond, and adds nothing of its own.
 */
export function timed(argv: readonly string[], timeout = 120_000): Promise<Cost> {
  return new Promise((ok, fail) => {
    const script = 'exec 4>&2; { TIMEFORMAT="%3R %3U %3S"; time "$@" 2>&4; } 2>&3';
    const child = spawn('bash', ['-c', script, 'bench', ...argv], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    const texts = ['', '', ''];
    for (const [i, n] of [1, 2, 3].entries())
      (child.stdio[n] as NodeJS.ReadableStream).setEncoding('utf8').on('data', (d: string) => {
        texts[i] += d;
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.once('error', fail);
    child.once('close', (code) => {
      clearTimeout(timer);
      const [wall = 0, user = 0, sys = 0] = (texts[2] as string).trim().split(' ').map(Number);
      ok({ code, stdout: texts[0] as string, stderr: texts[1] as string, cpu: user + sys, wall });
    });
  });
}

interface ProcessRow {
  pid: number;
  session: number;
  /** Seconds, with what it waited for. */
  cpu: number;
}

function row(pid: number): ProcessRow | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // It ended between the listing and the look.
    return undefined;
  }
  const f = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + (f[i] ?? 0), 0);
  return { pid, session: f[3] ?? 0, cpu: ticks / 100 };
}

/** All processes of a session: a daemon started as the leader of one, and everything it forked. */
export function processesOf(session: number): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const r = row(Number(name));
    if (r && r.session === session) rows.push(r);
  }
  return rows;
}

/** User and system time that a daemon and everything it forked have used so far, in seconds (steps of 10 ms). */
export function cpuOf(session: number): number {
  return processesOf(session).reduce((sum, r) => sum + r.cpu, 0);
}

/** The same to the nanosecond, of threads that live: for daemons at rest. */
export function fineCpuOf(session: number): number {
  let ns = 0;
  for (const { pid } of processesOf(session))
    try {
      for (const task of readdirSync(`/proc/${pid}/task`))
        ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      // It ended between the listing and the look.
    }
  return ns / 1e9;
}

/** Memory of a daemon and everything it forked, in MiB: PSS (shared pages counted in parts, swapped ones too), and without what is shared with others. */
export function memoryOf(session: number): { pss: number; own: number; processes: number } {
  let pss = 0;
  let own = 0;
  const rows = processesOf(session);
  for (const { pid } of rows)
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
      const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
      pss += (kib('Pss') + kib('SwapPss')) / 1024;
      own += (kib('Private_Dirty') + kib('Private_Clean')) / 1024;
    } catch {
      // It ended between the listing and the look.
    }
  return { pss, own, processes: rows.length };
}
