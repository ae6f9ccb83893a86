import { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { Beacons } from './beacons.ts';
import { jitter } from './clock.ts';
import type { Facts } from './facts.ts';
import type { Jobs } from './jobs.ts';
import { ReturnerSpool } from './returner-spool.ts';
import { MinionSchedule } from './schedule.ts';

/** How often returns that a returner did not take are looked for, in ms. */
const RETURNER_SWEEP = 5000;

/** Time between two looks at schedule and beacons, in ms. */
const TICK = 1000;

/** What a minion does of its own accord: the mine, pings, states at the start, its schedule and its beacons. */
export class Chores {
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly jids = new JidSource();
  /** The schedule; runs from {@link start} on. */
  readonly schedule: MinionSchedule;
  private readonly beacons: Beacons;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly jobs: Jobs,
    private readonly facts: Facts,
    fire: (tag: string, data: WireMap) => void,
    private readonly random: () => number = Math.random,
  ) {
    this.schedule = new MinionSchedule({
      opts,
      log,
      random,
      facts: () => facts.all,
      take: (job) => jobs.take(job),
      running: (name) => jobs.scheduled(name),
      fire,
    });
    this.beacons = new Beacons({
      opts,
      log,
      pillar: () => facts.all.pillar,
      stateRuns: () => jobs.runs('state.'),
      seen: (events) => fire(tags.fireMaster, { data: null, tag: null, events, pretag: null }),
    });
  }

  /** Calls something again and again until {@link stop}; keeps no process alive. */
  every(ms: number, act: () => void): void {
    const t = setInterval(act, ms);
    t.unref();
    this.timers.add(t);
  }

  stop(): void {
    for (const t of this.timers) clearInterval(t);
  }

  /** Begins: `mine_interval` (at once and then), `ping_interval`, `startup_states`, schedule, beacons. */
  start(ping: () => void, masterless: boolean): void {
    const { opts } = this;
    if (opts.flag('mine_enabled', true)) {
      this.updateMine();
      const minutes = opts.num('mine_interval', 60);
      if (minutes > 0) this.every(jitter(minutes * 60_000, 0.05, this.random), () => this.updateMine());
    }
    const minutes = opts.num('ping_interval', 0);
    if (minutes > 0) this.every(minutes * 60_000, ping);
    this.startupStates(masterless);
    const spool = new ReturnerSpool(opts, this.log, () => ({ pillar: this.facts.all.pillar }));
    this.every(RETURNER_SWEEP, () => void spool.sweep());
    this.schedule.start(Date.now());
    this.tick();
    this.every(TICK, () => this.tick());
  }

  private tick(): void {
    this.schedule.tick(Date.now());
    this.beacons.tick(Date.now());
  }

  private updateMine(): void {
    if (!this.facts.mention('mine_functions')) return;
    this.jobs.take({ load: { jid: this.jids.next(), fun: 'mine.update', arg: [], ret: '' }, wanted: false });
  }

  private startupStates(masterless: boolean): void {
    const { opts } = this;
    const wanted = opts.str('startup_states');
    if (!wanted) return;
    if (masterless && opts.str('file_client', 'remote') === 'remote') {
      this.log.warning(
        "Cannot run startup_states when 'master_type' is set to 'disable' and 'file_client' is set to 'remote'. Skipping.",
      );
      return;
    }
    const [fun, arg]: [string, Wire[]] =
      wanted === 'sls'
        ? ['state.sls', [opts.list('sls_list') as Wire[]]]
        : wanted === 'top'
          ? ['state.top', [opts.str('top_file')]]
          : ['state.highstate', []];
    this.jobs.take({ load: { jid: 'req', ret: opts.str('ext_job_cache'), fun, arg }, wanted: true });
  }
}
