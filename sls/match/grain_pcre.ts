import type { Matcher } from './contract.ts';
import { matchesPath } from './subdict.ts';

/** A value of the grains at a path (`key:sub:…`) matches a regular expression, case aside. Without a delimiter nothing matches. */
export const grainPcre: Matcher = (tgt, subject, ctx) =>
  typeof tgt === 'string' && subject.grains !== undefined && matchesPath(subject.grains, tgt, ctx.delimiter, 'regex');
