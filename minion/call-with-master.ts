/** salt-call with a master: this process holds the channel, a job process runs the function. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { RequestClient } from '../bus/transport/contract.ts';
import { PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { loadOrCreateKeyPair } from '../bus/wire/keys.ts';
import { MINION_COMMAND } from '../bus/wire/loads.ts';
import type { MinionSession } from '../bus/wire/minion-session.ts';
import { fireAtDaemon, order } from './call-local.ts';
import { MasterChannel, type RequestOptions } from './channel.ts';
import { JobPipe } from './job-pipe.ts';
import { MasterTalk } from './master-talk.ts';
import { type MasterAddress, masterAddress } from './masters.ts';
import type { CallOutcome } from './run-call.ts';
import { trySignIn } from './sign-in.ts';

declare const __brine_dist: string;

/** A master as salt-call needs it: signed in, with requests. */
export interface CallMaster {
  readonly name: string;
  readonly talk: MasterTalk;
  request(cmd: string, load: WireMap, options?: RequestOptions): Promise<Wire>;
  close(): Promise<void>;
}

/** What {@link reachMaster} is given besides the configuration. */
export interface CallSockets {
  requests(host: string, port: number): RequestClient;
}

/**
 * Signs in at the first of the configured masters that takes this minion. Rejects with SaltClientError (exit code 2 while the key is
 * not accepted) or what the sign-in says.
 */
export async function reachMaster(
  opts: Opts,
  log: Log,
  sockets: CallSockets,
  grains: () => PyDict,
): Promise<CallMaster> {
  const key = await loadOrCreateKeyPair(opts.str('pki_dir'), 'minion', opts.num('keysize', 2048));
  const given = opts.get('master');
  const port = opts.num('master_port', 4506);
  const masters = (Array.isArray(given) ? given.map(String) : [opts.str('master', 'salt')]).map((m) =>
    masterAddress(m, port),
  );
  let last: SaltError | undefined;
  for (const master of masters) {
    const client = sockets.requests(master.host, master.port);
    const attempt = (): ReturnType<typeof trySignIn> =>
      trySignIn({
        opts,
        log,
        key,
        grains,
        master: master.host,
        tries: 1,
        ask: (frame, timeout) => client.request(frame, timeout),
        sleep: async () => undefined,
      });
    const verdict = await attempt();
    if (verdict.kind === 'in') return callMaster(opts, log, master, client, verdict.signedIn.session, attempt);
    await client.close();
    last =
      verdict.kind === 'wait' && verdict.pending
        ? new SaltError('SaltClientError', verdict.error.message, { exit: 2 })
        : verdict.error;
  }
  throw last ?? new SaltError('SaltClientError', 'No master is configured');
}

function callMaster(
  opts: Opts,
  log: Log,
  master: MasterAddress,
  client: RequestClient,
  first: MinionSession,
  attempt: () => ReturnType<typeof trySignIn>,
): CallMaster {
  let session = first;
  const channel = new MasterChannel({
    client,
    log,
    session: () => session,
    renew: async () => {
      const verdict = await attempt();
      if (verdict.kind !== 'in') throw verdict.error;
      session = verdict.signedIn.session;
      return session;
    },
    timeout: opts.num('request_channel_timeout', 60) * 1000,
    tries: opts.num('request_channel_tries', 3),
  });
  const request = (cmd: string, load: WireMap, o?: RequestOptions): Promise<Wire> => channel.request(cmd, load, o);
  return {
    name: master.host,
    request,
    talk: new MasterTalk(opts, log, { name: master.host, request }),
    close: () => client.close(),
  };
}

/**
 * Runs a function in a job process, whose questions to the master go through this one, and reports its return to the master.
 * `--no-return-event` leaves that out.
 */
