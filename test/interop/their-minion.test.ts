import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { toPy, type Wire } from '../../bus/values.ts';
import { type ControlledClient, type MinionReturn, openLocalClient } from '../../master/client.ts';
import { startTestMaster, type TestMaster } from '../master/master-fixture.ts';

const run = promisify(execFile);
const reference = [process.env['BRINE_SALT_REF'], resolve('.ref/bin')].find(
  (dir) => dir !== undefined && existsSync(join(dir, 'salt-minion')),
);
const skip = reference ? false : 'no reference Salt here: set BRINE_SALT_REF to its bin folder, or install it to .ref';

/** Compares data that travelled: maps from the wire have no prototype. */
const same = (got: unknown, wanted: unknown): void => assert.deepEqual(JSON.parse(JSON.stringify(got)), wanted);

describe('a minion of the reference under our master', { skip }, () => {
  let host: TestMaster;
  let client: ControlledClient;
  let minion: ChildProcess;
  const dir = mkdtempSync(join(tmpdir(), 'min-'));
  const config = join(dir, 'etc');
  const tags: string[] = [];
  const datas = new Map<string, Record<string, Wire>>();

  before(async () => {
    host = await startTestMaster({
      auto_accept: true,
      file_recv: true,
      minion_sign_messages: true,
      peer: toPy({ '.*': ['test.*'] }),
      peer_run: toPy({ '.*': ['test.*'] }),
    });
    writeFileSync(join(host.dir, 'srv', 'hello.txt'), 'hello world\n');
    writeFileSync(join(host.dir, 'srv', 'big.bin'), Buffer.alloc(3_000_000, 'abcdefg'));
    host.master.bus.events$.subscribe((e) => {
      tags.push(e.tag);
      datas.set(e.tag, e.data);
    });
    client = openLocalClient(host.opts);
    mkdirSync(config);
    writeFileSync(
      join(config, 'minion'),
      [
        `root_dir: ${dir}`,
        'id: their-minion',
        'master: 127.0.0.1',
        `master_port: ${host.master.ports.ret}`,
        `publish_port: ${host.master.ports.publish}`,
        `pki_dir: ${dir}/pki`,
        `cachedir: ${dir}/cache`,
        `sock_dir: ${dir}/run`,
        `log_file: ${dir}/log`,
        `pidfile: ${dir}/pid`,
        'log_level: warning',
        'minion_sign_messages: True',
        'mine_functions: {test.ping: []}',
        '',
      ].join('\n'),
    );
    const out = openSync(join(dir, 'out'), 'a');
    minion = spawn(join(reference as string, 'salt-minion'), ['-c', config], { stdio: ['ignore', out, out] });
    await until(() => tags.includes('salt/minion/their-minion/start'), 60_000);
  });

  after(async () => {
    minion?.kill('SIGTERM');
    await new Promise((r) => (minion?.exitCode === null ? minion.once('exit', r) : r(undefined)));
    await client?.close();
    await host?.end();
    rmSync(dir, { recursive: true, force: true });
  });

  async function until(ready: () => boolean, ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!ready()) {
      if (Date.now() > end) assert.fail(`not within ${ms} ms; minion said: ${readFileSync(join(dir, 'out'), 'utf8')}`);
      await new Promise((r) => setTimeout(r, 50));
    }
  }

  async function ask(fun: string, arg: Wire[] = [], kwarg: Record<string, Wire> = {}): Promise<MinionReturn> {
    const returns: MinionReturn[] = [];
    for await (const ret of client.run({ tgt: 'their-minion', fun, arg, kwarg, timeout: 20 })) returns.push(ret);
    assert.equal(returns.length, 1, `one return of ${fun}`);
    assert.equal(returns[0]!.lost, undefined);
    return returns[0]!;
  }

  test('starts: signs in, asks for pillar, tells of its start in the reference order', () => {
    const wanted = ['salt/auth', 'minion/refresh/their-minion', 'minion_start', 'salt/minion/their-minion/start'];
    assert.deepEqual(
      wanted.map((t) => tags.includes(t)),
      wanted.map(() => true),
    );
    assert.ok(tags.indexOf('salt/auth') < tags.indexOf('salt/minion/their-minion/start'));
    assert.equal(datas.get('salt/auth')?.['act'], 'accept');
  });

  test('answers test.ping, and new comes before publish before ret', async () => {
    const from = tags.length;
    const ret = await ask('test.ping');
    assert.equal(ret.ret, true);
    assert.equal(ret.retcode, 0);
    const seen = tags.slice(from).filter((t) => t.startsWith('salt/job/'));
    assert.deepEqual(
      seen.map((t) => t.split('/')[3]),
      ['new', 'publish', 'ret'],
    );
  });

  test('runs commands and tells their exit code', async () => {
    assert.equal((await ask('cmd.run', ['echo plain; echo grün'])).ret, 'plain\ngrün');
    const failed = await ask('cmd.run', ['exit 3']);
    assert.equal(failed.retcode, 3);
    assert.equal(failed.success, false);
  });

  test('takes keyword arguments and gives values of every kind back', async () => {
    const ret = await ask('test.arg', ['red', 7, 1.5, null, [true]], { deep: { a: [1, 2] } });
    const value = ret.ret as Record<string, Record<string, Wire>>;
    same(value['args'], ['red', 7, 1.5, null, [true]]);
    same(value['kwargs']?.['deep'], { a: [1, 2] });
  });

  test('gives its grains, and targets by grain find it', async () => {
    const grains = (await ask('grains.items')).ret as Record<string, Wire>;
    assert.equal(grains['id'], 'their-minion');
    const by = await client.cmd('kernel:Linux', 'test.ping', [], { tgtType: 'grain' });
    assert.deepEqual(by, { 'their-minion': true });
    const none = await client.publish({ tgt: 'kernel:Plan9', tgtType: 'grain', fun: 'test.ping' });
    assert.match(none.error ?? '', /could not resolve minions for target kernel:Plan9/);
  });

  test('gets an empty pillar, signed and sealed', async () => {
    same((await ask('pillar.items')).ret, {});
  });

  test('fetches files: small, of several slices, missing', async () => {
    assert.equal((await ask('cp.get_file_str', ['salt://hello.txt'])).ret, 'hello world\n');
    const big = join(dir, 'big.copy');
    assert.equal((await ask('cp.get_file', ['salt://big.bin', big])).ret, big);
    assert.ok(readFileSync(big).equals(readFileSync(join(host.dir, 'srv', 'big.bin'))));
    assert.ok(!(await ask('cp.get_file', ['salt://none.txt', join(dir, 'none')])).ret);
    assert.deepEqual((await ask('cp.list_master')).ret, ['big.bin', 'hello.txt']);
  });

  test('pushes a file into the cache of the master', async () => {
    writeFileSync(join(dir, 'pushed'), 'from the minion');
    assert.equal((await ask('cp.push', [join(dir, 'pushed')])).ret, true);
    const kept = join(host.opts.str('cachedir'), 'minions', 'their-minion', 'files', dir, 'pushed');
    assert.equal(readFileSync(kept, 'utf8'), 'from the minion');
  });

  test('puts values into the mine and reads them back', async () => {
    await ask('mine.send', ['test.echo', 'mined']);
    same((await ask('mine.get', ['*', 'test.echo'])).ret, { 'their-minion': 'mined' });
    await ask('mine.delete', ['test.echo']);
    same((await ask('mine.get', ['*', 'test.echo'])).ret, {});
  });

  test('fires events, but none that belong to the master', async () => {
    await ask('event.send', ['yard/gate', { who: 'guard' }]);
    assert.equal((datas.get('yard/gate')!['data'] as Record<string, Wire>)['who'], 'guard');
    await ask('event.send', ['salt/job/20300101000000000000/new', { a: 1 }]);
    assert.ok(!tags.includes('salt/job/20300101000000000000/new'));
    assert.ok(tags.includes('salt/event/refused/their-minion'));
  });

  test('publishes to peers what the master allows', async () => {
    same((await ask('publish.publish', ['*', 'test.ping'])).ret, { 'their-minion': true });
    same((await ask('publish.publish', ['*', 'cmd.run', 'id'])).ret, {});
  });

  test('finds salt-call in step with the daemon: a job id is given on return', async () => {
    const { stdout } = await run(join(reference as string, 'salt-call'), [
      '-c',
      config,
      '--out',
      'json',
      'test.echo',
      'hi',
    ]);
    assert.deepEqual(JSON.parse(stdout), { local: 'hi' });
    await until(() => tags.filter((t) => /^salt\/job\/\d{20}\/ret\//.test(t)).length > 0, 5000);
    const last = tags.filter((t) => /\/ret\/their-minion$/.test(t)).at(-1) as string;
    assert.equal(datas.get(last)?.['fun'], 'test.echo');
    assert.equal(datas.get(last)?.['tgt_type'], 'glob');
  });

  test('goes on after the AES key was changed: signs in again and runs the same publish', async () => {
    const signIns = tags.filter((t) => t === 'salt/auth').length;
    host.master.rotation.request();
    host.master.rotation.run();
    assert.equal((await ask('test.ping')).ret, true);
    assert.ok(tags.filter((t) => t === 'salt/auth').length > signIns);
  });

  test('a busy minion is asked by find_job and waited for', async () => {
    const from = tags.length;
    const returns: MinionReturn[] = [];
    const job = { tgt: 'their-minion', fun: 'test.sleep', arg: [3], timeout: 1 };
    for await (const ret of client.run(job)) returns.push(ret);
    assert.deepEqual(
      returns.map((r) => [r.id, r.ret, r.lost]),
      [['their-minion', true, undefined]],
    );
    assert.ok(tags.slice(from).filter((t) => t.endsWith('/new')).length > 1, 'find_job was published');
  });

  test('keeps its session over a restart of the master', async () => {
    await host.restart();
    host.master.bus.events$.subscribe((e) => {
      tags.push(e.tag);
      datas.set(e.tag, e.data);
    });
    await client.close();
    client = openLocalClient(host.opts);
    await until(() => host.master.presence.connected().has('their-minion'), 30_000);
    let answer: Record<string, Wire> = {};
    const end = Date.now() + 30_000;
    while (!answer['their-minion'] && Date.now() < end) answer = await client.cmd('*', 'test.ping', [], { timeout: 3 });
    assert.deepEqual(answer, { 'their-minion': true });
  });

  test('asks again and again while its key is gone, and comes back when accepted', async () => {
    await client.order('key.delete', { ids: ['their-minion'] });
    assert.deepEqual(host.master.jobs.failures, 0);
    assert.deepEqual(host.opts.flag('auto_accept'), true);
    const from = tags.length;
    const { stdout } = await run(join(reference as string, 'salt-call'), ['-c', config, '--out', 'json', 'test.ping']);
    assert.deepEqual(JSON.parse(stdout), { local: true });
    assert.ok(tags.slice(from).includes('salt/auth'));
    assert.ok(tags.includes('salt/key'));
  });
});
