import { chmodSync, mkdirSync } from 'node:fs';
import { controlEvents } from '../bus/control-events.ts';
import { SaltError } from '../bus/errors.ts';
import type { Cause, EventBus } from '../bus/event.ts';
import type { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type ControlHandler, ControlServer, type ControlStream } from '../bus/transport/control.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import { asMap } from '../bus/wire/loads.ts';
import type { Access, Caller } from './access.ts';
import { operator, resolveNodegroup } from './clear-commands.ts';
import type { Publication } from './client.ts';
import { masterControlSockets, wireOf, wireOfReturn } from './control-sockets.ts';
import { type GatherParts, gather } from './gather.ts';
import type { JobProcesses } from './job-processes.ts';
import type { PublishOrder } from './publish.ts';

/** A named order of a command line or a job process to the running master, e.g. `reactor.add`. Answers wire form. */
export type Order = (data: WireMap, user: string) => Wire | Promise<Wire>;

/** Parts of the master that the control sockets reach. */
export interface ControlParts {
  opts: Opts;
  bus: EventBus;
  log: Log;
  access: Access;
  jids: JidSource;
  gathering: GatherParts;
  processes: JobProcesses;
  /** Orders by name; rooms that join the master later add theirs. */
  orders: Map<string, Order>;
}

const CAUSE = /^(event\/\d+|jid\/\d{20}(_\d+)?)$/;

/** Serves the sockets by which command lines and job processes reach the master without the wire. */
export class Control {
  private servers: ControlServer[] = [];

  constructor(private readonly p: ControlParts) {}

