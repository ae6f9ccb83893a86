import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaltError } from '../../bus/errors.ts';
import { LEVELS, Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ModuleCtx } from '../../minion/modules/contract.ts';
import { executorsOf, runJob, splayOf } from '../../minion/run-job.ts';
import { pythonName, traceback } from '../../minion/traceback.ts';
import { fn } from '../../sls/signature.ts';
import { smallMinion } from './modules/small-minion.ts';

const boom = (e: unknown) => () => {
  throw e;
};
const error = (code: 'CommandExecutionError' | 'CommandNotFoundError' | 'SaltClientError' | 'SaltInvocationError') =>
  boom(new SaltError(code, 'the reason'));
const modules = {
  m: {
    functions: {
      echo: fn('echo(text, n=1, **kwargs)', 'Echoes.', ({ text, n, kwargs }) => [text as Py, n as Py, kwargs as Py]),
      plain: fn('plain(text)', 'Doc of plain.', ({ text }) => text as Py),
      exec: fn('exec_()', '', error('CommandExecutionError')),
      lost: fn('lost()', '', error('CommandNotFoundError')),
      client: fn('client()', '', error('SaltClientError')),
      invoked: fn('invoked()', '', error('SaltInvocationError')),
      bug: fn('bug()', '', boom(new RangeError('a bug'))),
      coded: fn<ModuleCtx>('coded(n)', '', ({ n }, ctx) => {
        ctx.context.set('retcode', n as Py);
        return true;
      }),
      result: fn('result(d)', '', ({ d }) => d as Py),
      later: fn('later()', '', async () => 'later'),
      changes: fn('changes(d)', '', ({ d }) => {
        (d as PyDict).set('added', 1);
        return true;
      }),
    },
    outputters: { result: 'highstate' },
  },
};

async function run(
  load: WireMap,
  opts: WireMap = {},
  pillar: WireMap = {},
): Promise<WireMap & { fired: string[]; lines: string[] }> {
  const small = smallMinion(modules);
  const lines: string[] = [];
  const fired: string[] = [];
  const table = Object.assign(Object.create(small.ctx.salt), {
    outputter: (name: string) => (name === 'm.result' ? 'highstate' : undefined),
    signature: (name: string) => modules.m.functions[name.slice(2) as 'echo']?.sig,
  });
  const ret = await runJob(
    { jid: '20260101000000000001', user: 'root', ...load },
    {
      opts: new Opts(toPy({ id: 'm1', ...opts }) as PyDict),
      log: new Log('t', (r) => lines.push(`${r.level}: ${r.message}`), LEVELS.all),
      calls: table,
      context: small.ctx.context,
      grains: new PyDict(),
      pillar: toPy(pillar) as PyDict,
      connected: true,
      fireLocal: (tag) => fired.push(tag) > 0,
    },
  );
  return Object.assign(ret, { fired, lines });
}
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

test('a return has the reference’s fields in the reference’s order', async () => {
  const ret = await run({ fun: 'm.plain', arg: ['x'] });
  assert.deepEqual(Object.keys(ret).slice(0, 7), ['success', 'return', 'retcode', 'jid', 'fun', 'fun_args', 'user']);
  assert.deepEqual([ret['success'], ret['return'], ret['retcode']], [true, 'x', 0]);
  const out = await run({ fun: 'm.result', arg: [{}] });
  assert.equal(out['out'], 'highstate');
});

test('keyword arguments come as a marked map or as words, and **kwargs gets the publish’s fields', async () => {
  const ret = await run({ fun: 'm.echo', arg: ['a', 'n=5', { __kwarg__: true, k: 2 }], tgt: '*' });
  const [text, n, kwargs] = plain(ret['return']) as [string, number, Record<string, Wire>];
  assert.deepEqual([text, n, kwargs['k'], kwargs['__pub_tgt'], kwargs['__pub_fun']], ['a', 5, 2, '*', 'm.echo']);
});

test('every kind of failure is worded as the reference words it', async () => {
  const cases: [string, string][] = [
    ['m.exec', 'ERROR: the reason'],
    ['m.lost', "Command required for 'm.lost' not found: the reason"],
    ['m.client', "ERROR executing 'm.client': the reason"],
    ['m.invoked', "ERROR executing 'm.invoked': the reason"],
    [
      'm.plain',
      "Passed invalid arguments to m.plain: plain() missing 1 required positional argument: 'text'\nDoc of plain.",
    ],
    ['no.such', "'no.such' is not available."],
  ];
  for (const [fun, text] of cases) {
    const ret = await run({ fun, arg: [] });
    assert.deepEqual([ret['return'], ret['retcode'], ret['success'], ret['out']], [text, 1, false, 'nested'], fun);
    assert.deepEqual(ret.fired, []);
  }
  const bug = await run({ fun: 'm.bug', arg: [] });
  assert.match(
    String(bug['return']),
    /^The minion function caused an exception: Traceback \(most recent call last\):\n[\s\S]*a bug\n$/,
  );
  assert.deepEqual(bug.fired, ['_salt_error']);
});

