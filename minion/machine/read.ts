import { readFileSync } from 'node:fs';

/** The text of a file of /proc, /sys or /etc; undefined where it is missing or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // absent on this kind of machine, or not for us: the caller has another way or leaves the fact out
  }
}

/** Lines of a file without their ends; none where it can't be read. */
export function readLines(path: string): string[] {
  const text = readText(path);
  if (!text) return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
