/**
 * Returns on their way to the master. Each is a file under `cachedir/returns` before it is first sent and until the master has
 * answered, so neither a lost master nor a kill of the minion loses it. At least once: the master knows doubles by jid and id.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { isWireMap, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';

/** A return and the master it is for (its configured name; absent: any). */
export interface Letter {
  to?: string;
  load: WireMap;
}
/** How one try is made: rejects when the master could not be reached or did not answer. */
export type Deliver = (letter: Letter) => Promise<void>;

let counter = 0;

/** Puts a return into the folder and answers its file name. Safe to call from a job process whose daemon has died. */
export function spoolReturn(dir: string, letter: Letter): string {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const name = `${Date.now()}-${process.pid}-${counter++}.p`;
  const temporary = join(dir, `.${name}`);
  writeFileSync(temporary, encodeBus(letter), { mode: 0o600 });
  renameSync(temporary, join(dir, name));
  return name;
}

/** The returns of one minion that are on their way. */
export class Outbox {
  private readonly busy = new Set<string>();
  private sweeping: Promise<void> | undefined;
  private readonly trying = new Set<Promise<unknown>>();
  private closed = false;

  constructor(
    readonly dir: string,
    private readonly deliver: Deliver,
    private readonly log: Log,
  ) {}

  /** How many returns wait on disk. */
  get waiting(): number {
    return this.names().length;
  }

  /** The jobs whose returns wait on disk. */
  jids(): string[] {
    return this.names().flatMap((name) => {
      try {
        const letter = decodeBus(readFileSync(join(this.dir, name)));
        const load = isWireMap(letter) ? letter['load'] : undefined;
        return isWireMap(load) && typeof load['jid'] === 'string' ? [load['jid']] : [];
      } catch {
        // Delivered meanwhile, or damaged: the sweep tells of that.
        return [];
      }
    });
  }

  /**
   * Keeps the return on disk and tries once to deliver it; resolves when the try is over: true when the master has it. A disk
   * that takes nothing is logged, and the return is then sent from memory alone.
   */
  send(letter: Letter): Promise<boolean> {
    const sent = this.sendNow(letter);
    this.trying.add(sent);
    return sent.finally(() => this.trying.delete(sent));
  }

  private async sendNow(letter: Letter): Promise<boolean> {
    const { load } = letter;
    let name: string | undefined;
    try {
      name = spoolReturn(this.dir, letter);
      this.busy.add(name);
    } catch (e) {
      this.log.error(`The return of job ${String(load['jid'])} could not be kept on disk: ${messageOf(e)}`);
    }
    try {
      await this.deliver(letter);
      if (name !== undefined) rmSync(join(this.dir, name), { force: true });
      return true;
    } catch (e) {
      this.log.warning(
        `The minion failed to return the job information for job ${String(load['jid'])}. This is often due to the master being shut down or overloaded. It is kept and sent again later. (${messageOf(e)})`,
      );
      return false;
    } finally {
      if (name !== undefined) this.busy.delete(name);
    }
  }

  /** Delivers what waits on disk, oldest first, until it is empty or a try fails. One sweep at a time. */
  sweep(): Promise<void> {
    this.sweeping ??= this.run().finally(() => {
      this.sweeping = undefined;
    });
    return this.sweeping;
  }

  private async run(): Promise<void> {
    for (const name of this.names()) {
      if (this.closed) return;
      if (this.busy.has(name)) continue;
      const path = join(this.dir, name);
      let letter: Letter;
      try {
        const read = decodeBus(readFileSync(path));
        if (!isWireMap(read) || !isWireMap(read['load'])) throw new Error('not a return');
        letter = { load: read['load'], to: typeof read['to'] === 'string' ? read['to'] : undefined };
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'ENOENT') continue;
        this.log.error(`A kept return is damaged and set aside: ${path}: ${messageOf(e)}`);
        renameSync(path, join(this.dir, `.damaged-${name}`));
        continue;
      }
      this.busy.add(name);
      try {
        await this.deliver(letter);
        rmSync(path, { force: true });
        this.log.info(`The kept return of job ${String(letter.load['jid'])} was delivered`);
      } catch (e) {
        this.log.debug(`A kept return has to wait on: ${messageOf(e)}`);
        return;
      } finally {
        this.busy.delete(name);
      }
    }
  }

  /** Resolves when no try is under way. */
  async idle(): Promise<void> {
    while (this.trying.size) await Promise.allSettled(this.trying);
  }

  close(): void {
    this.closed = true;
  }

  private names(): string[] {
    try {
      return readdirSync(this.dir)
        .filter((n) => !n.startsWith('.') && n.endsWith('.p'))
        .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    } catch {
      return [];
    }
  }
}
