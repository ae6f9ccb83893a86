/**
 * A state module: one file, named as SLS files name it (or exporting `virtual`). Each function takes its arguments by the signature it
 * declares and answers what it found and did; it never throws for a state it cannot reach, it answers `result: false`. Synchronous, as
 * execution functions are.
 */
import type { PyDict } from '../../bus/values.ts';
import type { Fn } from '../../sls/signature.ts';
import type { CallTable, ModuleCtx } from '../modules/contract.ts';

/** What a state function sees: everything an execution function sees, and the run it is part of. */
export interface StateCtx extends ModuleCtx {
  /** Its own low chunk. */
  readonly low: PyDict;
  /** `test=True` of this chunk: say what would change, change nothing. */
  readonly test: boolean;
  /** `__states__`: other state functions, called with keyword arguments. */
  readonly states: CallTable;
  /** Results of the run so far, by chunk tag. */
  readonly running: PyDict;
  /** The environment of the run, and what `__instance_id__`-like caches hang on. */
  readonly saltenv: string;
  /** Every chunk of the run, in order; none where a chunk is called alone. */
  readonly lowstate: readonly PyDict[];
  /** Names this run, for what states hand to each other by files (`__instance_id__`). */
  readonly instanceId: string;
  /** The returner functions that a state may name, by returner and return; absent where no returner loads. */
  readonly returners?: (name: string) => ((ret: PyDict) => void) | undefined;
}

/**
 * What a state function answers: `name`, `result` (true, false, or null for "would change" under test), `changes` (a map), `comment`
 * (text or list), and optionally `warnings`, `sub_state_run`, `skip_watch`, `reload_modules` …
 */
export type StateReturn = PyDict;

/** One module; a plug-in exports it as default. */
export interface StateModule {
  /** Another name to load as, or why it does not load here. Absent: loads as its file name. */
  virtual?(ctx: ModuleCtx): true | string | { reason: string };
  readonly doc?: string;
  /**
   * Its functions; `mod_init(low)`, `mod_watch(name, **kwargs)` and `mod_aggregate(low, chunks, running)` among them have the meaning
   * that the reference gives them.
   */
  readonly functions: Readonly<Record<string, Fn<StateCtx>>>;
  readonly aliases?: Readonly<Record<string, string>>;
}
