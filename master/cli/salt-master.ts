import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { consoleSink, fileSink, LEVELS, type Level, Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { CommandLineExit, configDir, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { loadConfig } from '../../sls/config.ts';
import { startMaster } from '../master.ts';
import { becomeUser, lookupUser } from '../privileges.ts';

function level(text: string): Level {
  return text in LEVELS ? (text as Level) : 'warning';
}

/** A log to console and file, each with its own level. The file is opened lazily and reopened when it cannot be written. */
function openLog(opts: Opts): Log {
  const console_ = level(opts.str('log_level', 'warning'));
  const file = level(opts.str('log_level_logfile', opts.str('log_level', 'warning')));
  const onConsole = consoleSink();
  const path = opts.str('log_file');
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
  const line = parseCommandLine('salt-master', process.argv.slice(2));
  if (line.options.get('daemon') === true) await daemonize();
  const early = new Log('salt.master', consoleSink(), LEVELS.warning);
  const dir = configDir(line, (text) => void process.stderr.write(text));
  const opts = mergeCommandLine(loadConfig('master', { configDir: dir, log: early }), line);
  const log = openLog(opts);
  const pidFile = opts.str('pidfile', '/var/run/salt-master.pid');
  prepare(opts, pidFile, opts.str('log_file'), log);
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
  if (e instanceof CommandLineExit) {
    process.stdout.write(e.stdout);
    process.stderr.write(e.stderr);
    process.exit(e.exitCode);
  }
  // A configuration that cannot be read was told by whoever read it.
  const told = e instanceof SaltError && e.code === 'SaltConfigurationError' && 'file' in e.details;
  if (told) process.exit(e.exitCode);
  if (e instanceof SaltError) process.stderr.write(`[CRITICAL] ${e.message}\n`);
  else process.stderr.write(`[CRITICAL] ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
  process.exit(e instanceof SaltError ? e.exitCode : 1);
});
