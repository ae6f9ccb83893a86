const cell = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread for a time in milliseconds: for job processes, never for a daemon's main thread. */
export function sleepSync(ms: number): void {
  for (let left = ms; left > 0; left -= 2 ** 30) Atomics.wait(cell, 0, 0, Math.min(left, 2 ** 30));
}

/** A share of `base` between 1 - spread and 1 + spread of it, so that many minions do not act in step. */
export function jitter(base: number, spread = 0.25, random: () => number = Math.random): number {
  return base * (1 - spread + 2 * spread * random());
}
