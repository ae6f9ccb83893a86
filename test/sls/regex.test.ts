import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SaltError } from '../../bus/errors.ts';
import { escapeRegex, pyRegex } from '../../sls/regex.ts';

const fails = (pattern: string, message: string): void =>
  assert.throws(
    () => pyRegex(pattern),
    (e) => e instanceof SaltError && e.code === 'error' && e.message === message,
  );

test("Python's own syntax works: named groups, inline flags, anchors, atomic groups", () => {
  const m = pyRegex('(?P<word>\\w+)-(?P=word)').match('añb-añb!');
  assert.equal(m?.group('word'), 'añb');
  assert.deepEqual(m?.span('word'), [0, 3]);
  assert.ok(pyRegex('(?i)web\\Z').matches('WEB'));
  assert.ok(pyRegex('(?i:w)eb').matches('Web') && !pyRegex('(?i:w)eb').matches('WEB'));
  assert.ok(!pyRegex('(?>a|ab)c').matches('abc'));
  assert.ok(pyRegex('(?x) a  # a letter\n b').matches('ab'));
  assert.ok(pyRegex('a$').matches('a\n') && !pyRegex('a\\Z').matches('a\n'));
  assert.ok(pyRegex('[\\W_]+\\Z').matches('_- _'));
});

test('match, search and fullmatch differ as in Python', () => {
  const re = pyRegex('b+');
  assert.equal(re.match('abb'), null);
  assert.deepEqual([re.search('abb')?.start, re.search('abb')?.end], [1, 3]);
  assert.equal(re.fullmatch('bbc'), null);
  assert.equal(re.fullmatch('bbb')?.group(), 'bbb');
});

test('sub, split and findall answer as in Python, empty matches included', () => {
  assert.equal(pyRegex('x*').sub('-', 'axb'), '-a--b-');
  assert.equal(pyRegex('|a').sub('<\\g<0>>', 'ab'), '<><a><>b<>');
  assert.equal(pyRegex('(?P<a>.)(.)').sub('\\2\\g<a>\\n', 'wxyz', 1), 'xw\nyz');
  assert.deepEqual(pyRegex('(,)').split('a,b,c', 1), ['a', ',', 'b,c']);
  assert.deepEqual(pyRegex('(a)(b)?').findall('aab'), [
    ['a', ''],
    ['a', 'b'],
  ]);
});

test('a malformed pattern is refused with the text that Python gives', () => {
  fails('[', 'unterminated character set at position 0');
  fails('a**', 'multiple repeat at position 2');
  fails('*a', 'nothing to repeat at position 0');
  fails('(a', 'missing ), unterminated subpattern at position 0');
  fails('a)', 'unbalanced parenthesis at position 1');
  fails('\\q', 'bad escape \\q at position 0');
  fails('(?<=a+)b', 'look-behind requires fixed-width pattern');
  fails('b(?i)a', 'global flags not at the start of the expression at position 1');
});

test('a pattern that would run for ever is stopped and named', () => {
  const started = Date.now();
  assert.throws(() => pyRegex('(a+)+$').match(`${'a'.repeat(60)}b`), /was stopped: \(a\+\)\+\$/);
  assert.throws(() => pyRegex('(a|aa)+$').match(`${'a'.repeat(80)}b`), /was stopped/);
  assert.ok(Date.now() - started < 3000);
});

test('an escaped text matches itself and nothing longer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.ok(pyRegex(escapeRegex(text)).fullmatch(text));
      assert.equal(pyRegex(escapeRegex(text)).fullmatch(`${text}x`), null);
    }),
  );
});
