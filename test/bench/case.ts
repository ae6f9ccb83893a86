import type { Side } from './stage.ts';

/** What is wanted of a figure: so many times better than the other side's, or a bound of its own, or both. */
export interface Goal {
  ratio?: number;
  /** In the figure's own unit: at most for `less`, at least for `more`. */
  bound?: number;
}

/** One figure of a case: a row of the table. */
export interface Figure {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  readonly least?: Goal;
  readonly astonish?: Goal;
}

/** Something measured on each side in turn. */
export interface Case {
  /** For `--only`. */
  readonly name: string;
  /** Rounds to run at most, where one takes long. */
  readonly rounds?: number;
  /** One value a figure; a figure that the side does not have is left out. Keys that are no figure's go to the JSON lines only. */
  readonly figures: readonly Figure[];
  measure(side: Side, settings: Settings): Promise<Record<string, number>>;
}

/** What holds for all cases of a run. */
export interface Settings {
  /** Private keys of simulated minions, kept between rounds. */
  readonly keyDir: string;
}

/** The middle of some values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

/** Waits, ms. */
export const pause = (ms: number): Promise<void> => new Promise((then) => setTimeout(then, ms));
