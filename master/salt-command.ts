import { messageOf, SaltError } from '../bus/errors.ts';
import { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { type Py, PyDict, toPy, type WireMap } from '../bus/values.ts';
import type { CommandLine } from '../sls/cli-options.ts';
import { type Print, printData } from '../sls/output/print.ts';
import { repr, str, truth } from '../sls/values.ts';
import { type BatchResult, batchSize, runBatch } from './batch.ts';
import type { JobRequest, LocalClient, MinionReturn, Publication } from './client.ts';
import { type Ask, type Credentials, logIn } from './login.ts';
import { jobOf } from './salt-job.ts';

/** What `salt` needs of the master. */
export interface SaltClient extends Pick<LocalClient, 'publish' | 'run' | 'cmd'> {
  /** Who a target means. */
  targets(job: JobRequest): Promise<string[]>;
  makeToken(eauth: string, username: string, password: string): Promise<WireMap | undefined>;
  fire(tag: string, data: WireMap): Promise<void>;
}

/** Surroundings of a `salt` command. */
export interface SaltCommandParts {
  line: CommandLine;
  /** The configuration with the command line laid over it. */
  opts: Opts;
  client: SaltClient;
  /** Standard output and standard error. */
  print: Print;
  complain: Print;
  log: Log;
  ask: Ask;
  /** Told the id of the job that was published, for whoever interrupts. */
  started?: (jid: string) => void;
  /** Lets the same batch run go on by itself, under this job id. */
  detach?: (jid: string) => Promise<void>;
  /** Job id of a batch run that was detached. */
  batchJid?: string | undefined;
}

const NOBODY = 'No minions matched the target. No command was sent, no jid was assigned.\n';
const NO_RETURN = 'ERROR: No return received\n';
const NOT_CONNECTED = 'Minion did not return. [Not connected]';
const notReturned = (jid: string): string =>
  `Minion did not return. [No response]\nThe minions may not have all finished running and any remaining minions will return upon completion. To look up the return data for this job later, run the following command:\n\nsalt-run jobs.lookup_jid ${jid}`;

/** Runs a `salt` command line: publishes, prints what comes as Salt prints it, and answers the exit code. Throws CommandLineExit. */
export async function runSalt(parts: SaltCommandParts): Promise<number> {
  const command = new SaltCommand(parts);
  try {
    return await command.run();
  } catch (e) {
    if (!(e instanceof SaltError) || !REPORTED.has(e.code)) throw e;
    if (command.batched && e.code !== 'SaltDaemonNotRunning') {
      parts.complain(`ERROR: ${e.message}\n`);
      return 1;
    }
    const down = e.code === 'SaltDaemonNotRunning';
    if (down) parts.log.error(e.message);
    const text = down ? 'The salt master could not be contacted. Is master running?' : e.message;
    printData(text, '', parts.opts, parts.print);
    // The reference exits with 0 even where no master answered; a script could not tell that from success.
    return down ? 2 : 0;
  }
}

const REPORTED: ReadonlySet<string> = new Set([
  'AuthenticationError',
  'AuthorizationError',
  'SaltInvocationError',
  'SaltClientError',
  'SaltReqTimeoutError',
  'SaltDaemonNotRunning',
]);

/** One minion's answer as the summary and the batch printer need it. */
interface Shown {
  id: string;
  ret: Py;
  retcode: number;
  out: string | undefined;
}

class SaltCommand {
  /** The job goes out in batches: refusals are errors then, not answers. */
  batched = false;
  private readonly opts: Opts;
  private readonly print: Print;

  constructor(private readonly p: SaltCommandParts) {
    this.opts = p.opts;
    this.print = p.print;
  }

  private on(option: string): boolean {
    return this.p.line.options.get(option) === true;
  }

  async run(): Promise<number> {
    const job = jobOf(this.p.line, this.opts);
    this.opts.set('fun', Array.isArray(job.fun) ? job.fun.join(',') : job.fun);
    this.opts.set(
      'arg',
      (job.arg ?? []).map((a) => toPy(a)),
    );
    if (this.on('preview_target')) return this.output(await this.p.client.targets(job), 'nested');
    if (!(await this.identify(job))) return 2;
    if (this.on('async') && this.opts.str('batch')) return this.batchWithoutWaiting(job);
    if (this.opts.str('batch') || this.on('static')) return this.inBatches(job);
    const limit = Number(this.p.line.options.get('batch_safe_limit') ?? 0);
    if (limit > 1 && (await this.p.client.targets(job)).length >= limit) {
      this.print('\nNOTICE: Too many minions targeted, switching to batch execution.\n');
      this.opts.set('batch', this.p.line.options.get('batch_safe_size') ?? 8);
      return this.inBatches(job);
    }
    if (this.on('async')) return this.withoutWaiting(job);
    const size = Number(this.p.line.options.get('subset') ?? 0);
    const wanted = size > 0 ? { ...job, tgt: await this.subset(job, size), tgtType: 'list' } : job;
    return job.fun === 'sys.doc' ? this.documentation(wanted) : this.together(wanted);
  }

  /** Adds token or login to the job; false when the login was refused. */
  private async identify(job: JobRequest): Promise<boolean> {
    const token = this.opts.str('token');
    if (token) job.token = token;
    else if (this.opts.str('eauth')) {
      const found: Credentials | undefined = await logIn(
        this.opts,
        (...login) => this.p.client.makeToken(...login),
        this.p.ask,
      );
      if (!found) this.p.complain('ERROR: Authentication failed\n');
      else Object.assign(job, found);
      return found !== undefined;
    }
    return true;
  }

  private async withoutWaiting(job: JobRequest): Promise<number> {
    const made = await this.p.client.publish(job);
    if (!made.minions.length) this.print(NOBODY);
    this.print(`Executed command with job ID: ${made.jid || 0}\n`);
    return 0;
  }

  private async batchWithoutWaiting(job: JobRequest): Promise<number> {
    batchSize(this.opts.str('batch'), 1);
    if (!(await this.p.client.targets(job)).length) {
      this.print('No minions matched the target.\n');
      return 0;
    }
    const jid = new JidSource().next();
    await this.p.detach?.(jid);
    this.print(`Executed batch command with job ID: ${jid}\n`);
    return 0;
  }

  /** So many of the target's minions that know the function, in any order. */
  private async subset(job: JobRequest, size: number): Promise<string[]> {
    const { tgtType, timeout, extra, eauth, token } = job;
    const lists = await this.p.client.cmd(job.tgt, 'sys.list_functions', [], {
      ...(tgtType === undefined ? {} : { tgtType }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(extra ? { extra } : {}),
      ...(eauth ? { eauth } : {}),
      ...(token === undefined ? {} : { token }),
    });
    const ids = Object.keys(lists)
      .filter((id) => Array.isArray(lists[id]) && (lists[id] as unknown[]).includes(job.fun))
      .map((id) => ({ id, place: Math.random() }))
      .sort((a, b) => a.place - b.place);
    return ids.slice(0, size).map(({ id }) => id);
  }

  /** Runs a job and yields each answer in the form in which it is shown. */
  private async *answers(job: JobRequest): AsyncGenerator<Shown> {
    let jid = '';
    const onPublished = (p: Publication): void => {
      jid = p.jid;
      this.announce(p);
    };
    const gatherJobTimeout = this.opts.num('gather_job_timeout', 10);
    for await (const r of this.p.client.run(job, { gatherJobTimeout, onPublished })) yield shown(r, jid);
  }

  private announce(p: Publication): void {
    if (!p.minions.length) {
      this.print(NOBODY);
      return;
    }
    this.p.started?.(p.jid);
    if (this.on('verbose')) {
      const head = `Executing job with jid ${p.jid}`;
      this.print(`${head}\n${'-'.repeat(head.length)}\n\n`);
    } else if (this.on('show_jid')) this.print(`jid: ${p.jid}\n`);
  }

  private async together(job: JobRequest): Promise<number> {
    const all: Shown[] = [];
    for await (const a of this.answers(job)) {
      all.push(a);
      if (this.on('progress')) this.p.complain(`Returns: ${all.length}\r`);
      else this.show(new PyDict([[a.id, a.ret]]), a.out, a.retcode);
    }
    if (!all.length) {
      this.p.complain(NO_RETURN);
      return 2;
    }
    if (this.on('progress')) this.p.complain('\n');
    if (this.on('progress') || (this.opts.flag('cli_summary') && !this.opts.has('output'))) this.summary(all);
    if (all.every((a) => a.retcode === 0)) return 0;
    this.p.complain('ERROR: Minions returned with non-zero exit code\n');
    return 1;
  }

  private show(data: Py, out: string | undefined, retcode = 0): void {
    printData(data, out, this.opts, this.print, { retcode, log: this.p.log });
  }

  /** Prints the one result of a command; nothing at all is an error. */
  private output(data: Py, out: string): number {
    this.show(data, this.opts.str('output') || out);
    if (truth(data)) return 0;
    this.p.complain(NO_RETURN);
    return 2;
  }

  private async documentation(job: JobRequest): Promise<number> {
    const docs = new Map<string, Py>();
    let any = false;
    for await (const { ret } of this.answers(job)) {
      any = true;
      if (ret instanceof PyDict)
        for (const [fun, doc] of ret) if (truth(doc) && !docs.has(str(fun))) docs.set(str(fun), doc);
    }
    if (!any) {
      this.p.complain('No minions found to gather docs from\n');
      return 2;
    }
    for (const fun of [...docs.keys()].sort())
      if (this.opts.str('output')) this.show(new PyDict([[fun, docs.get(fun)!]]), 'nested');
      else this.print(`${fun}:\n${str(docs.get(fun)!)}\n\n`);
    return 0;
  }

  private async inBatches(job: JobRequest): Promise<number> {
    this.batched = true;
    const quiet = this.on('static');
    const wait = this.p.line.options.get('batch_wait') ?? 0;
    const order = {
      job,
      size: (quiet && !this.opts.str('batch') ? '100%' : (this.opts.get('batch') ?? '')) as string | number,
      wait: Number(wait),
      failhard: this.on('failhard'),
      gatherJobTimeout: this.opts.num('gather_job_timeout', 10),
      ...(this.p.batchJid === undefined ? {} : { jid: this.p.batchJid }),
    };
    const fired: Promise<void>[] = [];
    const results: BatchResult[] = [];
    for await (const r of runBatch(this.p.client, order, {
      asked: (p) => {
        if (!p.minions.length) this.print(quiet ? NOBODY : `${NOBODY}No minions matched the target.\n`);
      },
      numbered: (jid) => this.p.started?.(jid),
      down: (id) => quiet || this.print(`Minion ${id} did not respond. No job will be sent.\n`),
      starting: (ids) => quiet || this.print(`\nExecuting run on ${repr([...ids].sort())}\n\n`),
      state: (state, stage) => {
        if (stage === 'halted') this.p.log.error('Batch run stopped due to failhard');
        fired.push(this.tell(str(state['jid'] as string), state, stage));
      },
    })) {
      results.push(r);
      if (!quiet && r.ret) this.showPart(r.id, r.ret);
    }
    await Promise.all(fired);
    if (quiet)
      return this.output(new PyDict(results.sort(byId).map((r) => [r.id, r.ret ? toPy(r.ret.ret) : new PyDict()])), '');
    if (!results.length) {
      this.p.complain(NO_RETURN);
      return 2;
    }
    return Math.max(...results.map((r) => r.ret?.retcode ?? 0));
  }

  private showPart(id: string, r: MinionReturn): void {
    const part = new PyDict<Py>([
      ['retcode', r.retcode],
      ['jid', str(toPy(r.load['jid'] ?? ''))],
    ]);
    part.set(id, toPy(r.ret));
    this.show(part, r.out);
  }

  /** Fires the state of a batch run; a user who may not fire events runs the batch all the same. */
  private async tell(jid: string, state: WireMap, stage: 'new' | 'progress' | 'complete' | 'halted'): Promise<void> {
    const { fun, tgt, tgt_type, user, driver } = state;
    const tag = {
      new: tags.batchNew(jid),
      progress: tags.batchProgress(jid),
      complete: tags.batchComplete(jid),
      halted: tags.batchHalted(jid),
    }[stage];
    try {
      await this.p.client.fire(tag, { jid, fun, tgt, tgt_type, user, driver, state } as WireMap);
    } catch (e) {
      this.p.log.debug(`Event ${tag} was not fired: ${messageOf(e)}`);
    }
  }

  private summary(all: readonly Shown[]): void {
    const lost = all.filter((a) => typeof a.ret === 'string' && a.ret.startsWith('Minion did not return'));
    const failed = all.filter((a) => !lost.includes(a) && a.retcode !== 0);
    const rule = '-'.repeat(43);
    const lines = [
      '\n',
      rule,
      'Summary',
      rule,
      `# of minions targeted: ${all.length}`,
      `# of minions returned: ${all.length - lost.length}`,
      `# of minions that did not return: ${lost.length}`,
      `# of minions with errors: ${failed.length}`,
    ];
    const names = (label: string, some: readonly Shown[]): void => {
      if (some.length) lines.push(`${label}: ${some.map((a) => a.id).join(' ')}`);
    };
    if (this.on('verbose')) {
      names(
        'Minions not connected',
        lost.filter((a) => a.ret === NOT_CONNECTED),
      );
      names(
        'Minions not responding',
        lost.filter((a) => a.ret !== NOT_CONNECTED),
      );
      names('Minions with failures', failed);
    }
    this.print(`${[...lines, rule].join('\n')}\n`);
  }
}

const byId = (a: BatchResult, b: BatchResult): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function shown(r: MinionReturn, jid: string): Shown {
  if (!r.lost) return { id: r.id, ret: toPy(r.ret), retcode: Math.max(0, r.retcode), out: r.out };
  const ret = r.lost === 'not connected' ? NOT_CONNECTED : notReturned(jid);
  return { id: r.id, ret, retcode: 1, out: 'no_return' };
}
