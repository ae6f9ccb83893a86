import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import auth from '../../../master/runners/auth.ts';
import cache from '../../../master/runners/cache.ts';
import config from '../../../master/runners/config.ts';
import error from '../../../master/runners/error.ts';
import event from '../../../master/runners/event.ts';
import fileserver from '../../../master/runners/fileserver.ts';
import match from '../../../master/runners/match.ts';
import mine from '../../../master/runners/mine.ts';
import network from '../../../master/runners/network.ts';
import queue from '../../../master/runners/queue.ts';
import reactor from '../../../master/runners/reactor.ts';
import salt from '../../../master/runners/salt.ts';
import saltutil from '../../../master/runners/saltutil.ts';
import survey from '../../../master/runners/survey.ts';
import runnerTest from '../../../master/runners/test.ts';
import { unifiedDiff } from '../../../master/unified-diff.ts';
import { type PyDict, repr, toWire } from '../../../sls/values.ts';
import { d, runPlace } from './run-fixture.ts';

test('event.send fires tag and data as they are', async () => {
  const p = runPlace();
  const data = d({ n: 5 });
  assert.equal(await p.call(event, 'send', ['made/by/runner', data]), true);
  assert.deepEqual(p.fired, [{ tag: 'made/by/runner', data: { n: 5 } }]);
  assert.ok(data.has('_stamp'), 'the run shows the stamp among its arguments, as the reference does');
  await p.call(event, 'send', ['bare']);
  assert.deepEqual(p.fired[1], { tag: 'bare', data: {} });
  await assert.rejects(p.call(event, 'send', ['x', 'text']), /Dict object expected, not 'text'/);
});

test('reactor rules are asked of the running master; without one the reactor is not running', async () => {
  const order = (name: string): never | object =>
    name === 'reactor.list' ? [{ 'a/*': ['x.sls'] }] : { result: { status: true } };
  const p = runPlace({ order: order as never });
  assert.deepEqual(toWire(await p.call(reactor, 'list')), [{ 'a/*': ['x.sls'] }]);
  assert.deepEqual(toWire(await p.call(reactor, 'add', ['b/*', '/y.sls'])), { status: true });
  await p.call(reactor, 'delete', ['b/*']);
  await p.call(reactor, 'set_leader', [false]);
  assert.deepEqual(p.orders.slice(1), [
    ['reactor.add', { event: 'b/*', reactors: ['/y.sls'] }],
    ['reactor.delete', { event: 'b/*' }],
    ['reactor.set_leader', { value: false }],
  ]);
  await assert.rejects(runPlace().call(reactor, 'list'), { message: 'Reactor system is not running.' });
});

test('cached data is shown and cleared by target', async () => {
  const p = runPlace({ minions: ['web1', 'web2', 'db1'] });
  for (const id of ['web1', 'db1']) {
    await p.ctx.minions.store('grains', id, d({ os: 'Debian' }));
    await p.ctx.minions.store('pillar', id, d({ role: id }));
    await p.ctx.minions.store('mine', id, d({ 'a.b': 1, 'c.d': 2 }));
  }
  assert.deepEqual(toWire(await p.call(cache, 'grains', ['*'])), { db1: { os: 'Debian' }, web1: { os: 'Debian' } });
  assert.deepEqual(toWire(await p.call(cache, 'pillar', ['web*'])), { web1: { role: 'web1' }, web2: {} });
  assert.deepEqual(toWire(await p.call(cache, 'grains', ['nobody'])), {});
  assert.equal(await p.call(cache, 'clear_mine_func', ['db1'], { clear_mine_func_flag: 'a.b' }), true);
  assert.deepEqual(toWire(await p.call(cache, 'mine', ['db1'])), { db1: { 'c.d': 2 } });
  assert.equal(await p.call(cache, 'clear_all'), false);
  assert.equal(await p.call(cache, 'clear_pillar', ['web1']), true);
  assert.deepEqual(toWire(await p.call(cache, 'pillar', ['web1'])), { web1: {} });
  assert.deepEqual(toWire(await p.call(cache, 'grains', ['web1'])), { web1: { os: 'Debian' } });
  await p.call(cache, 'clear_all', ['web1']);
  assert.deepEqual(toWire(await p.call(cache, 'grains', ['web1'])), {});
});

