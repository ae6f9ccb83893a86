import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { isJid } from '../../bus/jid.ts';
import { type Py, PyDict, toPy, toWire, type WireMap } from '../../bus/values.ts';
import { decodeBus } from '../../bus/wire/payload.ts';
import { cleanKwargs, invalidKeywords } from '../../sls/call-format.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { EXTMOD_FORMS, syncExtmods } from '../extmods.ts';
import { extmodsDir } from '../extmods-dir.ts';
import { masterCommand } from '../master-command.ts';
import { runningJobs, signalJob } from '../proc-files.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const cachedir = (ctx: ModuleCtx): string => ctx.opts.str('cachedir');
const local = (ctx: ModuleCtx): boolean => ctx.opts.str('file_client') === 'local';

function running(ctx: ModuleCtx): PyDict[] {
  return runningJobs(cachedir(ctx)).map((j) => toPy(j) as PyDict);
}

function findJob({ jid }: Args, ctx: ModuleCtx): Py {
  const wanted = str(jid as Py);
  const found = running(ctx).find((j) => j.get('jid') === wanted);
  if (found) return found;
  const queued = ctx.daemon('queued_job', { jid: wanted });
  return queued instanceof PyDict ? queued : new PyDict();
}

/** Sends a signal to a job's whole process group; the text is the reference's. */
function signal(jid: string, sig: number, ctx: ModuleCtx): string {
  const job = runningJobs(cachedir(ctx)).find((j) => j['jid'] === jid);
  if (!job) return '';
  ctx.daemon('job_signalled', { jid });
  const pid = Number(job['pid']);
  if (signalJob(pid, sig)) return `Signal ${sig} sent to job ${jid} at pid ${pid}`;
  rmSync(join(cachedir(ctx), 'proc', jid), { force: true });
  return `Job ${jid} was not running and job data has been cleaned up`;
}

const signalAll = (sig: number, ctx: ModuleCtx): Py[] =>
  runningJobs(cachedir(ctx)).map((j) => signal(String(j['jid']), sig, ctx));

function findCachedJob({ jid }: Args, ctx: ModuleCtx): Py {
  const name = str(jid as Py);
  const dir = join(cachedir(ctx), 'minion_jobs', name);
  // A jid becomes part of a path: anything else names no job.
  if (!isJid(name) || !existsDir(dir))
    return ctx.opts.flag('cache_jobs')
      ? `Local jobs cache directory ${dir} not found`
      : 'Local jobs cache directory not found; you may need to enable cache_jobs on this minion';
  const data = toPy(decodeBus(readFileSync(join(dir, 'return.p'))));
  return data instanceof PyDict ? data : null;
}

