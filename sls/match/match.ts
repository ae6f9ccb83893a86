import { type Py, PyDict } from '../values.ts';
import { compound } from './compound.ts';
import type { MatchCtx, Matcher, Subject } from './contract.ts';
import { data } from './data.ts';
import { glob } from './glob.ts';
import { grain } from './grain.ts';
import { grainPcre } from './grain_pcre.ts';
import { ipcidr } from './ipcidr.ts';
import { list } from './list.ts';
import { nodegroup } from './nodegroup.ts';
import { pcre } from './pcre.ts';
import { pillar } from './pillar.ts';
import { pillarExact } from './pillar_exact.ts';
import { pillarPcre } from './pillar_pcre.ts';
import { range } from './range.ts';

/** Matchers by the target type of a job (`tgt_type`) and of a top file (`match:`). */
export const MATCHERS: Readonly<Record<string, Matcher>> = {
  glob,
  pcre,
  list,
  grain,
  grain_pcre: grainPcre,
  pillar,
  pillar_pcre: pillarPcre,
  pillar_exact: pillarExact,
  ipcidr,
  nodegroup,
  range,
  data,
  compound,
};

/**
 * Whether a minion is one of a target's. An unknown target type matches nothing. Throws SaltError `error` for a regular expression
 * that is malformed or too slow in `pcre` and `E@` (elsewhere such a pattern matches nothing), as Salt does.
 */
export function match(tgtType: string, tgt: Py, subject: Subject, ctx: Partial<MatchCtx> = {}): boolean {
  const matcher = Object.hasOwn(MATCHERS, tgtType) ? MATCHERS[tgtType] : undefined;
  return (
    matcher?.(tgt, subject, { ...ctx, nodegroups: ctx.nodegroups ?? new PyDict(), delimiter: ctx.delimiter ?? ':' }) ??
    false
  );
}
