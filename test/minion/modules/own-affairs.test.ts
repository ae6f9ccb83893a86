import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../../../bus/values.ts';
import { encodeBus } from '../../../bus/wire/payload.ts';
import event from '../../../minion/modules/event.ts';
import mine from '../../../minion/modules/mine.ts';
import saltutil from '../../../minion/modules/saltutil.ts';
import sys from '../../../minion/modules/sys.ts';
import testModule from '../../../minion/modules/test.ts';
import { writeProcFile } from '../../../minion/proc-files.ts';
import { fn } from '../../../sls/signature.ts';
import { smallMinion } from './small-minion.ts';

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'affairs-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(toWireLike(v)));
function toWireLike(v: unknown): unknown {
  if (v instanceof Map) return Object.fromEntries([...v].map(([k, x]) => [k, toWireLike(x)]));
  return Array.isArray(v) ? v.map(toWireLike) : v;
}

test('test: what comes in goes out, by value, by type and as Python text', () => {
  const { call } = smallMinion({ test: testModule });
  assert.equal(call('test.ping'), true);
  assert.deepEqual(plain(call('test.arg', ['a', 1], { k: [1] })), { args: ['a', 1], kwargs: { k: [1] } });
  assert.deepEqual(plain(call('test.arg_clean', [], { k: 1, __pub_jid: 'x' })), { args: [], kwargs: { k: 1 } });
  assert.deepEqual(plain(call('test.arg_type', [1, 1.5, null], { t: 'x' })), {
    args: ["<class 'int'>", "<class 'float'>", "<class 'NoneType'>"],
    kwargs: { t: "<class 'str'>" },
  });
  assert.deepEqual(plain(call('test.arg_repr', [1, "x'y"], { b: [1] })), { args: `(1, "x'y")`, kwargs: "{'b': [1]}" });
});

test('test: fib, collatz, hashes and the like', () => {
  const { call, ctx } = smallMinion({ test: testModule });
  assert.equal((call('test.fib', [90]) as Py[])[0], 2880067194370816120n);
  assert.equal((call('test.fib', [5]) as Py[])[0], 5);
  const steps = (call('test.collatz', [3]) as Py[])[0] as Py[];
  assert.deepEqual(steps.map(Number), [3, 10, 5, 16, 8, 4, 2]);
  assert.match(String(call('test.random_hash', [], { size: 10, hash_type: 'md5' })), /^[0-9a-f]{32}$/);
  assert.equal(call('test.retcode', [9]), true);
  assert.equal(ctx.context.get('retcode'), 9);
  assert.equal(call('test.tty'), 'ERROR: This function has been moved to cmd.tty');
  assert.equal(call('test.cross_test', ['test.echo', ['hi']]), 'hi');
  assert.equal(call('test.try', ['no.such']), null);
  assert.match(String(call('test.try', ['no.such', true])), /no\.such/);
  assert.throws(() => call('test.fib', [-1]), /Negative number is not allowed!/);
});

test('test: exceptions of Python’s and of Salt’s names, and none for a name nobody knows', () => {
  const { call, lines } = smallMinion({ test: testModule });
  assert.throws(() => call('test.exception', ['no luck']), { message: 'no luck' });
  assert.throws(() => call('test.raise_exception', ['KeyError', 'a', 'b']), {
    code: 'KeyError',
    message: "('a', 'b')",
  });
  assert.throws(() => call('test.raise_exception', ['ZeroDivisionError', 'x']), { name: 'ZeroDivisionError' });
  assert.throws(() => call('test.raise_exception', ['salt.exceptions.CommandExecutionError', 'x']), {
    code: 'CommandExecutionError',
  });
  assert.equal(call('test.raise_exception', ['NoSuchThing']), false);
  assert.ok(lines.some((l) => l.includes('No such exception: NoSuchThing')));
  assert.throws(() => call('test.assertion', [false]), { name: 'AssertionError' });
});

test('sys: functions, modules, help and signatures are listed by word and by pattern', () => {
  const { call } = smallMinion({ sys, test: testModule, event });
  assert.deepEqual(call('sys.list_modules'), ['event', 'sys', 'test']);
  assert.deepEqual(call('sys.list_modules', ['t*', 'sys']), ['sys', 'test']);
  assert.deepEqual(call('sys.list_functions', ['event']), ['event.fire', 'event.fire_master', 'event.send']);
  assert.deepEqual(call('sys.list_functions', ['*.fire']), ['event.fire']);
  assert.deepEqual(plain(call('sys.argspec', ['test.echo'])), {
    'test.echo': { args: ['text'], defaults: null, varargs: null, kwargs: null },
  });
  assert.deepEqual(Object.keys(plain(call('sys.doc', ['event'])) as object), [
    'event.fire',
    'event.fire_master',
    'event.send',
  ]);
  assert.deepEqual(Object.keys(plain(call('sys.doc', ['test.pi*'])) as object), ['test.ping']);
  assert.equal(call('sys.reload_modules'), true);
  assert.throws(() => call('sys.list_states_nonsense'));
});

