/**
 * The master's half of a secured conversation: opens requests and makes every kind of sealed or signed answer. Bytes in, bytes out:
 * no sockets, no files; keys of minions and the time are handed in.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { SaltError } from '../errors.ts';
import type { WireMap } from '../values.ts';
import { Crypticle } from './crypticle.ts';
import { isEncAlgo, isSigAlgo, type PrivateKey, PublicKey, type SigAlgo } from './keys.ts';
import { type AesEnvelope, asBytes, asMap, isMinionId, type PublishLoad, type SignInLoad } from './loads.ts';
import { encodeNetwork } from './payload.ts';

/** Length of a nonce, in hexadecimal characters. */
export const NONCE_CHARS = 32;
const TOKEN_TEXT = Buffer.from('salt');

/** Where the master's half gets what it does not own. Both lookups answer from memory and may be asked for ids nobody verified. */
export interface MinionKeys {
  /** The accepted public key of a minion; undefined when there is none. */
  publicKey(id: string): PublicKey | undefined;
  /** The session key of a minion with an accepted key; undefined when there is none. Keep the object: its keys are parsed. */
  session(id: string): Crypticle | undefined;
}

/** Settings of the master's half, named after Salt's options. */
export interface MasterSessionOptions {
  /** The master's own key. */
  key: PrivateKey;
  minions: MinionKeys;
  /** `minimum_auth_version`; 0 takes every old format. */
  minimumVersion?: number;
  /** `request_server_ttl`, seconds; 0 is no limit. */
  requestTtl?: number;
  /** `sign_pub_messages` and `publish_signing_algorithm`: undefined sends publishes unsigned. */
  publishSigning?: SigAlgo;
  /** `master_sign_pubkey`: makes the text for `pub_sig` in the scheme the minion asked for. */
  publicKeySignature?: (cleanPem: string, algo: SigAlgo) => string;
  /** The AES key to start with; a fresh one by default, as at each master start. */
  aes?: Crypticle;
  /** Seconds since the epoch. */
  clock?: () => number;
}

/** Why a request was refused; for the log and for counters, never for the peer. */
export type RefusalReason =
  | 'old version'
  | 'no id'
  | 'unknown id'
  | 'undecryptable'
  | 'no map'
  | 'invalid id'
  | 'id mismatch'
  | 'expired'
  | 'no token'
  | 'bad token';

/** A request that was opened and belongs to the sender it names. */
export interface OpenedRequest {
  ok: true;
  /** The sender. Proven by its session key and token in version 3; see {@link proven}. */
  id: string;
  /** Whether the sender proved to hold the id's key. False only for a request of version 0 to 2 without token. */
  proven: boolean;
  version: number;
  /** The load without `nonce` and `tok`. */
  load: WireMap;
  /** To be put in front of the reply; absent for version 0 and 1. */
  nonce?: string;
  /** The box in which the reply goes back. */
  box: Crypticle;
  encAlgo: string;
  sigAlgo: string;
}
/** A request that gets `bad load` as its answer and no effect. */
export interface RefusedRequest {
  ok: false;
  reason: RefusalReason;
  /** The claimed sender, if any: a text from a stranger. */
  id?: string;
}

/** What becomes of a sign-in. */
export type SignInVerdict =
  | { kind: 'pending' }
  | { kind: 'rejected' }
  | { kind: 'full' }
  | { kind: 'accepted'; minionKey: PublicKey; session: string; publishPort: number };

/** The answer to a sign-in, ready to send. */
export interface SignInReply {
  frame: Buffer;
  /** Set when the minion's secret did not decrypt under the master's key: worth a line in the log. */
  tokenFailed?: boolean;
  /** Set when the minion asked for a scheme we do not have; the frame then says so, unsigned. */
  badAlgorithm?: boolean;
}

/** The master's half. One per daemon. */
export class MasterSession {
  private box: Crypticle;
  private digest: Buffer | undefined;
  private lastSerial = 0;
  /** Tokens never change for a key: each is recovered by RSA once and compared afterwards. */
  private readonly tokens = new WeakMap<PublicKey, Uint8Array>();
  private readonly clock: () => number;

  constructor(private readonly o: MasterSessionOptions) {
    this.box = o.aes ?? new Crypticle(Crypticle.generate());
    this.clock = o.clock ?? (() => Date.now() / 1000);
  }

