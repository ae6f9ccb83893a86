/** One recorded case against our code. */
export interface CaseResult {
  readonly name: string;
  readonly ok: boolean;
  /** What differed, in a few lines. */
  readonly detail?: string;
}