test('event: send gathers what it is asked for; without a master it stays here', () => {
  const sent: [string, WireMap][] = [];
  const { call } = smallMinion(
    { event },
    {
      opts: { __cli: 'salt-call', saltenv: 'base' },
      grains: { id: 'm1', os: 'Debian' },
      pillar: { team: 'harbour' },
      master: (cmd, load) => {
        sent.push([cmd, load]);
        return null;
      },
    },
  );
  assert.equal(
    call('event.send', ['yard/gate', { a: 1 }], {
      who: 'guard',
      with_grains: ['id'],
      with_pillar: true,
      with_env_opts: true,
    }),
    true,
  );
  const [cmd, load] = sent[0] as [string, WireMap];
  assert.deepEqual(
    [cmd, load['tag'], plain(toPy(load['data'] as Wire))],
    [
      '_minion_event',
      'yard/gate',
      { grains: { id: 'm1' }, pillar: { team: 'harbour' }, saltenv: 'base', pillarenv: null, who: 'guard', a: 1 },
    ],
  );
  const alone = smallMinion({ event }, { opts: { file_client: 'local' } });
  assert.equal(alone.call('event.fire_master', [{ a: 1 }, 'x/y']), false);
  assert.ok(alone.lines.some((l) => l.includes('Event with tag x/y will NOT be sent.')));
});

test('event: fire leaves the stamp in its data and refuses what is no map', () => {
  const { ctx } = smallMinion({ event });
  const data = new PyDict<Py>([['a', 1]]);
  ctx.salt.call('event.fire', [data, 'x/y']);
  assert.ok(data.has('_stamp'));
  assert.equal(ctx.salt.call('event.fire', ['text', 'x/y']), false);
});

test('mine: functions run as configured, aliases and limits included, and reach the master in one load', () => {
  const loads: [string, WireMap][] = [];
  const { call, lines } = smallMinion(
    {
      mine,
      test: testModule,
      config: { functions: { merge: fn('merge(value, default)', '', () => toPy(functions)) } },
    },
    {
      master: (cmd, load) => {
        loads.push([cmd, load]);
        return cmd === '_mine_get' ? toPy({ m1: 1, m2: 2 }) : true;
      },
    },
  );
  const functions: WireMap = {
    'test.ping': [],
    called: [{ mine_function: 'test.echo' }, 'hi'],
    limited: { mine_function: 'test.echo', text: 'secret', allow_tgt: 'G@role:web', allow_tgt_type: 'compound' },
    'no.such': [],
    broken: { mine_function: 'test.exception' },
  };
  assert.equal(call('mine.update'), true);
  assert.equal(loads[0]?.[0], '_mine');
  assert.deepEqual(plain(toPy(loads[0]?.[1]?.['data'] as Wire)), {
    'test.ping': true,
    called: 'hi',
    limited: { __data__: 'secret', __saltmine_acl__: 1, allow_tgt: 'G@role:web', allow_tgt_type: 'compound' },
  });
  assert.ok(lines.some((l) => l.includes('Function no.such in mine_functions not available')));
  assert.ok(lines.some((l) => l.includes('Function test.exception in mine.update failed to execute')));
  assert.equal(call('mine.send', ['short', 'x'], { mine_function: 'test.echo' }), true);
  assert.deepEqual(plain(toPy(loads[1]?.[1]?.['data'] as Wire)), { short: 'x' });
  assert.deepEqual(plain(call('mine.get', ['*', 'test.ping'], { exclude_minion: true })), { m2: 2 });
  assert.equal(call('mine.delete', ['test.ping']), true);
  assert.deepEqual(
    loads.slice(2).map(([c]) => c),
    ['_mine_get', '_mine_delete'],
  );
  assert.deepEqual(plain(call('mine.valid')), {
    'test.ping': [],
    called: { 'test.echo': ['hi'] },
    limited: { 'test.echo': [{ text: 'secret' }] },
    broken: { 'test.exception': [] },
  });
  assert.equal(call('mine.send', ['test.exception']), false);
});

