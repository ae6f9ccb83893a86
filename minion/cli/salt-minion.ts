// The daemon's command line: options, user, pid file, signals.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { becomeUser } from '../become-user.ts';
import { Minion } from '../minion.ts';
import { openLog } from '../open-log.ts';
import { readConfig } from '../read-config.ts';
import { zmqSockets } from '../sockets.ts';

/** Goes on without the terminal; the first process ends. */
function background(words: readonly string[]): number {
  const rest = words.filter((w) => w !== '-d' && w !== '--daemon');
  spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...rest], {
    detached: true,
    stdio: 'ignore',
    argv0: 'salt-minion',
  }).unref();
  return 0;
}

async function main(words: readonly string[]): Promise<number> {
  const line = parseCommandLine('salt-minion', words);
  const dir = configDir(line, (text) => void process.stderr.write(text));
  const opts = mergeCommandLine(readConfig('minion', dir, 'salt-minion'), line);
  if (line.options.get('daemon') === true) return background(words);
  becomeUser(opts);
  const log = openLog(opts, 'salt.minion');
  const pidfile = opts.str('pidfile');
  if (pidfile)
    try {
      writeFileSync(pidfile, `${process.pid}\n`, { mode: 0o644 });
    } catch (e) {
      log.warning(`The pid file ${pidfile} cannot be written: ${messageOf(e)}`);
    }
  const minion = new Minion({ opts, log, sockets: zmqSockets(opts) });
  const stop = (signal: string): void => {
    log.warning(`Minion received a ${signal}. Exiting`);
    void minion.stop();
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  try {
    return await minion.run();
  } finally {
    if (pidfile) rmSync(pidfile, { force: true });
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (e: unknown) => {
    if (e instanceof CommandLineExit) {
      process.stdout.write(e.stdout);
      process.stderr.write(e.stderr);
    } else
      process.stderr.write(
        `[CRITICAL] ${e instanceof SaltError ? e.message : e instanceof Error ? e.stack : String(e)}\n`,
      );
    process.exit(e instanceof SaltError || e instanceof CommandLineExit ? e.exitCode : 1);
  },
);
