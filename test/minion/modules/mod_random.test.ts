import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import random from '../../../minion/modules/mod_random.ts';
import { PyRandom } from '../../../sls/py-random.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ random }, { grains: { id: 'web7' } });
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
  toWire(m.call(`random.${name}`, args, kw) as Py);

test('the same seed gives the numbers Python gives', () => {
  // Recorded: random.Random(1).getrandbits(32) three times, and random.Random("a").randint(1, 10**12)
  const one = new PyRandom(1);
  assert.deepEqual([one.bits(32), one.bits(32), one.bits(32)], [577090037n, 2444712010n, 3639700191n]);
  assert.equal(new PyRandom('a').between(1n, 10n ** 12n), 555219139147n);
});

test('seed spreads minions by their id and is stable', () => {
  assert.equal(answer('seed', [60]), answer('seed', [60], { hash: 'web7' }));
  assert.ok((answer('seed', [5]) as number) < 5);
});

test('sample and shuffle choose without repeating', () => {
  const all = [1, 2, 3, 4, 5, 6];
  assert.deepEqual([...(answer('shuffle', [all], { seed: 's' }) as number[])].sort(), all);
  assert.deepEqual(answer('shuffle', [all], { seed: 's' }), answer('shuffle', [all], { seed: 's' }));
  assert.equal(new Set(answer('sample', [all, 3]) as number[]).size, 3);
  assert.throws(() => answer('sample', [['a'], 2]), {
    name: 'ValueError',
    message: 'Sample larger than population or is negative',
  });
  assert.throws(() => answer('rand_int', [5, 1], { seed: 1 }), { name: 'ValueError' });
});

test('random texts have the length and the characters asked for', () => {
  assert.match(answer('get_str', [30], { punctuation: false }) as string, /^[A-Za-z0-9]{30}$/);
  assert.match(answer('get_str', [12], { chars: 'ab' }) as string, /^[ab]{12}$/);
  assert.notEqual(answer('get_str'), answer('get_str'));
});

test('password hashes are those of crypt(3)', () => {
  // Vectors of crypt(3) of glibc
  const hash = (salt: string, password: string, kind: string): Wire => answer('shadow_hash', [salt, password, kind]);
  assert.equal(
    hash('saltstring', 'Hello world!', 'sha256'),
    '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
  );
  assert.equal(
    hash('rounds=10000$saltstringsaltstring', 'Hello world!', 'sha512'),
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  );
  assert.equal(hash('abcdefgh', '0123456789', 'md5'), '$1$abcdefgh$EhtZsffmx2nsnJ5AH71680');
  assert.match(answer('shadow_hash') as string, /^\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}$/);
  assert.throws(() => hash('ab', 'x', 'nope'), { name: 'SaltInvocationError' });
});

test('hashes by name, and a wrong name', () => {
  assert.equal(answer('hash', ['abc', 'md5']), '900150983cd24fb0d6963f7d28e17f72');
  assert.throws(() => answer('hash', ['abc', 'nope']), {
    name: 'SaltException',
    message: 'You must specify a valid algorithm.',
  });
  assert.equal(answer('str_encode', ['abc']), 'YWJj');
  assert.throws(() => answer('str_encode', [3]), {
    name: 'SaltInvocationError',
    message: 'Value must be an encode-able string',
  });
});
