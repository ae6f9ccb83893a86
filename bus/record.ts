import { SaltError } from './errors.ts';
import type { BusEvent, Cause, Origin } from './event.ts';
import { bodyOffset, frameShape } from './frame.ts';
import type { StoredRecord } from './store/contract.ts';
import { isWireMap, type WireMap } from './values.ts';
import { decodeBus } from './wire/payload.ts';

/** First byte of a record in the log; another one is a version that this program does not know. */
const VERSION = 1;

/** What is written before an event's frame in the log: who fired it and what led to it. */
export function eventPrefix(origin: Origin, cause: Cause): Buffer {
  const o = Buffer.from(origin);
  const c = Buffer.from(cause ?? '');
  const out = Buffer.allocUnsafe(5 + o.length + c.length);
  out[0] = VERSION;
  out.writeUInt16BE(o.length, 1);
  o.copy(out, 3);
  out.writeUInt16BE(c.length, 3 + o.length);
  c.copy(out, 5 + o.length);
  return out;
}

/** An event whose data is decoded when first asked for. */
export class FramedEvent implements BusEvent {
  private decoded: WireMap | undefined;
  private stampText: string | undefined;

  constructor(
    readonly id: number,
    readonly tag: string,
    readonly frame: Uint8Array,
    readonly origin: Origin,
    readonly cause: Cause,
    private readonly bodyAt: number,
    stamp?: string,
    data?: WireMap,
  ) {
    this.stampText = stamp;
    this.decoded = data;
  }

  /** Throws SaltError SaltDeserializationError when a foreign frame's body cannot be decoded. */
  get data(): WireMap {
    if (!this.decoded) {
      const v = decodeBus(this.frame.subarray(this.bodyAt));
      if (isWireMap(v)) this.decoded = v;
      else if (v instanceof Map) {
        // A map with keys that are no plain text (numbers, bytes): shown under their text.
        this.decoded = Object.fromEntries([...v].map(([k, x]) => [String(k), x])) as WireMap;
      } else throw new SaltError('SaltDeserializationError', `The data of event ${this.id} is no map`);
    }
    return this.decoded;
  }

  get stamp(): string {
    if (this.stampText === undefined) this.stampText = frameShape(this.frame)?.stamp ?? '';
    return this.stampText;
  }
}

/** Reads an event back from its record; throws SaltError SaltDeserializationError for bytes of another make. */
export function eventOf(record: StoredRecord): BusEvent {
  const b = Buffer.from(record.bytes.buffer, record.bytes.byteOffset, record.bytes.byteLength);
  const fail = (): never => {
    throw new SaltError('SaltDeserializationError', `Record ${record.seq} of the event log is no event`);
  };
  if (b.length < 5 || b[0] !== VERSION) return fail();
  const o = b.readUInt16BE(1);
  if (b.length < 5 + o) return fail();
  const c = b.readUInt16BE(3 + o);
  const frame = b.subarray(5 + o + c);
  const bodyAt = bodyOffset(frame);
  if (bodyAt < 0) return fail();
  return new FramedEvent(
    record.seq,
    frame.toString('utf8', 0, bodyAt - 2),
    frame,
    b.toString('utf8', 3, 3 + o) as Origin,
    c ? (b.toString('utf8', 5 + o, 5 + o + c) as Cause) : null,
    bodyAt,
  );
}
