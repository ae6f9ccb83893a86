/**
 * The minion's half of a secured conversation: signs in, checks every answer, seals requests and opens replies and publishes. Bytes
 * in, bytes out: no sockets, no files; nothing a network peer sends makes it throw.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { SaltError } from '../errors.ts';
import type { Wire, WireMap } from '../values.ts';
import { Crypticle } from './crypticle.ts';
import {
  cleanPem,
  DEFAULT_ENC,
  DEFAULT_SIG,
  type EncAlgo,
  fingerOfBody,
  isSigAlgo,
  type PrivateKey,
  PublicKey,
  type SigAlgo,
} from './keys.ts';
import { asBytes, asMap, CLEAR_COMMAND, type PublishLoad, readPublish } from './loads.ts';
import { signAsMinion } from './minion-signature.ts';
import { decodeNetwork, encodeNetwork } from './payload.ts';

/** The protocol version we speak. */
export const PROTOCOL_VERSION = 3;
/** Between AES key and token in the `aes` field of a master with `auth_mode: 2`. */
const KEY_TOKEN_SEPARATOR = '_|-';

/** Who signs in, and what it already knows of its master. */
export interface SignInOptions {
  id: string;
  key: PrivateKey;
  /** The stored master key; absent at first contact. */
  masterKey?: PublicKey;
  /** `encryption_algorithm`. */
  encAlgo?: EncAlgo;
  /** `signing_algorithm`. */
  sigAlgo?: SigAlgo;
  autosignGrains?: WireMap;
  /** `master_finger`: only a master key with this fingerprint is taken, in `hash_type`. */
  masterFinger?: string;
  hashType?: string;
  /** `verify_master_pubkey_sign`: key that must have signed the master's key. A changed master key that it signed is then taken. */
  masterSignKey?: PublicKey;
  /** `always_verify_signature`: checks that signature even while the master's key is the stored one. */
  alwaysVerifySignature?: boolean;
  /** `open_mode`: takes any master key. */
  openMode?: boolean;
  /** Random bytes, for tests. */
  random?: (n: number) => Buffer;
}

/** A sign-in under way: the frame to send, and what its answer is checked against. */
export interface SignInAttempt {
  frame: Buffer;
  nonce: string;
  /** The secret that the master must be able to read; absent without a stored master key. */
  token?: string;
}

/** What came of a sign-in. Every kind but `accepted` leaves stored keys as they are. */
export type SignInOutcome =
  | {
      kind: 'accepted';
      /** Key string for publishes. */
      aes: string;
      /** Key string for requests; absent from an older master: use `aes` and version 2. */
      session?: string;
      /** To be stored if it is not the stored one. */
      masterKey: PublicKey;
      publishPort: number;
    }
  /** `verified` tells whether the stored master key signed this; without a stored key it cannot be known. */
  | { kind: 'pending' | 'rejected' | 'full'; verified: boolean }
  /** Another master answers; fatal for Salt's minion. */
  | { kind: 'key mismatch'; offered: PublicKey }
  /** The offered key is not the pinned one. */
  | { kind: 'finger mismatch'; finger: string }
  /** The master's key lacks a good signature of the signing key, or is signed though we do not ask for it. */
  | { kind: 'bad master signature' }
  | { kind: 'bad algorithm'; which: 'enc' | 'sig' }
  /** No trust in this answer: forged, replayed, broken or an internal fault of the master. Try again. */
  | { kind: 'untrusted'; why: string };

const untrusted = (why: string): SignInOutcome => ({ kind: 'untrusted', why });
const sameText = (a: string, b: string): boolean => {
  const x = Buffer.from(a);
  const y = Buffer.from(b);
  return x.length === y.length && timingSafeEqual(x, y);
};
const freshNonce = (random: (n: number) => Buffer): string => random(16).toString('hex');

/** Builds a sign-in request. */
export function startSignIn(o: SignInOptions): SignInAttempt {
  const random = o.random ?? randomBytes;
  const nonce = freshNonce(random);
  const encAlgo = o.encAlgo ?? DEFAULT_ENC;
  const token = o.masterKey && random(16).toString('hex');
  const load = {
    cmd: CLEAR_COMMAND.signIn,
    id: o.id,
    nonce,
    enc_algo: encAlgo,
    sig_algo: o.sigAlgo ?? DEFAULT_SIG,
    autosign_grains: o.autosignGrains,
    token: token && o.masterKey?.encrypt(token, encAlgo),
    pub: o.key.public.pem,
  };
  return { frame: encodeNetwork({ enc: 'clear', load, version: PROTOCOL_VERSION }), nonce, token };
}

