import { SaltError } from '../../bus/errors.ts';
import { consoleSink, LEVELS, type Level, Log, quietLog } from '../../bus/log.ts';
import type { Wire, WireMap } from '../../bus/values.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { loadConfig } from '../../sls/config.ts';
import type { ControlledClient } from '../client.ts';
import type { KeyChanges } from '../key-commands.ts';
import type { KeyStore } from '../keys.ts';
import { becomeUser } from '../privileges.ts';
import { runSaltKey } from '../salt-key.ts';

async function main(): Promise<number> {
  const print = (text: string): void => void process.stdout.write(text);
  const complain = (text: string): void => void process.stderr.write(text);
  const line = parseCommandLine('salt-key', process.argv.slice(2));
  const early = new Log('salt.key', consoleSink());
  const opts = mergeCommandLine(
    loadConfig('master', { configDir: configDir(line, complain), program: 'salt-key', log: early, strict: false }),
    line,
  );
  if (opts.str('output_file')) (await import('../../sls/output/print.ts')).startOutputFile(opts);
  becomeUser(opts.str('user', 'root'));
  let client: ControlledClient | undefined;
  // Listing needs no master: nothing of its client is loaded before an order is given.
  const order = async (name: string, data: WireMap): Promise<Wire> => {
    client ??= (await import('../client.ts')).openLocalClient(opts);
    return client.order(name, data);
  };
  const open = async (): Promise<{ keys: KeyStore; changes: KeyChanges }> => {
    const [{ openKeys }, { keyChanges }] = await Promise.all([import('../keys.ts'), import('../key-commands.ts')]);
    const keys = openKeys(opts);
    return { keys, changes: keyChanges(keys, order) };
  };
  const ask = async (prompt: string, secret: boolean): Promise<string> => {
    process.once('SIGINT', () => {
      complain('\nExiting on CTRL-c\n');
      process.exit(1);
    });
    return (await import('../login.ts')).askTerminal(prompt, secret);
  };
  try {
    return await runSaltKey({ line, opts, open, print, complain, log: logOf(opts.str('log_level')), ask });
  } finally {
    await client?.close();
  }
}

function logOf(level: string): Log {
  return level === 'quiet' ? quietLog : new Log('salt.key', consoleSink(), LEVELS[level as Level] ?? LEVELS.warning);
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
