/** One recorded case against our code. `better` carries the reason when our answer differs on purpose (see better.json). */
export interface CaseResult {
  readonly name: string;
  readonly ok: boolean;
  /** What differed, in a few lines. */
  readonly detail?: string;
}