  /** The AES key in use, for publishes and old requests. */
  get aes(): Crypticle {
    return this.box;
  }
  /** Serial of the latest publish under this AES key. */
  get serial(): number {
    return this.lastSerial;
  }

  /** Changes the AES key; serials start at 1 again. Nothing is sent: minions notice when a publish does not open. */
  rotate(next: Crypticle = new Crypticle(Crypticle.generate())): void {
    this.box = next;
    this.digest = undefined;
    this.lastSerial = 0;
  }

  /** Opens and checks an encrypted request. Never throws for what a peer sent. */
  openRequest(e: AesEnvelope): OpenedRequest | RefusedRequest {
    const refuse = (reason: RefusalReason, id = e.id): RefusedRequest => ({ ok: false, reason, id });
    const minimum = this.o.minimumVersion ?? 3;
    if (minimum > 0 && e.version < minimum) return refuse('old version');
    const modern = e.version > 2;
    if (modern && e.id === undefined) return refuse('no id');
    const box = modern ? this.o.minions.session(e.id as string) : this.box;
    if (!box) return refuse('unknown id');
    const load = openMap(box, e.load);
    if (typeof load === 'string') return refuse(load);
    const { nonce, tok, ...rest } = load;
    const id = load['id'];
    if (modern && id !== e.id) return refuse('id mismatch');
    if (!isMinionId(id)) return refuse('invalid id');
    if (modern && this.expired(load['ts'])) return refuse('expired', id);
    if (modern && tok === undefined) return refuse('no token', id);
    const proven = tok !== undefined;
    if (proven && !this.tokenHolds(id, asBytes(tok))) return refuse('bad token', id);
    const prefix = e.version > 1 && typeof nonce === 'string' && nonce.length === NONCE_CHARS ? nonce : undefined;
    return {
      ok: true,
      id,
      proven,
      version: e.version,
      load: Object.assign(Object.create(null), rest) as WireMap,
      nonce: prefix,
      box,
      encAlgo: e.encAlgo,
      sigAlgo: e.sigAlgo,
    };
  }

  private expired(ts: unknown): boolean {
    const ttl = this.o.requestTtl ?? 0;
    if (ttl <= 0) return false;
    const sent = typeof ts === 'number' ? ts : Number.NaN;
    return !(this.clock() - sent <= ttl);
  }

  private tokenHolds(id: string, tok: Uint8Array | undefined): boolean {
    const key = this.o.minions.publicKey(id);
    if (!key || !tok) return false;
    const known = this.tokens.get(key);
    if (known && known.length === tok.length && timingSafeEqual(known, tok)) return true;
    if (!key.recoverX931(tok)?.equals(TOKEN_TEXT)) return false;
    this.tokens.set(key, Uint8Array.from(tok));
    return true;
  }

  /** Seals the result of a request for the wire: a bare byte string. */
  sealReply(request: Pick<OpenedRequest, 'box' | 'nonce'>, result: unknown): Buffer {
    return encodeNetwork(request.box.seal(result, request.nonce));
  }

  /**
   * Makes the pillar answer: signed, and under a key of its own that only the minion's private key opens. Before version 2 unsigned,
   * the pillar alone. A version-2 or -3 request without nonce gets an error map. Needs the minion's accepted key.
   */
  pillarReply(request: OpenedRequest, result: unknown): Buffer {
    const key = this.o.minions.publicKey(request.id);
    if (!key) throw new SaltError('AuthenticationError', `No accepted key for ${request.id}`);
    const pillar = result === false ? {} : result;
    const fresh = Crypticle.generate();
    const encAlgo = isEncAlgo(request.encAlgo) ? request.encAlgo : undefined;
    const sigAlgo = isSigAlgo(request.sigAlgo) ? request.sigAlgo : undefined;
    const sealed = key.encrypt(fresh, encAlgo);
    const box = new Crypticle(fresh);
    if (request.version < 2) return encodeNetwork({ key: sealed, pillar: box.seal(pillar) });
    if (request.nonce === undefined) return encodeNetwork({ error: 'Nonce not included in request' });
    const data = encodeNetwork({ key: sealed, pillar, nonce: request.nonce });
    return encodeNetwork({ key: sealed, pillar: box.seal({ data, sig: this.o.key.sign(data, sigAlgo) }) });
  }

