import assert from 'node:assert/strict';
import { test } from 'node:test';
import salt_version from '../../../minion/modules/salt_version.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ salt_version });
const answer = (name: string, of: string | number): unknown => m.call(`salt_version.${name}`, [of]);

test('code names have the numbers of their releases', () => {
  assert.equal(answer('get_release_number', 'Oxygen'), '2018.3');
  assert.equal(answer('get_release_number', 'neon'), '3000');
  assert.equal(answer('get_release_number', 'OGANESSON'), '3108');
  assert.equal(answer('get_release_number', 'adamantium'), null);
  assert.throws(() => answer('get_release_number', 3), { message: "'name' argument must be a string" });
});

test('this release is compared with named ones', () => {
  const all = (of: string): unknown[] => ['equal', 'greater_than', 'less_than'].map((f) => answer(f, of));
  assert.deepEqual(all('Argon'), [true, false, false]);
  assert.deepEqual(all('carbon'), [false, true, false]);
  assert.deepEqual(all('Potassium'), [false, false, true]);
  assert.deepEqual(all('adamantium'), [false, false, false]);
});
