import { compound } from './compound.ts';
import type { Matcher } from './contract.ts';
import { expandNodegroup } from './expand-nodegroup.ts';

/** The minion is in a nodegroup of the configuration: its words, taken as a compound target. */
export const nodegroup: Matcher = (tgt, subject, ctx) =>
  typeof tgt === 'string' && ctx.nodegroups.has(tgt) && compound(expandNodegroup(tgt, ctx.nodegroups), subject, ctx);
