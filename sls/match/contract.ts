/** A matcher: one target type. Pure; nothing it is given may be a pattern that runs for ever (regular expressions are linear or limited). */
import type { Py, PyDict } from '../../bus/values.ts';

/** The facts a minion is matched by: on the minion its own, on the master the cached ones (undefined where nothing is cached). */
export interface Subject {
  readonly id: string;
  readonly grains: PyDict | undefined;
  readonly pillar: PyDict | undefined;
}
export interface MatchCtx {
  readonly nodegroups: PyDict;
  /** Separator of nested keys, `:` by default. */
  readonly delimiter: string;
  /** The minion's own data store (`data.getval`), for target type `data`; absent on the master. */
  readonly getval?: (key: string) => Py;
}
/** Whether the subject is one of the target's. */
export type Matcher = (tgt: Py, subject: Subject, ctx: MatchCtx) => boolean;
