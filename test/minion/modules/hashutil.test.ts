import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Wire } from '../../../bus/values.ts';
import hashutil from '../../../minion/modules/hashutil.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ hashutil });
const answer = (name: string, ...args: Wire[]): unknown => m.call(`hashutil.${name}`, args);

test('digests are those of the text in UTF-8', () => {
  const want = (kind: string): string => createHash(kind).update(Buffer.from('grüße')).digest('hex');
  assert.equal(answer('digest', 'grüße'), want('md5'));
  assert.equal(answer('sha256_digest', 'grüße'), want('sha256'));
  assert.equal(answer('digest', 'grüße', 'sha512'), want('sha512'));
  assert.throws(() => answer('digest', 'x', 'sha1'), {
    name: 'CommandExecutionError',
    message: "Hash func 'sha1' is not supported.",
  });
  assert.throws(() => answer('md5_digest', 3), { name: 'TypeError' });
});

test('base64 in one line and in lines of 76', () => {
  const text = 'a longer text than one line of base64 may hold, so that it is broken somewhere';
  assert.equal(answer('base64_b64decode', answer('base64_b64encode', text) as string), text);
  const lines = (answer('base64_encodestring', text) as string).split('\n');
  assert.deepEqual([lines[0]?.length, lines.at(-1)], [76, '']);
  assert.equal(answer('base64_decodestring', lines.join('\n')), text);
  assert.deepEqual(answer('base64_b64decode', '/////w=='), new Uint8Array([255, 255, 255, 255]));
});

test('files are hashed, encoded and decoded', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hash-'));
  try {
    const path = join(dir, 'f');
    writeFileSync(path, 'content');
    assert.equal(answer('digest_file', path, 'sha256'), createHash('sha256').update('content').digest('hex'));
    assert.equal(answer('base64_encodefile', path), 'Y29udGVudA==\n');
    assert.equal(answer('base64_decodefile', 'bmV3', join(dir, 'g')), true);
    assert.equal(readFileSync(join(dir, 'g'), 'utf8'), 'new');
    assert.throws(() => answer('digest_file', join(dir, 'none')), {
      message: `File path '${join(dir, 'none')}' not found.`,
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('signatures are checked', () => {
  const mac = createHmac('sha256', 'key').update('body').digest();
  const hex = mac.toString('hex');
  assert.equal(answer('hmac_compute', 'body', 'key'), hex);
  assert.equal(answer('hmac_signature', 'body', 'key', mac.toString('base64')), true);
  assert.equal(answer('hmac_signature', 'body', 'other', 'AAAA'), false);
  const sha1 = createHmac('sha1', 'key').update('body').digest('hex');
  assert.equal(answer('github_signature', 'body', 'key', `sha1=${sha1}`), true);
  assert.equal(answer('github_signature', 'body2', 'key', `sha1=${sha1}`), false);
});
