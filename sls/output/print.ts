import { appendFileSync, existsSync, truncateSync } from 'node:fs';
import type { Opts } from '../../bus/opts.ts';
import type { Py } from '../../bus/values.ts';
import { type DisplayOptions, display } from './output.ts';

/** Where printed text goes: whole lines with their line ends. */
export type Print = (text: string) => void;

/**
 * Shows data as {@link display} says, on standard output or, with option `output_file`, at the end of that file. Nothing is printed
 * for data that shows as nothing.
 */
export function printData(
  data: Py,
  outputter: string | null | undefined,
  opts: Opts,
  print: Print,
  options: DisplayOptions = {},
): void {
  const text = display(data, outputter, opts, options);
  const file = opts.str('output_file');
  if (!text) return;
  if (file) appendFileSync(file, `${text}\n`);
  else print(`${text}\n`);
}

/** Empties the file of `output_file` before a program writes to it, unless `output_file_append` is on. Keeps its permissions. */
export function startOutputFile(opts: Opts): void {
  const file = opts.str('output_file');
  if (file && !opts.flag('output_file_append') && existsSync(file)) truncateSync(file);
}
