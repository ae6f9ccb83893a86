import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { consoleSink, fileSink, LEVELS, type Level, Log, type LogSink } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';

function levelOf(name: string, otherwise: Level): number {
  const key = name.toLowerCase();
  return LEVELS[Object.hasOwn(LEVELS, key) ? (key as Level) : otherwise];
}

/**
 * The log of a minion or of salt-call as its configuration wants it: `log_level` for the console (stderr), `log_level_logfile` (else
 * the same) for `log_file`. A log file that cannot be opened is told once on the console and then left out.
 */
export function openLog(opts: Opts, name: string, options: { console?: boolean; file?: boolean } = {}): Log {
  const sinks: { sink: LogSink; least: number }[] = [];
  const consoleLevel = levelOf(opts.str('log_level'), 'warning');
  if (options.console ?? true) sinks.push({ sink: consoleSink(), least: consoleLevel });
  const path = opts.str('log_file');
  if ((options.file ?? true) && path.startsWith('/')) {
    const own = opts.str('log_level_logfile');
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      sinks.push({ sink: guarded(fileSink(path)), least: own ? levelOf(own, 'warning') : consoleLevel });
    } catch (e) {
      consoleSink()({
        level: 'warning',
        name,
        message: `Failed to open log file: ${path} (${(e as Error).message})`,
        time: new Date(),
      });
    }
  }
  const least = Math.min(LEVELS.quiet, ...sinks.map((s) => s.least));
  return new Log(
    name,
    (r) => {
      for (const s of sinks) if (LEVELS[r.level] >= s.least) s.sink(r);
    },
    least,
  );
}

/** A full disk or a removed folder must not end what is being logged about: the file is given up after the first failure. */
function guarded(sink: LogSink): LogSink {
  let broken = false;
  return (r) => {
    if (broken) return;
    try {
      sink(r);
    } catch (e) {
      broken = true;
      consoleSink()({ level: 'error', name: r.name, message: `Logging to file failed: ${String(e)}`, time: r.time });
    }
  };
}
