import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { WireMap } from '../../bus/values.ts';
import { PrivateKey } from '../../bus/wire/keys.ts';
import { HandMinion } from './hand-minion.ts';
import { startTestMaster, type TestMaster } from './master-fixture.ts';

describe('a sign-in, by the state of the key', () => {
  let host: TestMaster;
  let own: PrivateKey;
  let foreign: PrivateKey;
  const events: { tag: string; data: WireMap }[] = [];
  const minion = (id: string, key = own): HandMinion => new HandMinion(id, key, host.master.ports.ret, 1);
  const offer = async (id: string, key = own): Promise<string> => {
    const m = minion(id, key);
    try {
      return (await m.signIn()).kind;
    } finally {
      await m.close();
    }
  };
  const act = (): unknown[] => {
    const { data } = events.filter((e) => e.tag === 'salt/auth').at(-1) ?? { data: {} as WireMap };
    return [data['act'], data['result'], data['id']];
  };
  const kept = (state: string, id: string): boolean => existsSync(join(host.dir, 'pki', state, id));

  before(async () => {
    host = await startTestMaster();
    host.master.bus.events$.subscribe((e) => events.push({ tag: e.tag, data: e.data }));
    [own, foreign] = (await Promise.all([PrivateKey.generate(2048), PrivateKey.generate(2048)])) as [
      PrivateKey,
      PrivateKey,
    ];
  });
  after(() => host?.end());

  test('an unknown id waits as pending, again and again', async () => {
    assert.equal(await offer('web1'), 'pending');
    assert.deepEqual(act(), ['pend', true, 'web1']);
    assert.ok(kept('minions_pre', 'web1'), 'the key is on disk when the minion is answered');
    assert.equal(await offer('web1'), 'pending');
    assert.deepEqual(act(), ['pend', true, 'web1']);
  });

  test('another key for a pending id is denied, and the first stays', async () => {
    assert.equal(await offer('web1', foreign), 'rejected');
    assert.deepEqual(act(), ['denied', false, 'web1']);
    assert.ok(kept('minions_denied', 'web1') && kept('minions_pre', 'web1'));
  });

  test('an accepted key is let in, a foreign one under its id is not', async () => {
    const { ControlledClient } = await import('../../master/client.ts');
    const client = new ControlledClient(host.opts);
    assert.deepEqual(await client.order('key.accept', { ids: ['web1'], from: ['minions_pre'] }), ['web1']);
    await client.close();
    const told = events.filter((e) => e.tag === 'salt/key').at(-1)?.data;
    assert.deepEqual([told?.['act'], told?.['id'], told?.['result']], ['accepted', 'web1', true]);
    assert.equal(await offer('web1'), 'accepted');
    assert.deepEqual(act(), ['accept', true, 'web1']);
    assert.equal(await offer('web1', foreign), 'rejected');
    assert.deepEqual(act(), ['denied', false, 'web1']);
    assert.equal(await offer('web1'), 'accepted');
  });

  test('a rejected key stays rejected', async () => {
    await offer('web2');
    const { ControlledClient } = await import('../../master/client.ts');
    const client = new ControlledClient(host.opts);
    await client.order('key.reject', { ids: ['web2'], from: ['minions_pre'] });
    await client.close();
    assert.equal(await offer('web2'), 'rejected');
    assert.deepEqual(act(), ['reject', false, 'web2']);
    assert.ok(kept('minions_rejected', 'web2') && !kept('minions_pre', 'web2'));
  });

  test('autosign and autoreject files decide over new keys', async () => {
    const sign = join(host.dir, 'autosign');
    const reject = join(host.dir, 'autoreject');
    writeFileSync(sign, 'auto*\n', { mode: 0o600 });
    writeFileSync(reject, 'bad*\n', { mode: 0o600 });
    host.opts.set('autosign_file', sign);
    host.opts.set('autoreject_file', reject);
    assert.equal(await offer('auto1'), 'accepted');
    assert.equal(await offer('bad1'), 'rejected');
    assert.deepEqual(act(), ['reject', false, 'bad1']);
    assert.ok(kept('minions_rejected', 'bad1'));
    chmodSync(sign, 0o666);
    assert.equal(await offer('auto2'), 'pending');
    host.opts.set('autosign_file', '');
    host.opts.set('autoreject_file', '');
  });

  test('open_mode takes any key and keeps the last one', async () => {
    host.opts.set('open_mode', true);
    assert.equal(await offer('web1', foreign), 'accepted');
    assert.equal(readFileSync(join(host.dir, 'pki', 'minions', 'web1'), 'utf8').trim(), foreign.public.pem);
    assert.equal(await offer('bad1'), 'accepted');
    host.opts.set('open_mode', false);
  });

  test('what is no RSA key is turned away and not kept', async () => {
    const m = minion('junk');
    const answer = await m.clear({ cmd: '_auth', id: 'junk', pub: 'no key at all', nonce: 'a'.repeat(32) });
    await m.close();
    assert.ok(answer);
    assert.ok(!kept('minions_pre', 'junk') && !kept('minions', 'junk'));
  });

  test('max_minions turns newcomers away while so many are connected', async () => {
    host.opts.set('auto_accept', true);
    host.opts.set('max_minions', 1);
    assert.equal(await offer('early'), 'accepted', 'nobody is connected yet');
    const { ControlledClient } = await import('../../master/client.ts');
    const client = new ControlledClient(host.opts);
    await client.order('cache.store', { bank: 'grains', key: 'early', value: { ipv4: ['127.0.0.1'] } });
    await client.close();
    const socket = connect(host.master.ports.publish, '127.0.0.1');
    await new Promise((r) => socket.once('connect', r));
    try {
      for (let i = 0; i < 100 && !host.master.presence.connected().has('early'); i++)
        await new Promise((r) => setTimeout(r, 10));
      assert.equal(await offer('late'), 'full');
      assert.deepEqual(act(), ['full', false, 'late']);
      assert.equal(await offer('early'), 'accepted', 'who is connected may sign in again');
    } finally {
      socket.destroy();
      host.opts.set('max_minions', 0);
    }
  });

  test('a session survives a restart of the master, and ends with a key that is replaced meanwhile', async () => {
    host.opts.set('auto_accept', true);
    const [a, b] = [minion('keeps'), minion('changes')];
    await a.signIn();
    await b.signIn();
    await host.restart();
    assert.deepEqual(await a.ask({ cmd: '_file_envs' }), ['base']);
    const session = b.keys?.session;
    writeFileSync(join(host.dir, 'pki', 'minions', 'changes'), foreign.public.pem, { mode: 0o600 });
    await new Promise((r) => setTimeout(r, 50));
    await assert.rejects(b.ask({ cmd: '_file_envs' }), /bad load/);
    const heir = minion('changes', foreign);
    assert.equal((await heir.signIn()).kind, 'accepted');
    assert.notEqual(heir.keys?.session, session);
    for (const m of [a, b, heir]) await m.close();
  });

  test('a key that is deleted outside of the master ends its session and asks for a new AES key', async () => {
    const m = minion('gone');
    await m.signIn();
    assert.deepEqual(await m.ask({ cmd: '_file_envs' }), ['base']);
    const { rmSync } = await import('node:fs');
    rmSync(join(host.dir, 'pki', 'minions', 'gone'));
    let refused = false;
    for (let i = 0; i < 100 && !refused; i++) {
      refused = await m.ask({ cmd: '_file_envs' }).then(
        () => false,
        () => true,
      );
      if (!refused) await new Promise((r) => setTimeout(r, 5));
    }
    assert.ok(refused);
    const seen: string[] = [];
    const subscription = host.master.bus.on('key').subscribe((e) => seen.push(e.tag));
    host.master.rotation.run();
    host.master.rotation.run();
    subscription.unsubscribe();
    assert.deepEqual(seen, ['key'], 'once, however often the clock ticks');
    await m.close();
  });
});
