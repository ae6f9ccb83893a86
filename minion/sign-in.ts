/** Signing in at a master: one attempt with all its outcomes, and the patience around it. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { PyDict, toWire, type WireMap } from '../bus/values.ts';
import { type EncAlgo, isEncAlgo, isSigAlgo, type PrivateKey, PublicKey, type SigAlgo } from '../bus/wire/keys.ts';
import {
  finishSignIn,
  MinionSession,
  type SignInOptions,
  type SignInOutcome,
  startSignIn,
} from '../bus/wire/minion-session.ts';
import { jitter } from './clock.ts';

/** File of the master's public key, under `pki_dir`. */
const MASTER_KEY_FILE = 'minion_master.pub';
/** Exit code of the reference for a rejected key (EX_NOPERM). */
const EX_NOPERM = 77;

/** What a sign-in needs of its surroundings. */
export interface SignInPlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly key: PrivateKey;
  /** Grains to be sent for `autosign_grains`. */
  readonly grains: () => PyDict;
  /** Sends one frame to the master and waits for the answer; rejects with SaltReqTimeoutError. */
  ask(frame: Buffer, timeoutMs: number): Promise<Uint8Array>;
  /** Resolves after a time; rejects when the minion is told to stop. */
  sleep(ms: number): Promise<void>;
  /** Tries of one attempt; the daemon's `auth_tries` where absent. */
  tries?: number;
  /** Name of the master, for log lines. */
  readonly master: string;
}

/** A finished sign-in. */
export interface SignedIn {
  session: MinionSession;
  publishPort: number;
  masterKey: PublicKey;
}

/** Where one attempt ended. `fatal`: the reference's minion ends here; `wait`: the master says to come back later. */
export type Verdict =
  | { kind: 'in'; signedIn: SignedIn }
  | { kind: 'wait'; pending: boolean; error: SaltError }
  | { kind: 'fatal'; error: SaltError };

