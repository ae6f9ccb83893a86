/** The program of a job process: runs runner and wheel functions for the master that forked it. */
import { consoleSink, LEVELS, type Level, Log } from '../bus/log.ts';
import { Opts } from '../bus/opts.ts';
import { PyDict, toPy, toWire, type Wire } from '../bus/values.ts';
import { asMap } from '../bus/wire/loads.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';
import type { EventToReact } from '../reactor/reactor.ts';
import type { Order, Report } from './job-processes.ts';
import { noteLongRun, noteRun } from './run-files.ts';
import { callFunction, type Form, locate, shownArgs } from './runner-call.ts';
import { openGround, type RunGround } from './runner-context.ts';

interface Message {
  n?: number;
  react?: Uint8Array;
  opts?: Uint8Array;
  orders?: readonly Order[];
  pillar?: Uint8Array;
}

let opts = new Opts();
let log = new Log('salt.runner', consoleSink());

/** What is told in one turn of the loop goes as one message. */
const reports: Report[] = [];
function report(r: Report): void {
  if (reports.push(r) === 1) setImmediate(() => process.send?.({ reports: reports.splice(0) }));
}

const goOn = new Map<number, () => void>();
/** Has the master announce the call, before anything that the call itself tells. */
function announced(n: number, lasting: boolean): Promise<void> {
  return new Promise((resolve) => {
    goOn.set(n, resolve);
    report({ n, found: lasting ? 'built-in' : 'own' });
  });
}

/** What runs share, opened with the first one; a master ends its job processes with itself. */
let ground: Promise<RunGround> | undefined;
function standOn(): Promise<RunGround> {
  ground ??= openGround(opts, log).catch((e: unknown) => {
    ground = undefined;
    throw e;
  });
  return ground;
}

async function work(n: number, bytes: Uint8Array): Promise<Wire> {
  const call = asMap(decodeBus(bytes)) ?? {};
  const form: Form = call['form'] === 'wheel' ? 'wheel' : 'runner';
  const args = Array.isArray(call['arg']) ? call['arg'].map((a) => toPy(a)) : [];
  const kwargs = toPy(call['kwarg'] ?? {});
  const run = (await standOn()).run({ jid: String(call['jid']), user: String(call['user']) });
  const facts = { fun: `${form}.${String(call['fun'])}`, jid: String(call['jid']), user: String(call['user']) };
  const found = locate(form, String(call['fun']), run.ctx);
  if (!found) {
    await run.close();
    return { return: `'${String(call['fun'])}' is not available.`, success: false, retcode: 254, unknown: true };
  }
  if (call['announced'] !== true) await announced(n, found.lasting);
  // What asks for the runs is to find its own.
  const note = call['quick'] === true && !facts.fun.startsWith('runner.jobs.') ? noteLongRun : noteRun;
  const forget = note(opts, log, facts.jid, {
    ...facts,
    fun_args: shownArgs(args, kwargs as PyDict).map((a) => toWire(a)),
  });
  try {
    const outcome = await callFunction(
      form,
      String(call['fun']),
      args,
      kwargs instanceof PyDict ? kwargs : new PyDict(),
      run.ctx,
    );
    return {
      return: toWire(outcome.return),
      success: outcome.success,
      // A function may have changed what it was given, and its `ret` event shows that.
      fun_args: shownArgs(args, kwargs as PyDict).map((a) => toWire(a)),
      ...(outcome.retcode === undefined ? {} : { retcode: outcome.retcode }),
    };
  } finally {
    forget();
    await run.close();
  }
}

/** Renders a batch of events to reaction calls; what the compiler logs goes back with them. */
async function compileBatch(bytes: Uint8Array): Promise<{ reacted: Uint8Array; log: [string, string][] }> {
  const { reactionCompiler } = await import('./reaction-compiler.ts');
  const said: [string, string][] = [];
  const sink = new Log('salt.reactor', (r) => void said.push([r.level, r.message]), LEVELS.warning);
  const calls = reactionCompiler(opts, sink)(decodeBus(bytes) as unknown as EventToReact[]);
  return { reacted: encodeBus(calls as unknown as Wire), log: said };
}

let makePillar: ReturnType<typeof import('./compile-pillar.ts').pillarMaker> | undefined;
const saidOfPillar: [string, string][] = [];
/** Compiles a pillar; what the compiler logs goes back with it. */
async function compilePillar(bytes: Uint8Array): Promise<{ made: Uint8Array } | { failed: string }> {
  const { pillarMaker } = await import('./compile-pillar.ts');
  makePillar ??= pillarMaker(
    opts,
    new Log('salt.pillar', (r) => void saidOfPillar.push([r.level, r.message]), LEVELS.warning),
  );
  const load = asMap(decodeBus(bytes)) ?? {};
  const dict = (v: Wire | undefined): PyDict => {
    const p = toPy(v);
    return p instanceof PyDict ? p : new PyDict();
  };
  const text = (v: Wire | undefined): string | null => (typeof v === 'string' ? v : null);
  try {
    const made = makePillar({
      id: String(load['id']),
      grains: dict(load['grains']),
      saltenv: text(load['saltenv']),
      pillarenv: text(load['pillarenv']),
      override: dict(load['override']),
      ...(load['ext'] === undefined ? {} : { ext: toPy(load['ext']) }),
    });
    return { made: encodeBus({ pillar: toWire(made.pillar), inputs: (made.inputs ?? null) as unknown as Wire }) };
  } catch (e) {
    return { failed: e instanceof Error ? e.message : String(e) };
  }
}

process.on('message', (m: Message) => {
  if (m.opts) {
    opts = new Opts(toPy(decodeBus(m.opts)) as PyDict);
    const level = opts.str('log_level', 'warning');
    log = new Log('salt.runner', consoleSink(), level in LEVELS ? LEVELS[level as Level] : LEVELS.warning);
  }
  if (m.pillar)
    compilePillar(m.pillar)
      .then((answer) => process.send?.({ ...answer, log: saidOfPillar.splice(0) }))
      .catch((e) => {
        process.stderr.write(`${failure(e)}\n`);
        process.exit(1);
      });
  if (m.react) {
    const { n, react } = m;
    compileBatch(react)
      .then((done) => process.send?.({ n, ...done }))
      .catch((e) => {
        process.stderr.write(`${failure(e)}\n`);
        process.exit(1);
      });
  }
  for (const { n, go, call } of m.orders ?? []) {
    if (go) {
      goOn.get(n)?.();
      goOn.delete(n);
    }
    if (call)
      work(n, call)
        .catch((e): Wire => ({ return: failure(e), success: false, retcode: 1 }))
        .then((outcome) => report({ n, outcome: encodeBus(outcome) }));
  }
});
process.on('disconnect', () => process.exit(0));

function failure(e: unknown): string {
  return e instanceof Error ? (e.stack ?? e.message) : String(e);
}
