import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, median, pause } from '../case.ts';
import { cpuOf, fineCpuOf, memoryOf, timed } from '../processes.ts';
import { onStage, type Side } from '../stage.ts';
import { Ear } from '../traffic.ts';

const TIMES = 5;

async function cost(side: Side, program: string, args: readonly string[]): Promise<{ cpu: number; wall: number }> {
  const runs: { cpu: number; wall: number }[] = [];
  for (let i = 0; i < TIMES; i++) {
    const run = await timed([join(side.bin, program), ...args]);
    if (run.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${run.code}\n${run.stderr}`);
    runs.push(run);
  }
  return { cpu: median(runs.map((r) => r.cpu)), wall: median(runs.map((r) => r.wall)) };
}

/** `salt --version`. */
export const version: Case = {
  name: 'version',
  figures: [
    {
      key: 'cpu',
      title: 'salt --version',
      unit: 's CPU',
      better: 'less',
      least: { ratio: 6 },
      astonish: { ratio: 8 },
    },
  ],
  measure: (side) => cost(side, 'salt', ['--version']),
};

/** `salt-call --local test.ping`. */
export const call: Case = {
  name: 'salt-call',
  figures: [
    {
      key: 'cpu',
      title: 'salt-call --local test.ping',
      unit: 's CPU',
      better: 'less',
      least: { ratio: 8 },
      astonish: { ratio: 12 },
    },
  ],
  measure: (side) =>
    onStage(side, { files: { 'call/minion': 'id: bench\nroot_dir: {root}/call\n' } }, (s) =>
      cost(side, 'salt-call', ['-c', join(s.root, 'call'), '--local', 'test.ping']),
    ),
};

/** One master and one real minion: start, rest, and the command lines beside them. */
export const daemons: Case = {
  name: 'daemons',
  figures: [
    {
      key: 'start',
      title: 'start of master and minion to the first answer, keys made',
      unit: 's',
      better: 'less',
      least: { ratio: 4 },
      astonish: { ratio: 6 },
    },
    {
      key: 'keys',
      title: 'salt-key -L',
      unit: 's CPU',
      better: 'less',
      least: { ratio: 6 },
      astonish: { ratio: 9 },
    },
    {
      key: 'ping_cpu',
      title: "salt '*' test.ping, one minion",
      unit: 's CPU',
      better: 'less',
      least: { ratio: 7 },
      astonish: { ratio: 10 },
    },
    {
      key: 'ping_wall',
      title: "salt '*' test.ping, one minion, wall",
      unit: 's',
      better: 'less',
      least: { ratio: 7 },
      astonish: { ratio: 10, bound: 0.1 },
    },
    {
      key: 'master_pss',
      title: 'idle master (PSS)',
      unit: 'MiB',
      better: 'less',
      least: { ratio: 2.5, bound: 110 },
      astonish: { ratio: 4 },
    },
    {
      key: 'minion_pss',
      title: 'idle minion (PSS)',
      unit: 'MiB',
      better: 'less',
      least: { ratio: 1.4, bound: 52 },
      astonish: { ratio: 1.5 },
    },
    {
      key: 'idle_cpu',
      title: 'idle CPU of the master',
      unit: '%',
      better: 'less',
      least: { ratio: 5 },
      astonish: { ratio: 20 },
    },
  ],
  measure: (side) =>
    onStage(side, {}, async (s) => {
      const began = performance.now();
      s.launchMaster();
      const minion = s.launchMinion('alpha');
      while (!existsSync(s.sockets.pub)) await pause(10);
      const ear = await Ear.open(s, 0);
      ear.want('salt/minion/alpha/start');
      // Who starts a daemon and a minion asks until somebody answers; both sides are asked as soon as the minion says that it is up.
      for (const end = Date.now() + 60_000; ; ) {
        await ear.until(1, 3000);
        const ran = await s.run('salt', '-t', '5', '*', 'test.ping').catch((e: unknown) => {
          if (Date.now() > end) throw e;
        });
        if (ran?.stdout.includes('True')) break;
      }
      const start = (performance.now() - began) / 1000;
      ear.close();
      const out: Record<string, number> = { start };
      await pause(5000);
      const [m, n] = [memoryOf(s.master), memoryOf(minion)];
      await pause(10_000);
      const idle = fineCpuOf(s.master);
      const since = performance.now();
      await pause(20_000);
      out['idle_cpu'] = ((fineCpuOf(s.master) - idle) / ((performance.now() - since) / 1000)) * 100;
      // Some systems take cold pages away: what is left after that is told besides.
      out['master_pss_rested'] = memoryOf(s.master).pss;
      out['minion_pss_rested'] = memoryOf(minion).pss;
      out['master_pss'] = m.pss;
      out['master_own'] = m.own;
      out['master_processes'] = m.processes;
      out['minion_pss'] = n.pss;
      out['minion_own'] = n.own;
      const key = ['-c', join(s.root, 'master'), '-L'];
      out['keys'] = (await cost(side, 'salt-key', key)).cpu;
      const before = cpuOf(s.master);
      const ping = await cost(side, 'salt', ['-c', join(s.root, 'master'), '*', 'test.ping']);
      out['ping_master_cpu'] = (cpuOf(s.master) - before) / TIMES;
      out['ping_cpu'] = ping.cpu;
      out['ping_wall'] = ping.wall;
      return out;
    }),
};
