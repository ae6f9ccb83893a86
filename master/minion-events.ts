import type { EventBus, Fired, Origin } from '../bus/event.ts';
import { MAX_TAG } from '../bus/frame.ts';
import type { Log } from '../bus/log.ts';
import { isReserved, tags } from '../bus/tags.ts';
import type { WireMap } from '../bus/values.ts';
import { readEvents } from '../bus/wire/loads.ts';

/** Least time between two `refused` events about one minion, ms; refusals in between are counted into the next. */
const TELL_EVERY = 1000;

/**
 * Takes the events that minions fire. The final tag is judged on every way in (one event, a list, with `pretag`): what belongs to the master or names
 * another minion is dropped, counted, and told by an event. The minion is answered when its events are safe in the log.
 */
export class MinionEvents {
  accepted = 0;
  refused = 0;
  private readonly told = new Map<string, { at: number; count: number }>();

  constructor(
    private readonly bus: EventBus,
    private readonly log: Log,
    /** Whether an accepted minion may forward as a syndic (`order_masters`). */
    private readonly syndics: boolean,
  ) {}

  async take(load: WireMap): Promise<null | false> {
    const id = String(load['id']);
    const ask = readEvents(load);
    if (!ask) return false;
    const origin: Origin = `minion/${id}`;
    const fired: Fired[] = [];
    const fire = (tag: string, data: WireMap): void => {
      if (tag === '' || tag.includes('\n\n') || tag.length > MAX_TAG || isReserved(tag, id, { syndic: this.syndics }))
        this.refuse(id, tag);
      else {
        this.accepted++;
        fired.push(this.bus.fire(tag, data, { origin }));
      }
    };
    if (ask.events)
      for (const event of ask.events) {
        if (ask.pretag !== undefined) fire(`${ask.pretag}/${event.tag}`, event.data);
        fire(event.tag, event.data);
      }
    else fire(ask.tag as string, load);
    await Promise.all(fired.map((f) => f.durable));
    return null;
  }

  private refuse(id: string, tag: string): void {
    this.refused++;
    const now = Date.now();
    const last = this.told.get(id);
    if (last && now - last.at < TELL_EVERY) {
      last.count++;
      return;
    }
    const count = (last?.count ?? 0) + 1;
    this.told.set(id, { at: now, count: 0 });
    if (this.told.size > 10_000) this.told.delete(this.told.keys().next().value as string);
    this.log.warning(`Minion ${id} fired the reserved tag ${JSON.stringify(tag.slice(0, 200))}: refused`);
    this.bus.fire(tags.refused(id), { id, tag: tag.slice(0, 1024), count }, { origin: 'master' });
  }
}
