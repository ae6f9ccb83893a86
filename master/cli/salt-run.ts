import { SaltError } from '../../bus/errors.ts';
import { consoleSink, LEVELS, type Level, Log, quietLog } from '../../bus/log.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { loadConfig } from '../../sls/config.ts';
import { startOutputFile } from '../../sls/output/print.ts';
import { becomeUser } from '../privileges.ts';
import { openRun } from '../runner-context.ts';
import { runSaltRun } from '../salt-run.ts';

async function main(): Promise<number> {
  const print = (text: string): void => void process.stdout.write(text);
  const complain = (text: string): void => void process.stderr.write(text);
  const line = parseCommandLine('salt-run', process.argv.slice(2));
  const opts = mergeCommandLine(
    loadConfig('master', {
      configDir: configDir(line, complain),
      program: 'salt-run',
      log: logOf('warning'),
      strict: false,
    }),
    line,
  );
  const log = logOf(opts.str('log_level', 'warning'));
  startOutputFile(opts);
  becomeUser(opts.str('user', 'root'));
  let jid = '';
  process.once('SIGINT', () => {
    complain(`\nExiting gracefully on Ctrl-c\n${jid ? `This job's jid is: ${jid}\n` : ''}`);
    process.exit(1);
  });
  const started = (id: string): void => {
    jid = id;
  };
  return runSaltRun({ line, opts, print, log, started, open: (settings) => openRun(opts, log, settings) });
}

function logOf(level: string): Log {
  return level === 'quiet' ? quietLog : new Log('salt.run', consoleSink(), LEVELS[level as Level] ?? LEVELS.warning);
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