test('saltutil: cached jobs are found by a job id alone, never by a path', () => {
  const cachedir = join(dir, 'cached');
  const jid = '20260101000000000001';
  mkdirSync(join(cachedir, 'minion_jobs', jid), { recursive: true });
  writeFileSync(join(cachedir, 'minion_jobs', jid, 'return.p'), encodeBus({ jid, return: 'x' }));
  writeFileSync(join(cachedir, 'return.p'), encodeBus({ stolen: true }));
  const off = smallMinion({ saltutil }, { opts: { cachedir } });
  assert.deepEqual(plain(off.call('saltutil.find_cached_job', [jid])), { jid, return: 'x' });
  assert.match(
    String(off.call('saltutil.find_cached_job', ['../..'])),
    /^Local jobs cache directory not found; you may/,
  );
  const on = smallMinion({ saltutil }, { opts: { cachedir, cache_jobs: true } });
  assert.match(
    String(on.call('saltutil.find_cached_job', ['20260101000000000009'])),
    /^Local jobs cache directory .* not found$/,
  );
});

test('saltutil: clear_cache keeps undelivered returns and the memory of jobs', () => {
  const cachedir = join(dir, 'clear');
  mkdirSync(join(cachedir, 'returns'), { recursive: true });
  mkdirSync(join(cachedir, 'files', 'base'), { recursive: true });
  for (const f of ['returns/1.p', 'jids.log', 'files/base/a', 'x']) writeFileSync(join(cachedir, f), '');
  assert.equal(smallMinion({ saltutil }, { opts: { cachedir } }).call('saltutil.clear_cache'), true);
  assert.deepEqual(
    ['returns/1.p', 'jids.log', 'files/base/a', 'x', 'files/base'].map((f) => existsSync(join(cachedir, f))),
    [true, true, false, false, true],
  );
});

test('saltutil: jobs that run are listed and found by function pattern; an unknown one gets no signal', () => {
  process.title = 'salt-minion-test';
  const cachedir = join(dir, 'running');
  const jid = '20260101000000000002';
  const { call } = smallMinion({ saltutil }, { opts: { cachedir } });
  writeProcFile(cachedir, process.ppid, { jid, fun: 'test.sleep', arg: [3] });
  writeProcFile(cachedir, process.pid, { jid: '20260101000000000003', fun: 'other.one' });
  assert.deepEqual(plain(call('saltutil.is_running', ['state.*'])), []);
  assert.equal(call('saltutil.signal_job', ['20260101000000000004', 15]), '');
  assert.equal(call('saltutil.kill_job', ['20260101000000000004']), '');
});

test('saltutil: refresh_grains refuses keywords it does not know', () => {
  const { call } = smallMinion({ saltutil, event }, { opts: { cachedir: dir } });
  assert.throws(() => call('saltutil.refresh_grains', [], { colour: 'red' }), {
    message: 'The following keyword arguments are not valid: colour=red',
  });
});

test('saltutil: synced modules are exactly those of the file server, and no name leads out of their folder', () => {
  const cachedir = join(dir, 'sync');
  let files: Record<string, string> = {
    '_modules/quay.js': 'one',
    '_modules/yard/crane.js': 'two',
    '_modules/../../escape.js': 'bad',
    'other/file': 'no',
  };
  const { call } = smallMinion(
    { saltutil, event },
    {
      opts: { cachedir },
      master: (cmd, load) => {
        if (cmd === '_file_list') return Object.keys(files);
        const text = files[String(load['path'])] ?? '';
        return toPy({ data: load['loc'] === 0 ? text : '', dest: String(load['path']) });
      },
    },
  );
  assert.deepEqual(call('saltutil.sync_modules'), ['modules.quay', 'modules.yard.crane']);
  assert.equal(readFileSync(join(cachedir, 'extmods/modules/quay.js'), 'utf8'), 'one');
  assert.equal(statSync(join(cachedir, 'extmods/modules/quay.js')).mode & 0o777, 0o600);
  assert.equal(existsSync(join(dir, 'escape.js')), false);
  assert.deepEqual(call('saltutil.sync_modules'), []);
  files = { '_modules/quay.js': 'changed' };
  assert.deepEqual(call('saltutil.sync_modules'), ['modules.quay']);
  assert.equal(existsSync(join(cachedir, 'extmods/modules/yard/crane.js')), false);
  assert.deepEqual(plain(call('saltutil.list_extmods')), { modules: ['quay'] });
  assert.deepEqual(call('saltutil.sync_modules', [], { extmod_whitelist: ['none'] }), []);
  assert.throws(() => call('saltutil.sync_pillar'), /Pillar modules can only be synced to masterless minions/);
});

test('saltutil: runners and jobs work only where the master is', () => {
  const { call } = smallMinion({ saltutil }, { opts: { conf_file: join(dir, 'minion') } });
  for (const fun of ['saltutil.runner', 'saltutil.wheel'])
    assert.throws(() => call(fun, ['x.y']), {
      message: 'This command can only be executed on a minion that is located on the master.',
    });
});