function decoded(bytes: Uint8Array): Wire | undefined {
  try {
    return decodeNetwork(bytes);
  } catch (e) {
    if (e instanceof SaltError) return undefined;
    throw e;
  }
}

/** Checks the answer to a sign-in, in the reference's order of checks. */
export function finishSignIn(attempt: SignInAttempt, reply: Uint8Array, o: SignInOptions): SignInOutcome {
  const outer = decoded(reply);
  const envelope = asMap(outer);
  if (!envelope) return untrusted(typeof outer === 'string' ? outer : 'the answer is no map');
  const unsigned = asMap(envelope['load']);
  if (unsigned) {
    if (unsigned['ret'] === 'bad enc algo') return { kind: 'bad algorithm', which: 'enc' };
    if (unsigned['ret'] === 'bad sig algo') return { kind: 'bad algorithm', which: 'sig' };
    return untrusted(unsigned['cluster_retry'] === true ? 'the cluster is not ready' : 'the answer is not signed');
  }
  const bytes = asBytes(envelope['load']);
  const sig = asBytes(envelope['sig']);
  if (envelope['enc'] !== 'clear' || !bytes || !sig) return untrusted('the answer is not signed');
  const load = asMap(decoded(bytes));
  if (!load) return untrusted('the signed part is no map');
  const sigAlgo = o.sigAlgo ?? DEFAULT_SIG;
  if (load['pub_key'] !== undefined) return accepted(attempt, load, { bytes, sig, sigAlgo }, o);
  const verified = o.masterKey?.verify(bytes, sig, sigAlgo) === true;
  if (o.masterKey && !verified) return untrusted('payload signature did not validate');
  if (load['nonce'] !== attempt.nonce) return untrusted('the nonce is another one');
  if (load['ret'] === 'full') return { kind: 'full', verified };
  if (load['ret'] === true) return { kind: 'pending', verified };
  if (load['ret'] === false) return { kind: 'rejected', verified };
  return untrusted('the answer says nothing');
}

function accepted(
  attempt: SignInAttempt,
  load: WireMap,
  signed: { bytes: Uint8Array; sig: Uint8Array; sigAlgo: SigAlgo },
  o: SignInOptions,
): SignInOutcome {
  const pem = load['pub_key'];
  const masterKey = typeof pem === 'string' ? parsed(pem) : undefined;
  if (!masterKey) return untrusted('the master key is unreadable');
  const pubSig = load['pub_sig'];
  const changed = !o.masterKey?.equals(masterKey);
  if (!o.masterSignKey !== (pubSig === undefined)) return { kind: 'bad master signature' };
  if (o.masterSignKey && (changed || o.alwaysVerifySignature)) {
    const good =
      typeof pubSig === 'string' &&
      o.masterSignKey.verify(Buffer.from(cleanPem(pem as string)), Buffer.from(pubSig, 'base64'), signed.sigAlgo);
    if (!good) return { kind: 'bad master signature' };
  }
  if (o.masterKey && changed && !o.openMode && !o.masterSignKey) return { kind: 'key mismatch', offered: masterKey };
  if (o.masterFinger) {
    const finger = fingerOfBody(masterKey.pem, o.hashType ?? 'sha256');
    if (!sameText(finger, o.masterFinger.toLowerCase())) return { kind: 'finger mismatch', finger };
  }
  const encAlgo = o.encAlgo ?? DEFAULT_ENC;
  const open = (field: string): string | undefined => {
    const box = asBytes(load[field]);
    return box && o.key.decrypt(box, encAlgo)?.toString('latin1');
  };
  const [aes, inner] = (open('aes') ?? '').split(KEY_TOKEN_SEPARATOR) as [string, string | undefined];
  if (!Crypticle.isKey(aes)) return untrusted('the AES key did not decrypt');
  const proof = asBytes(load['sig']);
  const digest = createHash('sha256').update(aes).digest('hex');
  if (!proof || masterKey.recoverX931(proof)?.toString('latin1') !== digest)
    return untrusted('the AES key is not signed by the master key');
  // A master whose key changed cannot read a secret sealed under the old one, so it sends none back.
  if (attempt.token !== undefined && !changed && !sameText(inner ?? open('token') ?? '', attempt.token))
    return untrusted('the master did not send our token back');
  const session = load['session'] === undefined ? undefined : open('session');
  if (load['session'] !== undefined && !Crypticle.isKey(session)) return untrusted('the session key did not decrypt');
  if (!masterKey.verify(signed.bytes, signed.sig, signed.sigAlgo))
    return untrusted('payload signature did not validate');
  if (load['nonce'] !== attempt.nonce) return untrusted('the nonce is another one');
  const port = load['publish_port'];
  if (typeof port !== 'number' || port < 1 || port > 65535) return untrusted('no publish port');
  return { kind: 'accepted', aes, session, masterKey, publishPort: port };
}

