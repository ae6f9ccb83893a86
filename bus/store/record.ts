import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { StoredRecord } from './contract.ts';

/** Bytes before a record's payload: marker 4, checksum 4, length 4, position 8, time 8. */
export const RECORD_HEADER = 28;
/** Bytes before a segment's first record: the segment header, written twice so that one flipped bit spares a copy. */
export const SEGMENT_HEADER = 96;
/** A longer length field is damage: no event comes near it. */
export const MAX_PAYLOAD = 512 * 1024 * 1024;

const MAGIC = Buffer.from('BRINELG1');
const COPY = SEGMENT_HEADER / 2;

/**
 * A store's own random marker and checksum seed. They are secret to the store, so that a record planted inside somebody's event
 * is never taken for one when the reader has to find its way after damage.
 */
export interface LogKey {
  readonly marker: Buffer;
  readonly seed: number;
}

/** What a segment says of itself: its store's key, its first position and the time of its first record. */
export interface SegmentHeader {
  readonly key: LogKey;
  readonly firstSeq: number;
  readonly time: number;
}

/** A key for a new store. */
export function newLogKey(): LogKey {
  const marker = randomBytes(4);
  if (marker.readUInt32LE(0) === 0) marker[0] = 0xb7;
  return { marker, seed: randomBytes(4).readUInt32LE(0) };
}

function writeSeq(buf: Buffer, seq: number, at: number): void {
  buf.writeUInt32LE(seq % 0x100000000, at);
  buf.writeUInt32LE(Math.floor(seq / 0x100000000), at + 4);
}
const readSeq = (buf: Buffer, at: number): number => buf.readUInt32LE(at) + buf.readUInt32LE(at + 4) * 0x100000000;

/** The header of a segment file. */
export function encodeSegmentHeader(h: SegmentHeader): Buffer {
  const one = Buffer.alloc(COPY);
  MAGIC.copy(one, 0);
  h.key.marker.copy(one, 8);
  one.writeUInt32LE(h.key.seed, 12);
  writeSeq(one, h.firstSeq, 16);
  one.writeDoubleLE(h.time, 24);
  one.writeUInt32LE(crc32(one.subarray(0, COPY - 4)), COPY - 4);
  return Buffer.concat([one, one]);
}

/** Reads a segment's header from either copy; undefined when both are damaged. */
export function decodeSegmentHeader(buf: Buffer): SegmentHeader | undefined {
  for (const at of [0, COPY]) {
    if (buf.length < at + COPY) return undefined;
    const one = buf.subarray(at, at + COPY);
    if (crc32(one.subarray(0, COPY - 4)) !== one.readUInt32LE(COPY - 4) || !one.subarray(0, 8).equals(MAGIC)) continue;
    return {
      key: { marker: Buffer.from(one.subarray(8, 12)), seed: one.readUInt32LE(12) },
      firstSeq: readSeq(one, 16),
      time: one.readDoubleLE(24),
    };
  }
  return undefined;
}

/** Writes the header of a record whose payload already stands at `at + RECORD_HEADER`. */
export function sealRecord(buf: Buffer, at: number, length: number, seq: number, time: number, key: LogKey): void {
  key.marker.copy(buf, at);
  buf.writeUInt32LE(length, at + 8);
  writeSeq(buf, seq, at + 12);
  buf.writeDoubleLE(time, at + 20);
  buf.writeUInt32LE(crc32(buf.subarray(at + 8, at + RECORD_HEADER + length), key.seed), at + 4);
}

/**
 * Looks at a record that should start at `at`: its length in bytes when it is whole, 0 when it is not a record, or the negative
 * count of bytes that are needed to tell.
 */
export function checkRecord(buf: Buffer, at: number, end: number, key: LogKey): number {
  if (end - at < RECORD_HEADER) return -RECORD_HEADER;
  if (
    buf[at] !== key.marker[0] ||
    buf[at + 1] !== key.marker[1] ||
    buf[at + 2] !== key.marker[2] ||
    buf[at + 3] !== key.marker[3]
  )
    return 0;
  const length = buf.readUInt32LE(at + 8);
  if (length > MAX_PAYLOAD) return 0;
  const whole = RECORD_HEADER + length;
  if (end - at < whole) return -whole;
  return crc32(buf.subarray(at + 8, at + whole), key.seed) === buf.readUInt32LE(at + 4) ? whole : 0;
}

/** Position of a whole record. */
export const recordSeq = (buf: Buffer, at: number): number => readSeq(buf, at + 12);
/** Time of a whole record. */
export const recordTime = (buf: Buffer, at: number): number => buf.readDoubleLE(at + 20);

/** A whole record, its bytes copied so that they outlive the buffer. */
export function takeRecord(buf: Buffer, at: number, whole: number): StoredRecord {
  return {
    seq: recordSeq(buf, at),
    time: recordTime(buf, at),
    bytes: Buffer.from(buf.subarray(at + RECORD_HEADER, at + whole)),
  };
}
