/** The signature that a minion may put on its own loads (`minion_sign_messages`), beyond the box that carries them. */
import type { WireMap } from '../values.ts';
import type { PrivateKey, PublicKey } from './keys.ts';
import { asBytes } from './loads.ts';
import { decodeNetwork, encodeBus, encodeNetwork } from './payload.ts';

/** The bytes that a minion's own signature covers: its load in the bus dialect, as the master decodes it, without what sealing adds. */
export function signedByMinion(load: WireMap): Buffer {
  const { nonce: _nonce, tok: _tok, sig: _sig, ...rest } = load;
  return encodeBus(decodeNetwork(encodeNetwork(rest)));
}

/** The signature to be put into a load under `sig`, once all else is in it. */
export function signAsMinion(load: WireMap, key: PrivateKey, algo?: string): Buffer {
  return key.sign(signedByMinion(load), algo);
}

/** Checks a minion's signature over an opened load (`minion_sign_messages`): its key must have made `sig` over the rest. */
export function minionSignature(load: WireMap, key: PublicKey, algo: string): 'absent' | 'good' | 'bad' {
  const sig = asBytes(load['sig']);
  if (load['sig'] === undefined) return 'absent';
  return sig && key.verify(signedByMinion(load), sig, algo) ? 'good' : 'bad';
}