function parsed(pem: string): PublicKey | undefined {
  try {
    return PublicKey.fromPem(pem);
  } catch (e) {
    if (e instanceof SaltError) return undefined;
    throw e;
  }
}

/** What a minion needs to talk once it has signed in. */
export interface SessionOptions {
  id: string;
  key: PrivateKey;
  masterKey: PublicKey;
  /** Key string for publishes. */
  aes: string;
  /** Key string for requests; without one version 2 is spoken, under `aes`. */
  session?: string;
  encAlgo?: EncAlgo;
  sigAlgo?: SigAlgo;
  /** `minion_sign_messages`: sign every load. */
  sign?: boolean;
  /** `sign_pub_messages` of the minion: refuse publishes without a good signature. */
  requireSignedPublish?: boolean;
  /** Seconds since the epoch. */
  clock?: () => number;
  random?: (n: number) => Buffer;
}

/** A sealed request: the frame to send, and the nonce its reply must carry. */
export interface SealedRequest {
  frame: Buffer;
  nonce: string;
}

/** A reply as it was found. */
export type ReplyOutcome =
  | { kind: 'value'; value: Wire }
  /** The master could not read us, or we cannot read it: sign in again once and repeat with a fresh request. */
  | { kind: 'stale'; why: string }
  /** An error map of the master's own. */
  | { kind: 'error'; error: Wire }
  /** A reply to another request, or a forged one: drop it. */
  | { kind: 'forged'; why: string };

/** A publish as it was found. */
export type PublishOutcome =
  | { kind: 'job'; load: PublishLoad & WireMap }
  /** Sealed under another key: sign in again, then open the same frame with the new session. */
  | { kind: 'stale' }
  | { kind: 'unsigned' }
  | { kind: 'bad signature' }
  /** A serial that is not above the last one: a replay. */
  | { kind: 'replayed'; serial: number }
  | { kind: 'malformed' };

/** The minion's half between two sign-ins. Its serial counter starts anew with each, unless handed over. */
export class MinionSession {
  /** Serial of the latest publish that was opened. */
  serial = 0;
  private readonly publishes: Crypticle;
  private readonly requests: Crypticle;
  /** Deterministic for a key, and an RSA operation: made once. */
  private readonly token: Buffer;
  private readonly clock: () => number;
  private readonly random: (n: number) => Buffer;

  constructor(private readonly o: SessionOptions) {
    this.publishes = new Crypticle(o.aes);
    this.requests = o.session === undefined ? this.publishes : new Crypticle(o.session);
    this.token = o.key.signX931(Buffer.from('salt'));
    this.clock = o.clock ?? (() => Date.now() / 1000);
    this.random = o.random ?? randomBytes;
  }

  /** The protocol version of requests. */
  get version(): number {
    return this.o.session === undefined ? 2 : PROTOCOL_VERSION;
  }
  /** Key string for publishes. */
  get aes(): string {
    return this.o.aes;
  }

  /** Seals a request with all that proves its sender. Seal anew for each try: a nonce is used once. */
  seal(load: object): SealedRequest {
    const nonce = freshNonce(this.random);
    const full: Record<string, unknown> = { ...load };
    full['nonce'] = nonce;
    full['ts'] = Math.floor(this.clock());
    full['tok'] = this.token;
    full['id'] = this.o.id;
    if (this.o.sign) full['sig'] = signAsMinion(full as WireMap, this.o.key, this.o.sigAlgo);
    const frame = encodeNetwork({
      enc: 'aes',
      load: this.requests.seal(full),
      version: this.version,
      id: this.o.id,
      enc_algo: this.o.encAlgo ?? DEFAULT_ENC,
      sig_algo: this.o.sigAlgo ?? DEFAULT_SIG,
    });
    return { frame, nonce };
  }

