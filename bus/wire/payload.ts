/**
 * MessagePack as Salt speaks it, in both dialects. Network (ports 4505 and 4506): text and bytes share the str family, without
 * str8; a reader takes each value that is valid UTF-8 as text. Bus (event sockets, cache files): text is str, bytes are bin.
 */
import { isUtf8 } from 'node:buffer';
import { SaltError } from '../errors.ts';
import { isPlainKey, isWireMap, PyDict, PyFloat, PySet, PyTuple, type Wire, type WireMap } from '../values.ts';

export { MsgpackStream } from './stream.ts';

/** How deep lists and maps may nest, both ways; the reference's packer stops at the same depth. */
export const MAX_DEPTH = 511;
/** How many values one message may hold unless a reader asks for less: a decoded value costs many times its byte on the wire. */
export const MAX_VALUES = 8_000_000;

/** Limits for one decoding. */
export interface DecodeLimits {
  /** Most values (list items, map keys and map values count one each). Default {@link MAX_VALUES}. */
  maxValues?: number;
}

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
const DATETIME = /^(\d{4})(\d\d)(\d\d)T(\d\d:\d\d:\d\d)\.(\d{6})$/;
const EXT_DATETIME = 78;
const EXT_CONSTANT = 79;

/** A growing buffer and the writers of each kind of value. */
class Writer {
  private buf: Buffer;
  private at = 0;

  constructor(
    private readonly bus: boolean,
    scratch: Buffer,
  ) {
    this.buf = scratch;
  }

  /** A copy of what was written. */
  bytes(): Buffer {
    const out = Buffer.allocUnsafe(this.at);
    this.buf.copy(out, 0, 0, this.at);
    return out;
  }
  get scratch(): Buffer {
    return this.buf;
  }

