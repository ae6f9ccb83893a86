import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { isWireMap, type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { pyRegex } from '../sls/regex.ts';
import { expression } from './autosign.ts';
import type { Eauth } from './eauth/contract.ts';
import type { Token, Tokens } from './tokens.ts';

/** Who asks, proven. `rules` undefined: may do everything. */
export interface Caller {
  readonly kind: 'user' | 'token' | 'eauth';
  readonly user: string;
  readonly rules: readonly Py[] | undefined;
}

/** The minions a target means, as sls/match computes them from accepted keys and cached data. */
export type Expected = (tgt: Wire, tgtType: string, delimiter?: string) => { minions: string[]; missing: string[] };

/** A job as access rules see it. */
export interface AskedJob {
  readonly tgt: Wire;
  readonly tgtType: string;
  readonly fun: readonly string[];
  /** One argument list a function. */
  readonly args: readonly (readonly Wire[])[];
  readonly minions: readonly string[];
}

/** The answer of the reference to a refused clear command. */
export interface Refusal {
  error: { name: string; message: string };
}
/** Answer to credentials that prove nothing. */
export const NOT_AUTHENTICATED: Refusal = {
  error: { name: 'AuthenticationError', message: 'Authentication error occurred.' },
};
/** Answer to a proven caller whom no rule allows this. */
export const NOT_AUTHORIZED: Refusal = {
  error: { name: 'AuthorizationError', message: 'Authorization error occurred.' },
};

const EAUTH: Record<string, () => Promise<Eauth>> = {
  auto: async () => (await import('./eauth/auto.ts')).auto,
  file: async () => (await import('./eauth/file.ts')).file,
};

/**
 * Who may do what: local key files (`cachedir/.<user>_key`), publisher_acl and its blacklist, external_auth, tokens, peer rules. Proving and
 * allowing are two steps: {@link Access.authenticate} answers a Caller, the `may…` functions judge what it asks.
 */
export class Access {
  private readonly keys = new Map<string, string>();
  private readonly blockedUsers: ((u: string) => boolean)[];
  private readonly blockedFunctions: ((f: string) => boolean)[];
  /** The user the master runs as, by configuration. */
  readonly masterUser: string;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
    private readonly expected: Expected,
    private readonly tokens: Tokens,
    /** How long a failed login is held back, ms; a random share is added so that failures all look alike. */
    private readonly penalty = 750,
  ) {
    this.masterUser = opts.str('user', 'root');
    const blocked = opts.dict('publisher_acl_blacklist');
    const tests = (name: string): ((t: string) => boolean)[] =>
      ((blocked.get(name) as Py[] | undefined) ?? []).map((line) => expression(String(line)));
    this.blockedUsers = tests('users');
    this.blockedFunctions = tests('modules');
  }

  /** Reads or makes the key files of the master's user and of every publisher_acl user that exists; each is 0600 from birth and belongs to its user. */
  prepare(): void {
    const wanted = new Set<string>([this.masterUser, userInfo().username]);
    for (const name of this.opts.dict('publisher_acl').keys()) wanted.add(String(name));
    const system = systemUsers();
    if (this.opts.flag('client_acl_verify', true)) {
      const tests = [...wanted].map(expression);
      for (const user of system.keys()) if (tests.some((t) => t(user))) wanted.add(user);
    }
    for (const user of wanted) {
      if (/[/\\\0]/.test(user)) continue;
      const known = system.has(user) || user === this.masterUser || user === userInfo().username;
      if (!known && this.opts.flag('client_acl_verify', true)) continue;
      this.keys.set(user, this.keyFile(user, system.get(user)));
    }
  }

  private keyFile(user: string, uid: number | undefined): string {
    const path = join(this.opts.str('cachedir'), `.${user}_key`);
    try {
      const text = readFileSync(path, 'utf8').trim();
      if (text.length >= 64 && (statSync(path).mode & 0o077) === 0) return text;
      this.log.warning(`The key file ${path} was readable by others or damaged: made anew`);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    }
    const key = randomBytes(56).toString('base64');
    writeFileSync(path, key, { mode: 0o600 });
    chmodSync(path, 0o600);
    if (uid !== undefined && process.getuid?.() === 0) chownSync(path, uid, -1);
    return key;
  }

  /** The text of a user's key file, for the master's own calls. */
  keyOf(user: string): string | undefined {
    return this.keys.get(user);
  }

  /** Whether publisher_acl_blacklist forbids the user or one of the functions. */
  blocked(user: string, funs: readonly string[]): boolean {
    return this.blockedUsers.some((t) => t(user)) || funs.some((f) => this.blockedFunctions.some((t) => t(f)));
  }

  /**
   * Proves who sends a clear command. `credentials` is where token or eauth fields lie (the load itself, or `kwargs` of a publish). Throws SaltError
   * AuthenticationError; failed logins are held back so that they all take as long.
   */
  async authenticate(load: WireMap, credentials: WireMap): Promise<Caller> {
    if ('token' in credentials) return this.byToken(credentials['token']);
    if ('eauth' in credentials) return this.byEauth(credentials);
    return this.byKey(load);
  }

  private byKey(load: WireMap): Caller {
    const key = load['key'];
    const user = load['user'];
    const fail = (): never => {
      throw new SaltError('AuthenticationError', 'Authentication failure of type "user" occurred.');
    };
    if (typeof key !== 'string' || key === '' || typeof user !== 'string' || user === '') return fail();
    const is = (name: string): boolean => {
      const own = this.keys.get(name);
      return own !== undefined && same(own, key);
    };
    const master = is(this.masterUser) || is('root');
    if (user.startsWith('sudo_')) {
      if (!master) return fail();
      const rules = this.opts.flag('sudo_acl') ? this.rulesFor(this.opts.dict('publisher_acl'), user.slice(5), []) : [];
      return { kind: 'user', user, rules: rules.length ? rules : undefined };
    }
    if (user === this.masterUser || user === 'root') return master ? { kind: 'user', user, rules: undefined } : fail();
    if (master) return { kind: 'user', user, rules: undefined };
    if (!is(user)) return fail();
    if (user === userInfo().username) return { kind: 'user', user, rules: undefined };
    const rules = this.rulesFor(this.opts.dict('publisher_acl'), user, []);
    return rules.length ? { kind: 'user', user, rules } : fail();
  }

  private byToken(token: Wire | undefined): Caller {
    const entry = this.tokens.get(token);
    if (!entry) throw new SaltError('AuthenticationError', 'Authentication failure of type "token" occurred.');
    return { kind: 'token', user: entry.name, rules: this.rulesOfToken(entry) };
  }

  private rulesOfToken(entry: Token): Py[] {
    if (Array.isArray(entry.auth_list)) return entry.auth_list.map((r) => toPy(r));
    return this.rulesFor(this.provider(entry.eauth), entry.name, entry.groups ?? []);
  }

  private provider(eauth: string): PyDict {
    const provider = this.opts.dict('external_auth').get(eauth);
    return provider instanceof PyDict ? provider : new PyDict();
  }

  private async byEauth(credentials: WireMap): Promise<Caller> {
    const { username, groups } = await this.login(credentials);
    return {
      kind: 'eauth',
      user: username,
      rules: this.rulesFor(this.provider(String(credentials['eauth'])), username, groups),
    };
  }

  private async login(credentials: WireMap): Promise<{ username: string; groups: string[] }> {
    const { eauth, username, password } = credentials;
    let good = false;
    let groups: string[] = [];
    if (
      typeof eauth === 'string' &&
      typeof username === 'string' &&
      username !== '' &&
      this.opts.dict('external_auth').has(eauth) &&
      Object.hasOwn(EAUTH, eauth)
    ) {
      try {
        const check = await EAUTH[eauth]!();
        good = await check.auth({ username, password: typeof password === 'string' ? password : '' }, this.opts);
        if (good) groups = (await check.groups?.(username, this.opts)) ?? [];
      } catch (e) {
        this.log.debug(`Authentication module ${eauth} failed: ${e}`);
        good = false;
      }
    }
    if (good && typeof username === 'string') return { username, groups };
    await new Promise((r) => setTimeout(r, this.penalty * (1 + Math.random() / 2)));
    throw new SaltError('AuthenticationError', 'Authentication failure of type "eauth" occurred.');
  }

  /** mk_token: logs in and makes a token; undefined when refused (no login, or external_auth gives the user nothing). */
  async makeToken(load: WireMap): Promise<Token | undefined> {
    let who: { username: string; groups: string[] };
    try {
      who = await this.login(load);
    } catch (e) {
      if (e instanceof SaltError) return undefined;
      throw e;
    }
    const eauth = String(load['eauth']);
    const rules = this.rulesFor(this.provider(eauth), who.username, who.groups);
    if (!rules.length) return undefined;
    const wished = Number(load['token_expire']);
    const override = this.opts.get('token_expire_user_override');
    const listed = override instanceof PyDict ? override.get(eauth) : undefined;
    const custom = override === true || (Array.isArray(listed) && listed.includes(who.username));
    const seconds = custom && wished > 0 ? wished : this.opts.num('token_expire', 43200);
    return this.tokens.make(
      {
        name: who.username,
        eauth,
        ...(who.groups.length ? { groups: who.groups } : {}),
        ...(this.opts.flag('keep_acl_in_token') ? { auth_list: toWire(rules) } : {}),
      },
      seconds,
    );
  }

  /** Rules of a user: exact, glob or expression entries, `group%` entries, and `*` as default (or always with permissive_acl). */
  rulesFor(provider: PyDict, user: string, groups: readonly string[]): Py[] {
    const rules: Py[] = [];
    const permissive = this.opts.flag('permissive_acl');
    const add = (entry: Py): void => {
      if (Array.isArray(entry)) rules.push(...(entry as Py[]));
      else if (entry !== null) rules.push(entry);
    };
    let named = false;
    for (const [key, entry] of provider) {
      const name = String(key);
      if (name.startsWith('^')) continue;
      if (name === '*' && !permissive) continue;
      if (name.endsWith('%')) {
        if (groups.includes(name.slice(0, -1))) add(entry);
      } else if (name === user || expression(name)(user)) {
        named = true;
        add(entry);
      }
    }
    if (!permissive && !named && provider.has('*')) add(provider.get('*') ?? null);
    return rules;
  }

  /** Whether a caller may publish a job. Every function of a job with several must be allowed; find_job always is. */
  mayPublish(caller: Caller, job: AskedJob): boolean {
    return caller.rules === undefined || this.allows(caller.rules, job, ['saltutil.find_job']);
  }

  /**
   * Judges a list of rules (publisher_acl, external_auth, peer). `exact` refuses targets that reach more minions by matching pillar values with
   * patterns than by naming them.
   */
  allows(rules: readonly Py[], job: AskedJob, free: readonly string[] = [], exact = false): boolean {
    if (exact && this.guessesPillar(job)) return false;
    return (
      job.fun.length > 0 &&
      job.fun.every(
        (fun, i) => free.includes(fun) || rules.some((r) => this.ruleAllows(r, fun, job.args[i] ?? [], job)),
      )
    );
  }

  private guessesPillar(job: AskedJob): boolean {
    const strict: Record<string, string> = {
      pillar: 'pillar_exact',
      pillar_pcre: 'pillar_exact',
      compound: 'compound_pillar_exact',
    };
    const type = strict[job.tgtType];
    if (type === undefined) return false;
    const allowed = new Set(this.expected(job.tgt, type).minions);
    return job.minions.some((m) => !allowed.has(m));
  }

  private ruleAllows(rule: Py, fun: string, args: readonly Wire[], job: AskedJob): boolean {
    if (typeof rule === 'string') return startsAs(rule, fun);
    if (!(rule instanceof PyDict) || rule.size !== 1) return false;
    const [[target, allowed]] = [...rule] as [[Py, Py]];
    if (typeof target !== 'string' || target.startsWith('@')) return false;
    if (!job.minions.length && this.opts.flag('order_masters')) return false;
    const reachable = new Set(this.expected(target, 'compound').minions);
    if (job.minions.some((m) => !reachable.has(m))) return false;
    const last = args.at(-1);
    const kwargs = isWireMap(last) && '__kwarg__' in last ? last : undefined;
    return functionAllowed(allowed, fun, kwargs ? args.slice(0, -1) : args, kwargs);
  }

  /** Whether a caller may run a runner or wheel function: rules `@runner`, `@wheel`, `@<module>`, also with lists of functions. */
  maySpecial(caller: Caller, form: 'runner' | 'wheel', fun: string, arg: readonly Wire[], kwarg: WireMap): boolean {
    if (caller.kind === 'user') return caller.rules === undefined;
    const [module, name, more] = fun.split('.');
    if (!module || !name || more !== undefined) return false;
    const wide = new Set([`@${form}`, `@${form}s`]);
    return (caller.rules ?? []).some((rule) => {
      if (typeof rule === 'string') return wide.has(rule) || rule === `@${module}`;
      if (!(rule instanceof PyDict) || rule.size !== 1) return false;
      const [[target, allowed]] = [...rule] as [[Py, Py]];
      if (target === `@${module}` && functionAllowed(allowed, name, arg, kwarg)) return true;
      return wide.has(String(target)) && functionAllowed(allowed, fun, arg, kwarg);
    });
  }
}

