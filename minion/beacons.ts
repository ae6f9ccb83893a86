/** The beacons of a minion: each configured one is looked at in its interval, and what it sees goes to the master as events. */
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { type Py, PyDict, type WireMap } from '../bus/values.ts';
import { PluginFolder } from '../sls/loader.ts';
import { truth } from '../sls/values.ts';
import type { Beacon } from './beacons/contract.ts';
import { extmodsDir } from './extmods-dir.ts';

/** What beacons need of the daemon. */
export interface BeaconsParts {
  opts: Opts;
  log: Log;
  pillar(): PyDict;
  /** Whether a function of `state` runs now (`disable_during_state_run`). */
  stateRuns(): boolean;
  /** Takes what was seen, in Salt's form for `_minion_event`. */
  seen(events: WireMap[]): void;
  /** Where a beacon's name is looked up; our own and the operators' by default. */
  find?(name: string): Beacon | undefined;
}

/** Options of the loop, which no beacon sees. */
const LOOP = ['enabled', 'interval', 'disable_during_state_run', 'beacon_module', 'run_once'];

const isBeacon = (v: unknown): v is Beacon =>
  typeof v === 'object' && v !== null && typeof (v as { look?: unknown }).look === 'function';

/** See the head of this file. {@link tick} is to be called about once a second. */
export class Beacons {
  private readonly folder: PluginFolder<Beacon> | undefined;
  private readonly next = new Map<string, number>();
  private readonly memories = new Map<string, Map<string, unknown>>();
  private readonly told = new Set<string>();
  private readonly over = new Set<string>();

  constructor(private readonly parts: BeaconsParts) {
    const { opts, log } = parts;
    if (!parts.find)
      this.folder = new PluginFolder<Beacon>({
        folder: 'minion/beacons',
        dirs: [
          ...opts.list('module_dirs').map((d) => join(String(d), 'beacons')),
          join(extmodsDir(opts.str('cachedir')), 'beacons'),
        ],
        accepts: isBeacon,
        log,
      });
  }

  private find(name: string): Beacon | undefined {
    return this.parts.find ? this.parts.find(name) : this.folder?.get(name);
  }

  /** What is configured: the pillar's, and over it the configuration's. */
  configured(): PyDict {
    const pillar = this.parts.pillar().get('beacons');
    return new PyDict([...(pillar instanceof PyDict ? pillar : []), ...this.parts.opts.dict('beacons')]);
  }

  private problem(name: string, message: string): void {
    if (this.told.has(`${name}\0${message}`)) return;
    this.told.add(`${name}\0${message}`);
    this.parts.log.error(message);
  }

  /** Looks at every beacon that is due and hands on what they saw, all in one. */
  tick(now: number): void {
    const all = this.configured();
    if (!all.size || (all.has('enabled') && !truth(all.get('enabled') ?? null))) return;
    const events: WireMap[] = [];
    for (const [key, config] of all) if (key !== 'enabled') this.look(String(key), config, now, events);
    if (events.length) this.parts.seen(events);
  }

  private look(name: string, config: Py, now: number, events: WireMap[]): void {
    const items = merged(config);
    if (!items) {
      this.problem(
        name,
        `Beacon ${name} configuration invalid, not running.\nConfiguration for ${name} beacon must be a list.`,
      );
      return;
    }
    const option = (key: string): Py => items.get(key) ?? null;
    if (this.over.has(name) || (items.has('enabled') && !truth(option('enabled')))) return;
    const module = truth(option('beacon_module')) ? String(option('beacon_module')) : name;
    const beacon = this.find(module);
    if (!beacon) {
      this.problem(name, `Unable to process beacon ${name}`);
      return;
    }
    const own = new PyDict([...items].filter(([k]) => !LOOP.includes(String(k))));
    const wrong = beacon.validate(own);
    if (wrong !== undefined) {
      this.problem(name, `Beacon ${name} configuration invalid, not running.\n${wrong}`);
      return;
    }
    if (!this.isDue(name, Number(option('interval') ?? 0), now)) return;
    const ctx = { opts: this.parts.opts, log: this.parts.log, memory: this.memory(name) };
    if (truth(option('disable_during_state_run')) && this.parts.stateRuns()) {
      beacon.close?.(ctx);
      return;
    }
    const id = this.parts.opts.str('id');
    try {
      for (const { tag, data } of beacon.look(own, ctx))
        events.push({
          tag: tags.beacon(id, name, tag ?? ''),
          data: { ...data, id: data['id'] ?? id },
          beacon_name: module,
        });
      if (truth(option('run_once'))) this.over.add(name);
    } catch (e) {
      this.problem(name, `Unable to start ${name} beacon, ${messageOf(e)}`);
      events.push({ tag: tags.beacon(id, name), error: messageOf(e), data: {}, beacon_name: module });
    }
  }

  private memory(name: string): Map<string, unknown> {
    const found = this.memories.get(name) ?? new Map<string, unknown>();
    this.memories.set(name, found);
    return found;
  }

  /** As Salt counts: the first look comes one interval after the start. */
  private isDue(name: string, seconds: number, now: number): boolean {
    if (!(seconds > 0)) return true;
    const at = this.next.get(name);
    if (at !== undefined && now < at) return false;
    this.next.set(name, now + seconds * 1000);
    return at !== undefined;
  }
}

/** A beacon's configuration as one map: a list of maps, or (the old form) a map. */
function merged(config: Py): PyDict | undefined {
  if (config instanceof PyDict) return config;
  if (!Array.isArray(config)) return undefined;
  return new PyDict((config as Py[]).flatMap((one) => (one instanceof PyDict ? [...one] : [])));
}
