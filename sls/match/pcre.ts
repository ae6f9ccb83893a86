import { SaltError } from '../../bus/errors.ts';
import { pyRegex } from '../regex.ts';
import { typeName } from '../values.ts';
import type { Matcher } from './contract.ts';

/** The id begins with a match of a regular expression (Python's `re.match`). Throws SaltError `error` for a bad pattern. */
export const pcre: Matcher = (tgt, subject) => {
  if (typeof tgt !== 'string')
    throw new SaltError('TypeError', `first argument must be string or compiled pattern, not ${typeName(tgt)}`);
  return pyRegex(tgt).matches(subject.id);
};
