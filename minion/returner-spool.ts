/**
 * Returns on their way to returners. Each is a file under `cachedir/returner_spool` before its returner is first called and until the
 * returner has taken it, so neither a database that is down nor a kill loses it. At least once: returners know doubles by jid and id.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { isWireMap, type PyDict, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import type { Returner, ReturnerCtx } from '../returners/contract.ts';

declare const __brine_dist: string;

/** A return for one returner. */
export interface ReturnerLetter {
  readonly name: string;
  readonly ret: WireMap;
  readonly config?: string;
  readonly kwargs?: WireMap;
  /** The return came without a job of the master's: its load is kept too. */
  readonly standalone?: boolean;
}

/** Where a returner may look for its options besides the configuration. */
export interface ReturnerFacts {
  readonly pillar?: PyDict;
  readonly grains?: PyDict;
}

/** Finds a returner by name: undefined when there is none; throws what keeps it from loading. */
export type FindReturner = (name: string) => Returner | undefined;

/** The built-in returners. A name comes from a job: it is a module's name, never a path. */
export const builtInReturner: FindReturner = (name) => {
  if (!/^[A-Za-z_]\w*$/.test(name)) return undefined;
  const path = join(__brine_dist, 'returners', `${name}.js`);
  if (!existsSync(path)) return undefined;
  return (createRequire(path)(path) as { default?: Returner }).default;
};

/** A return that another process has in hand is left to it for so long, in ms. */
const IN_HAND = 120_000;
const FIRST_PAUSE = 5000;
const LONGEST_PAUSE = 300_000;
let counter = 0;

