/** A key's state, named as `salt-key` and the directories under `pki_dir` name it. */
export type KeyState = 'minions' | 'minions_pre' | 'minions_rejected' | 'minions_denied';

/** All key names by state, sorted; `local` holds the master's own files. */
export interface KeyList {
  minions: string[];
  minions_pre: string[];
  minions_rejected: string[];
  minions_denied: string[];
  local: string[];
}

/**
 * The store of minion keys: one file a key under `pki_dir/<state>/<id>`, Salt's own layout. Ids are validated before they
 * touch a path. Reads answer from the directory (or a watched cache in the master); writes are atomic renames.
 */
export interface KeyStore {
  list(): KeyList;
  /** Names matching a glob (or comma list), by state. */
  match(glob: string): KeyList;
  /** The PEM text of a key in a state; undefined when there is none. Denied keys are a list per id. */
  get(id: string, state: KeyState): string | undefined;
  /** Moves matching keys; answers what moved, by state it went to. Fires nothing: the caller fires `salt/key`. */
  accept(id: string, from: readonly KeyState[]): boolean;
  reject(id: string, from: readonly KeyState[]): boolean;
  delete(id: string): boolean;
  /** `hash_type` fingerprint with colons, as `salt-key -f` prints it. */
  finger(pem: string, hashType?: string): string;
}
