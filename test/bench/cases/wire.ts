import { type Case, pause } from '../case.ts';
import { cpuOf } from '../processes.ts';
import { onStage } from '../stage.ts';
import { sample } from '../traffic.ts';
import { loopFigure } from './events.ts';

const EVENTS = { ours: 30_000, peer: 2000 } as const;
const JOBS = { ours: 60, peer: 15 } as const;
const RETURNING = 100;
const MANY = Number(process.env['BENCH_MINIONS'] ?? 1000);

/** Events of 20 minions, each waiting for the master's answer before its next. */
export const minionEvents: Case = {
  name: 'minion-events',
  figures: [
    {
      key: 'rate',
      title: '_minion_event over the wire, 20 minions',
      unit: '/s',
      better: 'more',
      least: { ratio: 10 },
      astonish: { ratio: 20 },
    },
    loopFigure('_minion_event'),
  ],
  measure: (side, settings) =>
    onStage(side, {}, async (s) => {
      await s.startMaster();
      const swarm = await s.swarm(20, settings.keyDir);
      await swarm.signIn();
      const load = (count: number): ReturnType<typeof swarm.events> =>
        swarm.events({ tag: 'bench/minion', data: sample, rate: 0, count });
      await load(EVENTS[side.name] / 10);
      await s.loopDelay();
      const before = cpuOf(s.master);
      const f = await load(EVENTS[side.name]);
      const cpu = cpuOf(s.master) - before;
      const loop = await s.loopDelay();
      return {
        rate: f.answered / f.seconds,
        p50: f.p50,
        p99: f.p99,
        lost: f.sent - f.answered,
        cpu_ms: (cpu / f.sent) * 1000,
        ...(loop === undefined ? {} : { loop }),
      };
    }),
};

/** Jobs published to 100 minions, until all returns are stored and answered. */
export const returns: Case = {
  name: 'returns',
  figures: [
    {
      key: 'rate',
      title: `returns stored, ${RETURNING} simulated minions`,
      unit: '/s',
      better: 'more',
    },
    {
      key: 'cpu',
      title: 'returns stored, master CPU each',
      unit: 'ms',
      better: 'less',
      least: { ratio: 20 },
      astonish: { ratio: 50 },
    },
    loopFigure('returns'),
  ],
  measure: (side, settings) =>
    onStage(side, {}, async (s) => {
      await s.startMaster();
      const swarm = await s.swarm(RETURNING, settings.keyDir);
      await swarm.signIn();
      await swarm.listen();
      await pause(500);
      const load = async (jobs: number): Promise<number> => {
        const want = swarm.stats.returned + swarm.stats.failed + jobs * RETURNING;
        const began = performance.now();
        for (let i = 0; i < jobs; i++) {
          await s.publish('*', 'test.ping');
          // As fast as they come back, but no more than five jobs ahead.
          const behind = want - (jobs - i - 1) * RETURNING - 5 * RETURNING;
          await until(() => swarm.stats.returned + swarm.stats.failed >= behind, 60_000);
        }
        await until(() => swarm.stats.returned + swarm.stats.failed >= want, 60_000);
        return (performance.now() - began) / 1000;
      };
      await load(2);
      await s.loopDelay();
      const done = swarm.stats.returned;
      const before = cpuOf(s.master);
      const seconds = await load(JOBS[side.name]);
      await pause(500);
      const cpu = cpuOf(s.master) - before;
      const count = swarm.stats.returned - done;
      const loop = await s.loopDelay();
      return {
        rate: count / seconds,
        cpu: (cpu / count) * 1000,
        lost: JOBS[side.name] * RETURNING - count,
        ...(loop === undefined ? {} : { loop }),
      };
    }),
};

async function until(done: () => boolean, ms: number): Promise<void> {
  for (const end = performance.now() + ms; !done() && performance.now() < end; ) await pause(2);
}

/** A thousand minions in one process: their first sign-ins, and one ping by the command line. */
export const swarm: Case = {
  name: 'swarm',
  figures: [
    {
      key: 'sign_in',
      title: 'first sign-ins',
      unit: '/s',
      better: 'more',
      least: { ratio: 2.5 },
      astonish: { ratio: 4 },
    },
    {
      key: 'answer',
      title: `${MANY} simulated minions answer one ping, master CPU an answer`,
      unit: 'ms',
      better: 'less',
      least: { ratio: 25 },
      astonish: { ratio: 60 },
    },
    {
      key: 'wall',
      title: `${MANY} simulated minions answer one ping, wall`,
      unit: 's',
      better: 'less',
      least: { bound: 2 },
    },
    loopFigure('a ping of many'),
  ],
  measure: (side, settings) =>
    onStage(side, {}, async (s) => {
      await s.startMaster();
      const many = await s.swarm(MANY, settings.keyDir);
      const signing = cpuOf(s.master);
      const f = await many.signIn();
      if (f.accepted !== MANY) throw new Error(`${f.failed} sign-ins failed: ${f.why}`);
      const signed = cpuOf(s.master);
      await many.listen();
      await pause(1000);
      const loopSigning = await s.loopDelay();
      const before = cpuOf(s.master);
      const ran = await s.run('salt', '-t', '60', '--out=txt', '*', 'test.ping');
      const cpu = cpuOf(s.master) - before;
      const answers = ran.stdout.split('\n').filter((l) => l.endsWith(': True')).length;
      const loop = await s.loopDelay();
      return {
        sign_in: f.accepted / f.seconds,
        sign_in_cpu_ms: ((signed - signing) / MANY) * 1000,
        answer: (cpu / Math.max(1, answers)) * 1000,
        wall: ran.wall,
        command_cpu: ran.cpu,
        lost: MANY - answers,
        ...(loop === undefined ? {} : { loop, loop_signing: loopSigning as number }),
      };
    }),
};
