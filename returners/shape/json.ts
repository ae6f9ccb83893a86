/** Returns as JSON text, written so that Python's reader and this one both give the same data back. */
import { isPlainKey, PyDict, PyFloat, PySet, PyTuple, toWire, type Wire, type WireMap } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';

/** Bytes that are no UTF-8 become the code points U+DC80 to U+DCFF, as Python's `surrogateescape` has it. */
function bytesText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8: each byte beyond ASCII for itself, so that reading can put them back together.
    let text = '';
    for (const b of bytes) text += String.fromCharCode(b < 0x80 ? b : 0xdc00 + b);
    return text;
  }
}

const ESCAPED = /[\udc80-\udcff]/;
const PAIRED = /[\ud800-\udbff][\udc00-\udfff]/g;

/** Text with lone U+DC80 to U+DCFF back to the bytes it stands for; other text as it is. */
function textOrBytes(text: string): string | Uint8Array {
  if (!ESCAPED.test(text) || !ESCAPED.test(text.replace(PAIRED, ''))) return text;
  const parts: Buffer[] = [];
  for (const c of text) {
    const code = c.codePointAt(0) as number;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(c));
  }
  return new Uint8Array(Buffer.concat(parts));
}

function float(v: number): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? 'Infinity' : '-Infinity';
  const text = String(v);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function keyText(k: unknown): string {
  if (typeof k === 'string') return k;
  if (k instanceof Uint8Array) return bytesText(k);
  if (k instanceof PyFloat) return float(k.v);
  if (typeof k === 'object' && k !== null) return toJson(k as Wire);
  return String(k);
}

/** Writes a value as Python's `json.dumps(…, ensure_ascii=False)` spaces it. What JSON has no form for: bytes become text, sets lists, keys text. */
export function toJson(v: Wire | undefined): string {
  switch (typeof v) {
    case 'string':
      return JSON.stringify(v);
    case 'boolean':
      return v ? 'true' : 'false';
    case 'bigint':
      return v.toString();
    case 'number':
      return Number.isInteger(v) ? BigInt(v).toString() : float(v);
  }
  if (v === null || v === undefined) return 'null';
  if (v instanceof PyFloat) return float(v.v);
  if (v instanceof Uint8Array) return JSON.stringify(bytesText(v));
  if (Array.isArray(v) || v instanceof PySet) return `[${[...v].map((x) => toJson(x as Wire)).join(', ')}]`;
  const entries = v instanceof PyDict ? [...v] : Object.entries(v);
  return `{${entries.map(([k, x]) => `${JSON.stringify(keyText(k))}: ${toJson(x as Wire)}`).join(', ')}}`;
}

/** The same JSON in ASCII alone, for a store whose character set is too small for the text. */
export function asciiJson(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function restore(v: Wire): Wire {
  if (typeof v === 'string') return textOrBytes(v);
  if (typeof v !== 'object' || v === null) return v;
  if (Array.isArray(v)) return v instanceof PyTuple ? v : v.map(restore);
  if (v instanceof PyDict) {
    const d = new PyDict<Wire>();
    for (const [k, x] of v) d.set(k, restore(x as Wire));
    return d;
  }
  if (Object.getPrototypeOf(v) !== Object.prototype) return v;
  const o: WireMap = {};
  for (const [k, x] of Object.entries(v)) o[k] = restore(x as Wire);
  return o;
}

/** What JavaScript's own reader would lose: floats that are whole, large numbers, NaN, keys it reorders, escaped bytes. */
const DELICATE =
  /\d\.0|\d[eE]|(?<!["\d])-?\d{16}|NaN|Infinity|"\d{1,10}"\s*:|__proto__|\\u[dD][cC][89a-fA-F]|[\udc80-\udcff]/;

/** Reads JSON that Salt or this program wrote. Throws SaltError ValueError for text that is none. */
export function fromJson(text: string): Wire {
  if (!DELICATE.test(text))
    try {
      return JSON.parse(text) as Wire;
    } catch {
      // The careful reader below says what is wrong, in Python's words.
    }
  return restore(toWire(parseJson(text)));
}

/** Reads JSON that should hold a map; anything else, damaged text too, counts as an empty one. */
export function mapFromJson(text: string): WireMap {
  let v: Wire;
  try {
    v = fromJson(text);
  } catch {
    // One damaged row must not hide the others.
    return {};
  }
  if (v instanceof PyDict) {
    const o: WireMap = {};
    for (const [k, x] of v) if (isPlainKey(k)) o[k] = x as Wire;
    return o;
  }
  return typeof v === 'object' && v !== null && Object.getPrototypeOf(v) === Object.prototype ? (v as WireMap) : {};
}
