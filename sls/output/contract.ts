/** An outputter: data in, the exact text printed out (without the final newline that printing adds). */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py } from '../../bus/values.ts';

/** What an outputter is told besides the data. */
export interface OutputCtx {
  /** `color`, `state_output`, `state_verbose`, `output_indent` … as in the configuration. */
  readonly opts: Opts;
  /** Exit code of the return shown; some parts turn red when it is not 0. */
  readonly retcode?: number;
  /** Columns the whole is moved in, for an outputter that shows part of another's text. */
  readonly nestedIndent?: number;
  readonly log?: Log;
}
/** Throws SaltError KeyError, AttributeError or TypeError for data it cannot show: the caller then falls back to `nested`. */
export interface Outputter {
  output(data: Py, ctx: OutputCtx): string;
}
