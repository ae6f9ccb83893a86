import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PyDict, toPy } from '../../bus/values.ts';
import { traverse } from '../../sls/traverse.ts';

const data = new PyDict([
  ['site', toPy({ rack: ['a', 'b'], maps: [{ k: 'v1' }, { k: 'v2', 'deep:er': 1 }], none: null })],
  ['ports', new PyDict([[8080, 'web']])],
  ['flags', new PyDict([[true, 'on']])],
]);

test('a path leads through dicts, list indices and dicts inside lists', () => {
  assert.equal(traverse(data, 'site:rack:1'), 'b');
  assert.equal(traverse(data, 'site:rack:-1'), 'b');
  assert.equal(traverse(data, 'site:maps:k'), 'v1');
  assert.equal(traverse(data, 'site|maps|deep:er', '|'), 1);
  assert.equal(traverse(data, 'site:none'), null);
  assert.equal(traverse(data, 'site:rack:2'), undefined);
  assert.equal(traverse(data, 'site:rack:a:b'), undefined);
});

test('a key that is no text is found by how it is written', () => {
  assert.equal(traverse(data, 'ports:8080'), 'web');
  assert.equal(traverse(data, 'flags:True'), 'on');
  assert.equal(traverse(data, "ports:'8080'"), undefined);
});
