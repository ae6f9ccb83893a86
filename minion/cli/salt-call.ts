// The command line of salt-call: read, run one function, print, exit.
import { appendFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict, toPy } from '../../bus/values.ts';
import {
  type CommandLine,
  CommandLineExit,
  configDir,
  helpText,
  mergeCommandLine,
  parseCommandLine,
  usageError,
} from '../../sls/cli-options.ts';
import { display } from '../../sls/output/output.ts';
import { callLocally, isMasterless, localCalls } from '../call-local.ts';
import { openLog } from '../open-log.ts';
import { readConfig } from '../read-config.ts';
import { type CallOutcome, shownReturn } from '../run-call.ts';

function print(data: Py, out: string, opts: Opts, log: Log, retcode: number): void {
  const text = display(data, out, opts, { retcode, log });
  const file = opts.str('output_file');
  if (file) (opts.flag('output_file_append') ? appendFileSync : writeFileSync)(file, `${text}\n`);
  else if (text) process.stdout.write(`${text}\n`);
}

/** What the words mean, or the end of the program. */
function checked(line: CommandLine): { fun: string; words: string[] } {
  const asked = (name: string): boolean => line.options.get(name) === true;
  const [fun = '', ...words] = line.args;
  if (!fun && !asked('grains_run') && !asked('doc'))
    throw usageError(
      'salt-call',
      'Requires function, --grains or --doc',
      helpText('salt-call', process.stdout.columns),
    );
  if (fun && asked('grains_run')) throw usageError('salt-call', '-g/--grains does not accept any arguments');
  if (asked('doc') && words.length)
    throw usageError('salt-call', 'You can only get documentation for one method at one time');
  return { fun, words };
}

const roots = (given: Py | undefined): string[] =>
  (Array.isArray(given) ? given : given ? [given] : []).map((r) => resolve(String(r)));

/** The configuration under this command line. */
function optionsOf(line: CommandLine, fun: string, words: readonly string[]): Opts {
  const dir = configDir(line, (text) => void process.stderr.write(text));
  const opts = mergeCommandLine(readConfig('call', dir, 'salt-call'), line);
  const local = opts.flag('local');
  opts.set('caller', true);
  opts.set('__cli', 'salt-call');
  opts.set('fun', fun);
  opts.set('arg', [...words]);
  const ignored: string[] = [];
  for (const [option, key] of [
    ['file_root', 'file_roots'],
    ['pillar_root', 'pillar_roots'],
    ['states_dir', 'states_dirs'],
  ] as const) {
    const given = roots(line.options.get(option));
    if (!given.length) continue;
    opts.set(key, option === 'states_dir' ? given : new PyDict<Py>([['base', given]]));
    if (!local) ignored.push(`--${option.replace('_', '-')}`);
  }
  if (ignored.length)
    process.stderr.write(
      `Warning: ${ignored.join(', ')} ${ignored.length === 1 ? 'is' : 'are'} ignored because --local was not specified; the remote file client retrieves these from the master. Re-run with --local to use the local override.\n`,
    );
  if (local) opts.set('file_client', 'local');
  return opts;
}

/** Prints an outcome and answers the exit code. */
function show(outcome: CallOutcome, opts: Opts, log: Log): number {
  if (outcome.kind === 'error') {
    if (outcome.log) log.error(outcome.log);
    process.stderr.write(outcome.stderr);
    process.stdout.write(outcome.stdout);
    return outcome.exit;
  }
  const { ret } = outcome;
  const retcode = typeof ret['retcode'] === 'number' ? ret['retcode'] : ret['retcode'] ? 1 : 0;
  const { data, out } = shownReturn(ret, opts.flag('print_metadata'));
  print(new PyDict<Py>([['local', toPy(data)]]), out, opts, log, retcode);
  if (opts.flag('retcode_passthrough')) return retcode;
  return retcode !== 0 || ret['retcode'] === undefined ? 1 : 0;
}

async function main(argv: readonly string[]): Promise<number> {
  const line = parseCommandLine('salt-call', argv);
  const { fun, words } = checked(line);
  const opts = optionsOf(line, fun, words);
  const log = openLog(opts, 'salt.call');
  if (opts.flag('doc')) {
    const calls = localCalls(opts, log);
    for (const name of calls.names()) {
      const doc = calls.doc(name);
      if (doc && name.startsWith(fun)) process.stdout.write(`${name}:\n${doc}\n\n`);
    }
    return 0;
  }
  if (opts.flag('grains_run')) {
    print(new PyDict<Py>([['local', localCalls(opts, log).ctx.grains]]), 'grains', opts, log, 0);
    return 0;
  }
  if (isMasterless(opts)) return show(await callLocally(fun, words, opts, log), opts, log);
  const { callWithMaster } = await import('../call-with-master.ts');
  const { zmqSockets } = await import('../sockets.ts');
  return show(await callWithMaster(fun, words, opts, log, zmqSockets(opts)), opts, log);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (e: unknown) => {
    if (e instanceof CommandLineExit) {
      process.stdout.write(e.stdout);
      process.stderr.write(e.stderr);
      process.exit(e.exitCode);
    }
    if (e instanceof SaltError) process.stderr.write(`${e.message}\n`);
    else process.stderr.write(`${e instanceof Error ? e.stack : String(e)}\n`);
    process.exit(e instanceof SaltError ? e.exitCode : 1);
  },
);
