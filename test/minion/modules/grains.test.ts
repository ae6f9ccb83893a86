import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import grains from '../../../minion/modules/grains.ts';
import { type SmallMinion, smallMinion } from './small-minion.ts';

const folders: string[] = [];
after(() => {
  for (const f of folders) rmSync(f, { recursive: true });
});

function minion(): SmallMinion & { stored(): string; answer(name: string, args?: Wire[], kw?: WireMap): Wire } {
  const dir = mkdtempSync(join(tmpdir(), 'grains-'));
  folders.push(dir);
  writeFileSync(join(dir, 'minion'), '');
  const m = smallMinion(
    { grains },
    {
      opts: { conf_file: join(dir, 'minion'), cachedir: dir, local: true },
      grains: {
        os: 'Debian',
        os_family: 'Debian',
        roles: ['web', 'db'],
        deep: { a: { b: 1 }, l: [1, { x: 2 }] },
        none: null,
        n: 5,
        host: 'h1',
        serialnumber: 'ABCDEFGHIJ',
      },
    },
  );
  return {
    ...m,
    stored: () => readFileSync(join(dir, 'grains'), 'utf8'),
    answer: (name, args, kw) => toWire(m.call(`grains.${name}`, args, kw) as Py),
  };
}

test('a grain is found by its path through maps and lists', () => {
  const m = minion();
  for (const [path, want] of [
    ['os', 'Debian'],
    ['deep:a:b', 1],
    ['deep:l:0', 1],
    ['deep:l:x', 2],
    ['roles:1', 'db'],
    ['none', null],
    ['no:such', ''],
  ] as const)
    assert.deepEqual(m.answer('get', [path]), want, path);
  assert.equal(m.answer('get', ['deep.a.b'], { delimiter: '.' }), 1);
  assert.equal(m.answer('get', ['zz', 'other']), 'other');
  assert.equal(m.answer('fetch', ['deep:a:b'], { ordered: false }), 1);
});

test('has_value is true for a grain that holds nothing', () => {
  const m = minion();
  assert.equal(m.answer('has_value', ['none']), true);
  assert.equal(m.answer('has_value', ['deep:a:c']), false);
});

test('item answers the named grains, masked on demand', () => {
  const m = minion();
  assert.deepEqual(m.answer('item', ['os', 'deep:a', 'zz']), { os: 'Debian', 'deep:a': { b: 1 }, zz: '' });
  assert.deepEqual(m.answer('item', ['zz'], { default: 'D' }), { zz: 'D' });
  assert.deepEqual(m.answer('item', ['host', 'serialnumber'], { sanitize: true }), {
    host: 'MINION',
    serialnumber: 'ABCDEFGXXX',
  });
  assert.equal((m.answer('items', [], { sanitize: true }) as WireMap)['host'], 'MINION');
  assert.equal((m.answer('items') as WireMap)['host'], 'h1');
});

test('setvals writes the grains file sorted and changes the grains at once', () => {
  const m = minion();
  assert.deepEqual(m.answer('setvals', [{ z: 1, a: [1, 2] }]), { z: 1, a: [1, 2] });
  assert.equal(m.stored(), 'a:\n- 1\n- 2\nz: 1\n');
  assert.equal(m.answer('get', ['z']), 1);
  m.answer('setval', ['z', null], { destructive: true });
  assert.equal(m.stored(), 'a:\n- 1\n- 2\n');
  assert.equal(m.answer('has_value', ['z']), false);
  assert.throws(() => m.call('grains.setvals', [[1]]), {
    name: 'SaltException',
    message: 'setvals grains must be a dictionary.',
  });
});

test('append lengthens lists only, and nested ones too', () => {
  const m = minion();
  assert.equal(m.answer('append', ['roles', 'web']), 'The val web was already in the list roles');
  assert.deepEqual(m.answer('append', ['roles', 'new']), { roles: ['web', 'db', 'new'] });
  assert.equal(m.answer('append', ['n', 1]), 'The key n is not a valid list');
  assert.deepEqual(m.answer('append', ['n', 1], { convert: true }), { n: [5, 1] });
  assert.deepEqual(m.answer('append', ['fresh', [1, 2]]), { fresh: [1, 2] });
  assert.deepEqual(m.answer('append', ['deep:a:list', 'v']), { deep: { a: { b: 1, list: ['v'] }, l: [1, { x: 2 }] } });
});

