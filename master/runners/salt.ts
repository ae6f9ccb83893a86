/** Execution functions: on this machine, or on minions. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, toPy, toWire, type WireMap } from '../../bus/values.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { numberOf, truth } from '../../sls/values.ts';
import type { JobRequest } from '../client.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

async function here(a: Args, ctx: RunnerCtx): Promise<Py> {
  const fun = String(a['fun']);
  const kwargs = cleanKwargs(a['kwargs'] as PyDict);
  kwargs.delete('with_pillar');
  const { localCalls } = await import('../../minion/call-local.ts');
  const calls = localCalls(ctx.opts.with({ file_client: 'local' }), ctx.log);
  if (!calls.has(fun)) return `'${fun}' is not available.`;
  return calls.callAsync(fun, a['args'] as Py[], kwargs);
}

async function onMinions(a: Args, ctx: RunnerCtx): Promise<Py> {
  const arg = a['arg']!;
  const kwarg = a['kwarg'] instanceof PyDict ? (toWire(a['kwarg']) as WireMap) : undefined;
  const job: Partial<JobRequest> = {
    tgtType: String(a['tgt_type']),
    timeout: truth(a['timeout']!) ? (numberOf(a['timeout']!) ?? 5) : ctx.opts.num('timeout', 5),
    ret: String(a['ret']),
    ...(truth(a['jid']!) ? { jid: String(a['jid']) } : {}),
    ...(kwarg ? { kwarg } : {}),
  };
  const more = toWire(cleanKwargs(a['kwargs'] as PyDict)) as WireMap;
  if (Object.keys(more).length) job.extra = more;
  try {
    const answers = await ctx.client.cmd(toWire(a['tgt']!), String(a['fun']), Array.isArray(arg) ? arg : [arg], job);
    return new PyDict<Py>(Object.entries(answers).map(([id, value]) => [id, toPy(value)]));
  } catch (e) {
    if (!(e instanceof SaltError) || !REPORTED.has(e.code)) throw e;
    ctx.log.error(`Error while executing ${String(a['fun'])} on ${String(a['tgt'])} (${String(a['tgt_type'])})`);
    ctx.log.error(e.message);
    return new PyDict();
  }
}

const REPORTED: ReadonlySet<string> = new Set(['SaltClientError', 'SaltReqTimeoutError', 'SaltDaemonNotRunning']);

export default {
  doc: 'Calls execution functions, on the master itself or on minions.',
  functions: {
    cmd: fn(
      'cmd(fun, *args, **kwargs)',
      'Calls an execution function on this machine.\n\nCLI Example:\n\n    salt-run salt.cmd test.ping\n    salt-run salt.cmd test.arg one two=2',
      here,
    ),
    execute: fn(
      "execute(tgt, fun, arg=(), timeout=None, tgt_type='glob', ret='', jid='', kwarg=None, **kwargs)",
      "Calls an execution function on minions and answers by minion.\n\nCLI Example:\n\n    salt-run salt.execute 'web*' cmd.run 'uptime'",
      onMinions,
    ),
  },
} satisfies RunnerModule;
