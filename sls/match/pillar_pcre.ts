import type { Matcher } from './contract.ts';
import { matchesPath } from './subdict.ts';

/** A value of the pillar at a path (`key:sub:…`) matches a regular expression, case aside. Without a delimiter nothing matches. */
export const pillarPcre: Matcher = (tgt, subject, ctx) =>
  typeof tgt === 'string' && subject.pillar !== undefined && matchesPath(subject.pillar, tgt, ctx.delimiter, 'regex');
