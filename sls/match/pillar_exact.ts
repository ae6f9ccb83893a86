import type { Matcher } from './contract.ts';
import { matchesPath } from './subdict.ts';

/** A value of the pillar at a path (`key:sub:…`) matches this very text, case aside. Without a delimiter nothing matches. */
export const pillarExact: Matcher = (tgt, subject, ctx) =>
  typeof tgt === 'string' && subject.pillar !== undefined && matchesPath(subject.pillar, tgt, ctx.delimiter, 'exact');
