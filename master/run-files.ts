import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import { isJid } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { isWireMap, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';

/** A run that goes on for so many ms is worth a note. */
const LONG_MS = 50;

/**
 * Notes that this process runs a runner or wheel function, in `cachedir/proc/<jid>`, for `jobs.master`. Answers what takes the note
 * away again. A folder that cannot be written is told to the log: the run goes on without a note.
 */
export function noteRun(opts: Opts, log: Log, jid: string, facts: WireMap): () => void {
  const dir = join(opts.str('cachedir'), 'proc');
  const path = join(dir, jid);
  if (!isJid(jid)) return () => undefined;
  try {
    const note = encodeBus({ ...facts, pid: process.pid });
    try {
      writeFileSync(path, note, { mode: 0o600 });
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
      mkdirSync(dir, { recursive: true, mode: 0o755 });
      writeFileSync(path, note, { mode: 0o600 });
    }
  } catch (e) {
    log.debug(`The run ${jid} was not noted: ${messageOf(e)}`);
    return () => undefined;
  }
  return () => rmSync(path, { force: true });
}

/** The same for a run that will be over at once, by all that is known: noted only if it is not. */
export function noteLongRun(opts: Opts, log: Log, jid: string, facts: WireMap): () => void {
  let forget: (() => void) | undefined;
  const timer = setTimeout(() => {
    forget = noteRun(opts, log, jid, facts);
  }, LONG_MS);
  return () => {
    clearTimeout(timer);
    forget?.();
  };
}

/** The runs that are noted and whose process lives; notes of dead ones are taken away. */
export function notedRuns(opts: Opts): WireMap[] {
  const dir = join(opts.str('cachedir'), 'proc');
  const runs: WireMap[] = [];
  for (const name of entries(dir).filter(isJid).sort()) {
    const path = join(dir, name);
    const run = readNote(path);
    if (run && typeof run['pid'] === 'number' && lives(run['pid'])) runs.push(run);
    else rmSync(path, { force: true });
  }
  return runs;
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

function readNote(path: string): WireMap | undefined {
  try {
    const run = decodeBus(readFileSync(path));
    return isWireMap(run) ? run : undefined;
  } catch {
    return undefined; // ended while we looked, or half written: as if it were not there
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
}
