import { SaltError } from '../bus/errors.ts';
import { consoleSink, Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { CommandLineExit } from '../sls/cli-options.ts';
import { loadConfig } from '../sls/config.ts';

/** The configuration of a command line; a file that cannot be read ends the program (loading has told of it on the console). */
export function readConfig(role: 'minion' | 'call', configDir: string, program: string): Opts {
  try {
    return loadConfig(role, { configDir, log: new Log('salt.config', consoleSink()), program });
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltConfigurationError') throw new CommandLineExit(e.exitCode, '');
    throw e;
  }
}
