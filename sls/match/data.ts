import { SaltError } from '../../bus/errors.ts';
import { fnmatch } from '../fnmatch.ts';
import { PyDict, str, typeName } from '../values.ts';
import type { Matcher } from './contract.ts';

/** A value of the minion's own data store (module `data`) under `key:pattern`. */
export const data: Matcher = (tgt, _subject, ctx) => {
  if (typeof tgt !== 'string')
    throw new SaltError('AttributeError', `'${typeName(tgt)}' object has no attribute 'split'`);
  const [key, pattern] = tgt.split(':');
  if (key === undefined || pattern === undefined) return false;
  if (!ctx.getval) throw new SaltError('KeyError', "'data.getval'");
  const value = ctx.getval(key);
  if (value === null) return false;
  if (Array.isArray(value)) return value.some((m) => fnmatch(str(m).toLowerCase(), pattern.toLowerCase()));
  if (value instanceof PyDict) return value.has(pattern);
  if (typeof value !== 'string')
    throw new SaltError('TypeError', `expected str, bytes or os.PathLike object, not ${typeName(value)}`);
  return fnmatch(value, pattern);
};
