import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controlEvents } from '../../bus/control-events.ts';
import { openBus } from '../../bus/event-bus.ts';
import { packFrame } from '../../bus/frame.ts';
import { quietLog } from '../../bus/log.ts';
import { SaltEvent } from '../../bus/program.ts';
import { SegmentStore } from '../../bus/store/segment.ts';
import { ControlServer } from '../../bus/transport/control.ts';
import { masterEventSockets, serveEventSockets, wrapFrame } from '../../bus/transport/ipc.ts';
import { lengthPrefixed } from '../../bus/transport/local.ts';
import type { WireMap } from '../../bus/values.ts';
import { decodeBus, MsgpackStream } from '../../bus/wire/payload.ts';

/*
 * Figures of the bus: raw socket one listener, a program's own client, durable before the answer, latency at 200/s. The bus, its
 * firers and its listener are processes of their own, as in service. `--json` prints one line of JSON.
 */

const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 50_000);
const data = (i: number): WireMap => ({
  i,
  id: 'minion-17',
  fill: 'some text as events carry it, of usual length, so that it is about two hundred bytes in all',
  list: [1, 2, 3],
});
const say = (m: unknown): void => void process.send?.(m);
const until = async (f: () => boolean, ms: number): Promise<void> => {
  const end = performance.now() + ms;
  while (!f() && performance.now() < end) await new Promise((r) => setTimeout(r, 2));
};

async function busProcess(dir: string): Promise<void> {
  const bus = openBus({ store: await SegmentStore.open(join(dir, 'log')), log: quietLog });
  await serveEventSockets({ bus, ...masterEventSockets(dir), origin: 'master', log: quietLog });
  const events = controlEvents(bus);
  await ControlServer.listen(join(dir, 'master_control.ipc'), {
    mode: 0o600,
    handle: (cmd, load, stream) => (cmd === 'fire' ? events.fire(load) : events.events(load, stream)),
  });
  process.on('message', () => process.exit(0));
  say('ready');
}

/** Counts what arrives; told `count n`, it reports when n more are there. */
async function listenerProcess(dir: string): Promise<void> {
  const stream = new MsgpackStream();
  let seen = 0;
  let want = 0;
  let began = 0;
  const delays: number[] = [];
  const socket = connect(masterEventSockets(dir).pub, () => say('ready'));
  socket.on('data', (c) => {
    const now = performance.timeOrigin + performance.now();
    for (const m of stream.push(c as Buffer)) {
      if (want < 0) {
        const body = Buffer.from((decodeBus(m) as { body: Uint8Array }).body);
        delays.push(now - (decodeBus(body.subarray(body.indexOf('\n\n') + 2)) as { t: number }).t);
      }
      if (seen++ === 0) began = now;
    }
    if (want > 0 && seen >= want) report(now);
  });
  const report = (now: number): void => {
    say({ seen, ms: now - began, delays });
    seen = 0;
    want = 0;
    delays.length = 0;
  };
  process.on('message', (m: number | 'end' | 'report') => {
    if (m === 'end') process.exit(0);
    else if (m === 'report') report(performance.timeOrigin + performance.now());
    else want = m;
  });
}

async function firerProcess(dir: string, kind: string): Promise<void> {
  if (kind === 'raw') {
    const socket = connect(masterEventSockets(dir).pull);
    const parts: Buffer[] = [];
    for (let i = 0; i < EVENTS; i++)
      parts.push(
        lengthPrefixed(wrapFrame(packFrame('bench/raw', { ...data(i), _stamp: '2030-01-01T00:00:00.000000+00:00' }))),
      );
    const t = performance.now();
    for (let i = 0; i < parts.length; i += 100)
      if (!socket.write(Buffer.concat(parts.slice(i, i + 100)))) await new Promise((r) => socket.once('drain', r));
    await new Promise<void>((r) => socket.end(r));
    process.send?.({ ms: performance.now() - t }, () => process.disconnect());
    return;
  }
  const events = new SaltEvent('master', dir);
  const timed = kind === 'latency';
  const total = timed ? 1000 : EVENTS;
  await events.fireEvent({ warm: 1 }, 'warm/up');
  const t = performance.now();
  let open = 0;
  let ok = 0;
  let failed = 0;
  for (let i = 0; i < total; i++) {
    open++;
    const extra: WireMap = timed ? { t: performance.timeOrigin + performance.now() } : {};
    events.fireEvent({ ...data(i), ...extra }, 'bench/own').then(
      () => {
        open--;
        ok++;
      },
      () => {
        open--;
        failed++;
      },
    );
    if (timed) await new Promise((r) => setTimeout(r, 5 * (i + 1) - (performance.now() - t)));
    // A program that fires in bulk waits now and then.
    else if (i % 500 === 499) while (open > 4000) await new Promise((r) => setImmediate(r));
  }
  await until(() => open === 0, 30_000);
  events.close();
  process.send?.({ ms: performance.now() - t, ok, failed }, () => process.disconnect());
}

