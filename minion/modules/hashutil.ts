/** Hashes, signatures and base64. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import type { Py } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule } from './contract.ts';

const doc = docFor('hashutil');

/** The bytes of a text or of bytes; TypeError for anything else. */
function bytes(v: Py): Buffer {
  if (typeof v === 'string') return Buffer.from(v);
  if (v instanceof Uint8Array) return Buffer.from(v);
  throw new SaltError(
    'TypeError',
    `expected str, bytes, or bytearray not <class '${typeof v === 'number' ? 'int' : typeof v}'>`,
  );
}

/** Text where the bytes are some, else the bytes. */
function textOrBytes(b: Buffer): Py {
  const text = b.toString('utf8');
  return Buffer.from(text).equals(b) ? text : new Uint8Array(b);
}

/** Base64 as Python's `encodebytes` writes it: lines of 76, each ended. */
function lines(b: Buffer): string {
  const out: string[] = [];
  for (let at = 0; at < b.length; at += 57) out.push(`${b.subarray(at, at + 57).toString('base64')}\n`);
  return out.join('');
}

function digest(v: Py, kind: Py): string {
  if (kind !== 'md5' && kind !== 'sha256' && kind !== 'sha512')
    throw new SaltError('CommandExecutionError', `Hash func '${str(kind)}' is not supported.`);
  return createHash(kind).update(bytes(v)).digest('hex');
}

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
const mac = (a: Args, kind = 'sha256'): Buffer =>
  createHmac(kind, bytes(a['shared_secret'] as Py))
    .update(bytes(a['string'] as Py))
    .digest();

export default {
  doc: 'Hashes and encodes texts and files.',
  functions: {
    digest: fn(
      "digest(instr, checksum='md5')",
      doc('Hash of a text: md5, sha256 or sha512.', "digest 'a text' sha256"),
      (a) => digest(a['instr'] as Py, a['checksum'] as Py),
    ),
    digest_file: fn(
      "digest_file(infile, checksum='md5')",
      doc('Hash of a file: md5, sha256 or sha512.', 'digest_file /etc/hosts sha256'),
      (a) => {
        const path = str(a['infile'] as Py);
        if (!statSync(path, { throwIfNoEntry: false })?.isFile())
          throw new SaltError('CommandExecutionError', `File path '${path}' not found.`);
        return digest(new Uint8Array(readFileSync(path)), a['checksum'] as Py);
      },
    ),
    base64_b64encode: fn(
      'base64_b64encode(instr)',
      doc('A text in base64, on one line.', "base64_b64encode 'a text'"),
      (a) => bytes(a['instr'] as Py).toString('base64'),
    ),
    base64_b64decode: fn('base64_b64decode(instr)', doc('The text of base64.', 'base64_b64decode YSB0ZXh0'), (a) =>
      textOrBytes(Buffer.from(bytes(a['instr'] as Py).toString('latin1'), 'base64')),
    ),
    base64_encodestring: fn(
      'base64_encodestring(instr)',
      doc('A text in base64, in lines of 76 characters.', "base64_encodestring 'a text'"),
      (a) => lines(bytes(a['instr'] as Py)),
    ),
    base64_encodefile: fn(
      'base64_encodefile(fname)',
      doc('A file in base64, in lines of 76 characters.', 'base64_encodefile /etc/hosts'),
      (a) => lines(readFileSync(str(a['fname'] as Py))),
    ),
    base64_decodestring: fn(
      'base64_decodestring(instr)',
      doc('The text of base64 in lines.', 'base64_decodestring YSB0ZXh0'),
      (a) => textOrBytes(Buffer.from(bytes(a['instr'] as Py).toString('latin1'), 'base64')),
    ),
    base64_decodefile: fn(
      'base64_decodefile(instr, outfile)',
      doc('Writes what base64 holds to a file.', 'base64_decodefile YSB0ZXh0 /tmp/text'),
      (a) => {
        writeFileSync(str(a['outfile'] as Py), Buffer.from(str(a['instr'] as Py), 'base64'));
        return true;
      },
    ),
    md5_digest: fn('md5_digest(instr)', doc('MD5 of a text.', "md5_digest 'a text'"), (a) =>
      digest(a['instr'] as Py, 'md5'),
    ),
    sha256_digest: fn('sha256_digest(instr)', doc('SHA-256 of a text.', "sha256_digest 'a text'"), (a) =>
      digest(a['instr'] as Py, 'sha256'),
    ),
    sha512_digest: fn('sha512_digest(instr)', doc('SHA-512 of a text.', "sha512_digest 'a text'"), (a) =>
      digest(a['instr'] as Py, 'sha512'),
    ),
    hmac_signature: fn(
      'hmac_signature(string, shared_secret, challenge_hmac)',
      doc(
        'Whether a base64 signature (HMAC with SHA-256) is that of a text and a secret.',
        "hmac_signature 'a text' 'the secret' 'ZXhhbXBsZQ=='",
      ),
      (a) => same(Buffer.from(mac(a).toString('base64')), bytes(a['challenge_hmac'] as Py)),
    ),
    hmac_compute: fn(
      'hmac_compute(string, shared_secret)',
      doc(
        'The signature (HMAC with SHA-256) of a text with a secret, in hexadecimal digits.',
        "hmac_compute 'a text' 'the secret'",
      ),
      (a) => mac(a).toString('hex'),
    ),
    github_signature: fn(
      'github_signature(string, shared_secret, challenge_hmac)',
      doc(
        'Whether a signature such as sha1=… of a web hook is that of its body and the secret.',
        "github_signature '{\"ref\": \"main\"}' 'the secret' 'sha1=c0ffee'",
      ),
      (a) => {
        const [kind = '', wanted] = str(a['challenge_hmac'] as Py).split('=');
        if (wanted === undefined) throw new SaltError('ValueError', 'not enough values to unpack (expected 2, got 1)');
        return same(Buffer.from(mac(a, kind).toString('hex')), Buffer.from(wanted));
      },
    ),
  },
} satisfies ExecutionModule;
