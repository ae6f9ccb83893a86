import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryKeyedStore } from '../../bus/store/memory.ts';
import { toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { Access, type AskedJob, type Caller } from '../../master/access.ts';
import { MinionCache } from '../../master/minion-cache.ts';
import { Tokens } from '../../master/tokens.ts';
import { globOf } from '../../sls/fnmatch.ts';

const dirs: string[] = [];
after(() => {
  for (const d of dirs) rmSync(d, { recursive: true, force: true });
});
const MINIONS = ['web1', 'web2', 'db1'];
let clock = 1_000_000;

function make(options: WireMap): { access: Access; tokens: Tokens; dir: string; opts: Opts } {
  const dir = mkdtempSync(join(tmpdir(), 'acc-'));
  dirs.push(dir);
  const opts = new Opts();
  const all: WireMap = { cachedir: dir, user: 'root', client_acl_verify: false, ...options };
  for (const [k, v] of Object.entries(all)) opts.set(k, toPy(v));
  const tokens = new Tokens(new MinionCache(new MemoryKeyedStore()), 'sha256', () => clock);
  const expected = (tgt: Wire): { minions: string[]; missing: string[] } => ({
    minions: MINIONS.filter(globOf(String(tgt))),
    missing: [],
  });
  const access = new Access(opts, quietLog, expected, tokens, 1);
  access.prepare();
  return { access, tokens, dir, opts };
}
const job = (fun: string, tgt: string, args: Wire[] = []): AskedJob => ({
  tgt,
  tgtType: 'glob',
  fun: [fun],
  args: [args],
  minions: MINIONS.filter(globOf(tgt)),
});
const caller = (rules: Wire[]): Caller => ({ kind: 'eauth', user: 'ann', rules: rules.map((r) => toPy(r)) });

test('key files are made for the master and every acl user, for their owner alone, and kept', () => {
  const { access, dir, opts } = make({ publisher_acl: { ann: ['test.*'] } });
  for (const user of ['root', 'ann']) {
    const path = join(dir, `.${user}_key`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(readFileSync(path, 'utf8'), access.keyOf(user));
    assert.equal(access.keyOf(user)?.length, 76);
  }
  const again = new Access(
    opts,
    quietLog,
    () => ({ minions: [], missing: [] }),
    new Tokens(new MinionCache(new MemoryKeyedStore()), 'sha256'),
  );
  again.prepare();
  assert.equal(again.keyOf('ann'), access.keyOf('ann'));
});

test('a key file that others could read is made anew', () => {
  const { access, dir, opts } = make({});
  const path = join(dir, '.root_key');
  writeFileSync(path, 'A'.repeat(76));
  rmSync(path);
  writeFileSync(path, 'A'.repeat(76), { mode: 0o644 });
  const again = new Access(
    opts,
    quietLog,
    () => ({ minions: [], missing: [] }),
    new Tokens(new MinionCache(new MemoryKeyedStore()), 'sha256'),
  );
  again.prepare();
  assert.notEqual(again.keyOf('root'), 'A'.repeat(76));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(access);
});

test('the key file of a user proves that user and nobody else', async () => {
  const { access } = make({ publisher_acl: { ann: ['test.*'], bob: ['cmd.*'] } });
  const key = access.keyOf('ann') as string;
  const ann = await access.authenticate({ user: 'ann', key }, {});
  assert.ok(ann.rules?.length === 1);
  for (const user of ['bob', 'root', 'sudo_ann', '', 'ANN'])
    await assert.rejects(access.authenticate({ user, key }, {}), /Authentication failure of type "user"/, user);
  const root = access.keyOf('root') as string;
  assert.equal((await access.authenticate({ user: 'root', key: root }, {})).rules, undefined);
  assert.equal((await access.authenticate({ user: 'sudo_ann', key: root }, {})).rules, undefined);
  const me = userInfo().username;
  assert.equal((await access.authenticate({ user: me, key: access.keyOf(me) as string }, {})).rules, undefined);
});

test('sudo_acl holds a person who became root to the rules of the own name', async () => {
  const { access } = make({ sudo_acl: true, publisher_acl: { ann: ['test.*'] } });
  const ann = await access.authenticate({ user: 'sudo_ann', key: access.keyOf('root') as string }, {});
  assert.ok(access.mayPublish(ann, job('test.ping', '*')));
  assert.ok(!access.mayPublish(ann, job('cmd.run', '*')));
});

test('rules name functions by expressions that match from the first letter', () => {
  const { access } = make({});
  const who = caller(['test.*', 'pkg\\.install$']);
  assert.ok(access.mayPublish(who, job('test.ping', '*')));
  assert.ok(access.mayPublish(who, job('pkg.install', '*')));
  assert.ok(!access.mayPublish(who, job('pkg.installed', '*')));
  assert.ok(!access.mayPublish(who, job('my.test.ping', '*')));
  assert.ok(access.mayPublish(who, job('saltutil.find_job', '*')), 'find_job is always free');
  assert.ok(!access.mayPublish(caller(['(']), job('test.ping', '*')), 'a broken rule allows nothing');
});

test('rules by target hold for every targeted minion', () => {
  const { access } = make({});
  const who = caller([{ 'web*': ['test.*'] }, { db1: ['status.*'] }]);
  assert.ok(access.mayPublish(who, job('test.ping', 'web*')));
  assert.ok(access.mayPublish(who, job('test.ping', 'web1')));
  assert.ok(!access.mayPublish(who, job('test.ping', '*')), 'db1 is not allowed');
  assert.ok(!access.mayPublish(who, job('test.ping', 'db1')));
  assert.ok(access.mayPublish(who, job('status.uptime', 'db1')));
});

test('rules by arguments hold for positional and keyword arguments', () => {
  const { access } = make({});
  const who = caller([{ '*': [{ 'pkg.install': { args: ['nginx.*'], kwargs: { refresh: 'true' } } }] }]);
  const kw = (refresh: Wire): Wire => ({ __kwarg__: true, refresh });
  assert.ok(access.mayPublish(who, job('pkg.install', '*', ['nginx-full', kw(true)])));
  assert.ok(!access.mayPublish(who, job('pkg.install', '*', ['vim', kw(true)])));
  assert.ok(!access.mayPublish(who, job('pkg.install', '*', ['nginx', kw(false)])));
  assert.ok(!access.mayPublish(who, job('pkg.install', '*', ['nginx'])));
});

test('of a job with several functions each must be allowed', () => {
  const { access } = make({});
  const both: AskedJob = { ...job('test.ping', '*'), fun: ['test.ping', 'cmd.run'], args: [[], ['id']] };
  assert.ok(!access.mayPublish(caller(['test.*']), both));
  assert.ok(access.mayPublish(caller(['test.*', 'cmd.run']), both));
});

test('a blacklist of users and functions comes before everything', () => {
  const { access } = make({ publisher_acl_blacklist: { users: ['^(?!sudo_).*evil$', 'mallory'], modules: ['cmd.*'] } });
  assert.ok(access.blocked('mallory', ['test.ping']));
  assert.ok(access.blocked('so-evil', ['test.ping']));
  assert.ok(access.blocked('ann', ['test.ping', 'cmd.run']));
  assert.ok(!access.blocked('ann', ['test.ping']));
});

test('runners and wheels want an @ rule', () => {
  const { access } = make({});
  const may = (rules: Wire[], form: 'runner' | 'wheel', fun: string): boolean =>
    access.maySpecial(caller(rules), form, fun, [], {});
  assert.ok(may(['@runner'], 'runner', 'jobs.active'));
  assert.ok(may(['@runners'], 'runner', 'jobs.active'));
  assert.ok(may(['@jobs'], 'runner', 'jobs.active'));
  assert.ok(!may(['@jobs'], 'runner', 'manage.up'));
  assert.ok(!may(['@runner'], 'wheel', 'key.list'));
  assert.ok(may([{ '@wheel': ['key.list'] }], 'wheel', 'key.list'));
  assert.ok(!may([{ '@wheel': ['key.list$'] }], 'wheel', 'key.delete'));
  assert.ok(may([{ '@key': ['list'] }], 'wheel', 'key.list'));
  assert.ok(!may(['.*'], 'runner', 'jobs.active'));
  assert.ok(!may(['@runner'], 'runner', 'jobs'));
  assert.ok(!access.maySpecial({ kind: 'user', user: 'ann', rules: [] }, 'runner', 'jobs.active', [], {}));
});

test('external_auth matches names, groups and the default', () => {
  const { access } = make({});
  const provider = toPy({ ann: ['a'], 'ops%': ['g'], '*': ['d'] }) as never;
  assert.deepEqual(access.rulesFor(provider, 'ann', []), ['a']);
  assert.deepEqual(access.rulesFor(provider, 'bob', ['ops']), ['g', 'd']);
  assert.deepEqual(access.rulesFor(provider, 'eve', []), ['d']);
  const { access: permissive } = make({ permissive_acl: true });
  assert.deepEqual(permissive.rulesFor(provider, 'ann', []), ['a', 'd']);
});

test('passwords of a file open the door, wrong ones do not', async () => {
  const { access, dir, opts } = make({});
  const path = join(dir, 'users');
  writeFileSync(path, 'ann:secret\nbob:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\n');
  opts.set('external_auth', toPy({ file: { '^filename': path, '^hashtype': 'plaintext', ann: ['test.*'] } }));
  const login = (password: Wire, username: Wire = 'ann'): Promise<Caller> =>
    access.authenticate({}, { eauth: 'file', username, password });
  assert.equal((await login('secret')).user, 'ann');
  for (const bad of ['', 'Secret', 'secret ', null, ['secret']] as Wire[])
    await assert.rejects(login(bad), /type "eauth"/);
  await assert.rejects(login('x', ''), /type "eauth"/);
  opts.set('external_auth', toPy({ file: { '^filename': path, '^hashtype': 'sha256', bob: ['test.*'] } }));
  assert.equal((await login('password', 'bob')).user, 'bob');
});

test('a token is dead from the millisecond of its expiry, also at its first use after it', async () => {
  const { access, tokens } = make({ token_expire: 10, external_auth: { auto: { ann: ['test.*'] } } });
  const token = await access.makeToken({ eauth: 'auto', username: 'ann', password: 'x' });
  assert.ok(token);
  assert.equal((await access.authenticate({}, { token: token.token })).user, 'ann');
  clock += 9_999;
  assert.ok(tokens.get(token.token));
  clock += 1;
  await assert.rejects(access.authenticate({}, { token: token.token }), /type "token"/);
  assert.equal(await tokens.clean(), 1);
});
