import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BusEvent } from '../../bus/event.ts';
import { ControlClient } from '../../bus/transport/control.ts';
import type { Wire, WireMap } from '../../bus/values.ts';
import { type ControlledClient, type MinionReturn, openLocalClient } from '../../master/client.ts';
import { masterControlSockets } from '../../master/control-sockets.ts';
import { HandMinion } from '../master/hand-minion.ts';
import { startTestMaster, type TestMaster } from '../master/master-fixture.ts';

type Answer = (job: WireMap) => WireMap | undefined;
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

describe('from a command line to a minion and back', () => {
  let host: TestMaster;
  let client: ControlledClient;
  const minions = new Map<string, HandMinion>();
  const answers = new Map<string, Answer>();
  const seen: BusEvent[] = [];
  /** Answers that were under way when their test ended. */
  const late: unknown[] = [];

  /** Plays minions: what they would run is decided by `answers`, and they return over the wire. */
  function play(): void {
    host.master.bus.on('salt/job/*/new').subscribe((e) => {
      const { jid, fun, arg, minions: ids } = e.data;
      for (const id of ids as string[]) {
        const value = answers.get(id)?.({ jid: jid!, fun: fun!, arg: arg! });
        if (value)
          void minions
            .get(id)
            ?.ask({ cmd: '_return', jid: jid!, fun: fun!, fun_args: arg!, retcode: 0, success: true, ...value })
            .catch((e) => late.push(e));
      }
    });
    host.master.bus.events$.subscribe((e) => seen.push(e));
  }

  before(async () => {
    host = await startTestMaster({ auto_accept: true, timeout: 1, gather_job_timeout: 1 });
    for (const id of ['alpha', 'beta']) {
      const m = await HandMinion.make(id, host.master.ports.ret);
      await m.signIn();
      minions.set(id, m);
    }
    play();
    client = openLocalClient(host.opts);
  });
  after(async () => {
    await client?.close();
    for (const m of minions.values()) await m.close();
    await host?.end();
  });

  async function run(job: WireMap & { tgt: Wire; fun: string }): Promise<MinionReturn[]> {
    const all: MinionReturn[] = [];
    for await (const r of client.run(job)) all.push(r);
    return all;
  }

  test('a ping: new, publish, one return a minion, and the job cache has it all', async () => {
    answers.set('alpha', () => ({ return: true }));
    answers.set('beta', () => ({ return: true }));
    const from = seen.length;
    let jid = '';
    const returns: MinionReturn[] = [];
    for await (const r of client.run({ tgt: '*', fun: 'test.ping' }, { onPublished: (p) => (jid = p.jid) }))
      returns.push(r);
    assert.deepEqual(returns.map((r) => [r.id, r.ret, r.retcode]).sort(), [
      ['alpha', true, 0],
      ['beta', true, 0],
    ]);
    const tags = seen.slice(from).map((e) => e.tag);
    assert.deepEqual(tags.slice(0, 2), [`salt/job/${jid}/new`, `salt/job/${jid}/publish`]);
    assert.deepEqual(tags.slice(2).sort(), [`salt/job/${jid}/ret/alpha`, `salt/job/${jid}/ret/beta`]);
    const [asNew, asPublish] = seen.slice(from);
    const { _stamp: _a, ...newData } = asNew!.data;
    assert.deepEqual(plain(newData), {
      jid,
      tgt_type: 'glob',
      tgt: '*',
      user: 'root',
      fun: 'test.ping',
      arg: [],
      minions: ['alpha', 'beta'],
      missing: [],
    });
    const { _stamp: _b, ...publishData } = asPublish!.data;
    assert.deepEqual(plain(publishData), {
      fun: 'test.ping',
      arg: [],
      tgt: '*',
      jid,
      ret: '',
      tgt_type: 'glob',
      user: 'root',
    });
    assert.equal(asNew?.origin, 'operator/root');
    assert.equal(seen[from + 2]?.cause, `jid/${jid}`);
    assert.deepEqual(Object.keys(await host.master.jobs.returns(jid)), ['alpha', 'beta']);
    assert.deepEqual(plain((await host.master.jobs.load(jid))['Minions']), ['alpha', 'beta']);
  });

  test('a target that nobody matches says so and publishes nothing', async () => {
    const from = seen.length;
    const p = await client.publish({ tgt: 'zz*', fun: 'test.ping' });
    assert.deepEqual([p.jid, p.minions], ['', []]);
    assert.equal(p.error, 'Master could not resolve minions for target zz*');
    assert.deepEqual(seen.slice(from), []);
  });

  test('a list names who is missing', async () => {
    const p = await client.publish({ tgt: ['alpha', 'ghost'], tgtType: 'list', fun: 'test.ping' });
    assert.deepEqual([p.minions, p.missing], [['alpha'], ['ghost']]);
  });

  test('keywords travel last, in a map of their own', async () => {
    const from = seen.length;
    await client.publish({ tgt: 'alpha', fun: 'test.arg', arg: ['red', 7], kwarg: { size: 4 } });
    assert.deepEqual(plain(seen[from]?.data['arg']), ['red', 7, { size: 4, __kwarg__: true }]);
  });

  test('who is silent is asked by find_job: the busy are waited for, the idle and the mute are lost', async () => {
    let busy = 2;
    answers.set('alpha', ({ fun, arg }) => {
      if (fun !== 'saltutil.find_job') return undefined;
      const asked = (arg as string[])[0] as string;
      if (--busy > 0) return { return: { jid: asked, fun: 'test.sleep' } };
      void minions.get('alpha')?.ask({
        cmd: '_return',
        jid: asked,
        fun: 'test.sleep',
        fun_args: [],
        return: 'late',
        retcode: 0,
        success: true,
      });
      return { return: { jid: asked, fun: 'test.sleep' } };
    });
    answers.set('beta', ({ fun }) => (fun === 'saltutil.find_job' ? { return: {} } : undefined));
    const returns = await run({ tgt: '*', fun: 'test.sleep', timeout: 0.2 });
    assert.deepEqual(returns.map((r) => [r.id, r.ret, r.lost]).sort(), [
      ['alpha', 'late', undefined],
      ['beta', null, 'no return'],
    ]);
    const asked = seen.filter((e) => e.tag.endsWith('/new') && e.data['fun'] === 'saltutil.find_job');
    assert.equal(asked.length, 2);
    assert.deepEqual(plain(asked[0]?.data['tgt']), ['alpha', 'beta']);
    assert.deepEqual(plain(asked[1]?.data['tgt']), ['alpha']);
    assert.equal(asked[0]?.data['tgt_type'], 'list');
  });

  test('a minion that does not even answer find_job is lost', async () => {
    answers.clear();
    const returns = await run({ tgt: 'beta', fun: 'test.ping', timeout: 0.1 });
    assert.deepEqual(
      returns.map((r) => [r.id, r.lost]),
      [['beta', 'no response']],
    );
  });

  test('leaving early stops the master from asking on', async () => {
    answers.set('alpha', () => ({ return: 1 }));
    for await (const r of client.run({ tgt: '*', fun: 'test.ping', timeout: 0.2 })) {
      assert.equal(r.id, 'alpha');
      break;
    }
    const from = seen.length;
    await new Promise((r) => setTimeout(r, 500));
    assert.deepEqual(
      seen.slice(from).filter((e) => e.data['fun'] === 'saltutil.find_job'),
      [],
    );
  });

  test('a job published again by the same id is sent again, but announced once', async () => {
    const jid = '20300101000000000042';
    const order = {
      tgt: 'alpha',
      tgtType: 'glob',
      fun: 'test.ping',
      arg: [],
      ret: '',
      user: 'root',
      jid,
      origin: 'master' as const,
      cause: 'event/7' as const,
      republish: true,
    };
    const before = host.master.publisher.published;
    assert.equal((await host.master.publisher.publish(order)).jid, jid);
    await host.restart();
    play();
    seen.length = 0;
    const again = await host.master.publisher.publish(order);
    assert.deepEqual([again.jid, again.minions], [jid, ['alpha']]);
    assert.deepEqual(
      seen.filter((e) => e.tag.includes(jid)),
      [],
    );
    assert.ok(before >= 0 && host.master.publisher.published === 1, 'it went out again');
    await client.close();
    client = openLocalClient(host.opts);
  });

  test('a return that comes again after a restart of the master counts once', async () => {
    const jid = (await client.publish({ tgt: 'beta', fun: 'test.once' })).jid;
    const beta = minions.get('beta') as HandMinion;
    const load = { cmd: '_return', jid, fun: 'test.once', fun_args: [], return: 1, retcode: 0, success: true };
    await beta.ask(load);
    await host.restart();
    play();
    seen.length = 0;
    await beta.ask(load);
    assert.deepEqual(
      seen.filter((e) => e.tag.endsWith('/ret/beta')),
      [],
    );
    await client.close();
    client = openLocalClient(host.opts);
  });

  test('failed states are fired one by one, under their own tag and under the job', async () => {
    const jid = (await client.publish({ tgt: 'beta', fun: 'state.sls', arg: ['bad'] })).jid;
    seen.length = 0;
    const states = {
      'test_|-breaks_|-broken_|-fail_without_changes': {
        result: false,
        comment: 'Failure!',
        name: 'broken',
        changes: {},
        __run_num__: 1,
      },
      'test_|-fine_|-fine_|-nop': { result: true, comment: '', name: 'fine', changes: {}, __run_num__: 0 },
    };
    const beta = minions.get('beta') as HandMinion;
    await beta.ask({
      cmd: '_return',
      jid,
      fun: 'state.sls',
      fun_args: ['bad'],
      return: states,
      retcode: 2,
      success: false,
      user: 'root',
    });
    const tags = seen.map((e) => e.tag);
    assert.deepEqual(tags, [
      `salt/job/${jid}/ret/beta`,
      'test.fail_without_changes',
      `salt/job/${jid}/sub/beta/error/state.sls`,
    ]);
    const { _stamp: _s, ...data } = seen[2]!.data;
    assert.deepEqual(plain(data), {
      result: false,
      comment: 'Failure!',
      name: 'broken',
      changes: {},
      __run_num__: 1,
      retcode: 2,
      jid,
      id: 'beta',
      success: false,
      return: 'Error: test.fail_without_changes',
      fun: 'state.sls',
      user: 'root',
    });
  });

  test('the socket for other users wants their key and keeps to their rules', async () => {
    host.opts.set('timeout', 1);
    const checked = await ControlClient.connect(masterControlSockets(host.opts.str('sock_dir')).publish);
    const ask = (load: WireMap): Promise<Wire> =>
      checked.request('publish', { tgt: 'alpha', fun: 'test.ping', ...load });
    await assert.rejects(ask({}), { name: 'AuthenticationError' });
    await assert.rejects(ask({ user: 'root', key: 'x' }), { name: 'AuthenticationError' });
    const key = readFileSync(join(host.dir, 'cache', '.root_key'), 'utf8');
    assert.equal(((await ask({ user: 'root', key })) as WireMap)['error'], undefined);
    for (const cmd of ['fire', 'events', 'order', 'runner', 'wheel'])
      await assert.rejects(
        checked.request(cmd, { tag: 'x', data: {}, order: 'stats', user: 'root', key }),
        /knows no command/,
      );
    checked.close();
  });

  test('the master tells how it is', async () => {
    const stats = plain(await client.order('stats')) as {
      requests: { requests: number };
      bus: { head: number };
      loop_delay_ms: object;
    };
    assert.ok(stats.requests.requests > 0 && stats.bus.head > 0);
    assert.ok('p99' in stats.loop_delay_ms);
    await assert.rejects(client.order('no.such'), /knows no order no.such/);
  });
});
