/** Cuts MessagePack values out of a stream of bytes without decoding them. */
import { SaltError } from '../errors.ts';

const broken = (why: string): SaltError => new SaltError('SaltDeserializationError', `Could not deserialize: ${why}`);

/**
 * Cuts a byte stream of back-to-back MessagePack values (the event socket has no length prefix) into the values' bytes, without
 * decoding. `push` throws SaltError SaltDeserializationError at a byte that begins no value or a value over the limit; the stream
 * is then of no more use, as nothing says where the next value begins.
 */
export class MsgpackStream {
  private buf: Buffer = Buffer.alloc(0);
  private start = 0;
  private end = 0;
  /** Where the scan stands, and how many values are still to come until the one begun at `start` is whole. */
  private at = 0;
  private open = 1;
  /** Whether the memory is the stream's own, to be appended to. */
  private owned = false;

  /** @param limit most bytes of one value. */
  constructor(private readonly limit = 64 << 20) {}

  /** Bytes held back for a value that is not whole yet. */
  get pending(): number {
    return this.end - this.start;
  }

  /** Takes the next bytes and answers the values they complete, each as a view that stays valid. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.append(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const out: Uint8Array[] = [];
    while (this.scan()) {
      out.push(this.buf.subarray(this.start, this.at));
      this.start = this.at;
      this.open = 1;
    }
    if (this.pending > this.limit) throw broken(`a value of more than ${this.limit} bytes`);
    return out;
  }

  private append(chunk: Buffer): void {
    const kept = this.pending;
    if (kept === 0) {
      this.buf = chunk;
      this.at = 0;
      this.start = 0;
      this.end = chunk.length;
      this.owned = false;
      return;
    }
    // Views handed out share the old memory, so a rest is always moved to memory of its own before it grows.
    if (this.owned && this.start === 0 && this.end + chunk.length <= this.buf.length) {
      chunk.copy(this.buf, this.end);
    } else {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, (kept + chunk.length) * 2));
      this.buf.copy(grown, 0, this.start, this.end);
      chunk.copy(grown, kept);
      this.buf = grown;
      this.at -= this.start;
      this.start = 0;
      this.end = kept;
      this.owned = true;
    }
    this.end += chunk.length;
  }
  /** Steps on until the open value is whole; false when bytes are missing. */
  private scan(): boolean {
    while (this.open > 0) {
      const have = this.end - this.at;
      if (have < 1) return false;
      const b = this.buf[this.at] as number;
      const head = headLength(b);
      if (have < head) return false;
      const [skip, inner] = this.extent(b, head);
      if (this.at + head + skip - this.start > this.limit || this.open + inner > this.limit)
        throw broken(`a value of more than ${this.limit} bytes`);
      if (have < head + skip) return false;
      this.at += head + skip;
      this.open += inner - 1;
    }
    return true;
  }

  /** Bytes of content after the head, and values inside. */
  private extent(b: number, head: number): [number, number] {
    if (b < 0x80 || b >= 0xe0) return [0, 0];
    if (b < 0x90) return [0, (b & 0x0f) * 2];
    if (b < 0xa0) return [0, b & 0x0f];
    if (b < 0xc0) return [b & 0x1f, 0];
    if (b >= 0xdc) {
      const n = head === 3 ? this.buf.readUInt16BE(this.at + 1) : this.buf.readUInt32BE(this.at + 1);
      return [0, b >= 0xde ? n * 2 : n];
    }
    if ((b >= 0xc4 && b <= 0xc9) || b >= 0xd9) {
      const ext = b >= 0xc7 && b <= 0xc9 ? 1 : 0;
      const width = head - 1 - ext;
      return [this.buf.readUIntBE(this.at + 1, width), 0];
    }
    return [0, 0];
  }
}

/** Bytes of a value's head, fixed content (numbers, fixext) included. */
function headLength(b: number): number {
  if (b < 0xc0 || b >= 0xe0) return 1;
  const n = HEADS[b - 0xc0] as number;
  if (n === 0) throw broken('byte 0xc1 begins no value');
  return n;
}
const HEADS = [1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5];