test('banks of the cache keep what is put into them', async () => {
  const p = runPlace();
  assert.equal(await p.call(cache, 'store', ['site', 'release', d({ v: 1 })]), null);
  assert.deepEqual(toWire(await p.call(cache, 'fetch', ['site', 'release'])), { v: 1 });
  assert.deepEqual(await p.call(cache, 'list', ['site']), ['release']);
  assert.deepEqual(toWire(await p.call(cache, 'fetch', ['../../etc', 'passwd'])), {});
  assert.equal(await p.call(cache, 'flush', ['site', 'nosuch']), false);
  assert.equal(await p.call(cache, 'flush', ['site']), true);
  assert.deepEqual(await p.call(cache, 'list', ['site']), []);
});

test('test.arg leaves private names out, raw_arg does not', async () => {
  const p = runPlace();
  assert.equal(repr(await p.call(runnerTest, 'arg', [1], { b: 2, __x: 3 })), "{'args': (1,), 'kwargs': {'b': 2}}");
  assert.equal(repr(await p.call(runnerTest, 'raw_arg', [], { __x: 3 })), "{'args': (), 'kwargs': {'__x': 3}}");
  assert.deepEqual(await p.call(runnerTest, 'metasyntactic', ['uk']), ['wibble', 'wobble', 'wubble', 'flob']);
  assert.equal(await p.call(runnerTest, 'metasyntactic', ['de']), null);
  assert.equal(await p.call(runnerTest, 'sleep', [0]), true);
  assert.equal(await p.call(runnerTest, 'stdout_print'), 'bar');
  assert.deepEqual(p.printed, ['0', 'foo']);
});

test('error.error raises what it is told to', async () => {
  const p = runPlace();
  assert.deepEqual(toWire(await p.call(error, 'error')), {});
  await assert.rejects(p.call(error, 'error', ['CommandExecutionError', 'broken']), { code: 'CommandExecutionError' });
  await assert.rejects(p.call(error, 'error', ['Exception', 'boom']), { name: 'Exception', message: 'boom' });
});

test('config.get reads nested options', async () => {
  const p = runPlace();
  assert.deepEqual(await p.call(config, 'get', ['file_roots:base']), [join(p.dir, 'files')]);
  assert.equal(await p.call(config, 'get', ['file_roots,base,0'], { delimiter: ',' }), join(p.dir, 'files'));
  assert.equal(await p.call(config, 'get', ['no:such', 'else']), 'else');
});

test('compound_matches is sure only of minions whose cached data fits', async () => {
  const p = runPlace({ minions: ['web1', 'web2'] });
  await p.ctx.minions.store('grains', 'web1', d({ os: 'Debian' }));
  const res = async (expr: string, id: string): Promise<unknown> =>
    (toWire(await p.call(match, 'compound_matches', [expr, id])) as { res: unknown }).res;
  assert.equal(await res('G@os:Deb* and not db*', 'web1'), 'web1');
  assert.equal(await res('G@os:Deb*', 'web2'), false);
  assert.equal(await res('G@os:Deb*', '../web1'), false);
});

test('mine.get shows values by minion, of several functions by function, and what lies behind a list of readers', async () => {
  const p = runPlace({ minions: ['a', 'b'] });
  await p.ctx.minions.store('mine', 'a', d({ ip: '10.0.0.1', os: 'x' }));
  await p.ctx.minions.store('mine', 'b', d({ ip: { __data__: '10.0.0.2', __saltmine_acl__: 1, allow_tgt: 'z' } }));
  assert.deepEqual(toWire(await p.call(mine, 'get', ['*', 'ip'])), { a: '10.0.0.1', b: '10.0.0.2' });
  assert.deepEqual(toWire(await p.call(mine, 'get', ['*', 'ip,os'])), {
    ip: { a: '10.0.0.1', b: '10.0.0.2' },
    os: { a: 'x' },
  });
});

