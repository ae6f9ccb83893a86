/** The errors that Python raises for data of a wrong shape: operators know their texts from the reference. */
import { SaltError } from '../bus/errors.ts';
import { type Py, typeName } from './values.ts';

/** `'int' object has no attribute 'items'`. */
export function attributeError(v: Py, name: string): SaltError {
  return new SaltError('AttributeError', `'${typeName(v)}' object has no attribute '${name}'`);
}
/** `argument of type 'int' is not iterable`: what `in` says. */
export function notIterable(v: Py): SaltError {
  return new SaltError('TypeError', `argument of type '${typeName(v)}' is not iterable`);
}
/** What `v['key']` says of something that is no dict. */
export function indexError(v: Py): SaltError {
  const type = typeName(v);
  if (type === 'list' || type === 'tuple')
    return new SaltError('TypeError', `${type} indices must be integers or slices, not str`);
  if (type === 'str') return new SaltError('TypeError', "string indices must be integers, not 'str'");
  return new SaltError('TypeError', `'${type}' object is not subscriptable`);
}
/** What `v['key'] = x` says of something that is no dict. */
export function assignmentError(v: Py): SaltError {
  const type = typeName(v);
  if (type === 'list') return indexError(v);
  return new SaltError('TypeError', `'${type}' object does not support item assignment`);
}
