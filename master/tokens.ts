import { createHash, randomBytes } from 'node:crypto';
import { mkFloat, PyDict, toWire, type WireMap } from '../bus/values.ts';
import type { MinionCache } from './minion-cache.ts';

/** What a login token stands for. Times are seconds since the epoch. */
export interface Token {
  start: number;
  expire: number;
  name: string;
  eauth: string;
  token: string;
  groups?: string[];
  auth_list?: WireMap[string];
}

const SHAPE = /^[0-9a-f]{32,128}$/;

/**
 * Login tokens in the bank `tokens` of the data cache. A text that does not look like a token never reaches the store; an expired token is dead from the
 * millisecond of its expiry on, also for its first use after it.
 */
export class Tokens {
  constructor(
    private readonly cache: MinionCache,
    private readonly hashType: string,
    private readonly now: () => number = Date.now,
  ) {}

  /** Makes a token valid for so many seconds. Settles when it is safe on disk. */
  async make(entry: Omit<Token, 'start' | 'expire' | 'token'>, seconds: number): Promise<Token> {
    const start = this.now() / 1000;
    const token = createHash(this.hashType).update(randomBytes(512)).digest('hex');
    const made: Token = { start, expire: start + seconds, ...entry, token };
    const kept = new PyDict();
    for (const [k, v] of Object.entries(made)) kept.set(k, typeof v === 'number' ? mkFloat(v) : v);
    await this.cache.store('tokens', token, kept);
    return made;
  }

  /** The token's entry; undefined when it is unknown, malformed or over. */
  get(token: unknown): Token | undefined {
    if (typeof token !== 'string' || !SHAPE.test(token)) return undefined;
    const kept = this.cache.fetch('tokens', token);
    if (!(kept instanceof PyDict)) return undefined;
    const wire = toWire(kept) as WireMap;
    const expire = Number(wire['expire']);
    if (!(expire * 1000 > this.now())) return undefined;
    const made: Token = {
      start: Number(wire['start']),
      expire,
      name: String(wire['name']),
      eauth: String(wire['eauth']),
      token,
    };
    if (Array.isArray(wire['groups'])) made.groups = wire['groups'].map(String);
    if (wire['auth_list'] !== undefined) made.auth_list = wire['auth_list'];
    return made;
  }

  /** Forgets a token at once. */
  async remove(token: string): Promise<void> {
    if (SHAPE.test(token)) await this.cache.flush('tokens', token);
  }

  /** Forgets what has expired; called by the clock. */
  async clean(): Promise<number> {
    const old = this.cache.list('tokens').filter((t) => this.get(t) === undefined);
    await Promise.all(old.map((t) => this.cache.flush('tokens', t)));
    return old.length;
  }
}
