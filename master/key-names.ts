/** Names of keys, read from their directories: all that `salt-key -L` needs. Loads nothing of the cryptography. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict } from '../bus/values.ts';
import { isMinionId } from '../bus/wire/minion-id.ts';
import { globOf } from '../sls/fnmatch.ts';

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

/** The states in the order in which keys are shown: the reference lists waiting keys first. */
export const GROUPS = ['minions_pre', 'minions_rejected', 'minions', 'minions_denied'] as const;
/** A group of names: a key's state, or the master's own key files. */
export type Group = KeyState | 'local';
/** Names by group. */
export type Matches = ReadonlyMap<Group, readonly string[]>;

/** Key names in the order in which salt-key lists them: without regard to case, then by code point. */
export function sortNames(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => {
    const x = a.toLowerCase();
    const y = b.toLowerCase();
    return x < y ? -1 : x > y ? 1 : a < b ? -1 : a > b ? 1 : 0;
  });
}

/** Ids that have a key of a state under `pki_dir`, sorted; none where there is no such folder. */
export function keyNames(pkiDir: string, state: KeyState): string[] {
  try {
    const entries = readdirSync(join(pkiDir, state), { withFileTypes: true });
    return sortNames(
      entries.filter((e) => e.isFile() && !e.name.startsWith('.') && isMinionId(e.name)).map((e) => e.name),
    );
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

/** All names of keys under `pki_dir`. */
export function listKeys(pkiDir: string): KeyList {
  let local: string[] = [];
  try {
    local = readdirSync(pkiDir, { withFileTypes: true })
      .filter((f) => f.isFile() && /\.(pem|pub)$/.test(f.name))
      .map((f) => f.name);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
  return {
    minions_denied: keyNames(pkiDir, 'minions_denied'),
    minions_pre: keyNames(pkiDir, 'minions_pre'),
    minions_rejected: keyNames(pkiDir, 'minions_rejected'),
    minions: keyNames(pkiDir, 'minions'),
    local: sortNames(local),
  };
}

/** All names by group, empty groups too; `local` last. */
export function allKeys(all: KeyList): Map<Group, string[]> {
  return new Map<Group, string[]>([...GROUPS.map((g): [Group, string[]] => [g, all[g]]), ['local', all.local]]);
}

/** Names that fit one of the shell patterns (`a*`, `a*,b*` or a list), by group; groups without any are left out. */
export function globMatch(all: KeyList, match: Py, full = false): Map<Group, string[]> {
  const patterns = Array.isArray(match) ? match.map(String) : String(match).split(',');
  const tests = patterns.map((p) => globOf(p));
  const found = new Map<Group, string[]>();
  for (const [group, names] of allKeys(all)) {
    if (group === 'local' && !full) continue;
    const fitting = names.filter((n) => tests.some((t) => t(n)));
    if (fitting.length) found.set(group, fitting);
  }
  return found;
}

/** The keys of one kind, or all, by the word that `salt-key -l` takes (`acc`, `pre`, `un`, `rej`, `den`, `all`). */
export function listStatus(all: KeyList, word: string): Map<Group, string[]> {
  if (word.startsWith('all')) return allKeys(all);
  const group = LISTED.find(([start]) => word.startsWith(start))?.[1];
  return group ? new Map<Group, string[]>([[group, all[group]]]) : new Map();
}

const LISTED: readonly (readonly [string, KeyState])[] = [
  ['acc', 'minions'],
  ['pre', 'minions_pre'],
  ['un', 'minions_pre'],
  ['rej', 'minions_rejected'],
  ['den', 'minions_denied'],
];

/** Names by group as modules and outputters take them. */
export function asDict(groups: Matches): PyDict {
  return new PyDict([...groups].map(([g, names]): [Py, Py] => [g, [...names]]));
}
