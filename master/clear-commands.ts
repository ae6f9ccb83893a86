import { SaltError } from '../bus/errors.ts';
import type { EventBus, Origin } from '../bus/event.ts';
import type { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { isWireMap, type Wire, type WireMap } from '../bus/values.ts';
import { asMap, CLEAR_COMMAND, readClearPublish } from '../bus/wire/loads.ts';
import { expandNodegroup } from '../sls/match/expand-nodegroup.ts';
import { type Access, type Caller, NOT_AUTHENTICATED, NOT_AUTHORIZED } from './access.ts';
import type { JobProcesses } from './job-processes.ts';
import type { Publisher, PublishOrder } from './publish.ts';
import type { ClearHandler } from './requests.ts';
import type { Token, Tokens } from './tokens.ts';

/** Parts of the master that clear commands reach. */
export interface ClearParts {
  opts: Opts;
  bus: EventBus;
  log: Log;
  access: Access;
  tokens: Tokens;
  publisher: Publisher;
  processes: JobProcesses;
  jids: JidSource;
}

const SECRETS = new Set(['key', 'password', 'token']);
/** What the reference calls a failed proof, by its kind. */
const FAILURE = {
  token: 'TokenAuthenticationError',
  eauth: 'EauthAuthenticationError',
  user: 'UserAuthenticationError',
} as const;

/** A request as an event may show it: whoever listens learns no secret. */
function shown(load: WireMap): WireMap {
  const out: WireMap = {};
  for (const [k, v] of Object.entries(load))
    if (!SECRETS.has(k)) out[k] = k === 'kwargs' && isWireMap(v) ? shown(v) : v;
  return out;
}

const kindOf = (load: WireMap): Caller['kind'] => ('token' in load ? 'token' : 'eauth' in load ? 'eauth' : 'user');

/** The commands that anyone who reaches port 4506 may send; each proves its sender before anything happens. */
export class ClearCommands {
  constructor(private readonly p: ClearParts) {}

  /** Handlers by wire name. */
  handlers(): ReadonlyMap<string, ClearHandler> {
    return new Map<string, ClearHandler>([
      [CLEAR_COMMAND.ping, (load) => load],
      [CLEAR_COMMAND.publish, (load) => this.publish(load)],
      [CLEAR_COMMAND.getToken, (load) => asWire(this.p.tokens.get(load['token']))],
      [CLEAR_COMMAND.makeToken, async (load) => asWire(await this.p.access.makeToken(load), '')],
      [CLEAR_COMMAND.runner, (load) => this.special('runner', load)],
      [CLEAR_COMMAND.wheel, (load) => this.special('wheel', load)],
    ]);
  }

  /** `publish`: checks blacklist, credentials and rules, publishes, and answers when the load is kept. */
  async publish(load: WireMap): Promise<Wire> {
    const { access, publisher } = this.p;
    const ask = readClearPublish(load);
    if (!ask) return { error: 'Malformed publish request' };
    const funs = Array.isArray(ask.fun) ? ask.fun : [ask.fun];
    if (access.blocked(ask.user, funs)) {
      this.p.log.error(`${ask.user} does not have permissions to run ${funs.join(', ')}.`);
      return { ...NOT_AUTHORIZED };
    }
    let caller: Caller;
    try {
      caller = await access.authenticate(load, ask.kwargs);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.p.log.warning(`${e.message} (user ${JSON.stringify(ask.user.slice(0, 64))})`);
      return this.refused(load, ask.jid, { ...NOT_AUTHENTICATED });
    }
    const order = this.order(ask, caller);
    const found = publisher.targets(order);
    const job = {
      tgt: order.tgt,
      tgtType: order.tgtType,
      fun: funs,
      args: Array.isArray(ask.fun) ? (ask.arg as Wire[][]) : [ask.arg],
      minions: found.minions,
    };
    if (!access.mayPublish(caller, job)) return this.refused(load, ask.jid, { ...NOT_AUTHORIZED });
    const published = await publisher.publish(order, found);
    if (published.error !== undefined)
      return { enc: 'clear', load: { jid: null, minions: [], error: published.error } };
    return { enc: 'clear', load: { jid: published.jid, minions: published.minions, missing: published.missing } };
  }

  private order(ask: NonNullable<ReturnType<typeof readClearPublish>>, caller: Caller): PublishOrder {
    const { token: _t, eauth: _e, username: _u, password: _p, ...extra } = ask.kwargs;
    const user = caller.kind === 'user' ? ask.user : caller.user;
    return {
      ...resolveNodegroup(this.p.opts, ask.tgt, ask.tgt_type),
      fun: ask.fun,
      arg: ask.arg,
      ret: ask.ret,
      user,
      jid: ask.jid,
      extra,
      ...(ask.to === undefined ? {} : { to: ask.to }),
      origin: operator(user),
    };
  }

  private refused(load: WireMap, jid: string, refusal: WireMap): Wire {
    if ('jid' in load) this.p.bus.fire(tags.jobError(jid), { ...shown(load), ...refusal }, { origin: 'master' });
    return refusal;
  }

  /** `runner` answers at once with the tag of its result, `wheel` waits for its result. */
  private async special(form: 'runner' | 'wheel', load: WireMap): Promise<Wire> {
    const kind = kindOf(load);
    const refusal = (user: string): Wire => ({
      error: {
        name: FAILURE[kind],
        message: `Authentication failure of type "${kind}" occurred${user ? ` for user ${user}` : ''}.`,
      },
    });
    let caller: Caller;
    try {
      caller = await this.p.access.authenticate(load, load);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.p.log.warning(e.message);
      return refusal('');
    }
    const fun = load['fun'];
    const kwarg = asMap(load['kwarg']) ?? {};
    const given = load['arg'] ?? kwarg['arg'];
    const arg = Array.isArray(given) ? given : [];
    if (typeof fun !== 'string' || !this.p.access.maySpecial(caller, form, fun, arg, kwarg))
      return refusal(caller.user);
    const user = caller.user.startsWith('sudo_') ? this.p.access.masterUser : caller.user;
    const jid = this.p.jids.next();
    const inner = form === 'runner' ? kwarg : kwargOfWheel(load, kwarg);
    const call = { form, fun, arg, kwarg: plainKwarg(inner), jid, user, origin: operator(user), told: true } as const;
    if (form === 'runner') {
      // The result travels as an event; what fails is in it too.
      void this.p.processes.call(call);
      return { tag: `salt/run/${jid}`, jid };
    }
    const done = await this.p.processes.call(call);
    const tag = `salt/wheel/${jid}`;
    return { tag, data: { fun: `wheel.${fun}`, jid, tag, user, return: done.return, success: done.success } };
  }
}

const WHEEL_FIELDS = new Set([
  'cmd',
  'fun',
  'arg',
  'kwarg',
  'key',
  'user',
  'token',
  'eauth',
  'username',
  'password',
  'print_event',
]);

/** The reference's wheel client may put a function's keywords straight into the load. */
function kwargOfWheel(load: WireMap, kwarg: WireMap): WireMap {
  const own: WireMap = { ...kwarg };
  for (const [k, v] of Object.entries(load)) if (!WHEEL_FIELDS.has(k) && !k.startsWith('__')) own[k] = v;
  return own;
}

function plainKwarg(kwarg: WireMap): WireMap {
  const { arg: _arg, __kwarg__: _mark, ...rest } = kwarg;
  return rest;
}

function asWire(token: Token | undefined, otherwise: Wire = {}): Wire {
  return token === undefined ? otherwise : { ...token };
}

/** The origin of what a user does. */
export function operator(user: string): Origin {
  return `operator/${user}`;
}

/** A nodegroup as the minions understand it: the compound target that it stands for. */
export function resolveNodegroup(opts: Opts, tgt: Wire, tgtType: string): { tgt: Wire; tgtType: string } {
  if (tgtType !== 'nodegroup') return { tgt, tgtType };
  return { tgt: expandNodegroup(String(tgt), opts.dict('nodegroups')), tgtType: 'compound' };
}
