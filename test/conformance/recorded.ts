import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Py, PyDict, PyFloat, PySet } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { repr } from '../../sls/values.ts';

/** One case's outcome; `detail` tells what was got and what was recorded. */
export interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

/** The recorded cases of a file, or of the file of that name in a folder; floats keep their kind. */
export function recordedCases(dirOrFile: string, file: string): PyDict[] {
  const path = statSync(dirOrFile).isDirectory() ? join(dirOrFile, file) : dirOrFile;
  return parseJson(readFileSync(path, 'utf8')) as PyDict[];
}

/** A value as the recordings write it: tagged sets, bytes and odd floats, and `!key repr` for keys that are no text. */
export function asRecorded(v: Py): Py {
  if (v instanceof PyFloat) {
    if (Number.isFinite(v.v)) return v;
    return new PyDict([['!float', Number.isNaN(v.v) ? 'nan' : v.v > 0 ? 'inf' : '-inf']]);
  }
  if (v instanceof Uint8Array) return new PyDict([['!bytes', Buffer.from(v).toString('base64')]]);
  if (v instanceof PySet) return new PyDict([['!set', [...v].map(asRecorded).sort()]]);
  if (Array.isArray(v)) return v.map((x) => asRecorded(x as Py));
  if (v instanceof PyDict) {
    const d = new PyDict();
    for (const [k, x] of v) d.set(typeof k === 'string' ? k : `!key ${repr(k)}`, asRecorded(x));
    return d;
  }
  return v;
}

/** Compares data in Python form with what was recorded: order of keys and kind of number count. */
export function compared(name: string, got: Py, want: Py): Outcome {
  const a = flat(got);
  const b = flat(want);
  if (isDeepStrictEqual(a, b)) return { name, ok: true };
  return { name, ok: false, detail: `got ${JSON.stringify(a)}, recorded ${JSON.stringify(b)}` };
}

/** Plain data in which nothing is lost: dicts as lists of pairs, floats and big integers as marked text. */
function flat(v: Py): unknown {
  if (v instanceof PyFloat) return `float ${Object.is(v.v, -0) ? '-0' : v.v}`;
  if (typeof v === 'bigint') return `int ${v}`;
  if (Array.isArray(v)) return v.map((x) => flat(x as Py));
  if (v instanceof PyDict) return { dict: [...v].map(([k, x]) => [flat(k), flat(x)]) };
  return v;
}
