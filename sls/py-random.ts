import { createHash, randomInt } from 'node:crypto';
import { SaltError } from '../bus/errors.ts';
import { type Py, PyFloat } from '../bus/values.ts';

const N = 624;
const M = 397;

/** Python's random generator: the same seed gives the same numbers, choices and orders as `random.Random(seed)`. */
export class PyRandom {
  private readonly state = new Uint32Array(N);
  private at = N;

  /** @param seed text, bytes or a whole number; without one the generator can't be predicted. */
  constructor(seed?: Py) {
    this.seed(seed);
  }

  /** Starts anew. Throws TypeError for what Python's `seed` does not take. */
  seed(seed?: Py): void {
    if (seed === undefined || seed === null) {
      this.byArray(Array.from({ length: 8 }, () => randomInt(0, 2 ** 32)));
      return;
    }
    this.byArray(seedWords(seed));
  }

  private byNumber(s: number): void {
    const mt = this.state;
    mt[0] = s >>> 0;
    for (let i = 1; i < N; i++) {
      const x = (mt[i - 1] as number) ^ ((mt[i - 1] as number) >>> 30);
      mt[i] = (Math.imul(1812433253, x) + i) >>> 0;
    }
    this.at = N;
  }

  private byArray(key: readonly number[]): void {
    this.byNumber(19650218);
    const mt = this.state;
    let i = 1;
    let j = 0;
    const mix = (factor: number): number => {
      const x = (mt[i - 1] as number) ^ ((mt[i - 1] as number) >>> 30);
      return (mt[i] as number) ^ Math.imul(x, factor);
    };
    const next = (): void => {
      if (++i >= N) {
        mt[0] = mt[N - 1] as number;
        i = 1;
      }
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      mt[i] = (mix(1664525) + (key[j] as number) + j) >>> 0;
      next();
      if (++j >= key.length) j = 0;
    }
    for (let k = N - 1; k > 0; k--) {
      mt[i] = (mix(1566083941) - i) >>> 0;
      next();
    }
    mt[0] = 0x80000000;
  }

  private word(): number {
    const mt = this.state;
    if (this.at >= N) {
      for (let k = 0; k < N; k++) {
        const y = ((mt[k] as number) & 0x80000000) | ((mt[(k + 1) % N] as number) & 0x7fffffff);
        mt[k] = ((mt[(k + M) % N] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)) >>> 0;
      }
      this.at = 0;
    }
    let y = mt[this.at++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** A number of so many random bits. */
  bits(count: number): bigint {
    let out = 0n;
    for (let got = 0; got < count; got += 32) {
      const left = count - got;
      const w = left < 32 ? this.word() >>> (32 - left) : this.word();
      out |= BigInt(w) << BigInt(got);
    }
    return out;
  }

  /** A whole number from 0 up to, not including, the limit. */
  below(limit: bigint): bigint {
    const size = limit.toString(2).length;
    for (;;) {
      const r = this.bits(size);
      if (r < limit) return r;
    }
  }

  /** `randint(start, end)`, both ends included; throws ValueError for an empty range. */
  between(start: bigint, end: bigint): bigint {
    if (end < start)
      throw new SaltError('ValueError', `empty range for randrange() (${start}, ${end + 1n}, ${end - start + 1n})`);
    return start + this.below(end - start + 1n);
  }

  /** `sample(list, size)`; throws ValueError when there are not that many. */
  sample<T>(list: readonly T[], size: number): T[] {
    const n = list.length;
    if (size < 0 || size > n) throw new SaltError('ValueError', 'Sample larger than population or is negative');
    const limit = 21 + (size > 5 ? 4 ** Math.ceil(Math.log(size * 3) / Math.log(4)) : 0);
    const pick = (below: number): number => Number(this.below(BigInt(below)));
    if (n <= limit) {
      const pool = [...list];
      return Array.from({ length: size }, (_, i) => {
        const j = pick(n - i);
        const chosen = pool[j] as T;
        pool[j] = pool[n - i - 1] as T;
        return chosen;
      });
    }
    const taken = new Set<number>();
    return Array.from({ length: size }, () => {
      let j = pick(n);
      while (taken.has(j)) j = pick(n);
      taken.add(j);
      return list[j] as T;
    });
  }
}

function seedWords(seed: Py): number[] {
  let value: bigint;
  if (typeof seed === 'string' || seed instanceof Uint8Array) {
    const bytes = typeof seed === 'string' ? Buffer.from(seed) : Buffer.from(seed);
    const all = Buffer.concat([bytes, createHash('sha512').update(bytes).digest()]);
    value = BigInt(`0x${all.toString('hex')}`);
  } else if (typeof seed === 'number' && Number.isInteger(seed)) value = BigInt(seed);
  else if (typeof seed === 'bigint') value = seed;
  else if (typeof seed === 'boolean') value = seed ? 1n : 0n;
  else if (seed instanceof PyFloat && Number.isInteger(seed.v)) value = BigInt(seed.v);
  else
    throw new SaltError(
      'TypeError',
      'The only supported seed types are: None,\nint, float, str, bytes, and bytearray.',
    );
  if (value < 0n) value = -value;
  const words: number[] = [];
  for (; value > 0n; value >>= 32n) words.push(Number(value & 0xffffffffn));
  return words.length ? words : [0];
}
