import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { load as witness, YAML11_SCHEMA } from 'js-yaml';
import { type Py, PyDict, PyFloat, PySet, PyTuple } from '../../bus/values.ts';
import { dumpYaml, loadYaml } from '../../sls/yaml.ts';

const d = (...entries: [Py, Py][]): PyDict => new PyDict(entries);

test('data is written with the quoting and layout of the reference', () => {
  const block = (v: Py): string => dumpYaml(v, { flowStyle: false });
  assert.equal(block('true'), "'true'\n");
  assert.equal(block(null), 'null\n');
  assert.equal(block('x\ny\n'), "'x\n\n  y\n\n  '\n");
  assert.equal(block(Uint8Array.of(104, 105)), '!!binary |\n  aGk=\n');
  assert.equal(block(['😀', '\t', 'a\x85b']), '- "\\U0001F600"\n- "\\t"\n- "a\\Nb"\n');
  assert.equal(block(d(['k', ['a', d(['b', []])]])), 'k:\n- a\n- b: []\n');
  assert.equal(block(d([PyTuple.from_<Py>(['a', 1]), 2])), '? - a\n  - 1\n: 2\n');
  assert.equal(block(d(['b', new PyFloat(1e17)], ['a', new PySet(['x'])])), 'a: !!set\n  x: null\nb: 1.0e+17\n');
  assert.equal(dumpYaml(d(['b', 1], ['a', '']), { sortKeys: false }), "{b: 1, a: ''}\n");
  assert.equal(dumpYaml(d(['l', [1, [2]]]), { flowStyle: true }), '{l: [1, [2]]}\n');
  assert.equal(dumpYaml(d(['é', 1]), { allowUnicode: false }), '{"\\xE9": 1}\n');
});

test('long text is folded after column 80, between words', () => {
  const text = 'word '.repeat(30).trim();
  const lines = dumpYaml(text).split('\n');
  assert.equal(lines.length, 3);
  assert.ok(lines.every((l) => l.length <= 85));
  assert.equal(loadYaml(dumpYaml(text)), text);
});

test('data that occurs twice is written once and named', () => {
  const shared: Py = [1];
  assert.equal(dumpYaml(d(['x', shared], ['y', shared]), { flowStyle: false }), 'x: &id001\n- 1\ny: *id001\n');
});

test('whatever is written reads back as it was', () => {
  const leaf = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string(),
    fc.integer(),
    fc.bigInt(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('yes', '~', '1.5', '0644', '- a', 'a: b', '# c', ' x ', '2024-01-01', '<<', '='),
  );
  const value = fc.letrec<{ v: Py }>((tie) => ({
    v: fc.oneof(
      { depthSize: 'small' },
      leaf as fc.Arbitrary<Py>,
      fc.array(tie('v')),
      fc.array(fc.tuple(fc.string(), tie('v'))).map((e) => new PyDict(e)),
    ),
  })).v;
  const plain = (v: Py): unknown =>
    v instanceof PyDict
      ? { dict: [...v].map(([k, x]) => [k, plain(x)]) }
      : Array.isArray(v)
        ? v.map((x) => plain(x as Py))
        : typeof v === 'bigint' && Number.isSafeInteger(Number(v))
          ? Number(v)
          : Object.is(v, -0)
            ? 0
            : v;
  fc.assert(
    fc.property(value, fc.constantFrom(true, false, null), (v, flowStyle) => {
      assert.deepEqual(plain(loadYaml(dumpYaml(v, { flowStyle, sortKeys: false }))), plain(v));
    }),
    { numRuns: 300 },
  );
});

test('another reader finds the same data in what is written', () => {
  const text = dumpYaml(
    d(
      ['list', [1, 'two', null, true, '3', ' x ', 'a: b']],
      ['deep', d(['k', d(['l', [[]]])])],
      ['text', 'line\nline\n'],
    ),
    { flowStyle: false },
  );
  assert.deepEqual(witness(text, { schema: YAML11_SCHEMA }), {
    deep: { k: { l: [[]] } },
    list: [1, 'two', null, true, '3', ' x ', 'a: b'],
    text: 'line\nline\n',
  });
});