test('remove shortens lists only', () => {
  const m = minion();
  assert.deepEqual(m.answer('remove', ['roles', 'db']), { roles: ['web'] });
  assert.equal(m.answer('remove', ['roles', 'zz']), 'The val zz was not in the list roles');
  assert.equal(m.answer('remove', ['os', 'x']), 'The key os is not a valid list');
});

const refusal = (comment: string): Wire => ({ comment, changes: {}, result: false });
const done = (changes: WireMap): Wire => ({ comment: '', changes, result: true });

test('set changes plain values and refuses to replace lists and dicts without force', () => {
  const m = minion();
  assert.deepEqual(m.answer('set', ['os', 'Debian']), { comment: 'Grain is already set', changes: {}, result: true });
  assert.deepEqual(m.answer('set', ['os', 'X']), done({ os: 'X' }));
  assert.deepEqual(
    m.answer('set', ['deep', 'x']),
    refusal("The key 'deep' exists but is a dict or a list. Use 'force=True' to overwrite."),
  );
  assert.deepEqual(
    m.answer('set', ['os', { a: 1 }]),
    refusal("The key 'os' exists and the given value is a dict or a list. Use 'force=True' to overwrite."),
  );
  assert.deepEqual(m.answer('set', ['deep', 'x'], { force: true }), done({ deep: 'x' }));
});

test('set follows paths into dicts and lists', () => {
  const m = minion();
  assert.deepEqual(m.answer('set', ['deep:a:b', 2]), done({ deep: { a: { b: 2 }, l: [1, { x: 2 }] } }));
  assert.deepEqual(
    m.answer('set', ['os:sub', 1]),
    refusal(
      "The key 'os' value is 'Debian', which is different from the provided key 'sub'. Use 'force=True' to overwrite.",
    ),
  );
  assert.deepEqual(m.answer('set', ['os:sub', 1], { force: true }), done({ os: { sub: 1 } }));
  assert.deepEqual(m.answer('set', ['roles:web', 'v']), done({ roles: [{ web: 'v' }, 'db'] }));
  assert.deepEqual(m.answer('set', ['brand:new', 'y']), done({ brand: { new: 'y' } }));
});

test('delval empties a grain and delkey removes it', () => {
  const m = minion();
  assert.deepEqual(m.answer('delval', ['n']), done({ n: null }));
  assert.equal(m.answer('get', ['n']), null);
  assert.deepEqual(m.answer('delkey', ['os']), done({ os: null }));
  assert.equal(m.answer('has_value', ['os']), false);
  assert.deepEqual(
    m.answer('delkey', ['roles']),
    refusal("The key 'roles' exists but is a dict or a list. Use 'force=True' to overwrite."),
  );
});

test('filter_by chooses by glob, with default, base and merge', () => {
  const m = minion();
  const by = (map: WireMap, kw: WireMap = {}): Wire => m.answer('filter_by', [map], kw);
  assert.equal(by({ 'De*': 1, default: 2 }), 1);
  assert.equal(by({ X: 1, default: 2 }), 2);
  assert.equal(by({ X: 1 }), null);
  assert.equal(by({ db: 2 }, { grain: 'roles' }), 2);
  assert.equal(by({ a: 1 }, { grain: 'nope', default: 'a' }), 1);
  assert.deepEqual(by({ base: { a: 0, d: { y: 2 } }, Debian: { a: 1, d: { x: 1 } } }, { base: 'base' }), {
    a: 1,
    d: { y: 2, x: 1 },
  });
  assert.deepEqual(by({ X: 1, default: { z: 2 } }, { merge: { q: 1 } }), { z: 2, q: 1 });
  assert.throws(() => by({ Debian: { a: 1 } }, { merge: 5 }), {
    message: 'filter_by merge argument must be a dictionary.',
  });
  assert.throws(() => by({ base: { a: 0 }, Debian: 5 }, { base: 'base' }), {
    message: 'filter_by default and look-up values must both be dictionaries.',
  });
});

test('equals compares as text and ls sorts', () => {
  const m = minion();
  assert.equal(m.answer('equals', ['n', '5']), true);
  assert.equal(m.answer('equals', ['os', 'debian']), false);
  assert.deepEqual(m.answer('ls'), ['deep', 'host', 'n', 'none', 'os', 'os_family', 'roles', 'serialnumber']);
});
