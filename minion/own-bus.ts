import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { filter, firstValueFrom, from, map, merge, take } from 'rxjs';
import type { EventBus } from '../bus/event.ts';
import { openBus } from '../bus/event-bus.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { MemoryEventStore } from '../bus/store/memory.ts';
import { tags } from '../bus/tags.ts';
import { type EventSockets, minionEventSockets, serveEventSockets } from '../bus/transport/ipc.ts';
import type { WireMap } from '../bus/values.ts';
import type { Requester } from './master-talk.ts';

/** Events kept for late readers. */
const KEPT_EVENTS = 1000;
/** Tags with which the minion says that a refresh is over (`salt.defaults.events`). */
export const REFRESHED = {
  pillar: '/salt/minion/minion_pillar_refresh_complete',
  modules: '/salt/minion/minion_mod_refresh_complete',
} as const;

/** The minion's own bus, with Salt's two event sockets. */
export class OwnBus {
  private constructor(
    readonly bus: EventBus,
    private readonly sockets: EventSockets,
    private readonly id: string,
  ) {}

  /** Opens bus and sockets; rejects with PortInUse where another minion of this id runs. */
  static async open(opts: Opts, log: Log): Promise<OwnBus> {
    const id = opts.str('id');
    const bus = openBus({ store: new MemoryEventStore({ count: KEPT_EVENTS }), log });
    const dir = opts.str('sock_dir');
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const paths = minionEventSockets(dir, id, opts.str('hash_type', 'sha256'));
    const sockets = await serveEventSockets({ bus, log, ...paths, origin: `minion/${id}` });
    return new OwnBus(bus, sockets, id);
  }

  fire(tag: string, data: WireMap): boolean {
    this.bus.fire(tag, data, { origin: `minion/${this.id}` });
    return true;
  }

  /**
   * The way to a master for what jobs ask of it: each request and its answer is an event here, as in the reference. Only while
   * somebody listens at the event socket, for such requests can be large.
   */
  telling(to: Requester): Requester {
    return {
      name: to.name,
      request: async (cmd, load, options) => {
        if (!this.sockets.readers) return to.request(cmd, load, options);
        const id = randomUUID();
        this.fire(tags.masterRequest(id, to.name), { ...load, cmd });
        const ret = await to.request(cmd, load, options);
        this.fire(tags.masterAnswer(id), { ret });
        return ret;
      },
    };
  }

  /** Fires an event and waits for another that answers it: whether it came in time and did not say `complete: false`. */
  async ask(tag: string, data: WireMap, answer: string, seconds: number): Promise<boolean> {
    const late = new Promise<boolean>((done) => setTimeout(() => done(false), seconds * 1000).unref());
    const seen = firstValueFrom(
      merge(this.bus.on(`${answer}*`).pipe(map((e) => e.data['complete'] !== false)), from(late)).pipe(
        filter((v) => typeof v === 'boolean'),
        take(1),
      ),
    );
    this.fire(tag, data);
    return seen;
  }

  async close(): Promise<void> {
    await this.sockets.close();
    await this.bus.close();
  }
}
