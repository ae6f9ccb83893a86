/** Programs run on an operator's behalf by other modules: through `cmd`, so that logs, users and return codes are as for any command. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { str } from '../../sls/values.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import { which } from './which.ts';

/** The answer of `cmd.run_all`. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs words without a shell; `options` are those of `cmd.run_all`. */
export function runWords(ctx: ModuleCtx, words: readonly Py[], options: { readonly [name: string]: Py } = {}): Ran {
  const r = ctx.salt.call('cmd.run_all', [[...words]], { python_shell: false, ...options });
  if (!(r instanceof PyDict)) throw new SaltError('CommandExecutionError', `cmd.run_all answered ${str(r)}`);
  return {
    code: Number(r.get('retcode') ?? 0),
    stdout: str(r.get('stdout') ?? ''),
    stderr: str(r.get('stderr') ?? ''),
  };
}

/** Output of words run without a shell, standard error included. */
export function runText(ctx: ModuleCtx, words: readonly Py[], options: { readonly [name: string]: Py } = {}): string {
  return str(ctx.salt.call('cmd.run', [[...words]], { python_shell: false, ...options }));
}

/** Path of a program a module can't do without; throws CommandExecutionError. */
export function mustFind(program: string): string {
  const path = which(program);
  if (!path) throw new SaltError('CommandExecutionError', `Command '${program}' cannot be found`);
  return path;
}
