import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Opts } from '../bus/opts.ts';
import { loadOrCreateKeyPair, type PrivateKey } from '../bus/wire/keys.ts';
import { isMinionId } from '../bus/wire/minion-id.ts';

/** The name under which everybody finds a master's key pair, and under which older masters keep it. */
const COMMON = 'master';

/**
 * The master's own key pair, made where there is none. As in the reference it is kept under the master's name (its id without
 * `_master`), and `master.pem` and `master.pub` point there; a pair that an older master left as `master.pem` stays in use.
 */
export async function masterKeyPair(pkiDir: string, opts: Opts): Promise<PrivateKey> {
  const bits = opts.num('keysize', 2048);
  const own = opts.str('id').replace(/_master$/, '');
  const there = (name: string): boolean => existsSync(join(pkiDir, `${name}.pem`));
  if (!isMinionId(own) || (there(COMMON) && !there(own))) return loadOrCreateKeyPair(pkiDir, COMMON, bits);
  const key = await loadOrCreateKeyPair(pkiDir, own, bits);
  for (const end of ['pem', 'pub'])
    try {
      symlinkSync(`${own}.${end}`, join(pkiDir, `${COMMON}.${end}`));
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
    }
  return key;
}
