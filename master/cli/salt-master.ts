import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { consoleSink, fileSink, LEVELS, type Level, Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { SALT_CODENAME, SALT_VERSION } from '../../bus/version.ts';
import { loadConfig } from '../../sls/config.ts';
import { startMaster } from '../master.ts';
import { becomeUser, lookupUser } from '../privileges.ts';

const HELP = `Usage: salt-master [options]

The Salt Master, used to control the Salt Minions

Options:
  --version             show program's version number and exit
  -h, --help            show this help message and exit
  -c, --config-dir=DIR  Pass in an alternative configuration directory. Default: '/etc/salt'
  -d, --daemon          Run the salt-master as a daemon
  -u, --user=USER       Specify user to run salt-master
  --pid-file=FILE       Specify the location of the pidfile
  -l, --log-level=LEVEL Console logging log level. Default: 'warning'
  --log-file=FILE       Log file path
  --log-file-level=LEVEL  Logfile logging log level
`;

interface Words {
  config?: string;
  daemon: boolean;
  user?: string;
  pidFile?: string;
  level?: string;
  logFile?: string;
  logFileLevel?: string;
}

const TAKES: Record<string, 'config' | 'user' | 'pidFile' | 'level' | 'logFile' | 'logFileLevel'> = {
  '-c': 'config',
  '--config-dir': 'config',
  '-u': 'user',
  '--user': 'user',
  '--pid-file': 'pidFile',
  '-l': 'level',
  '--log-level': 'level',
  '--log-file': 'logFile',
  '--log-file-level': 'logFileLevel',
};

/** Reads the command line; exits for help, version and mistakes. */
function words(argv: readonly string[]): Words {
  const out: Words = { daemon: false };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '-h' || word === '--help') {
      process.stdout.write(HELP);
      process.exit(0);
    }
    if (word === '--version') {
      process.stdout.write(`salt-master ${SALT_VERSION} (${SALT_CODENAME})\n`);
      process.exit(0);
    }
    if (word === '-d' || word === '--daemon') {
      out.daemon = true;
      continue;
    }
    const long = /^(--[a-z-]+)=(.*)$/s.exec(word);
    const short = /^(-[cul])(.+)$/s.exec(word);
    const name = long?.[1] ?? short?.[1] ?? word;
    const key = TAKES[name];
    const value = long?.[2] ?? short?.[2] ?? (key ? argv[++i] : undefined);
    if (!key || value === undefined) {
      process.stderr.write(
        `Usage: salt-master [options]\n\nsalt-master: error: ${key ? `${name} option requires 1 argument` : `no such option: ${word}`}\n`,
      );
      process.exit(64);
    }
    out[key] = value;
  }
  return out;
}

function level(text: string): Level {
  return text in LEVELS ? (text as Level) : 'warning';
}

/** A log to console and file, each with its own level. The file is opened lazily and reopened when it cannot be written. */
function openLog(opts: Opts, w: Words): Log {
  const console_ = level(w.level ?? opts.str('log_level', 'warning'));
  const file = level(w.logFileLevel ?? opts.str('log_level_logfile', opts.str('log_level', 'warning')));
  const onConsole = consoleSink();
  const path = w.logFile ?? opts.str('log_file');
  let onFile = path ? fileSink(path) : undefined;
  return new Log(
    'salt.master',
    (record) => {
      if (LEVELS[record.level] >= LEVELS[console_]) onConsole(record);
      if (LEVELS[record.level] < LEVELS[file]) return;
      try {
        onFile?.(record);
      } catch (e) {
        onFile = undefined;
        process.stderr.write(`[WARNING ] Cannot write the log file ${path}: ${messageOf(e)}\n`);
      }
    },
    Math.min(LEVELS[console_], LEVELS[file]),
  );
}

/** Starts the same program again in a session of its own; settles when it says that it is ready. */
async function daemonize(): Promise<never> {
  const argv = process.argv.slice(1).filter((a) => a !== '-d' && a !== '--daemon');
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: process.env,
  });
  const ok = await new Promise<boolean>((resolve) => {
    child.once('message', () => resolve(true));
    child.once('exit', () => resolve(false));
    child.once('error', () => resolve(false));
  });
  if (ok) child.disconnect();
  process.exit(ok ? 0 : 1);
}

async function main(): Promise<void> {
  const w = words(process.argv.slice(2));
  if (w.daemon) await daemonize();
  const early = new Log('salt.master', consoleSink(), LEVELS.warning);
  const opts = loadConfig('master', { ...(w.config ? { configDir: w.config } : {}), log: early });
  if (w.user) opts.set('user', w.user);
  if (w.pidFile) opts.set('pidfile', w.pidFile);
  const log = openLog(opts, w);
  const pidFile = opts.str('pidfile', '/var/run/salt-master.pid');
  prepare(opts, pidFile, w.logFile ?? opts.str('log_file'), log);
  becomeUser(opts.str('user', 'root'));
  const master = await startMaster(opts, log);
  try {
    writeFileSync(pidFile, `${process.pid}`, { mode: 0o644 });
  } catch (e) {
    log.warning(`Cannot write the pid file ${pidFile}: ${messageOf(e)}`);
  }
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info(`The Salt Master is shutting down: ${signal}`);
    const late = setTimeout(() => process.exit(1), STOP_MS);
    late.unref();
    await master.stop();
    rmSync(pidFile, { force: true });
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  process.on('SIGHUP', () => log.info('SIGHUP: nothing to reload, key files and file roots are read as they change'));
  log.info(`Salt Master is ready on ${master.ports.publish} and ${master.ports.ret}`);
  if (process.send) {
    process.send('ready');
    process.disconnect();
  }
}

/** Makes the folders that the master's user must own, while we may. */
function prepare(opts: Opts, pidFile: string, logFile: string, log: Log): void {
  const folders = [opts.str('cachedir'), opts.str('sock_dir'), opts.str('pki_dir'), dirname(pidFile), dirname(logFile)];
  for (const dir of folders) {
    if (!dir || dir === '.') continue;
    try {
      const made = mkdirSync(dir, { recursive: true, mode: 0o755 });
      if (made !== undefined && process.getuid?.() === 0) own(dir, opts.str('user', 'root'));
    } catch (e) {
      log.warning(`Cannot make ${dir}: ${messageOf(e)}`);
    }
  }
}

function own(dir: string, user: string): void {
  if (user === 'root') return;
  const id = lookupUser(user);
  if (id) chownSync(dir, id.uid, id.gid);
}

const STOP_MS = 2000;

main().catch((e) => {
  // A configuration that cannot be read was told by whoever read it.
  const told = e instanceof SaltError && e.code === 'SaltConfigurationError' && 'file' in e.details;
  if (told) process.exit(e.exitCode);
  if (e instanceof SaltError) process.stderr.write(`[CRITICAL] ${e.message}\n`);
  else process.stderr.write(`[CRITICAL] ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
  process.exit(e instanceof SaltError ? e.exitCode : 1);
});