  private need(n: number): void {
    if (this.at + n <= this.buf.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.at + n));
    this.buf.copy(grown, 0, 0, this.at);
    this.buf = grown;
  }

  value(v: unknown, depth: number): void {
    if (typeof v === 'string') this.text(v);
    else if (typeof v === 'number') this.number(v);
    else if (v === null || v === undefined) this.byte(0xc0);
    else if (typeof v === 'boolean') this.byte(v ? 0xc3 : 0xc2);
    else if (typeof v === 'object') this.object(v, depth);
    else if (typeof v === 'bigint') this.big(v);
    else throw new SaltError('TypeError', `can not serialize '${typeof v}' object`);
  }

  private object(v: object, depth: number): void {
    if (depth >= MAX_DEPTH) throw new SaltError('ValueError', 'recursion limit exceeded');
    if (Array.isArray(v)) {
      this.count(v.length, 0x90, 0xdc);
      for (let i = 0; i < v.length; i++) this.value(v[i], depth + 1);
    } else if (isWireMap(v)) this.record(v, depth);
    else if (v instanceof Map) {
      this.count(v.size, 0x80, 0xde);
      for (const [k, x] of v) {
        this.value(k, depth + 1);
        this.value(x, depth + 1);
      }
    } else if (v instanceof PyFloat) this.float(v.v);
    else if (v instanceof Uint8Array) this.raw(v);
    else if (v instanceof PySet || v instanceof Set) {
      this.count(v.size, 0x90, 0xdc);
      for (const x of v) this.value(x, depth + 1);
    } else if (v instanceof Date && !Number.isNaN(v.getTime())) this.datetime(v);
    else throw new SaltError('TypeError', `can not serialize '${v.constructor?.name ?? 'unknown'}' object`);
  }

  /** A plain object; entries whose value is undefined are left out, as JSON does. */
  private record(v: WireMap, depth: number): void {
    const keys = Object.keys(v);
    let n = keys.length;
    for (let i = 0; i < keys.length; i++) if (v[keys[i] as string] === undefined) n--;
    this.count(n, 0x80, 0xde);
    for (let i = 0; i < keys.length; i++) {
      const k = keys[i] as string;
      const x = v[k];
      if (x === undefined) continue;
      this.text(k);
      this.value(x, depth + 1);
    }
  }

  private byte(b: number): void {
    this.need(1);
    this.buf[this.at++] = b;
  }

  private count(n: number, fix: number, wide: number): void {
    this.need(5);
    const b = this.buf;
    if (n < 16) b[this.at++] = fix | n;
    else if (n < 0x10000) {
      b[this.at] = wide;
      b[this.at + 1] = n >> 8;
      b[this.at + 2] = n & 0xff;
      this.at += 3;
    } else {
      b[this.at] = wide + 1;
      b.writeUInt32BE(n, this.at + 1);
      this.at += 5;
    }
  }

  /** Bytes of the head of a text of n bytes. */
  private headSize(n: number): number {
    if (n < 32) return 1;
    if (this.bus && n < 0x100) return 2;
    return n < 0x10000 ? 3 : 5;
  }
  private head(n: number, at: number): void {
    const b = this.buf;
    if (n < 32) b[at] = 0xa0 | n;
    else if (this.bus && n < 0x100) {
      b[at] = 0xd9;
      b[at + 1] = n;
    } else if (n < 0x10000) {
      b[at] = 0xda;
      b[at + 1] = n >> 8;
      b[at + 2] = n & 0xff;
    } else {
      b[at] = 0xdb;
      b.writeUInt32BE(n, at + 1);
    }
  }

  private text(s: string): void {
    const n = s.length;
    this.need(5 + n * 3);
    const b = this.buf;
    if (n < 32) {
      // Most keys and values are short ASCII: cheaper by hand than one call into the engine's encoder.
      let at = this.at + 1;
      let i = 0;
      for (; i < n; i++) {
        const c = s.charCodeAt(i);
        if (c > 0x7f) break;
        b[at++] = c;
      }
      if (i === n) {
        b[this.at] = 0xa0 | n;
        this.at = at;
        return;
      }
    }
    const guess = this.headSize(n);
    const size = b.write(s, this.at + guess, 'utf8');
    const real = this.headSize(size);
    if (real !== guess) b.copyWithin(this.at + real, this.at + guess, this.at + guess + size);
    this.head(size, this.at);
    this.at += real + size;
  }

  private raw(v: Uint8Array): void {
    const n = v.length;
    this.need(5 + n);
    const b = this.buf;
    if (!this.bus) {
      this.head(n, this.at);
      this.at += this.headSize(n);
    } else if (n < 0x100) {
      b[this.at] = 0xc4;
      b[this.at + 1] = n;
      this.at += 2;
    } else if (n < 0x10000) {
      b[this.at] = 0xc5;
      b.writeUInt16BE(n, this.at + 1);
      this.at += 3;
    } else {
      b[this.at] = 0xc6;
      b.writeUInt32BE(n, this.at + 1);
      this.at += 5;
    }
    b.set(v, this.at);
    this.at += n;
  }

  private float(x: number): void {
    this.need(9);
    this.buf[this.at] = 0xcb;
    this.buf.writeDoubleBE(x, this.at + 1);
    this.at += 9;
  }

  private number(x: number): void {
    if (!Number.isSafeInteger(x)) {
      this.float(x);
      return;
    }
    this.need(9);
    const b = this.buf;
    const at = this.at;
    if (x >= 0) {
      if (x < 0x80) {
        b[at] = x;
        this.at = at + 1;
      } else if (x < 0x100) {
        b[at] = 0xcc;
        b[at + 1] = x;
        this.at = at + 2;
      } else if (x < 0x10000) {
        b[at] = 0xcd;
        b.writeUInt16BE(x, at + 1);
        this.at = at + 3;
      } else if (x < 0x100000000) {
        b[at] = 0xce;
        b.writeUInt32BE(x, at + 1);
        this.at = at + 5;
      } else {
        b[at] = 0xcf;
        b.writeUInt32BE(Math.floor(x / 0x100000000), at + 1);
        b.writeUInt32BE(x % 0x100000000, at + 5);
        this.at = at + 9;
      }
    } else if (x >= -32) {
      b[at] = 0x100 + x;
      this.at = at + 1;
    } else if (x >= -0x80) {
      b[at] = 0xd0;
      b.writeInt8(x, at + 1);
      this.at = at + 2;
    } else if (x >= -0x8000) {
      b[at] = 0xd1;
      b.writeInt16BE(x, at + 1);
      this.at = at + 3;
    } else if (x >= -0x80000000) {
      b[at] = 0xd2;
      b.writeInt32BE(x, at + 1);
      this.at = at + 5;
    } else {
      b[at] = 0xd3;
      b.writeBigInt64BE(BigInt(x), at + 1);
      this.at = at + 9;
    }
  }

  /** Integers that no 64 bits hold travel as decimal text, as the reference sends them. */
  private big(x: bigint): void {
    if (x >= BigInt(Number.MIN_SAFE_INTEGER) && x <= BigInt(Number.MAX_SAFE_INTEGER)) this.number(Number(x));
    else if (x > UINT64_MAX || x < INT64_MIN) this.text(x.toString());
    else {
      this.need(9);
      this.buf[this.at] = x > 0n ? 0xcf : 0xd3;
      this.buf.writeBigUInt64BE(BigInt.asUintN(64, x), this.at + 1);
      this.at += 9;
    }
  }

  private datetime(d: Date): void {
    const iso = d.toISOString();
    const text = `${iso.slice(0, 10).replaceAll('-', '')}T${iso.slice(11, 23)}000`;
    this.need(3 + text.length);
    this.buf[this.at] = 0xc7;
    this.buf[this.at + 1] = text.length;
    this.buf[this.at + 2] = EXT_DATETIME;
    this.at += 3 + this.buf.write(text, this.at + 3, 'latin1');
  }
}

