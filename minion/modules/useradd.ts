/** Accounts of the machine. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { contains, eq, iterate, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { readLines } from '../machine/read.ts';
import { type Account, accountOf, allAccounts, allGroups, groupIds, groupOf } from '../process/accounts.ts';
import { mustFind, runText, runWords } from '../process/through-cmd.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('user');
const rootOf = (a: Args): string | undefined => (a['root'] == null ? undefined : str(a['root']));
const rootWords = (root: string | undefined): string[] => (root === undefined ? [] : ['-R', root]);

/** Names of the groups a user is in, sorted. */
function groupNames(name: string): string[] {
  const a = accountOf(name);
  if (!a)
    return allGroups()
      .filter((g) => g.members.includes(name))
      .map((g) => g.name)
      .sort();
  const ids = groupIds(a);
  const known = allGroups();
  return [...new Set(ids.flatMap((id) => known.filter((g) => g.gid === id).map((g) => g.name)))].sort();
}

const GECOS = ['fullname', 'roomnumber', 'workphone', 'homephone', 'other'] as const;
type GecosField = (typeof GECOS)[number];

function gecosOf(a: Account): { [K in GecosField]: string } {
  const parts = a.gecos.split(',');
  const [fullname = '', roomnumber = '', workphone = '', homephone = '', ...rest] = parts;
  return { fullname, roomnumber, workphone, homephone, other: rest.join(',') };
}

function describe(a: Account): PyDict {
  const g = gecosOf(a);
  return new PyDict<Py>([
    ['gid', a.gid],
    ['groups', groupNames(a.name)],
    ['home', a.home],
    ['name', a.name],
    ['passwd', a.password],
    ['shell', a.shell],
    ['uid', a.uid],
    ...GECOS.map((f): [Py, Py] => [f, g[f]]),
  ]);
}

function find(name: string, root: string | undefined): Account | undefined {
  return root === undefined ? accountOf(name) : allAccounts(root).find((a) => a.name === name);
}

const info = (name: string, root: string | undefined): PyDict => {
  const a = find(name, root);
  return a ? describe(a) : new PyDict();
};

/** Changes one property with usermod and says whether it is changed. */
function change(
  a: Args,
  key: string,
  value: Py,
  option: string,
  ctx: ModuleCtx,
  more: readonly string[] = [],
): boolean {
  const name = str(a['name'] as Py);
  const root = rootOf(a);
  const before = info(name, root);
  if (!before.size) throw new SaltError('CommandExecutionError', `User '${name}' does not exist`);
  if (eq(before.get(key) as Py, value)) return true;
  runText(ctx, [mustFind('usermod'), ...rootWords(root), ...more, option, value, name]);
  return eq(info(key === 'name' ? str(value) : name, root).get(key) ?? null, value);
}

/** Changes one part of the comment field. */
function changeGecos(a: Args, field: GecosField, ctx: ModuleCtx): boolean {
  const name = str(a['name'] as Py);
  const root = rootOf(a);
  const value = a[field] === null || a[field] === undefined ? '' : str(a[field]);
  const account = find(name, root);
  if (!account) throw new SaltError('KeyError', `'getpwnam(): name not found: ${name}'`);
  const now = gecosOf(account);
  if (now[field] === value) return true;
  now[field] = value;
  const text = GECOS.map((f) => now[f])
    .join(',')
    .replace(/,+$/, '');
  runText(ctx, [mustFind('usermod'), ...rootWords(root), '-c', text, name]);
  const after = find(name, root);
  return after !== undefined && gecosOf(after)[field] === value;
}

function changeGroups(name: string, groups: Py, append: Py, root: string | undefined, ctx: ModuleCtx): boolean {
  const wanted = typeof groups === 'string' ? groups.split(',') : [...iterate(groups)].map((g) => str(g));
  const now = groupNames(name);
  if (new Set([...now, ...wanted]).size === now.length && new Set(wanted).size === now.length) return true;
  const r = runWords(ctx, [
    mustFind('usermod'),
    ...(truth(append) ? ['-a'] : []),
    '-G',
    wanted.join(','),
    name,
    ...rootWords(root),
  ]);
  if (r.code !== 0 && r.stderr.includes('not found in'))
    return wanted.map((g) => runWords(ctx, ['gpasswd', '-a', name, g]).code).every((c) => c === 0);
  return r.code === 0;
}

