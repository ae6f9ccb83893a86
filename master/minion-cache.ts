import type { Py, PyDict } from '../bus/values.ts';

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