test('salt.execute answers by minion, and an empty map where no master answers', async () => {
  const p = runPlace({
    minions: ['a', 'b'],
    answer: (id, job) => [id, job.fun as string, ...(job.arg ?? []), job.kwarg ?? {}],
  });
  const ret = await p.call(salt, 'execute', ['*', 'x.y'], { arg: ['one'], kwarg: d({ k: 1 }) });
  assert.deepEqual(toWire(ret), { a: ['a', 'x.y', 'one', { k: 1 }], b: ['b', 'x.y', 'one', { k: 1 }] });
});

test('tokens are made for a right login and taken away again', async () => {
  const p = runPlace();
  const token = (await p.call(auth, 'mk_token', [], { eauth: 'auto', username: 'dev', password: 'right' })) as PyDict;
  assert.equal(token.get('name'), 'dev');
  assert.equal(await p.call(auth, 'mk_token', [], { eauth: 'auto', username: 'dev', password: 'wrong' }), '');
  await p.ctx.minions.store('tokens', 'a'.repeat(64), token);
  assert.equal(await p.call(auth, 'del_token', ['../../etc/passwd']), false);
  assert.equal(await p.call(auth, 'del_token', ['a'.repeat(64)]), true);
  assert.equal(p.ctx.minions.fetch('tokens', 'a'.repeat(64)), undefined);
});

test('wol sends the magic packet', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  try {
    const got = new Promise<Buffer>((done) => socket.once('message', done));
    const p = runPlace();
    assert.equal(await p.call(network, 'wol', ['08-00-27-13-69-77', '127.0.0.1', socket.address().port]), true);
    assert.equal((await got).toString('hex'), 'f'.repeat(12) + '080027136977'.repeat(16));
    await assert.rejects(p.call(network, 'wol', ['nonsense']), { message: 'Invalid MAC address' });
  } finally {
    socket.close();
  }
});

test('survey groups equal answers, the largest group first, and shows what differs', async () => {
  const p = runPlace({
    minions: ['a', 'b', 'c'],
    answer: (id) => (id === 'b' ? 'one\nTWO\nthree' : 'one\ntwo\nthree'),
  });
  assert.deepEqual(toWire(await p.call(survey, 'hash', ['*', 'cmd.run', 'x'])), [
    { pool: ['a', 'c'], result: 'one\ntwo\nthree' },
    { pool: ['b'], result: 'one\nTWO\nthree' },
  ]);
  await p.call(survey, 'diff', ['*', 'cmd.run', 'x'], { survey_sort: 'up' });
  assert.match(
    p.printed.join('\n'),
    /differences from "b" results :\n-+\n--- stable pool\n\+\+\+ unstable pool\n@@ -1,3 \+1,3 @@\n one\n-TWO\n\+two\n three$/,
  );
  assert.equal(unifiedDiff('same', 'same', 'a', 'b'), '');
});

test('the file server is listed', async () => {
  const p = runPlace();
  const root = join(p.dir, 'files');
  mkdirSync(join(root, 'web', 'empty'), { recursive: true });
  writeFileSync(join(root, 'top.sls'), '');
  writeFileSync(join(root, 'web', 'init.sls'), '');
  symlinkSync('top.sls', join(root, 'link'));
  assert.deepEqual(await p.call(fileserver, 'file_list'), ['link', 'top.sls', 'web/init.sls']);
  assert.deepEqual(await p.call(fileserver, 'dir_list'), ['web', 'web/empty']);
  assert.deepEqual(await p.call(fileserver, 'empty_dir_list'), ['web/empty']);
  assert.deepEqual(toWire(await p.call(fileserver, 'symlink_list')), { link: 'top.sls' });
  assert.deepEqual(await p.call(fileserver, 'envs'), ['base']);
  assert.deepEqual(await p.call(fileserver, 'file_list', ['nosuch']), []);
  assert.deepEqual(await p.call(fileserver, 'file_list', [], { backend: '-roots' }), []);
  assert.equal(await p.call(fileserver, 'update'), true);
});