interface Child {
  next(): Promise<Record<string, unknown> | string>;
  send(m: string | number): void;
  exited: Promise<void>;
}
function start(role: string, dir: string, kind = ''): Child {
  const child = fork(process.argv[1] as string, [role, dir, kind], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const box: (Record<string, unknown> | string)[] = [];
  let wake: (() => void) | undefined;
  child.on('message', (m) => {
    box.push(m as string);
    wake?.();
  });
  return {
    next: async () => {
      while (!box.length)
        await new Promise<void>((r) => {
          wake = r;
        });
      return box.shift() as string;
    },
    send: (m) => void child.send(m),
    exited: new Promise((r) => child.once('exit', () => r())),
  };
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'brine-bench-'));
  const bus = start('bus', dir);
  await bus.next();
  const listener = start('listener', dir);
  await listener.next();
  const figures: Record<string, number> = {};

  const run = async (kind: string, count: number): Promise<[Record<string, number>, Record<string, number>]> => {
    listener.send(count);
    const firer = start('firer', dir, kind);
    const fired = (await firer.next()) as Record<string, number>;
    let timer: NodeJS.Timeout | undefined;
    if (count > 0) timer = setTimeout(() => listener.send('report'), 10_000);
    else setTimeout(() => listener.send('report'), 200);
    const heard = (await listener.next()) as Record<string, number>;
    clearTimeout(timer);
    await firer.exited;
    return [fired, heard];
  };

  const [, raw] = await run('raw', EVENTS);
  figures['raw_per_s'] = (((raw['seen'] as number) - 1) / (raw['ms'] as number)) * 1000;
  figures['raw_lost'] = EVENTS - (raw['seen'] as number);
  const [own, heard] = await run('own', EVENTS + 1);
  figures['client_per_s'] = (((heard['seen'] as number) - 2) / (heard['ms'] as number)) * 1000;
  figures['client_lost'] = EVENTS + 1 - (heard['seen'] as number);
  figures['durable_per_s'] = ((own['ok'] as number) / (own['ms'] as number)) * 1000;
  figures['durable_failed'] = own['failed'] as number;
  const [, timed] = await run('latency', -1);
  const delays = (timed['delays'] as unknown as number[]).filter((d) => !Number.isNaN(d)).sort((a, b) => a - b);
  figures['latency_p50_ms'] = delays[Math.floor(delays.length * 0.5)] as number;
  figures['latency_p99_ms'] = delays[Math.floor(delays.length * 0.99)] as number;
  bus.send('end');
  listener.send('end');
  await Promise.all([bus.exited, listener.exited]);
  rmSync(dir, { recursive: true, force: true });
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else
    for (const [k, v] of Object.entries(figures))
      process.stdout.write(`${k.padEnd(18)} ${v < 10 ? v.toFixed(3) : Math.round(v)}\n`);
}

const [role, dir = '', kind = ''] = process.argv.slice(2);
const work =
  role === 'bus'
    ? busProcess(dir)
    : role === 'listener'
      ? listenerProcess(dir)
      : role === 'firer'
        ? firerProcess(dir, kind)
        : main();
work.catch((e: unknown) => {
  console.error(e);
  process.exit(1);
});
