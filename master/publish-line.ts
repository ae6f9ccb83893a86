/** Time in ms for which publishes are signed in a row. */
const SLICE_MS = 4;

/**
 * Publishes in line: each is sealed and signed (RSA, half a millisecond) in order, a few milliseconds at a time, so that a burst of jobs
 * leaves everything else its turn. The first of a turn goes at once.
 */
export class PublishLine<T> {
  private readonly waiting: T[] = [];
  private busy = false;

  /** @param failed told what `send` threw; the others go on. */
  constructor(
    private readonly send: (publish: T) => void,
    private readonly failed: (e: unknown) => void,
  ) {}

  push(publish: T): void {
    this.waiting.push(publish);
    if (!this.busy) this.run();
  }

  private run(): void {
    const end = performance.now() + SLICE_MS;
    let at = 0;
    while (at < this.waiting.length) {
      this.attempt(this.waiting[at++] as T);
      if (performance.now() > end) break;
    }
    this.waiting.splice(0, at);
    this.busy = true;
    setImmediate(() => {
      this.busy = false;
      if (this.waiting.length) this.run();
    });
  }

  private attempt(publish: T): void {
    try {
      this.send(publish);
    } catch (e) {
      this.failed(e);
    }
  }

  /** Sends all that waits. */
  flush(): void {
    for (const publish of this.waiting.splice(0)) this.attempt(publish);
  }
}
