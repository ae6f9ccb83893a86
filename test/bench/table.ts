import { type Figure, type Goal, median } from './case.ts';

/** A figure's values on both sides, a value a round. */
export interface Row {
  readonly name: string;
  readonly figure: Figure;
  readonly ours: number[];
  readonly peer: number[];
}

/** How many times better ours is; undefined without the other side. */
export function ratioOf(row: Row): number | undefined {
  if (!row.ours.length || !row.peer.length) return undefined;
  const [a, b] = [median(row.ours), median(row.peer)];
  return row.figure.better === 'less' ? b / a : a / b;
}

/** Whether a goal is met; undefined where nothing can be said. */
export function meets(row: Row, goal: Goal | undefined): boolean | undefined {
  if (!goal || !row.ours.length) return undefined;
  const value = median(row.ours);
  const ratio = ratioOf(row);
  if (goal.ratio !== undefined && ratio === undefined && goal.bound === undefined) return undefined;
  const far = goal.ratio === undefined || ratio === undefined || ratio >= goal.ratio;
  const near = goal.bound === undefined || (row.figure.better === 'less' ? value <= goal.bound : value >= goal.bound);
  return far && near;
}

function short(n: number): string {
  if (n >= 1000) return Math.round(n).toLocaleString('en-US');
  if (n >= 100) return n.toFixed(0);
  if (n >= 10) return n.toFixed(1);
  return n >= 1 ? n.toFixed(2) : n.toFixed(n >= 0.001 ? 3 : 4);
}

function side(values: readonly number[], unit: string): string {
  if (!values.length) return '-';
  const spread = values.length > 1 ? ` (${short(Math.min(...values))} to ${short(Math.max(...values))})` : '';
  return `${short(median(values))} ${unit}${spread}`;
}

function goal(g: Goal | undefined, better: Figure['better'], unit: string): string {
  if (!g) return '';
  const parts = [];
  if (g.ratio !== undefined) parts.push(`${g.ratio}x`);
  if (g.bound !== undefined) parts.push(`${better === 'less' ? '≤' : '≥'} ${short(g.bound)} ${unit}`);
  return parts.join(', ');
}

function verdict(row: Row): string {
  const least = meets(row, row.figure.least);
  if (meets(row, row.figure.astonish)) return 'astonishes';
  return least === undefined ? '' : least ? 'met' : 'BELOW';
}

/** The rows as text, columns aligned. */
export function tableOf(rows: readonly Row[]): string {
  const head = ['case', 'ours', 'peer', 'ratio', 'at least', 'would astonish', ''];
  const lines = rows.map((r) => {
    const { figure } = r;
    const ratio = ratioOf(r);
    return [
      figure.title,
      side(r.ours, figure.unit),
      side(r.peer, figure.unit),
      ratio === undefined ? '-' : `${ratio.toFixed(ratio < 10 ? 1 : 0)}x`,
      goal(figure.least, figure.better, figure.unit),
      goal(figure.astonish, figure.better, figure.unit),
      verdict(r),
    ];
  });
  const widths = head.map((_h, i) => Math.max(...[head, ...lines].map((l) => [...(l[i] as string)].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((c, i) => c + ' '.repeat((widths[i] as number) - [...c].length))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((w) => '-'.repeat(w))), ...lines.map(line)].join('\n');
}
