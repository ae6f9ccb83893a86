import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/** Folders searched after those of PATH, so that a daemon with a poor PATH still finds the system's programs. */
const ALWAYS = ['/sbin', '/bin', '/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'];

/** Whether a path is a regular file this process may execute. */
export function isExecutable(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Path of a program as `which` finds it, undefined when there is none. A name that is itself an executable path is answered as it
 * was given.
 * @param path the PATH to search; the process's own by default.
 */
export function which(name: string, path: string = process.env['PATH'] ?? ''): string | undefined {
  if (!name) return undefined;
  if (isExecutable(name)) return name;
  const folders = path.split(':');
  for (const f of ALWAYS) if (!folders.includes(f)) folders.push(f);
  for (const f of folders) {
    const full = join(f, name);
    if (isExecutable(full)) return full;
  }
  return undefined;
}
