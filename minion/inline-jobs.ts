import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import { type CallPlace, Calls, Modules, noMaster } from './call.ts';
import type { MinionFacts } from './facts.ts';
import { jobInfo } from './job-info.ts';
import { runJob } from './run-job.ts';

/** Modules that the daemon itself may load: small ones, some of whose functions are quick. All others live in job processes. */
const LIGHT: ReadonlySet<string> = new Set(['test', 'saltutil', 'grains']);

/** What quick jobs need of the daemon. */
export interface InlineParts {
  opts: Opts;
  log: Log;
  facts(): MinionFacts;
  fire(tag: string, data: WireMap): boolean;
  order(name: string, data: WireMap): Wire | Promise<Wire>;
}

/** Runs functions marked quick in the daemon's own process, without a fork. */
export class InlineJobs {
  private readonly modules: Modules;
  private readonly place: CallPlace;

  constructor(private readonly parts: InlineParts) {
    const { opts, log } = parts;
    this.modules = new Modules(opts, log);
    this.place = {
      opts,
      log,
      grains: () => parts.facts().grains ?? new PyDict(),
      pillar: () => parts.facts().pillar,
      // A quick function waits for nobody: one that needs the master is not marked quick.
      master: noMaster,
      fireLocal: parts.fire,
      daemon: (order, data = {}) => {
        const answer = parts.order(order, data);
        return answer instanceof Promise ? null : (toPy(answer) as Py);
      },
    };
  }

  /** The return of a job whose function is quick; undefined for any other. */
  run(load: WireMap): Promise<WireMap> | undefined {
    const fun = load['fun'];
    if (typeof fun !== 'string') return undefined;
    const module = fun.slice(0, fun.indexOf('.'));
    if (!LIGHT.has(module) || this.modules.replaced(module)) return undefined;
    const calls = new Calls(this.modules, this.place, jobInfo(load));
    if (calls.find(fun)?.quick !== true) return undefined;
    const { parts } = this;
    const facts = parts.facts();
    return runJob(load, {
      opts: parts.opts,
      log: parts.log,
      calls,
      context: calls.context,
      grains: facts.grains ?? new PyDict(),
      pillar: facts.pillar,
      connected: facts.connected,
      fireLocal: parts.fire,
    });
  }
}