  /** Whether a sign-in of this version is to be read at all; otherwise its answer is `bad load`. */
  acceptsVersion(version: number): boolean {
    const minimum = this.o.minimumVersion ?? 3;
    return minimum <= 0 || version >= minimum;
  }

  /** Makes the answer to a sign-in: signed from version 2 on, the bare map before. */
  signInReply(request: SignInLoad, version: number, verdict: SignInVerdict): SignInReply {
    if (!isSigAlgo(request.sigAlgo)) return { frame: clear({ ret: 'bad sig algo' }), badAlgorithm: true };
    const nonce = version > 1 ? request.nonce : undefined;
    if (verdict.kind !== 'accepted') {
      const ret = verdict.kind === 'full' ? 'full' : verdict.kind === 'pending';
      return { frame: version > 1 ? this.signed({ ret, nonce }, request.sigAlgo) : clear({ ret }) };
    }
    if (!isEncAlgo(request.encAlgo)) return { frame: clear({ ret: 'bad enc algo' }), badAlgorithm: true };
    const to = verdict.minionKey;
    const secret = request.token && this.o.key.decrypt(request.token, request.encAlgo);
    const pub = this.o.key.public.pem;
    const load: Record<string, unknown> = {
      enc: 'pub',
      pub_key: pub,
      publish_port: verdict.publishPort,
      pub_sig: this.o.publicKeySignature?.(pub, request.sigAlgo),
      token: secret && to.encrypt(secret, request.encAlgo),
      aes: to.encrypt(this.box.key, request.encAlgo),
      session: to.encrypt(verdict.session, request.encAlgo),
      sig: this.keyDigest(),
      nonce,
    };
    const tokenFailed = request.token !== undefined && !secret;
    return { frame: version > 1 ? this.signed(load, request.sigAlgo) : encodeNetwork(load), tokenFailed };
  }

  private signed(load: unknown, algo: SigAlgo): Buffer {
    const bytes = encodeNetwork(load);
    return encodeNetwork({ enc: 'clear', load: bytes, sig: this.o.key.sign(bytes, algo) });
  }

  /** Proof that the AES key is the master's; the same for every minion, so made once a key. */
  private keyDigest(): Buffer {
    this.digest ??= this.o.key.signX931(Buffer.from(createHash('sha256').update(this.box.key).digest('hex')));
    return this.digest;
  }

  /**
   * Makes the frame of a publish under the AES key and counts its serial up, or leaves the serial out (`counted` false, as in a
   * cluster). Frames must be sent in the order in which they were made: receivers drop a serial that is not above the last.
   */
  publish(load: Omit<PublishLoad, 'serial'>, counted = true): Buffer {
    if (counted) this.lastSerial++;
    const box = this.box.seal(counted ? { ...load, serial: this.lastSerial } : load);
    const algo = this.o.publishSigning;
    if (!algo) return encodeNetwork({ enc: 'aes', load: box });
    return encodeNetwork({ enc: 'aes', load: box, sig_algo: algo, sig: this.o.key.sign(box, algo) });
  }
}

const clear = (load: unknown): Buffer => encodeNetwork({ enc: 'clear', load });

function openMap(box: Crypticle, bytes: Uint8Array): WireMap | RefusalReason {
  try {
    const opened = box.open(bytes);
    if (!opened) return 'undecryptable';
    return asMap(opened.value) ?? 'no map';
  } catch (e) {
    if (e instanceof SaltError) return 'no map';
    throw e;
  }
}

/** The text for `pub_sig`: base64 of the signing key's signature over the clean public key, with a final newline. */
export function signPublicKey(signing: PrivateKey, cleanPem: string, algo: SigAlgo): string {
  return `${signing.sign(Buffer.from(cleanPem), algo).toString('base64')}\n`;
}

/** A key as a minion offered it; undefined when it is no RSA public key, which is answered as a rejected one. */
export function offeredKey(pem: string): PublicKey | undefined {
  try {
    return PublicKey.fromPem(pem);
  } catch (e) {
    if (e instanceof SaltError) return undefined;
    throw e;
  }
}