/** The stored key of the master, or undefined at first contact. A file that holds no key is an error naming it. */
export async function storedMasterKey(pkiDir: string, name = MASTER_KEY_FILE): Promise<PublicKey | undefined> {
  let text: string;
  try {
    text = await readFile(join(pkiDir, name), 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SaltError('SaltConfigurationError', `The key file ${join(pkiDir, name)} cannot be read: ${messageOf(e)}`);
  }
  try {
    return PublicKey.fromPem(text);
  } catch (e) {
    throw new SaltError(
      'SaltConfigurationError',
      `The file ${join(pkiDir, name)} holds no public key`,
      {},
      { cause: e },
    );
  }
}

async function storeMasterKey(pkiDir: string, key: PublicKey): Promise<void> {
  await mkdir(pkiDir, { recursive: true, mode: 0o700 });
  const path = join(pkiDir, MASTER_KEY_FILE);
  await writeFile(`${path}.new`, key.pem, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

function autosignGrains(opts: Opts, grains: () => PyDict): WireMap | undefined {
  const wanted = opts.list('autosign_grains');
  if (!wanted.length) return undefined;
  const all = grains();
  const out = new PyDict();
  for (const name of wanted) if (all.has(name)) out.set(name, all.get(name) ?? null);
  return out.size ? (toWire(out) as WireMap) : undefined;
}

/** The algorithms a minion's configuration asks for; an unknown name is a configuration error. */
export function algorithmsOf(opts: Opts): { encAlgo: EncAlgo; sigAlgo: SigAlgo } {
  const encAlgo = opts.str('encryption_algorithm', 'OAEP-SHA1');
  const sigAlgo = opts.str('signing_algorithm', 'PKCS1v15-SHA1');
  if (!isEncAlgo(encAlgo))
    throw new SaltError('SaltConfigurationError', `Unknown encryption_algorithm '${encAlgo}' in the configuration`);
  if (!isSigAlgo(sigAlgo))
    throw new SaltError('SaltConfigurationError', `Unknown signing_algorithm '${sigAlgo}' in the configuration`);
  return { encAlgo, sigAlgo };
}

async function optionsOf(p: SignInPlace): Promise<SignInOptions> {
  const { opts } = p;
  const pki = opts.str('pki_dir');
  const name = `${opts.str('master_sign_key_name', 'master_sign')}.pub`;
  const verify = opts.flag('verify_master_pubkey_sign');
  const masterSignKey = verify ? await storedMasterKey(pki, name) : undefined;
  if (verify && !masterSignKey)
    throw new SaltError(
      'SaltClientError',
      `Verification public key ${name} does not exist. You need to copy it from the master to the minions pki directory`,
    );
  const masterKey = await storedMasterKey(pki);
  return {
    id: opts.str('id'),
    key: p.key,
    ...algorithmsOf(opts),
    masterKey,
    autosignGrains: autosignGrains(opts, p.grains),
    masterFinger: opts.str('master_finger') || undefined,
    hashType: opts.str('hash_type', 'sha256'),
    masterSignKey,
    openMode: opts.flag('open_mode'),
  };
}

/** One attempt at one master: never rejects for anything that a peer sends or omits to send. */
export async function trySignIn(p: SignInPlace): Promise<Verdict> {
  const { opts, log } = p;
  const o = await optionsOf(p);
  const timeout = opts.num('auth_timeout', 5) * 1000;
  const tries = p.tries ?? Math.max(1, opts.num('auth_tries', 7));
  for (let i = 1; ; i++) {
    const attempt = startSignIn(o);
    let reply: Uint8Array;
    try {
      reply = await p.ask(attempt.frame, timeout);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      if (i < tries) continue;
      log.warning(`SaltReqTimeoutError: ${p.master} does not answer the sign-in`);
      return wait('SaltReqTimeoutError', 'Attempt to authenticate with the salt master failed with timeout error');
    }
    const outcome = finishSignIn(attempt, reply, o);
    if (outcome.kind === 'accepted') return { kind: 'in', signedIn: await takeIn(outcome, o, p) };
    return judge(outcome, p);
  }
}

async function takeIn(
  outcome: Extract<SignInOutcome, { kind: 'accepted' }>,
  o: SignInOptions,
  p: SignInPlace,
): Promise<SignedIn> {
  const { opts, log } = p;
  if (!o.masterKey?.equals(outcome.masterKey)) {
    if (o.masterSignKey) log.info(`Received signed and verified master pubkey from master ${p.master}`);
    await storeMasterKey(opts.str('pki_dir'), outcome.masterKey);
  }
  const session = new MinionSession({
    id: o.id,
    key: p.key,
    masterKey: outcome.masterKey,
    aes: outcome.aes,
    session: outcome.session,
    encAlgo: o.encAlgo,
    sigAlgo: o.sigAlgo,
    sign: opts.flag('minion_sign_messages'),
    requireSignedPublish: opts.flag('sign_pub_messages'),
  });
  log.info(`Authentication with master at ${p.master} successful!`);
  return { session, publishPort: outcome.publishPort, masterKey: outcome.masterKey };
}

const wait = (code: 'SaltReqTimeoutError' | 'SaltClientError', message: string, pending = false): Verdict => ({
  kind: 'wait',
  pending,
  error: new SaltError(code, message),
});

const REJECTED =
  "The Salt Master has rejected this minion's public key!\nTo repair this issue, delete the public key for this minion on the Salt Master and restart this minion.\nOr restart the Salt Master in open mode to clean out the keys. The Salt Minion will now exit.";

/** What an attempt that brought no keys means, said in the log. */
function judge(outcome: Exclude<SignInOutcome, { kind: 'accepted' }>, p: SignInPlace): Verdict {
  const { opts, log } = p;
  switch (outcome.kind) {
    case 'pending':
      log.error(
        `The Salt Master has cached the public key for this node, this salt minion will wait for ${opts.num('acceptance_wait_time', 10)} seconds before attempting to re-authenticate`,
      );
      return wait(
        'SaltClientError',
        'Minion failed to authenticate with the master, has the minion key been accepted?',
        true,
      );
    case 'rejected':
      // Only the master that we know may end this program: anybody on the way can send the words.
      if (outcome.verified && !opts.flag('rejected_retry')) {
        log.critical(REJECTED);
        return { kind: 'fatal', error: new SaltError('AuthenticationError', REJECTED, { exit: EX_NOPERM }) };
      }
      log.error(
        "The Salt Master has rejected this minion's public key.\nTo repair this issue, delete the public key for this minion on the Salt Master.\nThe Salt Minion will attempt to re-authenticate.",
      );
      return wait('SaltClientError', "The Salt Master has rejected this minion's public key");
    case 'full':
      log.error(`The master ${p.master} takes no more minions (max_minions)`);
      return wait('SaltClientError', 'The master takes no more minions');
    case 'key mismatch':
      log.error(
        "The master key has changed, the salt master could have been subverted, verify salt master's public key",
      );
      log.critical(
        `The Salt Master server's public key did not authenticate!\nIf you are confident that you are connecting to a valid Salt Master, then remove the master public key and restart the Salt Minion.\nThe master public key can be found at:\n${join(opts.str('pki_dir'), MASTER_KEY_FILE)}`,
      );
      return { kind: 'fatal', error: new SaltError('MasterKeyMismatch', 'Invalid master key') };
    case 'finger mismatch':
      log.critical(
        `The specified fingerprint in the master configuration file:\n${opts.str('master_finger')}\nDoes not match the authenticating master's key:\n${outcome.finger}\nVerify that the configured fingerprint matches the fingerprint of the correct master and that this minion is not subject to a man-in-the-middle attack.`,
      );
      return { kind: 'fatal', error: new SaltError('MasterKeyMismatch', 'Invalid master key') };
    case 'bad master signature':
      log.error(
        opts.flag('verify_master_pubkey_sign')
          ? `Received signed public-key from master ${p.master} but signature verification failed, or the master did not send its public-key signature`
          : 'The masters sent its public-key signature, but signature verification is not enabled on the minion. Either enable signature verification on the minion or disable signing the public key on the master!',
      );
      return wait('SaltClientError', 'Invalid master key');
    case 'bad algorithm':
      log.error(
        `This minion is using a ${outcome.which === 'enc' ? 'encryption' : 'signing'} algorithm that is not supported by its Master. Please check your minion configuration.`,
      );
      return wait('SaltClientError', 'The master does not support our algorithms');
    case 'untrusted':
      log.critical(`Sign-in attempt failed: ${outcome.why}`);
      return wait('SaltClientError', `Sign-in attempt failed: ${outcome.why}`);
  }
}

/** How long to wait between attempts: grows from `acceptance_wait_time` by itself up to `acceptance_wait_time_max`, jittered. */
export class AcceptanceWait {
  private seconds: number;
  private readonly most: number;

  constructor(
    opts: Opts,
    private readonly random: () => number = Math.random,
  ) {
    this.seconds = opts.num('acceptance_wait_time', 10);
    this.most = opts.num('acceptance_wait_time_max', 0) || this.seconds;
  }

  /** Milliseconds of the next wait. */
  next(): number {
    const now = this.seconds;
    if (this.seconds < this.most) this.seconds = Math.min(this.seconds * 2, this.most);
    return Math.max(100, jitter(now * 1000, 0.1, this.random));
  }
}

/**
 * Signs in, however long it takes. A stranger's answer never ends it; rejects only when the minion is told to stop, when the known
 * master rejects this minion's key (AuthenticationError), or after `auth_retries` attempts where that is set.
 */
export async function signIn(p: SignInPlace): Promise<SignedIn> {
  const pause = new AcceptanceWait(p.opts);
  const limit = p.opts.num('auth_retries', 0);
  for (let attempts = 1; ; attempts++) {
    const verdict = await trySignIn(p).catch((e: unknown): Verdict => {
      // A key file that cannot be read may be put right while we wait; a bug must be seen.
      if (e instanceof SaltError) return { kind: 'wait', pending: false, error: e };
      throw e;
    });
    if (verdict.kind === 'in') return verdict.signedIn;
    if (verdict.kind === 'fatal' && verdict.error.code === 'AuthenticationError') throw verdict.error;
    if (limit > 0 && attempts >= limit)
      throw new SaltError('SaltClientError', `Failed to authenticate with the master after ${attempts} attempts`);
    if (verdict.kind === 'wait' && verdict.error.code === 'SaltConfigurationError') p.log.error(verdict.error.message);
    const ms = pause.next();
    p.log.info(`Waiting ${(ms / 1000).toFixed(1)} seconds before retry.`);
    await p.sleep(ms);
  }
}
