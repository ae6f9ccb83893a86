/** A running place on which the steps of recorded cases are done, with an ear on its buses. */
import { SaltError, SaltEvent } from '../../bus/program.ts';
import { ControlClient } from '../../bus/transport/control.ts';
import type { WireMap } from '../../bus/values.ts';
import { openPlace, type Place, type PlaceOptions, type Ran } from '../services/place.ts';
import { type CameEvent, cameEvent } from './bus-events.ts';
import type { Json } from './marks.ts';

/** A step: what to do, then its words. */
export type Step = readonly [string, ...Json[]];

const JID = /(?<!\d)20[2-9]\d{17}(?!\d)/g;
/** Longest time for one command line, ms. */
const COMMAND_MS = 45_000;
const sleep = (ms: number): Promise<void> => new Promise((ok) => setTimeout(ok, ms));

/** Everything that came on one bus, in order. */
export class Ear {
  readonly events: CameEvent[] = [];
  lastAt = performance.now();
  private readonly bus: SaltEvent;
  private readonly over: Promise<void>;

  constructor(node: 'master' | 'minion', sockDir: string, id?: string) {
    const bus = new SaltEvent(node, sockDir, id === undefined ? {} : { id });
    this.bus = bus;
    this.over = (async () => {
      for await (const e of bus.iterEvents({ full: true })) {
        this.events.push(cameEvent(e));
        this.lastAt = performance.now();
      }
    })();
  }
  /** Connects; keeps trying for so long while nobody is there. */
  async connect(ms: number): Promise<void> {
    const end = performance.now() + ms;
    for (;;)
      try {
        await this.bus.connect();
        return;
      } catch (e) {
        if (!(e instanceof SaltError) || performance.now() > end) throw e;
        await sleep(25);
      }
  }
  async close(): Promise<void> {
    this.bus.close();
    await this.over;
  }
}

/** A place, who is up on it, and what was heard. */
export class Stage {
  readonly up = new Set<string>();
  private ear: Ear | undefined;
  private readonly minionEars = new Map<string, Ear>();
  private mark = 0;
  /** Jobs of earlier cases: what they still bring is no part of this one. */
  private readonly old = new Set<string>();

  private constructor(
    readonly place: Place,
    private readonly ids: readonly string[],
  ) {}

  static async open(options: PlaceOptions & { minions: readonly string[] }): Promise<Stage> {
    return new Stage(await openPlace(options), options.minions);
  }

  /** Starts the master and some minions, and waits until each is up. */
  async start(minions: readonly string[]): Promise<void> {
    await this.startMaster();
    const waits = minions.map((id) => this.place.until(`salt/minion/${id}/start`, 30));
    for (const id of minions) {
      this.place.minion(id).start();
      this.up.add(id);
    }
    await Promise.all(waits);
    for (const id of minions) {
      const ear = new Ear('minion', this.place.sockDir, id);
      await ear.connect(5000);
      this.minionEars.set(id, ear);
    }
    await this.quiet(400, 3000);
  }

  private async startMaster(): Promise<void> {
    this.place.master.start();
    this.ear ??= new Ear('master', this.place.sockDir);
    await this.ear.connect(20_000);
  }

  /** Begins a case: what came until now is forgotten. */
  begin(): void {
    const heard = this.ear?.events ?? [];
    for (const e of heard.slice(this.mark)) for (const jid of JSON.stringify(e).match(JID) ?? []) this.old.add(jid);
    this.mark = heard.length;
    for (const ear of this.minionEars.values()) ear.events.length = 0;
  }

  /** What came on the master's bus since the case began. */
  heard(): CameEvent[] {
    return (this.ear?.events ?? []).slice(this.mark).filter((e) => {
      const jid = e.tag.match(JID)?.[0];
      return jid === undefined || !this.old.has(jid);
    });
  }

  /** What came on a minion's bus since the case began. */
  heardOn(id: string): readonly CameEvent[] {
    return this.minionEars.get(id)?.events ?? [];
  }

  /** Waits until the bus was quiet for `ms`, at most `limit` ms. */
  async quiet(ms: number, limit: number): Promise<void> {
    const end = performance.now() + limit;
    const began = performance.now();
    while (performance.now() < end) {
      const since = performance.now() - Math.max(this.ear?.lastAt ?? 0, began);
      if (since >= ms) return;
      await sleep(Math.min(50, ms));
    }
  }

