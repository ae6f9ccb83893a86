import type { KeyedStore } from '../bus/store/contract.ts';
import type { Wire } from '../bus/values.ts';
import { type Py, PyDict, toPy } from '../bus/values.ts';

/** What the master remembers of minions: grains and pillar of the last contact, mine values; lmdb under `cachedir`, readable while the master runs. */
export interface MinionData {
  /** Ids with cached data. */
  ids(): string[];
  grains(id: string): PyDict | undefined;
  pillar(id: string): PyDict | undefined;
  mine(id: string): PyDict | undefined;
  /** A bank of the reference's cache API (`minions/<id>`, `tokens` …): key to value. */
  fetch(bank: string, key: string): Py | undefined;
  list(bank: string): string[];
  store(bank: string, key: string, value: Py): Promise<void>;
  flush(bank: string, key?: string): Promise<boolean>;
}

/** Table of the values, keyed by bank and key. */
const VALUES = 'cache';
/** Table of names only, with the second of the last store: listing a bank never decodes its values. */
const NAMES = 'cache_names';
/** Banks with data of one minion under its id. */
const MINION_BANKS = ['grains', 'pillar', 'mine', 'mine_times'] as const;
/** How many minions' grains and pillars are kept decoded. */
const KEPT = 512;

/** The minion data cache over the master's keyed store; banks are named as in the reference: `grains`, `pillar`, `mine`, `tokens`. */
export class MinionCache implements MinionData {
  private readonly decoded = new Map<string, PyDict>();

  constructor(private readonly data: KeyedStore) {}

  ids(): string[] {
    return this.list('grains');
  }

  private dict(bank: string, id: string): PyDict | undefined {
    const slot = `${bank}\n${id}`;
    const known = this.decoded.get(slot);
    if (known) return known;
    const value = this.fetch(bank, id);
    if (!(value instanceof PyDict)) return undefined;
    if (this.decoded.size >= KEPT) this.decoded.delete(this.decoded.keys().next().value as string);
    this.decoded.set(slot, value);
    return value;
  }

  /** Shared by all who ask until the next store: not to be changed. */
  grains(id: string): PyDict | undefined {
    return this.dict('grains', id);
  }
  /** As grains. */
  pillar(id: string): PyDict | undefined {
    return this.dict('pillar', id);
  }
  mine(id: string): PyDict | undefined {
    const value = this.fetch('mine', id);
    return value instanceof PyDict ? value : undefined;
  }

  fetch(bank: string, key: string): Py | undefined {
    const value = this.data.get(VALUES, [bank, key]);
    return value === undefined ? undefined : toPy(value as Wire);
  }

  /** When a value was last stored, in seconds since the epoch; undefined when there is none. */
  updated(bank: string, key: string): number | undefined {
    const at = this.data.get(NAMES, [bank, key]);
    return typeof at === 'number' ? at : undefined;
  }

  list(bank: string): string[] {
    const names: string[] = [];
    for (const entry of this.data.range(NAMES, { start: [bank], end: [`${bank}\0`] })) names.push(String(entry.key[1]));
    return names;
  }

  async store(bank: string, key: string, value: Py): Promise<void> {
    this.decoded.delete(`${bank}\n${key}`);
    await Promise.all([
      this.data.put(VALUES, [bank, key], value),
      this.data.put(NAMES, [bank, key], Math.floor(Date.now() / 1000)),
    ]);
  }

  async flush(bank: string, key?: string): Promise<boolean> {
    if (key !== undefined) {
      this.decoded.delete(`${bank}\n${key}`);
      const [gone] = await Promise.all([this.data.delete(VALUES, [bank, key]), this.data.delete(NAMES, [bank, key])]);
      return gone;
    }
    this.decoded.clear();
    const [count] = await Promise.all([
      this.data.deleteRange(VALUES, [bank], [`${bank}\0`]),
      this.data.deleteRange(NAMES, [bank], [`${bank}\0`]),
    ]);
    return count > 0;
  }

  /** Forgets everything of a minion: a later minion of the same id finds nothing of it. Called when its key is deleted. */
  async purge(id: string): Promise<void> {
    await Promise.all(MINION_BANKS.map((bank) => this.flush(bank, id)));
  }
}