  /** Opens the reply to a request. */
  open(request: SealedRequest, reply: Uint8Array): ReplyOutcome {
    const outer = decoded(reply);
    const refused = plainRefusal(outer);
    if (refused) return refused;
    const box = asBytes(outer);
    if (!box) return { kind: 'stale', why: 'the reply is no box' };
    try {
      const opened = this.requests.open(box, { nonce: request.nonce });
      if (opened) return { kind: 'value', value: opened.value };
    } catch (e) {
      if (e instanceof SaltError) return { kind: 'forged', why: e.message };
      throw e;
    }
    return { kind: 'stale', why: typeof outer === 'string' ? outer : 'the reply does not decrypt' };
  }

  /** Opens the reply to a pillar request: it must be the master's own, for this very request. */
  openPillar(request: SealedRequest, reply: Uint8Array): ReplyOutcome {
    const outer = decoded(reply);
    const map = asMap(outer);
    if (!map || map['key'] === undefined) return plainRefusal(outer) ?? this.open(request, reply);
    const sealedKey = asBytes(map['key']);
    const box = asBytes(map['pillar']);
    const key = sealedKey && this.o.key.decrypt(sealedKey, this.o.encAlgo)?.toString('latin1');
    if (!box || !Crypticle.isKey(key)) return { kind: 'stale', why: 'the pillar key does not decrypt' };
    try {
      const signed = asMap(new Crypticle(key).open(box)?.value);
      const data = asBytes(signed?.['data']);
      const sig = asBytes(signed?.['sig']);
      if (!data || !sig || !this.o.masterKey.verify(data, sig, this.o.sigAlgo))
        return { kind: 'forged', why: 'Pillar payload signature failed to validate.' };
      const content = asMap(decodeNetwork(data));
      const inner = asBytes(content?.['key']);
      if (!inner || Buffer.compare(inner, sealedKey as Uint8Array) !== 0)
        return { kind: 'forged', why: 'Key verification failed.' };
      if (content?.['nonce'] !== request.nonce) return { kind: 'forged', why: 'Pillar nonce verification failed.' };
      return { kind: 'value', value: content['pillar'] ?? null };
    } catch (e) {
      if (e instanceof SaltError) return { kind: 'forged', why: e.message };
      throw e;
    }
  }

  /** Opens a publish (the last part of its message). A job moves the serial on; nothing else changes anything. */
  openPublish(frame: Uint8Array): PublishOutcome {
    const m = asMap(decoded(frame));
    const box = asBytes(m?.['load']);
    if (m?.['enc'] !== 'aes' || !box) return { kind: 'malformed' };
    if (this.o.requireSignedPublish) {
      const sig = asBytes(m['sig']);
      const algo = m['sig_algo'] ?? DEFAULT_SIG;
      if (!sig) return { kind: 'unsigned' };
      if (!isSigAlgo(algo) || !this.o.masterKey.verify(box, sig, algo)) return { kind: 'bad signature' };
    }
    let load: (PublishLoad & WireMap) | undefined;
    try {
      const opened = this.publishes.open(box);
      if (!opened) return { kind: 'stale' };
      load = readPublish(asMap(opened.value) ?? {});
    } catch (e) {
      if (e instanceof SaltError) return { kind: 'malformed' };
      throw e;
    }
    if (!load) return { kind: 'malformed' };
    const serial = load.serial;
    if (typeof serial === 'number') {
      if (serial <= this.serial) return { kind: 'replayed', serial };
      this.serial = serial;
    }
    return { kind: 'job', load };
  }
}

/** The answers that are neither a box nor a pillar: error maps, and texts short enough to be a sentence. */
function plainRefusal(outer: Wire | undefined): ReplyOutcome | undefined {
  if (outer === undefined) return { kind: 'stale', why: 'the reply is no MessagePack' };
  const map = asMap(outer);
  if (map) return { kind: 'error', error: map['error'] ?? map };
  return undefined;
}
