import { readFileSync } from 'node:fs';
import { mkFloat } from '../../bus/values.ts';
import { str } from '../../sls/values.ts';
import type { Beacon } from './contract.ts';

/** `swapusage`: swap in use in percent, while it is at or above the configured one. */
export default {
  validate(items) {
    return items.has('percent') ? undefined : 'Configuration for swapusage beacon requires percent.';
  },
  look(items) {
    const text = readFileSync('/proc/meminfo', 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const total = field('SwapTotal');
    const used = total - field('SwapFree');
    const percent = total ? Math.round((used / total) * 1000) / 10 : 0;
    const limit = Number(str(items.get('percent') ?? null).replace('%', ''));
    return percent >= limit ? [{ data: { swapusage: mkFloat(percent) } }] : [];
  },
} satisfies Beacon;
