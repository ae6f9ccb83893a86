import type { BusEvent, EventBus } from '../bus/event.ts';
import { tags } from '../bus/tags.ts';
import { asMap } from '../bus/wire/loads.ts';
import type { MinionReturn, Publication } from './client.ts';
import type { Publisher, PublishOrder } from './publish.ts';

/** How long to wait, seconds; Salt's `timeout` and `gather_job_timeout`. */
export interface Patience {
  timeout: number;
  gatherJobTimeout: number;
}

/** What gathering needs. */
export interface GatherParts {
  bus: EventBus;
  publisher: Publisher;
  /** Whether an id, one that has been here before, is known not to be connected now: absence as against silence. */
  absent: (id: string) => boolean;
}

/** How long a minion that says it does not run the job may still be sending its return, ms. */
const GRACE_MS = 1000;

/** Reads the event of a return. */
export function returnOf(event: BusEvent): MinionReturn {
  const load = event.data;
  const retcode = load['retcode'];
  const success = load['success'];
  const made: MinionReturn = {
    id: String(load['id']),
    ret: load['return'] ?? null,
    retcode: typeof retcode === 'number' ? retcode : worst(retcode) || (success === false ? 1 : 0),
    success: typeof success === 'boolean' ? success : success !== undefined || retcode === 0 || retcode === undefined,
    load,
  };
  if (typeof load['out'] === 'string') made.out = load['out'];
  return made;
}

/** The largest code of a job with several functions. */
function worst(retcode: unknown): number {
  const codes = Object.values(asMap(retcode as never) ?? {}).filter((c): c is number => typeof c === 'number');
  return codes.length ? Math.max(...codes) : 0;
}

/**
 * Publishes a job and yields its returns as they come. Minions that are silent for `timeout` seconds are asked by find_job, and
 * those that still run the job again every `gather_job_timeout` seconds; one that does not answer within that time, or does not
 * run the job, is yielded as lost. Stops when the caller leaves.
 */
export async function* gather(
  parts: GatherParts,
  order: PublishOrder,
  patience: Patience,
  jid: string,
  published: (p: Publication) => void,
  signal?: AbortSignal,
): AsyncGenerator<MinionReturn> {
  const inbox = new Inbox();
  const stop = inbox.listen(parts.bus, jid);
  signal?.addEventListener('abort', () => inbox.wake());
  try {
    const publication = await parts.publisher.publish({ ...order, jid });
    published(publication);
    if (publication.error !== undefined) return;
    yield* new Round(parts, order, patience, publication, inbox, signal).returns();
  } finally {
    stop();
  }
}

/** Returns that have come and not been taken, and a bell. */
class Inbox {
  readonly items: MinionReturn[] = [];
  private bell: (() => void) | undefined;
  /** Rung while nobody waited. */
  private rung = false;

  listen(bus: EventBus, jid: string): () => void {
    const subscription = bus.on(tags.jobReturn(jid, '*')).subscribe((e) => {
      this.items.push(returnOf(e));
      this.wake();
    });
    return () => subscription.unsubscribe();
  }

  wake(): void {
    this.rung = !this.bell;
    this.bell?.();
    this.bell = undefined;
  }

  /** Waits for an item, a wake-up or so many ms; what came since the last wait ends it at once. */
  wait(ms: number): Promise<void> {
    if (this.rung) {
      this.rung = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), Math.max(0, ms));
      this.bell = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

class Round {
  private readonly pending: Set<string>;
  private readonly lost: MinionReturn[] = [];
  private readonly returned = new Set<string>();

  constructor(
    private readonly parts: GatherParts,
    private readonly order: PublishOrder,
    private readonly patience: Patience,
    private readonly publication: Publication,
    private readonly inbox: Inbox,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.pending = new Set(publication.minions);
  }

  private get over(): boolean {
    return this.signal?.aborted === true;
  }

  private *taken(): Generator<MinionReturn> {
    for (const ret of this.inbox.items.splice(0)) {
      this.pending.delete(ret.id);
      this.returned.add(ret.id);
      yield ret;
    }
  }

  async *returns(): AsyncGenerator<MinionReturn> {
    let deadline = performance.now() + this.patience.timeout * 1000;
    while (!this.over) {
      yield* this.taken();
      if (!this.pending.size) break;
      const left = deadline - performance.now();
      if (left > 0) await this.inbox.wait(left);
      else {
        const asked = performance.now();
        yield* this.ask();
        deadline = asked + this.patience.gatherJobTimeout * 1000;
      }
    }
    if (this.over) return;
    // Ids of a list target that no key is accepted for: nobody waits for them, but they are told of.
    for (const id of [...this.publication.missing].sort()) if (!this.returned.has(id)) yield this.lostOne(id);
  }

  /** One find_job round: yields what returns meanwhile, drops who is lost from the pending. */
  private async *ask(): AsyncGenerator<MinionReturn> {
    const answers = new Map<string, boolean>();
    const asked = [...this.pending];
    const jid = await this.publishFindJob(asked, answers);
    const end = performance.now() + this.patience.gatherJobTimeout * 1000;
    while (!this.over && jid !== undefined && performance.now() < end) {
      yield* this.taken();
      if (![...this.pending].some((id) => !answers.has(id))) break;
      await this.inbox.wait(end - performance.now());
    }
    this.stopAsking?.();
    const idle = [...this.pending].some((id) => answers.get(id) === false);
    if (idle && !this.over) await this.inbox.wait(GRACE_MS);
    yield* this.taken();
    for (const id of [...this.pending]) {
      const runs = answers.get(id);
      if (runs === true) continue;
      this.pending.delete(id);
      this.lost.push(runs === false ? { ...this.lostOne(id), lost: 'no return' } : this.lostOne(id));
    }
    yield* this.lost.splice(0);
  }

  private lostOne(id: string): MinionReturn {
    const load = { id, jid: this.publication.jid };
    return {
      id,
      ret: null,
      retcode: 1,
      success: false,
      load,
      lost: this.parts.absent(id) ? 'not connected' : 'no response',
    };
  }

  private stopAsking: (() => void) | undefined;

  private async publishFindJob(ids: string[], answers: Map<string, boolean>): Promise<string | undefined> {
    const jid = this.parts.publisher.newJid();
    const subscription = this.parts.bus.on(tags.jobReturn(jid, '*')).subscribe((e) => {
      const answer = asMap(e.data['return']);
      answers.set(String(e.data['id']), answer !== undefined && Object.keys(answer).length > 0);
      this.inbox.wake();
    });
    this.stopAsking = () => subscription.unsubscribe();
    const made = await this.parts.publisher.publish({
      tgt: ids,
      tgtType: 'list',
      fun: 'saltutil.find_job',
      arg: [this.publication.jid],
      ret: '',
      user: this.order.user,
      jid,
      origin: this.order.origin,
      cause: `jid/${this.publication.jid}`,
    });
    return made.error === undefined ? made.jid : undefined;
  }
}
