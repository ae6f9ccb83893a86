/** Fingerprints of keys. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Py } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('key');

/** Fingerprint of a key file: the hash of what stands between its first and last line, in pairs of digits; empty where there is none. */
function finger(file: string, a: Args, ctx: ModuleCtx): string {
  let text: string;
  try {
    text = readFileSync(join(ctx.opts.str('pki_dir'), file), 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw e;
  }
  const kind = a['hash_type'] === null ? ctx.opts.str('hash_type', 'sha256') : str(a['hash_type'] as Py);
  const body = text
    .split(/(?<=\n)/)
    .filter((l) => l.trim())
    .slice(1, -1)
    .join('')
    .replaceAll('\r\n', '\n');
  return (createHash(kind).update(body).digest('hex').match(/../g) ?? []).join(':');
}

export default {
  doc: "Fingerprints of the minion's and the master's public keys.",
  functions: {
    finger: fn(
      'finger(hash_type=None)',
      doc("Fingerprint of the minion's public key.", 'finger', 'finger md5'),
      (a, ctx: ModuleCtx) => finger('minion.pub', a, ctx),
    ),
    finger_master: fn(
      'finger_master(hash_type=None)',
      doc("Fingerprint of the master's public key, as the minion has it.", 'finger_master'),
      (a, ctx: ModuleCtx) => finger('minion_master.pub', a, ctx),
    ),
  },
} satisfies ExecutionModule;
