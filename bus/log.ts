import { appendFileSync } from 'node:fs';

/** Salt's levels; `quiet` prints nothing. */
export const LEVELS = {
  all: 0,
  garbage: 1,
  trace: 5,
  debug: 10,
  profile: 15,
  info: 20,
  warning: 30,
  error: 40,
  critical: 50,
  quiet: 1000,
} as const;
/** A name of {@link LEVELS}. */
export type Level = keyof typeof LEVELS;
/** Where finished lines go; called once a record. */
export type LogSink = (record: { level: Level; name: string; message: string; time: Date }) => void;

/**
 * A logger handed from caller to callee (there is no global one). Messages are finished text; never pass secrets. Nothing is
 * formatted or called below the level.
 */
export class Log {
  constructor(
    readonly name: string,
    private readonly sink: LogSink,
    private readonly least: number = LEVELS.warning,
  ) {}
  /** A logger of another name into the same sink. */
  child(name: string): Log {
    return new Log(name, this.sink, this.least);
  }
  enabled(level: Level): boolean {
    return LEVELS[level] >= this.least;
  }
  private at(level: Level, message: string): void {
    if (LEVELS[level] >= this.least) this.sink({ level, name: this.name, message, time: new Date() });
  }
  critical(message: string): void {
    this.at('critical', message);
  }
  error(message: string): void {
    this.at('error', message);
  }
  warning(message: string): void {
    this.at('warning', message);
  }
  info(message: string): void {
    this.at('info', message);
  }
  debug(message: string): void {
    this.at('debug', message);
  }
  trace(message: string): void {
    this.at('trace', message);
  }
}

const pad = (n: number, w = 2): string => String(n).padStart(w, '0');

/** Writes to stderr as the reference's console does: `[WARNING ] text`. */
export function consoleSink(write: (line: string) => void = (l) => void process.stderr.write(l)): LogSink {
  return (r) => write(`[${r.level.toUpperCase().padEnd(8)}] ${r.message}\n`);
}

/** Appends to a log file as the reference does: `2030-01-01 10:00:00,123 [name:0 ][LEVEL   ][pid] text`. */
export function fileSink(path: string): LogSink {
  return (r) => {
    const t = r.time;
    const stamp = `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())} ${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())},${pad(t.getMilliseconds(), 3)}`;
    appendFileSync(
      path,
      `${stamp} [${r.name.padEnd(17)}][${r.level.toUpperCase().padEnd(8)}][${process.pid}] ${r.message}\n`,
      { mode: 0o640 },
    );
  };
}

/** A logger that keeps silent. */
export const quietLog = new Log('quiet', () => undefined, LEVELS.quiet);
