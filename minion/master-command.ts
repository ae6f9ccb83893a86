import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import { type Py, toPy, type Wire } from '../bus/values.ts';
import type { ModuleCtx } from './modules/contract.ts';

declare const __brine_dist: string;

/**
 * Runs a command line of the master (`salt`, `salt-run`) on this machine with its answer as data, for the functions that work on a
 * minion beside a master only. Blocks. Throws CommandExecutionError where there is no master's configuration or the command fails.
 */
export function masterCommand(command: 'salt' | 'salt-run', words: readonly string[], ctx: ModuleCtx): Py {
  const dir = dirname(ctx.opts.str('conf_file'));
  const program = join(__brine_dist, 'master', 'cli', `${command}.js`);
  if (!existsSync(join(dir, 'master')) || !existsSync(program))
    throw new SaltError(
      'CommandExecutionError',
      'This command can only be executed on a minion that is located on the master.',
    );
  const done = spawnSync(process.execPath, [program, '-c', dir, '--out', 'json', '-l', 'quiet', ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  const text = done.stdout ?? '';
  try {
    if (text.trim() === '') throw new Error(done.stderr || `exit code ${done.status}`);
    return toPy(JSON.parse(text) as Wire);
  } catch (e) {
    throw new SaltError('CommandExecutionError', `${command} ${words[0] ?? ''} failed: ${(e as Error).message.trim()}`);
  }
}