function existsDir(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Removes every file under the cache, folders stay; what the daemon itself needs to survive a restart stays too. */
function clearCache(ctx: ModuleCtx): boolean {
  const keep = new Set(['returns', 'jids.log']);
  const walk = (dir: string, top: boolean): void => {
    for (const e of readdirSync(dir, { withFileTypes: true })) {
      if (top && keep.has(e.name)) continue;
      if (e.isDirectory()) walk(join(dir, e.name), false);
      else rmSync(join(dir, e.name));
    }
  };
  try {
    if (existsDir(cachedir(ctx))) walk(cachedir(ctx), true);
    return true;
  } catch (e) {
    ctx.log.error(`Attempt to clear cache with saltutil.clear_cache FAILED with: ${messageOf(e)}`);
    return false;
  }
}

function clearJobCache({ hours }: Args, ctx: ModuleCtx): boolean {
  const before = Date.now() - Number(hours) * 3_600_000;
  const dir = join(cachedir(ctx), 'minion_jobs');
  try {
    if (existsDir(dir))
      for (const name of readdirSync(dir))
        if (statSync(join(dir, name)).mtimeMs < before) rmSync(join(dir, name), { recursive: true });
    return true;
  } catch (e) {
    ctx.log.error(`Attempt to clear cache with saltutil.clear_job_cache FAILED with: ${messageOf(e)}`);
    return false;
  }
}

const fire = (tag: string, data: WireMap, ctx: ModuleCtx): boolean =>
  ctx.salt.call('event.fire', [toPy(data), tag]) === true;

function refreshPillar({ wait, timeout, clean_cache }: Args, ctx: ModuleCtx): boolean {
  const data = { clean_cache: toWire(clean_cache) };
  if (!truth(wait as Py)) return fire('pillar_refresh', data, ctx);
  const done = ctx.daemon('fire_and_wait', {
    tag: 'pillar_refresh',
    data,
    answer: '/salt/minion/minion_pillar_refresh_complete',
    timeout: Number(timeout),
  });
  if (done === false) ctx.log.warning(`Pillar refresh did not complete within timeout ${str(timeout as Py)}`);
  return done !== null;
}

function refreshModules({ kwargs }: Args, ctx: ModuleCtx): boolean {
  const later = (kwargs as PyDict).get('async');
  if (later === undefined || truth(later)) return fire('module_refresh', {}, ctx);
  return (
    ctx.daemon('fire_and_wait', {
      tag: 'module_refresh',
      data: { notify: true },
      answer: '/salt/minion/minion_mod_refresh_complete',
      timeout: 30,
    }) !== null
  );
}

const pillarLater = (clean: Py, ctx: ModuleCtx): boolean =>
  refreshPillar({ wait: false, timeout: 30, clean_cache: clean }, ctx);

function refreshGrains({ kwargs }: Args, ctx: ModuleCtx): boolean {
  const own = cleanKwargs(kwargs as PyDict);
  const take = (k: string, otherwise: boolean): Py => {
    const v = own.get(k);
    own.delete(k);
    return v === undefined ? otherwise : v;
  };
  const withPillar = take('refresh_pillar', true);
  const clean = take('clean_pillar_cache', false);
  if (own.size)
    throw new SaltError('SaltInvocationError', invalidKeywords([...own].map(([k, v]) => `${str(k)}=${str(v)}`)));
  clearGrainsCache(ctx);
  if (truth(withPillar)) pillarLater(clean, ctx);
  else fire('module_refresh', {}, ctx);
  return true;
}

function clearGrainsCache(ctx: ModuleCtx): void {
  if (ctx.opts.flag('grains_cache')) rmSync(join(cachedir(ctx), 'grains.cache.p'), { force: true });
}

/** Copies operators' own modules of one kind from the file server; answers the names that are new or changed. */
function sync(form: string, a: Args, ctx: ModuleCtx): string[] {
  const given = a['saltenv'] ?? null;
  const envs =
    given === null ? ['base'] : Array.isArray(given) ? given.map((e) => str(e as Py)) : str(given).split(',');
  const list = (v: Py | undefined): string[] | undefined => (Array.isArray(v) ? v.map((x) => str(x as Py)) : undefined);
  const changed = syncExtmods(form, envs, ctx, list(a['extmod_whitelist']), list(a['extmod_blacklist']));
  if (form === 'grains') clearGrainsCache(ctx);
  return changed;
}

type After = 'modules' | 'beacons' | 'pillar' | 'resources' | 'none';

function syncer(form: string, name: string, after: After, refresh: boolean, what: string): Fn<ModuleCtx> {
  const params =
    after === 'none'
      ? 'saltenv=None, extmod_whitelist=None, extmod_blacklist=None'
      : `saltenv=None, refresh=${refresh ? 'True' : 'False'}, extmod_whitelist=None, extmod_blacklist=None`;
  const clean = after === 'pillar' ? ', clean_pillar_cache=False' : '';
  return fn(
    `${name}(${params}${clean})`,
    `Copies ${what} from the file server to this minion and answers the names of those that are new or changed.\n\nCLI Example:\n\n    salt '*' saltutil.${name}`,
    (a, ctx) => {
      if (MASTERLESS[form] && !local(ctx))
        throw new SaltError('CommandExecutionError', `${MASTERLESS[form]} can only be synced to masterless minions`);
      const changed = sync(form, a, ctx);
      if (truth(a['refresh'] ?? false)) refreshAfter(after, a['clean_pillar_cache'] ?? false, ctx);
      return changed;
    },
  );
}

const MASTERLESS: { readonly [form: string]: string } = {
  pillar: 'Pillar modules',
  tops: 'Master top modules',
  wrapper: 'Wrapper modules',
};

function refreshAfter(after: After, clean: Py, ctx: ModuleCtx): void {
  if (after === 'modules') fire('module_refresh', {}, ctx);
  else if (after === 'beacons') fire('beacons_refresh', {}, ctx);
  else if (after === 'resources') fire('resource_refresh', {}, ctx);
  else if (after === 'pillar') pillarLater(clean, ctx);
}

/** Kinds in the order in which sync_all answers them. */
const ALL =
  'clouds beacons modules states sdb grains renderers returners output utils log_handlers executors proxymodules engines thorium serializers matchers resources'.split(
    ' ',
  );

function syncAll(a: Args, ctx: ModuleCtx): PyDict {
  const out = new PyDict<Py>();
  const forms = local(ctx) ? ['tops', ...ALL, 'pillar', 'wrapper'] : ALL;
  for (const form of forms) out.set(form, sync(EXTMOD_FORMS[form] ?? form, a, ctx));
  if (truth(a['refresh'] as Py)) pillarLater(a['clean_pillar_cache'] as Py, ctx);
  return out;
}

function listExtmods(ctx: ModuleCtx): PyDict {
  const root = extmodsDir(cachedir(ctx));
  const out = new PyDict<Py>();
  if (!existsDir(root)) return out;
  const files = (dir: string): string[] =>
    readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() ? files(join(dir, e.name)) : [e.name.split('.')[0] as string],
    );
  for (const form of readdirSync(root)) out.set(form, [...new Set(files(join(root, form)))]);
  return out;
}

