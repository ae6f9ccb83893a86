import type { Opts } from '../../../bus/opts.ts';
import { mkFloat, type Py, type PyDict, roundFloat, str } from '../../values.ts';
import type { Colors } from './colors.ts';

/** What one minion's states came to. */
export interface Tally {
  /** States by result: true, false, None or whatever else a state claimed; `warnings` counts those with warnings. */
  counts: PyDict<number>;
  changed: number;
  /** Run times in milliseconds; parallel states count with their longest. */
  durations: number[];
  parallel: number[];
}

const WARNINGS = 'warnings';
const LABEL_WIDTH = 'Succeeded'.length;

/** The block of totals under a minion's states. */
export function summaryLines(
  host: string,
  { counts, changed, durations, parallel }: Tally,
  c: Colors,
  opts: Opts,
): string[] {
  const count = (key: Py): number => counts.get(key) ?? 0;
  const width = LABEL_WIDTH + Math.max(0, ...[...counts.values()].map((n) => String(n).length)) + 2;
  const row = (label: string, n: Py): string => `${label}: ${str(n).padStart(width - label.length - 2)}`;
  const paint = (color: string, text: string): string => `${color}${text}${c.ENDC}`;
  const rule = '-'.repeat(width);
  const good = count(true) + count(null);
  const bad = count(false);
  const warned = count(WARNINGS);
  const total = [...counts.values()].reduce((a, b) => a + b, 0) - warned;
  const failColor = bad ? c.RED : c.CYAN;

  const notes: string[] = [];
  if (count(null)) notes.push(paint(c.LIGHT_YELLOW, `unchanged=${count(null)}`));
  if (changed) notes.push(paint(c.GREEN, `changed=${changed}`));
  const lines = [
    paint(c.CYAN, `\nSummary for ${host}\n${rule}`),
    paint(c.GREEN, row('Succeeded', good)) + (notes.length ? ` (${notes.join(', ')})` : ''),
    paint(failColor, row('Failed', bad)),
  ];
  if (opts.flag('state_output_pct') && total) {
    const percent = (n: number): Py => mkFloat(roundFloat((n / total) * 100, 2));
    lines.push(paint(c.GREEN, row('Success %', percent(good))), paint(failColor, row('Failure %', percent(bad))));
  }
  if (warned) lines.push(paint(c.LIGHT_RED, row('Warnings', warned)));
  lines.push(paint(c.CYAN, `${rule}\nTotal states run: ${String(total).padStart(width - 7)}`));
  if (opts.flag('state_output_profile')) {
    let time = durations.reduce((a, b) => a + b, 0) + (parallel.length ? Math.max(...parallel) : 0);
    let unit = 'ms';
    if (time > 999) {
      time /= 1000;
      unit = 's';
    }
    lines.push(
      paint(
        c.CYAN,
        `Total run time: ${roundFloat(time, 3)
          .toFixed(3)
          .padStart(width - 5)} ${unit}`,
      ),
    );
  }
  return lines;
}
