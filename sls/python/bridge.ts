import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict, PyFloat, PySet, PyTuple } from '../../bus/values.ts';
import { str } from '../values.ts';

declare const __brine_dist: string;

/** Answers what Python code calls back: `salt` functions by name, and `__has__` whether there is one. */
export type CallBack = (name: string, args: Py[], kwargs: PyDict) => Py;

/** Code to run: a file's text, the globals it sees besides `__salt__`, and the function wanted of it. */
export interface PythonCall {
  readonly path: string;
  readonly source: string;
  readonly globals: Readonly<Record<string, Py>>;
  readonly function: string;
  readonly args?: readonly Py[];
  readonly kwargs?: PyDict;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function pack(v: Py): Json {
  if (v === null || typeof v === 'boolean' || typeof v === 'string') return v;
  if (typeof v === 'number') return Number.isInteger(v) ? v : { __float__: String(v) };
  if (typeof v === 'bigint') return { __int__: String(v) };
  if (v instanceof PyFloat)
    return { __float__: Number.isFinite(v.v) ? String(v.v) : Number.isNaN(v.v) ? 'nan' : v.v > 0 ? 'inf' : '-inf' };
  if (v instanceof Uint8Array) return { __bytes__: Buffer.from(v).toString('base64') };
  if (v instanceof PyTuple) return { __tuple__: [...v].map((x) => pack(x as Py)) };
  if (Array.isArray(v)) return (v as Py[]).map(pack);
  if (v instanceof PySet) return { __set__: [...v].map(pack) };
  if (v instanceof PyDict) {
    const plain = [...v.keys()].every((k) => typeof k === 'string' && !k.startsWith('__'));
    if (!plain) return { __map__: [...v].map(([k, x]) => [pack(k), pack(x as Py)]) };
    return Object.fromEntries([...v].map(([k, x]) => [k as string, pack(x as Py)]));
  }
  return str(v);
}

function unpack(v: Json): Py {
  if (v === null || typeof v !== 'object') return v;
  if (Array.isArray(v)) return v.map(unpack);
  const keys = Object.keys(v);
  if (keys.length === 1) {
    const [key] = keys as [string];
    const inner = v[key] as Json;
    if (key === '__int__') return BigInt(inner as string);
    if (key === '__float__') {
      const text = inner as string;
      return mkFloat(text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text));
    }
    if (key === '__bytes__') return Buffer.from(inner as string, 'base64');
    if (key === '__tuple__') return PyTuple.from_((inner as Json[]).map(unpack));
    if (key === '__set__') return new PySet((inner as Json[]).map(unpack));
    if (key === '__map__') return new PyDict((inner as [Json, Json][]).map(([k, x]) => [unpack(k), unpack(x)]));
  }
  return new PyDict(keys.map((k) => [k, unpack(v[k] as Json)]));
}

/** A Python file as the bridge found it. */
export interface PythonModule {
  readonly functions: ReadonlyMap<string, { readonly function: string; readonly sig: string; readonly doc: string }>;
  readonly virtual: boolean;
  readonly virtualName: string | undefined;
  readonly doc: string;
}

