/**
 * `file`: users and passwords in a text file. Under `external_auth: file:` the entries `^filename`, `^hashtype` (plaintext, or a hash of node:crypto in hex)
 * and `^field_separator` (`:`) describe it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Opts } from '../../bus/opts.ts';
import { PyDict } from '../../bus/values.ts';
import type { Eauth } from './contract.ts';

function setting(opts: Opts, name: string, fallback: string): string {
  const settings = opts.dict('external_auth').get('file');
  const value = settings instanceof PyDict ? settings.get(`^${name}`) : undefined;
  return typeof value === 'string' ? value : fallback;
}

const sameText = (a: string, b: string): boolean => {
  const digest = (t: string): Buffer => createHash('sha256').update(t).digest();
  return timingSafeEqual(digest(a), digest(b));
};

/** The check of a password file. */
export const file = {
  async auth({ username, password }, opts) {
    const filename = setting(opts, 'filename', '');
    if (!filename) return false;
    const separator = setting(opts, 'field_separator', ':');
    const hash = setting(opts, 'hashtype', 'plaintext');
    const text = await readFile(filename, 'utf8');
    for (const line of text.split('\n')) {
      const [name, secret] = line.trimEnd().split(separator);
      if (name !== username || secret === undefined) continue;
      if (hash === 'plaintext') return sameText(secret, password);
      return sameText(secret.toLowerCase(), createHash(hash).update(password).digest('hex'));
    }
    return false;
  },
} satisfies Eauth;

export default file;
