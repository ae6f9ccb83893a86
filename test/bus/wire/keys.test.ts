import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Crypticle } from '../../../bus/wire/crypticle.ts';
import {
  cleanPem,
  fingerOfBody,
  fingerOfText,
  loadOrCreateKeyPair,
  PrivateKey,
  PublicKey,
} from '../../../bus/wire/keys.ts';

const keys = JSON.parse(readFileSync('test/golden/captures/keys.json', 'utf8')).keys as Record<
  string,
  { private: string; public: string }
>;
const m1 = PrivateKey.fromPem(keys['minion_m1']!.private);
const stranger = PrivateKey.fromPem(keys['stranger']!.private);

test('a private key gives the public key that the reference stored beside it', () => {
  for (const [name, pair] of Object.entries(keys)) {
    const key = PrivateKey.fromPem(pair.private);
    assert.equal(key.public.pem, cleanPem(pair.public), name);
    assert.equal(cleanPem(key.toPem()), cleanPem(pair.private), name);
  }
});

test('a PEM is the same key whatever its line ends and margins', () => {
  const pem = keys['master']!.public;
  const crlf = `\r\n ${pem.trim().replaceAll('\n', '\r\n')}\r\n\r\n`;
  assert.equal(cleanPem(crlf), pem.trim());
  assert.ok(PublicKey.fromPem(crlf).equals(PublicKey.fromPem(pem)));
  assert.equal(fingerOfBody(crlf), fingerOfBody(pem));
  assert.notEqual(fingerOfBody(pem), fingerOfText(pem));
  assert.match(fingerOfText(pem), /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/);
  assert.throws(() => fingerOfText(pem, 'md17'), { code: 'ValueError' });
});

test('what is offered as a public key and is none is refused', async () => {
  const ec =
    '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhJCyNqjfPDCzNRUt0jQMDK4v7Mvi\n-----END PUBLIC KEY-----';
  const { privateKey } = await import('node:crypto').then((c) => c.generateKeyPairSync('rsa', { modulusLength: 512 }));
  const small = (await import('node:crypto'))
    .createPublicKey(privateKey)
    .export({ type: 'spki', format: 'pem' }) as string;
  for (const bad of ['', 'x', ec, keys['master']!.private, small, `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(20000)}`])
    assert.throws(() => PublicKey.fromPem(bad), { code: 'InvalidKeyError' });
  assert.throws(
    () => PrivateKey.fromPem('-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----'),
    (e: Error) => e.name === 'InvalidKeyError' && !`${e.message}${e.stack}`.includes('c2VjcmV0'),
  );
});

test('signatures and encryption work in every scheme and only for the right key', () => {
  const data = Buffer.from('some data');
  for (const algo of ['PKCS1v15-SHA1', 'PKCS1v15-SHA224']) {
    const sig = m1.sign(data, algo);
    assert.ok(m1.public.verify(data, sig, algo));
    assert.ok(!stranger.public.verify(data, sig, algo));
    assert.ok(!m1.public.verify(Buffer.from('other'), sig, algo));
    assert.ok(!m1.public.verify(data, new Uint8Array(3), algo));
    assert.ok(!m1.public.verify(data, new Uint8Array(0), algo));
  }
  for (const algo of ['OAEP-SHA1', 'OAEP-SHA224']) {
    const box = m1.public.encrypt(data, algo);
    assert.deepEqual(m1.decrypt(box, algo), data);
    assert.equal(stranger.decrypt(box, algo), undefined);
    assert.equal(m1.decrypt(new Uint8Array(5), algo), undefined);
  }
  for (const name of ['PKCS1v15-MD5', 'constructor', '__proto__', '']) {
    assert.throws(() => m1.sign(data, name), { code: 'UnsupportedAlgorithm' });
    assert.throws(() => m1.public.verify(data, data, name), { code: 'UnsupportedAlgorithm' });
    assert.throws(() => m1.public.encrypt(data, name), { code: 'UnsupportedAlgorithm' });
    assert.throws(() => m1.decrypt(data, name), { code: 'UnsupportedAlgorithm' });
  }
});

