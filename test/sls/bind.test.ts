import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { argspec, bind, isFn, parseSignature } from '../../sls/bind.ts';
import { parseLiteral } from '../../sls/literal.ts';
import { fn } from '../../sls/signature.ts';

const refused = (sig: string, args: Py[], kwargs: Record<string, Py>, text: string): void =>
  assert.throws(() => bind('', sig, args, kwargs), { name: 'TypeError', message: text });

test('positional, keyword, starred and default arguments reach the parameters a Python call would give them', () => {
  const sig = "run(cmd, cwd=None, x=(1, 'a'), *args, k=1, **kwargs)";
  assert.deepEqual(bind('', sig, ['ls']), {
    cmd: 'ls',
    cwd: null,
    x: PyTuple.from_<Py>([1, 'a']),
    args: [],
    k: 1,
    kwargs: new PyDict(),
  });
  const all = bind('', sig, ['ls', '/', 2, 3, 4], { k: 5, env: 'dev' });
  assert.deepEqual(all['args'], [3, 4]);
  assert.equal(all['k'], 5);
  assert.deepEqual([...(all['kwargs'] as PyDict)], [['env', 'dev']]);
});

test('a default list is new for each call', () => {
  const first = bind('', 'f(a=[])').a as Py[];
  first.push(1);
  assert.deepEqual(bind('', 'f(a=[])').a, []);
});

test('wrong calls are refused with the words Python uses', () => {
  const f = 'f(a, b=1, *, k, j=2)';
  refused(f, [1, 2, 3], {}, 'f() takes from 1 to 2 positional arguments but 3 were given');
  const both =
    'f() takes from 1 to 2 positional arguments but 3 positional arguments (and 1 keyword-only argument) were given';
  refused(f, [1, 2, 3], { k: 1 }, both);
  refused(f, [], {}, "f() missing 1 required positional argument: 'a'");
  refused(f, [1], {}, "f() missing 1 required keyword-only argument: 'k'");
  refused('g()', [1], {}, 'g() takes 0 positional arguments but 1 was given');
  refused('g()', [1, 2], {}, 'g() takes 0 positional arguments but 2 were given');
  refused('h(a, *, k=1)', [1, 2], {}, 'h() takes 1 positional argument but 2 were given');
  refused('h(a, *, k=1)', [1], { a: 2 }, "h() got multiple values for argument 'a'");
  refused('h(a, *, k=1)', [1, 2], { x: 2 }, "h() got an unexpected keyword argument 'x'");
  refused('r(a, b)', [], {}, "r() missing 2 required positional arguments: 'a' and 'b'");
  refused('r(a, b, c)', [], {}, "r() missing 3 required positional arguments: 'a', 'b', and 'c'");
});

test('every recorded argspec survives being written as a signature and read back', () => {
  const inventory = JSON.parse(readFileSync('test/golden/cli/inventory.json', 'utf8')) as {
    kinds: Record<string, Record<string, { argspec: ReturnType<typeof argspec> | null }>>;
  };
  let seen = 0;
  for (const functions of Object.values(inventory.kinds))
    for (const { argspec: want } of Object.values(functions)) {
      if (!want || JSON.stringify(want.defaults ?? []).includes('<')) continue;
      const names = want.args ?? [];
      const defaults = want.defaults ?? [];
      const python = (v: Py): string =>
        v === null ? 'None' : v === true ? 'True' : v === false ? 'False' : JSON.stringify(v);
      const parts = names.map((n, i) => {
        const d = i - (names.length - defaults.length);
        return d < 0 ? n : `${n}=${python(defaults[d] as Py)}`;
      });
      if (want.varargs) parts.push('*args');
      if (want.kwargs) parts.push('**kwargs');
      assert.deepEqual(argspec(`f(${parts.join(', ')})`), want);
      seen++;
    }
  assert.ok(seen > 1500, `only ${seen} seen`);
});

test('literals are read as Python reads them', () => {
  assert.deepEqual(
    parseLiteral(`{'a': [1, -2.0, 0x1f], "b": (None,), 'c': b'x\\n'}`),
    new PyDict<Py>([
      ['a', [1, parseLiteral('-2.0'), 31]],
      ['b', PyTuple.from_<Py>([null])],
      ['c', Uint8Array.of(120, 10)],
    ]),
  );
  assert.equal(parseLiteral("'it\\'s' r'\\d'"), "it's\\d");
  assert.equal(parseLiteral('123456789012345678901'), 123456789012345678901n);
  for (const bad of ['', '[1', "'a", 'os.system', '1 2', '{1: }', '- "a"'])
    assert.throws(() => parseLiteral(bad), { name: 'ValueError' }, bad);
});

test('a malformed signature is a mistake of the source and says where', () => {
  assert.throws(() => parseSignature('f(a b)'), /bad signature "f\(a b\)".*position 4/);
  assert.ok(isFn(fn('f()', 'Does nothing.', () => null)));
  assert.ok(!isFn({ sig: 'f()' }));
});