  /** Waits until `enough`, then for a quiet moment in which surplus events would come; gives up after `limit` ms. */
  async settle(enough: () => boolean, limit: number): Promise<void> {
    const end = performance.now() + limit;
    while (!enough() && performance.now() < end) await sleep(40);
    await this.quiet(400, 1500);
  }

  /** Waits until an event of such a tag comes in this case. */
  async hears(tag: RegExp, limit: number): Promise<void> {
    const end = performance.now() + limit;
    while (!this.heard().some((e) => tag.test(e.tag)) && performance.now() < end) await sleep(20);
  }

  /** Waits until an event of a tag was heard at any time. */
  async everHeard(tag: string, limit: number): Promise<boolean> {
    const end = performance.now() + limit;
    for (;;) {
      if (this.ear?.events.some((e) => e.tag === tag)) return true;
      if (performance.now() > end) return false;
      await sleep(100);
    }
  }

  /** Does a step. Answers its exit code, or how it failed, for steps that have one. */
  async do([what, ...words]: Step): Promise<number | string | null | undefined> {
    const text = words.map(String);
    const [program, on] = what.split('@') as [string, string?];
    switch (program) {
      case 'salt':
      case 'salt-run':
      case 'salt-key':
      case 'salt-call':
        return (await this.run(program, text, on)).code;
      case 'start':
        this.place.minion(text[0]!).start();
        this.up.add(text[0]!);
        return undefined;
      case 'stop':
        await this.place.minion(text[0]!).stop();
        this.up.delete(text[0]!);
        return undefined;
      case 'start-master':
        await this.startMaster();
        return undefined;
      case 'stop-master':
        await this.place.master.stop();
        return undefined;
      case 'sleep':
        await sleep(Number(words[0]) * 1000);
        return undefined;
      case 'fire': {
        const { _stamp, ...data } = (words[1] ?? {}) as { [k: string]: Json };
        const bus = this.place.events();
        await bus.fireEvent(data as WireMap, text[0]!);
        bus.close();
        return undefined;
      }
      case 'wheel':
        return this.wheel(text[0]!, (words[1] ?? {}) as { [k: string]: Json });
      case 'killjob':
      case 'termjob':
        await this.endJob(program === 'killjob' ? 'saltutil.kill_job' : 'saltutil.term_job', text);
        return undefined;
      default:
        throw new Error(`a step that is not known: ${what}`);
    }
  }

  /** Runs a command line of this place. */
  run(program: string, args: readonly string[], on?: string, input?: string): Promise<Ran> {
    return this.place.run(program, args, {
      timeout: COMMAND_MS,
      ...(on === undefined ? {} : { on }),
      ...(input === undefined ? {} : { input }),
    });
  }

  /** A wheel function by a program that names no user. */
  private async wheel(fun: string, kwarg: { [k: string]: Json }): Promise<string | undefined> {
    const client = await ControlClient.connect(`${this.place.sockDir}/master_control.ipc`);
    try {
      const { __kwarg__, ...named } = kwarg;
      await client.request('wheel', { fun, kwarg: named as WireMap, wait: true });
      return undefined;
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      return `${e.code}: ${e.message}`;
    } finally {
      client.close();
    }
  }

  /** Starts a job, and once it runs ends it by a second one. */
  private async endJob(fun: string, [tgt, ...call]: string[]): Promise<void> {
    const { stdout } = await this.run('salt', ['--async', tgt!, ...call]);
    const jid = stdout.match(JID)?.[0];
    if (!jid) throw new Error(`no job id in ${stdout}`);
    await sleep(1000);
    await this.run('salt', [tgt!, fun, jid]);
  }

  async close(): Promise<void> {
    await this.ear?.close();
    for (const ear of this.minionEars.values()) await ear.close();
    await this.place.close();
  }

  /** Text of every log, for a place that did not come up. */
  logs(): string {
    return [this.place.master, ...this.ids.map((id) => this.place.minion(id))]
      .map((d) => `--- ${d.name}\n${d.log().slice(-2000)}`)
      .join('\n');
  }
}
