/**
 * A beacon: looks at something of the machine each time it is asked and answers what is worth an event. Runs in the daemon: it is quick,
 * starts no program and never blocks. What it throws is told as an event and logged; the other beacons go on.
 */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { PyDict, WireMap } from '../../bus/values.ts';

/** What a beacon is handed. */
export interface BeaconCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** What the beacon remembers from one look to the next; one map for each configured name. */
  readonly memory: Map<string, unknown>;
}

/** What a beacon saw: the event's data (`id` is added), and what its tag ends in. */
export interface Sight {
  readonly tag?: string;
  readonly data: WireMap;
}

/** One beacon; a plug-in exports it as default. */
export interface Beacon {
  /** What is wrong with a configuration, in Salt's words; undefined when it is good. `items` is the configured list merged into one map. */
  validate(items: PyDict): string | undefined;
  /** Looks once. The options of the loop (`interval` and so on) are taken out of `items`. */
  look(items: PyDict, ctx: BeaconCtx): readonly Sight[];
  /** Lets go of what it holds, when it is stopped or its configuration changes. */
  close?(ctx: BeaconCtx): void;
}