function plainModule(v: Py): PythonModule {
  const d = v as PyDict;
  const text = (x: Py | undefined): string => (typeof x === 'string' ? x : '');
  const functions = new Map<string, { function: string; sig: string; doc: string }>();
  for (const [name, f] of d.get('functions') as PyDict) {
    const one = f as PyDict;
    functions.set(str(name), {
      function: text(one.get('function')),
      sig: text(one.get('sig')),
      doc: text(one.get('doc')),
    });
  }
  const name = d.get('virtualname');
  return {
    functions,
    virtual: d.get('virtual') === true,
    virtualName: typeof name === 'string' ? name : undefined,
    doc: text(d.get('doc')),
  };
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/**
 * A Python 3 process that runs operators' own Python code (`#!py`, `_modules/*.py` …) with `__salt__`, `__grains__` and the like; Salt
 * itself is not needed. Calls block the thread, as a job process may; the process starts on first use and ends with `close`.
 */
export class PythonBridge {
  private child: ChildProcess | undefined;
  private dir = '';
  private toPython = -1;
  private fromPython = -1;
  private held = Buffer.alloc(0);

  constructor(
    private readonly python = 'python3',
    private readonly script = join(__brine_dist, 'sls', 'python', 'bridge.py'),
  ) {}

  /** What a file offers: its functions by name, with signature and documentation as source text, and whether it has a `__virtual__`. */
  describe(path: string, source: string, back: CallBack): PythonModule {
    return plainModule(this.ask({ op: 'describe', path, source, globals: { __map__: [] } }, back, path));
  }

  /** Runs a function of a file; throws SaltError SaltRenderError with Python's message and traceback in `details`. */
  call(c: PythonCall, back: CallBack): Py {
    return this.ask(
      {
        op: 'call',
        path: c.path,
        source: c.source,
        globals: { __map__: Object.entries(c.globals).map(([k, v]) => [k, pack(v)]) },
        function: c.function,
        args: (c.args ?? []).map(pack),
        kwargs: pack(c.kwargs ?? new PyDict()),
      },
      back,
      c.path,
    );
  }

  private ask(request: Json, back: CallBack, file: string): Py {
    if (!this.child) this.start();
    this.send(request);
    for (;;) {
      const m = this.receive();
      if ('call' in m) {
        try {
          const kwargs = unpack(m['kwargs'] as Json);
          const args = (m['args'] as Json[]).map(unpack);
          this.send({ ok: pack(back(String(m['call']), args, kwargs instanceof PyDict ? kwargs : new PyDict())) });
        } catch (e) {
          this.send({ error: e instanceof Error ? e.message : String(e) });
        }
      } else if ('error' in m)
        throw new SaltError('SaltRenderError', String(m['error']), {
          traceback: m['traceback'],
          type: m['type'],
          file,
        });
      else return unpack(m['ok'] as Json);
    }
  }

  private start(): void {
    this.dir = mkdtempSync(join(tmpdir(), 'brine-py-'));
    const paths = [join(this.dir, 'requests'), join(this.dir, 'answers')] as const;
    // Loaded with the first Python file: what only imports this class does not wait for it.
    const { spawn, spawnSync } = process.getBuiltinModule('node:child_process');
    const made = spawnSync('mkfifo', ['-m', '600', ...paths]);
    if (made.status !== 0)
      throw new SaltError('CommandExecutionError', 'The pipes to Python could not be made (mkfifo failed)');
    // Opened first and without waiting, so that a Python that never starts cannot hold this thread.
    this.fromPython = openSync(paths[1], constants.O_RDONLY | constants.O_NONBLOCK);
    this.toPython = openSync(paths[0], constants.O_RDWR);
    const child = spawn(this.python, ['-I', this.script, ...paths], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => undefined);
    child.unref();
    if (child.pid === undefined) {
      this.close();
      throw new SaltError(
        'CommandExecutionError',
        `${this.python} could not be started: install Python 3 to use Python files`,
      );
    }
    this.child = child;
  }

  /** Whether Python still runs: an exit is not told to a thread that never returns to its loop. */
  private alive(): boolean {
    try {
      return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${this.child?.pid}/stat`, 'latin1'));
    } catch {
      return false;
    }
  }

  private send(message: Json): void {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.toPython, bytes, at);
  }

  /** Waits for a line; a Python that died is told by the end of the pipe once it had opened it, and by its state before. */
  private receive(): { [key: string]: Json } {
    const chunk = Buffer.allocUnsafe(65_536);
    const began = Date.now();
    let seen = false;
    for (let idle = 0; ; ) {
      const end = this.held.indexOf(10);
      if (end >= 0) {
        const line = this.held.toString('utf8', 0, end);
        this.held = this.held.subarray(end + 1);
        return JSON.parse(line) as { [key: string]: Json };
      }
      let n = 0;
      try {
        n = readSync(this.fromPython, chunk);
        if (n > 0) {
          seen = true;
          idle = 0;
          this.held = Buffer.concat([this.held, chunk.subarray(0, n)]);
          continue;
        }
        // Nothing and no writer: Python has not opened its end yet, or it is gone.
        if (seen || !this.alive() || Date.now() - began > 10_000) break;
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'EAGAIN') throw e;
        seen = true;
      }
      Atomics.wait(nap, 0, 0, Math.min(2, 0.05 * 2 ** Math.min(idle++, 6)));
    }
    this.close();
    throw new SaltError('CommandExecutionError', 'The Python process ended before it answered');
  }

  close(): void {
    this.child?.kill();
    this.child = undefined;
    for (const fd of [this.toPython, this.fromPython]) if (fd >= 0) closeSync(fd);
    this.toPython = this.fromPython = -1;
    this.held = Buffer.alloc(0);
    if (this.dir) rmSync(this.dir, { recursive: true, force: true });
  }
}
