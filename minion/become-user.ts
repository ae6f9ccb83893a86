import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';

function ids(name: string): { uid: number; gid: number } | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * Becomes the configured `user`, after making the minion's folders and giving them to it. Only root can; started as anybody else
 * the minion stays that user. Throws SaltConfigurationError for a user that does not exist.
 */
export function becomeUser(opts: Opts): void {
  const name = opts.str('user');
  if (!name || process.getuid?.() !== 0 || userInfo().username === name) return;
  const id = ids(name);
  if (!id) throw new SaltError('SaltConfigurationError', `User not found: "${name}"`);
  const file = (key: string): string[] => (opts.str(key).startsWith('/') ? [dirname(opts.str(key))] : []);
  for (const dir of [opts.str('cachedir'), opts.str('pki_dir'), opts.str('sock_dir'), ...file('log_file')]) {
    if (!dir) continue;
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    chownSync(dir, id.uid, id.gid);
  }
  (process as NodeJS.Process & { initgroups?(user: string, group: number): void }).initgroups?.(name, id.gid);
  process.setgid?.(id.gid);
  process.setuid?.(id.uid);
}
