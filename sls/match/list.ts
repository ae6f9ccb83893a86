import { contains, PyDict } from '../values.ts';
import type { Matcher } from './contract.ts';

/** The id is one of a comma-separated text (blanks count) or of a list. */
export const list: Matcher = (tgt, { id }) => {
  if (typeof tgt === 'string')
    return tgt.includes(`,${id},`) || tgt.startsWith(`${id},`) || tgt.endsWith(`,${id}`) || tgt === id;
  return (Array.isArray(tgt) || tgt instanceof PyDict) && contains(tgt, id);
};
