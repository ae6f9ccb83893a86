import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Appends lines to a file in one write, making it and its folder at need; a new file is for its owner and group only. */
export async function appendLines(path: string, lines: readonly string[]): Promise<void> {
  if (!lines.length) return;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a', 0o640);
  try {
    await file.appendFile(`${lines.join('\n')}\n`);
  } finally {
    await file.close();
  }
}
