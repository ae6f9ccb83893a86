import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import type { RequestOptions } from './channel.ts';

/** Whoever can carry a request to a master. */
export interface Requester {
  readonly name: string;
  request(cmd: string, load: WireMap, options?: RequestOptions): Promise<Wire>;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A moment as C's asctime writes it, in local time: `Mon Nov 23 05:22:53 2026`. */
export function asctime(t: Date = new Date()): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
  return `${DAYS[t.getDay()]} ${MONTHS[t.getMonth()]} ${String(t.getDate()).padStart(2)} ${time} ${t.getFullYear()}`;
}

/** Loads a minion sends of its own accord, with the reference's fields and order. */
export class MasterTalk {
  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly to: Requester,
  ) {}

  /** Asks for the pillar; undefined (logged) when the master does not give one. */
  async pillar(grains: PyDict, clean: boolean): Promise<PyDict | undefined> {
    const { opts, log } = this;
    const override = opts.get('pillar_override');
    try {
      const got = toPy(
        await this.to.request(MINION_COMMAND.pillar, {
          id: opts.str('id'),
          grains: toWire(grains),
          saltenv: toWire(opts.get('saltenv') ?? 'base'),
          pillarenv: toWire(opts.get('pillarenv') ?? null),
          pillar_override: override instanceof PyDict ? toWire(override) : {},
          extra_minion_data: {},
          ver: '2',
          ...(clean ? { clean_cache: true } : {}),
        }),
      );
      if (got instanceof PyDict) return got;
      log.error('Got a bad pillar from the master');
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      log.error(`Pillar data could not be refreshed. One or more masters may be down! (${messageOf(e)})`);
    }
    return undefined;
  }

  /** The events of a start and the list of resources (none), in the reference's order. */
  async announce(grains: PyDict): Promise<void> {
    const id = this.opts.str('id');
    const text = `Minion ${id} started at ${asctime()}`;
    const extra: WireMap = {};
    const names = this.opts.list('start_event_grains');
    if (names.length) {
      const chosen = new PyDict();
      for (const [k, v] of grains) if (names.includes(k)) chosen.set(k, v);
      extra['grains'] = toWire(chosen);
    }
    if (this.opts.flag('enable_legacy_startup_events', true))
      await this.fire({ data: text, tag: tags.minionStartLegacy, pretag: null, extra });
    await this.registerResources();
    await this.fire({ data: text, tag: tags.minionStart(id), pretag: null, extra });
  }

  /** Tells the master that this minion manages no resources, which clears what an earlier one may have registered. */
  async registerResources(): Promise<void> {
    try {
      await this.to.request(MINION_COMMAND.registerResources, {
        id: this.opts.str('id'),
        resources: {},
        resource_grains: {},
      });
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.log.warning(`Unable to register resources with master: ${messageOf(e)}`);
    }
  }

  /** Fires an event, or several, on the master's bus; false (logged) when it did not get there. */
  async fire(event: { data?: Wire; tag: string; events?: Wire[]; pretag: Wire; extra?: WireMap }): Promise<boolean> {
    const { data, tag, events, pretag } = event;
    const load: WireMap = { id: this.opts.str('id'), pretag };
    if (events?.length) load['events'] = events;
    else if (!tag) return false;
    else {
      load['data'] = isEmpty(data) ? {} : (data as Wire);
      load['tag'] = tag;
    }
    try {
      await this.to.request(MINION_COMMAND.event, { ...load, ...event.extra });
      return true;
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.log.info(`fire_master failed: master could not be contacted. ${messageOf(e)}`);
      return false;
    }
  }
}

/** What Python takes for false among data. */
function isEmpty(v: Wire | undefined): boolean {
  if (v === undefined || v === null || v === false || v === '' || v === 0) return true;
  return (
    typeof v === 'object' &&
    !(v instanceof Uint8Array) &&
    Object.keys(v).length === 0 &&
    !(v instanceof PyDict && v.size)
  );
}
