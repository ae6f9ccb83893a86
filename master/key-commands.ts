import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, type Wire, type WireMap } from '../bus/values.ts';
import { cleanPem, fingerOfBody, fingerOfText, loadOrCreateKeyPair, PrivateKey, PublicKey } from '../bus/wire/keys.ts';
import { GROUPS, type Group, globMatch, type KeyState, type Matches } from './key-names.ts';
import type { KeyStore } from './keys.ts';

/** Moves that were asked for: by state, the ids whose key in that state is meant. */
export interface KeyChanges {
  /** Accepts; answers the ids whose key moved, in the order asked. */
  accept(matches: Matches, states: readonly KeyState[]): Promise<string[]>;
  reject(matches: Matches, states: readonly KeyState[]): Promise<string[]>;
  /** Deletes all keys of the ids; with `keepData` what is cached of them stays. */
  delete(matches: Matches, keepData?: boolean): Promise<string[]>;
}

/** Gives an order to the running master; see master/orders.ts. */
export type GiveOrder = (order: string, data: WireMap) => Promise<Wire | Py>;

/**
 * Changes of keys through the running master, which then tells by `salt/key` and ends sessions at once, or on the files where none
 * runs. Each state is its own step, so that of two keys of one id the one of the later state wins, as in the reference.
 */
export function keyChanges(keys: KeyStore, order: GiveOrder): KeyChanges {
  const step = async (name: 'accept' | 'reject' | 'delete', ids: string[], more: WireMap): Promise<string[]> => {
    try {
      const done = await order(`key.${name}`, { ids, ...more });
      return Array.isArray(done) ? done.map(String) : [];
    } catch (e) {
      if (!(e instanceof SaltError) || e.code !== 'SaltDaemonNotRunning') throw e;
    }
    const from = (more['from'] ?? []) as KeyState[];
    return ids.filter((id) => (name === 'delete' ? keys.delete(id) : keys[name](id, from)));
  };
  const move = async (name: 'accept' | 'reject', matches: Matches, states: readonly KeyState[]): Promise<string[]> => {
    const moved: string[] = [];
    for (const state of states) {
      const ids = [...(matches.get(state) ?? [])];
      if (ids.length) moved.push(...(await step(name, ids, { from: [state] })));
    }
    return moved;
  };
  return {
    accept: (matches, states) => move('accept', matches, states),
    reject: (matches, states) => move('reject', matches, states),
    delete: async (matches, keepData = false) => {
      const ids = [...new Set(GROUPS.flatMap((g) => matches.get(g) ?? []))];
      return ids.length ? step('delete', ids, keepData ? { keep_data: true } : {}) : [];
    },
  };
}

function eachKey(
  keys: KeyStore,
  match: Py,
  full: boolean,
  show: (group: Group, name: string) => Py | undefined,
): PyDict {
  const out = new PyDict();
  for (const [group, names] of globMatch(keys.list(), match, full)) {
    const entries = new PyDict();
    for (const name of names) {
      const shown = show(group, name);
      if (shown !== undefined) entries.set(name, shown);
    }
    out.set(group, entries);
  }
  return out;
}

/** The keys' texts, by group and name (`salt-key -p`). */
export function keyTexts(keys: KeyStore, match: Py): PyDict {
  return eachKey(keys, match, false, (group, name) => (group === 'local' ? undefined : keys.get(name, group)));
}

/**
 * Fingerprints by group and name (`salt-key -f`), the master's own files under `local`. Those of minions are over the text as it is kept, as the
 * reference prints them; the master's are the ones that a minion's `master_finger` is compared with (the reference prints others, which
 * no minion takes).
 */
export function fingerprints(keys: KeyStore, match: Py, pkiDir: string, hashType: string): PyDict {
  return eachKey(keys, match, true, (group, name) => {
    if (group === 'local') return fingerOfBody(readFileSync(join(pkiDir, name), 'utf8'), hashType);
    const pem = keys.get(name, group);
    return pem === undefined ? undefined : fingerOfText(pem, hashType);
  });
}

/** Whether a stored key can be one that a minion signs in with. */
export function isUsable(keys: KeyStore, id: string, state: KeyState): boolean {
  try {
    PublicKey.fromPem(keys.get(id, state) ?? '');
    return true;
  } catch (e) {
    if (e instanceof SaltError && e.code === 'InvalidKeyError') return false;
    throw e;
  }
}

/** Takes the ids with broken keys out of what is to be accepted; answers them. */
export function dropUnusable(keys: KeyStore, matches: Map<Group, string[]>, states: readonly KeyState[]): string[] {
  const broken: string[] = [];
  for (const state of states) {
    const names = matches.get(state);
    if (!names) continue;
    const good = names.filter((id) => isUsable(keys, id, state));
    broken.push(...names.filter((id) => !good.includes(id)));
    matches.set(state, good);
  }
  return broken;
}

/** Makes the pair `<name>.pem` (0400) and `<name>.pub` in a folder, or leaves the one that is there; answers its fingerprint. */
export async function makeKeys(dir: string, name: string, bits: number, hashType: string): Promise<string> {
  if (name === '' || name.includes('/') || name.includes('\0'))
    throw new SaltError('SaltInvocationError', `'${name}' cannot be the name of a key`);
  const key = await loadOrCreateKeyPair(dir, name, bits);
  return fingerOfBody(key.public.pem, hashType);
}

/** What a signature of the master's public key is made from and where it goes; empty paths mean the usual files in `pki_dir`. */
export interface SignatureOrder {
  priv: string;
  pub: string;
  signaturePath: string;
  autoCreate: boolean;
  bits: number;
}

/** Signs the master's public key for minions that verify it. True, or the reason why not, as the reference words it. */
export async function makeSignature(opts: Opts, o: SignatureOrder): Promise<true | string> {
  const pki = opts.str('pki_dir');
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new SaltError('CommandExecutionError', messageOf(e));
    }
  };
  const pub = read(o.pub || join(pki, 'master.pub'));
  if (o.pub && pub === undefined) return `Public-key ${o.pub} does not exist`;
  const name = opts.str('master_sign_key_name', 'master_sign');
  const priv = read(o.priv || join(pki, `${name}.pem`));
  if (o.priv && priv === undefined) return `Private-key ${o.priv} does not exist`;
  if (priv === undefined && !o.autoCreate) return 'No usable private-key found';
  const signing = priv === undefined ? await loadOrCreateKeyPair(pki, name, o.bits) : PrivateKey.fromPem(priv);
  if (pub === undefined) return 'No usable public-key found';
  const { isSigAlgo, DEFAULT_SIG } = await import('../bus/wire/keys.ts');
  const { signPublicKey } = await import('../bus/wire/master-session.ts');
  const algo = opts.str('publish_signing_algorithm', DEFAULT_SIG);
  const text = signPublicKey(signing, cleanPem(pub), isSigAlgo(algo) ? algo : DEFAULT_SIG);
  const dir = o.signaturePath || pki;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, opts.str('master_pubkey_signature') || 'master_pubkey_signature'), text, { mode: 0o644 });
  return true;
}
