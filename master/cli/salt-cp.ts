import { SaltError } from '../../bus/errors.ts';
import { consoleSink, LEVELS, type Level, Log, quietLog } from '../../bus/log.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { loadConfig } from '../../sls/config.ts';
import { startOutputFile } from '../../sls/output/print.ts';
import { openLocalClient } from '../client.ts';
import { runSaltCp } from '../salt-cp.ts';

async function main(): Promise<number> {
  const print = (text: string): void => void process.stdout.write(text);
  const complain = (text: string): void => void process.stderr.write(text);
  const line = parseCommandLine('salt-cp', process.argv.slice(2));
  const log = (level: string): Log =>
    level === 'quiet' ? quietLog : new Log('salt.cp', consoleSink(), LEVELS[level as Level] ?? LEVELS.warning);
  const opts = mergeCommandLine(
    loadConfig('master', {
      configDir: configDir(line, complain),
      program: 'salt-cp',
      log: log('warning'),
      strict: false,
    }),
    line,
  );
  startOutputFile(opts);
  process.once('SIGINT', () => {
    complain('\nExiting gracefully on Ctrl-c\n');
    process.exit(1);
  });
  const client = openLocalClient(opts);
  try {
    return await runSaltCp({ line, opts, client, print, complain });
  } finally {
    await client.close();
  }
}

process.stdout.on('error', () => process.exit(0));
main().then(
  (code) => {
    process.exitCode = code;
  },
  (e: unknown) => {
    if (e instanceof CommandLineExit) {
      process.stdout.write(e.stdout);
      process.stderr.write(e.stderr);
      process.exitCode = e.exitCode;
    } else if (e instanceof SaltError) {
      process.stderr.write(`${e.message}\n`);
      process.exitCode = e.exitCode;
    } else throw e;
  },
);
