import { SaltError } from '../errors.ts';
import type { Key } from './contract.ts';

/** Longest key in bytes that every keyed store takes. */
export const MAX_KEY = 1900;
const NUMBER = 0x10;
const TEXT = 0x20;

/**
 * A table and key as bytes whose order is the key's order: component by component, numbers before text, text by code point, a
 * shorter key before its extensions. Throws SaltError ValueError for NaN or a key longer than {@link MAX_KEY} bytes.
 */
export function encodeKey(table: string, key: Key): Buffer {
  const parts: Buffer[] = [];
  for (const part of [table, ...key]) {
    if (typeof part === 'number') {
      if (Number.isNaN(part)) throw new SaltError('ValueError', 'NaN is no key');
      const b = Buffer.allocUnsafe(9);
      b[0] = NUMBER;
      b.writeDoubleBE(part === 0 ? 0 : part, 1);
      // Sign bit set for positives, all bits flipped for negatives: bytes then sort as the numbers do.
      if ((b[1] as number) & 0x80) for (let i = 1; i < 9; i++) b[i] = ~(b[i] as number) & 0xff;
      else b[1] = (b[1] as number) | 0x80;
      parts.push(b);
    } else {
      const raw = Buffer.from(part);
      parts.push(Buffer.from([TEXT]), raw.includes(0) ? escapeZeros(raw) : raw, Buffer.from([0]));
    }
  }
  const out = Buffer.concat(parts);
  if (out.length > MAX_KEY)
    throw new SaltError('ValueError', `A key of ${out.length} bytes is too long for table ${table}`);
  return out;
}

function escapeZeros(raw: Buffer): Buffer {
  const out: number[] = [];
  for (const b of raw) {
    out.push(b);
    if (b === 0) out.push(0xff);
  }
  return Buffer.from(out);
}

/** The key of encoded bytes, without its table. */
export function decodeKey(bytes: Uint8Array): Key {
  const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: (string | number)[] = [];
  for (let p = 0; p < buf.length; ) {
    if (buf[p] === NUMBER) {
      const b = Buffer.from(buf.subarray(p + 1, p + 9));
      if ((b[0] as number) & 0x80) b[0] = (b[0] as number) & 0x7f;
      else for (let i = 0; i < 8; i++) b[i] = ~(b[i] as number) & 0xff;
      parts.push(b.readDoubleBE(0));
      p += 9;
    } else {
      const out: number[] = [];
      for (p++; p < buf.length; p++) {
        const b = buf[p] as number;
        if (b !== 0) out.push(b);
        else if (buf[p + 1] === 0xff) {
          out.push(0);
          p++;
        } else break;
      }
      p++;
      parts.push(Buffer.from(out).toString('utf8'));
    }
  }
  return parts.slice(1);
}

/** First bytes and the bytes beyond the last of a table, or of a range in it. */
export function keyBounds(table: string, start?: Key, end?: Key): { from: Buffer; to: Buffer } {
  return {
    from: encodeKey(table, start ?? []),
    to: end ? encodeKey(table, end) : Buffer.concat([encodeKey(table, []), Buffer.from([0xff])]),
  };
}
