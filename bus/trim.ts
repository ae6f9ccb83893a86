import { isWireMap, PyDict, PyFloat, type Wire, type WireMap } from './values.ts';
import { encodeBus } from './wire/payload.ts';

/** What stands in place of a value that made an event too big. */
export const VALUE_TRIMMED = 'VALUE_TRIMMED';

/** Python's own size of a value without what it refers to: the reference measures values so. */
function sizeOf(v: Wire): number {
  if (v === null || typeof v === 'boolean') return v === null ? 16 : 28;
  if (typeof v === 'string') {
    let widest = 0;
    for (let i = 0; i < v.length; i++) widest = Math.max(widest, v.charCodeAt(i));
    if (widest < 256) return (widest < 128 ? 49 : 73) + v.length;
    const points = [...v].length;
    return points < v.length ? 76 + 4 * points : 74 + 2 * points;
  }
  if (typeof v === 'number') return Number.isInteger(v) ? 28 : 24;
  if (v instanceof PyFloat) return 24;
  if (v instanceof Uint8Array) return 33 + v.length;
  if (Array.isArray(v)) return 56 + 8 * v.length;
  return 64;
}

function pass(v: Wire, most: number): Wire {
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]) => [k, pass(x as Wire, most)] as const));
  if (isWireMap(v)) {
    const out: WireMap = {};
    for (const k of Object.keys(v)) out[k] = pass(v[k] as Wire, most);
    return out;
  }
  return sizeOf(v) > most ? VALUE_TRIMMED : v;
}

/**
 * Salt's `max_event_size`: while the packed data is larger, values above 50, 40, … 10 percent of the limit are replaced, at any
 * depth of maps; lists count as one value. What is still too large after the last round stays so. Answers the packed data.
 */
export function trimData(data: WireMap | PyDict, packed: Buffer, max: number): Buffer {
  let body = packed;
  let value: Wire = data;
  // 33: the reference measures the packed text as a Python bytes object.
  for (let percent = 50; percent > 0 && body.length + 33 > max; percent -= 10) {
    value = pass(value, (max * percent) / 100);
    body = encodeBus(value);
  }
  return body;
}
