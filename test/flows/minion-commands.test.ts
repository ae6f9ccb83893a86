import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { HandMinion } from '../master/hand-minion.ts';
import { startTestMaster, type TestMaster } from '../master/master-fixture.ts';

const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));
const bytes = (v: Wire | undefined): Buffer => Buffer.from(v as string | Uint8Array);

describe('the commands of a minion', () => {
  let host: TestMaster;
  let alpha: HandMinion;
  let beta: HandMinion;
  const seen: { tag: string; data: WireMap }[] = [];
  const content = Buffer.alloc(600_000, 'abcdefghij');

  before(async () => {
    host = await startTestMaster({
      auto_accept: true,
      file_buffer_size: 262_144,
      file_ignore_glob: ['*.swp'],
      peer: toPy({ alpha: ['test.*'] }),
      nodegroups: toPy({ both: 'L@alpha,beta' }),
    });
    const srv = join(host.dir, 'srv');
    mkdirSync(join(srv, 'sub', 'empty'), { recursive: true });
    writeFileSync(join(srv, 'big.bin'), content);
    writeFileSync(join(srv, 'sub', 'in.txt'), 'hello world\n');
    writeFileSync(join(srv, 'sub', 'x.swp'), 'ignored');
    symlinkSync('sub/in.txt', join(srv, 'link.txt'));
    mkdirSync(join(host.dir, 'any', 'dev'), { recursive: true });
    writeFileSync(join(host.dir, 'any', 'dev', 'd.txt'), 'dev');
    host.opts.set('file_roots', toPy({ base: [srv], __env__: [join(host.dir, 'any', '__env__')] }));
    await host.restart();
    host.master.bus.events$.subscribe((e) => seen.push({ tag: e.tag, data: e.data }));
    alpha = await HandMinion.make('alpha', host.master.ports.ret);
    beta = await HandMinion.make('beta', host.master.ports.ret);
    await alpha.signIn();
    await beta.signIn();
  });
  after(async () => {
    await alpha?.close();
    await beta?.close();
    await host?.end();
  });

  test('files are listed, found and hashed', async () => {
    const ask = (cmd: string, more: WireMap = {}): Promise<Wire> =>
      alpha.ask({ cmd, saltenv: 'base', prefix: '', ...more });
    assert.deepEqual(plain(await ask('_file_envs')), ['__env__', 'base']);
    assert.deepEqual(plain(await ask('_file_list')), ['big.bin', 'link.txt', 'sub/in.txt']);
    assert.deepEqual(plain(await ask('_file_list', { prefix: 'sub/' })), ['sub/in.txt']);
    assert.deepEqual(plain(await ask('_dir_list')), ['sub', 'sub/empty']);
    assert.deepEqual(plain(await ask('_file_list_emptydirs')), ['sub/empty']);
    assert.deepEqual(plain(await ask('_symlink_list')), { 'link.txt': 'sub/in.txt' });
    const hsum = createHash('sha256').update('hello world\n').digest('hex');
    assert.deepEqual(plain(await ask('_file_hash', { path: 'sub/in.txt' })), { hash_type: 'sha256', hsum });
    assert.equal(await ask('_file_hash', { path: 'none' }), '');
    const [hash, stat] = plain(await ask('_file_hash_and_stat', { path: 'sub/in.txt' })) as [WireMap, number[]];
    assert.equal(hash['hsum'], hsum);
    assert.equal(stat.length, 10);
    assert.equal(stat[6], 12);
    const found = plain(await ask('_file_find', { path: 'sub/in.txt' })) as WireMap;
    assert.deepEqual([found['rel'], found['path']], ['sub/in.txt', join(host.dir, 'srv', 'sub', 'in.txt')]);
  });

  test('an environment without folders of its own is found through __env__', async () => {
    assert.deepEqual(plain(await alpha.ask({ cmd: '_file_list', saltenv: 'dev', prefix: '' })), ['d.txt']);
    assert.deepEqual(plain(await alpha.ask({ cmd: '_file_list', saltenv: 'prod', prefix: '' })), []);
  });

  test('a file comes in slices and ends with an empty one that names it', async () => {
    const parts: Buffer[] = [];
    const offsets: number[] = [];
    for (let loc = 0; ; ) {
      offsets.push(loc);
      const reply = (await alpha.ask({ cmd: '_serve_file', path: 'big.bin', saltenv: 'base', loc })) as WireMap;
      const data = bytes(reply['data']);
      assert.equal(reply['dest'], 'big.bin');
      if (!data.length) break;
      parts.push(data);
      loc += data.length;
    }
    assert.deepEqual(offsets, [0, 262_144, 524_288, 600_000]);
    assert.ok(Buffer.concat(parts).equals(content));
    const packed = (await alpha.ask({
      cmd: '_serve_file',
      path: 'big.bin',
      saltenv: 'base',
      loc: 0,
      gzip: 5,
    })) as WireMap;
    assert.equal(packed['gzip'], 5);
    assert.ok(gunzipSync(bytes(packed['data'])).equals(content.subarray(0, 262_144)));
    const missing = await alpha.ask({ cmd: '_serve_file', path: 'none', saltenv: 'base', loc: 0 });
    assert.deepEqual(plain(missing), { data: '', dest: '' });
  });

  test('the mine merges, answers one function or several, clears, deletes and flushes', async () => {
    const get = async (fun: Wire, tgt: Wire = '*'): Promise<unknown> =>
      plain(await beta.ask({ cmd: '_mine_get', tgt, fun, tgt_type: 'glob' }));
    assert.equal(await alpha.ask({ cmd: '_mine', data: { a: 1, b: [1.5, null] }, clear: false }), true);
    assert.equal(await alpha.ask({ cmd: '_mine', data: { c: { 443: 'x' } } as unknown as WireMap }), true);
    assert.deepEqual(await get('a'), { alpha: 1 });
    assert.deepEqual(await get(['a', 'b', 'none']), { a: { alpha: 1 }, b: { alpha: [1.5, null] } });
    assert.equal(await alpha.ask({ cmd: '_mine_delete', fun: 'a' }), true);
    assert.deepEqual(await get('a'), {});
    assert.equal(await alpha.ask({ cmd: '_mine', data: { d: 4 }, clear: true }), true);
    assert.deepEqual(await get(['b', 'd']), { d: { alpha: 4 } });
    assert.equal(await alpha.ask({ cmd: '_mine_flush' }), true);
    assert.deepEqual(await get('d'), {});
  });

  test('a mine entry can name its readers', async () => {
    const guarded = (allow_tgt: string): WireMap => ({
      __data__: 'secret',
      __saltmine_acl__: 1,
      allow_tgt,
      allow_tgt_type: 'glob',
    });
    await alpha.ask({ cmd: '_mine', data: { forBeta: guarded('beta'), forNobody: guarded('zz*') } });
    const ask = (m: HandMinion): Promise<Wire> => m.ask({ cmd: '_mine_get', tgt: '*', fun: ['forBeta', 'forNobody'] });
    assert.deepEqual(plain(await ask(beta)), { forBeta: { alpha: 'secret' } });
    assert.deepEqual(plain(await ask(alpha)), {});
  });

  test('pillar is asked with grains, which then find the minion', async () => {
    const sealed = alpha.session.seal({
      cmd: '_pillar',
      ver: '2',
      grains: { id: 'liar', os: 'Plan9', roles: ['web'] },
      saltenv: null,
      pillarenv: null,
      pillar_override: { k: 'v' },
      extra_minion_data: {},
    });
    const outcome = alpha.session.openPillar(sealed, await alpha.socket.request(sealed.frame, 5000));
    assert.ok(outcome.kind === 'value');
    assert.deepEqual(plain(outcome.value), { k: 'v' });
    const told = seen.filter((e) => e.tag === 'minion/refresh/alpha').at(-1);
    assert.equal(told?.data['Minion data cache refresh'], 'alpha');
    const targets = (tgt: string, tgtType: string): string[] => host.master.publisher.targets({ tgt, tgtType }).minions;
    assert.deepEqual(targets('os:Plan9', 'grain'), ['alpha']);
    assert.deepEqual(targets('id:liar', 'grain'), [], 'the id of a minion is proven, not claimed');
    assert.deepEqual(targets('k:v', 'pillar'), ['alpha']);
  });

  test('resources are registered, told and cleared', async () => {
    assert.equal(await alpha.ask({ cmd: '_register_resources', resources: { x: ['1'] }, resource_grains: {} }), true);
    assert.ok(seen.some((e) => e.tag === 'resource/refresh/alpha'));
    assert.equal(await alpha.ask({ cmd: '_register_resources', resources: {}, resource_grains: {} }), true);
  });

  test('the options that states need are handed out', async () => {
    const all = plain(await alpha.ask({ cmd: '_master_opts' })) as WireMap;
    assert.deepEqual(all['file_roots'], { __env__: [], base: [] });
    assert.equal(all['state_top'], 'top.sls');
    assert.deepEqual(all['nodegroups'], { both: 'L@alpha,beta' });
    const few = plain(await alpha.ask({ cmd: '_master_opts', env_only: true })) as WireMap;
    assert.deepEqual(Object.keys(few).sort(), ['default_top', 'env_order', 'file_roots', 'top_file_merging_strategy']);
    assert.deepEqual(plain(await alpha.ask({ cmd: '_master_tops', opts: {} })), {});
  });

  test('a peer publishes what it may, reads the returns, and nobody else does', async () => {
    const published = plain(
      await alpha.ask({
        cmd: 'minion_pub',
        fun: 'test.arg',
        arg: ['x', 'n=3'],
        tgt: 'beta',
        tgt_type: 'glob',
        ret: '',
      }),
    ) as { jid: string; minions: string[] };
    assert.deepEqual(published.minions, ['beta']);
    const job = seen.find((e) => e.tag === `salt/job/${published.jid}/new`);
    assert.deepEqual(plain(job?.data['arg']), ['x', { __kwarg__: true, n: 3 }]);
    await beta.ask({
      cmd: '_return',
      jid: published.jid,
      fun: 'test.arg',
      fun_args: [],
      return: 'back',
      retcode: 0,
      success: true,
    });
    assert.deepEqual(plain(await alpha.ask({ cmd: 'pub_ret', jid: published.jid })), { beta: { ret: 'back' } });
    assert.deepEqual(plain(await beta.ask({ cmd: 'pub_ret', jid: published.jid })), {});
    for (const fun of ['cmd.run', 'publish.publish', 'publish.full_data'])
      assert.deepEqual(plain(await alpha.ask({ cmd: 'minion_pub', fun, arg: [], tgt: '*', ret: '' })), {});
    const group = { cmd: 'minion_pub', fun: 'test.ping', arg: [], tgt: 'both', tgt_type: 'nodegroup', ret: '' };
    assert.deepEqual((plain(await alpha.ask(group)) as { minions: string[] }).minions.sort(), ['alpha', 'beta']);
  });

  test('events come one by one or as a list, each with its data', async () => {
    assert.equal(await alpha.ask({ cmd: '_minion_event', tag: 'one', data: { a: 1 }, pretag: null }), null);
    const one = seen.find((e) => e.tag === 'one');
    assert.deepEqual(
      [one?.data['id'], plain(one?.data['data']), one?.data['cmd']],
      ['alpha', { a: 1 }, '_minion_event'],
    );
    assert.ok(!('tok' in (one?.data ?? {})) && !('nonce' in (one?.data ?? {})));
    await alpha.ask({
      cmd: '_minion_event',
      pretag: 'pre',
      events: [
        { tag: 'two', data: { b: 2 } },
        { tag: 'three', c: 3 },
      ],
    });
    const tags = seen.slice(-4).map((e) => e.tag);
    assert.deepEqual(tags, ['pre/two', 'two', 'pre/three', 'three']);
    const { _stamp: _s, ...two } = seen.at(-3)!.data;
    assert.deepEqual(plain(two), { b: 2 });
  });

  test('a salt-call return is given a job id and a load', async () => {
    await alpha.ask({ cmd: '_return', jid: 'req', fun: 'test.ping', fun_args: [], return: true, retcode: 0 });
    const event = seen.filter((e) => e.tag.endsWith('/ret/alpha')).at(-1);
    assert.match(String(event?.data['jid']), /^\d{20}$/);
    assert.deepEqual([event?.data['tgt'], event?.data['tgt_type'], plain(event?.data['arg'])], ['alpha', 'glob', []]);
    const load = await host.master.jobs.load(String(event?.data['jid']));
    assert.deepEqual([load['fun'], load['tgt']], ['test.ping', 'alpha']);
  });

  test('what does not exist answers nothing, what fails answers the empty text', async () => {
    assert.deepEqual(plain(await alpha.ask({ cmd: 'nosuchcmd' })), {});
    assert.deepEqual(plain(await alpha.ask({ cmd: 'constructor' })), {});
    assert.deepEqual(plain(await alpha.ask({})), {});
    assert.equal(await alpha.ask({ cmd: 'verify_minion' }), '');
    assert.equal(await alpha.ask({ cmd: '_mine', data: 'no map' }), false);
    assert.equal(await alpha.ask({ cmd: '_minion_event' }), false);
    assert.equal(await alpha.ask({ cmd: '_return', jid: 'req' }), false);
  });

  test('a minion of long ago is heard when minimum_auth_version allows it', async () => {
    host.opts.set('minimum_auth_version', 0);
    await host.restart();
    const answer = plain(await alpha.clear({ cmd: 'ping', x: 1 }, 0));
    assert.deepEqual(answer, { cmd: 'ping', x: 1 });
  });
});
