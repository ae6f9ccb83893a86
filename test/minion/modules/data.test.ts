import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Py, toWire, type Wire } from '../../../bus/values.ts';
import data from '../../../minion/modules/data.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'data-'));
after(() => rmSync(dir, { recursive: true }));
const fresh = () => smallMinion({ data }, { opts: { cachedir: dir } });
const answer = (name: string, ...args: Wire[]): Wire => toWire(fresh().call(`data.${name}`, args) as Py);

test('values survive from one job to the next', () => {
  assert.deepEqual(answer('load'), {});
  assert.equal(answer('update', 'a', 1), true);
  answer('update', 'b', { x: [1, null] });
  assert.deepEqual(answer('items'), { a: 1, b: { x: [1, null] } });
  assert.deepEqual(answer('keys'), ['a', 'b']);
  assert.deepEqual(answer('values'), [1, { x: [1, null] }]);
  assert.equal(statSync(join(dir, 'datastore')).mode & 0o777, 0o600);
});

test('get takes a key or a list of keys', () => {
  assert.equal(answer('get', 'a'), 1);
  assert.equal(answer('get', 'zz', 'd'), 'd');
  assert.deepEqual(answer('get', ['a', 'zz']), [1]);
  assert.deepEqual(answer('get', ['a', 'zz'], 'd'), [1, 'd']);
  assert.equal(answer('has_key', 'zz'), false);
});

test('cas changes a value only when it is the expected one', () => {
  assert.equal(answer('cas', 'a', 2, 9), false);
  assert.equal(answer('cas', 'a', 2, 1), true);
  assert.equal(answer('cas', 'zz', 2, 1), false);
  assert.equal(answer('pop', 'a'), 2);
  assert.equal(answer('pop', 'a', 'gone'), 'gone');
});

test('dump replaces all and clear forgets all', () => {
  assert.equal(answer('dump', "{'eggs': 'spam'}"), true);
  assert.deepEqual(answer('load'), { eggs: 'spam' });
  assert.equal(answer('dump', '[1]'), false);
  assert.equal(answer('clear'), true);
  assert.deepEqual(answer('load'), {});
});
