import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Py, PyDict, PyFloat, PyTuple } from '../../../bus/values.ts';
import { PythonBridge } from '../../../sls/python/bridge.ts';
import { eq, repr } from '../../../sls/values.ts';

const bridge = new PythonBridge('python3', 'sls/python/bridge.py');
after(() => bridge.close());
const call = (source: string, fun = 'run', globals: Record<string, Py> = {}, args: Py[] = []): Py =>
  bridge.call({ path: `/t/${source.length}.sls`, source, globals, function: fun, args }, (name, a, k) => {
    if (name === '__has__') return a[0] === 'test.arg';
    if (name === 'test.fail') throw new Error('it failed');
    return new PyDict<Py>([
      ['name', name],
      ['args', a],
      ['kwargs', k],
    ]);
  });

test('values of every kind come back from Python as they went', () => {
  const value = new PyDict<Py>([
    ['text', 'ü'],
    [1, new PyFloat(1)],
    [true, null],
    ['nested', [1, 2.5, 2n ** 70n, PyTuple.from_<Py>([1, 'a']), Buffer.from([0, 255])]],
  ]);
  const back = call('def echo(v):\n    return v\n', 'echo', {}, [value]);
  assert.ok(eq(back, value), repr(back));
  assert.equal(repr(back), repr(value));
});

test('code sees its globals and calls salt functions back', () => {
  const got = call(
    "def run():\n    return [data['who'], __salt__['test.arg'](1, k=2), salt.cmd.run('ls'), 'x.y' in __salt__, 'test.arg' in salt]\n",
    'run',
    { data: new PyDict([['who', 'reader']]) },
  );
  assert.equal(
    repr(got),
    "['reader', {'name': 'test.arg', 'args': [1], 'kwargs': {'k': 2}}, {'name': 'cmd.run', 'args': ['ls'], 'kwargs': {}}, False, True]",
  );
});

test('an exception keeps its message, and the next call works', () => {
  assert.throws(() => call("def run():\n    raise ValueError('no such thing')\n"), /ValueError: no such thing/);
  assert.throws(() => call("def run():\n    return __salt__['test.fail']()\n"), /RuntimeError: it failed/);
  assert.equal(call('def run():\n    return 7\n'), 7);
});

test('a Python that exits is an error, not a wait', () => {
  const other = new PythonBridge('python3', 'sls/python/bridge.py');
  assert.throws(
    () =>
      other.call(
        { path: 'x', source: 'import os\ndef run():\n    os._exit(3)\n', globals: {}, function: 'run' },
        () => null,
      ),
    /ended before it answered/,
  );
  other.close();
});
