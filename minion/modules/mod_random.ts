/** Random texts and numbers, hashes. */
import { createHash, getHashes } from 'node:crypto';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyTuple } from '../../bus/values.ts';
import { normInt } from '../../sls/numbers.ts';
import { PyRandom } from '../../sls/py-random.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, toInt, toList, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { passwordHash } from './random/password-hash.ts';
import { secretText } from './random/secret.ts';

const doc = docFor('random');
const on = (a: Args, key: string): boolean => truth(a[key] as Py);

/** The hexadecimal hash of a text by a Python algorithm name. */
function hashOf(value: Py, algorithm: string): string {
  const name = algorithm
    .toLowerCase()
    .replace(/^sha3_/, 'sha3-')
    .replace(/^blake2b$/, 'blake2b512')
    .replace(/^blake2s$/, 'blake2s256');
  if (!getHashes().some((h) => h.toLowerCase() === name))
    throw new SaltError('SaltException', 'You must specify a valid algorithm.');
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw new SaltError('TypeError', 'object supporting the buffer API required');
  return createHash(name).update(value).digest('hex');
}

/** A list, tuple or text to choose from. */
function population(value: Py): Py[] {
  if (Array.isArray(value) || typeof value === 'string' || value instanceof PyTuple) return toList(value);
  throw new SaltError('TypeError', 'Population must be a sequence.  For dicts or sets, use sorted(d).');
}

function sample(value: Py, size: number, seed: Py): Py[] {
  const random = seed === null ? new PyRandom() : new PyRandom(hashOf(seed, 'sha512'));
  return random.sample(population(value), size);
}

function encode(value: Py, encoder: string): Py {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw new SaltError('SaltInvocationError', 'Value must be an encode-able string');
  if (encoder === 'base64') return Buffer.from(value as string).toString('base64');
  if (typeof value === 'string') throw new SaltError('SaltInvocationError', 'Value must be an encode-able string');
  throw new SaltError('SaltInvocationError', 'You must specify a valid encoder');
}

export default {
  virtual: () => 'random',
  doc: 'Random texts, numbers and choices, and hashes of texts.',
  functions: {
    hash: fn(
      "hash(value, algorithm='sha512')",
      doc('The hash of a text, in hexadecimal digits.', "hash 'a text' algorithm=sha256"),
      (a) => hashOf(a['value'] as Py, str(a['algorithm'] as Py)),
    ),
    str_encode: fn(
      "str_encode(value, encoder='base64')",
      doc('A text in another encoding.', "str_encode 'a text'"),
      (a) => encode(a['value'] as Py, str(a['encoder'] as Py)),
    ),
    get_str: fn(
      'get_str(length=20, chars=None, lowercase=True, uppercase=True, digits=True, punctuation=True, whitespace=False, printable=False)',
      doc(
        'A random text, of given characters or of kinds of characters.',
        'get_str 32',
        "get_str 12 chars='abc123'",
        'get_str punctuation=False',
      ),
      (a) =>
        secretText(Number(toInt(a['length'] as Py)), {
          chars: on(a, 'chars') ? str(a['chars'] as Py) : '',
          lowercase: on(a, 'lowercase'),
          uppercase: on(a, 'uppercase'),
          digits: on(a, 'digits'),
          punctuation: on(a, 'punctuation'),
          whitespace: on(a, 'whitespace'),
          printable: on(a, 'printable'),
        }),
    ),
    shadow_hash: fn(
      "shadow_hash(crypt_salt=None, password=None, algorithm='sha512')",
      doc(
        'The hash of a password for /etc/shadow: sha512, sha256 or md5. Salt and password are random unless given.',
        'shadow_hash A1b2C3d4 secret',
        "shadow_hash 'rounds=10000$A1b2C3d4' secret sha256",
      ),
      (a) =>
        passwordHash(
          a['password'] === null
            ? secretText(20, { lowercase: true, uppercase: true, digits: true, punctuation: true })
            : str(a['password'] as Py),
          a['crypt_salt'] === null ? undefined : str(a['crypt_salt'] as Py),
          a['algorithm'] === null ? 'sha512' : str(a['algorithm'] as Py),
        ),
    ),
    rand_int: fn(
      'rand_int(start=1, end=10, seed=None)',
      doc('A whole number between two, both included. The same seed gives the same number.', 'rand_int 1 6'),
      (a) =>
        normInt(new PyRandom(a['seed'] as Py).between(BigInt(toInt(a['start'] as Py)), BigInt(toInt(a['end'] as Py)))),
    ),
    seed: fn(
      'seed(range=10, hash=None)',
      doc(
        "A number below the range that is always the same for a text, by default the minion's id: for spreading work over time.",
        'seed 60',
        'seed 10 hash=web',
      ),
      (a, ctx: ModuleCtx) => {
        const text = a['hash'] === null ? (ctx.grains.get('id') ?? ctx.opts.str('id')) : (a['hash'] as Py);
        return normInt(new PyRandom(text).below(BigInt(toInt(a['range'] as Py))));
      },
    ),
    sample: fn(
      'sample(value, size, seed=None)',
      doc('Some items of a list, in random order. The same seed gives the same ones.', "sample '[a, b, c]' 2 seed=web"),
      (a) => sample(a['value'] as Py, Number(toInt(a['size'] as Py)), a['seed'] as Py),
    ),
    shuffle: fn(
      'shuffle(value, seed=None)',
      doc('A list in random order. The same seed gives the same order.', "shuffle '[a, b, c]' seed=web"),
      (a) => sample(a['value'] as Py, population(a['value'] as Py).length, a['seed'] as Py),
    ),
  },
} satisfies ExecutionModule;
