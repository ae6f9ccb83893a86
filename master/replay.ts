/**
 * Remembers the nonces of requests for as long as the requests could be played again. Sixteen bytes a request, in two generations: a nonce is known for at
 * least one generation's time. Only authentic requests come here, so a chance collision of 64 bits is the only false alarm.
 */
export class ReplayWindow {
  private now: NonceSet;
  private before: NonceSet;
  private turned: number;

  /**
   * @param seconds how long a nonce must be known at least.
   * @param clock milliseconds; the process's own steady clock by default.
   */
  constructor(
    private readonly seconds: number,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.now = new NonceSet();
    this.before = new NonceSet();
    this.turned = this.clock();
  }

  /** Remembers a nonce (hexadecimal text); false when it was known. */
  first(nonce: string): boolean {
    const at = this.clock();
    if (at - this.turned > this.seconds * 1000) {
      this.before = at - this.turned > this.seconds * 2000 ? new NonceSet() : this.now;
      this.now = new NonceSet();
      this.turned = at;
    }
    const high = Number.parseInt(nonce.slice(0, 8), 16);
    const low = Number.parseInt(nonce.slice(8, 16), 16);
    if (!Number.isInteger(high) || !Number.isInteger(low)) return false;
    if (this.before.has(high, low)) return false;
    return this.now.add(high, low);
  }

  /** Nonces held at present. */
  get size(): number {
    return this.now.size + this.before.size;
  }
}

/** An open-addressed set of 64-bit numbers; the pair (0, 0) is kept apart as it marks free slots. */
class NonceSet {
  size = 0;
  private zero = false;
  private slots = new Uint32Array(512);

  private find(high: number, low: number): number {
    const mask = this.slots.length / 2 - 1;
    for (let i = (low ^ high) & mask; ; i = (i + 1) & mask) {
      const h = this.slots[i * 2]!;
      const l = this.slots[i * 2 + 1]!;
      if ((h === high && l === low) || (h === 0 && l === 0)) return i;
    }
  }

  has(high: number, low: number): boolean {
    if (high === 0 && low === 0) return this.zero;
    const i = this.find(high, low);
    return this.slots[i * 2] === high && this.slots[i * 2 + 1] === low;
  }

  add(high: number, low: number): boolean {
    if (high === 0 && low === 0) {
      const fresh = !this.zero;
      this.zero = true;
      return fresh;
    }
    const i = this.find(high, low);
    if (this.slots[i * 2] === high && this.slots[i * 2 + 1] === low) return false;
    this.slots[i * 2] = high;
    this.slots[i * 2 + 1] = low;
    if (++this.size * 4 > this.slots.length) this.grow();
    return true;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    for (let i = 0; i < old.length; i += 2) {
      const high = old[i]!;
      const low = old[i + 1]!;
      if (high === 0 && low === 0) continue;
      const at = this.find(high, low);
      this.slots[at * 2] = high;
      this.slots[at * 2 + 1] = low;
    }
  }
}
