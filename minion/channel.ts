import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { RequestClient } from '../bus/transport/contract.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import type { MinionSession } from '../bus/wire/minion-session.ts';

/** Limits of one request; the channel's own where absent. */
export interface RequestOptions {
  /** Milliseconds that one try waits. */
  timeout?: number;
  tries?: number;
}

/** What a channel is made of. */
export interface ChannelParts {
  client: RequestClient;
  log: Log;
  session(): MinionSession;
  /** Signs in again; calls made while one is under way share it. `stale` is the session that did not work. */
  renew(stale: MinionSession): Promise<MinionSession>;
  /** `request_channel_timeout` in ms. */
  timeout: number;
  /** `request_channel_tries`. */
  tries: number;
}

/** Sealed requests to one master. A master that cannot read us is signed in at again, once a request. */
export class MasterChannel {
  constructor(private readonly parts: ChannelParts) {}

  /**
   * Sends a load and answers the master's value. Rejects with SaltReqTimeoutError after all tries, SaltClientError for an error
   * of the master's own or a second unreadable reply.
   */
  async request(cmd: string, load: WireMap, options: RequestOptions = {}): Promise<Wire> {
    const { client, log } = this.parts;
    const timeout = options.timeout ?? this.parts.timeout;
    const tries = Math.max(1, options.tries ?? this.parts.tries);
    let renewed = false;
    let last = 'Message timed out';
    for (let i = 0; i < tries; i++) {
      const session = this.parts.session();
      const sealed = session.seal({ cmd, ...load });
      let reply: Uint8Array;
      try {
        reply = await client.request(sealed.frame, timeout);
      } catch (e) {
        if (e instanceof SaltError && e.code === 'SaltReqTimeoutError') continue;
        throw e;
      }
      const outcome = cmd === MINION_COMMAND.pillar ? session.openPillar(sealed, reply) : session.open(sealed, reply);
      if (outcome.kind === 'value') return outcome.value;
      if (outcome.kind === 'error')
        throw new SaltError('SaltClientError', `The master answered ${cmd} with an error: ${textOf(outcome.error)}`);
      last = outcome.why;
      log.warning(`The answer to ${cmd} cannot be used (${outcome.why})`);
      if (outcome.kind === 'stale') {
        if (renewed) throw new SaltError('SaltClientError', `The answer to ${cmd} cannot be read: ${outcome.why}`);
        renewed = true;
        // The repetition after a new sign-in is no try of its own: the first one never reached the master's handler.
        i--;
        await this.parts.renew(session);
      }
    }
    throw new SaltError('SaltReqTimeoutError', last);
  }
}

function textOf(error: Wire): string {
  return typeof error === 'string' ? error : JSON.stringify(error);
}
