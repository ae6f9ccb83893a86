import { messageOf, SaltError } from '../bus/errors.ts';
import { JidSource, stamp } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { isWireMap, type Py, PyDict, toPy, toWire, type WireMap } from '../bus/values.ts';
import { parseArgs } from '../sls/args.ts';
import { loadArgs } from '../sls/call-format.ts';
import { type CommandLine, usageError } from '../sls/cli-options.ts';
import { type Print, printData } from '../sls/output/print.ts';
import { numberOf } from '../sls/values.ts';
import { callingUser } from './client.ts';
import { docsOf } from './run-docs.ts';
import { noteRun } from './run-files.ts';
import { callFunction, findFunction, type Outcome, shownArgs } from './runner-call.ts';
import type { OpenRun, RunSettings } from './runner-context.ts';

/** Surroundings of a `salt-run` command. */
export interface SaltRunParts {
  line: CommandLine;
  /** The master's configuration with the command line laid over it. */
  opts: Opts;
  print: Print;
  log: Log;
  /** Opens what functions work with. */
  open(settings: RunSettings): Promise<OpenRun>;
  /** Told the id of the run, for whoever interrupts. */
  started?: (jid: string) => void;
}

const ORCHESTRATION: ReadonlySet<string> = new Set(['state.orchestrate', 'state.orch', 'state.sls']);

/** Runs a `salt-run` command line, prints as Salt prints, and answers the exit code. Throws CommandLineExit. */
export async function runSaltRun(p: SaltRunParts): Promise<number> {
  const { line, opts, print } = p;
  const [fun = '', ...words] = line.args;
  if (opts.str('eauth') || opts.flag('mktoken'))
    throw usageError('salt-run', 'a login is of no use here: functions run as the user who calls them');
  if (line.options.get('doc') === true) {
    for (const [name, doc] of docsOf('runner', fun)) print(`${name}:\n${doc}\n`);
    return 0;
  }
  const jid = opts.str('jid') || new JidSource().next();
  p.started?.(jid);
  const show = (data: Py, outputter?: string): void => {
    if (!opts.flag('quiet')) printData(data, outputter, opts, print, { log: p.log });
  };
  const run = await p.open({
    jid,
    user: callingUser(opts),
    print: (text) => print(`${text}\n`),
    progress: (data) =>
      show(
        new PyDict<Py>([
          ['suffix', 'progress'],
          ['event', stamped(data)],
        ]),
      ),
  });
  try {
    return await new Command(p, run, fun, jid, show).run(words);
  } finally {
    await run.close();
  }
}

class Command {
  constructor(
    private readonly p: SaltRunParts,
    private readonly open: OpenRun,
    private readonly fun: string,
    private readonly jid: string,
    private readonly show: (data: Py, outputter?: string) => void,
  ) {}

  async run(words: readonly string[]): Promise<number> {
    const { opts, line, log } = this.p;
    const given = parseArgs(words, opts.list('no_parse').map(String));
    const found = findFunction('runner', this.fun, this.open.ctx);
    if (!found) return this.refuse(`'${this.fun}' is not available.`, given);
    let call: { args: Py[]; kwargs: PyDict };
    try {
      call = loadArgs(found.sig, given);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      return this.refuse(e.message, given);
    }
    const { args, kwargs } = call;
    if (ORCHESTRATION.has(this.fun)) kwargs.set('orchestration_jid', this.jid);
    if (line.options.get('async') === true) {
      await this.startOnly(args, kwargs);
      log.warning(
        `Running in asynchronous mode. Results of this execution may be collected by attaching to the master event bus or by examining the master job cache, if configured. This execution is running under tag salt/run/${this.jid}`,
      );
      return 0;
    }
    if (opts.flag('show_jid')) this.p.print(`jid: ${this.jid}\n`);
    const outcome = await this.call(args, kwargs);
    this.showReturn(outcome.return);
    return exitCode(outcome);
  }

  /** Runs the function here, between its two events, and has the master keep what it answered. */
  private async call(args: Py[], kwargs: PyDict): Promise<Outcome> {
    const { opts, log } = this.p;
    const facts = (): WireMap => ({
      fun: `runner.${this.fun}`,
      jid: this.jid,
      user: callingUser(opts),
      fun_args: shownArgs(args, kwargs).map((a) => toWire(a)),
    });
    await this.tell(tags.runNew(this.jid), facts());
    const forget = noteRun(opts, log, this.jid, { ...facts(), _stamp: stamp() });
    const outcome = await callFunction('runner', this.fun, args, kwargs, this.open.ctx).finally(forget);
    const ret: WireMap = { ...facts(), return: toWire(outcome.return), success: outcome.success };
    if (outcome.retcode !== undefined) ret['retcode'] = outcome.retcode;
    if (this.open.running && opts.flag('runner_returns', true))
      await this.quietly(this.open.client.order('job.keep', { ...ret, _stamp: stamp() }));
    await this.tell(tags.runReturn(this.jid), ret);
    return outcome;
  }

  /** Has the running master run the function. */
  private async startOnly(args: Py[], kwargs: PyDict): Promise<void> {
    const load = {
      fun: this.fun,
      arg: args.map((a) => toWire(a)),
      kwarg: toWire(kwargs),
      user: callingUser(this.p.opts),
    };
    await (await this.open.client.connection()).request('runner', { ...load, jid: this.jid, wait: false });
  }

  /** A function that is not there, or does not take such keywords: its documentation is shown, or what is wrong. */
  private async refuse(message: string, given: readonly Py[]): Promise<number> {
    await this.tell(tags.runReturn(this.jid), {
      success: false,
      return: message,
      retcode: 254,
      fun: this.fun,
      fun_args: given.map((a) => toWire(a)),
      jid: this.jid,
    });
    const docs = docsOf('runner', `${this.fun}*`);
    this.show(docs.size ? new PyDict<Py>(docs) : message, 'nested');
    return 0;
  }

  private showReturn(value: Py): void {
    const map = value instanceof PyDict ? value : undefined;
    const outputter = map?.get('outputter');
    const bare = map?.size === 2 && map.has('data') && map.has('outputter');
    this.show(bare ? (map.get('data') as Py) : value, typeof outputter === 'string' ? outputter : undefined);
  }

  private async tell(tag: string, data: WireMap): Promise<void> {
    if (this.open.running) await this.quietly(this.open.client.fire(tag, data));
  }

  /** A master that went away in between does not spoil the run. */
  private async quietly(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (e) {
      this.p.log.warning(`The master did not take news of this run: ${messageOf(e)}`);
    }
  }
}

function stamped(data: Py): PyDict {
  const map = isWireMap(data) ? toPy(data) : data;
  const event = map instanceof PyDict ? new PyDict(map) : new PyDict<Py>([['message', map]]);
  event.set('_stamp', stamp());
  return event;
}

/** The function's own code: what the run set, else a `retcode` in what it answered. */
function exitCode(outcome: Outcome): number {
  if (outcome.retcode !== undefined) return outcome.retcode;
  const value = toPy(toWire(outcome.return));
  if (!(value instanceof PyDict)) return 0;
  const data = value.get('data');
  const code = value.get('retcode') ?? (data instanceof PyDict ? data.get('retcode') : undefined);
  return code === undefined ? 0 : (numberOf(code) ?? 0);
}
