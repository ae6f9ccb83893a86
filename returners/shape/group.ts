import type { SaltError } from '../../bus/errors.ts';
import type { ReturnerCtx } from '../contract.ts';
import { toJson } from './json.ts';
import { linkFor } from './link.ts';

/** Gathers single writes that are asked for at once into few large ones. Writes of one group run one after the other. */
export class Group<T> {
  private waiting: { item: T; bytes: number; ok: () => void; fail: (e: unknown) => void }[] = [];
  private running = false;

  /**
   * @param write writes all items or none. A failure that trying again cannot cure makes each item be written for itself, so that one
   * that the store refuses takes no other with it.
   */
  constructor(
    private readonly write: (items: readonly T[]) => Promise<void>,
    private readonly most = 500,
    private readonly mostBytes = 4_000_000,
  ) {}

  /** Settles once the item is in the store, or refused. */
  add(item: T, bytes: number): Promise<void> {
    return new Promise((ok, fail) => {
      this.waiting.push({ item, bytes, ok, fail });
      if (this.running) return;
      this.running = true;
      setImmediate(() => void this.run());
    });
  }

  private take(): typeof this.waiting {
    let bytes = 0;
    let n = 0;
    for (const w of this.waiting) {
      bytes += w.bytes;
      if (n > 0 && (n >= this.most || bytes > this.mostBytes)) break;
      n++;
    }
    return this.waiting.splice(0, n);
  }

  private async run(): Promise<void> {
    while (this.waiting.length) await this.put(this.take());
    this.running = false;
  }

  private async put(group: typeof this.waiting): Promise<void> {
    try {
      await this.write(group.map((g) => g.item));
      for (const g of group) g.ok();
    } catch (e) {
      if (group.length > 1 && (e as SaltError).retryable === false) for (const g of group) await this.put([g]);
      else for (const g of group) g.fail(e);
    }
  }
}

/** The group of returns that go to the same place as those of this context: same profile, same overrides. */
export function groupFor<T>(ctx: ReturnerCtx, write: (items: readonly T[]) => Promise<void>): Group<T> {
  const key = `returns ${ctx.retConfig ?? ''} ${toJson(ctx.retKwargs ?? {})}`;
  return linkFor(ctx.context, key, () => ({ group: new Group<T>(write), close: async () => undefined })).group;
}
