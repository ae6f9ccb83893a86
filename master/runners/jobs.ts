/** Jobs that ran and jobs that run. */
import { SaltError } from '../../bus/errors.ts';
import { jidTime } from '../../bus/jid.ts';
import { isWireMap, type Py, PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { eq, truth } from '../../sls/values.ts';
import { cacheFor, jobFacts, jobReport, type OpenCache, readTime } from '../job-report.ts';
import { notedRuns } from '../run-files.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

const NO_CACHE = 'Requested returner could not be loaded. No JIDs could be retrieved.';
const FIND_JOB = 'saltutil.find_job';

const message = (text: string): PyDict => new PyDict<Py>([['message', text]]);

function shown(outputter: Py, data: Py): Py {
  return truth(outputter)
    ? new PyDict<Py>([
        ['outputter', outputter],
        ['data', data],
      ])
    : data;
}

async function active(a: Args, ctx: RunnerCtx): Promise<Py> {
  const tell = truth(a['display_progress']!);
  const report = new Map<string, WireMap>();
  const answers = await ctx.client.cmd('*', 'saltutil.running', [], { timeout: ctx.opts.num('timeout', 5) });
  if (tell)
    ctx.progress(
      message(
        `Attempting to contact minions: [${Object.keys(answers)
          .map((id) => `'${id}'`)
          .join(', ')}]`,
      ),
    );
  for (const [minion, jobs] of Object.entries(answers)) {
    if (tell) ctx.progress(message(`Received reply from minion ${minion}`));
    for (const job of Array.isArray(jobs) ? jobs.filter(isWireMap) : []) {
      const jid = String(job['jid']);
      const known = report.get(jid) ?? { ...jobFacts(jid, job), Running: [], Returned: [] };
      (known['Running'] as Wire[]).push({ [minion]: job['pid'] ?? null });
      report.set(jid, known);
    }
  }
  for (const [jid, job] of report) job['Returned'] = Object.keys(await ctx.jobs.getJid(jid, ctx.jobs.ctx));
  return new PyDict<Py>([...report].map(([jid, job]) => [jid, toPy(job)]));
}

async function listJob(a: Args, ctx: RunnerCtx): Promise<PyDict | undefined> {
  const jid = String(a['jid']);
  const from = cacheFor(ctx, a['ext_source'] ?? null);
  if (!from) return undefined;
  if (truth(a['display_progress'] ?? false)) ctx.progress(message(`Querying returner: ${nameOf(a, ctx)}`));
  return new PyDict<Py>([['jid', jid], ...(await jobReport(from, jid))]);
}

function nameOf(a: Args, ctx: RunnerCtx): string {
  const asked = typeof a['ext_source'] === 'string' ? a['ext_source'] : '';
  return ctx.opts.str('ext_job_cache') || asked || ctx.opts.str('master_job_cache', 'local_cache');
}

async function lookupJid(a: Args, ctx: RunnerCtx): Promise<Py> {
  const job = await listJob(a, ctx);
  if (!job) return NO_CACHE;
  const results = job.get('Result') as PyDict;
  const answer = new PyDict();
  let outputter: Py = null;
  for (const [minion, result] of results) {
    if (truth(a['display_progress']!)) ctx.progress(message(String(minion)));
    const map = result instanceof PyDict ? result : new PyDict();
    if (answer.size === 0 && outputter === null) outputter = map.get('out') ?? '';
    if (truth(a['returned']!)) answer.set(minion, map.get('return') ?? null);
  }
  if (truth(a['missing']!))
    for (const id of (job.get('Minions') as Py[] | undefined) ?? [])
      if (!results.has(id)) answer.set(id, 'Minion did not return');
  return shown(outputter, answer);
}

/** A search word or list of words, taken apart at commas. */
const words = (v: Py): string[] => (Array.isArray(v) ? v.map(String) : String(v).split(',')).map((w) => w.trim());

function bound(v: Py, name: string): number | undefined {
  if (!truth(v)) return undefined;
  const ms = readTime(String(v));
  if (ms === undefined) throw new SaltError('ValueError', `Unknown string format: ${name}=${String(v)}`);
  return ms;
}

async function search(a: Args, from: OpenCache, ctx: RunnerCtx): Promise<PyDict> {
  const start = bound(a['start_time'] ?? null, 'start_time');
  const end = bound(a['end_time'] ?? null, 'end_time');
  const metadata = a['search_metadata'] ?? null;
  const tests: ((jid: string, job: WireMap) => boolean)[] = [];
  if (truth(metadata)) {
    if (!(metadata instanceof PyDict))
      ctx.log.info('The search_metadata parameter must be specified as a dictionary.  Ignoring.');
    tests.push((_jid, job) => {
      const own = toPy(job['Metadata']);
      return (
        metadata instanceof PyDict &&
        own instanceof PyDict &&
        [...metadata].some(([k, v]) => own.has(k) && eq(own.get(k)!, v))
      );
    });
  }
  if (truth(a['search_target'] ?? null)) {
    const globs = words(a['search_target']!);
    tests.push((_jid, { Target: tgt }) =>
      (Array.isArray(tgt) ? tgt : [tgt]).some((t) => globs.some((g) => fnmatch(String(t), g))),
    );
  }
  if (truth(a['search_function'] ?? null)) {
    const globs = words(a['search_function']!);
    tests.push((_jid, job) => globs.some((g) => fnmatch(String(job['Function']), g)));
  }
  if (start !== undefined) tests.push((jid) => (jidTime(jid) ?? 0) >= start);
  if (end !== undefined) tests.push((jid) => (jidTime(jid) ?? Number.POSITIVE_INFINITY) <= end);
  const found = new PyDict();
  for (const [jid, job] of Object.entries(await from.cache.getJids(from.ctx)))
    if (tests.every((t) => t(jid, job as WireMap))) found.set(jid, toPy(job));
  return found;
}

async function listJobs(a: Args, ctx: RunnerCtx): Promise<Py> {
  const from = cacheFor(ctx, a['ext_source']!);
  if (!from) return NO_CACHE;
  if (truth(a['display_progress']!)) ctx.progress(message(`Querying returner ${nameOf(a, ctx)} for jobs.`));
  return shown(a['outputter']!, await search(a, from, ctx));
}

/** The newest jobs, read in growing slices so that a long history is not walked for a short list. */
async function newest(from: OpenCache, count: number, withoutFindJob: boolean): Promise<[string, WireMap][]> {
  for (let limit = Math.max(16, count * 2); ; limit *= 4) {
    const all = Object.entries(await from.cache.getJids(from.ctx, { limit })) as [string, WireMap][];
    const kept = withoutFindJob ? all.filter(([, job]) => job['Function'] !== FIND_JOB) : all;
    if (kept.length >= count || all.length < limit) return count > 0 ? kept.slice(-count) : [];
  }
}

async function listJobsFilter(a: Args, ctx: RunnerCtx): Promise<Py> {
  const from = cacheFor(ctx, a['ext_source']!);
  if (!from) return NO_CACHE;
  const count = Number(a['count']);
  if (!Number.isInteger(count)) throw new SaltError('TypeError', 'count must be a whole number');
  const jobs = await newest(from, count, truth(a['filter_find_job']!));
  return shown(
    a['outputter']!,
    jobs.map(([jid, { StartTime, ...job }]) => toPy({ ...job, JID: jid, StartTime: StartTime ?? '' })),
  );
}

async function printJob(a: Args, ctx: RunnerCtx): Promise<Py> {
  const jid = String(a['jid']);
  const from = cacheFor(ctx, a['ext_source']!);
  if (!from) return NO_CACHE;
  return new PyDict<Py>([[jid, await jobReport(from, jid)]]);
}

async function exitSuccess(a: Args, ctx: RunnerCtx): Promise<Py> {
  const job = await listJob(a, ctx);
  if (!job) return NO_CACHE;
  const results = job.get('Result') as PyDict;
  const good = (r: Py | undefined): boolean => r instanceof PyDict && truth(r.get('return') ?? null);
  const answer = new PyDict();
  for (const id of (job.get('Minions') as Py[] | undefined) ?? []) answer.set(id, good(results.get(id)));
  for (const [id, r] of results) if (good(r)) answer.set(id, true);
  return answer;
}

async function lastRun(a: Args, ctx: RunnerCtx): Promise<Py> {
  const { metadata, ext_source } = a as Record<'metadata' | 'ext_source', Py>;
  if (truth(metadata) && !(metadata instanceof PyDict)) {
    ctx.log.info('The metadata parameter must be specified as a dictionary');
    return false;
  }
  const from = cacheFor(ctx, ext_source);
  if (!from) return NO_CACHE;
  const wanted: Args = { search_metadata: metadata, search_function: a['function']!, search_target: a['target']! };
  const jids = [...(await search(wanted, from, ctx)).keys()].map(String).sort();
  const last = jids.at(-1);
  return last === undefined ? false : printJob({ jid: last, ext_source }, ctx);
}

export default {
  doc: 'Shows jobs, those that run and those that ran.',
  functions: {
    active: fn(
      'active(display_progress=False)',
      'Jobs that run on minions now, by job id: on whom, and who has answered already.\n\nCLI Example:\n\n    salt-run jobs.active',
      active,
    ),
    master: fn(
      'master()',
      'Runner and wheel functions that run on this master now.\n\nCLI Example:\n\n    salt-run jobs.master',
      (_a, ctx) => notedRuns(ctx.opts).map((r) => toPy(r)),
    ),
    lookup_jid: fn(
      'lookup_jid(jid, ext_source=None, returned=True, missing=False, display_progress=False)',
      'What the minions answered to a job. missing=True also names those that did not answer, returned=False only those.\n\nCLI Example:\n\n    salt-run jobs.lookup_jid 20300115103000123456\n    salt-run jobs.lookup_jid 20300115103000123456 missing=True',
      lookupJid,
    ),
    list_job: fn(
      'list_job(jid, ext_source=None, display_progress=False)',
      'One job: what was asked of whom, by whom, and every answer with its code.\n\nCLI Example:\n\n    salt-run jobs.list_job 20300115103000123456',
      async (a, ctx) => (await listJob(a, ctx)) ?? NO_CACHE,
    ),
    list_jobs: fn(
      'list_jobs(ext_source=None, outputter=None, search_metadata=None, search_function=None, search_target=None, start_time=None, end_time=None, display_progress=False)',
      "Jobs that are kept, by job id. Searches take shell patterns, several separated by commas; all given ones must fit.\n\nCLI Example:\n\n    salt-run jobs.list_jobs\n    salt-run jobs.list_jobs search_function='pkg.*' search_target='web*'\n    salt-run jobs.list_jobs start_time='2030, Jan 15 10:00' end_time='2030, Jan 15 12:00'",
      listJobs,
    ),
    list_jobs_filter: fn(
      'list_jobs_filter(count, filter_find_job=True, ext_source=None, outputter=None, display_progress=False)',
      'The newest jobs, so many of them, without the questions after running jobs unless filter_find_job=False.\n\nCLI Example:\n\n    salt-run jobs.list_jobs_filter 20',
      listJobsFilter,
    ),
    print_job: fn(
      'print_job(jid, ext_source=None)',
      'One job with its answers, under its job id.\n\nCLI Example:\n\n    salt-run jobs.print_job 20300115103000123456',
      printJob,
    ),
    exit_success: fn(
      'exit_success(jid, ext_source=None)',
      'For each minion of a job whether it answered with something true.\n\nCLI Example:\n\n    salt-run jobs.exit_success 20300115103000123456',
      exitSuccess,
    ),
    last_run: fn(
      'last_run(ext_source=None, outputter=None, metadata=None, function=None, target=None, display_progress=False)',
      "The newest job that fits, with its answers; False when there is none.\n\nCLI Example:\n\n    salt-run jobs.last_run\n    salt-run jobs.last_run function=state.apply target='web*'",
      lastRun,
    ),
  },
} satisfies RunnerModule;
