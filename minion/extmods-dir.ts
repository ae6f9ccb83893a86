import { join } from 'node:path';

/** Where synced modules are kept; below it one folder for each kind. */
export function extmodsDir(cachedir: string): string {
  return join(cachedir, 'extmods');
}
