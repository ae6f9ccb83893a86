/** A small map of byte keys in byte order: a hash for look-ups and a list that is sorted when it is walked. */
export class SortedKeys<V> {
  private readonly map = new Map<string, V>();
  private sorted: string[] = [];
  private clean = true;

  get size(): number {
    return this.map.size;
  }
  // latin1 keeps one character a byte, so comparing texts compares bytes.
  get(key: Buffer): V | undefined {
    return this.map.get(key.toString('latin1'));
  }
  has(key: Buffer): boolean {
    return this.map.has(key.toString('latin1'));
  }
  set(key: Buffer, value: V): void {
    const k = key.toString('latin1');
    if (!this.map.has(k)) this.clean = false;
    this.map.set(k, value);
  }
  delete(key: Buffer): boolean {
    const had = this.map.delete(key.toString('latin1'));
    if (had) this.clean = false;
    return had;
  }

  private keys(): string[] {
    if (!this.clean) {
      this.sorted = [...this.map.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      this.clean = true;
    }
    return this.sorted;
  }

  /** Entries with `from` <= key < `to`. Entries deleted while it is walked are left out, new ones are not seen. */
  *between(from: Buffer, to: Buffer, reverse: boolean): Generator<[Buffer, V]> {
    const keys = this.keys();
    const lo = lowerBound(keys, from.toString('latin1'));
    const hi = lowerBound(keys, to.toString('latin1'));
    for (let i = reverse ? hi - 1 : lo; reverse ? i >= lo : i < hi; i += reverse ? -1 : 1) {
      const k = keys[i] as string;
      const v = this.map.get(k);
      if (v !== undefined) yield [Buffer.from(k, 'latin1'), v];
    }
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let lo = 0;
  let hi = keys.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((keys[mid] as string) < key) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}
