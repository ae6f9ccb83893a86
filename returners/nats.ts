/**
 * Publishes each return on a NATS server under `<subject>.<minion>.<function>`. Ours; options `nats.servers` (127.0.0.1:4222, one or a list), `nats.subject`
 * (salt.returns), `nats.events` (salt.events), `nats.user`, `nats.password`, `nats.token`. The message id header is `<jid>/<minion>`, so that a stream keeps one.
 */
import type { NatsConnection } from 'nats';
import { messageOf, SaltError } from '../bus/errors.ts';
import { PyDict, toWire } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { keptReturn } from './shape/job.ts';
import { toJson } from './shape/json.ts';
import { closeLinks, Link, linkFor, type Wired } from './shape/link.ts';
import { type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';

const KEYS = {
  servers: 'servers',
  subject: 'subject',
  events: 'events',
  user: 'user',
  password: 'password',
  token: 'token',
};
const DEFAULTS = { servers: '127.0.0.1:4222', subject: 'salt.returns', events: 'salt.events' };

class NatsWire implements Wired {
  constructor(readonly nc: NatsConnection) {}
  get alive(): boolean {
    return !this.nc.isClosed();
  }
  /** The client keeps the process alive while it is connected; a daemon lives anyway, and other processes close it. */
  hold(): void {}
  close(): Promise<void> {
    return this.nc.close();
  }
}

/** A word of a subject: dots, blanks and wildcards have a meaning there. */
const word = (text: string): string => text.replace(/[\s.*>]/g, '_') || '_';

async function open(options: ReturnerOptions): Promise<NatsWire> {
  const { connect } = await import('nats');
  const servers = options['servers'];
  const text = (key: string): string | undefined => textOption(options, key);
  const [user, pass, token] = [text('user'), text('password'), text('token')];
  try {
    return new NatsWire(
      await connect({
        servers: Array.isArray(servers) ? servers.map(String) : String(servers),
        reconnect: false,
        timeout: 5000,
        ...(user === undefined ? {} : { user }),
        ...(pass === undefined ? {} : { pass }),
        ...(token === undefined ? {} : { token }),
      }),
    );
  } catch (e) {
    throw new SaltError('SaltClientError', `nats returner could not connect: ${messageOf(e)}`, {}, { cause: e });
  }
}

async function publish(
  messages: (options: ReturnerOptions) => readonly { subject: string; body: string; id?: string }[],
  ctx: ReturnerCtx,
): Promise<void> {
  const options = returnerOptions('nats', KEYS, DEFAULTS, ctx);
  const link = linkFor(
    ctx.context,
    toJson(toWire(new PyDict(Object.entries(options)))),
    () => new Link(() => open(options)),
  );
  await link.use(async ({ nc }) => {
    const { headers } = await import('nats');
    for (const { subject, body, id } of messages(options)) {
      const h = headers();
      if (id !== undefined) h.set('Nats-Msg-Id', id);
      nc.publish(subject, body, { headers: h });
    }
    // Answered once the server has all of it.
    await nc.flush();
  });
}

export default {
  returner: (ret, ctx) =>
    publish((options) => {
      const kept = keptReturn(ret);
      const fun = Array.isArray(kept['fun']) ? kept['fun'].join(',') : String(kept['fun']);
      const id = String(kept['id']);
      const subject = `${textOption(options, 'subject') ?? 'salt.returns'}.${word(id)}.${word(fun)}`;
      return [{ subject, body: toJson(kept), id: `${String(kept['jid'])}/${id}` }];
    }, ctx),
  eventReturn: (events, ctx) =>
    publish(
      (options) =>
        events.map(({ tag, data }) => ({
          subject: `${textOption(options, 'events') ?? 'salt.events'}.${tag.split('/').filter(Boolean).map(word).join('.') || '_'}`,
          body: toJson({ tag, data }),
        })),
      ctx,
    ),
  close: (ctx) => closeLinks(ctx.context),
} satisfies Returner;
