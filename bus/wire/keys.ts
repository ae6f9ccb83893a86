/** RSA keys: parsed once, used often. Every operation of the protocol that needs one is a method here. */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
  publicDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SaltError } from '../errors.ts';

const SIGNING = { 'PKCS1v15-SHA1': 'sha1', 'PKCS1v15-SHA224': 'sha224' } as const;
const ENCRYPTION = { 'OAEP-SHA1': 'sha1', 'OAEP-SHA224': 'sha224' } as const;
/** Name of a signature scheme, as `sig_algo` carries it. */
export type SigAlgo = keyof typeof SIGNING;
/** Name of an encryption scheme, as `enc_algo` carries it. */
export type EncAlgo = keyof typeof ENCRYPTION;
/** What a peer that names no scheme means. */
export const DEFAULT_SIG: SigAlgo = 'PKCS1v15-SHA1';
/** What a peer that names no scheme means. */
export const DEFAULT_ENC: EncAlgo = 'OAEP-SHA1';

/** Whether a value names a signature scheme we have. */
export function isSigAlgo(name: unknown): name is SigAlgo {
  return typeof name === 'string' && Object.hasOwn(SIGNING, name);
}
/** Whether a value names an encryption scheme we have. */
export function isEncAlgo(name: unknown): name is EncAlgo {
  return typeof name === 'string' && Object.hasOwn(ENCRYPTION, name);
}

function hashOf(table: Readonly<Record<string, string>>, name: string): string {
  if (!Object.hasOwn(table, name)) throw new SaltError('UnsupportedAlgorithm', `Invalid algorithm: ${name}`);
  return table[name] as string;
}

/** Bounds of a key we work with: smaller ones are broken, larger ones are an attack on our time. */
const BITS = { least: 1024, most: 16384 } as const;
const MAX_PEM_CHARS = 16384;

/** A PEM as it goes on the wire and is compared: trimmed, `\n` line ends, no final newline. Salt's clean_key. */
export function cleanPem(pem: string): string {
  return pem
    .trim()
    .split(/\r\n|\r|\n/)
    .join('\n');
}

/** Digest as `salt-key -f` prints it: lower-case hex, a colon between bytes. SaltError ValueError for an unknown hash. */
function finger(data: string, hashType: string): string {
  let hash: ReturnType<typeof createHash>;
  try {
    hash = createHash(hashType);
  } catch (e) {
    throw new SaltError('ValueError', `unsupported hash type ${hashType}`, {}, { cause: e });
  }
  return hash
    .update(data)
    .digest('hex')
    .replace(/..(?=.)/g, '$&:');
}

/** Fingerprint over the base64 lines with their newlines: what `master_finger` is compared with. Salt's pem_finger of a file. */
export function fingerOfBody(pem: string, hashType = 'sha256'): string {
  const lines = cleanPem(pem)
    .split('\n')
    .filter((l) => l.trim());
  return finger(
    lines
      .slice(1, -1)
      .map((l) => `${l}\n`)
      .join(''),
    hashType,
  );
}

/** Fingerprint over a PEM text exactly as given: what `salt-key -f` prints (clean text for minions, the file's text for the master). */
export function fingerOfText(pem: string, hashType = 'sha256'): string {
  return finger(pem, hashType);
}

function checkRsa(key: KeyObject): number {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa') throw new SaltError('InvalidKeyError', 'Key is not an RSA key');
  if (bits < BITS.least || bits > BITS.most) throw new SaltError('InvalidKeyError', `RSA key of ${bits} bits refused`);
  return bits;
}

const toBig = (b: Uint8Array): bigint => BigInt(`0x${Buffer.from(b).toString('hex')}`);
const fromBig = (n: bigint, size: number): Buffer => Buffer.from(n.toString(16).padStart(size * 2, '0'), 'hex');

/** The algorithm part of an RSA key's SubjectPublicKeyInfo. */
const RSA_ALGORITHM = Buffer.from('300d06092a864886f70d0101010500', 'hex');

/**
 * The PKCS#1 part of a SubjectPublicKeyInfo PEM in its usual spelling; undefined for any other text, which OpenSSL then reads itself. Its reader
 * takes 170 microseconds for the whole, 10 for the part.
 */
