import type { Matcher } from './contract.ts';
import { matchesPath } from './subdict.ts';

/** A value of the grains at a path (`key:sub:…`) matches a shell pattern, case aside. Without a delimiter nothing matches. */
export const grain: Matcher = (tgt, subject, ctx) =>
  typeof tgt === 'string' && subject.grains !== undefined && matchesPath(subject.grains, tgt, ctx.delimiter, 'glob');
