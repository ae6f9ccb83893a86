import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line of the passwd database. */
export interface Account {
  readonly name: string;
  readonly password: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}
/** A line of the group database. */
export interface Group {
  readonly name: string;
  readonly password: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function lines(path: string): string[][] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
  return text
    .split('\n')
    .filter((l) => l && !l.startsWith('#'))
    .map((l) => l.split(':'));
}

function account(f: string[]): Account | undefined {
  if (f.length < 7 || !/^\d+$/.test(f[2] ?? '') || !/^\d+$/.test(f[3] ?? '')) return undefined;
  const [name = '', password = '', uid, gid, gecos = '', home = '', shell = ''] = f;
  return { name, password, uid: Number(uid), gid: Number(gid), gecos, home, shell };
}

function group(f: string[]): Group | undefined {
  if (f.length < 4 || !/^\d+$/.test(f[2] ?? '')) return undefined;
  const [name = '', password = '', gid, members = ''] = f;
  return { name, password, gid: Number(gid), members: members.split(',').filter(Boolean) };
}

/** Whether names may come from elsewhere than the files (LDAP, sssd): only then is `getent` asked. */
function otherSources(database: string): boolean {
  for (const f of lines('/etc/nsswitch.conf'))
    if (f[0]?.trim() === database)
      return (f[1] ?? '')
        .split(/\s+/)
        .some((s) => s && !['files', 'compat', 'systemd', 'db'].includes(s) && s[0] !== '[');
  return false;
}

function getent(database: string, key?: string): string[][] {
  const r = spawnSync('getent', key === undefined ? [database] : [database, key], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return (r.stdout ?? '')
    .split('\n')
    .filter(Boolean)
    .map((l) => l.split(':'));
}

const known = <T>(v: T | undefined): v is T => v !== undefined;

/**
 * Every account (Python's `pwd.getpwall`), those of name services included where the machine uses any.
 * @param root another root folder, whose files alone count.
 */
export function allAccounts(root?: string): Account[] {
  const rows =
    root !== undefined
      ? lines(join(root, 'etc/passwd'))
      : otherSources('passwd')
        ? getent('passwd')
        : lines('/etc/passwd');
  return rows.map(account).filter(known);
}

/** The account of a name or uid, undefined when there is none. */
export function accountOf(key: string | number): Account | undefined {
  const found = lines('/etc/passwd')
    .map(account)
    .filter(known)
    .find((a) => (typeof key === 'number' ? a.uid === key : a.name === key));
  if (found || !otherSources('passwd')) return found;
  return getent('passwd', String(key)).map(account).find(known);
}

/** Every group (Python's `grp.getgrall`), of another root folder where one is named. */
export function allGroups(root?: string): Group[] {
  const rows =
    root !== undefined ? lines(join(root, 'etc/group')) : otherSources('group') ? getent('group') : lines('/etc/group');
  return rows.map(group).filter(known);
}

/** The group of a name or gid, undefined when there is none. */
export function groupOf(key: string | number): Group | undefined {
  const found = lines('/etc/group')
    .map(group)
    .filter(known)
    .find((g) => (typeof key === 'number' ? g.gid === key : g.name === key));
  if (found || !otherSources('group')) return found;
  return getent('group', String(key)).map(group).find(known);
}

/** The ids of the groups an account is in, its own first. */
export function groupIds(a: Account): number[] {
  const ids = new Set([a.gid]);
  for (const g of allGroups()) if (g.members.includes(a.name)) ids.add(g.gid);
  return [...ids];
}

/** `~` or `~name` replaced by the home folder (Python's `os.path.expanduser`); unchanged for an unknown name. */
export function expandUser(path: string): string {
  if (!path.startsWith('~')) return path;
  const slash = path.indexOf('/');
  const name = path.slice(1, slash < 0 ? undefined : slash);
  const rest = slash < 0 ? '' : path.slice(slash);
  const home = name === '' ? (process.env['HOME'] ?? accountOf(process.getuid?.() ?? 0)?.home) : accountOf(name)?.home;
  if (home === undefined) return path;
  return home.replace(/\/+$/, '') + rest || '/';
}
