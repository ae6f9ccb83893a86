import type { Socket } from 'node:net';
import { messageOf, SaltError } from '../errors.ts';
import { bodyOffset } from '../frame.ts';
import { compileGlob } from '../tag-match.ts';
import { isWireMap, type WireMap } from '../values.ts';
import { decodeBus, MsgpackStream } from '../wire/payload.ts';
import { type EventSocketAddresses, unwrapFrame, wrapFrame } from './ipc.ts';
import { connectLocal, lengthPrefixed } from './local.ts';

/** How a wanted tag is compared; `startswith` is the reference's default (`event_match_type`). */
export type MatchType = 'startswith' | 'endswith' | 'find' | 'regex' | 'fnmatch';

/** The test of a wanted tag. An empty tag matches all. `regex` is anchored at the start; SaltError ValueError when it is none. */
export function tagTest(tag: string, type: MatchType = 'startswith'): (tag: string) => boolean {
  if (tag === '') return () => true;
  switch (type) {
    case 'startswith':
      return (t) => t.startsWith(tag);
    case 'endswith':
      return (t) => t.endsWith(tag);
    case 'find':
      return (t) => t.includes(tag);
    case 'fnmatch':
      return compileGlob(tag);
    case 'regex':
      try {
        const pattern = new RegExp(`^${tag}`, 's');
        return (t) => pattern.test(t);
      } catch (e) {
        throw new SaltError('ValueError', `The tag ${tag} is no regular expression: ${messageOf(e)}`);
      }
    default:
      throw new SaltError('ValueError', `Unknown match type ${String(type)}`);
  }
}

/** An event as it came off a pub socket: its data is decoded when asked for. */
export class ReceivedEvent {
  private decoded: WireMap | undefined;
  constructor(
    readonly tag: string,
    private readonly body: Uint8Array,
  ) {}
  /** Throws SaltError SaltDeserializationError for a body that is no map. */
  get data(): WireMap {
    if (!this.decoded) {
      const v = decodeBus(this.body);
      if (!isWireMap(v))
        throw new SaltError('SaltDeserializationError', `The data of ${this.tag} is no map of text keys`);
      this.decoded = v;
    }
    return this.decoded;
  }
}

/** The client side of Salt's event sockets, ours or the reference's. Reading and firing connect separately, on first use. */
export class EventSocketClient {
  private sub: Socket | undefined;
  private push: Promise<Socket> | undefined;

  constructor(private readonly addresses: EventSocketAddresses) {}

  /**
   * Connects to the pub socket and hands over each event until it closes; `closed` is called once then. Rejects with
   * SaltDaemonNotRunning when nobody listens.
   */
  async listen(event: (e: ReceivedEvent) => void, closed: () => void, timeout = 5000): Promise<void> {
    const socket = await connectLocal(this.addresses.pub, timeout);
    this.sub = socket;
    const stream = new MsgpackStream();
    socket.on('data', (chunk) => {
      try {
        for (const m of stream.push(chunk as Buffer)) {
          const frame = unwrapFrame(m);
          const at = frame ? bodyOffset(frame) : -1;
          if (!frame || at < 2) continue;
          const b = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
          event(new ReceivedEvent(b.toString('utf8', 0, at - 2), b.subarray(at)));
        }
      } catch (e) {
        // The stream has no frame borders of its own: after a broken value nothing can be told any more.
        socket.destroy(e instanceof Error ? e : new Error(messageOf(e)));
      }
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      if (this.sub === socket) this.sub = undefined;
      closed();
    });
  }

  get listening(): boolean {
    return this.sub !== undefined;
  }

  /** Stops reading from the socket for a while; what comes meanwhile waits in the daemon, which cuts off whoever waits too long. */
  hold(on: boolean): void {
    if (on) this.sub?.pause();
    else this.sub?.resume();
  }

  /** Writes a frame to the pull socket; resolves when the system has taken it. */
  async fire(frame: Uint8Array): Promise<void> {
    const message = lengthPrefixed(wrapFrame(frame));
    for (let again = true; ; again = false) {
      this.push ??= connectLocal(this.addresses.pull).then((s) => {
        s.on('error', () => s.destroy());
        s.once('close', () => {
          this.push = undefined;
        });
        // Nothing comes back on this socket; reading notices its end.
        s.resume();
        return s;
      });
      let socket: Socket;
      try {
        socket = await this.push;
      } catch (e) {
        this.push = undefined;
        throw e;
      }
      try {
        await new Promise<void>((resolve, reject) => socket.write(message, (e) => (e ? reject(e) : resolve())));
        return;
      } catch (e) {
        this.push = undefined;
        if (!again) throw new SaltError('SaltDaemonNotRunning', `The event could not be sent: ${messageOf(e)}`);
      }
    }
  }

  /** Ends both connections; what was written is sent first. */
  close(): void {
    this.sub?.destroy();
    this.push?.then(
      (s) => s.end(),
      () => undefined,
    );
    this.push = undefined;
  }
}