/** Sends returns to returners, now or later. */
export class ReturnerSpool {
  private readonly contexts = new Map<string, ReturnerCtx>();
  private readonly jids = new JidSource();
  private sweeping: Promise<number> | undefined;
  /** Place to when it may be tried again, and the pause after that. */
  private readonly resting = new Map<string, { until: number; pause: number }>();

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly facts: () => ReturnerFacts = () => ({}),
    private readonly find: FindReturner = builtInReturner,
    private readonly clock: () => number = Date.now,
  ) {}

  private get dir(): string {
    return join(this.opts.str('cachedir'), 'returner_spool');
  }

  /** How many returns wait on disk. */
  get waiting(): number {
    return this.names().length;
  }

  /** Keeps a return on disk and tries once; settles when the try is over. Never throws. */
  async send(letter: ReturnerLetter): Promise<void> {
    const { name } = letter;
    let returner: Returner | undefined;
    try {
      returner = this.load(name, letter);
    } catch (e) {
      this.log.error(`Returner ${name}.returner could not be loaded: ${messageOf(e)}`);
      return;
    }
    if (!returner) {
      this.log.error(`Returner ${name}.returner could not be loaded: '${name}.returner' is not available.`);
      return;
    }
    // A return of no job gets its job id here, so that a second try files it under the same one.
    const alone = letter.ret['jid'] === 'req' || letter.ret['jid'] === undefined;
    const own = alone ? { ...letter, standalone: true, ret: { ...letter.ret, jid: this.jids.next() } } : letter;
    let file: string | undefined;
    try {
      file = this.put(own);
    } catch (e) {
      this.log.error(`The return of job ${String(own.ret['jid'])} could not be kept on disk: ${messageOf(e)}`);
    }
    await this.deliver(returner, own, file);
  }

  /** Ends the connections that were opened. */
  async close(): Promise<void> {
    for (const [name, ctx] of this.contexts) {
      this.contexts.delete(name);
      await this.find(name)?.close?.(ctx);
    }
  }

  /** Tries what waits, oldest first; a place that fails rests, longer each time. Answers how many were delivered. */
  sweep(): Promise<number> {
    this.sweeping ??= this.run().finally(() => {
      this.sweeping = undefined;
    });
    return this.sweeping;
  }

  private async run(): Promise<number> {
    let delivered = 0;
    const now = this.clock();
    for (const file of this.names()) {
      const [written, pid] = file.split('-').map(Number) as [number, number];
      if (now - written < IN_HAND && (pid === process.pid || alive(pid)) && !this.tried.has(file)) continue;
      const letter = this.read(file);
      if (!letter) continue;
      const place = `${letter.name} ${letter.config ?? ''} ${encodeBus(letter.kwargs ?? {}).toString('base64')}`;
      const rest = this.resting.get(place);
      if (rest && rest.until > now) continue;
      let returner: Returner | undefined;
      try {
        returner = this.load(letter.name, letter);
      } catch (e) {
        this.log.debug(`Returner ${letter.name} does not load: ${messageOf(e)}`);
      }
      if (returner && (await this.deliver(returner, letter, file))) {
        delivered++;
        this.resting.delete(place);
      } else {
        const pause = Math.min(rest ? rest.pause * 2 : FIRST_PAUSE, LONGEST_PAUSE);
        this.resting.set(place, { until: this.clock() + pause, pause });
      }
    }
    if (delivered) await this.close();
    return delivered;
  }

  /** Files of this process whose first try is over. */
  private readonly tried = new Set<string>();

  private async deliver(returner: Returner, letter: ReturnerLetter, file: string | undefined): Promise<boolean> {
    const { ret } = letter;
    const jid = String(ret['jid']);
    const ctx = this.context(letter);
    try {
      if (letter.standalone && returner.jobCache) await returner.jobCache.saveLoad(jid, ret, undefined, ctx);
      await returner.returner(ret, ctx);
      this.forget(file);
      return true;
    } catch (e) {
      this.log.error(`The return failed for job ${jid}: ${messageOf(e)}`);
      if (e instanceof SaltError && !e.retryable) {
        this.log.critical(`Returner ${letter.name} refuses the return of job ${jid}: it is given up`);
        this.forget(file);
        return true;
      }
      if (file !== undefined) this.tried.add(file);
      return false;
    }
  }

  private forget(file: string | undefined): void {
    if (file === undefined) return;
    this.tried.delete(file);
    rmSync(join(this.dir, file), { force: true });
  }

  private load(name: string, letter: ReturnerLetter): Returner | undefined {
    const returner = this.find(name);
    const virtual = returner?.virtual?.(this.context(letter)) ?? true;
    if (typeof virtual === 'object') throw new SaltError('LoaderError', virtual.reason);
    return returner;
  }

  private context(letter: ReturnerLetter): ReturnerCtx {
    const { name, config, kwargs } = letter;
    let ctx = this.contexts.get(name);
    if (!ctx) {
      ctx = { opts: this.opts, log: this.log.child(`returners.${name}`), context: new Map() };
      this.contexts.set(name, ctx);
    }
    return {
      ...ctx,
      ...this.facts(),
      ...(config === undefined ? {} : { retConfig: config }),
      ...(kwargs === undefined ? {} : { retKwargs: kwargs }),
    };
  }

  private put(letter: ReturnerLetter): string {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const file = `${this.clock()}-${process.pid}-${counter++}.p`;
    const temporary = join(this.dir, `.${file}`);
    writeFileSync(temporary, encodeBus(letter), { mode: 0o600 });
    renameSync(temporary, join(this.dir, file));
    return file;
  }

  private read(file: string): ReturnerLetter | undefined {
    const path = join(this.dir, file);
    try {
      const letter = decodeBus(readFileSync(path));
      if (!isWireMap(letter) || !isWireMap(letter['ret'])) throw new Error('not a return');
      return letter as unknown as ReturnerLetter;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.log.error(`A kept return is damaged and set aside: ${path}: ${messageOf(e)}`);
      renameSync(path, join(this.dir, `.damaged-${file}`));
      return undefined;
    }
  }

  private names(): string[] {
    try {
      return readdirSync(this.dir)
        .filter((n) => /^\d+-\d+-\d+\.p$/.test(n))
        .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    } catch {
      // No folder, nothing waits.
      return [];
    }
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
}
