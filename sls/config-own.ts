import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { repr } from './values.ts';

const SIZE: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const TIME: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const SYNC = ['group', 'always', 'interval'];

function refuse(option: string, value: Py, wanted: string): never {
  throw new SaltError('SaltConfigurationError', `Config option '${option}' is ${repr(value)}; ${wanted}.`, { exit: 1 });
}

/** A number, or text of a number and a unit (`512MB`, `7d`), in the unit's base. */
function amount(option: string, v: Py, units: Readonly<Record<string, number>>, wanted: string): number {
  if (typeof v === 'number' && v >= 0) return Math.floor(v);
  const m = typeof v === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*([a-z]?)(?:i?b)?\s*$/i.exec(v) : null;
  const unit = m ? units[(m[2] as string).toLowerCase()] : undefined;
  return m && unit !== undefined ? Math.floor(Number(m[1]) * unit) : refuse(option, v, wanted);
}

/**
 * Brings our own options into one form. `event_log` becomes a dict of `size` (bytes), `age` (seconds), `sync` and `interval` (ms),
 * or null for `none`; `job_queue` a dict of `adapter` and, for bullmq, `redis`. Throws SaltError SaltConfigurationError that says
 * what is accepted.
 */
export function ownOptions(opts: PyDict, log: Log): void {
  opts.set('event_log', eventLog(opts.get('event_log') ?? null, log));
  opts.set('job_queue', jobQueue(opts.get('job_queue') ?? null));
}

function eventLog(v: Py, log: Log): Py {
  if (v === 'none' || v === false) return null;
  const given =
    v instanceof PyDict
      ? v
      : v === null || v === true
        ? new PyDict()
        : refuse('event_log', v, "give a dict of size, age, sync and interval, or 'none'");
  for (const key of given.keys())
    if (!['size', 'age', 'sync', 'interval'].includes(String(key)))
      log.warning(
        `Config option 'event_log' has no part '${String(key)}'; its parts are size, age, sync and interval.`,
      );
  const sync = given.get('sync') ?? 'group';
  if (typeof sync !== 'string' || !SYNC.includes(sync)) refuse('event_log:sync', sync, `use one of ${SYNC.join(', ')}`);
  return new PyDict<Py>([
    ['size', amount('event_log:size', given.get('size') ?? 2 ** 30, SIZE, 'give bytes, or a text such as 512MB')],
    ['age', amount('event_log:age', given.get('age') ?? 604_800, TIME, 'give seconds, or a text such as 7d')],
    ['sync', sync],
    ['interval', amount('event_log:interval', given.get('interval') ?? 1000, { '': 1 }, 'give milliseconds')],
  ]);
}

function jobQueue(v: Py): PyDict {
  const given =
    v instanceof PyDict
      ? v
      : v === null
        ? new PyDict()
        : typeof v === 'string'
          ? new PyDict<Py>([['adapter', v]])
          : new PyDict<Py>([['adapter', v]]);
  const adapter = given.get('adapter') ?? (given.has('redis') ? 'bullmq' : 'embedded');
  if (adapter !== 'embedded' && adapter !== 'bullmq') refuse('job_queue', adapter, "use 'embedded' or 'bullmq'");
  const out = new PyDict<Py>(given);
  out.set('adapter', adapter);
  if (adapter === 'bullmq' && !out.has('redis')) out.set('redis', 'redis://127.0.0.1:6379');
  return out;
}
