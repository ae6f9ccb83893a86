import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, resolve, sep } from 'node:path';

/** The real path of what is there of a path: links of existing parts are followed, the rest is appended. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    const up = dirname(path);
    return up === path ? path : join(realOf(up), path.slice(up.length));
  }
}

/**
 * The absolute path of `path` below a folder, or undefined when it leads, or could lead, out of it: by `..`, as an absolute path, by
 * a NUL or backslash, or over a link. What does not exist yet counts by the folder it would be made in.
 */
export function insidePath(root: string, path: unknown): string | undefined {
  if (typeof path !== 'string' || path === '' || /[\0\\]/.test(path) || isAbsolute(path)) return undefined;
  const clean = normalize(path);
  if (clean === '.' || clean === '..' || clean.startsWith(`..${sep}`)) return undefined;
  const full = join(resolve(root), clean);
  let real: string;
  try {
    real = realOf(full);
  } catch {
    return undefined; // a circle of links, a file where a folder should be: nothing is there to be opened
  }
  return real.startsWith(`${realOf(resolve(root))}${sep}`) ? full : undefined;
}
