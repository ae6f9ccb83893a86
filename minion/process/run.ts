/**
 * Runs a program and waits for it, with real pipes behind its output: Node's own are sockets, which a program can't open again as
 * `/dev/stdout` or `/dev/stderr`, and which can't be shared in order by both streams.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';

/** What to run and how. */
export interface Command {
  /** Path of the program. */
  readonly file: string;
  readonly args: readonly string[];
  /** What the program sees as its own name; the path by default. */
  readonly argv0?: string;
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Bytes for its standard input; without them it reads the terminal where there is one, else nothing. */
  readonly stdin?: Uint8Array;
  /** Both streams into `stdout`, in the order they were written. */
  readonly merge?: boolean;
  /** Milliseconds until the program and what it left behind in our process group are killed. */
  readonly timeout?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly umask?: number;
}

/** How it ended. `code` is negative for a signal, as in Python. */
export interface Finished {
  readonly pid: number;
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
  /** The program could not be started. */
  readonly error?: NodeJS.ErrnoException;
}

/** Where commands' text output is put and read from; made anew whenever a stray writer may still hold one of its pipes. */
interface Plumbing {
  readonly out: number;
  readonly err: number;
  readonly done: number;
}

let spare: Plumbing | undefined;

function openPlumbing(): Plumbing {
  if (spare) {
    const p = spare;
    spare = undefined;
    return p;
  }
  const dir = mkdtempSync(join(tmpdir(), 'brine-pipes-'));
  try {
    const names = ['out', 'err', 'done'].map((n) => join(dir, n));
    const made = spawnSync('mkfifo', ['-m', '600', ...names], { stdio: 'ignore' });
    if (made.error) throw made.error;
    const [out, err, done] = names.map((n) => openSync(n, constants.O_RDONLY | constants.O_NONBLOCK)) as [
      number,
      number,
      number,
    ];
    return { out, err, done };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function closePlumbing(p: Plumbing): void {
  for (const fd of [p.out, p.err, p.done]) closeSync(fd);
}

/** A new opening of a pipe, which its name no longer reaches. The anchor is a reader, so that a writer never waits. */
const again = (fd: number, flags: number): number => openSync(`/proc/self/fd/${fd}`, flags);

/** A file of no name, readable by nobody else. */
function nameless(): number {
  const dir = mkdtempSync(join(tmpdir(), 'brine-out-'));
  const path = join(dir, 'f');
  try {
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return fd;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function content(fd: number): Buffer {
  const { size } = fstatSync(fd);
  const all = Buffer.allocUnsafe(size);
  let at = 0;
  while (at < size) {
    const n = readSync(fd, all, at, size - at, at);
    if (n === 0) break;
    at += n;
  }
  return all.subarray(0, at);
}

/** Sleeps this thread. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * Waits until no process holds the other end, at most until `deadline`; false when that came first.
 * @param blocking an opening of the pipe that waits, made while it still had a writer (an open without one waits for one).
 */
function closedByAll(pipe: number, blocking: number, deadline: number | undefined): boolean {
  const one = Buffer.alloc(1);
  if (deadline === undefined) {
    while (readSync(blocking, one, 0, 1, null) > 0);
    return true;
  }
  for (let wait = 0.5; ; wait = Math.min(wait * 2, 20)) {
    try {
      if (readSync(pipe, one, 0, 1, null) === 0) return true;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EAGAIN') throw e;
    }
    if (Date.now() >= deadline) return false;
    pause(wait);
  }
}

/** Process group, parent and start (clock ticks since boot) of a process, undefined when it is gone. */
function lineage(pid: number | 'self'): { parent: number; group: number; start: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(f[1]), group: Number(f[2]), start: Number(f[19]) };
  } catch {
    return undefined;
  }
}

/** The process that inherits orphans here: init, or a nearer ancestor that asked for them. Found by making one. */
function reaper(): number {
  const r = spawnSync('/bin/sh', ['-c', 'sleep 2 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' });
  const orphan = Number(r.stdout);
  if (!(orphan > 1)) return 1;
  const parent = lineage(orphan)?.parent ?? 1;
  process.kill(orphan, 'SIGKILL');
  return parent;
}

/**
 * Kills what a command that was just killed left behind: orphans in our own process group that started after it did, and their
 * children. A process that made a group or session of its own is not reached, as with a signal to the group.
 */
function killLeftovers(since: number): void {
  const own = lineage('self');
  if (!own) return;
  const inherits = reaper();
  const all = readdirSync('/proc').flatMap((name) => {
    const p = /^\d+$/.test(name) && Number(name) !== process.pid ? lineage(Number(name)) : undefined;
    return p && p.group === own.group && p.start >= since ? [{ pid: Number(name), parent: p.parent }] : [];
  });
  const doomed = new Set(all.filter((p) => p.parent === inherits).map((p) => p.pid));
  for (let size = -1; size !== doomed.size; ) {
    size = doomed.size;
    for (const p of all) if (doomed.has(p.parent)) doomed.add(p.pid);
  }
  for (const pid of doomed)
    try {
      process.kill(pid, 'SIGKILL');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
    }
}

/** Clock ticks since boot, as start times in /proc count them (a hundred a second on every Linux in use). */
function ticksNow(): number {
  return Math.floor(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 100);
}

const signalNumber = (name: string): number => osConstants.signals[name as NodeJS.Signals] ?? 0;

/** Reads standard input only where a person or a pipe gave one: a job process has a channel to its daemon there. */
function ownStdin(): 'inherit' | 'ignore' {
  return process.send === undefined ? 'inherit' : 'ignore';
}

/** Runs a program to its end and to the end of everything that still writes to its output. Blocks. Never throws for what the program does. */
export function runToEnd(c: Command): Finished {
  let pipes: Plumbing | undefined;
  try {
    pipes = openPlumbing();
  } catch {
    return runPlain(c); // no mkfifo or no /proc: sockets serve nearly every program
  }
  const open: number[] = [];
  const keep = (fd: number): number => {
    open.push(fd);
    return fd;
  };
  const close = (fd: number): void => {
    open.splice(open.indexOf(fd), 1);
    closeSync(fd);
  };
  let clean = false;
  try {
    const deadline = c.timeout === undefined ? undefined : Date.now() + c.timeout;
    const writers: number[] = [];
    const files: number[] = [];
    const doneWriter = keep(again(pipes.done, constants.O_WRONLY));
    const doneReader = keep(again(pipes.done, constants.O_RDONLY));
    const readers = (c.merge ? [pipes.out] : [pipes.out, pipes.err]).map((pipe) => {
      const file = keep(nameless());
      files.push(file);
      writers.push(keep(again(pipe, constants.O_WRONLY)));
      const from = keep(again(pipe, constants.O_RDONLY));
      const reader = spawn('cat', [], { stdio: [from, file, 'ignore', doneWriter], cwd: '/' });
      reader.on('error', () => undefined); // seen at once by its missing pid
      reader.unref();
      close(from);
      return reader;
    });
    close(doneWriter);
    if (readers.some((r) => r.pid === undefined)) return runPlain(c);
    let input: number | undefined;
    if (c.stdin !== undefined) {
      input = keep(nameless());
      writeSync(input, c.stdin);
      const fresh = keep(again(input, constants.O_RDONLY));
      close(input);
      input = fresh;
    }
    const since = deadline === undefined ? 0 : ticksNow();
    const r = start(c, [input ?? ownStdin(), writers[0] as number, (c.merge ? writers[0] : writers[1]) as number]);
    for (const w of writers) close(w);
    const code = r.signal ? -signalNumber(r.signal) : (r.status ?? 0);
    const late = (r.error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
    if (late || !closedByAll(pipes.done, doneReader, deadline)) {
      for (const reader of readers) reader.kill('SIGKILL');
      killLeftovers(since);
      return { pid: r.pid, code, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), timedOut: true };
    }
    clean = true;
    return {
      pid: r.pid,
      code,
      stdout: content(files[0] as number),
      stderr: files[1] === undefined ? Buffer.alloc(0) : content(files[1]),
      timedOut: false,
      ...(r.error ? { error: r.error as NodeJS.ErrnoException } : {}),
    };
  } finally {
    for (const fd of open) closeSync(fd);
    if (clean && !spare) spare = pipes;
    else closePlumbing(pipes);
  }
}

function start(c: Command, stdio: ('inherit' | 'ignore' | 'pipe' | number)[]) {
  const before = c.umask === undefined ? undefined : process.umask(c.umask);
  try {
    return spawnSync(c.file, [...c.args], {
      cwd: c.cwd,
      env: { ...c.env },
      argv0: c.argv0 ?? c.file,
      stdio,
      ...(stdio[0] === 'pipe' && c.stdin !== undefined ? { input: c.stdin } : {}),
      ...(c.timeout === undefined ? {} : { timeout: Math.max(1, c.timeout), killSignal: 'SIGKILL' as const }),
      ...(c.uid === undefined ? {} : { uid: c.uid }),
      ...(c.gid === undefined ? {} : { gid: c.gid }),
      maxBuffer: Number.POSITIVE_INFINITY,
      encoding: 'buffer',
    });
  } finally {
    if (before !== undefined) process.umask(before);
  }
}

/** The same over Node's sockets; with `merge` standard error follows standard output. */
function runPlain(c: Command): Finished {
  const r = start(c, [c.stdin === undefined ? ownStdin() : 'pipe', 'pipe', 'pipe']);
  const timedOut = (r.error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
  const out = r.stdout ?? Buffer.alloc(0);
  const err = r.stderr ?? Buffer.alloc(0);
  return {
    pid: r.pid,
    code: r.signal ? -signalNumber(r.signal) : (r.status ?? 0),
    stdout: c.merge ? Buffer.concat([out, err]) : out,
    stderr: c.merge ? Buffer.alloc(0) : err,
    timedOut,
    ...(r.error && !timedOut ? { error: r.error as NodeJS.ErrnoException } : {}),
  };
}

/** Starts a program and leaves it alone, in a session of its own so that the end of a job does not reach it. Answers its process id. */
export function runDetached(c: Command): { pid: number | undefined } {
  const before = c.umask === undefined ? undefined : process.umask(c.umask);
  try {
    const seen = process.send === undefined ? 'inherit' : 'ignore';
    const child = spawn(c.file, [...c.args], {
      cwd: c.cwd,
      env: { ...c.env },
      argv0: c.argv0 ?? c.file,
      stdio: ['ignore', seen, seen],
      detached: true,
      ...(c.uid === undefined ? {} : { uid: c.uid }),
      ...(c.gid === undefined ? {} : { gid: c.gid }),
    });
    child.on('error', () => undefined); // known by the missing process id
    child.unref();
    return { pid: child.pid };
  } finally {
    if (before !== undefined) process.umask(before);
  }
}
