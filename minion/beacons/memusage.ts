import { readFileSync } from 'node:fs';
import { mkFloat } from '../../bus/values.ts';
import { str } from '../../sls/values.ts';
import type { Beacon } from './contract.ts';

/** `memusage`: memory in use in percent, while it is at or above the configured one. */
export default {
  validate(items) {
    return items.has('percent') ? undefined : 'Configuration for memusage beacon requires percent.';
  },
  look(items) {
    const text = readFileSync('/proc/meminfo', 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const total = field('MemTotal');
    const used = total - field('MemAvailable');
    const percent = total ? Math.round((used / total) * 1000) / 10 : 0;
    const limit = Number(str(items.get('percent') ?? null).replace('%', ''));
    return percent >= limit ? [{ data: { memusage: mkFloat(percent) } }] : [];
  },
} satisfies Beacon;
