import type { PublishServer, RequestServer } from '../../bus/transport/contract.ts';
import type { MemoryNetwork } from '../../bus/transport/memory.ts';
import type { Wire, WireMap } from '../../bus/values.ts';
import { Crypticle } from '../../bus/wire/crypticle.ts';
import { PrivateKey, PublicKey } from '../../bus/wire/keys.ts';
import { type AesEnvelope, readEnvelope, readSignIn } from '../../bus/wire/loads.ts';
import { MasterSession, type SignInVerdict } from '../../bus/wire/master-session.ts';
import { encodeNetwork } from '../../bus/wire/payload.ts';

/** What a sign-in is answered with: a verdict signed by the master's key, or bytes as they are. */
export type SignInAnswer = 'accept' | 'pending' | 'rejected' | 'full' | Uint8Array | 'silence';

/** Keys are slow to make: one pair for each role serves all tests of a file. */
export async function keyPairs(): Promise<{ master: PrivateKey; other: PrivateKey; minion: PrivateKey }> {
  const [master, other, minion] = await Promise.all([
    PrivateKey.generate(2048),
    PrivateKey.generate(2048),
    PrivateKey.generate(2048),
  ]);
  return { master, other, minion };
}

/** A master steered by a test, over a network inside the process. */
export class HandMaster {
  /** Requests that were opened, in order. */
  readonly loads: WireMap[] = [];
  signIns = 0;
  /** Answers to sign-ins, in order; the last one stays. */
  answers: SignInAnswer[] = ['accept'];
  /** Result of each request; undefined answers nothing at all. */
  handle: (load: WireMap) => Wire | undefined = () => null;
  /** While set, requests are answered with the text that says "cannot be read". */
  deaf = false;
  session: MasterSession;
  private readonly minions = new Map<string, { key: PublicKey; session: Crypticle }>();
  private requests: RequestServer | undefined;
  private publishes: PublishServer | undefined;
  publishPort = 0;
  port = 0;

  constructor(
    readonly net: MemoryNetwork,
    private key: PrivateKey,
    readonly host = 'master',
  ) {
    this.session = this.newSession();
  }

  private newSession(): MasterSession {
    return new MasterSession({
      key: this.key,
      minions: { publicKey: (id) => this.minions.get(id)?.key, session: (id) => this.minions.get(id)?.session },
      publishSigning: 'PKCS1v15-SHA1',
    });
  }

  async start(port = 4506, publishPort = 4505): Promise<void> {
    this.requests = this.net.requestServer();
    this.publishes = this.net.publishServer();
    this.requests.requests$.subscribe((r) => this.take(r.body, r.reply));
    this.port = await this.requests.listen(this.host, port);
    this.publishPort = await this.publishes.listen(this.host, publishPort);
  }

  async stop(): Promise<void> {
    await this.requests?.close();
    await this.publishes?.close();
  }

  /** As a restart of the daemon: a new AES key, serials from 1. */
  rotate(): void {
    this.session.rotate();
  }

  /** Another master at the same address. */
  become(key: PrivateKey): void {
    this.key = key;
    this.session = this.newSession();
  }

  publish(load: WireMap): Buffer {
    const frame = this.session.publish({ ret: '', user: 'root', tgt_type: 'glob', arg: [], ...load } as never);
    this.publishes?.publish(frame);
    return frame;
  }

  /** Sends bytes on the publish port as they are. */
  sendFrame(frame: Uint8Array): void {
    this.publishes?.publish(frame);
  }

  private take(body: Uint8Array, reply: (b: Uint8Array) => void): void {
    const e = readEnvelope(body);
    if (e === 'garbage' || e === 'malformed') reply(encodeNetwork('bad load'));
    else if (e.enc === 'aes') this.request(e, reply);
    else if (e.load['cmd'] === 'ping') reply(encodeNetwork(e.load));
    else this.signIn(e.load, e.version, reply);
  }

  private request(e: AesEnvelope, reply: (b: Uint8Array) => void): void {
    const opened = this.deaf ? undefined : this.session.openRequest(e);
    if (!opened?.ok) {
      reply(encodeNetwork('bad load'));
      return;
    }
    this.loads.push(opened.load);
    const result = this.handle(opened.load);
    if (result === undefined) return;
    const pillar = opened.load['cmd'] === '_pillar';
    reply(pillar ? this.session.pillarReply(opened, result) : this.session.sealReply(opened, result));
  }

  private signIn(load: WireMap, version: number, reply: (b: Uint8Array) => void): void {
    this.signIns++;
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    const request = readSignIn(load);
    if (!request || answer === 'silence') return;
    if (answer instanceof Uint8Array) {
      reply(answer);
      return;
    }
    let verdict: SignInVerdict;
    if (answer === 'accept') {
      const minionKey = PublicKey.fromPem(request.pub);
      const session = this.minions.get(request.id)?.session ?? new Crypticle(Crypticle.generate());
      this.minions.set(request.id, { key: minionKey, session });
      verdict = { kind: 'accepted', minionKey, session: session.key, publishPort: this.publishPort };
    } else verdict = { kind: answer ?? 'pending' };
    reply(this.session.signInReply(request, version, verdict).frame);
  }
}
