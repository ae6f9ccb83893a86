/** The `retry` argument of a chunk. */
import type { Log } from '../../bus/log.ts';
import { type Py, PyDict } from '../../bus/values.ts';

/** When and how often a chunk is tried again; interval and splay in seconds. */
export interface Retry {
  until: boolean;
  attempts: number;
  interval: number;
  splay: number;
}

const DEFAULTS: Retry = { until: true, attempts: 2, splay: 0, interval: 30 };

/** Reads a `retry`: `true`, or a map whose odd values count as absent. */
export function checkedRetry(given: Py, log: Log): Retry {
  if (given === false) return { ...DEFAULTS, attempts: 0 };
  if (given === true) return { ...DEFAULTS };
  if (!(given instanceof PyDict)) {
    log.warning(
      'State is set to retry, but retry: True or a valid dict for retry configuration was not found.  Using retry defaults',
    );
    return { ...DEFAULTS };
  }
  const odd = (key: string): void =>
    log.warning(`An invalid value was passed for the retry ${key}, using the default value`);
  const number = (key: 'attempts' | 'interval' | 'splay'): number => {
    const v = given.get(key);
    if (v === undefined) return DEFAULTS[key];
    if (typeof v === 'number' && Number.isInteger(v)) return v;
    if (typeof v === 'boolean') return Number(v);
    odd(key);
    return DEFAULTS[key];
  };
  const until = given.get('until');
  if (until !== undefined && typeof until !== 'boolean') odd('until');
  return {
    until: typeof until === 'boolean' ? until : DEFAULTS.until,
    attempts: number('attempts'),
    interval: number('interval'),
    splay: number('splay'),
  };
}
