import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { parseArgs, splitCompound, yamlify } from '../sls/args.ts';
import { type CommandLine, CommandLineExit, helpText, selectedTarget, usageError } from '../sls/cli-options.ts';
import { expandNodegroup } from '../sls/match/expand-nodegroup.ts';
import { splitWords } from '../sls/match/words.ts';
import type { JobRequest } from './client.ts';

/** Exit code of `salt` for a command that is not complete. */
const INCOMPLETE = 42;

/**
 * Makes the job of a `salt` command line. Throws {@link CommandLineExit} when words are missing, SaltError SaltInvocationError for a
 * node group that the configuration does not have.
 */
export function jobOf(line: CommandLine, opts: Opts): JobRequest {
  const args = completed(line);
  const [target, fun] = args as [string, string];
  const tgtType = selectedTarget(line) ?? 'glob';
  const job: JobRequest = { ...resolved(targetOf(target, tgtType), tgtType, opts), ...call(line, fun, args.slice(2)) };
  const timeout = Number(line.options.get('timeout') ?? 0);
  job.timeout = timeout > 0 ? timeout : opts.num('timeout', 5);
  const ret = text(line, 'return');
  const external = opts.str('ext_job_cache');
  if (ret || external) job.ret = [ret, external].filter(Boolean).join(',');
  const extra = extras(line);
  if (Object.keys(extra).length) job.extra = extra;
  return job;
}

/** The words of the command line with what `-d` and `--preview-target` put in. */
function completed(line: CommandLine): string[] {
  const args = [...line.args];
  const doc = line.options.get('doc') === true;
  const preview = line.options.get('preview_target') === true;
  const help = args.length <= 1 && !doc && !preview ? helpText(line.program, process.stdout.columns) : '';
  if (preview) args.push('not_a_valid_command');
  if (doc) {
    if (!args.length) args.push('*');
    if (args[1] !== 'sys.doc') args.splice(1, 0, 'sys.doc');
    if (args.length > 3) throw usageError(line.program, 'You can only get documentation for one method at one time.');
  }
  if (!args.length)
    throw new CommandLineExit(INCOMPLETE, help, '\nCannot execute command without defining a target.\n\n');
  if (args.length < 2) throw new CommandLineExit(INCOMPLETE, help, '\nIncomplete options passed.\n\n');
  return args;
}

function call(line: CommandLine, fun: string, words: readonly string[]): Pick<JobRequest, 'fun' | 'arg'> {
  const keep = line.options.get('no_parse');
  const noParse = Array.isArray(keep) ? keep.map(String) : [];
  const wire = (list: readonly Py[]): Wire[] => list.map((a) => toWire(a));
  if (!fun.includes(',')) return { fun, arg: wire(parseArgs(words, noParse)) };
  const funs = fun.split(',');
  try {
    const each = splitCompound(words, funs.length, String(line.options.get('args_separator')));
    return { fun: funs, arg: each.map((part) => wire(parseArgs(part, noParse))) };
  } catch (e) {
    if (e instanceof SaltError && e.exitCode === INCOMPLETE)
      throw new CommandLineExit(INCOMPLETE, '', `${e.message}\n`);
    throw e;
  }
}

/** A target as it is published: a list where the words are one. */
export function targetOf(target: string, tgtType: string): Wire {
  if (tgtType !== 'list') return target;
  return target.includes(',') ? target.replaceAll(' ', '').split(',') : splitWords(target);
}

/** Node groups are taken apart before the job is sent: minions do not know them. */
function resolved(tgt: Wire, tgtType: string, opts: Opts): { tgt: Wire; tgtType: string } {
  if (tgtType !== 'nodegroup' && tgtType !== 'compound') return { tgt, tgtType };
  const groups = opts.dict('nodegroups');
  const expand = (name: string): string[] => {
    if (!groups.has(name))
      throw new SaltError(
        'SaltInvocationError',
        `Node group ${name} unavailable in ${opts.str('conf_file', 'the master config file')}`,
      );
    return expandNodegroup(name, groups);
  };
  const words = tgtType === 'nodegroup' ? expand(String(tgt)) : splitWords(String(tgt));
  const out = words.flatMap((w) => (w.startsWith('N@') && w.length > 2 ? expand(w.slice(2)) : [w]));
  return { tgt: out.join(' '), tgtType: 'compound' };
}

function text(line: CommandLine, name: string): string {
  const v = line.options.get(name);
  return typeof v === 'string' ? v : '';
}

/** Options that travel with the job. */
function extras(line: CommandLine): WireMap {
  const extra: WireMap = {};
  const delimiter = text(line, 'delimiter');
  if (delimiter && delimiter !== ':') extra['delimiter'] = delimiter;
  const config = text(line, 'return_config');
  if (config) extra['ret_config'] = config;
  for (const [option, key] of [
    ['return_kwargs', 'ret_kwargs'],
    ['module_executors', 'module_executors'],
    ['executor_opts', 'executor_opts'],
    ['metadata', 'metadata'],
  ] as const) {
    const given = line.options.get(option);
    if (typeof given === 'string' && given) extra[key] = toWire(yamlify(given));
    else if (given instanceof PyDict && given.size) extra[key] = toWire(given);
  }
  if (line.options.get('start_event') === true) extra['start_event'] = true;
  return extra;
}
