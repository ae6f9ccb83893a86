import type { EventBus } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { Crypticle } from '../bus/wire/crypticle.ts';
import { MasterSession, type MasterSessionOptions } from '../bus/wire/master-session.ts';

/**
 * Changes the AES key of publishes after a key was deleted or rejected: in the next `loop_interval`, once for all keys deleted until then. Session keys of other
 * minions stay, so nobody's requests are disturbed; a minion notices at the next publish and signs in again. Old requests (version below 3) under the old key are
 * opened for a grace time.
 */
export class KeyRotation {
  private due = false;
  private old: { session: MasterSession; until: number } | undefined;

  constructor(
    private readonly opts: Opts,
    private readonly bus: EventBus,
    private readonly log: Log,
    private readonly session: MasterSession,
    private readonly settings: MasterSessionOptions,
    /** Pings all minions, for `ping_on_rotate`. */
    private readonly ping: () => void,
    /** How long the old key is still taken, ms. */
    private readonly grace = 300_000,
  ) {}

  /** Asks for a new key at the next turn. */
  request(): void {
    if (this.opts.flag('rotate_aes_key', true)) this.due = true;
  }

  /** Rotates if asked for; called by the clock. */
  run(): void {
    if (this.old && this.old.until < performance.now()) this.old = undefined;
    if (!this.due) return;
    this.due = false;
    this.old = {
      session: new MasterSession({ ...this.settings, aes: this.session.aes }),
      until: performance.now() + this.grace,
    };
    this.session.rotate(new Crypticle(Crypticle.generate()));
    this.log.info('The AES key of publishes was changed');
    this.bus.fire(tags.keyRotation, { rotate_aes_key: true }, { origin: 'master' });
    if (this.opts.flag('ping_on_rotate')) this.ping();
  }

  /** The session with the old key while its grace lasts. */
  previous(): MasterSession | undefined {
    return this.old && this.old.until >= performance.now() ? this.old.session : undefined;
  }
}
