/** Undefined values hidden in data: Salt's data filters answer one undefined that names them all. */
import { type Py, PyDict, Undefined } from '../../values.ts';

function collect(v: Py, seen: Set<object>, into: Undefined[]): void {
  if (typeof v !== 'object' || v === null || seen.has(v)) return;
  if (v instanceof Undefined) {
    if (v.strict) into.push(v);
    return;
  }
  if (v instanceof PyDict) {
    seen.add(v);
    for (const x of v.values()) collect(x, seen, into);
  } else if (Array.isArray(v)) {
    seen.add(v);
    for (const x of v) collect(x as Py, seen, into);
  }
}

/** One undefined for all strict ones in a value; JS undefined when there is none. */
export function undefinedIn(v: Py): Undefined | undefined {
  if (typeof v !== 'object' || v === null) return undefined;
  const found: Undefined[] = [];
  collect(v, new Set(), found);
  if (!found.length) return undefined;
  return new Undefined('', undefined, true, found.map((u) => u.message).join('\n'));
}
