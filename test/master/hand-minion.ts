import { ZmqRequestClient } from '../../bus/transport/zeromq.ts';
import type { Wire, WireMap } from '../../bus/values.ts';
import { PrivateKey, type PublicKey } from '../../bus/wire/keys.ts';
import { finishSignIn, MinionSession, type SignInOutcome, startSignIn } from '../../bus/wire/minion-session.ts';
import { decodeNetwork, encodeNetwork } from '../../bus/wire/payload.ts';

/** A minion steered by a test, frame by frame. */
export class HandMinion {
  readonly socket: ZmqRequestClient;
  session!: MinionSession;
  masterKey: PublicKey | undefined;
  /** Key strings of the last accepted sign-in. */
  keys: { aes: string; session?: string } | undefined;

  constructor(
    readonly id: string,
    readonly key: PrivateKey,
    port: number,
    sockets = 4,
  ) {
    this.socket = new ZmqRequestClient({ host: '127.0.0.1', port, sockets });
  }

  static async make(id: string, port: number, key?: PrivateKey): Promise<HandMinion> {
    return new HandMinion(id, key ?? (await PrivateKey.generate(2048)), port);
  }

  async signIn(): Promise<SignInOutcome> {
    const options = { id: this.id, key: this.key, ...(this.masterKey ? { masterKey: this.masterKey } : {}) };
    const attempt = startSignIn(options);
    const outcome = finishSignIn(attempt, await this.socket.request(attempt.frame, 10_000), options);
    if (outcome.kind === 'accepted') {
      this.masterKey = outcome.masterKey;
      this.keys = { aes: outcome.aes, ...(outcome.session === undefined ? {} : { session: outcome.session }) };
      this.session = new MinionSession({
        id: this.id,
        key: this.key,
        masterKey: outcome.masterKey,
        aes: outcome.aes,
        ...(outcome.session === undefined ? {} : { session: outcome.session }),
      });
    }
    return outcome;
  }

  /** Sends a load and answers its opened value; throws for anything but a value. */
  async ask(load: WireMap): Promise<Wire> {
    const sealed = this.session.seal(load);
    const outcome = this.session.open(sealed, await this.socket.request(sealed.frame, 10_000));
    if (outcome.kind !== 'value') throw new Error(`${outcome.kind} ${'why' in outcome ? outcome.why : ''}`);
    return outcome.value;
  }

  /** Sends a frame as it is and answers the decoded reply. */
  async raw(frame: Uint8Array): Promise<Wire> {
    return decodeNetwork(await this.socket.request(frame, 10_000));
  }

  /** Sends a clear command. */
  clear(load: WireMap, version: Wire = 3): Promise<Wire> {
    return this.raw(encodeNetwork({ enc: 'clear', load, version }));
  }

  close(): Promise<void> {
    return this.socket.close();
  }
}
