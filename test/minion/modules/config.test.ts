import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import config from '../../../minion/modules/config.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion(
  { config },
  {
    opts: { a: { b: 1 }, l: [1], s: 'o', 'ba.x': 1, backup_mode: 'minion' },
    grains: { a: { g: 1 }, gg: 7 },
    pillar: { a: { b: 2, c: 3 }, l: [2], s: 'p', pp: 9, master: { mm: 4, a: { m: 1 }, 'ba.y': 2 } },
  },
);
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
  toWire(m.call(`config.${name}`, args, kw) as Py);

test('get asks options, grains, pillar, master options and defaults in this order', () => {
  for (const [key, want] of [
    ['a:b', 1],
    ['a:c', 3],
    ['gg', 7],
    ['pp', 9],
    ['mm', 4],
    ['redis.port', 6379],
    ['virt:tunnel', false],
    ['zz', ''],
  ] as const)
    assert.deepEqual(answer('get', [key]), want, key);
  assert.equal(answer('get', ['s'], { omit_opts: true }), 'p');
  assert.equal(answer('get', ['zz', 'other']), 'other');
});

test('get merges all sources on demand', () => {
  assert.deepEqual(answer('get', ['a'], { merge: 'recurse' }), { m: 1, b: 1, c: 3, g: 1 });
  assert.deepEqual(answer('get', ['a'], { merge: 'overwrite' }), { b: 1 });
  assert.deepEqual(answer('get', ['l'], { merge: 'other' }), [1]);
  assert.ok(m.lines.some((l) => l.includes("Unsupported merge strategy 'other'")));
  assert.deepEqual(answer('get', ['a']), { b: 1 });
});

test('option looks up plain names and globs', () => {
  assert.equal(answer('option', ['s']), 'o');
  assert.equal(answer('option', ['s'], { omit_opts: true }), 'p');
  assert.equal(answer('option', ['s'], { omit_all: true }), '');
  assert.equal(answer('option', ['zz', 5]), 5);
  assert.deepEqual(answer('option', ['redis*'], { wildcard: true }), {
    'redis.db': '0',
    'redis.host': 'salt',
    'redis.port': 6379,
  });
  assert.deepEqual(answer('option', ['?'], { wildcard: true }), { a: { b: 1 }, l: [1], s: 'o' });
  assert.deepEqual(answer('option', ['zz'], { wildcard: true }), {});
});

test('merge joins dicts and lists of options, master options and pillar', () => {
  assert.deepEqual(answer('merge', ['a']), { b: 1, c: 3, m: 1 });
  assert.deepEqual(answer('merge', ['l']), [1, 2]);
  assert.equal(answer('merge', ['s']), 'o');
  assert.equal(answer('merge', ['redis.port']), 6379);
  assert.equal(answer('merge', ['zz']), '');
});

test('dot_vals lists what begins with a word and a dot', () => {
  assert.deepEqual(answer('dot_vals', ['ba']), { 'ba.y': 2, 'ba.x': 1 });
});

test('backup_mode prefers what it is given', () => {
  assert.equal(answer('backup_mode'), 'minion');
  assert.equal(answer('backup_mode', ['x']), 'x');
});

test('manage_mode writes modes with four digits', () => {
  for (const [mode, want] of [
    [644, '0644'],
    ['0o755', '0755'],
    ['00644', '0644'],
    [7777, '7777'],
    [0, '0000'],
    ["'0644'", '0644'],
    [null, null],
  ] as const)
    assert.equal(answer('manage_mode', [mode]), want);
});

test('valid_fileproto knows where files can come from', () => {
  for (const [uri, want] of [
    ['salt://a', true],
    ['HTTP://x', true],
    ['file:///x', true],
    ['/a', false],
    ['git://x', false],
  ] as const)
    assert.equal(answer('valid_fileproto', [uri]), want, uri);
});

test('items are the minion’s options', () => {
  assert.equal((answer('items') as WireMap)['backup_mode'], 'minion');
});
