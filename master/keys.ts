import {
  chmodSync,
  existsSync,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import { cleanPem, fingerOfText } from '../bus/wire/keys.ts';
import { isMinionId } from '../bus/wire/minion-id.ts';
import { type Group, globMatch, type KeyList, type KeyState, keyNames, listKeys } from './key-names.ts';

export { type KeyList, type KeyState, sortNames } from './key-names.ts';

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
  /** Stores a key in a live state; the id's keys of other live states go. */
  put(id: string, state: (typeof LIVE_STATES)[number], pem: string): void;
  /** `hash_type` fingerprint with colons, as `salt-key -f` prints it. */
  finger(pem: string, hashType?: string): string;
}

/** The states in which a key is an id's one and only key; denied keys lie beside them. */
export const LIVE_STATES = ['minions_rejected', 'minions_pre', 'minions'] as const satisfies readonly KeyState[];
const STATES = [...LIVE_STATES, 'minions_denied'] as const;

/** Called with the id and state whenever a key file appeared, changed or went, whoever did it. */
export type KeyChange = (id: string, state: KeyState) => void;

/** The key store of a `pki_dir`. Accepted keys that were asked for are remembered until {@link PkiKeys.watch} reports a change of their file. */
export class PkiKeys implements KeyStore {
  /** Accepted keys that were asked for, with what tells their file from a later one. */
  private readonly accepted = new Map<string, { pem: string; mark: string }>();
  /** Keys on their way to the disk: they count from the moment they were put. */
  private readonly coming = new Map<string, { state: KeyState; pem: string }>();
  private acceptedNames: readonly string[] | undefined;
  private watchers: FSWatcher[] = [];
  private drafts = 0;

  constructor(
    readonly dir: string,
    private readonly options: { permissive?: boolean; hashType?: string } = {},
  ) {}

  /** Makes the directories: 0700, or 0750 with `permissive_pki_access`. Called by those who may write. */
  prepare(): void {
    const mode = this.options.permissive ? 0o750 : 0o700;
    for (const d of ['', ...STATES, 'minions_autosign']) {
      const path = join(this.dir, d);
      if (existsSync(path)) continue;
      mkdirSync(path, { recursive: true, mode });
      chmodSync(path, mode);
    }
  }

  private path(id: string, state: KeyState): string {
    if (!isMinionId(id)) throw new SaltError('ValueError', `key ${JSON.stringify(id)} is not a valid minion_id`);
    return join(this.dir, state, id);
  }

  list(): KeyList {
    return listKeys(this.dir);
  }

  match(glob: string): KeyList {
    const found = globMatch(
      this.list(),
      glob.split(',').flatMap((g) => g.trim() || []),
      true,
    );
    const of = (group: Group): string[] => found.get(group) ?? [];
    return {
      minions_denied: of('minions_denied'),
      minions_pre: of('minions_pre'),
      minions_rejected: of('minions_rejected'),
      minions: of('minions'),
      local: of('local'),
    };
  }

