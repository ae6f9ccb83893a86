import type { WireMap } from './values.ts';
import { encodeBus, MAX_DEPTH } from './wire/payload.ts';

const SEPARATOR = Buffer.from('\n\n');
const STAMP_KEY = Buffer.from('\xa6_stamp', 'latin1');

/** Longest tag that is taken, in bytes. */
export const MAX_TAG = 64 * 1024;

/** What a well-formed frame holds: its tag, where its body starts, and the body's `_stamp` if it has one. */
export interface FrameShape {
  readonly tag: string;
  readonly bodyAt: number;
  readonly stamp: string | undefined;
}

/** Builds a frame: tag, two line feeds, the data in the bus dialect. */
export function packFrame(tag: string, data: WireMap): Buffer {
  return joinFrame(tag, encodeBus(data));
}

/** A frame from a tag and a body that is packed already. */
export function joinFrame(tag: string, body: Uint8Array): Buffer {
  const length = Buffer.byteLength(tag);
  const out = Buffer.allocUnsafe(length + 2 + body.length);
  out.write(tag, 0);
  out[length] = 10;
  out[length + 1] = 10;
  out.set(body, length + 2);
  return out;
}

const asBuffer = (b: Uint8Array): Buffer =>
  Buffer.isBuffer(b) ? b : Buffer.from(b.buffer, b.byteOffset, b.byteLength);

/** Where a frame's body starts, or -1 without a separator. */
export function bodyOffset(frame: Uint8Array): number {
  const at = asBuffer(frame).indexOf(SEPARATOR);
  return at < 0 ? -1 : at + 2;
}

/**
 * Checks a frame without decoding it: a tag of at most {@link MAX_TAG} bytes, then exactly one whole map. Undefined for anything
 * else. Never throws.
 */
export function frameShape(frame: Uint8Array): FrameShape | undefined {
  const buf = asBuffer(frame);
  const bodyAt = bodyOffset(buf);
  if (bodyAt < 2 || bodyAt - 2 > MAX_TAG) return undefined;
  const walk = new Walk(buf);
  const stamp = walk.map(bodyAt);
  if (walk.end !== buf.length) return undefined;
  return { tag: buf.toString('utf8', 0, bodyAt - 2), bodyAt, stamp };
}

/** A frame with `_stamp` added as the last entry of its map; the caller knows that it has none. */
export function addStamp(frame: Uint8Array, bodyAt: number, stamp: string): Buffer {
  const buf = asBuffer(frame);
  const lead = buf[bodyAt] as number;
  const size = lead < 0x90 ? lead & 0x0f : lead === 0xde ? buf.readUInt16BE(bodyAt + 1) : buf.readUInt32BE(bodyAt + 1);
  const head = lead < 0x90 ? 1 : lead === 0xde ? 3 : 5;
  const next = size + 1;
  const newHead =
    next < 16
      ? Buffer.from([0x80 | next])
      : next < 0x10000
        ? Buffer.from([0xde, next >> 8, next & 0xff])
        : Buffer.from([0xdf, next >>> 24, (next >>> 16) & 0xff, (next >>> 8) & 0xff, next & 0xff]);
  return Buffer.concat([
    buf.subarray(0, bodyAt),
    newHead,
    buf.subarray(bodyAt + head),
    STAMP_KEY,
    stamp.length < 32 ? Buffer.from([0xa0 | stamp.length]) : Buffer.from([0xd9, stamp.length]),
    Buffer.from(stamp, 'latin1'),
  ]);
}

/** Steps over MessagePack values; `end` is -1 once something was not whole. */
class Walk {
  end = -1;
  constructor(private readonly buf: Buffer) {}

  /** Steps over a map and answers its text `_stamp`. */
  map(at: number): string | undefined {
    const lead = this.buf[at];
    if (lead === undefined) return undefined;
    let n: number;
    let p: number;
    if (lead >= 0x80 && lead < 0x90) {
      n = lead & 0x0f;
      p = at + 1;
    } else if (lead === 0xde && at + 3 <= this.buf.length) {
      n = this.buf.readUInt16BE(at + 1);
      p = at + 3;
    } else if (lead === 0xdf && at + 5 <= this.buf.length) {
      n = this.buf.readUInt32BE(at + 1);
      p = at + 5;
    } else return undefined;
    let stamp: string | undefined;
    for (; n > 0 && p >= 0; n--) {
      const value = this.skip(p, 1);
      if (value < 0) return undefined;
      const next = this.skip(value, 1);
      if (value - p === 7 && next > 0 && this.buf.compare(STAMP_KEY, 0, 7, p, value) === 0)
        stamp = this.text(value, next);
      p = next;
    }
    this.end = p;
    return stamp;
  }

  private text(at: number, end: number): string | undefined {
    const lead = this.buf[at] as number;
    if (lead >= 0xa0 && lead < 0xc0) return this.buf.toString('utf8', at + 1, end);
    return lead === 0xd9 ? this.buf.toString('utf8', at + 2, end) : undefined;
  }

  private size(at: number, width: 1 | 2 | 4): number {
    if (at + 1 + width > this.buf.length) return -1;
    return width === 1
      ? (this.buf[at + 1] as number)
      : width === 2
        ? this.buf.readUInt16BE(at + 1)
        : this.buf.readUInt32BE(at + 1);
  }

  private bytes(at: number, width: 1 | 2 | 4, extra: number): number {
    const n = this.size(at, width);
    return n < 0 ? -1 : this.within(at + 1 + width + extra + n);
  }

  private within(end: number): number {
    return end <= this.buf.length ? end : -1;
  }

  private items(start: number, count: number, depth: number): number {
    // Each value takes a byte at least: a count beyond the rest is a lie, found before looping over it.
    if (count < 0 || count > this.buf.length - start || depth >= MAX_DEPTH) return -1;
    let p = start;
    for (let i = 0; i < count && p >= 0; i++) p = this.skip(p, depth + 1);
    return p;
  }

  private skip(at: number, depth: number): number {
    const b = this.buf[at];
    if (b === undefined) return -1;
    if (b < 0x80 || b >= 0xe0) return at + 1;
    if (b < 0x90) return this.items(at + 1, (b & 0x0f) * 2, depth);
    if (b < 0xa0) return this.items(at + 1, b & 0x0f, depth);
    if (b < 0xc0) return this.within(at + 1 + (b & 0x1f));
    switch (b) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return at + 1;
      case 0xc4:
      case 0xd9:
        return this.bytes(at, 1, 0);
      case 0xc5:
      case 0xda:
        return this.bytes(at, 2, 0);
      case 0xc6:
      case 0xdb:
        return this.bytes(at, 4, 0);
      case 0xc7:
        return this.bytes(at, 1, 1);
      case 0xc8:
        return this.bytes(at, 2, 1);
      case 0xc9:
        return this.bytes(at, 4, 1);
      case 0xcc:
      case 0xd0:
        return this.within(at + 2);
      case 0xcd:
      case 0xd1:
      case 0xd4:
        return this.within(at + 3);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.within(at + 5);
      case 0xd5:
        return this.within(at + 4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.within(at + 9);
      case 0xd6:
        return this.within(at + 6);
      case 0xd7:
        return this.within(at + 10);
      case 0xd8:
        return this.within(at + 18);
      case 0xdc:
        return this.items(at + 3, this.size(at, 2), depth);
      case 0xdd:
        return this.items(at + 5, this.size(at, 4), depth);
      case 0xde:
        return this.items(at + 3, this.size(at, 2) * 2, depth);
      case 0xdf:
        return this.items(at + 5, this.size(at, 4) * 2, depth);
      default:
        return -1;
    }
  }
}
