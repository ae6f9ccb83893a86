import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import cp from '../../../minion/modules/cp.ts';
import slsutil from '../../../minion/modules/slsutil.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'slsutil-'));
after(() => rmSync(dir, { recursive: true }));
mkdirSync(join(dir, 'tree/web/conf'), { recursive: true });
writeFileSync(join(dir, 'tree/web/map.jinja'), 'sum: {{ 1 + 2 }}\nwho: {{ who | default("nobody") }}\n');
writeFileSync(join(dir, 'tree/web/conf/site'), '#!jinja\nfor {{ salt["slsutil.boolstr"](True, "yes", "no") }}\n');
writeFileSync(join(dir, 'tree/defaults.yaml'), '{% import_yaml "web/conf/data.yaml" as d %}n: {{ d.n }}\n');
writeFileSync(join(dir, 'tree/web/conf/data.yaml'), 'n: 7\n');

const m = smallMinion(
  { slsutil, cp },
  { opts: { file_client: 'local', cachedir: join(dir, 'cache'), file_roots: { base: [join(dir, 'tree')] } } },
);
const answer = (name: string, args: Wire[] = [], kwargs: WireMap = {}): unknown =>
  toWire(m.call(`slsutil.${name}`, args, kwargs));

test('texts are rendered through a pipe with the keywords as variables', () => {
  assert.equal(
    answer('renderer', [], { string: 'Hello {{ name }}', default_renderer: 'jinja', name: 'you' }),
    'Hello you',
  );
  assert.deepEqual(answer('renderer', [], { string: 'a: {{ x }}', x: 3 }), { a: 3 });
  assert.deepEqual(
    answer('renderer', [], { string: '{{ x }}', x: 1, context: { x: 2 }, default_renderer: 'jinja' }),
    '2',
  );
  assert.equal(answer('renderer', [], { string: 'a\r\nb', default_renderer: 'jinja' }), 'a\r\nb');
});

test('files of the state tree and of this machine are rendered, their first line naming the pipe', () => {
  assert.deepEqual(answer('renderer', ['salt://web/map.jinja'], { who: 'me' }), { sum: 3, who: 'me' });
  assert.match(answer('renderer', [join(dir, 'tree/web/conf/site')]) as string, /^for yes\n?$/m);
  assert.deepEqual(answer('renderer', ['salt://defaults.yaml']), { n: 7 });
  assert.deepEqual(answer('renderer', [join(dir, 'none')]), {});
  assert.ok(m.lines.some((l) => l === `error: Template does not exist: ${join(dir, 'none')}`));
});

test('a renderer needs a path or a text, not both', () => {
  assert.throws(() => answer('renderer'), { name: 'SaltInvocationError', message: 'Must pass path or string.' });
  assert.throws(() => answer('renderer', ['a', 'b']), { message: 'Must not pass both path and string.' });
});

test('dicts are joined by strategy', () => {
  const a = { l: [1], d: { x: 1 } };
  const b = { l: [2, 1], d: { y: 2 } };
  assert.deepEqual(answer('merge', [a, b]), { l: [2, 1], d: { x: 1, y: 2 } });
  assert.deepEqual(answer('merge', [a, b], { merge_lists: true }), { l: [1, 2], d: { x: 1, y: 2 } });
  assert.deepEqual(answer('merge', [a, b, 'list']), { l: [[1], [2, 1]], d: [{ x: 1 }, { y: 2 }] });
  assert.deepEqual(answer('merge', [a, b, 'overwrite']), { l: [2, 1], d: { y: 2 } });
  assert.deepEqual(answer('merge_all', [[a, b, { z: 1 }]]), { l: [2, 1], d: { x: 1, y: 2 }, z: 1 });
  assert.deepEqual(answer('update', [a, b, false]), b);
  assert.deepEqual(answer('update', [a, b, true, true]), { l: [1, 2], d: { x: 1, y: 2 } });
  assert.throws(() => answer('update', [a, [1]]), { name: 'TypeError' });
});

test('data is written and read in the formats there are', () => {
  assert.equal(answer('serialize', ['json', { a: [1, null] }]), '{"a": [1, null]}');
  assert.equal(
    answer('serialize', ['json', { b: 1, a: 2 }], { sort_keys: true, indent: 1 }),
    '{\n "a": 2,\n "b": 1\n}',
  );
  assert.equal(answer('serialize', ['yaml', { a: [1, 2] }]), 'a: [1, 2]');
  assert.equal(answer('serialize', ['yaml', { a: [1] }], { default_flow_style: false }), 'a:\n- 1');
  assert.equal(answer('serialize', ['yaml', 'text']), 'text');
  assert.equal(answer('serialize', ['configparser', { S: { K: 1 } }]), '[S]\nk = 1\n\n');
  assert.deepEqual(answer('deserialize', ['configparser', '[a]\nX = 1\ny: two\n  more\n[b]\n']), {
    a: { x: '1', y: 'two\nmore' },
    b: {},
  });
  assert.deepEqual(answer('deserialize', ['json', '{"a": 1}']), { a: 1 });
  assert.deepEqual(answer('deserialize', ['yaml', 'a: yes']), { a: true });
  assert.throws(() => answer('deserialize', ['json', '{"a']), {
    name: 'DeserializationError',
    message: 'Unterminated string starting at: line 1 column 2 (char 1)',
  });
  assert.throws(() => answer('serialize', ['nope', 1]), {
    name: 'CommandExecutionError',
    message: "Serializer 'nope' not found.",
  });
});

test('a banner frames title and text', () => {
  const lines = (
    answer('banner', [], { width: 24, title: 'Odd', text: 'some words to be wrapped', newline: true }) as string
  ).split('\n');
  assert.deepEqual(lines, [
    '########################',
    '#                      #',
    '#         Odd          #',
    '#                      #',
    '# some words to be     #',
    '# wrapped              #',
    '########################',
    '',
  ]);
  assert.throws(() => answer('banner', [4]), { message: 'Width is too small to render banner' });
});

test('the state tree is searched upwards', () => {
  assert.equal(answer('file_exists', ['web/map.jinja']), true);
  assert.equal(answer('file_exists', ['web']), false);
  assert.equal(answer('dir_exists', ['web/conf']), true);
  assert.equal(answer('path_exists', ['web/none']), false);
  assert.equal(answer('findup', ['web/conf', ['none', 'map.jinja']]), 'web/map.jinja');
  assert.equal(answer('findup', ['web/conf', 'defaults.yaml']), 'defaults.yaml');
  assert.throws(() => answer('findup', ['web', 'none']), { message: 'File pattern(s) not found in path ancestry' });
  assert.throws(() => answer('findup', ['nowhere', 'x']), {
    message: 'Starting path not found in the state tree: nowhere',
  });
  assert.throws(() => answer('findup', ['web', 3]), { name: 'SaltInvocationError' });
});