function bareRsa(pem: string): Buffer | undefined {
  const body = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END PUBLIC KEY-----$/.exec(pem)?.[1];
  if (!body) return undefined;
  const der = Buffer.from(body, 'base64');
  const usual =
    der.length > 24 &&
    der.readUInt16BE(0) === 0x3082 &&
    der.readUInt16BE(2) + 4 === der.length &&
    RSA_ALGORITHM.equals(der.subarray(4, 19)) &&
    der.readUInt16BE(19) === 0x0382 &&
    der.readUInt16BE(21) + 23 === der.length &&
    der[23] === 0;
  return usual ? der.subarray(24) : undefined;
}

/** An RSA public key. */
export class PublicKey {
  /** Bytes of the modulus, of a signature and of an encrypted value. */
  readonly size: number;
  private known: bigint | undefined;
  private text: string | undefined;

  constructor(private readonly key: KeyObject) {
    this.size = Math.ceil(checkRsa(key) / 8);
  }

  /** Parses a PEM (SubjectPublicKeyInfo or PKCS#1) of any line ends. SaltError InvalidKeyError for anything else, a private key included. */
  static fromPem(pem: string): PublicKey {
    if (pem.length > MAX_PEM_CHARS || !/^\s*-----BEGIN (RSA )?PUBLIC KEY-----/.test(pem))
      throw new SaltError('InvalidKeyError', 'Invalid public key');
    const clean = cleanPem(pem);
    let key: KeyObject;
    try {
      const bare = bareRsa(clean);
      key = bare ? createPublicKey({ key: bare, format: 'der', type: 'pkcs1' }) : createPublicKey(clean);
    } catch (e) {
      throw new SaltError('InvalidKeyError', 'Invalid public key', {}, { cause: e });
    }
    return new PublicKey(key);
  }

  /** Clean PEM, SubjectPublicKeyInfo; written on first use, as a sign-in seldom needs it. */
  get pem(): string {
    this.text ??= cleanPem(this.key.export({ type: 'spki', format: 'pem' }) as string);
    return this.text;
  }

  /** The modulus; worked out on first use, as tokens alone need it. */
  get modulus(): bigint {
    this.known ??= toBig(Buffer.from(this.key.export({ format: 'jwk' }).n as string, 'base64url'));
    return this.known;
  }

  /** Whether both are the same key, however they were written. */
  equals(other: PublicKey): boolean {
    return this.pem === other.pem;
  }

  /** Whether a signature over the bytes is this key's. False for any malformed signature; SaltError for an unknown scheme. */
  verify(data: Uint8Array, signature: Uint8Array, algo: string = DEFAULT_SIG): boolean {
    return verify(
      hashOf(SIGNING, algo),
      data,
      { key: this.key, padding: constants.RSA_PKCS1_PADDING },
      Uint8Array.from(signature),
    );
  }

  /** Encrypts up to `size - 42` bytes (SHA1) for the holder of the private key. */
  encrypt(data: Uint8Array | string, algo: string = DEFAULT_ENC): Buffer {
    return publicEncrypt(
      { key: this.key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashOf(ENCRYPTION, algo) },
      Buffer.from(data),
    );
  }

  /** The data inside an X9.31 token ({@link PrivateKey.signX931}), or undefined when it is not this key's. */
  recoverX931(signature: Uint8Array): Buffer | undefined {
    if (signature.length !== this.size) return undefined;
    let em: Buffer;
    try {
      em = publicDecrypt({ key: this.key, padding: constants.RSA_NO_PADDING }, signature);
    } catch {
      // A number beyond the modulus is no signature: the same answer as for a wrong one.
      return undefined;
    }
    if (((em[em.length - 1] as number) & 0x0f) !== 0x0c) {
      em = fromBig(this.modulus - toBig(em), this.size);
    }
    return unpadX931(em);
  }

  /** See {@link fingerOfBody}. */
  fingerprint(hashType = 'sha256'): string {
    return fingerOfBody(this.pem, hashType);
  }
}

/** `6B BB… BA data CC`, or `6A data CC` when nothing is left to fill. */
function padX931(data: Uint8Array, size: number): Buffer {
  const fill = size - data.length - 2;
  if (fill < 0) throw new SaltError('ValueError', 'data too large for key size');
  const em = Buffer.alloc(size, 0xbb);
  if (fill === 0) em[0] = 0x6a;
  else {
    em[0] = 0x6b;
    em[fill] = 0xba;
  }
  em.set(data, fill + 1);
  em[size - 1] = 0xcc;
  return em;
}

function unpadX931(em: Buffer): Buffer | undefined {
  if (em[em.length - 1] !== 0xcc) return undefined;
  if (em[0] === 0x6a) return em.subarray(1, -1);
  if (em[0] !== 0x6b) return undefined;
  let i = 1;
  while (i < em.length && em[i] === 0xbb) i++;
  return em[i] === 0xba ? em.subarray(i + 1, -1) : undefined;
}

