import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The repository's own copy of the recorded answers. */
export const GOLDEN = 'test/golden';

/** First character of a file that is no blank. */
function opening(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(64);
    return head.toString('utf8', 0, readSync(fd, head, 0, 64, 0)).trimStart()[0] ?? '';
  } finally {
    closeSync(fd);
  }
}

/**
 * Where a file of cases lies: flat in the folder, or in its `cli` or `sls` subfolder. A capture of the same name is not taken for
 * one: cases are a JSON list.
 */
export function caseFile(dir: string, name: string): string | undefined {
  return ['', 'cli', 'sls']
    .map((sub) => join(dir, sub, `${name}.json`))
    .find((path) => existsSync(path) && opening(path) === '[');
}

/** A file of surroundings that belongs to a file of cases; where the folder of the cases has none, our own copy holds. */
export function besides(cases: string, name: string): string {
  const folder = statSync(cases).isDirectory() ? cases : dirname(cases);
  const found = [join(folder, name), join(GOLDEN, 'cli', name), join(GOLDEN, 'sls', name)].find((p) => existsSync(p));
  if (!found) throw new Error(`${name} is neither beside ${cases} nor in ${GOLDEN}`);
  return found;
}

/** The folder of recorded traffic: with the key pairs that the traffic was made with. */
export function captureFolder(dir: string): string | undefined {
  return [join(dir, 'captures'), dir].find((d) => existsSync(join(d, 'keys.json')));
}

/** The folder of recorded formulas. */
export function formulaFolder(dir: string): string | undefined {
  return [join(dir, 'formulas'), dir].find((d) => existsSync(join(d, 'manifest.json')));
}