test('a module’s name alone is answered with the help of what it holds', async () => {
  const ret = await run({ fun: 'm.pl', arg: [] });
  assert.deepEqual(plain(ret['return']), { 'm.plain': 'Doc of plain.', 'm.pl': "'m.pl' is not available." });
});

test('the return code comes from the context, else from result and success of a map', async () => {
  assert.equal((await run({ fun: 'm.coded', arg: [7] }))['retcode'], 7);
  assert.equal((await run({ fun: 'm.result', arg: [{ result: false }] }))['retcode'], 1);
  assert.equal((await run({ fun: 'm.result', arg: [{ success: null }] }))['retcode'], 1);
  assert.equal((await run({ fun: 'm.result', arg: [{ result: true }] }))['success'], true);
});

test('functions may answer later, and arguments that a function changes are shown changed', async () => {
  assert.equal((await run({ fun: 'm.later', arg: [] }))['return'], 'later');
  assert.deepEqual(plain((await run({ fun: 'm.changes', arg: [{ a: 0 }] }))['fun_args']), [{ a: 0, added: 1 }]);
});

test('several functions return by function, or as lists with multifunc_ordered', async () => {
  const load = { fun: ['m.plain', 'm.exec'], arg: [['x'], []] };
  const ret = await run(load);
  assert.equal((ret['return'] as WireMap)['m.plain'], 'x');
  assert.match(String((ret['return'] as WireMap)['m.exec']), /^Traceback[\s\S]*CommandExecutionError: the reason\n$/);
  assert.deepEqual(plain(ret['success']), { 'm.plain': true, 'm.exec': false });
  assert.deepEqual(plain(ret['retcode']), { 'm.plain': 0 });
  const ordered = await run(load, { multifunc_ordered: true });
  assert.equal((ordered['return'] as Wire[])[0], 'x');
  assert.deepEqual(ordered['success'], [true, false]);
});

test('a minion in blackout runs nothing but the whitelist', async () => {
  const dark = { minion_blackout: true, minion_blackout_whitelist: ['m.later'] };
  const ret = await run({ fun: 'm.plain', arg: ['x'] }, {}, dark);
  assert.match(
    String(ret['return']),
    /^ERROR executing 'm\.plain': Minion in blackout mode\. Set 'minion_blackout' to False/,
  );
  assert.equal((await run({ fun: 'm.later', arg: [] }, {}, dark))['return'], 'later');
});

test('executors come from the job, then from the configuration; metadata must be a map', async () => {
  const opts = new Opts(toPy({ module_executors: ['splay', 'direct_call'] }) as PyDict);
  assert.deepEqual(executorsOf({}, opts), ['splay', 'direct_call']);
  assert.deepEqual(executorsOf({ module_executors: ['direct_call'] }, opts), ['direct_call']);
  assert.deepEqual(executorsOf({ module_executors: 'sudo' }, opts), ['sudo']);
  const ret = await run({ fun: 'm.plain', arg: ['x'], metadata: 'text' });
  assert.equal(ret['metadata'], undefined);
  assert.ok(ret.lines.includes('warning: The metadata parameter must be a dictionary. Ignoring.'));
});

test('the splay of a minion is the reference’s for its id', () => {
  // Computed by the reference's own function for these ids and a splay time of 300 seconds.
  assert.deepEqual(
    ['m1', 'alpha', 'web-01.example.com'].map((id) => splayOf(id, 300)),
    [283, 165, 13],
  );
});
test('an error’s class is named as Python names it', () => {
  assert.equal(pythonName(new SaltError('CommandExecutionError', 'x')), 'salt.exceptions.CommandExecutionError');
  assert.equal(pythonName(new SaltError('ValueError', 'x')), 'ValueError');
  assert.equal(pythonName(new Error('x')), 'Exception');
  const zero = new Error('division by zero');
  zero.name = 'ZeroDivisionError';
  assert.match(
    traceback(zero),
    /^Traceback \(most recent call last\):\n(?: {2}File ".*", line \d+, in .*\n)+ZeroDivisionError: division by zero\n$/,
  );
});
