import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toPy, type WireMap } from '../../bus/values.ts';
import { PrivateKey } from '../../bus/wire/keys.ts';
import { type ControlledClient, openLocalClient } from '../../master/client.ts';
import { HandMinion } from '../master/hand-minion.ts';
import { startTestMaster, type TestMaster } from '../master/master-fixture.ts';

const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

describe('runner functions in job processes of the master', () => {
  let host: TestMaster;
  let client: ControlledClient;
  let wire: HandMinion;
  const seen: { tag: string; data: WireMap; origin: string }[] = [];

  before(async () => {
    host = await startTestMaster({
      external_auth: toPy({ auto: { ann: ['@test'], bob: ['test.*'] } }),
      runner_time_limit: 20,
    });
    host.master.bus.events$.subscribe((e) => seen.push({ tag: e.tag, data: e.data, origin: e.origin }));
    client = openLocalClient(host.opts);
    wire = new HandMinion('cli', await PrivateKey.generate(2048), host.master.ports.ret);
  });
  after(async () => {
    await client?.close();
    await wire?.close();
    await host?.end();
  });
  const until = async (ready: () => boolean): Promise<void> => {
    for (let i = 0; i < 400 && !ready(); i++) await new Promise((r) => setTimeout(r, 25));
    assert.ok(ready());
  };

  test('new comes before, ret after, with what the function answered', async () => {
    const done = plain(await client.call('runner', 'test.arg', ['p'], { n: 3 })) as WireMap;
    assert.deepEqual(done['return'], { args: ['p'], kwargs: { n: 3 } });
    assert.equal(done['success'], true);
    const own = seen.filter((e) => e.tag.startsWith(`${String(done['tag'])}/`));
    assert.deepEqual(
      own.map((e) => e.tag.split('/').at(-1)),
      ['new', 'ret'],
    );
    const { _stamp: _s, ...ret } = own[1]!.data;
    assert.deepEqual(plain(ret), {
      fun: 'runner.test.arg',
      fun_args: ['p', { n: 3 }],
      jid: done['jid'],
      user: 'root',
      return: { args: ['p'], kwargs: { n: 3 } },
      success: true,
    });
    assert.equal(own[0]?.origin, 'operator/root');
  });

  test('a function that is not there is refused to its caller, and the bus hears nothing of it', async () => {
    for (const fun of ['test.nosuch', '../etc.passwd', 'constructor.x', 'test', 'test.constructor', 'test.arg.x'])
      await assert.rejects(client.call('runner', fun), { code: 'KeyError', message: `'${fun}'` });
    assert.equal(seen.filter((e) => JSON.stringify(plain(e.data)).includes('nosuch')).length, 0);
  });

  test('of an asynchronous call the bus hears even that its function is not there', async () => {
    const { tag } = plain(await client.call('runner', 'test.nosuch', [], {}, false)) as { tag: string };
    await until(() => seen.some((e) => e.tag === `${tag}/ret`));
    assert.equal(seen.find((e) => e.tag === `${tag}/ret`)?.data['return'], "'test.nosuch' is not available.");
  });

  test('the clear channel answers a runner at once and tells its result by event', async () => {
    const key = readFileSync(join(host.dir, 'cache', '.root_key'), 'utf8');
    const answer = plain(
      await wire.clear({ cmd: 'runner', fun: 'test.arg', kwarg: { arg: ['a'], b: 2 }, key, user: 'root' }),
    ) as { tag: string; jid: string };
    assert.equal(answer.tag, `salt/run/${answer.jid}`);
    await until(() => seen.some((e) => e.tag === `${answer.tag}/ret`));
    const ret = seen.find((e) => e.tag === `${answer.tag}/ret`)?.data;
    assert.deepEqual(plain(ret?.['return']), { args: ['a'], kwargs: { b: 2 } });
  });

  test('a login may run what an @ rule names, and no more', async () => {
    const login = { eauth: 'auto', password: 'x' };
    const ok = plain(
      await wire.clear({ cmd: 'runner', fun: 'test.arg', kwarg: {}, ...login, username: 'ann' }),
    ) as WireMap;
    assert.ok(ok['jid']);
    for (const [username, fun] of [
      ['bob', 'test.arg'],
      ['ann', 'jobs.list_jobs'],
    ]) {
      const no = plain(await wire.clear({ cmd: 'runner', fun: fun!, kwarg: {}, ...login, username: username! })) as {
        error: { name: string };
      };
      assert.equal(no.error.name, 'EauthAuthenticationError');
    }
  });

  test('one process stays warm, and all end with the master', async () => {
    await until(() => host.master.processes.running === 0);
    const began = performance.now();
    await client.call('runner', 'test.arg', ['again']);
    assert.ok(performance.now() - began < 1000);
  });
});