/** Rules name functions by an expression that matches from the first letter on, as the reference does; a broken one allows nothing. */
function startsAs(expr: string, text: string): boolean {
  try {
    return pyRegex(expr).matches(text);
  } catch (e) {
    if (e instanceof SaltError) return false; // what cannot be read cannot allow
    throw e;
  }
}

function functionAllowed(allowed: Py, fun: string, args: readonly Wire[], kwargs: WireMap | undefined): boolean {
  for (const cond of Array.isArray(allowed) ? (allowed as Py[]) : [allowed]) {
    if (typeof cond === 'string') {
      if (startsAs(cond, fun)) return true;
    } else if (cond instanceof PyDict && cond.size === 1) {
      const [[name, conditions]] = [...cond] as [[Py, Py]];
      if (startsAs(String(name), fun) && argumentsAllowed(conditions, args, kwargs)) return true;
    }
  }
  return false;
}

function argumentsAllowed(conditions: Py, args: readonly Wire[], kwargs: WireMap | undefined): boolean {
  const fits = (cond: Py, value: Wire | undefined): boolean =>
    cond === null || (value !== undefined && startsAs(String(cond), String(value)));
  return (Array.isArray(conditions) ? (conditions as Py[]) : [conditions]).some((c) => {
    if (!(c instanceof PyDict)) return false;
    const wanted = (c.get('args') as Py[] | undefined) ?? [];
    if (!wanted.every((w, i) => i < args.length && fits(w, args[i]))) return false;
    const named = c.get('kwargs');
    if (!(named instanceof PyDict)) return true;
    return [...named].every(([k, w]) => kwargs !== undefined && String(k) in kwargs && fits(w, kwargs[String(k)]));
  });
}

function same(a: string, b: string): boolean {
  const digest = (t: string): Buffer => createHash('sha256').update(t).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Names and uids of /etc/passwd; empty where there is none. */
function systemUsers(): Map<string, number> {
  const users = new Map<string, number>();
  let text = '';
  try {
    text = readFileSync('/etc/passwd', 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
  for (const line of text.split('\n')) {
    const [name, , uid] = line.split(':');
    if (name && uid !== undefined) users.set(name, Number(uid));
  }
  return users;
}