/** An RSA private key, never printed by accident: its PEM is asked for by method. */
export class PrivateKey {
  readonly public: PublicKey;

  constructor(private readonly key: KeyObject) {
    checkRsa(key);
    this.public = new PublicKey(createPublicKey(key));
  }

  /** Makes a new key pair (e = 65537) off the main thread; 2048 bits take 50 to 500 ms. */
  static async generate(bits = 2048): Promise<PrivateKey> {
    const pair = await promisify(generateKeyPair)('rsa', { modulusLength: bits, publicExponent: 0x10001 });
    return new PrivateKey(pair.privateKey);
  }

  /** Parses an unencrypted PKCS#1 or PKCS#8 PEM. SaltError InvalidKeyError (without any of the text) for anything else. */
  static fromPem(pem: string): PrivateKey {
    let key: KeyObject;
    try {
      key = createPrivateKey(cleanPem(pem));
    } catch (e) {
      throw new SaltError('InvalidKeyError', 'Invalid private key', { reason: messageOf(e) });
    }
    return new PrivateKey(key);
  }

  /** PKCS#1 PEM without passphrase, with a final newline. */
  toPem(): string {
    return this.key.export({ type: 'pkcs1', format: 'pem' }) as string;
  }

  /** Signs bytes; deterministic. */
  sign(data: Uint8Array, algo: string = DEFAULT_SIG): Buffer {
    return sign(hashOf(SIGNING, algo), data, { key: this.key, padding: constants.RSA_PKCS1_PADDING });
  }

  /** Opens what was encrypted for this key; undefined when it was not. */
  decrypt(data: Uint8Array, algo: string = DEFAULT_ENC): Buffer | undefined {
    const oaepHash = hashOf(ENCRYPTION, algo);
    try {
      return privateDecrypt({ key: this.key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, data);
    } catch {
      // OpenSSL gives no reason on purpose: every failure of OAEP is the same answer.
      return undefined;
    }
  }

  /**
   * The X9.31 token of some bytes: signature with the data inside and no hash. Deterministic, so keep the result. OpenSSL 3 refuses
   * this padding by name, hence by hand over the bare RSA operation.
   */
  signX931(data: Uint8Array): Buffer {
    const size = this.public.size;
    const s = privateDecrypt({ key: this.key, padding: constants.RSA_NO_PADDING }, padX931(data, size));
    const a = toBig(s);
    const b = this.public.modulus - a;
    // biome-ignore lint/complexity/useMathMinMax: Math.min takes no BigInt
    return fromBig(a < b ? a : b, size);
  }
}

/** Writes a file that is complete and has its mode from the moment its name exists; false when the name was taken already. */
async function writeNew(path: string, text: string, mode: number): Promise<boolean> {
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
    return true;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw e;
  } finally {
    await unlink(draft);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SaltError('InvalidKeyError', `Unable to read key ${path}: ${messageOf(e)}`, { path }, { cause: e });
  }
}

/**
 * The key pair `<name>.pem` and `<name>.pub` of a folder, made on first use. The private file is 0400 from birth and appears whole;
 * of two processes that start at once, both get the pair that was first. A private key that cannot be read or parsed is an error
 * naming its file, never replaced. A missing or differing public file is written anew (0644) from the private key.
 */
export async function loadOrCreateKeyPair(dir: string, name: string, bits = 2048): Promise<PrivateKey> {
  const secretPath = join(dir, `${name}.pem`);
  let text = await readIfThere(secretPath);
  if (text === undefined) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const made = await PrivateKey.generate(bits);
    if (!(await writeNew(secretPath, made.toPem(), 0o400))) text = await readIfThere(secretPath);
    else text = made.toPem();
  }
  let key: PrivateKey;
  try {
    key = PrivateKey.fromPem(text ?? '');
  } catch (e) {
    throw new SaltError('InvalidKeyError', `Invalid private key in ${secretPath}`, { path: secretPath }, { cause: e });
  }
  const publicPath = join(dir, `${name}.pub`);
  const shown = await readIfThere(publicPath);
  if (shown === undefined || cleanPem(shown) !== key.public.pem) {
    const draft = `${publicPath}.${process.pid}.${randomBytes(6).toString('hex')}`;
    await writeNew(draft, `${key.public.pem}\n`, 0o644);
    await chmod(draft, 0o644);
    await rename(draft, publicPath);
  }
  return key;
}
