import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { Crypticle } from '../../bus/wire/crypticle.ts';
import { PrivateKey } from '../../bus/wire/keys.ts';
import { CLEAR_COMMAND, MINION_COMMAND } from '../../bus/wire/loads.ts';
import { encodeNetwork } from '../../bus/wire/payload.ts';
import { HandMinion } from '../master/hand-minion.ts';
import { startTestMaster, type TestMaster } from '../master/master-fixture.ts';

const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));
/** Texts that try to leave a folder. */
const TRAVERSALS = ['../../etc/passwd', '/etc/passwd', '..', 'a/../../b', 'a\0b', '..\\..\\x', '%2e%2e/x', '．．/x'];

describe('attacks on the request server', () => {
  let host: TestMaster;
  let good: HandMinion;
  let evil: HandMinion;
  const tags: string[] = [];
  const datas: { tag: string; data: WireMap }[] = [];

  before(async () => {
    host = await startTestMaster({
      auto_accept: true,
      external_auth: toPy({ auto: { ann: ['test.*'], '*': [] } }),
      publisher_acl: toPy({ nobody: ['test.ping'] }),
    });
    host.master.bus.events$.subscribe((e) => {
      tags.push(e.tag);
      datas.push({ tag: e.tag, data: e.data });
    });
    const keys = await Promise.all([PrivateKey.generate(2048), PrivateKey.generate(2048)]);
    good = new HandMinion('good', keys[0]!, host.master.ports.ret);
    evil = new HandMinion('evil', keys[1]!, host.master.ports.ret);
    for (const m of [good, evil]) assert.equal((await m.signIn()).kind, 'accepted');
  });
  after(async () => {
    await good?.close();
    await evil?.close();
    await host?.end();
  });

  test('CVE-2020-11651: in clear text only the public commands answer, whatever name is sent', async () => {
    const names = [
      ...Object.values(MINION_COMMAND),
      '_prep_auth_info',
      '_send_pub',
      '__init__',
      'constructor',
      '__proto__',
      'toString',
      'hasOwnProperty',
      'handlers',
      '',
    ];
    const before = tags.length;
    for (const cmd of names)
      assert.deepEqual(plain(await evil.clear({ cmd, id: 'evil', tgt: '*', fun: 'test.ping', arg: [] })), {}, cmd);
    for (const cmd of [1, null, ['ping'], { a: 1 }] as Wire[]) assert.deepEqual(plain(await evil.clear({ cmd })), {});
    assert.deepEqual(tags.slice(before), []);
  });

  test('CVE-2020-11651: publish, runner and wheel want credentials before anything happens', async () => {
    const before = tags.length;
    const jobs: WireMap[] = [
      {},
      { key: '' },
      { key: null },
      { key: 'wrong', user: 'root' },
      { key: randomBytes(56).toString('base64'), user: 'sudo_root' },
      { kwargs: { token: '' } },
      { kwargs: { token: '../../etc/passwd' } },
      { kwargs: { token: null } },
      { kwargs: { token: {} } },
      { kwargs: { eauth: 'auto', username: '', password: '' } },
      { kwargs: { eauth: 'pam', username: 'root', password: 'x' } },
    ];
    for (const job of jobs) {
      const answer = plain(
        await evil.clear({ cmd: CLEAR_COMMAND.publish, tgt: '*', fun: 'test.ping', arg: [], user: 'root', ...job }),
      ) as { error?: { name: string } };
      assert.equal(answer.error?.name, 'AuthenticationError', JSON.stringify(job));
    }
    const special: [WireMap, string][] = [
      [{}, 'UserAuthenticationError'],
      [{ key: '', user: 'root' }, 'UserAuthenticationError'],
      [{ key: null, user: 'root' }, 'UserAuthenticationError'],
      [{ token: '' }, 'TokenAuthenticationError'],
      [{ token: 'a'.repeat(64) }, 'TokenAuthenticationError'],
      [{ eauth: 'auto', username: 'ann', password: 'x' }, 'EauthAuthenticationError'],
      [{ eauth: 'constructor', username: 'ann', password: 'x' }, 'EauthAuthenticationError'],
    ];
    for (const cmd of [CLEAR_COMMAND.runner, CLEAR_COMMAND.wheel])
      for (const [load, name] of special) {
        const answer = plain(await evil.clear({ cmd, fun: 'test.arg', kwarg: {}, ...load })) as {
          error?: { name: string };
        };
        assert.equal(answer.error?.name, name, `${cmd} ${JSON.stringify(load)}`);
      }
    assert.deepEqual(
      tags.slice(before).filter((t) => !t.endsWith('/error')),
      [],
    );
  });

  test('a refused publish is told without any secret in it', async () => {
    const from = datas.length;
    const kwargs = { eauth: 'pam', username: 'root', password: 'open-sesame' };
    const load = {
      cmd: 'publish',
      tgt: '*',
      fun: 'test.ping',
      arg: [],
      user: 'root',
      jid: '',
      key: 'hidden-key',
      kwargs,
    };
    await evil.clear(load);
    const told = datas.slice(from).find((e) => e.tag === 'salt/job/error');
    assert.ok(told, 'the refusal is an event');
    const text = JSON.stringify(told.data);
    assert.ok(!text.includes('open-sesame') && !text.includes('hidden-key'), text);
    assert.ok(!host.lines.some((l) => l.includes('open-sesame') || l.includes('hidden-key')));
  });

  test('CVE-2020-11652: a token that is a path opens nothing', async () => {
    for (const token of [...TRAVERSALS, '', 'A'.repeat(64), {}, [], 7, null] as Wire[])
      assert.deepEqual(plain(await evil.clear({ cmd: 'get_token', token })), {});
    assert.deepEqual(plain(await evil.clear({ cmd: 'get_token' })), {});
  });

  test('a token holds what it was made for, and dies with its time', async () => {
    const made = plain(await good.clear({ cmd: 'mk_token', eauth: 'auto', username: 'ann', password: 'x' })) as {
      token: string;
      name: string;
    };
    assert.match(made.token ?? JSON.stringify(made) + host.lines.slice(-3), /^[0-9a-f]{64}$/);
    assert.equal((plain(await good.clear({ cmd: 'get_token', token: made.token })) as { name: string }).name, 'ann');
    const job = { cmd: 'publish', tgt: 'good', arg: [], user: 'root', kwargs: { token: made.token } };
    const allowed = plain(await good.clear({ ...job, fun: 'test.ping' })) as { load: { minions: string[] } };
    assert.deepEqual(allowed.load.minions, ['good']);
    const refused = plain(await good.clear({ ...job, fun: 'cmd.run' })) as { error: { name: string } };
    assert.equal(refused.error.name, 'AuthorizationError');
    assert.equal(plain(await good.clear({ cmd: 'mk_token', eauth: 'auto', username: 'bob', password: 'x' })), '');
  });

  test('CVE-2023-20897: 100,000 malformed frames do not keep a good minion waiting', async () => {
    const shapes = [
      randomBytes(40),
      Buffer.from([0xc1]),
      Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xdd, 0x7f, 0xff, 0xff, 0xff]),
      Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]),
      encodeNetwork({ enc: 'aes', load: randomBytes(96), version: 3, id: 'good' }),
      encodeNetwork({ enc: 'aes', load: 'x', version: 3, id: '../x' }),
      encodeNetwork({ enc: 'pub', load: {} }),
      encodeNetwork({ enc: 'clear', load: 'text', version: 3 }),
      encodeNetwork({ enc: 'clear', load: { cmd: '_auth', id: 7, pub: [] }, version: 3 }),
      encodeNetwork([1, 2, 3]),
      Buffer.concat(Array.from({ length: 400 }, () => Buffer.from([0x91]))),
    ];
    const { requests } = host.master;
    const before = requests.stats.requests;
    const count = 100_000;
    let answered = 0;
    const reply = (): void => void answered++;
    const delays: number[] = [];
    for (let sent = 0; sent < count; ) {
      for (let i = 0; i < 500; i++, sent++) requests.take({ body: shapes[sent % shapes.length]!, reply });
      if (sent % 5000 === 0) {
        const at = performance.now();
        assert.deepEqual(plain(await good.ask({ cmd: '_file_envs' })), ['base']);
        delays.push(performance.now() - at);
      }
      await new Promise((r) => setImmediate(r));
    }
    for (let i = 0; i < 100 && answered < count; i++) await new Promise((r) => setTimeout(r, 10));
    assert.equal(answered, count, 'each bad frame got its short answer');
    assert.ok(requests.stats.requests - before >= count);
    assert.ok(Math.max(...delays) < 250, `slowest answer ${Math.max(...delays)} ms`);
    assert.ok(host.lines.filter((l) => l.includes('Malformed')).length < 10, 'the log is not flooded');
  });

  test('CVE-2024-38822: nobody speaks for another: foreign id, foreign token, no token', async () => {
    const session = evil.keys?.session as string;
    const token = evil.key.signX931(Buffer.from('salt'));
    const foreign = good.key.signX931(Buffer.from('salt'));
    const before = tags.length;
    const seal = (outer: string, load: WireMap): Buffer =>
      encodeNetwork({
        enc: 'aes',
        version: 3,
        id: outer,
        load: new Crypticle(session).seal({
          nonce: randomBytes(16).toString('hex'),
          ts: Math.floor(Date.now() / 1000),
          ...load,
        }),
      });
    for (const cmd of Object.values(MINION_COMMAND)) {
      const load = { cmd, tag: 'forged', data: {}, jid: 'req', return: 1, fun: 'x', tgt: '*', arg: [], path: 'x' };
      const cases: [string, Buffer][] = [
        ['inner id of another', seal('evil', { ...load, id: 'good', tok: token })],
        ['outer id of another', seal('good', { ...load, id: 'good', tok: token })],
        ['both ids, own session', seal('good', { ...load, id: 'evil', tok: token })],
        ['token of another', seal('evil', { ...load, id: 'evil', tok: foreign })],
        ['no token', seal('evil', { ...load, id: 'evil' })],
        ['empty token', seal('evil', { ...load, id: 'evil', tok: '' })],
        ['no id', seal('evil', { ...load, tok: token })],
      ];
      for (const [what, frame] of cases) assert.equal(await evil.raw(frame), 'bad load', `${cmd}: ${what}`);
    }
    assert.deepEqual(
      tags.slice(before).filter((t) => !t.startsWith('salt/event/refused/')),
      [],
    );
    assert.ok(tags.slice(before).includes('salt/event/refused/evil'), 'it was told');
  });

  test('CVE-2024-38823: a recorded request is refused when it is played again', async () => {
    const sealed = good.session.seal({ cmd: '_minion_event', tag: 'once/only', data: {} });
    await good.raw(sealed.frame);
    assert.equal(await good.raw(sealed.frame), 'bad load');
    host.master.rotation.request();
    host.master.rotation.run();
    assert.equal(await good.raw(sealed.frame), 'bad load');
    assert.equal(tags.filter((t) => t === 'once/only').length, 1);
    const ret = good.session.seal({ cmd: '_return', jid: 'req', return: 1, fun: 'test.x', fun_args: [] });
    await good.raw(ret.frame);
    const count = tags.filter((t) => t.includes('/ret/good')).length;
    assert.equal(await good.raw(ret.frame), 'bad load');
    assert.equal(tags.filter((t) => t.includes('/ret/good')).length, count);
  });

  test('a request that is too old, or from far in the future, is refused', async () => {
    const box = new Crypticle(good.keys?.session as string);
    const frame = (ts: number): Buffer =>
      encodeNetwork({
        enc: 'aes',
        version: 3,
        id: 'good',
        load: box.seal({
          cmd: '_file_envs',
          id: 'good',
          tok: good.key.signX931(Buffer.from('salt')),
          nonce: randomBytes(16).toString('hex'),
          ts,
        }),
      });
    const now = Math.floor(Date.now() / 1000);
    assert.equal(await good.raw(frame(now - 3600)), 'bad load');
    assert.equal(await good.raw(frame(now + 3600)), 'bad load');
    assert.notEqual(await good.raw(frame(now - 10)), 'bad load');
  });

  test('CVE-2025-62349: an older request format is refused by default', async () => {
    const big = 2n ** 63n;
    for (const version of [undefined, 0, 1, 2, -1, '2', [], null, -big] as Wire[]) {
      const v = version === undefined ? {} : { version };
      const signIn = encodeNetwork({ enc: 'clear', load: { cmd: '_auth', id: 'old', pub: good.key.public.pem }, ...v });
      assert.equal(await evil.raw(signIn), 'bad load', `sign-in, version ${String(version)}`);
      assert.equal(await evil.raw(encodeNetwork({ enc: 'clear', load: { cmd: 'ping' }, ...v })), 'bad load');
      const box = new Crypticle(good.keys?.aes as string).seal({ cmd: '_file_envs', id: 'good' });
      assert.equal(await evil.raw(encodeNetwork({ enc: 'aes', load: box, id: 'good', ...v })), 'bad load');
    }
    assert.ok(!existsSync(join(host.dir, 'pki', 'minions', 'old')));
  });

  test('CVE-2024-38824: file pushes are off by default', async () => {
    const answer = await evil.ask({ cmd: '_file_recv', path: ['a'], loc: 0, size: 1, data: 'x' });
    assert.equal(answer, false);
    assert.ok(!existsSync(join(host.dir, 'cache', 'minions', 'evil')));
  });

  test('CVE-2024-22232: the file server opens nothing outside of its roots', async () => {
    writeFileSync(join(host.dir, 'srv', 'in.txt'), 'inside');
    writeFileSync(join(host.dir, 'secret.txt'), 'outside');
    const paths = [
      ...TRAVERSALS,
      '../secret.txt',
      './../secret.txt',
      'in.txt/../../secret.txt',
      join(host.dir, 'secret.txt'),
    ];
    const envs = ['base', '..', '../..', '/', 'base/../..', '\0'];
    for (const path of paths)
      for (const saltenv of envs) {
        assert.deepEqual(plain(await evil.ask({ cmd: '_serve_file', path, saltenv, loc: 0 })), { data: '', dest: '' });
        assert.equal(await evil.ask({ cmd: '_file_hash', path, saltenv }), '');
        assert.deepEqual(plain(await evil.ask({ cmd: '_file_find', path, saltenv })), { path: '', rel: '' });
      }
    for (const saltenv of envs.slice(1))
      for (const cmd of ['_file_list', '_dir_list', '_file_list_emptydirs'])
        assert.deepEqual(plain(await evil.ask({ cmd, saltenv, prefix: '../' })), []);
    assert.deepEqual(plain(await evil.ask({ cmd: '_symlink_list', saltenv: '../..' })), {});
    const odds: WireMap[] = [
      {},
      { path: 7 },
      { path: ['in.txt'] },
      { path: 'in.txt', loc: -1 },
      { path: 'in.txt', loc: 'x' },
    ];
    for (const odd of odds)
      assert.deepEqual(plain(await evil.ask({ cmd: '_serve_file', saltenv: 'base', ...odd })), { data: '', dest: '' });
    const fine = await evil.ask({ cmd: '_serve_file', path: 'in.txt', saltenv: 'base', loc: 0 });
    assert.deepEqual(plain(fine), { data: 'inside', dest: 'in.txt' });
  });

  test('CVE-2025-22239: no tag of the master or of another minion, in any shape', async () => {
    const forged = [
      'salt/job/20300101000000000000/publish',
      'salt/job/20300101000000000000/new',
      'salt/job/20300101000000000000/return',
      'salt/job/20300101000000000000/ret/good',
      'salt/job/20300101000000000000/ret/evil',
      'salt/key',
      'salt/auth',
      'salt/run/20300101000000000000/new',
      'salt/wheel/20300101000000000000/ret',
      'salt/cloud/x',
      'salt/cluster/x',
      'syndic/evil/x',
      'salt/minion/good/start',
      'salt/beacon/good/load/',
      'minion/refresh/good',
      'key',
    ];
    const before = tags.length;
    for (const tag of forged) {
      await evil.ask({ cmd: '_minion_event', tag, data: {}, pretag: null });
      await evil.ask({ cmd: '_minion_event', events: [{ tag, data: {} }] });
      await evil.ask({ cmd: '_minion_event', events: [{ tag, data: {} }], pretag: 'salt' });
      const cut = tag.indexOf('/');
      if (cut > 0) {
        const [pretag, rest] = [tag.slice(0, cut), tag.slice(cut + 1)];
        await evil.ask({ cmd: '_minion_event', pretag, events: [{ tag: rest, data: {} }] });
      }
    }
    const seen = new Set(tags.slice(before));
    for (const tag of forged) assert.ok(!seen.has(tag), `${tag} was fired`);
    await evil.ask({ cmd: '_minion_event', tag: 'salt/minion/evil/start', data: {} });
    await evil.ask({ cmd: '_minion_event', tag: 'evil\n\ntag', data: {} });
    assert.ok(tags.includes('salt/minion/evil/start'), 'its own start is its own');
    assert.ok(!tags.includes('evil\n\ntag'));
  });

  test('CVE-2025-22236: peers publish nothing unless allowed', async () => {
    const before = tags.length;
    for (const cmd of ['minion_pub', 'minion_publish'])
      assert.deepEqual(plain(await evil.ask({ cmd, fun: 'test.ping', arg: [], tgt: '*', ret: '' })), {});
    assert.deepEqual(plain(await evil.ask({ cmd: 'minion_runner', fun: 'test.arg', arg: [] })), {});
    assert.deepEqual(tags.slice(before), []);
  });

  test('CVE-2025-22242: pub_ret takes job ids only', async () => {
    for (const jid of ['/proc/self/environ', '../../x', '', '20300101000000000000', 7, null, ['x']] as Wire[])
      assert.deepEqual(plain(await evil.ask({ cmd: 'pub_ret', jid })), {});
  });

  test('CVE-2024-22231, CVE-2025-22238: returns and sign-ins with paths for ids leave no file', async () => {
    const before = readdirSync(host.dir, { recursive: true }).filter((f) => !String(f).includes('event_log')).length;
    for (const jid of TRAVERSALS) assert.notEqual(await evil.ask({ cmd: '_return', jid, return: 1, fun: 'x' }), true);
    const returns = TRAVERSALS.map((id) => ({
      id: 'evil',
      jid: '20300101000000000000',
      return: { [id]: { return: 1 } },
    }));
    await evil.ask({ cmd: '_syndic_return', load: returns as Wire });
    for (const id of TRAVERSALS.filter((t) => /[/\\\0]|^\.\.$/.test(t)))
      assert.equal((await new HandMinion(id, evil.key, host.master.ports.ret).signIn()).kind, 'rejected', id);
    const now = readdirSync(host.dir, { recursive: true }).filter((f) => !String(f).includes('event_log')).length;
    assert.equal(now, before);
  });

  test('a minion cannot return for a job that was not for it, nor for another minion through a syndic return', async () => {
    const load = { cmd: 'publish', tgt: 'good', fun: 'test.ping', arg: [], user: 'root', tgt_type: 'glob', ret: '' };
    const key = readFileSync(join(host.dir, 'cache', '.root_key'), 'utf8');
    const { load: job } = plain(await good.clear({ ...load, key })) as { load: { jid: string } };
    await evil.ask({ cmd: '_return', jid: job.jid, return: 'lie', fun: 'test.ping', fun_args: [] });
    const lies = [{ id: 'evil', jid: job.jid, return: { good: { return: 'lie', retcode: 0, success: true } } }];
    await evil.ask({ cmd: '_syndic_return', load: lies });
    assert.ok(!tags.includes(`salt/job/${job.jid}/ret/evil`));
    assert.ok(!tags.includes(`salt/job/${job.jid}/ret/good`));
    await good.ask({ cmd: '_return', jid: job.jid, return: true, fun: 'test.ping', fun_args: [] });
    await good.ask({ cmd: '_return', jid: job.jid, return: true, fun: 'test.ping', fun_args: [] });
    assert.equal(tags.filter((t) => t === `salt/job/${job.jid}/ret/good`).length, 1, 'a repeated return counts once');
  });

  test('CVE-2016-9639: a new minion of an old id finds nothing of the old one', async () => {
    await good.ask({ cmd: '_mine', data: { secret: 'mine' } });
    assert.deepEqual(plain(await evil.ask({ cmd: '_mine_get', tgt: 'good', fun: 'secret' })), { good: 'mine' });
    assert.equal(await good.ask({ cmd: 'revoke_auth' }), true);
    await assert.rejects(good.ask({ cmd: '_file_envs' }), /stale bad load/, 'its session ended at once');
    assert.deepEqual(plain(await evil.ask({ cmd: '_file_envs' })), ['base'], 'nobody else is disturbed');
    const heir = await HandMinion.make('good', host.master.ports.ret);
    assert.equal((await heir.signIn()).kind, 'accepted');
    assert.deepEqual(plain(await heir.ask({ cmd: '_mine_get', tgt: 'good', fun: 'secret' })), {});
    await heir.close();
  });

  test('a foreign key under a known id is denied, and the good key is kept', async () => {
    const thief = await HandMinion.make('evil', host.master.ports.ret);
    assert.equal((await thief.signIn()).kind, 'rejected');
    await thief.close();
    assert.deepEqual(plain(await evil.ask({ cmd: '_file_envs' })), ['base']);
    assert.ok(existsSync(join(host.dir, 'pki', 'minions_denied', 'evil')));
  });

  test('secret files are for their owner alone', () => {
    const files = [
      join(host.dir, 'cache', '.root_key'),
      join(host.dir, 'pki', 'master.pem'),
      join(host.dir, 'cache', 'data', 'data.mdb'),
      join(host.dir, 'run', 'master_control.ipc'),
    ];
    for (const f of files) assert.equal(statSync(f).mode & 0o077, 0, f);
  });
});

