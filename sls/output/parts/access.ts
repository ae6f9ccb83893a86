import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, repr, typeName } from '../../values.ts';

/** `d[key]`; SaltError KeyError or TypeError as Python raises. */
export function item(d: Py, key: string): Py {
  if (!(d instanceof PyDict)) throw new SaltError('TypeError', `'${typeName(d)}' object is not subscriptable`);
  const v = d.get(key);
  if (v === undefined) throw new SaltError('KeyError', repr(key));
  return v;
}

/** `d.items()`; SaltError AttributeError for anything but a dict. */
export function entriesOf(d: Py): [Py, Py][] {
  if (!(d instanceof PyDict)) throw new SaltError('AttributeError', `'${typeName(d)}' object has no attribute 'items'`);
  return [...d];
}