const broken = (why: string): SaltError => new SaltError('SaltDeserializationError', `Could not deserialize: ${why}`);

/** Buffer's own slicing methods, which the types leave out: toString checks its arguments anew at each of thousands of calls. */
type SlicingBuffer = Buffer & {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
};

/** Slots of the table of key names met so far; a power of two. */
const NAMES = 1024;
const names: (string | undefined)[] = new Array(NAMES).fill(undefined);

/** A cursor over the bytes of one message. */
class Reader {
  private at = 0;
  private left: number;

  constructor(
    private readonly buf: Buffer,
    private readonly bus: boolean,
    limits: DecodeLimits | undefined,
  ) {
    this.left = limits?.maxValues ?? MAX_VALUES;
  }

  whole(): Wire {
    const v = this.value(0);
    if (this.at !== this.buf.length) throw broken('extra data after the value');
    return v;
  }

  /** Moves over n bytes and answers where they begin. */
  private take(n: number): number {
    const from = this.at;
    if (n > this.buf.length - from) throw broken('the data ends too early');
    this.at = from + n;
    return from;
  }

  private value(depth: number): Wire {
    const b = this.buf[this.take(1)] as number;
    if (b < 0x80) return b;
    if (b < 0x90) return this.map(b & 0x0f, depth);
    if (b < 0xa0) return this.list(b & 0x0f, depth);
    if (b < 0xc0) return this.str(b & 0x1f);
    if (b >= 0xe0) return b - 0x100;
    switch (b) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.bin(this.buf[this.take(1)] as number);
      case 0xc5:
        return this.bin(this.buf.readUInt16BE(this.take(2)));
      case 0xc6:
        return this.bin(this.buf.readUInt32BE(this.take(4)));
      case 0xc7:
        return this.ext(this.buf[this.take(1)] as number, depth);
      case 0xc8:
        return this.ext(this.buf.readUInt16BE(this.take(2)), depth);
      case 0xc9:
        return this.ext(this.buf.readUInt32BE(this.take(4)), depth);
      case 0xca:
        return float(this.buf.readFloatBE(this.take(4)));
      case 0xcb:
        return float(this.buf.readDoubleBE(this.take(8)));
      case 0xcc:
        return this.buf[this.take(1)] as number;
      case 0xcd:
        return this.buf.readUInt16BE(this.take(2));
      case 0xce:
        return this.buf.readUInt32BE(this.take(4));
      case 0xcf:
        return integer(this.buf.readBigUInt64BE(this.take(8)));
      case 0xd0:
        return this.buf.readInt8(this.take(1));
      case 0xd1:
        return this.buf.readInt16BE(this.take(2));
      case 0xd2:
        return this.buf.readInt32BE(this.take(4));
      case 0xd3:
        return integer(this.buf.readBigInt64BE(this.take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.ext(1 << (b - 0xd4), depth);
      case 0xd9:
        return this.str(this.buf[this.take(1)] as number);
      case 0xda:
        return this.str(this.buf.readUInt16BE(this.take(2)));
      case 0xdb:
        return this.str(this.buf.readUInt32BE(this.take(4)));
      case 0xdc:
        return this.list(this.buf.readUInt16BE(this.take(2)), depth);
      case 0xdd:
        return this.list(this.buf.readUInt32BE(this.take(4)), depth);
      case 0xde:
        return this.map(this.buf.readUInt16BE(this.take(2)), depth);
      case 0xdf:
        return this.map(this.buf.readUInt32BE(this.take(4)), depth);
      default:
        throw broken('byte 0xc1 begins no value');
    }
  }

  /** Text where it is valid UTF-8, else the bytes: nothing that is signed or encrypted may be bent into text. */
  private str(n: number): string | Uint8Array {
    const from = this.take(n);
    const b = this.buf;
    if (n <= 48) {
      let i = from;
      while (i < this.at && (b[i] as number) < 0x80) i++;
      if (i === this.at) return (b as SlicingBuffer).latin1Slice(from, i);
    }
    return isUtf8(b.subarray(from, this.at)) ? (b as SlicingBuffer).utf8Slice(from, this.at) : this.view(from);
  }

  /** A map's key. The same few names come again and again: they are found by their bytes instead of being made anew. */
  private key(depth: number): Wire {
    const head = this.buf[this.at] as number;
    const n = head & 0x1f;
    const from = this.at + 1;
    const end = from + n;
    if (head < 0xa0 || head >= 0xc0 || end > this.buf.length) return this.value(depth);
    const b = this.buf;
    let hash = n;
    for (let i = from; i < end; i++) {
      const c = b[i] as number;
      if (c > 0x7f) return this.value(depth);
      hash = (hash * 31 + c) | 0;
    }
    this.at = end;
    const slot = hash & (NAMES - 1);
    const known = names[slot];
    if (known !== undefined && known.length === n) {
      let i = 0;
      while (i < n && known.charCodeAt(i) === b[from + i]) i++;
      if (i === n) return known;
    }
    const made = (b as SlicingBuffer).latin1Slice(from, end);
    names[slot] = made;
    return made;
  }

  private bin(n: number): string | Uint8Array {
    return this.bus ? this.view(this.take(n)) : this.str(n);
  }

  private view(from: number): Uint8Array {
    return new Uint8Array(this.buf.buffer, this.buf.byteOffset + from, this.at - from);
  }

  /** Refuses a count that the rest of the message cannot hold before anything is allocated for it. */
  private enter(values: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw broken('nested too deeply');
    if (values > this.buf.length - this.at) throw broken('the data ends too early');
    this.left -= values;
    if (this.left < 0) throw broken('too many values');
  }

  private list(n: number, depth: number): Wire[] {
    this.enter(n, depth);
    const out: Wire[] = [];
    for (let i = 0; i < n; i++) out.push(this.value(depth + 1));
    return out;
  }

  private map(n: number, depth: number): Wire {
    this.enter(n * 2, depth);
    const out: WireMap = Object.setPrototypeOf({}, null);
    for (let i = 0; i < n; i++) {
      const k = this.key(depth + 1);
      if (!isPlainKey(k)) return this.dict(out, k, n - i, depth);
      out[k] = this.value(depth + 1);
    }
    return out;
  }

  /** Goes on with a map whose next key no plain object can hold. */
  private dict(sofar: WireMap, first: Wire, n: number, depth: number): PyDict<Wire> {
    const out = new PyDict<Wire>(Object.entries(sofar));
    let k = first;
    for (let i = 0; i < n; i++) {
      if (i) k = this.value(depth + 1);
      out.set(hashable(k), this.value(depth + 1));
    }
    return out;
  }

  private ext(n: number, depth: number): Wire {
    const kind = this.buf.readInt8(this.take(1));
    const from = this.take(n);
    const end = this.at;
    if (kind === EXT_DATETIME) {
      const text = this.buf.toString('utf8', from, end);
      const m = DATETIME.exec(text);
      return m ? `${m[1]}-${m[2]}-${m[3]} ${m[4]}${m[5] === '000000' ? '' : `.${m[5]}`}` : text;
    }
    if (kind === EXT_CONSTANT) {
      this.at = from;
      const pair = this.value(depth + 1);
      if (this.at !== end || !Array.isArray(pair) || pair.length !== 2) throw broken('a constant that is no pair');
      return pair[1] as Wire;
    }
    return this.view(from);
  }
}

const float = (x: number): number | PyFloat => (Number.isInteger(x) || !Number.isFinite(x) ? new PyFloat(x) : x);
const integer = (x: bigint): number | bigint => (Number.isSafeInteger(Number(x)) ? Number(x) : x);

/** A map key as Python would hash it: a list becomes a tuple, a map is refused. */
function hashable(k: Wire): Wire {
  if (Array.isArray(k)) return PyTuple.from_(k.map(hashable)) as Wire[];
  if (typeof k === 'object' && k !== null && !(k instanceof Uint8Array) && !(k instanceof PyFloat))
    throw broken('a map as key of a map');
  return k;
}

let spare: Buffer | undefined;

function encode(v: unknown, bus: boolean): Buffer {
  // The spare is taken away while in use, so an encoding started inside another one gets its own.
  const w = new Writer(bus, spare ?? Buffer.allocUnsafeSlow(16384));
  spare = undefined;
  w.value(v, 0);
  const out = w.bytes();
  if (w.scratch.length <= 1 << 20) spare = w.scratch;
  return out;
}

const asBuffer = (b: Uint8Array): Buffer =>
  Buffer.isBuffer(b) ? b : Buffer.from(b.buffer, b.byteOffset, b.byteLength);

/**
 * Packs a value for ports 4505 and 4506. Takes wire form and Python form alike; undefined is nil, and left out as a map's value.
 * Throws SaltError TypeError for what has no wire form, ValueError beyond {@link MAX_DEPTH}.
 */
export function encodeNetwork(v: unknown): Buffer {
  return encode(v, false);
}

/** Packs a value for event sockets, the event log and cache files; else as {@link encodeNetwork}. */
export function encodeBus(v: unknown): Buffer {
  return encode(v, true);
}

/**
 * Unpacks what came from the network: every str and bin, keys too, that is valid UTF-8 becomes text, any other a Uint8Array that
 * shares the input's memory. Maps are null-prototype objects, or PyDict where a key is not plain. Ext 78 (a date and time) gives
 * text as Python prints it, ext 79 (a named constant) its value. Throws SaltError SaltDeserializationError and nothing else.
 */
export function decodeNetwork(bytes: Uint8Array, limits?: DecodeLimits): Wire {
  return new Reader(asBuffer(bytes), false, limits).whole();
}

/** Unpacks the bus dialect: str is text (bytes if it is not valid UTF-8), bin is bytes; else as {@link decodeNetwork}. */
export function decodeBus(bytes: Uint8Array, limits?: DecodeLimits): Wire {
  return new Reader(asBuffer(bytes), true, limits).whole();
}