describe('attacks where an operator opened a door', () => {
  let host: TestMaster;
  let evil: HandMinion;
  before(async () => {
    host = await startTestMaster({
      auto_accept: true,
      file_recv: true,
      file_recv_max_size: 1,
      fileserver_followsymlinks: false,
      minimum_auth_version: 0,
    });
    evil = await HandMinion.make('evil', host.master.ports.ret);
    await evil.signIn();
  });
  after(async () => {
    await evil?.close();
    await host?.end();
  });

  test('CVE-2024-38824: a pushed file stays in its folder and under its size', async () => {
    const push = (path: Wire, more: WireMap = {}): Promise<Wire> =>
      evil.ask({ cmd: '_file_recv', path, loc: 0, size: 3, data: 'abc', ...more });
    const outside = [
      ['..', 'x'],
      ['a', '..', '..', 'x'],
      ['/etc/x'],
      ['a/../../x'],
      ['a\0b'],
      ['..\\x'],
      [''],
      'text',
      [],
      ['.'],
      [7],
    ];
    for (const path of outside) assert.equal(await push(path as Wire), false, JSON.stringify(path));
    assert.equal(await push(['ok'], { size: 2 << 20 }), false, 'announced too large');
    assert.equal(await push(['ok'], { loc: 2 << 20 }), false, 'written too far');
    assert.equal(await push(['ok'], { loc: -1 }), false);
    assert.equal(await push(['d', 'ok']), true);
    const base = join(host.dir, 'cache', 'minions', 'evil', 'files');
    assert.equal(readFileSync(join(base, 'd', 'ok'), 'utf8'), 'abc');
    mkdirSync(join(host.dir, 'target'));
    symlinkSync(join(host.dir, 'target'), join(base, 'link'));
    symlinkSync(join(host.dir, 'target', 'file'), join(base, 'leaf'));
    assert.equal(await push(['link', 'x']), false, 'a linked folder');
    assert.equal(await push(['leaf']), false, 'a linked file');
    assert.deepEqual(readdirSync(join(host.dir, 'target')), []);
    rmSync(join(base, 'link'));
  });

  test('CVE-2024-22232: with links not followed, a link out of the root is not served', async () => {
    writeFileSync(join(host.dir, 'secret.txt'), 'outside');
    symlinkSync(join(host.dir, 'secret.txt'), join(host.dir, 'srv', 'leak.txt'));
    const answer = await evil.ask({ cmd: '_serve_file', path: 'leak.txt', saltenv: 'base', loc: 0 });
    assert.deepEqual(plain(answer), { data: '', dest: '' });
  });

  test('CVE-2025-62349: an old format that the operator allowed is told as a warning event', async () => {
    const seen: string[] = [];
    const subscription = host.master.bus.events$.subscribe((e) => seen.push(e.tag));
    const box = new Crypticle(evil.keys?.aes as string);
    const frame = encodeNetwork({ enc: 'aes', load: box.seal({ cmd: '_file_envs', id: 'evil' }), version: 2 });
    assert.notEqual(await evil.raw(frame), 'bad load');
    subscription.unsubscribe();
    assert.ok(seen.includes('salt/event/old_version/evil'));
  });

  test('an old request under the AES key before a rotation is still opened for a while', async () => {
    const old = new Crypticle(evil.keys?.aes as string);
    host.master.rotation.request();
    host.master.rotation.run();
    const frame = encodeNetwork({ enc: 'aes', load: old.seal({ cmd: '_file_envs', id: 'evil' }), version: 2 });
    assert.notEqual(await evil.raw(frame), 'bad load');
    assert.deepEqual(plain(await evil.ask({ cmd: '_file_envs' })), ['base'], 'sessions are untouched');
  });
});
