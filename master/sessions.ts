import { createHash } from 'node:crypto';
import { SaltError } from '../bus/errors.ts';
import type { KeyedStore } from '../bus/store/contract.ts';
import { mkFloat, PyDict, type Wire } from '../bus/values.ts';
import { Crypticle } from '../bus/wire/crypticle.ts';
import { cleanPem, PublicKey } from '../bus/wire/keys.ts';
import { asMap, isMinionId } from '../bus/wire/loads.ts';
import type { MinionKeys } from '../bus/wire/master-session.ts';
import type { PkiKeys } from './keys.ts';

interface Entry {
  key: PublicKey;
  pem: string;
  box?: Crypticle;
  /** When the session key was made, ms. */
  made: number;
}

/** Table of session keys by minion. */
const TABLE = 'sessions';

/**
 * Public and session keys of accepted minions, parsed and in memory. Session keys are kept in the master's store (0600 files), survive restarts, and are
 * made anew at the first sign-in after `publish_session` seconds. A minion whose key is gone has none of them from that moment on.
 */
export class Sessions implements MinionKeys {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly keys: PkiKeys,
    private readonly store: KeyedStore,
    /** `publish_session`, seconds. */
    private readonly lifetime: number,
    /** Told of a session that could not be kept: it then ends with this process. */
    private readonly lost: (id: string, e: unknown) => void,
    private readonly now: () => number = Date.now,
  ) {}

  private entry(id: string): Entry | undefined {
    const known = this.entries.get(id);
    if (known) return known;
    if (!isMinionId(id)) return undefined;
    const pem = this.keys.current(id);
    if (pem?.state !== 'minions') return undefined;
    let key: PublicKey;
    try {
      key = PublicKey.fromPem(pem.pem);
    } catch (e) {
      if (e instanceof SaltError) return undefined; // a damaged key file accepts nobody
      throw e;
    }
    const made: Entry = { key, pem: cleanPem(pem.pem), made: 0 };
    this.entries.set(id, made);
    return made;
  }

  publicKey(id: string): PublicKey | undefined {
    return this.entry(id)?.key;
  }

  session(id: string): Crypticle | undefined {
    const entry = this.entry(id);
    if (!entry) return undefined;
    if (!entry.box) {
      const kept = this.read(id, entry.pem);
      if (!kept) return undefined;
      entry.box = new Crypticle(kept.key);
      entry.made = kept.made;
    }
    return this.fresh(entry.made) ? entry.box : undefined;
  }

  private fresh(made: number): boolean {
    return this.now() - made < this.lifetime * 1000;
  }

  /** The kept session of an id, if it was made for this very public key: a key that replaces another starts afresh. */
  private read(id: string, pem: string): { key: string; made: number } | undefined {
    const kept = asMap(this.store.get(TABLE, [id]) as Wire | undefined);
    const key = kept?.['key'];
    return Crypticle.isKey(key) && kept?.['of'] === markOf(pem) ? { key, made: Number(kept?.['made']) } : undefined;
  }

  /** The key string for an accepted minion that signs in with this key (and its text as offered): the kept one while it is young enough, else a new one. */
  issue(id: string, key: PublicKey, offered: string): string {
    const known = this.entries.get(id);
    const same = known !== undefined && (known.key === key || known.key.equals(key));
    if (same && known.box && this.fresh(known.made)) return known.box.key;
    const held = same ? known.key : key;
    const pem = same ? known.pem : cleanPem(offered);
    const kept = this.read(id, pem);
    if (kept && this.fresh(kept.made)) {
      this.entries.set(id, { key: held, pem, box: new Crypticle(kept.key), made: kept.made });
      return kept.key;
    }
    const text = Crypticle.generate();
    const made = this.now();
    this.entries.set(id, { key: held, pem, box: new Crypticle(text), made });
    this.store
      .put(
        TABLE,
        [id],
        new PyDict<Wire>([
          ['key', text],
          ['made', mkFloat(made)],
          ['of', markOf(pem)],
        ]),
      )
      .catch((e) => this.lost(id, e));
    return text;
  }

  /** Ends a minion's session at once: nothing sealed with it is opened any more. Disturbs no other minion. */
  revoke(id: string): void {
    this.entries.delete(id);
    if (isMinionId(id)) this.store.delete(TABLE, [id]).catch((e) => this.lost(id, e));
  }

  /** Drops what is remembered of an id whose key file changed; its session goes with the key. Answers whether it had an accepted key before. */
  recheck(id: string): boolean {
    const known = this.entries.get(id);
    const current = this.keys.current(id);
    const accepted = current?.state === 'minions';
    if (accepted && known && cleanPem(current.pem) === known.pem) return true;
    if (known || !accepted) this.revoke(id);
    return known !== undefined;
  }

  /** Ids with a kept session. */
  ids(): string[] {
    return [...this.store.range(TABLE)].map((e) => String(e.key[0]));
  }
}

const markOf = (pem: string): string => createHash('sha256').update(pem).digest('base64');
