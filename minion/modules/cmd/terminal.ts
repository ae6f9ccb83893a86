import { SaltError } from '../../../bus/errors.ts';
import { type Command, type Finished, runToEnd } from '../../process/run.ts';
import { shellQuote } from '../../process/shell-words.ts';
import { which } from '../../process/which.ts';

/**
 * Runs a command on a terminal of its own (`use_vt`), through the system's `script`, since Node has no pseudo terminals. Both
 * streams come as standard output.
 */
export function runInTerminal(c: Command, words: readonly string[], shell: string): Finished {
  const script = which('script');
  if (!script) throw new SaltError('CommandExecutionError', 'use_vt needs the program script, which was not found');
  const line = words.length === 1 ? (words[0] as string) : words.map(shellQuote).join(' ');
  const r = runToEnd({
    ...c,
    file: script,
    argv0: script,
    args: ['-q', '-e', '-f', '-c', line, '/dev/null'],
    env: { ...c.env, SHELL: shell },
    merge: true,
  });
  return { ...r, stdout: Buffer.from(r.stdout.toString('latin1').replaceAll('\r\n', '\n'), 'latin1') };
}
