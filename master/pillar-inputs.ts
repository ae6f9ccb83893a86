import type { Stats } from 'node:fs';

/** How a file or folder is: any change of it changes this text. */
export function stateText(s: Stats | undefined): string {
  return s ? `${s.size}:${s.mtimeMs}:${s.ctimeMs}:${s.ino}` : 'none';
}
