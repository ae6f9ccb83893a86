/** Calls of apt and dpkg that change or ask for much. */
import { existsSync } from 'node:fs';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import nested from '../../../sls/output/nested.ts';
import { pause } from '../../process/run.ts';
import { type Ran, runWords } from '../../process/through-cmd.ts';
import { which } from '../../process/which.ts';
import type { ModuleCtx } from '../contract.ts';

/** Keeps dpkg and its helpers from asking questions. */
const QUIET: readonly [string, string][] = [
  ['APT_LISTBUGS_FRONTEND', 'none'],
  ['APT_LISTCHANGES_FRONTEND', 'none'],
  ['DEBIAN_FRONTEND', 'noninteractive'],
  ['UCF_FORCE_CONFFOLD', '1'],
];

/** How many times a held lock is waited for, each time twice as long. */
const LOCK_TRIES = 10;

/** Runs apt or dpkg without questions, in a scope of its own where systemd runs, waiting for another run's lock. */
export function apt(
  words: readonly Py[],
  ctx: ModuleCtx,
  o: { scope?: boolean; options?: { readonly [k: string]: Py } } = {},
): Ran {
  const scoped =
    o.scope !== false &&
    existsSync('/run/systemd/system') &&
    ctx.opts.get('systemd.scope') !== false &&
    which('systemd-run');
  const all: Py[] = scoped ? ['systemd-run', '--scope', '--description', '"pkg"', ...words] : [...words];
  const env = new PyDict<Py>(QUIET);
  const options = { output_loglevel: 'trace', env, ...o.options };
  let r = runWords(ctx, all, options);
  for (let i = 1; i <= LOCK_TRIES && r.stderr.includes('Could not get lock'); i++) {
    ctx.log.warning(`Waiting for dpkg lock release: retrying... ${i}/${LOCK_TRIES}`);
    pause(1000 * 2 ** i);
    r = runWords(ctx, all, options);
  }
  return r;
}

/** An error that carries what was changed before it, in the reference's form. */
export function failure(message: string, info: PyDict, ctx: ModuleCtx): SaltError {
  const text = nested.output(info, { opts: ctx.opts.with({ color: false }) });
  return new SaltError('CommandExecutionError', `${message}. Additional info follows:\n\n${text}`, { info });
}
