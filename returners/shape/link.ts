/** One connection to a store, opened at need, shared by all calls of a process, and no reason for the process to stay alive. */

/** What a driver has to offer for a {@link Link}. */
export interface Wired {
  /** False once the connection is of no more use; the next call then opens another. */
  readonly alive: boolean;
  /** Whether the process must live on for it. */
  hold(on: boolean): void;
  close(): Promise<void> | void;
}

/** Opens its connection at the first call and again after it broke; a failed try is that call's error and nobody else's. */
export class Link<C extends Wired> {
  private current: Promise<C> | undefined;
  private busy = 0;

  constructor(private readonly open: () => Promise<C>) {}

  /** Runs some work on the connection; the process stays alive until it has settled. */
  async use<T>(work: (connection: C) => Promise<T>): Promise<T> {
    const c = await this.connection();
    if (this.busy++ === 0) c.hold(true);
    try {
      return await work(c);
    } finally {
      if (--this.busy === 0) c.hold(false);
    }
  }

  private async connection(): Promise<C> {
    const known = this.current;
    if (known) {
      const c = await known;
      if (c.alive) return c;
      if (this.current === known) {
        this.current = undefined;
        await c.close();
      }
    }
    this.current ??= this.open().catch((e: unknown) => {
      this.current = undefined;
      throw e;
    });
    return this.current;
  }

  async close(): Promise<void> {
    const c = this.current;
    this.current = undefined;
    if (c) await c.then((open) => open.close()).catch(() => undefined);
  }
}

/** The link for these settings out of a returner's context, so that each profile has one of its own. */
export function linkFor<L>(context: Map<string, unknown>, key: string, make: () => L): L {
  const slot = `link ${key}`;
  let link = context.get(slot) as L | undefined;
  if (!link) {
    link = make();
    context.set(slot, link);
  }
  return link;
}

/** Closes every link of a context. */
export async function closeLinks(context: Map<string, unknown>): Promise<void> {
  for (const [slot, link] of [...context])
    if (slot.startsWith('link ')) {
      context.delete(slot);
      await (link as { close(): Promise<void> }).close();
    }
}
