/** Hashes of passwords as /etc/shadow holds them: SHA-crypt and the MD5 kind. */
import { createHash, randomBytes } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';

const LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Letters of a number, six bits each, lowest first. */
function letters(value: number, count: number): string {
  let out = '';
  for (let v = value, i = 0; i < count; i++, v >>>= 6) out += LETTERS[v & 63];
  return out;
}

/** A random salt of so many letters. */
export function randomSalt(length = 16): string {
  return [...randomBytes(length)].map((b) => LETTERS[b & 63]).join('');
}

/** Repeats bytes to a length. */
function fill(bytes: Buffer, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at += bytes.length) bytes.copy(out, at, 0, Math.min(bytes.length, length - at));
  return out;
}

/** Which bytes of the sum go together into four letters. */
const ORDER = {
  sha512: Array.from({ length: 21 }, (_, i) => {
    const base = [i, i + 21, i + 42];
    const turn = i % 3;
    return [base[turn % 3], base[(turn + 1) % 3], base[(turn + 2) % 3]] as [number, number, number];
  }),
  sha256: Array.from({ length: 10 }, (_, i) => {
    const base = [i, i + 10, i + 20];
    const turn = (3 - (i % 3)) % 3;
    return [base[turn % 3], base[(turn + 1) % 3], base[(turn + 2) % 3]] as [number, number, number];
  }),
};

/** SHA-crypt; `rounds` absent means the usual 5000, which then is not written down. */
function shaCrypt(kind: 'sha256' | 'sha512', password: string, salt: string, rounds: number | undefined): string {
  const hash = (...parts: Buffer[]): Buffer => parts.reduce((h, p) => h.update(p), createHash(kind)).digest();
  const key = Buffer.from(password);
  const salted = Buffer.from(salt).subarray(0, 16);
  const size = kind === 'sha512' ? 64 : 32;
  const b = hash(key, salted, key);
  const parts = [key, salted, fill(b, key.length)];
  for (let n = key.length; n > 0; n >>= 1) parts.push(n & 1 ? b : key);
  let sum = hash(...parts);
  const p = fill(hash(...Array<Buffer>(key.length).fill(key)), key.length);
  const s = fill(hash(...Array<Buffer>(16 + (sum[0] as number)).fill(salted)), salted.length);
  const count = Math.min(999_999_999, Math.max(1000, rounds ?? 5000));
  for (let i = 0; i < count; i++) {
    const mix: Buffer[] = [i & 1 ? p : sum];
    if (i % 3) mix.push(s);
    if (i % 7) mix.push(p);
    mix.push(i & 1 ? sum : p);
    sum = hash(...mix);
  }
  const at = (i: number): number => sum[i] as number;
  let text = ORDER[kind].map(([x, y, z]) => letters((at(x) << 16) | (at(y) << 8) | at(z), 4)).join('');
  text += size === 64 ? letters(at(63), 2) : letters((at(31) << 8) | at(30), 3);
  const head = kind === 'sha512' ? '$6$' : '$5$';
  return `${head}${rounds === undefined ? '' : `rounds=${count}$`}${salted.toString()}$${text}`;
}

function md5Crypt(password: string, salt: string): string {
  const hash = (...parts: Buffer[]): Buffer => parts.reduce((h, p) => h.update(p), createHash('md5')).digest();
  const key = Buffer.from(password);
  const salted = Buffer.from(salt).subarray(0, 8);
  const parts = [key, Buffer.from('$1$'), salted, fill(hash(key, salted, key), key.length)];
  for (let n = key.length; n > 0; n >>= 1) parts.push(n & 1 ? Buffer.from([0]) : key.subarray(0, 1));
  let sum = hash(...parts);
  for (let i = 0; i < 1000; i++) {
    const mix: Buffer[] = [i & 1 ? key : sum];
    if (i % 3) mix.push(salted);
    if (i % 7) mix.push(key);
    mix.push(i & 1 ? sum : key);
    sum = hash(...mix);
  }
  const at = (i: number): number => sum[i] as number;
  const text = [0, 1, 2, 3, 4]
    .map((i) => letters((at(i) << 16) | (at(i + 6) << 8) | at(i === 4 ? 5 : i + 12), 4))
    .join('');
  return `$1$${salted.toString()}$${text}${letters(at(11), 2)}`;
}

/** What can be made here. */
export const HASH_KINDS = ['sha512', 'sha256', 'md5'] as const;

/**
 * Hashes a password for /etc/shadow.
 * @param salt the salt, possibly as `rounds=N$salt`; a random one by default.
 */
export function passwordHash(password: string, salt?: string, algorithm = 'sha512'): string {
  const m = /^rounds=(\d+)\$(.*)$/.exec(salt ?? '');
  const rounds = m ? Number(m[1]) : undefined;
  const plain = m ? (m[2] as string) : (salt ?? randomSalt());
  switch (algorithm) {
    case 'sha512':
    case 'sha256':
      return shaCrypt(algorithm, password, plain, rounds);
    case 'md5':
      return md5Crypt(password, salt ?? randomSalt(8));
    default:
      throw new SaltError(
        'SaltInvocationError',
        `Cannot hash using '${algorithm}' hash algorithm. Natively supported algorithms are: [${HASH_KINDS.map((k) => `'${k}'`).join(', ')}].`,
      );
  }
}
