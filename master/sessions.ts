import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import { Crypticle } from '../bus/wire/crypticle.ts';
import { PublicKey } from '../bus/wire/keys.ts';
import { isMinionId } from '../bus/wire/loads.ts';
import type { MinionKeys } from '../bus/wire/master-session.ts';
import type { PkiKeys } from './keys.ts';

interface Entry {
  key: PublicKey;
  box?: Crypticle;
  /** When the session key was made, ms. */
  made: number;
}

/**
 * Public and session keys of accepted minions, parsed and in memory. Session keys live in `cachedir/sessions/<id>`, 0600 from birth, survive restarts, and are
 * made anew at the first sign-in after `publish_session` seconds. A minion whose key is gone has none of them from that moment on.
 */
export class Sessions implements MinionKeys {
  private readonly entries = new Map<string, Entry>();
  private readonly dir: string;

  constructor(
    private readonly keys: PkiKeys,
    cachedir: string,
    /** `publish_session`, seconds. */
    private readonly lifetime: number,
    private readonly now: () => number = Date.now,
  ) {
    this.dir = join(cachedir, 'sessions');
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    chmodSync(this.dir, 0o700);
  }

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
    const made: Entry = { key, made: 0 };
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
      const kept = this.read(id);
      if (!kept) return undefined;
      entry.box = new Crypticle(kept.key);
      entry.made = kept.made;
    }
    return this.fresh(entry.made) ? entry.box : undefined;
  }

  private fresh(made: number): boolean {
    return this.now() - made < this.lifetime * 1000;
  }

  private read(id: string): { key: string; made: number } | undefined {
    const path = join(this.dir, id);
    try {
      const key = readFileSync(path, 'utf8').trim();
      return Crypticle.isKey(key) ? { key, made: statSync(path).mtimeMs } : undefined;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw e;
    }
  }

  /** The key string for an accepted minion that signs in: the kept one while it is young enough, else a new one. */
  issue(id: string, key: PublicKey): string {
    const entry = this.entries.get(id);
    if (entry?.box && this.fresh(entry.made) && entry.key.equals(key)) return entry.box.key;
    const kept = this.read(id);
    if (kept && this.fresh(kept.made)) {
      this.entries.set(id, { key, box: new Crypticle(kept.key), made: kept.made });
      return kept.key;
    }
    const text = Crypticle.generate();
    const path = join(this.dir, id);
    const draft = `${this.dir}.${process.pid}.draft`;
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
    this.entries.set(id, { key, box: new Crypticle(text), made: this.now() });
    return text;
  }

  /** Ends a minion's session at once: nothing sealed with it is opened any more. Disturbs no other minion. */
  revoke(id: string): void {
    this.entries.delete(id);
    if (isMinionId(id)) rmSync(join(this.dir, id), { force: true });
  }

  /** Drops what is remembered of an id whose key file changed; its session goes with the key. Answers whether it had an accepted key before. */
  recheck(id: string): boolean {
    const known = this.entries.get(id);
    const current = this.keys.current(id);
    if (current?.state === 'minions' && known) {
      try {
        if (PublicKey.fromPem(current.pem).equals(known.key)) return true;
      } catch (e) {
        if (!(e instanceof SaltError)) throw e; // unreadable now: not the key we knew
      }
    }
    if (known || current?.state !== 'minions') this.revoke(id);
    return known !== undefined;
  }
}