  async listen(): Promise<void> {
    const dir = this.p.opts.str('sock_dir');
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const paths = masterControlSockets(dir);
    const events = controlEvents(this.p.bus);
    const trusted: ControlHandler = async (cmd, load, stream) => {
      if (cmd === 'fire') return events.fire(load);
      if (cmd === 'events') return events.events(load, stream);
      if (cmd === 'order') return this.order(load);
      if (cmd === 'runner' || cmd === 'wheel') return this.call(cmd, load);
      return this.job(cmd, load, stream, true);
    };
    this.servers.push(
      await ControlServer.listen(paths.control, { mode: 0o600, handle: trusted, log: this.p.log }),
      await ControlServer.listen(paths.publish, {
        mode: 0o666,
        handle: (cmd, load, stream) => this.job(cmd, load, stream, false),
        log: this.p.log,
        maxMessage: 8 << 20,
        maxOpen: 64,
      }),
    );
    chmodSync(paths.control, 0o600);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((s) => s.close()));
    this.servers = [];
  }

  private userOf(load: WireMap): string {
    const user = load['user'];
    return typeof user === 'string' && /^[^\s/]{1,128}$/.test(user) ? user : this.p.access.masterUser;
  }

  private async order(load: WireMap): Promise<Wire> {
    const name = load['order'];
    const order = typeof name === 'string' ? this.p.orders.get(name) : undefined;
    if (!order) throw new SaltError('CommandExecutionError', `The master knows no order ${String(name)}`);
    return order(asMap(load['data']) ?? {}, this.userOf(load));
  }

  /** `runner` / `wheel` {fun, arg, kwarg, user, wait}: answers {tag, jid}, with `wait` the outcome too. */
  private async call(form: 'runner' | 'wheel', load: WireMap): Promise<Wire> {
    const { fun, arg } = load;
    if (typeof fun !== 'string') throw new SaltError('SaltInvocationError', 'A function is needed');
    // A program that names nobody is UNKNOWN, as with the reference's clients.
    const user = load['user'] === undefined ? 'UNKNOWN' : this.userOf(load);
    const wanted = load['jid'];
    const jid = typeof wanted === 'string' && wanted !== '' ? wanted : this.p.jids.next();
    const done = this.p.processes.call({
      form,
      fun,
      arg: Array.isArray(arg) ? arg : [],
      kwarg: asMap(load['kwarg']) ?? {},
      jid,
      user,
      origin: operator(user),
      ...(load['wait'] === true ? {} : { told: true }),
      ...cause(load),
    });
    const tag = `salt/${form === 'runner' ? 'run' : 'wheel'}/${jid}`;
    if (load['wait'] !== true) return { tag, jid };
    const { return: value, success, retcode, unknown } = await done;
    if (unknown) throw new SaltError('KeyError', `'${fun}'`);
    return { tag, jid, return: value, success, ...(retcode === undefined ? {} : { retcode }) };
  }

  private async job(cmd: string, load: WireMap, stream: ControlStream, trusted: boolean): Promise<Wire> {
    switch (cmd) {
      case 'ping':
        return true;
      case 'mk_token': {
        const token = await this.p.access.makeToken(load);
        return token ? { ...token } : '';
      }
      case 'publish':
        return wireOf(await this.p.gathering.publisher.publish(await this.allowed(load, trusted)));
      case 'targets':
        return this.p.gathering.publisher.targets(await this.allowed(load, trusted)).minions;
      case 'run':
        return this.follow(load, await this.allowed(load, trusted), stream);
      default:
        throw new SaltError('CommandExecutionError', `The master knows no command ${cmd} here`);
    }
  }

  /** Publishes and streams: first `{publication}`, then one `{ret}` a minion. */
  private async follow(load: WireMap, order: PublishOrder, stream: ControlStream): Promise<Wire> {
    const patience = {
      timeout: number(load['timeout'], this.p.opts.num('timeout', 5)),
      gatherJobTimeout: number(load['gather_job_timeout'], this.p.opts.num('gather_job_timeout', 10)),
    };
    const jid = this.p.gathering.publisher.newJid(order.jid);
    const published = (p: Publication): void => void stream.send({ publication: wireOf(p) });
    for await (const ret of gather(this.p.gathering, order, patience, jid, published, stream.signal)) {
      if (stream.signal.aborted) break;
      await stream.send({ ret: wireOfReturn(ret) });
    }
    return null;
  }

  /** Reads a job, and on the checked socket proves its sender and asks the rules. */
  private async allowed(load: WireMap, trusted: boolean): Promise<PublishOrder> {
    const { fun, arg, ret, jid } = load;
    const funs = Array.isArray(fun) ? fun.map(String) : typeof fun === 'string' ? [fun] : [];
    if (!funs.length || load['tgt'] === undefined)
      throw new SaltError('SaltInvocationError', 'Target and function are needed');
    const args = Array.isArray(arg) ? arg : [];
    const tgtType = typeof load['tgt_type'] === 'string' ? load['tgt_type'] : 'glob';
    const order: PublishOrder = {
      ...resolveNodegroup(this.p.opts, load['tgt'] ?? null, tgtType),
      fun: Array.isArray(fun) ? funs : (funs[0] as string),
      arg: args,
      ret: typeof ret === 'string' ? ret : '',
      user: this.userOf(load),
      origin: operator(this.userOf(load)),
      extra: asMap(load['extra']) ?? {},
      ...(typeof jid === 'string' && jid !== '' ? { jid } : {}),
      ...(this.p.opts.flag('order_masters') && typeof load['timeout'] === 'number' ? { to: load['timeout'] } : {}),
      ...(load['republish'] === true ? { republish: true } : {}),
      ...cause(load),
    };
    if (this.p.access.blocked(order.user, funs))
      throw new SaltError('AuthorizationError', 'Authorization error occurred.');
    const proves = ['token', 'eauth'].some((k) => k in load);
    if (trusted && !proves) return order;
    let caller: Caller;
    try {
      caller = await this.p.access.authenticate(load, load);
    } catch (e) {
      if (e instanceof SaltError && e.code === 'AuthenticationError') {
        this.p.log.warning(e.message);
        throw new SaltError('AuthenticationError', 'Authentication error occurred.');
      }
      throw e;
    }
    const { minions } = this.p.gathering.publisher.targets(order);
    const split = Array.isArray(fun) ? (args as Wire[][]) : [args];
    const job = { tgt: order.tgt, tgtType: order.tgtType, fun: funs, args: split, minions };
    if (!this.p.access.mayPublish(caller, job))
      throw new SaltError('AuthorizationError', 'Authorization error occurred.');
    const user = caller.kind === 'user' ? order.user : caller.user;
    return { ...order, user, origin: operator(user) };
  }
}

function cause(load: WireMap): { cause?: Cause } {
  const value = load['cause'];
  return typeof value === 'string' && CAUSE.test(value) ? { cause: value as Cause } : {};
}

function number(v: Wire | undefined, fallback: number): number {
  const n = typeof v === 'object' && v !== null ? Number(v.valueOf()) : v;
  return typeof n === 'number' && Number.isFinite(n) && n >= 0 ? n : fallback;
}
