import { SaltError } from '../../bus/errors.ts';
import { consoleSink, LEVELS, type Level, Log, quietLog } from '../../bus/log.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { loadConfig } from '../../sls/config.ts';
import { startOutputFile } from '../../sls/output/print.ts';
import { openLocalClient } from '../client.ts';
import { askTerminal } from '../login.ts';
import { runSalt } from '../salt-command.ts';

/** Environment variable that makes a command go on with an asynchronous batch run. */
const BATCH_JID = 'SALT_BATCH_JID';

async function main(): Promise<number> {
  const print = (text: string): void => void process.stdout.write(text);
  const complain = (text: string): void => void process.stderr.write(text);
  const line = parseCommandLine('salt', process.argv.slice(2));
  const opts = mergeCommandLine(
    loadConfig('client', { configDir: configDir(line, complain), program: 'salt', log: consoleLog('warning') }),
    line,
  );
  if (line.options.get('config_dump') === true) {
    const { dumpYaml } = await import('../../sls/yaml.ts');
    print(dumpYaml(loadConfig('master', { configDir: configDir(line, complain) }).data, { flowStyle: false }));
    return 0;
  }
  const log = consoleLog(opts.str('log_level', 'warning'));
  startOutputFile(opts);
  const batchJid = process.env[BATCH_JID];
  if (batchJid) line.options.set('async', false);
  let jid = '';
  process.once('SIGINT', () => {
    complain(interrupted(jid));
    process.exit(1);
  });
  const client = openLocalClient(opts);
  try {
    const started = (id: string): void => {
      jid = id;
    };
    return await runSalt({ line, opts, client, print, complain, log, ask: askTerminal, started, detach, batchJid });
  } finally {
    await client.close();
  }
}

/** Starts this very command again, in the background and without an end of its own. */
async function detach(jid: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const env = { ...process.env, [BATCH_JID]: jid };
  spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: 'ignore', env }).unref();
}

function consoleLog(level: string): Log {
  if (level === 'quiet') return quietLog;
  return new Log('salt', consoleSink(), LEVELS[level as Level] ?? LEVELS.warning);
}

function interrupted(jid: string): string {
  if (!jid) return '\nExiting gracefully on Ctrl-c\n';
  return `\nExiting gracefully on Ctrl-c\nThis job's jid is: ${jid}\nThe minions may not have all finished running and any remaining minions will return upon completion. To look up the return data for this job later, run the following command:\n\nsalt-run jobs.lookup_jid ${jid}\n`;
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
      process.stderr.write(`ERROR: ${e.message}\n`);
      process.exitCode = e.exitCode;
    } else throw e;
  },
);
