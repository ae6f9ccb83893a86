/** An outputter: data in, the exact text printed out (without the final newline that printing adds). */
import type { Opts } from '../../bus/opts.ts';
import type { Py } from '../../bus/values.ts';

export interface OutputCtx {
  /** `color`, `state_output`, `state_verbose`, `output_indent` … as in the configuration. */
  readonly opts: Opts;
}
export interface Outputter {
  output(data: Py, ctx: OutputCtx): string;
}