/** Whether new users get a group of their own name. */
function ownGroups(): boolean {
  const line = readLines('/etc/login.defs').find((l) => l.slice(0, 15).includes('USERGROUPS_ENAB'));
  return line?.includes('yes') ?? false;
}

const set = (v: Py | undefined): v is Py => v !== null && v !== undefined && v !== '';

function add(a: Args, ctx: ModuleCtx): boolean {
  const name = str(a['name'] as Py);
  const local = truth(a['local'] as Py);
  const on = (key: string): boolean => truth(a[key] as Py);
  const words: Py[] = [mustFind(local ? 'luseradd' : 'useradd')];
  if (on('shell')) words.push('-s', a['shell'] as Py);
  if (set(a['uid'])) words.push('-u', a['uid']);
  if (set(a['gid'])) words.push('-g', a['gid']);
  else if (on('usergroup')) {
    if (!local) words.push('-U');
  } else if (a['groups'] != null && contains(a['groups'], name) && ownGroups())
    words.push('-g', groupOf(name)?.gid ?? '');
  if (a['usergroup'] === false) words.push(local ? '-n' : '-N');
  if (!on('createhome')) words.push('-M');
  else if (!local) words.push('-m');
  if (on('nologinit')) words.push('-l');
  if (a['home'] !== null) words.push('-d', a['home'] as Py);
  if (!on('unique')) words.push('-o');
  if (on('system')) words.push('-r');
  words.push(name, ...(local ? [] : rootWords(rootOf(a))));
  if (runWords(ctx, words).code !== 0) return false;
  if (on('groups')) changeGroups(name, a['groups'] as Py, false, rootOf(a), ctx);
  for (const f of GECOS) if (on(f)) changeGecos(a, f, ctx);
  return true;
}

function remove(a: Args, ctx: ModuleCtx): boolean {
  const local = truth(a['local'] as Py);
  const r = runWords(ctx, [
    mustFind(local ? 'luserdel' : 'userdel'),
    ...(truth(a['remove'] as Py) ? ['-r'] : []),
    ...(truth(a['force'] as Py) && !local ? ['-f'] : []),
    a['name'] as Py,
    ...(local ? [] : rootWords(rootOf(a))),
  ]);
  // Debian's userdel ends so when there was no mail folder to remove, the account itself being gone.
  return (
    r.code === 0 ||
    (r.code === 12 && ctx.grains.get('os_family') === 'Debian' && /var\/(?:spool\/)?mail/.test(r.stderr))
  );
}

const gecosFn = (field: GecosField, what: string, example: string) =>
  fn(
    `ch${field}(name, ${field}, root=None)`,
    doc(`Changes ${what} in a user's comment field.`, `ch${field} ${example}`),
    (a: Args, ctx: ModuleCtx) => changeGecos(a, field, ctx),
  );

