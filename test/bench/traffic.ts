import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { packFrame } from '../../bus/frame.ts';
import { SaltEvent } from '../../bus/program.ts';
import { wrapFrame } from '../../bus/transport/ipc.ts';
import { lengthPrefixed } from '../../bus/transport/local.ts';
import type { WireMap } from '../../bus/values.ts';
import { asBytes, asMap } from '../../bus/wire/loads.ts';
import { decodeBus, MsgpackStream } from '../../bus/wire/payload.ts';
import type { Stage } from './stage.ts';

/** Now, comparable between processes of one machine, in ms. */
export const now = (): number => performance.timeOrigin + performance.now();

/** The data of an event under test: some two hundred bytes, as events have. */
export const sample = (n: number): WireMap => ({
  n,
  id: 'minion-17',
  fill: 'some text as events carry it, of usual length, so that it is about two hundred bytes in all',
  list: [1, 2, 3],
});

const stamped = (n: number, extra: WireMap = {}): WireMap => ({
  ...sample(n),
  ...extra,
  _stamp: new Date().toISOString().replace('Z', '000'),
});

/** One event as the raw socket of either master takes it. */
function rawEvent(tag: string, n: number, extra?: WireMap): Buffer {
  return lengthPrefixed(wrapFrame(packFrame(tag, stamped(n, extra))));
}

/** A listener on the raw event socket of either master. */
export class Ear {
  /** Events of a wanted tag, counted, with the first and the last one's time. */
  seen = 0;
  first = 0;
  last = 0;
  private readonly stream = new MsgpackStream();
  private handler: ((tag: string, data: () => WireMap, at: number) => void) | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (c: Buffer) => this.take(c));
  }

  /** Connects; `settle` ms are left to the master to notice. */
  static open(stage: Stage, settle = 100): Promise<Ear> {
    return new Promise((ok, fail) => {
      const socket = connect(stage.sockets.pub, () => setTimeout(() => ok(new Ear(socket)), settle));
      socket.once('error', fail);
    });
  }

  /** Counts events whose tag starts so, from now; without a handler bodies are not decoded. */
  want(prefix: string, handler?: (tag: string, data: () => WireMap, at: number) => void): void {
    this.prefix = Buffer.from(prefix);
    this.handler = handler;
    this.seen = this.first = this.last = 0;
  }
  private prefix: Buffer = Buffer.from('');

  private take(chunk: Buffer): void {
    const at = now();
    for (const m of this.stream.push(chunk)) {
      const bytes = asBytes(asMap(decodeBus(m))?.['body']);
      if (!bytes) continue;
      const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (frame.compare(this.prefix, 0, this.prefix.length, 0, this.prefix.length) !== 0) continue;
      if (this.seen++ === 0) this.first = at;
      this.last = at;
      if (!this.handler) continue;
      const end = frame.indexOf('\n\n');
      this.handler(frame.toString('utf8', 0, end), () => asMap(decodeBus(frame.subarray(end + 2))) ?? {}, at);
    }
  }

  /** Waits until so many were seen, or none came for `quiet` ms. */
  async until(count: number, quiet = 5000): Promise<void> {
    let before = -1;
    let since = performance.now();
    while (this.seen < count) {
      if (this.seen !== before) {
        before = this.seen;
        since = performance.now();
      }
      if (performance.now() - since > quiet) return;
      await new Promise((then) => setTimeout(then, 5));
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Fires raw events on either master's pull socket from this process. */
export class Mouth {
  private constructor(private readonly socket: Socket) {}

  static open(stage: Stage): Promise<Mouth> {
    return new Promise((ok, fail) => {
      const socket = connect(stage.sockets.pull, () => ok(new Mouth(socket)));
      socket.once('error', fail);
    });
  }

  fire(tag: string, n: number, extra?: WireMap): void {
    this.socket.write(rawEvent(tag, n, extra));
  }

  /** All at once. */
  burst(tag: string, count: number): void {
    this.socket.write(Buffer.concat(Array.from({ length: count }, (_, i) => rawEvent(tag, i))));
  }

  close(): void {
    this.socket.end();
  }
}

/** What a firer in a process of its own reports: how long it took, and how many events were acknowledged or refused. */
export interface Fired {
  /** When the first event was fired, ms since the epoch. */
  at: number;
  ms: number;
  ok: number;
  failed: number;
}

function report(child: ChildProcess): Promise<Fired> {
  return new Promise((ok, fail) => {
    let got: Fired | undefined;
    child.on('message', (m) => {
      got = m as Fired;
    });
    child.once('error', fail);
    child.once('exit', (code) => (got ? ok(got) : fail(new Error(`the firer ended with ${code}`))));
  });
}

/** Fires through the raw socket as fast as it takes them, from a process of its own. */
export function fireRaw(stage: Stage, tag: string, count: number): Promise<Fired> {
  return report(fork(process.argv[1] as string, ['firer', 'raw', stage.sockets.pull, tag, String(count)], quiet));
}
const quiet = { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] as ('ignore' | 'inherit' | 'ipc')[] };

/** Fires through the side's own client for programs, from a process of its own: SaltEvent here, salt.utils.event there. */
export function fireOwn(stage: Stage, tag: string, count: number): Promise<Fired> {
  const run = join(stage.root, 'run');
  if (stage.side.name === 'ours')
    return report(fork(process.argv[1] as string, ['firer', 'own', run, tag, String(count)], quiet));
  const python = join(stage.side.bin, 'python3');
  if (!existsSync(python)) throw new Error(`${python} is needed to run the other side's own client`);
  const child = spawn(python, [resolve('test/bench/peer_client.py'), run, tag, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((ok, fail) => {
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (d: string) => {
      out += d;
    });
    child.once('error', fail);
    child.once('close', (code) => (code === 0 ? ok(JSON.parse(out) as Fired) : fail(new Error(`ended with ${code}`))));
  });
}

/** The firer's process. */
export async function firer(kind: string, where: string, tag: string, count: number): Promise<Fired> {
  if (kind === 'raw') {
    const socket = connect(where);
    const parts = Array.from({ length: count }, (_, i) => rawEvent(tag, i));
    const began = performance.now();
    const at = now();
    for (let i = 0; i < parts.length; i += 100)
      if (!socket.write(Buffer.concat(parts.slice(i, i + 100)))) await new Promise((ok) => socket.once('drain', ok));
    await new Promise<void>((ok) => socket.end(ok));
    return { at, ms: performance.now() - began, ok: count, failed: 0 };
  }
  const events = new SaltEvent('master', where);
  await events.fireEvent({ warm: 1 }, 'warm/up');
  const began = performance.now();
  const done = { at: now(), ms: 0, ok: 0, failed: 0 };
  let open = 0;
  const settle = (key: 'ok' | 'failed') => (): void => {
    open--;
    done[key]++;
  };
  for (let i = 0; i < count; i++) {
    open++;
    events.fireEvent(sample(i), tag).then(settle('ok'), settle('failed'));
    // A program that fires in bulk waits for answers now and then.
    if (i % 500 === 499) while (open > 4000) await new Promise((ok) => setImmediate(ok));
  }
  while (open) await new Promise((ok) => setTimeout(ok, 1));
  events.close();
  return { ...done, ms: performance.now() - began };
}
