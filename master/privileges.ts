import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { SaltError } from '../bus/errors.ts';

/** A system user's ids; undefined for a name that /etc/passwd does not know. */
export function lookupUser(name: string): { uid: number; gid: number } | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Becomes the user that the configuration names, with its groups. Only root can; anybody else must be that user already. */
export function becomeUser(name: string): void {
  if (userInfo().username === name) return;
  const id = lookupUser(name);
  if (process.getuid?.() !== 0) return; // started by hand as somebody else: what that user may do decides
  if (!id) throw new SaltError('SaltConfigurationError', `The user ${name} of the configuration does not exist`);
  (process as NodeJS.Process & { initgroups?(user: string, group: number): void }).initgroups?.(name, id.gid);
  process.setgid?.(id.gid);
  process.setuid?.(id.uid);
}
