import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow } from '../../master/replay.ts';

const nonce = (): string => randomBytes(16).toString('hex');

test('a nonce is new once', () => {
  const window = new ReplayWindow(300);
  const nonces = Array.from({ length: 20_000 }, nonce);
  for (const n of nonces) assert.ok(window.first(n));
  for (const n of nonces) assert.ok(!window.first(n));
  assert.equal(window.size, 20_000);
});

test('it agrees with a plain set, whatever numbers come', () => {
  const part = fc.integer({ min: 0, max: 3 }).map((n) => n.toString(16).padStart(8, '0'));
  fc.assert(
    fc.property(fc.array(fc.tuple(part, part)), (pairs) => {
      const window = new ReplayWindow(300);
      const plain = new Set<string>();
      for (const [a, b] of pairs) {
        const n = `${a}${b}${'0'.repeat(16)}`;
        assert.equal(window.first(n), !plain.has(n));
        plain.add(n);
      }
    }),
  );
});

test('a nonce is known for at least its time and forgotten after twice of it', () => {
  let now = 0;
  const window = new ReplayWindow(300, () => now);
  const [early, late] = [nonce(), nonce()];
  assert.ok(window.first(early));
  now = 299_000;
  assert.ok(window.first(late));
  now = 301_000;
  assert.ok(!window.first(early));
  now = 599_000;
  assert.ok(!window.first(late), 'the younger one is known as long');
  now = 1_300_000;
  assert.ok(window.first(early));
  assert.equal(window.size, 1, 'memory is given back');
});

test('what is no nonce is never new', () => {
  const window = new ReplayWindow(300);
  assert.ok(!window.first('zz'));
  assert.ok(!window.first(''));
});
