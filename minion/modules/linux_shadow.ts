/** Passwords of the machine's accounts and how long they are good. */
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { eq, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { accountOf } from '../process/accounts.ts';
import { runText, runWords } from '../process/through-cmd.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { passwordHash } from './random/password-hash.ts';
import { secretText } from './random/secret.ts';

const doc = docFor('shadow');
const rootOf = (a: Args): string => (a['root'] == null ? '/' : str(a['root']));
const rootWords = (a: Args): string[] => (a['root'] == null ? [] : ['-R', str(a['root'])]);
const FIELDS = ['lstchg', 'min', 'max', 'warn', 'inact', 'expire'] as const;

/** Lines of the shadow file as fields; none where it may not be read. */
function entries(root: string): string[][] {
  try {
    return readFileSync(join(root, 'etc/shadow'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((l) => l.trim().split(':'));
  } catch {
    return [];
  }
}

function info(name: string, root: string): PyDict {
  const e = entries(root).find((f) => f[0] === name);
  if (!e) return new PyDict<Py>(['name', 'passwd', ...FIELDS].map((k): [Py, Py] => [k, '']));
  return new PyDict<Py>([
    ['name', name],
    ['passwd', e[1] ?? ''],
    ...FIELDS.map((k, i): [Py, Py] => [k, e[i + 2] ? Number(e[i + 2]) : -1]),
  ]);
}

const here = (a: Args): PyDict => info(str(a['name'] as Py), rootOf(a));

/** Changes a limit with chage; with `check` by what the file says then, else by how chage ended. */
function limit(a: Args, key: string, value: Py, option: string, check: boolean, ctx: ModuleCtx): boolean {
  const before = here(a);
  if (!truth(before.get('name') as Py)) return false;
  if (eq(before.get(key) as Py, value)) return true;
  const r = runWords(ctx, ['chage', ...rootWords(a), option, value, a['name'] as Py]);
  return check ? eq(here(a).get(key) as Py, value) : r.code === 0;
}

const locked = (d: PyDict): boolean => str(d.get('passwd') as Py).startsWith('!');

function lock(a: Args, want: boolean, ctx: ModuleCtx): boolean {
  const before = here(a);
  if (!truth(before.get('name') as Py)) return false;
  if (locked(before) === want) return true;
  runText(ctx, ['passwd', ...rootWords(a), want ? '-l' : '-u', a['name'] as Py]);
  return locked(here(a)) === want;
}

function setPassword(a: Args, ctx: ModuleCtx): Py {
  const name = str(a['name'] as Py);
  const password = str(a['password'] as Py);
  if (!accountOf(name)) {
    ctx.log.warning(`user ${name} does not exist, cannot set password`);
    return false;
  }
  if (truth(a['use_usermod'] as Py))
    runText(ctx, ['usermod', ...rootWords(a), '-p', password, name], { output_loglevel: 'quiet' });
  else {
    const path = join(rootOf(a), 'etc/shadow');
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return new PyDict();
    const day = String(Math.floor(Date.now() / 86_400_000));
    let found = false;
    const lines = readFileSync(path, 'utf8')
      .split(/(?<=\n)/)
      .map((line) => {
        const f = line.trim().split(':').slice(0, 9);
        if (f[0] !== name) return line;
        found = true;
        while (f.length < 9) f.push('');
        f[1] = password;
        f[2] = day;
        return `${f.join(':')}\n`;
      });
    if (found) writeFileSync(path, lines.join(''));
    else {
      ctx.log.warning(`shadow entry not present for user ${name}, adding`);
      appendFileSync(path, `${name}:${password}:${day}::::::\n`);
    }
  }
  return here(a).get('passwd') === password;
}

export default {
  virtual: () => 'shadow',
  doc: 'Sets passwords and their limits, and tells about them.',
  functions: {
    default_hash: fn('default_hash()', doc('What stands for no password.', 'default_hash'), () => '!'),
    info: fn(
      'info(name, root=None)',
      doc("A user's password hash and limits; empty texts for an unknown one.", 'info ann'),
      (a) => here(a),
    ),
    set_inactdays: fn(
      'set_inactdays(name, inactdays, root=None)',
      doc('Days after expiry of the password until the account is locked.', 'set_inactdays ann 7'),
      (a, ctx: ModuleCtx) => limit(a, 'inact', a['inactdays'] as Py, '-I', true, ctx),
    ),
    set_maxdays: fn(
      'set_maxdays(name, maxdays, root=None)',
      doc('Days a password is good for.', 'set_maxdays ann 90'),
      (a, ctx: ModuleCtx) => limit(a, 'max', a['maxdays'] as Py, '-M', true, ctx),
    ),
    set_mindays: fn(
      'set_mindays(name, mindays, root=None)',
      doc('Days between changes of the password.', 'set_mindays ann 7'),
      (a, ctx: ModuleCtx) => limit(a, 'min', a['mindays'] as Py, '-m', true, ctx),
    ),
    set_warndays: fn(
      'set_warndays(name, warndays, root=None)',
      doc('Days of warning before the password expires.', 'set_warndays ann 7'),
      (a, ctx: ModuleCtx) => limit(a, 'warn', a['warndays'] as Py, '-W', true, ctx),
    ),
    set_date: fn(
      'set_date(name, date, root=None)',
      doc('The day the password was changed last: days since 1970 or YYYY-MM-DD.', 'set_date ann 0'),
      (a, ctx: ModuleCtx) => limit(a, 'lstchg', a['date'] as Py, '-d', false, ctx),
    ),
    set_expire: fn(
      'set_expire(name, expire, root=None)',
      doc('The day the account expires: days since 1970, YYYY-MM-DD, or -1 for never.', 'set_expire ann 2030-12-31'),
      (a, ctx: ModuleCtx) => limit(a, 'expire', a['expire'] as Py, '-E', false, ctx),
    ),
    gen_password: fn(
      "gen_password(password, crypt_salt=None, algorithm='sha512')",
      doc(
        'The hash of a password, for shadow.set_password.',
        'gen_password secret',
        'gen_password secret crypt_salt=A1b2C3d4 algorithm=sha256',
      ),
      (a) =>
        passwordHash(
          a['password'] === null
            ? secretText(20, { lowercase: true, uppercase: true, digits: true, punctuation: true })
            : str(a['password'] as Py),
          a['crypt_salt'] === null ? undefined : str(a['crypt_salt'] as Py),
          a['algorithm'] === null ? 'sha512' : str(a['algorithm'] as Py),
        ),
    ),
    del_password: fn(
      'del_password(name, root=None)',
      doc('Takes the password away: the user may log in without one.', 'del_password ann'),
      (a, ctx: ModuleCtx) => {
        runText(ctx, ['passwd', ...rootWords(a), '-d', a['name'] as Py], { output_loglevel: 'quiet' });
        const now = here(a);
        return !truth(now.get('passwd') as Py) && now.get('name') === str(a['name'] as Py);
      },
    ),
    lock_password: fn(
      'lock_password(name, root=None)',
      doc('Locks the password.', 'lock_password ann'),
      (a, ctx: ModuleCtx) => lock(a, true, ctx),
    ),
    unlock_password: fn(
      'unlock_password(name, root=None)',
      doc('Unlocks the password.', 'unlock_password ann'),
      (a, ctx: ModuleCtx) => lock(a, false, ctx),
    ),
    set_password: fn(
      'set_password(name, password, use_usermod=False, root=None)',
      doc('Sets the hash of a password, in the shadow file itself or through usermod.', "set_password ann '$6$…'"),
      setPassword,
    ),
    list_users: fn('list_users(root=None)', doc('Names of all users that have an entry.', 'list_users'), (a) =>
      entries(rootOf(a))
        .map((f) => f[0] as string)
        .sort(),
    ),
  },
} satisfies ExecutionModule;