export async function callWithMaster(
  fun: string,
  words: readonly string[],
  opts: Opts,
  log: Log,
  sockets: CallSockets,
): Promise<CallOutcome> {
  const child = new CallProcess();
  try {
    // The process finds the grains while this one signs in.
    child.tell(opts, undefined, new PyDict(), false);
    const grains = child.grains();
    grains.catch(() => undefined);
    const needsGrains = opts.list('autosign_grains').length > 0;
    const early = needsGrains ? await grains : new PyDict();
    const master = await reachMaster(opts, log, sockets, () => early);
    try {
      const found = await grains;
      const pillar = (await master.talk.pillar(found, false)) ?? new PyDict();
      child.tell(opts, found, pillar, true);
      const outcome = await child.call(fun, words, async (what, load) => {
        if (what === 'fire') return fireAtDaemon(opts, String(load['tag']), load['data'] as WireMap);
        if (what === 'daemon') return order(String(load['order']));
        return master.request(String(load['cmd']), (load['load'] ?? {}) as WireMap);
      });
      if (outcome.kind === 'return' && !opts.flag('no_return_event')) await report(outcome.ret, opts, log, master);
      return outcome;
    } finally {
      await master.close();
    }
  } finally {
    child.release();
  }
}

/** Tells the master of a return, under a jid of the master's own making. One that cannot be told is no error of the call. */
async function report(ret: WireMap, opts: Opts, log: Log, master: CallMaster): Promise<void> {
  try {
    await master.request(MINION_COMMAND.return, { id: opts.str('id'), ...ret, jid: 'req' });
  } catch (e) {
    log.debug(`The return was not taken by the master: ${messageOf(e)}`);
  }
}

type Answer = (what: string, load: WireMap) => Promise<Wire>;

/** The job process of one call; it shares this program's terminal and ends with it. */
class CallProcess {
  private readonly pipe: JobPipe;
  private answer: Answer = async () => null;
  private found: ((g: PyDict) => void) | undefined;
  private outcome: ((o: CallOutcome) => void) | undefined;
  private failed: (e: Error) => void = () => undefined;
  private readonly over: Promise<never>;

  constructor() {
    const child = spawn(process.execPath, [join(__brine_dist, 'minion', 'job-process.js')], {
      argv0: 'salt-call',
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    });
    this.over = new Promise((_, failed) => {
      this.failed = failed;
    });
    this.over.catch(() => undefined);
    child.on('error', (e) => this.failed(e));
    child.on('close', (code, signal) =>
      this.failed(new SaltError('SaltClientError', `The job process ended (${signal ?? `exit code ${code}`})`)),
    );
    this.pipe = new JobPipe(
      child.stdio[3] as Duplex,
      (m) => {
        if (m.type === 'grains') this.found?.(toPyDict(m['grains']));
        else if (m.type === 'outcome') this.outcome?.(m['outcome'] as unknown as CallOutcome);
        else if (m.type === 'ask')
          this.answer(String(m['what']), m['load'] as WireMap).then(
            (value) => this.pipe.send({ type: 'answer', value }),
            (e: unknown) =>
              this.pipe.send({
                type: 'error',
                code: e instanceof SaltError ? e.code : 'SaltClientError',
                message: messageOf(e),
              }),
          );
      },
      () => undefined,
    );
  }

  tell(opts: Opts, grains: PyDict | undefined, pillar: PyDict, connected: boolean): void {
    this.pipe.send({
      type: 'facts',
      opts: toWire(opts.data),
      grains: grains ? toWire(grains) : null,
      pillar: toWire(pillar),
      connected,
    });
  }

  grains(): Promise<PyDict> {
    const found = new Promise<PyDict>((done) => {
      this.found = done;
    });
    this.pipe.send({ type: 'grains', refresh: false });
    return Promise.race([found, this.over]);
  }

  call(fun: string, words: readonly string[], answer: Answer): Promise<CallOutcome> {
    this.answer = answer;
    const outcome = new Promise<CallOutcome>((done) => {
      this.outcome = done;
    });
    this.pipe.send({ type: 'call', fun, words: [...words] });
    return Promise.race([outcome, this.over]);
  }

  /** Lets the process end: at once when it waits for orders, else when it is done. */
  release(): void {
    this.pipe.close();
  }
}

function toPyDict(v: Wire | undefined): PyDict {
  const p = toPy(v);
  return p instanceof PyDict ? p : new PyDict();
}
