import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Py, PyDict } from '../../bus/values.ts';
import { splitCompound } from '../../sls/args.ts';
import { cleanKwargs, formatCall, invalidArguments, loadArgs } from '../../sls/call-format.ts';
import { runCliargs } from '../conformance/cliargs.ts';

test('every recorded command line reaches the function as the reference passes it', () => {
  const all = runCliargs('test/golden/cli');
  assert.ok(all.length > 150);
  assert.deepEqual(
    all.filter((o) => !o.ok),
    [],
  );
});

test('a job word like k=v is a keyword where the function knows it and is refused where it does not', () => {
  assert.deepEqual([...loadArgs('f(k=None)', ['k=5']).kwargs], [['k', 5]]);
  assert.deepEqual(loadArgs('f(x)', ['http://h/?q=1']).args, ['http://h/?q=1']);
  assert.throws(
    () =>
      loadArgs('f(x)', [
        'k=5',
        new PyDict<Py>([
          ['__kwarg__', true],
          ['y', null],
        ]),
      ]),
    {
      name: 'SaltInvocationError',
      message: 'The following keyword arguments are not valid: k=5, y=None',
    },
  );
  assert.equal(loadArgs('f(x)', ['k=5'], undefined, true).kwargs.size, 0);
});

test('only a function with **kwargs learns about the job it runs in', () => {
  const pub = new PyDict<Py>([['jid', '20300101000000000000']]);
  assert.equal(loadArgs('f(**kwargs)', [], pub).kwargs.get('__pub_jid'), '20300101000000000000');
  assert.equal(loadArgs('f(x=1)', [], pub).kwargs.size, 0);
  assert.equal(
    cleanKwargs(
      new PyDict<Py>([
        ['__pub_jid', '1'],
        ['a', 1],
      ]),
    ).size,
    1,
  );
  assert.equal(invalidArguments('test.ping', 'no', 'doc'), 'Passed invalid arguments to test.ping: no\ndoc');
});

test("a state's arguments are picked from its chunk; what is missing or unknown is named", () => {
  const names = { name: 'installed', full: 'pkg.installed' };
  const data = new PyDict<Py>([
    ['name', 'vim'],
    ['refresh', null],
    ['order', 1],
  ]);
  const call = formatCall('installed(name, version=None, refresh=True, **kwargs)', names, data, ['order']);
  assert.deepEqual(call.args, ['vim']);
  assert.deepEqual(
    [...call.kwargs],
    [
      ['version', null],
      ['refresh', null],
    ],
  );
  assert.equal(data.size, 3);
  assert.throws(() => formatCall('installed(name, b)', names, new PyDict()), {
    message: 'installed takes at least 2 arguments (0 given)',
  });
  assert.throws(() => formatCall('installed(name)', names, data, ['order']), {
    message: "'refresh' is an invalid keyword argument for 'pkg.installed'",
  });
  assert.throws(() => formatCall('installed(name)', names, data), {
    message: "'refresh' and 'order' are invalid keyword arguments for 'pkg.installed'",
  });
});

test('the words of a compound command are shared out at separators that stand alone or inside words', () => {
  assert.deepEqual(splitCompound(['a', ',', 'b'], 2), [['a'], ['b']]);
  assert.deepEqual(splitCompound(['a,b', 'c'], 2), [['a'], ['b', 'c']]);
  assert.deepEqual(splitCompound([',', 'x'], 2), [[], ['x']]);
  assert.throws(() => splitCompound(['a'], 2), { exitCode: 42, message: /without defining all arguments/ });
  assert.throws(() => splitCompound(['a,b,c'], 2), { exitCode: 42, message: /more arguments than commands/ });
});
