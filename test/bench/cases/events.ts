import { quantiles } from '../../../minion/swarm.ts';
import { type Case, type Figure, pause } from '../case.ts';
import { cpuOf } from '../processes.ts';
import { onStage } from '../stage.ts';
import { Ear, fireOwn, fireRaw, Mouth } from '../traffic.ts';

/** The row of the event-loop delay under a case's load. */
export function loopFigure(under: string): Figure {
  return {
    key: 'loop',
    title: `event-loop delay of the master under ${under}, p99`,
    unit: 'ms',
    better: 'less',
    least: { bound: 10 },
  };
}

const COUNT = { ours: 60_000, peer: 4000 } as const;
const LATENCY_COUNT = 1000;

/** Events through the bus: raw socket, own client, durable, and how long one takes at 200 a second. */
export const events: Case = {
  name: 'events',
  figures: [
    {
      key: 'raw',
      title: 'events through the bus, raw socket, one listener',
      unit: '/s',
      better: 'more',
      least: { ratio: 15 },
      astonish: { ratio: 30 },
    },
    {
      key: 'own',
      title: "the same from a program's own client",
      unit: '/s',
      better: 'more',
      least: { ratio: 25 },
      astonish: { ratio: 50 },
    },
    {
      key: 'durable',
      title: 'the same, durable before the answer',
      unit: '/s',
      better: 'more',
      least: { bound: 10_000 },
      astonish: { bound: 50_000 },
    },
    {
      key: 'p50',
      title: 'fire to listener at 200/s, p50',
      unit: 'ms',
      better: 'less',
      least: { ratio: 2 },
      astonish: { ratio: 3 },
    },
    {
      key: 'p99',
      title: 'fire to listener at 200/s, p99',
      unit: 'ms',
      better: 'less',
      least: { ratio: 5 },
      astonish: { ratio: 10 },
    },
    loopFigure('events'),
  ],
  measure: (side) =>
    onStage(side, {}, async (s) => {
      await s.startMaster();
      const count = COUNT[side.name];
      const ear = await Ear.open(s);
      const out: Record<string, number> = {};
      // Twice: the first one warms both up.
      for (let i = 0; i < 2; i++) {
        ear.want('bench/raw');
        const before = cpuOf(s.master);
        const fired = await fireRaw(s, 'bench/raw', count);
        await ear.until(count);
        out['raw'] = (ear.seen / (ear.last - fired.at)) * 1000;
        out['raw_lost'] = count - ear.seen;
        out['raw_cpu_us'] = ((cpuOf(s.master) - before) / count) * 1e6;
        await pause(300);
      }
      for (let i = 0; i < 2; i++) {
        ear.want('bench/own');
        const fired = await fireOwn(s, 'bench/own', count);
        await ear.until(count);
        out['own'] = (ear.seen / (ear.last - fired.at)) * 1000;
        out['own_lost'] = count - ear.seen;
        if (side.name === 'ours') out['durable'] = (fired.ok / fired.ms) * 1000;
        out['own_failed'] = fired.failed;
        await pause(300);
      }
      const loop = await s.loopDelay();
      if (loop !== undefined) out['loop'] = loop;
      const mouth = await Mouth.open(s);
      const sent: number[] = [];
      const times: number[] = [];
      ear.want('bench/late', (_tag, data, at) => {
        const n = Number(data()['n']);
        if (n >= 0) times.push(at - (sent[n] as number));
      });
      const began = performance.now();
      for (let n = 0; n < LATENCY_COUNT; n++) {
        await pause(began + 5 * n - performance.now());
        sent[n] = performance.timeOrigin + performance.now();
        mouth.fire('bench/late', n);
      }
      await ear.until(LATENCY_COUNT, 2000);
      const q = quantiles(times);
      mouth.close();
      ear.close();
      return { ...out, ...q, late_lost: LATENCY_COUNT - times.length };
    }),
};
