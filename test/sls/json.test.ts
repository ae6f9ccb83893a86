import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Py, PyDict, PyFloat, PyTuple } from '../../bus/values.ts';
import { dumpJson, parseJson } from '../../sls/json.ts';

test('JSON keeps what JavaScript would lose: whole floats, big numbers, key order', () => {
  const v = parseJson('{"8080": 1.0, "443": 12345678901234567890, "a": [1e3, -0.5, NaN, -Infinity, -0]}') as PyDict;
  assert.deepEqual([...v.keys()], ['8080', '443', 'a']);
  assert.deepEqual(v.get('8080'), new PyFloat(1));
  assert.equal(v.get('443'), 12345678901234567890n);
  assert.equal(dumpJson(v), '{"8080": 1.0, "443": 12345678901234567890, "a": [1000.0, -0.5, NaN, -Infinity, 0]}');
  assert.deepEqual(
    [...(parseJson('{"a": 1, "b": 2, "a": 3}') as PyDict)],
    [
      ['a', 3],
      ['b', 2],
    ],
  );
});

test('a text that is no JSON is refused with the words and the place Python gives', () => {
  const refused: [string, string][] = [
    ['', 'Expecting value: line 1 column 1 (char 0)'],
    ['{"a": \n', 'Expecting value: line 2 column 1 (char 7)'],
    ['{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"],
    ['[1 2]', "Expecting ',' delimiter: line 1 column 4 (char 3)"],
    ['[1,]', 'Expecting value: line 1 column 4 (char 3)'],
    ['{"a": 1,}', 'Expecting property name enclosed in double quotes: line 1 column 9 (char 8)'],
    ['{a: 1}', 'Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'],
    ['"a', 'Unterminated string starting at: line 1 column 1 (char 0)'],
    ['"\\x"', 'Invalid \\escape: line 1 column 2 (char 1)'],
    ['"\\u12"', 'Invalid \\uXXXX escape: line 1 column 3 (char 2)'],
    ['"a\nb"', 'Invalid control character at: line 1 column 3 (char 2)'],
    ['1 2', 'Extra data: line 1 column 3 (char 2)'],
    ['01', 'Extra data: line 1 column 2 (char 1)'],
    ['\ufeff1', 'Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)'],
  ];
  for (const [text, message] of refused) assert.throws(() => parseJson(text), { name: 'ValueError', message }, text);
});

test('JSON is written as json.dumps writes it', () => {
  const v = new PyDict<Py>([
    ['b', [1, []]],
    [1, 'é'],
    [null, '\u2028"\\\x7f'],
    [true, PyTuple.from_<Py>([1.5])],
    [2.5, new PyDict()],
  ]);
  const text = '"1": "\\u00e9", "null": "\\u2028\\"\\\\\\u007f"';
  // 1 and True are one key, as in Python: the later value stays under the first spelling.
  assert.equal(dumpJson(v), `{"b": [1, []], ${text.replace('"\\u00e9"', '[1.5]')}, "2.5": {}}`);
  assert.equal(dumpJson(['é'], { ensureAscii: false }), '["é"]');
  assert.equal(
    dumpJson(
      new PyDict<Py>([
        ['b', [1]],
        ['a', new PyDict()],
      ]),
      { indent: 4, sortKeys: true },
    ),
    '{\n    "a": {},\n    "b": [\n        1\n    ]\n}',
  );
  assert.equal(dumpJson([1, 2], { separators: [',', ':'] }), '[1,2]');
  assert.equal(dumpJson([Uint8Array.of(1)], { fallback: () => 'bytes' }), '["bytes"]');
  assert.throws(() => dumpJson([Uint8Array.of(1)]), {
    name: 'TypeError',
    message: 'Object of type bytes is not JSON serializable',
  });
  assert.throws(() => dumpJson(new PyDict([[PyTuple.from_<Py>([1]), 1]])), {
    name: 'TypeError',
    message: /keys must be str/,
  });
  const loop: Py[] = [];
  loop.push(loop);
  assert.throws(() => dumpJson(loop), { name: 'ValueError', message: 'Circular reference detected' });
});

test('whatever is written reads back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), fc.boolean(), (v, ensureAscii) => {
      const text = JSON.stringify(v);
      assert.deepEqual(JSON.parse(dumpJson(parseJson(text), { ensureAscii })), JSON.parse(text));
    }),
  );
});