export default {
  virtual: () => 'user',
  doc: 'Creates, changes, removes and describes the accounts of the machine.',
  functions: {
    add: fn(
      "add(name, uid=None, gid=None, groups=None, home=None, shell=None, unique=True, system=False, fullname='', roomnumber='', workphone='', homephone='', other='', createhome=True, loginclass=None, nologinit=False, root=None, usergroup=None, local=False)",
      doc(
        'Creates a user. groups is a list or comma separated; unique=False allows an id in use; usergroup=True gives it a group of its own; root names another root folder; local=True uses the luser tools.',
        "add ann uid=2001 groups=adm,www shell=/bin/bash fullname='Ann Onymous'",
      ),
      add,
    ),
    delete: fn(
      'delete(name, remove=False, force=False, root=None, local=False)',
      doc(
        'Removes a user, with remove=True its home folder too, with force=True also while it is logged in.',
        'delete ann remove=True',
      ),
      remove,
    ),
    getent: fn('getent(refresh=False, root=None)', doc('Every user with all that is known of it.', 'getent'), (a) =>
      allAccounts(rootOf(a)).map(describe),
    ),
    chuid: fn('chuid(name, uid, root=None)', doc("Changes a user's id.", 'chuid ann 2002'), (a, ctx: ModuleCtx) =>
      change(a, 'uid', a['uid'] as Py, '-u', ctx),
    ),
    chgid: fn(
      'chgid(name, gid, root=None)',
      doc("Changes a user's own group, by its id.", 'chgid ann 100'),
      (a, ctx: ModuleCtx) => change(a, 'gid', a['gid'] as Py, '-g', ctx),
    ),
    chshell: fn(
      'chshell(name, shell, root=None)',
      doc("Changes a user's login shell.", 'chshell ann /bin/zsh'),
      (a, ctx: ModuleCtx) => change(a, 'shell', a['shell'] as Py, '-s', ctx),
    ),
    chhome: fn(
      'chhome(name, home, persist=False, root=None)',
      doc(
        "Changes a user's home folder; persist=True moves what is in the old one.",
        'chhome ann /srv/ann persist=True',
      ),
      (a, ctx: ModuleCtx) => change(a, 'home', a['home'] as Py, '-d', ctx, truth(a['persist'] as Py) ? ['-m'] : []),
    ),
    chgroups: fn(
      'chgroups(name, groups, append=False, root=None)',
      doc("Sets a user's further groups, or adds to them with append=True.", 'chgroups ann adm,www append=True'),
      (a, ctx: ModuleCtx) => changeGroups(str(a['name'] as Py), a['groups'] as Py, a['append'] as Py, rootOf(a), ctx),
    ),
    chfullname: gecosFn('fullname', 'the full name', "ann 'Ann Onymous'"),
    chroomnumber: gecosFn('roomnumber', 'the room number', 'ann 12'),
    chworkphone: gecosFn('workphone', 'the telephone number at work', 'ann 5550123'),
    chhomephone: gecosFn('homephone', 'the telephone number at home', 'ann 5550124'),
    chother: gecosFn('other', 'further remarks', "ann 'on leave'"),
    chloginclass: fn(
      'chloginclass(name, loginclass, root=None)',
      doc('Login classes are known on OpenBSD only: False.', 'chloginclass ann staff'),
      () => false,
    ),
    get_loginclass: fn(
      'get_loginclass(name)',
      doc('Login classes are known on OpenBSD only: False.', 'get_loginclass ann'),
      () => false,
    ),
    info: fn(
      'info(name, root=None)',
      doc('All that is known of a user; an empty map for an unknown one.', 'info root'),
      (a) => info(str(a['name'] as Py), rootOf(a)),
    ),
    primary_group: fn(
      'primary_group(name)',
      doc("Name of a user's own group.", 'primary_group ann'),
      (a, ctx: ModuleCtx) => runText(ctx, ['id', '-g', '-n', a['name'] as Py]),
    ),
    list_groups: fn('list_groups(name)', doc('Names of the groups a user is in.', 'list_groups ann'), (a) =>
      groupNames(str(a['name'] as Py)),
    ),
    list_users: fn('list_users(root=None)', doc('Names of all users.', 'list_users'), (a) =>
      allAccounts(rootOf(a))
        .map((u) => u.name)
        .sort(),
    ),
    rename: fn(
      'rename(name, new_name, root=None)',
      doc("Changes a user's name.", 'rename ann anna'),
      (a, ctx: ModuleCtx) => {
        if (find(str(a['new_name'] as Py), rootOf(a)))
          throw new SaltError('CommandExecutionError', `User '${str(a['new_name'] as Py)}' already exists`);
        return change(a, 'name', a['new_name'] as Py, '-l', ctx);
      },
    ),
  },
} satisfies ExecutionModule;
