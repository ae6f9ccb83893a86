import type { EventBus } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import type { WireMap } from '../bus/values.ts';
import { cleanPem, type PublicKey } from '../bus/wire/keys.ts';
import { type ClearEnvelope, isMinionId, REFUSAL, readSignIn, type SignInLoad } from '../bus/wire/loads.ts';
import { type MasterSession, offeredKey, type SignInVerdict } from '../bus/wire/master-session.ts';
import { encodeNetwork } from '../bus/wire/payload.ts';
import type { AutoSign } from './autosign.ts';
import type { PkiKeys } from './keys.ts';
import type { Sessions } from './sessions.ts';

/** What a sign-in is told by as `act` of `salt/auth`. */
type Act = 'pend' | 'accept' | 'reject' | 'denied' | 'full' | 'error';
type Decision = { act: Act; verdict: SignInVerdict['kind']; stored?: Promise<void> };

/** Parts of the master that a sign-in needs. */
export interface SignInParts {
  opts: Opts;
  bus: EventBus;
  log: Log;
  keys: PkiKeys;
  autosign: AutoSign;
  sessions: Sessions;
  session: MasterSession;
  /** Ids that are connected, for `max_minions`. */
  connected: () => ReadonlySet<string>;
  /** The port that minions subscribe to. */
  publishPort: () => number;
}

/** Decides over minions that sign in, by the state of their key, and makes the answer. */
export class SignIn {
  answered = 0;

  constructor(private readonly p: SignInParts) {}

  /** Answers an `_auth` request, after a new key is on disk and told. Never throws for what a peer sent. */
  async take(envelope: ClearEnvelope): Promise<Uint8Array> {
    const { session, log } = this.p;
    if (!session.acceptsVersion(envelope.version)) return encodeNetwork(REFUSAL.badLoad);
    const ask = readSignIn(envelope.load);
    if (!ask) return encodeNetwork(REFUSAL.badLoad);
    this.answered++;
    const reply = (verdict: SignInVerdict): Uint8Array => {
      const made = session.signInReply(ask, envelope.version, verdict);
      if (made.tokenFailed) log.warning(`Token of minion ${ask.id} did not decrypt: it holds another master's key`);
      return made.frame;
    };
    const { id } = ask;
    if (!isMinionId(id)) {
      log.info(`Authentication request from invalid id ${JSON.stringify(ask.id.slice(0, 100))}`);
      return reply({ kind: 'rejected' });
    }
    const pub = ask.pub.trim();
    const key = offeredKey(pub);
    if (!key) {
      log.warning(`Minion ${ask.id} offered what is no RSA public key`);
      return reply({ kind: 'rejected' });
    }
    const decision = this.decide(ask, pub, key);
    await decision.stored;
    this.tell(decision, ask, pub);
    if (decision.verdict !== 'accepted') return reply({ kind: decision.verdict });
    return reply({
      kind: 'accepted',
      minionKey: key,
      session: this.p.sessions.issue(ask.id, key, pub),
      publishPort: this.p.publishPort(),
    });
  }

  private decide(ask: SignInLoad, pub: string, key: PublicKey): Decision {
    const { opts, keys, autosign, log } = this.p;
    const id = ask.id;
    const most = opts.num('max_minions');
    if (most > 0) {
      const connected = this.p.connected();
      if (connected.size >= most && !connected.has(id)) {
        log.info(`Too many minions connected (max_minions=${most}). Rejecting connection from id ${id}`);
        return { act: 'full', verdict: 'full' };
      }
    }
    const stored = keys.current(id);
    const same = stored !== undefined && sameKey(stored.pem, pub, key);
    if (opts.flag('open_mode')) return this.accept(id, pub, stored?.state === 'minions' && same);
    if (stored?.state === 'minions_rejected') {
      log.info(`Public key rejected for ${id}. Key is present in rejection key dir.`);
      return { act: 'reject', verdict: 'rejected' };
    }
    if (stored?.state === 'minions') return same ? { act: 'accept', verdict: 'accepted' } : this.deny(id, pub);
    if (autosign.rejects(id)) {
      log.info(`Public key of ${id} rejected via autoreject_file`);
      const done = keys.putSoon(id, 'minions_rejected', stored?.pem ?? pub);
      return { act: 'reject', verdict: 'rejected', stored: done };
    }
    if (stored && !same) return this.deny(id, pub);
    if (autosign.accepts(id, ask.autosignGrains)) return this.accept(id, pub, false);
    if (stored) return { act: 'pend', verdict: 'pending' };
    log.info(`New public key for ${id} placed in pending`);
    return { act: 'pend', verdict: 'pending', stored: keys.putSoon(id, 'minions_pre', pub) };
  }

  private accept(id: string, pub: string, stored: boolean): Decision {
    this.p.log.info(`Authentication accepted from ${id}`);
    const done = stored ? undefined : this.p.keys.putSoon(id, 'minions', pub);
    return { act: 'accept', verdict: 'accepted', ...(done ? { stored: done } : {}) };
  }

  private deny(id: string, pub: string): Decision {
    const stored = this.p.keys.denySoon(id, pub);
    this.p.log.error(
      `Authentication attempt from ${id} failed, the public keys did not match. This may be an attempt to compromise the Salt cluster.`,
    );
    return { act: 'denied', verdict: 'rejected', stored };
  }

  private tell(decision: Decision, ask: SignInLoad, pub: string): void {
    const { opts, bus } = this.p;
    if (!opts.flag('auth_events', true)) return;
    const data: WireMap = {
      result: decision.act === 'accept' || decision.act === 'pend',
      act: decision.act,
      id: ask.id,
      pub,
    };
    if (ask.autosignGrains && opts.list('auth_events_autosign_grains').includes(decision.act))
      data['autosign_grains'] = ask.autosignGrains;
    bus.fire(tags.auth, data, { origin: 'master' });
  }
}

/** Keys are equal when their texts are, line ends aside, or when they are the same key written in two ways. */
function sameKey(stored: string, offered: string, key: PublicKey): boolean {
  if (cleanPem(stored) === cleanPem(offered)) return true;
  return offeredKey(stored)?.equals(key) ?? false;
}
