import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chars,
  compare,
  contains,
  DictView,
  dict,
  eq,
  iterate,
  length,
  Markup,
  mkFloat,
  order,
  PyDict,
  PyRange,
  PySet,
  PyTuple,
  parseFloatText,
  parseIntText,
  repr,
  roundFloat,
  str,
  truth,
  Undefined,
} from '../../sls/values.ts';

const text = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    return (e as Error).message;
  }
  return 'no error';
};

test('values print as Python prints them', () => {
  const shared: [unknown, string][] = [
    [null, 'None'],
    [true, 'True'],
    [7, '7'],
    [10n ** 20n, '100000000000000000000'],
    [mkFloat(1), '1.0'],
    [mkFloat(1e16), '1e+16'],
    [mkFloat(1e15), '1000000000000000.0'],
    [0.00001, '1e-05'],
    [0.0001, '0.0001'],
    [mkFloat(-0), '-0.0'],
    [mkFloat(Number.NaN), 'nan'],
    [mkFloat(-Infinity), '-inf'],
    [1.5e-300, '1.5e-300'],
    ["it's", '"it\'s"'],
    ['a"\'b', "'a\"\\'b'"],
    ['x\n\t\\\x00\x7f\u00a0\u00ad\u2028é日', "'x\\n\\t\\\\\\x00\\x7f\\xa0\\xad\\u2028é日'"],
    ['\u{1f600}\ud800', "'\u{1f600}\\ud800'"],
    [PyTuple.from_([1]), '(1,)'],
    [PyTuple.from_([]), '()'],
    [[1, 'a', [null]], "[1, 'a', [None]]"],
    [dict({ b: 1, a: mkFloat(2) }), "{'b': 1, 'a': 2.0}"],
    [new PyDict<never>([[1, 'x' as never]]), "{1: 'x'}"],
    [new PySet([1, 'b']), "{1, 'b'}"],
    [new PySet(), 'set()'],
    [new PySet([1], true), 'frozenset({1})'],
    [Buffer.from('a\x00\xff\'"', 'latin1'), `b'a\\x00\\xff\\'"'`],
    [new Markup('<b>'), "Markup('<b>')"],
    [new PyRange(0, 3, 1), 'range(0, 3)'],
    [new DictView(dict({ a: 1 }), 'items'), "dict_items([('a', 1)])"],
  ];
  for (const [v, expected] of shared) assert.equal(repr(v as never), expected);
  assert.equal(str('a'), 'a');
  const loop: unknown[] = [1];
  loop.push(loop);
  assert.equal(repr(loop), '[1, [...]]');
});

test('equality and order follow content and type', () => {
  assert.ok(eq(1, true) && eq(1, mkFloat(1)) && eq(mkFloat(2 ** 60), 2n ** 60n));
  assert.ok(!eq([1], PyTuple.from_([1])) && !eq('1', 1) && !eq(null, false));
  assert.ok(eq(dict({ a: [1], b: 2 }), dict({ b: 2, a: [mkFloat(1)] })));
  assert.ok(eq(new Markup('a'), 'a') && eq('a', new Markup('a')));
  assert.ok(compare([1, 2], [1, 2, 0]) < 0);
  assert.ok(compare('\u{1f600}', '\uffff') > 0, 'text is ordered by code point');
  assert.equal(
    text(() => order('<', 1, 'a')),
    "'<' not supported between instances of 'int' and 'str'",
  );
  assert.ok(contains(new PyDict([[1, 2]]), true));
  assert.equal(
    text(() => contains('a', 1)),
    "'in <string>' requires string as left operand, not int",
  );
  assert.equal(
    text(() => contains(new PyDict(), [])),
    "unhashable type: 'list'",
  );
});

test('lengths and walks count code points, and a list may grow while it is walked', () => {
  assert.equal(length('a\u{1f600}'), 2);
  assert.deepEqual(chars('\u{1f600}b'), ['\u{1f600}', 'b']);
  const l: unknown[] = [1];
  const seen: unknown[] = [];
  for (const x of iterate(l)) {
    seen.push(x);
    if (l.length < 3) l.push(l.length + 1);
  }
  assert.deepEqual(seen, [1, 2, 3]);
  const d = dict({ a: 1 });
  assert.equal(
    text(() => {
      for (const k of iterate(d)) d.set(`${k}x`, 1);
    }),
    'dictionary changed size during iteration',
  );
  assert.equal(
    text(() => iterate(5)),
    "'int' object is not iterable",
  );
});

test('a missing value says what is missing, and only a strict one refuses to be used', () => {
  const strict = new Undefined('x', undefined, true);
  const lenient = new Undefined('y', dict({}), false);
  assert.equal(lenient.message, "'dict object' has no attribute 'y'");
  assert.equal(new Undefined('z', null, true).message, "'None' has no attribute 'z'");
  assert.equal(str(lenient), '');
  assert.equal(truth(lenient), false);
  for (const f of [
    () => str(strict),
    () => truth(strict),
    () => eq(strict, 1),
    () => length(strict),
    () => iterate(strict),
  ])
    assert.equal(text(f), "'x' is undefined");
  assert.equal(repr([strict]), '[Undefined]');
});

test('numbers are read and rounded as Python does', () => {
  assert.equal(parseIntText(' -1_000 '), -1000);
  assert.equal(parseIntText('0x1f', 0), 31);
  assert.equal(parseIntText('1f', 16), 31);
  assert.equal(parseIntText('123456789012345678901'), 123456789012345678901n);
  assert.equal(parseIntText('٣'), 3);
  for (const bad of ['', '1__0', '1.0', '0x1', '_1']) assert.equal(parseIntText(bad), undefined, bad);
  assert.equal(parseFloatText(' 1e3 '), 1000);
  assert.equal(parseFloatText('-inf'), -Infinity);
  assert.equal(parseFloatText('1e'), undefined);
  assert.equal(roundFloat(0.5), 0);
  assert.equal(roundFloat(1.5), 2);
  assert.equal(roundFloat(2.675, 2), 2.67);
  assert.equal(roundFloat(1234.5, -2), 1200);
});
