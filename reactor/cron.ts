import { Cron } from 'croner';
import { messageOf, SaltError } from '../bus/errors.ts';

/** A cron line of a schedule: when it is next due. */
export interface CronLine {
  /** The first moment after `from`, in ms since the epoch; undefined where none comes. */
  next(from: number): number | undefined;
}

/**
 * Reads a cron line as Salt's schedule does: five fields, or six with the seconds last (croniter's order); names of days and months, and
 * `@hourly` and its like. `timezone` (ours) is an IANA name, else it is local time; at a change of the clock a time that does not exist
 * is run right after the gap, one that comes twice is run once. Throws SaltError SaltInvocationError naming what is wrong.
 */
export function readCron(line: string, timezone?: string): CronLine {
  const fields = line.trim().split(/\s+/);
  const [seconds, ...rest] = fields.length === 6 ? [fields[5] as string, ...fields.slice(0, 5)] : ['0', ...fields];
  if (fields.length !== 5 && fields.length !== 6 && !line.trim().startsWith('@'))
    throw new SaltError('SaltInvocationError', `a cron line has five or six fields, not ${fields.length}`);
  try {
    const pattern = line.trim().startsWith('@') ? line.trim() : [seconds, ...rest].join(' ');
    const cron = new Cron(pattern, { paused: true, ...(timezone ? { timezone } : {}) });
    cron.nextRun(new Date(0));
    return { next: (from) => cron.nextRun(new Date(from))?.getTime() };
  } catch (e) {
    throw new SaltError('SaltInvocationError', messageOf(e));
  }
}
