import { compare, type Py, PyDict, str } from '../values.ts';
import type { Outputter } from './contract.ts';
import { type Colors, colorsFor } from './parts/colors.ts';

/** Minions that did not answer: names, and texts in red; anything else is left out. */
export default {
  output(data, { opts, log }) {
    return show(data, 0, colorsFor(opts.get('color'), opts.get('color_theme'), log));
  },
} satisfies Outputter;

function show(v: Py, indent: number, c: Colors): string {
  const pad = ' '.repeat(indent);
  if (typeof v === 'string')
    return v
      .split('\n')
      .map((line) => `${c.RED}${pad}${line}${c.ENDC}\n`)
      .join('');
  if (!(v instanceof PyDict)) return '';
  return [...v]
    .sort((a, b) => compare(a[0], b[0]))
    .map(([key, value]) => `${c.CYAN}${pad}${str(key)}${c.ENDC}:\n${show(value, indent + 4, c)}`)
    .join('');
}