test('sync copies new and changed modules, leaves blacklisted ones and removes what is gone', async () => {
  const p = runPlace();
  const from = join(p.dir, 'files', '_runners');
  const to = join(p.dir, 'ext', 'runners');
  mkdirSync(join(from, 'deep'), { recursive: true });
  for (const f of ['one.js', 'two.py', 'readme.txt', 'deep/three.js']) writeFileSync(join(from, f), f);
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'old.js'), 'x');
  const kwargs = { extmod_blacklist: 'two' };
  assert.deepEqual(await p.call(saltutil, 'sync_runners', [], kwargs), ['runners.deep.three', 'runners.one']);
  assert.ok(!existsSync(join(to, 'old.js')));
  assert.equal(readFileSync(join(to, 'one.js'), 'utf8'), 'one.js');
  assert.deepEqual(await p.call(saltutil, 'sync_runners', [], kwargs), []);
  const all = (await p.call(saltutil, 'sync_all')) as PyDict;
  assert.equal(all.size, 24);
  assert.deepEqual(all.get('runners'), ['runners.two']);
});

test('an item is in a queue once, and leaves it in order', async () => {
  const p = runPlace({ run: () => true });
  assert.equal(await p.call(queue, 'insert', ['q', 'a']), true);
  assert.equal(await p.call(queue, 'insert', ['q', ['b', d({ k: 1 })]]), true);
  assert.equal(await p.call(queue, 'insert', ['q', 'a']), 'Item already exists: a');
  assert.deepEqual(await p.call(queue, 'list_queues'), ['q']);
  assert.equal(await p.call(queue, 'list_length', ['q']), 3);
  assert.deepEqual(await p.call(queue, 'pop', ['q']), ['a']);
  assert.equal(await p.call(queue, 'delete', ['q', 'b']), true);
  assert.deepEqual(toWire(await p.call(queue, 'pop', ['q', 'all'])), [{ k: 1 }]);
  await assert.rejects(p.call(queue, 'pop', ['q', 'some']), /Quantity must be an integer or "all"/);
  await assert.rejects(p.call(queue, 'insert', ['../q', 'a']), /cannot be the name of a queue/);
  await assert.rejects(
    p.call(queue, 'insert', ['q', 'a'], { backend: 'pgjsonb' }),
    /"pgjsonb.insert" is not available/,
  );
});

test('two writers of a queue lose nothing', async () => {
  const p = runPlace();
  await Promise.all(Array.from({ length: 40 }, (_x, i) => p.call(queue, 'insert', ['q', `i${i}`])));
  assert.equal(await p.call(queue, 'list_length', ['q']), 40);
});

test('a processed queue becomes an event, and queued runner calls run', async () => {
  const ran: unknown[] = [];
  const p = runPlace({ run: (...call) => void ran.push(call) as never });
  await p.call(queue, 'insert', ['q', ['a', 'b', 'c']]);
  await p.call(queue, 'process_queue', ['q', 2]);
  assert.deepEqual(p.fired, [
    { tag: 'salt/queue/q/process', data: { items: ['a', 'b'], backend: 'sqlite', queue: 'q' } },
  ]);
  assert.equal(await p.call(queue, 'process_queue', ['q', 'x']), false);
  await p.call(queue, 'insert_runner', ['event.send'], { args: 'site/x', queue: 'later' });
  await p.call(queue, 'process_runner', ['all'], { queue: 'later' });
  assert.deepEqual(ran, [['event.send', ['site/x'], {}]]);
});

test('the queue of reactions is asked of the running master', async () => {
  const p = runPlace({ order: (name) => name });
  assert.equal(await p.call(queue, 'counts'), 'queue.counts');
  await p.call(queue, 'jobs', [5]);
  await p.call(queue, 'revive', ['7-0']);
  assert.deepEqual(p.orders.slice(1), [
    ['queue.list', { limit: 5 }],
    ['queue.revive', { id: '7-0' }],
  ]);
});
