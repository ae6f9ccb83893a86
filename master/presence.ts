import { networkInterfaces } from 'node:os';
import type { EventBus } from '../bus/event.ts';
import { tags } from '../bus/tags.ts';
import type { MinionCache } from './minion-cache.ts';

/**
 * Who is connected: ids whose addresses (from their cached grains) have a live connection to the publish port. Minions behind one address cannot be told apart, as
 * in the reference.
 */
export class Presence {
  private before: ReadonlySet<string> | undefined;
  private readonly addresses = new Map<string, { updated: number; list: string[] }>();

  constructor(
    private readonly bus: EventBus,
    private readonly cache: MinionCache,
    /** Remote addresses of the publish port's connections. */
    private readonly peers: () => ReadonlySet<string>,
    /** Ids with an accepted key. */
    private readonly accepted: () => readonly string[],
  ) {}

  private addressesOf(id: string): string[] {
    const updated = this.cache.updated('grains', id) ?? 0;
    const known = this.addresses.get(id);
    if (known?.updated === updated) return known.list;
    const grains = this.cache.grains(id);
    const list: string[] = [];
    for (const key of ['ipv4', 'ipv6']) {
      const value = grains?.get(key);
      if (Array.isArray(value)) list.push(...value.filter((a): a is string => typeof a === 'string'));
    }
    // Every machine has a loopback address: it tells something only of one that has no other.
    const telling = list.filter((a) => !isLoopback(a));
    const kept = telling.length ? telling : list;
    this.addresses.set(id, { updated, list: kept });
    return kept;
  }

  /** Ids connected now. */
  connected(): ReadonlySet<string> {
    return new Set(this.addressesConnected().keys());
  }

  /**
   * Whether an id is known not to be connected: somebody is, and the id, whose addresses are known, is not. Of one that never
   * was here nothing is known.
   */
  absent(id: string): boolean {
    const now = this.connected();
    return now.size > 0 && !now.has(id) && this.cache.updated('grains', id) !== undefined;
  }

  /** Ids connected now, each with the address it is taken to connect from. */
  addressesConnected(): ReadonlyMap<string, string> {
    const live = new Set([...this.peers()].map(withoutPort));
    if ([...live].some(isLoopback)) for (const a of ownAddresses()) live.add(a);
    const ids = this.accepted();
    const found = new Map<string, string>();
    for (const id of live.size ? ids : []) {
      const address = this.addressesOf(id).find((a) => live.has(a));
      if (address !== undefined) found.set(id, address);
    }
    if (this.addresses.size > ids.length * 2) {
      const keep = new Set(ids);
      for (const id of this.addresses.keys()) if (!keep.has(id)) this.addresses.delete(id);
    }
    return found;
  }

  /** Fires what changed since the last call, and who is present; called every `loop_interval` under `presence_events`. */
  tell(): void {
    const now = this.connected();
    const before = this.before ?? new Set<string>();
    const fresh = [...now].filter((id) => !before.has(id)).sort();
    const lost = [...before].filter((id) => !now.has(id)).sort();
    if (fresh.length || lost.length) this.bus.fire(tags.presenceChange, { new: fresh, lost }, { origin: 'master' });
    this.bus.fire(tags.presencePresent, { present: [...now].sort() }, { origin: 'master' });
    this.before = now;
  }
}

function withoutPort(peer: string): string {
  const bare = peer.replace(/^[a-z]+:\/\//, '');
  const bracket = /^\[([^\]]+)\](?::\d+)?$/.exec(bare);
  const address = bracket ? bracket[1]! : bare.includes('.') ? bare.replace(/:\d+$/, '') : bare;
  return address.replace(/^::ffff:/, '');
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((a) => a.address));
}