function revokeAuth({ preserve_minion_cache }: Args, ctx: ModuleCtx): boolean {
  try {
    ctx.master.request('revoke_auth', {
      id: ctx.opts.str('id'),
      preserve_minion_cache: truth(preserve_minion_cache as Py),
    });
    return true;
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltReqTimeoutError') return false;
    throw e;
  }
}

/** Throws the minion's key pair and what it knows of its master away; the next sign-in makes new ones. */
function regenKeys(ctx: ModuleCtx): null {
  const dir = ctx.opts.str('pki_dir');
  if (!existsDir(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const e of readdirSync(dir, { withFileTypes: true })) if (e.isFile()) rmSync(join(dir, e.name), { force: true });
  ctx.daemon('keys_changed');
  return null;
}

/** Words of a command line for values and keyword values. */
function words(args: readonly Py[], kwargs: PyDict): string[] {
  const text = (v: Py): string => (typeof v === 'string' ? v : JSON.stringify(toWire(v)));
  return [...args.map(text), ...[...kwargs].map(([k, v]) => `${str(k)}=${text(v)}`)];
}

function runner(a: Args, ctx: ModuleCtx): Py {
  const arg = (a['arg'] ?? []) as Py;
  if (!Array.isArray(arg)) throw new SaltError('SaltInvocationError', 'arg must be formatted as a list/tuple');
  const kwargs = new PyDict(a['kwarg'] instanceof PyDict ? a['kwarg'] : []);
  for (const [k, v] of cleanKwargs(a['kwargs'] as PyDict)) kwargs.set(k, v);
  const value = masterCommand('salt-run', [str(a['name'] as Py), ...words(arg as Py[], kwargs)], ctx);
  return truth(a['full_return'] as Py)
    ? new PyDict<Py>([
        ['return', value],
        ['success', true],
      ])
    : value;
}

function command(a: Args, ctx: ModuleCtx): Py {
  if (truth(a['ssh'] as Py)) throw new SaltError('CommandExecutionError', 'salt-ssh is not available');
  const types: { [type: string]: string[] } = {
    glob: [],
    pcre: ['-E'],
    list: ['-L'],
    grain: ['-G'],
    grain_pcre: ['-P'],
    nodegroup: ['-N'],
    range: ['-R'],
    compound: ['-C'],
    pillar: ['-I'],
    pillar_pcre: ['-J'],
    ipcidr: ['-S'],
  };
  const flags = types[str(a['tgt_type'] as Py)] ?? [];
  const tgt = Array.isArray(a['tgt']) ? a['tgt'].map((t) => str(t as Py)).join(',') : str(a['tgt'] as Py);
  const kwargs = new PyDict(a['kwarg'] instanceof PyDict ? a['kwarg'] : []);
  const arg = Array.isArray(a['arg']) ? (a['arg'] as Py[]) : [];
  const options = [
    '--static',
    ...(a['timeout'] === null ? [] : ['-t', str(a['timeout'] as Py)]),
    ...(truth(a['ret'] as Py) ? ['--return', str(a['ret'] as Py)] : []),
  ];
  const value = masterCommand('salt', [...options, ...flags, tgt, str(a['fun'] as Py), ...words(arg, kwargs)], ctx);
  if (!(value instanceof PyDict)) return new PyDict();
  return new PyDict<Py>([...value].map(([id, ret]) => [id, new PyDict<Py>([['ret', ret]])] as const));
}

const cmdSig = "tgt, fun, arg=(), timeout=None, tgt_type='glob', ret='', kwarg=None, ssh=False, **kwargs";
const quick = { quick: true } as const;
const jobDoc = (text: string, example: string): string => `${text}\n\nCLI Example:\n\n    salt '*' saltutil.${example}`;

/** `saltutil`: looks after the minion itself: its jobs, its modules, its caches. */
export default {
  doc: 'Functions that look after the minion itself: running jobs, synced modules, caches and keys.',
  functions: {
    clear_cache: fn(
      'clear_cache()',
      jobDoc("Removes all cached files of this minion's cache directory.", 'clear_cache'),
      (_, ctx) => clearCache(ctx),
    ),
    clear_job_cache: fn(
      'clear_job_cache(hours=24)',
      jobDoc('Removes locally cached returns older than some hours.', 'clear_job_cache hours=12'),
      clearJobCache,
    ),
    cmd: fn(
      `cmd(${cmdSig})`,
      jobDoc('Runs a job from this minion, where it is on the master.', "cmd 'web*' test.ping"),
      command,
    ),
    cmd_iter: fn(
      `cmd_iter(${cmdSig})`,
      jobDoc('As saltutil.cmd, one return after the other.', "cmd_iter 'web*' test.ping"),
      (a, ctx) => [...(command(a, ctx) as PyDict)].map((pair) => new PyDict<Py>([pair])),
    ),
    find_cached_job: fn(
      'find_cached_job(jid)',
      jobDoc('Returns the return of a job that this minion cached (cache_jobs).', 'find_cached_job <jid>'),
      findCachedJob,
    ),
    find_job: fn(
      'find_job(jid)',
      jobDoc('Returns a running or waiting job, an empty map when there is none.', 'find_job <jid>'),
      findJob,
      quick,
    ),
    is_running: fn(
      'is_running(fun)',
      jobDoc('Lists the running jobs whose function matches a pattern.', "is_running 'state.*'"),
      ({ fun }, ctx) => running(ctx).filter((j) => fnmatch(str(j.get('fun') ?? ''), str(fun as Py))),
      quick,
    ),
    kill_all_jobs: fn(
      'kill_all_jobs()',
      jobDoc('Kills (SIGKILL) all running jobs.', 'kill_all_jobs'),
      (_, ctx) => signalAll(9, ctx),
      quick,
    ),
    kill_job: fn(
      'kill_job(jid)',
      jobDoc('Kills (SIGKILL) a running job.', 'kill_job <jid>'),
      ({ jid }, ctx) => signal(str(jid as Py), 9, ctx),
      quick,
    ),
    list_extmods: fn('list_extmods()', jobDoc('Lists the synced modules by kind.', 'list_extmods'), (_, ctx) =>
      listExtmods(ctx),
    ),
    mmodule: fn(
      'mmodule(saltenv, fun, *args, **kwargs)',
      jobDoc("Runs a function of an environment's own modules.", 'mmodule base test.ping'),
      ({ fun, args, kwargs }, ctx) => ctx.salt.call(str(fun as Py), args as Py[], cleanKwargs(kwargs as PyDict)),
    ),
    pillar_refresh: fn(
      'pillar_refresh(wait=False, timeout=30, clean_cache=True)',
      jobDoc('Another name of saltutil.refresh_pillar.', 'pillar_refresh'),
      refreshPillar,
    ),
    refresh_beacons: fn(
      'refresh_beacons()',
      jobDoc('Makes the minion load its beacons anew.', 'refresh_beacons'),
      (_, ctx) => fire('beacons_refresh', {}, ctx),
    ),
    refresh_grains: fn(
      'refresh_grains(**kwargs)',
      jobDoc('Makes the minion find its grains anew, and its pillar unless refresh_pillar=False.', 'refresh_grains'),
      refreshGrains,
    ),
    refresh_matchers: fn(
      'refresh_matchers()',
      jobDoc('Makes the minion load its matchers anew.', 'refresh_matchers'),
      (_, ctx) => fire('matchers_refresh', {}, ctx),
    ),
    refresh_modules: fn(
      'refresh_modules(**kwargs)',
      jobDoc('Makes the minion load its modules anew; async=False waits for it.', 'refresh_modules'),
      refreshModules,
    ),
    refresh_pillar: fn(
      'refresh_pillar(wait=False, timeout=30, clean_cache=True)',
      jobDoc('Makes the minion ask for its pillar anew; wait=True waits for it.', 'refresh_pillar'),
      refreshPillar,
    ),
    refresh_resources: fn(
      'refresh_resources()',
      jobDoc('Makes the minion register its resources anew.', 'refresh_resources'),
      (_, ctx) => fire('resource_refresh', {}, ctx),
    ),
    regen_keys: fn(
      'regen_keys()',
      jobDoc("Replaces this minion's key pair; the new one has to be accepted.", 'regen_keys'),
      (_, ctx) => regenKeys(ctx),
    ),
    revoke_auth: fn(
      'revoke_auth(preserve_minion_cache=False)',
      jobDoc("Asks the master to delete this minion's key.", 'revoke_auth'),
      revokeAuth,
    ),
    runner: fn(
      "runner(name, arg=None, kwarg=None, full_return=False, saltenv='base', jid=None, **kwargs)",
      jobDoc('Runs a runner, where this minion is on the master.', 'runner jobs.list_jobs'),
      runner,
    ),
    running: fn(
      'running()',
      jobDoc('Lists the jobs that run on this minion.', 'running'),
      (_, ctx) => running(ctx),
      quick,
    ),
    signal_job: fn(
      'signal_job(jid, sig)',
      jobDoc('Sends a signal to a running job.', 'signal_job <jid> 15'),
      ({ jid, sig }, ctx) => signal(str(jid as Py), Number(sig), ctx),
      quick,
    ),
    sync_all: fn(
      'sync_all(saltenv=None, refresh=True, extmod_whitelist=None, extmod_blacklist=None, clean_pillar_cache=False)',
      jobDoc('Copies all kinds of own modules from the file server to this minion.', 'sync_all'),
      syncAll,
    ),
    sync_beacons: syncer('beacons', 'sync_beacons', 'beacons', true, 'beacons'),
    sync_clouds: syncer('clouds', 'sync_clouds', 'modules', true, 'cloud modules'),
    sync_engines: syncer('engines', 'sync_engines', 'modules', false, 'engines'),
    sync_executors: syncer('executors', 'sync_executors', 'modules', true, 'executors'),
    sync_grains: syncer('grains', 'sync_grains', 'pillar', true, 'grains modules'),
    sync_log_handlers: syncer('log_handlers', 'sync_log_handlers', 'modules', true, 'log handlers'),
    sync_matchers: syncer('matchers', 'sync_matchers', 'modules', false, 'matchers'),
    sync_modules: syncer('modules', 'sync_modules', 'modules', true, 'execution modules'),
    sync_output: syncer('output', 'sync_output', 'modules', true, 'outputters'),
    sync_outputters: syncer('output', 'sync_outputters', 'modules', true, 'outputters'),
    sync_pillar: syncer('pillar', 'sync_pillar', 'pillar', true, 'pillar modules'),
    sync_proxymodules: syncer('proxy', 'sync_proxymodules', 'modules', false, 'proxy modules'),
    sync_renderers: syncer('renderers', 'sync_renderers', 'modules', true, 'renderers'),
    sync_resources: syncer('resources', 'sync_resources', 'resources', true, 'resource modules'),
    sync_returners: syncer('returners', 'sync_returners', 'modules', true, 'returners'),
    sync_sdb: syncer('sdb', 'sync_sdb', 'none', false, 'sdb modules'),
    sync_serializers: syncer('serializers', 'sync_serializers', 'modules', true, 'serializers'),
    sync_states: syncer('states', 'sync_states', 'modules', true, 'state modules'),
    sync_thorium: syncer('thorium', 'sync_thorium', 'modules', false, 'thorium modules'),
    sync_tops: syncer('tops', 'sync_tops', 'modules', true, 'master top modules'),
    sync_utils: syncer('utils', 'sync_utils', 'modules', true, 'utility modules'),
    sync_wrapper: syncer('wrapper', 'sync_wrapper', 'modules', true, 'wrapper modules'),
    term_all_jobs: fn(
      'term_all_jobs()',
      jobDoc('Ends (SIGTERM) all running jobs.', 'term_all_jobs'),
      (_, ctx) => signalAll(15, ctx),
      quick,
    ),
    term_job: fn(
      'term_job(jid)',
      jobDoc('Ends (SIGTERM) a running job.', 'term_job <jid>'),
      ({ jid }, ctx) => signal(str(jid as Py), 15, ctx),
      quick,
    ),
    update: fn(
      'update(version=None)',
      jobDoc('Updates a frozen build of the minion; this program is not one.', 'update'),
      () => new PyDict<Py>([['_error', 'Minion is not running an Esky build']]),
    ),
    wheel: fn(
      'wheel(name, *args, **kwargs)',
      jobDoc('Runs a wheel function, where this minion is on the master.', 'wheel key.list accepted'),
      ({ name, args, kwargs }, ctx) =>
        masterCommand(
          'salt-run',
          ['salt.wheel', str(name as Py), ...words(args as Py[], cleanKwargs(kwargs as PyDict))],
          ctx,
        ),
    ),
  },
} satisfies ExecutionModule;