  get(id: string, state: KeyState): string | undefined {
    if (state === 'minions') {
      const known = this.accepted.get(id);
      if (known !== undefined) return known.pem;
    }
    const path = this.path(id, state);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats?.isFile()) return undefined;
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw e;
    }
    if (state === 'minions' && this.watchers.length) this.accepted.set(id, { pem: text, mark: markOf(stats) });
    return text;
  }

  /** The id's live key and its state; rejected counts before pending, pending before accepted. */
  current(id: string): { state: KeyState; pem: string } | undefined {
    const coming = this.coming.get(id);
    if (coming) return coming;
    const known = this.accepted.get(id);
    if (known) return { state: 'minions', pem: known.pem };
    for (const state of LIVE_STATES) {
      const pem = this.get(id, state);
      if (pem !== undefined) return { state, pem };
    }
    return undefined;
  }

  /** Ids with an accepted key, sorted; to be read only. */
  acceptedIds(): readonly string[] {
    if (!this.watchers.length) return keyNames(this.dir, 'minions');
    this.acceptedNames ??= keyNames(this.dir, 'minions');
    return this.acceptedNames;
  }

  private write(id: string, state: KeyState, pem: string): void {
    const path = this.path(id, state);
    const draft = join(this.dir, state, `.${process.pid}.draft`);
    writeFileSync(draft, pem, { mode: this.options.permissive ? 0o640 : 0o600 });
    renameSync(draft, path);
    if (state !== 'minions' || !this.watchers.length) return;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats) this.accepted.set(id, { pem, mark: markOf(stats) });
  }

  /** Stores a key in a live state and removes the id from the two others. */
  put(id: string, state: (typeof LIVE_STATES)[number], pem: string): void {
    this.coming.delete(id);
    if (state !== 'minions') this.accepted.delete(id);
    this.write(id, state, pem);
    this.acceptedNames = undefined;
    for (const other of LIVE_STATES) if (other !== state) remove(this.path(id, other));
  }

  /**
   * As {@link PkiKeys.put}, without holding the thread: creating files waits for the disk's journal. The key counts at once for {@link PkiKeys.current};
   * settles when its file is there.
   */
  async putSoon(id: string, state: (typeof LIVE_STATES)[number], pem: string): Promise<void> {
    const path = this.path(id, state);
    const entry = { state, pem };
    this.coming.set(id, entry);
    if (state !== 'minions') this.accepted.delete(id);
    try {
      await this.writeSoon(path, pem, () => this.coming.get(id) === entry);
      if (this.coming.get(id) !== entry) return;
      await Promise.all(LIVE_STATES.filter((s) => s !== state).map((s) => unlinkSoon(this.path(id, s))));
    } finally {
      if (this.coming.get(id) === entry) this.coming.delete(id);
      if (state === 'minions') this.acceptedNames = undefined;
    }
    const stats = state === 'minions' && this.watchers.length ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
    if (stats) this.accepted.set(id, { pem, mark: markOf(stats) });
  }

  private async writeSoon(path: string, pem: string, wanted: () => boolean): Promise<void> {
    const draft = join(dirname(path), `.${process.pid}.${++this.drafts}.draft`);
    await writeFile(draft, pem, { mode: this.options.permissive ? 0o640 : 0o600 });
    if (wanted()) await rename(draft, path);
    else await unlinkSoon(draft);
  }

  /** As {@link PkiKeys.deny}, without holding the thread. */
  async denySoon(id: string, pem: string): Promise<void> {
    const known = this.get(id, 'minions_denied');
    if (known === undefined || cleanPem(known) !== cleanPem(pem))
      await this.writeSoon(this.path(id, 'minions_denied'), pem, () => true);
  }

  /** Keeps a foreign key that was offered under a known id; false when that very key is kept already. */
  deny(id: string, pem: string): boolean {
    const known = this.get(id, 'minions_denied');
    if (known !== undefined && cleanPem(known) === cleanPem(pem)) return false;
    this.write(id, 'minions_denied', pem);
    return true;
  }

  private move(id: string, from: readonly KeyState[], to: 'minions' | 'minions_rejected'): boolean {
    for (const state of from) {
      if (state === to) continue;
      const pem = this.get(id, state);
      if (pem === undefined) continue;
      this.put(id, to, pem);
      if (state === 'minions_denied') remove(this.path(id, state));
      return true;
    }
    return false;
  }

  accept(id: string, from: readonly KeyState[]): boolean {
    return this.move(id, from, 'minions');
  }

  reject(id: string, from: readonly KeyState[]): boolean {
    return this.move(id, from, 'minions_rejected');
  }

  delete(id: string): boolean {
    let gone = this.coming.delete(id);
    this.accepted.delete(id);
    this.acceptedNames = undefined;
    for (const state of STATES) if (remove(this.path(id, state))) gone = true;
    return gone;
  }

  finger(pem: string, hashType = this.options.hashType ?? 'sha256'): string {
    return fingerOfText(cleanPem(pem), hashType);
  }

  /** Reports changes of key files made by anyone, and keeps the memory of accepted keys true. Costs nothing while nothing changes. */
  watch(changed: KeyChange): void {
    this.prepare();
    for (const state of STATES) {
      const w = watch(join(this.dir, state), { persistent: false }, (_event, name) => {
        if (name === null) this.forget();
        else if (isMinionId(name) && !name.startsWith('.')) this.noticed(name, state, changed);
      });
      w.on('error', () => this.forget());
      this.watchers.push(w);
    }
  }

  /** A file of the folder is not as it was; our own writes are told by their mark and change nothing. */
  private noticed(id: string, state: KeyState, changed: KeyChange): void {
    if (this.coming.has(id)) return;
    if (state === 'minions') {
      const known = this.accepted.get(id);
      const stats = lstatSync(join(this.dir, state, id), { throwIfNoEntry: false });
      if (known && stats && markOf(stats) === known.mark) return;
      this.accepted.delete(id);
      this.acceptedNames = undefined;
    }
    changed(id, state);
  }

  private forget(): void {
    this.accepted.clear();
    this.acceptedNames = undefined;
  }

  close(): void {
    for (const w of this.watchers) w.close();
    this.watchers = [];
    this.forget();
  }
}

const markOf = (s: Stats): string => `${s.ino}.${s.size}.${s.mtimeMs}`;

async function unlinkSoon(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  try {
    await unlink(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
}

/** Removes a file; false when there was none. */
function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw e;
  }
}

/** The key store a configuration names (`pki_dir`, `permissive_pki_access`, `hash_type`). */
export function openKeys(opts: Opts): PkiKeys {
  return new PkiKeys(opts.str('pki_dir', '/etc/salt/pki/master'), {
    permissive: opts.flag('permissive_pki_access'),
    hashType: opts.str('hash_type', 'sha256'),
  });
}
