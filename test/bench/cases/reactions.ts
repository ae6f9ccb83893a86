import { quantiles } from '../../../minion/swarm.ts';
import { type Case, type Figure, pause, type Settings } from '../case.ts';
import { cpuOf } from '../processes.ts';
import { onStage, type Side } from '../stage.ts';
import { Ear, Mouth } from '../traffic.ts';
import { loopFigure } from './events.ts';

const BURST = 500;
const IDLE = 40;

const RULES = `reactor:
  - 'bench/run':
    - {root}/run.sls
  - 'bench/job':
    - {root}/job.sls
`;
const FILES = {
  'run.sls': `bench_run:
  runner.event.send:
    - args:
      - tag: bench/done
      - data:
          n: {{ data['n'] }}
`,
  'job.sls': `bench_job:
  local.test.arg:
    - tgt: bench-0
    - arg:
      - {{ data['n'] }}
`,
};

/** The number of the event that an effect goes back to: somewhere in its data, as whatever it came there. */
function numberIn(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (Array.isArray(value)) {
    for (const v of value) {
      const n = numberIn(v);
      if (n !== undefined) return n;
    }
    return undefined;
  }
  if (typeof value === 'object' && value !== null && 'n' in value) return Number(value.n);
  if (typeof value === 'object' && value !== null && 'data' in value) return numberIn(value.data);
  return undefined;
}

async function measure(
  side: Side,
  settings: Settings,
  o: { fire: string; effect: string; matches: (tag: string) => boolean; field: string },
): Promise<Record<string, number>> {
  return onStage(side, { master: RULES, files: FILES }, async (s) => {
    await s.startMaster();
    const swarm = await s.swarm(1, settings.keyDir, 'bench-');
    await swarm.signIn();
    await swarm.listen();
    const ear = await Ear.open(s);
    const mouth = await Mouth.open(s);
    let sent: number[] = [];
    let times = new Map<number, number>();
    ear.want(o.effect, (tag, data, at) => {
      if (!o.matches(tag)) return;
      const n = numberIn(data()[o.field]);
      if (n !== undefined && sent[n] !== undefined && !times.has(n)) times.set(n, at - sent[n]);
    });
    const done = async (count: number, ms: number): Promise<void> => {
      for (const end = performance.now() + ms; times.size < count && performance.now() < end; ) await pause(1);
    };
    const round = async (count: number): Promise<number[]> => {
      sent = [];
      times = new Map();
      for (let n = 0; n < count; n++) {
        await pause(60);
        sent[n] = performance.timeOrigin + performance.now();
        mouth.fire(o.fire, n);
        await done(n + 1, 10_000);
      }
      return [...times.values()];
    };
    if (!(await round(5)).length) throw new Error('no event had an effect');
    const idle = quantiles(await round(IDLE));
    // One burst unmeasured: a compiler at run time is slow at first, and a daemon lives long.
    sent = Array.from({ length: BURST }, () => 0);
    times = new Map();
    mouth.burst(o.fire, BURST);
    await done(BURST, 90_000);
    await pause(500);
    sent = [];
    times = new Map();
    await s.loopDelay();
    const before = cpuOf(s.master);
    const began = performance.timeOrigin + performance.now();
    sent = Array.from({ length: BURST }, () => began);
    mouth.burst(o.fire, BURST);
    await done(BURST, 90_000);
    const end = performance.timeOrigin + performance.now();
    await pause(1000);
    const cpu = ((cpuOf(s.master) - before) / BURST) * 1000;
    const loop = await s.loopDelay();
    const burst = quantiles([...times.values()]);
    const last = Math.max(...times.values());
    ear.close();
    mouth.close();
    return {
      rate: (times.size / (times.size < BURST ? end - began : last)) * 1000,
      cpu,
      idle: idle.p50,
      idle_p99: idle.p99,
      burst: burst.p50,
      burst_p99: burst.p99,
      lost: BURST - times.size,
      ...(loop === undefined ? {} : { loop }),
    };
  });
}

function figures(what: string, ratio: number, more: number): Figure[] {
  return [
    {
      key: 'rate',
      title: `event to ${what}, burst of ${BURST} after one of warming up`,
      unit: '/s',
      better: 'more',
      least: { ratio },
      astonish: { ratio: more },
    },
    {
      key: 'cpu',
      title: `event to ${what}, master CPU each`,
      unit: 'ms',
      better: 'less',
      least: { ratio },
      astonish: { ratio: more },
    },
    { key: 'idle', title: `event to ${what}, idle, p50`, unit: 'ms', better: 'less', least: { bound: 3 } },
    {
      key: 'burst',
      title: `event to ${what}, burst, p50`,
      unit: 'ms',
      better: 'less',
      least: { ratio },
      astonish: { ratio: more },
    },
    loopFigure(`a burst to ${what}`),
  ];
}

/** An event whose reaction runs a runner function: until the runner's return is on the bus. */
export const runnerReactions: Case = {
  name: 'reaction-runner',
  figures: figures('runner reaction', 40, 100),
  measure: (side, settings) =>
    measure(side, settings, {
      fire: 'bench/run',
      effect: 'salt/run/',
      matches: (tag) => tag.endsWith('/ret'),
      field: 'fun_args',
    }),
};

/** An event whose reaction publishes a job: until the job's `new` event is on the bus. */
export const jobReactions: Case = {
  name: 'reaction-job',
  figures: figures('published job', 15, 30),
  measure: (side, settings) =>
    measure(side, settings, {
      fire: 'bench/job',
      effect: 'salt/job/',
      matches: (tag) => tag.endsWith('/new'),
      field: 'arg',
    }),
};
