import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Cause } from '../bus/event.ts';
import type { Opts } from '../bus/opts.ts';
import { ControlClient } from '../bus/transport/control.ts';
import { isWireMap, type Py, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { masterControlSockets, readPublication, readReturnItem } from './control-sockets.ts';

/** What a job is: who shall run what. `tgtType` as on the wire (glob, pcre, list, grain, …, compound). */
export interface JobRequest {
  tgt: Wire;
  tgtType?: string;
  /** A function, or several with `arg` a list of lists. */
  fun: string | string[];
  arg?: readonly Wire[];
  kwarg?: WireMap;
  /** Returner names, comma separated. */
  ret?: string;
  /** Wanted jid; empty: the master makes one. */
  jid?: string;
  /** Seconds that a minion is waited for before find_job asks after it. */
  timeout?: number;
  user?: string;
  /** Credentials: the local key file's text, or a token, or eauth fields. */
  key?: string;
  token?: string;
  eauth?: { eauth: string; username: string; password: string };
  /** Further fields of the publish load: metadata, delimiter, ret_config, ret_kwargs, module_executors, start_event … */
  extra?: WireMap;
  cause?: Cause;
  /** The job may have been published by this jid before: it is sent again, but announced and kept once. */
  republish?: boolean;
}
/** The master's answer to a publish. `minions` is empty when nothing matched; then `error` says so. */
export interface Publication {
  jid: string;
  minions: string[];
  missing: string[];
  error?: string;
}
/** One minion's return as it came in, or the news that it did not (`lost`: it answered find_job with nothing and never returned). */
export interface MinionReturn {
  id: string;
  ret: Wire;
  retcode: number;
  success: boolean;
  out?: string;
  load: WireMap;
  lost?: 'no response' | 'not connected' | 'no return';
}

/** Publishes and gathers, as Salt's LocalClient. Implementation: over the control socket of a running master, or in the master itself. */
export interface LocalClient {
  /** Publishes and answers at once (cmd_async / run_job). Throws AuthenticationError, AuthorizationError, SaltDaemonNotRunning. */
  publish(job: JobRequest): Promise<Publication>;
  /** Publishes and yields returns as they come; ends when every expected minion answered or is known lost (cmd_iter). */
  run(
    job: JobRequest,
    options?: { gatherJobTimeout?: number; onPublished?: (p: Publication) => void },
  ): AsyncIterable<MinionReturn>;
  /** Gathers all: id to return value (cmd); minions that did not answer are absent, or false with `verbose`. */
  cmd(tgt: Wire, fun: string, arg?: readonly Py[], options?: Partial<JobRequest>): Promise<WireMap>;
  close(): Promise<void>;
}

/** The load by which a job travels over a control socket. Keywords become the last argument, as minions expect them. */
export function jobLoad(job: JobRequest): WireMap {
  const arg = [...(job.arg ?? [])];
  if (job.kwarg && Object.keys(job.kwarg).length) arg.push({ ...job.kwarg, __kwarg__: true });
  const load: WireMap = { tgt: job.tgt, tgt_type: job.tgtType ?? 'glob', fun: job.fun, arg, ret: job.ret ?? '' };
  if (job.jid) load['jid'] = job.jid;
  if (job.timeout !== undefined) load['timeout'] = job.timeout;
  if (job.user !== undefined) load['user'] = job.user;
  if (job.key !== undefined) load['key'] = job.key;
  if (job.token !== undefined) load['token'] = job.token;
  if (job.eauth) Object.assign(load, job.eauth);
  if (job.extra) load['extra'] = job.extra;
  if (job.cause) load['cause'] = job.cause;
  if (job.republish) load['republish'] = true;
  return load;
}

/**
 * A client of the running master of a configuration. Uses the master's trusted socket where the user may, else the checked one with the user's key
 * file (`cachedir/.<user>_key`). Connects on first use.
 */
export function openLocalClient(opts: Opts): ControlledClient {
  return new ControlledClient(opts);
}

/** A {@link LocalClient} over the control socket, with the master's other commands. */
export class ControlledClient implements LocalClient {
  private connecting: Promise<ControlClient> | undefined;
  private trusted = true;
  private caller: string | undefined;

  constructor(private readonly opts: Opts) {}

  /** Looked up once: it reads the system's accounts. */
  private get user(): string {
    this.caller ??= callingUser(this.opts);
    return this.caller;
  }

  private async connect(): Promise<ControlClient> {
    const opening = this.connecting;
    const known = await opening;
    if (known?.connected) return known;
    if (known && this.connecting === opening) this.connecting = undefined;
    this.connecting ??= this.open().catch((e) => {
      this.connecting = undefined;
      throw e;
    });
    return this.connecting;
  }

  private async open(): Promise<ControlClient> {
    const paths = masterControlSockets(this.opts.str('sock_dir'));
    try {
      return await ControlClient.connect(paths.control);
    } catch (e) {
      if (!(e instanceof SaltError) || e.details['errno'] !== 'EACCES') throw e;
    }
    this.trusted = false;
    return ControlClient.connect(paths.publish);
  }

  private load(job: JobRequest, more: WireMap = {}): WireMap {
    const load = { ...jobLoad(job), ...more };
    load['user'] ??= this.user;
    if (!this.trusted && load['key'] === undefined && load['token'] === undefined && load['eauth'] === undefined) {
      const key = localKey(this.opts, String(load['user']));
      if (key !== undefined) load['key'] = key;
    }
    return load;
  }

  async publish(job: JobRequest): Promise<Publication> {
    const client = await this.connect();
    return readPublication(await client.request('publish', this.load(job)));
  }

  /** Ids of the minions that a job's target means now; nothing is published. */
  async targets(job: JobRequest): Promise<string[]> {
    const answer = await (await this.connect()).request('targets', this.load(job));
    return Array.isArray(answer) ? answer.map(String) : [];
  }

  async *run(
    job: JobRequest,
    options: { gatherJobTimeout?: number; onPublished?: (p: Publication) => void } = {},
  ): AsyncGenerator<MinionReturn> {
    const client = await this.connect();
    const more: WireMap =
      options.gatherJobTimeout === undefined ? {} : { gather_job_timeout: options.gatherJobTimeout };
    for await (const item of client.stream('run', this.load(job, more))) {
      if (!isWireMap(item)) continue;
      if ('publication' in item) options.onPublished?.(readPublication(item['publication']));
      else if ('ret' in item) yield readReturnItem(item['ret']);
    }
  }

  async cmd(tgt: Wire, fun: string, arg: readonly Py[] = [], options: Partial<JobRequest> = {}): Promise<WireMap> {
    const answer: WireMap = {};
    for await (const ret of this.run({ ...options, tgt, fun, arg: arg.map((a) => toWire(a)) }))
      if (ret.lost === undefined) answer[ret.id] = ret.ret;
    return answer;
  }

  /** A named order to the running master; see master/control.ts. Trusted socket only. */
  async order(order: string, data: WireMap = {}): Promise<Wire> {
    return (await this.connect()).request('order', { order, data, user: this.user });
  }

  /** Fires an event on the master's bus; settles when it is durable. */
  async fire(tag: string, data: WireMap, cause?: Cause): Promise<void> {
    const load: WireMap = { tag, data, user: this.user };
    if (cause) load['cause'] = cause;
    await (await this.connect()).request('fire', load);
  }

  /** Runs a runner or wheel function in a job process of the master; with `wait` the answer holds `return`, `success` and `retcode`. */
  async call(
    form: 'runner' | 'wheel',
    fun: string,
    arg: readonly Wire[] = [],
    kwarg: WireMap = {},
    wait = true,
  ): Promise<WireMap> {
    const load = { fun, arg: [...arg], kwarg, user: this.user, wait };
    const answer = await (await this.connect()).request(form, load);
    return isWireMap(answer) ? answer : {};
  }

  /** Makes a login token; undefined when refused. */
  async makeToken(eauth: string, username: string, password: string): Promise<WireMap | undefined> {
    const answer = await (await this.connect()).request('mk_token', { eauth, username, password });
    return isWireMap(answer) ? answer : undefined;
  }

  /** The open connection, for the event commands of bus/control-events.ts. */
  connection(): Promise<ControlClient> {
    return this.connect();
  }

  async close(): Promise<void> {
    const client = await this.connecting?.catch(() => undefined);
    client?.close();
    this.connecting = undefined;
  }
}

/** Who the calling person is to the master: the user, or `sudo_<user>` where root acts for somebody. */
export function callingUser(opts: Opts): string {
  const { username } = userInfo();
  const sudo = process.env['SUDO_USER'];
  if (sudo && username === 'root' && sudo !== 'root' && sudo !== opts.str('user', 'root')) return `sudo_${sudo}`;
  return username;
}

function localKey(opts: Opts, user: string): string | undefined {
  const name = user.startsWith('sudo_') ? opts.str('user', 'root') : user;
  if (/[/\\\0]/.test(name)) return undefined;
  try {
    return readFileSync(join(opts.str('cachedir'), `.${name}_key`), 'utf8').trim();
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EACCES') return undefined;
    throw e;
  }
}
