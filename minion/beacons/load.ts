import { loadavg } from 'node:os';
import { mkFloat, PyDict } from '../../bus/values.ts';
import { truth } from '../../sls/values.ts';
import type { Beacon } from './contract.ts';

const SPANS = ['1m', '5m', '15m'];
const WRONG = 'Configuration for load beacon: 1m, 5m and 15m items must be a list of two items.';

/** `load`: the load averages, when one leaves its bounds; with `onchangeonly` only at the moment it does. */
export default {
  validate(items) {
    const averages = items.get('averages');
    if (averages === undefined) return 'Averages configuration is required for load beacon.';
    if (!(averages instanceof PyDict) || !SPANS.some((k) => averages.has(k)))
      return 'Averages configuration for load beacon must contain 1m, 5m or 15m items.';
    const bounds = SPANS.filter((k) => averages.has(k)).map((k) => averages.get(k));
    return bounds.every((b) => Array.isArray(b) && b.length === 2) ? undefined : WRONG;
  },
  look(items, { memory }) {
    const now = loadavg();
    const averages = items.get('averages') as PyDict;
    const changes = truth(items.get('onchangeonly') ?? false);
    const last = memory.get('last') as number[] | undefined;
    memory.set('last', now);
    if (changes && !last && !truth(items.has('emitatstartup') ? (items.get('emitatstartup') ?? null) : true)) return [];
    const before = last ?? now;
    const crossed = SPANS.some((k, i) => {
      const bounds = averages.get(k);
      if (!Array.isArray(bounds)) return false;
      const [low, high] = bounds.map(Number) as [number, number];
      const [value, old] = [now[i] as number, before[i] as number];
      if (!changes) return value < low || value > high;
      return (value > high && old < high) || (value < low && old > low);
    });
    return crossed ? [{ data: Object.fromEntries(SPANS.map((k, i) => [k, mkFloat(now[i] as number)])) }] : [];
  },
} satisfies Beacon;
