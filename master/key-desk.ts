import { messageOf } from '../bus/errors.ts';
import type { EventBus, Origin } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { type KeyState, LIVE_STATES, type PkiKeys } from './keys.ts';
import type { MinionCache } from './minion-cache.ts';
import type { KeyRotation } from './rotation.ts';
import type { Sessions } from './sessions.ts';

/** What the desk keeps in step. */
export interface KeyDeskParts {
  opts: Opts;
  bus: EventBus;
  log: Log;
  keys: PkiKeys;
  sessions: Sessions;
  cache: MinionCache;
  rotation: KeyRotation;
}

/**
 * Everything that follows from a change of a key, whoever made it: the session of an id whose key went ends at once, its cached data goes unless
 * `preserve_minion_cache`, and the AES key is changed at the next turn. Orders that come through the master also fire `salt/key`.
 */
export class KeyDesk {
  constructor(private readonly p: KeyDeskParts) {}

  /** Follows changes of key files made outside of this process. */
  watch(): void {
    this.p.keys.watch((id) => this.changed(id));
  }

  close(): void {
    this.p.keys.close();
  }

  /** Accepts a key; false when there is none in those states. */
  accept(id: string, from: readonly KeyState[], origin: Origin): boolean {
    if (!this.p.keys.accept(id, from)) return false;
    this.changed(id);
    this.tell(id, 'accepted', origin);
    return true;
  }

  /** Rejects a key; a session under it ends. */
  reject(id: string, from: readonly KeyState[], origin: Origin): boolean {
    if (!this.p.keys.reject(id, from)) return false;
    this.changed(id);
    this.tell(id, 'rejected', origin);
    return true;
  }

  /** Deletes an id's keys in all states. */
  delete(id: string, origin: Origin, keepData = false): boolean {
    if (!this.p.keys.delete(id)) return false;
    this.changed(id, keepData);
    this.p.bus.fire(tags.key, { result: true, act: 'delete', id }, { origin });
    return true;
  }

  private tell(id: string, act: 'accepted' | 'rejected', origin: Origin): void {
    const pub = this.p.keys.current(id)?.pem ?? '';
    this.p.bus.fire(tags.key, { result: true, act, id, pub }, { origin });
  }

  private changed(id: string, keepData = false): void {
    const { keys, sessions, cache, rotation, opts, log } = this.p;
    const had = sessions.recheck(id);
    const now = keys.current(id)?.state;
    if (had && now !== 'minions') rotation.request();
    if (now === undefined && !keepData && !opts.flag('preserve_minion_cache'))
      cache.purge(id).catch((e) => log.error(`Data of ${id} was not removed: ${messageOf(e)}`));
  }

  /** At a start: what was kept of minions whose keys went while no master ran goes too. */
  async reconcile(): Promise<void> {
    const { keys, sessions, cache, opts } = this.p;
    const all = keys.list();
    const live = new Set(LIVE_STATES.flatMap((s) => all[s]));
    const accepted = new Set(all.minions);
    for (const id of sessions.ids()) if (!accepted.has(id)) sessions.revoke(id);
    if (opts.flag('preserve_minion_cache')) return;
    const banks = ['grains', 'pillar', 'mine'];
    const gone = new Set(banks.flatMap((b) => cache.list(b)).filter((id) => !live.has(id)));
    await Promise.all([...gone].map((id) => cache.purge(id)));
  }
}
