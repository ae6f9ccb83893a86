/** The AES box that carries every load: AES-192-CBC, then HMAC-SHA256 over IV and ciphertext. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import { SaltError } from '../errors.ts';
import type { Wire } from '../values.ts';
import { type DecodeLimits, decodeNetwork, encodeNetwork } from './payload.ts';

const AES_BYTES = 24;
const HMAC_BYTES = 32;
const IV_BYTES = 16;
const NONCE_CHARS = 32;
const IVS_AT_ONCE = 256;
/** Begins every plaintext, a name left over from an older serializer. */
const MARK = Buffer.from('pickle::');

/** Random bytes cost the same for one IV as for hundreds, so they are drawn in batches; each is used once. */
let ivs: Buffer | undefined;
let ivAt = 0;
function freshIv(): Buffer {
  if (!ivs || ivAt === ivs.length) {
    ivs = randomFillSync(Buffer.allocUnsafeSlow(IV_BYTES * IVS_AT_ONCE));
    ivAt = 0;
  }
  ivAt += IV_BYTES;
  return ivs.subarray(ivAt - IV_BYTES, ivAt);
}

/** How {@link Crypticle.open} should read a box. */
export interface OpenOptions extends DecodeLimits {
  /** The nonce of our request: the box is a reply and must begin with it. Without one no prefix is expected. */
  nonce?: string;
}

/** Opens and seals boxes under one key string. Keep one per key: its parsed keys are reused. */
export class Crypticle {
  private readonly aes: Buffer;
  private readonly mac: Buffer;

  /** @param key base64 of 24 bytes AES key and 32 bytes HMAC key; SaltError AuthenticationError for anything else. */
  constructor(readonly key: string) {
    const raw = Buffer.from(key, 'base64');
    if (raw.length !== AES_BYTES + HMAC_BYTES || raw.toString('base64') !== key)
      throw new SaltError('AuthenticationError', 'Invalid key string: expected base64 of 56 bytes');
    this.aes = raw.subarray(0, AES_BYTES);
    this.mac = raw.subarray(AES_BYTES);
  }

  /** A fresh random key string (76 characters). */
  static generate(): string {
    return randomBytes(AES_BYTES + HMAC_BYTES).toString('base64');
  }

  /** Whether a text is a key string. */
  static isKey(text: unknown): text is string {
    return typeof text === 'string' && /^[A-Za-z0-9+/]{75}=$/.test(text);
  }

  /** Packs and seals a value. A nonce (32 hex characters) goes in front: only replies to a request of protocol 2 and 3 have it. */
  seal(value: unknown, nonce?: string): Buffer {
    return this.sealBytes(encodeNetwork(value), nonce);
  }

  /** Seals bytes that are MessagePack already. */
  sealBytes(packed: Uint8Array, nonce = ''): Buffer {
    const iv = freshIv();
    const cipher = createCipheriv('aes-192-cbc', this.aes, iv);
    const plain = Buffer.allocUnsafe(MARK.length + nonce.length + packed.length);
    plain.set(MARK);
    if (nonce) plain.write(nonce, MARK.length, 'latin1');
    plain.set(packed, MARK.length + nonce.length);
    const body = cipher.update(plain);
    const tail = cipher.final();
    const out = Buffer.allocUnsafe(IV_BYTES + body.length + tail.length + HMAC_BYTES);
    out.set(iv);
    out.set(body, IV_BYTES);
    out.set(tail, IV_BYTES + body.length);
    const signed = out.length - HMAC_BYTES;
    out.set(createHmac('sha256', this.mac).update(out.subarray(0, signed)).digest(), signed);
    return out;
  }

  /**
   * Opens a box; undefined when the HMAC says that another key sealed it (or it was changed), which is the sign to fetch new keys.
   * Throws SaltError SaltClientError when the nonce is another one, SaltDeserializationError when an authentic box holds no MessagePack.
   */
  open(box: Uint8Array, options: OpenOptions = {}): { value: Wire } | undefined {
    const packed = this.openBytes(box, options.nonce);
    if (packed === undefined) return undefined;
    return { value: packed === null ? {} : decodeNetwork(packed, options) };
  }

  /** As {@link open} but leaves the content packed: what signatures cover. Null when the plaintext lacks its mark (counts as `{}`). */
  openBytes(box: Uint8Array, nonce?: string): Buffer | null | undefined {
    const plain = this.plaintext(box);
    if (!plain) return undefined;
    if (plain.length < MARK.length || MARK.compare(plain, 0, MARK.length) !== 0) return null;
    if (nonce === undefined) return plain.subarray(MARK.length);
    const body = MARK.length + NONCE_CHARS;
    const got = plain.subarray(MARK.length, body);
    const want = Buffer.from(nonce, 'latin1');
    if (got.length !== want.length || !timingSafeEqual(got, want))
      throw new SaltError('SaltClientError', 'Nonce verification error');
    return plain.subarray(body);
  }

  /** The bytes after decryption, mark and nonce included; undefined when the HMAC fails. */
  plaintext(box: Uint8Array): Buffer | undefined {
    const signed = box.length - HMAC_BYTES;
    if (signed < IV_BYTES * 2 || signed % IV_BYTES !== 0) return undefined;
    const sum = createHmac('sha256', this.mac).update(box.subarray(0, signed)).digest();
    if (!timingSafeEqual(sum, box.subarray(signed))) return undefined;
    const decipher = createDecipheriv('aes-192-cbc', this.aes, box.subarray(0, IV_BYTES));
    decipher.setAutoPadding(false);
    const plain = decipher.update(box.subarray(IV_BYTES, signed));
    decipher.final();
    const pad = plain[plain.length - 1] as number;
    if (pad < 1 || pad > IV_BYTES)
      throw new SaltError('SaltDeserializationError', 'Could not deserialize: bad padding in an authentic box');
    return plain.subarray(0, plain.length - pad);
  }
}