test('a token holds its data for the right key and nothing for any other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 254 }), (data) => {
      const tok = m1.signX931(data);
      assert.equal(tok.length, 256);
      const back = m1.public.recoverX931(tok);
      assert.deepEqual(back && [...back], [...data]);
      assert.notDeepEqual(stranger.public.recoverX931(tok), back);
    }),
    { numRuns: 60 },
  );
  assert.throws(() => m1.signX931(new Uint8Array(255)), { code: 'ValueError' });
  for (const bad of [new Uint8Array(0), new Uint8Array(256), new Uint8Array(256).fill(255), new Uint8Array(255)])
    assert.equal(m1.public.recoverX931(bad), undefined);
});

test('a key pair is made once, private from birth, and loaded afterwards', async () => {
  const dir = join(mkdtempSync(join(tmpdir(), 'brine-keys-')), 'pki');
  try {
    const before = process.umask(0o000);
    const both = await Promise.all([
      loadOrCreateKeyPair(dir, 'minion', 1024),
      loadOrCreateKeyPair(dir, 'minion', 1024),
    ]);
    process.umask(before);
    assert.ok(both[0].public.equals(both[1].public));
    assert.deepEqual(readdirSync(dir).sort(), ['minion.pem', 'minion.pub']);
    assert.equal(statSync(join(dir, 'minion.pem')).mode & 0o777, 0o400);
    assert.equal(statSync(join(dir, 'minion.pub')).mode & 0o777, 0o644);
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    assert.equal(readFileSync(join(dir, 'minion.pub'), 'utf8'), `${both[0].public.pem}\n`);
    rmSync(join(dir, 'minion.pub'));
    const again = await loadOrCreateKeyPair(dir, 'minion', 1024);
    assert.ok(again.public.equals(both[0].public));
    assert.equal(cleanPem(readFileSync(join(dir, 'minion.pub'), 'utf8')), again.public.pem);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a spoilt private key stops the start and is left as it is', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'brine-keys-'));
  try {
    const path = join(dir, 'master.pem');
    for (const text of ['', 'garbage']) {
      rmSync(path, { force: true });
      writeFileSync(path, text);
      await assert.rejects(loadOrCreateKeyPair(dir, 'master'), {
        code: 'InvalidKeyError',
        message: `Invalid private key in ${path}`,
      });
      assert.equal(readFileSync(path, 'utf8'), text);
    }
    if (process.getuid?.() !== 0) {
      chmodSync(path, 0);
      await assert.rejects(loadOrCreateKeyPair(dir, 'master'), /Unable to read key/);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a box opens with its key and nonce, and with nothing else', () => {
  const box = new Crypticle(Crypticle.generate());
  const other = new Crypticle(Crypticle.generate());
  const nonce = '0123456789abcdef0123456789abcdef';
  for (const size of [0, 1, 7, 8, 15, 16, 17, 5000]) {
    const value = { a: 'x'.repeat(size) };
    assert.deepEqual({ ...(box.open(box.seal(value))?.value as object) }, value);
    assert.deepEqual({ ...(box.open(box.seal(value, nonce), { nonce })?.value as object) }, value);
    assert.equal(other.open(box.seal(value)), undefined);
  }
  const sealed = box.seal({ a: 1 }, nonce);
  assert.throws(() => box.open(sealed, { nonce: nonce.replace('0', '1') }), { code: 'SaltClientError' });
  assert.throws(() => box.open(box.seal(1), { nonce }), { code: 'SaltClientError' });
  for (let i = 0; i < sealed.length; i++) {
    const bent = Buffer.from(sealed);
    bent[i] = (bent[i] as number) ^ 1;
    assert.equal(box.open(bent, { nonce }), undefined);
    assert.equal(box.open(sealed.subarray(0, i), { nonce }), undefined);
  }
  assert.notDeepEqual(box.seal(1), box.seal(1));
});

test('a key string of another size or alphabet is refused', () => {
  for (const bad of ['', 'abc', Crypticle.generate().slice(1), `${Crypticle.generate()}AAAA`, 'é'.repeat(76)])
    assert.throws(() => new Crypticle(bad), { code: 'AuthenticationError' });
  assert.ok(Crypticle.isKey(Crypticle.generate()));
});
