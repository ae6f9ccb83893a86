import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../bus/values.ts';
import { contains, deepCopy } from '../sls/values.ts';

/**
 * Lays one dict over another in place and answers it (Salt's dictupdate.update): dicts that meet are joined, lists that meet are
 * replaced or, with `mergeLists`, lengthened by what is new. Throws TypeError when either is no dict.
 */
export function dictUpdate(dest: Py, upd: Py, mergeLists = false): PyDict {
  if (!(dest instanceof PyDict) || !(upd instanceof PyDict))
    throw new SaltError('TypeError', 'Cannot update using non-dict types in dictupdate.update()');
  for (const [k, v] of upd) {
    const old = dest.get(k);
    if (old instanceof PyDict && v instanceof PyDict) dictUpdate(old, v, mergeLists);
    else if (mergeLists && isList(old) && isList(v)) {
      const merged = deepCopy(old) as Py[];
      for (const x of v) if (!contains(old, x)) merged.push(x);
      dest.set(k, merged);
    } else dest.set(k, v);
  }
  return dest;
}

const isList = (v: Py | undefined): v is Py[] => Array.isArray(v) && !(v instanceof PyTuple);
