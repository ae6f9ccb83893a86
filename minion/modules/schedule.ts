import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import { parseDateText, parseFormatted } from '../../reactor/schedule.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { deepCopy, eq, str, truth } from '../../sls/values.ts';
import { dumpYaml, loadYaml } from '../../sls/yaml.ts';
import { saveSchedule, scheduleFile } from '../schedule.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

/** Keys that `schedule.list` shows. */
const SHOWN = new Set(
  (
    'name maxrunning function splay range when once once_fmt returner jid_include args kwargs _seconds seconds minutes hours days ' +
    'enabled return_job metadata cron until after return_config return_kwargs run_on_start skip_during_range run_after_skip_range ' +
    'on_miss timezone'
  ).split(' '),
);
const UNITS = ['seconds', 'minutes', 'hours', 'days'];
const TIME_FORMAT = '%Y-%m-%dT%H:%M:%S';

const pairs = (...entries: [string, Py][]): PyDict => new PyDict<Py>(entries);
const flag = (kwargs: Py, name: string): boolean => kwargs instanceof PyDict && truth(kwargs.get(name) ?? null);
const persists = (kwargs: Py): boolean =>
  kwargs instanceof PyDict && kwargs.has('persist') ? truth(kwargs.get('persist') ?? null) : true;

/** Gives the minion an order; undefined where no minion runs or it could not do it. */
function order(ctx: ModuleCtx, data: WireMap): PyDict | undefined {
  const answer = ctx.daemon('schedule', data);
  return answer instanceof PyDict && answer.get('complete') === true ? answer : undefined;
}

const scheduleOf = (answer: PyDict | undefined): PyDict => {
  const s = answer?.get('schedule');
  return s instanceof PyDict ? s : new PyDict();
};

/** What the last save wrote. */
function saved(ctx: ModuleCtx): PyDict {
  const path = scheduleFile(ctx.opts);
  if (!existsSync(path)) return new PyDict();
  const read = loadYaml(readFileSync(path, 'utf8'), { file: path });
  const schedule = read instanceof PyDict ? read.get('schedule') : undefined;
  return schedule instanceof PyDict ? schedule : new PyDict();
}

/** A job as it is listed. */
function shown(job: PyDict): PyDict {
  const out = new PyDict();
  for (const [k, v] of job) {
    if (!SHOWN.has(String(k)) || v === null || k === '_seconds') continue;
    out.set(k, v === 'true' ? true : v === 'false' ? false : v);
  }
  if (!out.has('enabled')) out.set('enabled', true);
  return out;
}

interface Wanted {
  all?: boolean;
  disabled?: boolean;
  where?: Py;
  offline?: boolean;
}

/** The jobs as `schedule.list` knows them. */
function jobs(ctx: ModuleCtx, { all = true, disabled = true, where = null, offline = false }: Wanted = {}): PyDict {
  const from = offline ? saved(ctx) : scheduleOf(order(ctx, { func: 'list', where: toWire(where) }));
  const out = new PyDict();
  for (const [name, job] of from) {
    if (!(job instanceof PyDict)) out.set(name, job);
    else if (['enabled', 'skip_function', 'skip_during_range'].includes(String(name))) out.set(name, job);
    else if (all || !String(name).startsWith('__')) {
      const one = shown(job);
      if (disabled || truth(one.get('enabled') ?? null)) out.set(name, one);
    }
  }
  return out;
}

function list({ show_all, show_disabled, where, return_yaml, offline }: Args, ctx: ModuleCtx): Py {
  const wanted = { all: truth(show_all as Py), disabled: truth(show_disabled as Py), where: where as Py };
  const found = jobs(ctx, { ...wanted, offline: truth(offline as Py) });
  if (!truth(return_yaml as Py)) return found;
  const kept = saved(ctx);
  for (const [name, job] of found) if (job instanceof PyDict) job.set('saved', kept.has(name));
  return dumpYaml(pairs(['schedule', found]), { flowStyle: false });
}

function isEnabled({ name }: Args, ctx: ModuleCtx): Py {
  const now = jobs(ctx, { all: false });
  if (!truth(name as Py)) return now.get('enabled') ?? true;
  return now.get(name as Py) ?? new PyDict();
}

/** Writes what an offline change left; a file that cannot be written is logged, as in the reference. */
function writeOffline(schedule: PyDict, ctx: ModuleCtx): void {
  try {
    saveSchedule(ctx.opts, schedule);
  } catch (e) {
    ctx.log.error(`Failed to persist the updated schedule: ${messageOf(e)}`);
  }
}

function purge({ kwargs }: Args, ctx: ModuleCtx): Py {
  const comment: Py[] = [];
  const changes = new PyDict();
  const offline = flag(kwargs as Py, 'offline');
  const now = jobs(ctx, { offline });
  for (const key of [...now.keys()]) {
    const name = String(key);
    if (name === 'enabled' || name.startsWith('__')) continue;
    if (flag(kwargs as Py, 'test')) {
      comment.push(`Job: ${name} would be deleted from schedule.`);
      continue;
    }
    if (offline) now.delete(key);
    const left = offline ? now : order(ctx, { name, func: 'delete', persist: persists(kwargs as Py) })?.get('schedule');
    if (!(left instanceof PyDict)) continue;
    if (left.has(key)) comment.push(`Failed to delete job ${name} from schedule.`);
    else {
      comment.push(`Deleted job: ${name} from schedule.`);
      changes.set(name, 'removed');
    }
  }
  if (offline) writeOffline(now, ctx);
  return pairs(['comment', comment], ['changes', changes], ['result', true]);
}

/** Where a job stands that is to be changed: undefined where there is none of this name. */
function whereIs(name: Py, ctx: ModuleCtx): 'opts' | 'pillar' | undefined {
  if (jobs(ctx, { where: 'opts' }).has(name)) return 'opts';
  return jobs(ctx, { where: 'pillar' }).has(name) ? 'pillar' : undefined;
}

function remove({ name, kwargs }: Args, ctx: ModuleCtx): Py {
  const label = str(name as Py);
  const ret = pairs(
    ['comment', `Failed to delete job ${label} from schedule.`],
    ['result', false],
    ['changes', new PyDict()],
  );
  const done = (comment: string): PyDict => {
    ret.set('result', true);
    ret.set('comment', comment);
    return ret;
  };
  if (flag(kwargs as Py, 'test')) return done(`Job: ${label} would be deleted from schedule.`);
  if (flag(kwargs as Py, 'offline')) {
    const now = jobs(ctx, { offline: true });
    if (!now.delete(name as Py)) throw new SaltError('KeyError', `'${label}'`);
    writeOffline(now, ctx);
    ret.set('changes', pairs([label, 'removed']));
    return done(`Deleted Job ${label} from schedule.`);
  }
  const where = whereIs(name as Py, ctx);
  if (!where) {
    ret.set('comment', `Job ${label} does not exist.`);
    return ret;
  }
  const persist = where === 'opts' && persists(kwargs as Py);
  const answer = order(ctx, { name: label, func: 'delete', persist, ...(where === 'pillar' ? { where } : {}) });
  if (!answer || scheduleOf(answer).has(name as Py)) return ret;
  ret.set('changes', pairs([label, 'removed']));
  return done(`Deleted Job ${label} from schedule.`);
}

const refusal = (comment: string): PyDict => pairs(['comment', comment], ['result', false]);

/** Why the times of a job exclude each other, if they do; the two functions that ask word it differently. */
function conflict(kwargs: PyDict): 'units' | 'both' | undefined {
  if (UNITS.some((u) => kwargs.has(u)) && (kwargs.has('when') || kwargs.has('cron'))) return 'units';
  return kwargs.has('when') && kwargs.has('cron') ? 'both' : undefined;
}
const BOTH = 'Unable to use "when" and "cron" options together.  Ignoring.';

function build(name: Py, kwargs: PyDict): PyDict {
  if (!truth(name)) return refusal('Job name is required.');
  if (!kwargs.has('function')) throw new SaltError('KeyError', "'function'");
  const job = pairs(['function', kwargs.get('function') as Py]);
  const wrong = conflict(kwargs);
  if (wrong === 'units')
    return pairs(
      ['comment', 'Unable to use "seconds", "minutes", "hours", or "days" with "when" or "cron" options.'],
      ['result', false],
    );
  if (wrong) return refusal(BOTH);
  const copy = (...keys: string[]): void => {
    for (const k of keys) if (kwargs.has(k)) job.set(k, kwargs.get(k) as Py);
  };
  copy(...UNITS, 'return_job', 'metadata');
  const args = kwargs.get('job_args');
  if (args !== undefined) {
    if (!Array.isArray(args)) return refusal('job_args is not a list. please correct and try again.');
    job.set('args', args);
  }
  const own = kwargs.get('job_kwargs');
  if (own !== undefined) {
    if (!(own instanceof PyDict)) return refusal('job_kwargs is not a dict. please correct and try again.');
    job.set('kwargs', own);
  }
  job.set('maxrunning', kwargs.get('maxrunning') ?? 1);
  job.set('name', kwargs.get('name') ?? name);
  job.set('enabled', kwargs.has('enabled') ? (kwargs.get('enabled') as Py) : true);
  job.set('jid_include', kwargs.has('jid_include') ? (kwargs.get('jid_include') as Py) : true);
  const splay = kwargs.get('splay');
  if (splay instanceof PyDict)
    job.set('splay', pairs(['start', splay.get('start') ?? null], ['end', splay.get('end') ?? null]));
  else copy('splay');
  if (kwargs.has('when')) {
    const when = kwargs.get('when') as Py;
    for (const one of Array.isArray(when) ? (when as Py[]) : [when])
      if (typeof one !== 'string' || parseDateText(one, Date.now()) === undefined)
        return refusal(`Schedule item ${str(one)} for "when" in invalid.`);
  }
  copy('range', 'when', 'once', 'once_fmt', 'cron', 'returner', 'after', 'return_config', 'return_kwargs', 'until');
  copy('run_on_start', 'skip_during_range', 'on_miss', 'timezone');
  return job;
}

const refused = (job: PyDict): boolean => job.has('result') && !truth(job.get('result') ?? null);

/** The keyword arguments that are about the job, without what the minion adds to a call. */
const ownKwargs = (kwargs: Py): PyDict =>
  kwargs instanceof PyDict ? new PyDict([...kwargs].filter(([k]) => !String(k).startsWith('__'))) : new PyDict();

function add({ name, kwargs }: Args, ctx: ModuleCtx): Py {
  const label = str(name as Py);
  const given = ownKwargs(kwargs as Py);
  const offline = flag(given, 'offline');
  const answer = (comment: string, result: boolean, changes = new PyDict()): PyDict =>
    pairs(['comment', comment], ['result', result], ['changes', changes]);
  const now = jobs(ctx, { offline });
  if (now.has(name as Py)) return answer(`Job ${label} already exists in schedule.`, false);
  const wrong = conflict(given);
  if (wrong === 'units')
    return answer(
      'Error: Unable to use "seconds", "minutes", "hours", or "days" with "when" or "cron" options.',
      false,
    );
  if (wrong) return answer(BOTH, false);
  const job = build(name as Py, given);
  if (refused(job)) return job;
  if (flag(given, 'test')) return answer(`Job: ${label} would be added to schedule.`, true);
  if (offline) {
    now.set(label, job);
    writeOffline(now, ctx);
    return answer(`Added job: ${label} to schedule.`, true, pairs([label, 'added']));
  }
  const schedule = toWire(pairs([label, job]));
  const done = order(ctx, { name: label, schedule, func: 'add', persist: persists(given) });
  if (!scheduleOf(done).has(label)) return answer(`Failed to add job ${label} to schedule.`, false);
  return answer(`Added job: ${label} to schedule.`, true, pairs([label, 'added']));
}

function modify({ name, kwargs }: Args, ctx: ModuleCtx): Py {
  const label = str(name as Py);
  const given = ownKwargs(kwargs as Py);
  const answer = (comment: string, result: boolean, changes = new PyDict()): PyDict =>
    pairs(['comment', comment], ['changes', changes], ['result', result]);
  const wrong = conflict(given);
  if (wrong === 'units')
    return answer('Error: Unable to use "seconds", "minutes", "hours", or "days" with "when" option.', false);
  if (wrong) return answer(BOTH, false);
  const offline = flag(given, 'offline');
  const now = jobs(ctx, { offline });
  const current = now.get(name as Py);
  if (!(current instanceof PyDict)) return answer(`Job ${label} does not exist in schedule.`, false);
  if (!given.has('function')) given.set('function', current.get('function') ?? null);
  const job = build(name as Py, given);
  if (refused(job)) return job;
  if (eq(job, current)) return answer(`Job ${label} in correct state`, true);
  const changes = pairs([label, pairs(['old', deepCopy(current)], ['new', deepCopy(job)])]);
  if (flag(given, 'test')) return answer(`Job: ${label} would be modified in schedule.`, true, changes);
  if (offline) {
    for (const [k, v] of job) current.set(k, v);
    writeOffline(now, ctx);
    return answer(`Modified job: ${label} in schedule.`, true, changes);
  }
  const persist = whereIs(name as Py, ctx) === 'opts' && persists(given);
  return order(ctx, { name: label, schedule: toWire(job), func: 'modify', persist })
    ? answer(`Modified job: ${label} in schedule.`, true, changes)
    : answer(`Failed to modify job ${label} in schedule.`, false, changes);
}

function runJob({ name, force }: Args, ctx: ModuleCtx): Py {
  const label = str(name as Py);
  const job = jobs(ctx).get(name as Py);
  if (!(job instanceof PyDict)) return refusal(`Job ${label} does not exist.`);
  if (!truth(job.get('enabled') ?? null) && !truth(force as Py))
    return pairs(['comment', `Job ${label} is disabled.`], ['result', true]);
  return order(ctx, { name: label, func: 'run_job' })
    ? pairs(['comment', `Scheduling Job ${label} on minion.`], ['result', true])
    : refusal(`Failed to run job ${label} on minion.`);
}

/** `enable_job`, `disable_job`. */
function switchJob(on: boolean, name: Py, kwargs: Py, ctx: ModuleCtx): Py {
  const label = str(name);
  const [verb, past] = on ? ['enable', 'enabled'] : ['disable', 'disabled'];
  const answer = (comment: string, result: boolean, changes = new PyDict()): PyDict =>
    pairs(['comment', comment], ['result', result], ['changes', changes]);
  // The reference looks at the minion's own test mode to enable, at the keyword to disable.
  if (on ? ctx.opts.flag('test') : flag(kwargs, 'test'))
    return answer(`Job: ${label} would be ${past} in schedule.`, true);
  const where = whereIs(name, ctx);
  if (!where) return answer(`Job ${label} does not exist.`, false);
  const persist = where === 'opts' && persists(kwargs);
  const job = scheduleOf(order(ctx, { name: label, func: `${verb}_job`, persist })).get(name);
  const is = job instanceof PyDict && truth(job.has('enabled') ? (job.get('enabled') ?? null) : true);
  if (!(job instanceof PyDict) || is !== on) return answer(`Failed to ${verb} job ${label} in schedule.`, false);
  const Past = `${past[0]?.toUpperCase()}${past.slice(1)}`;
  return answer(`${Past} Job ${label} in schedule.`, true, pairs([label, past]));
}

/** `enable`, `disable`. */
function switchAll(on: boolean, kwargs: Py, ctx: ModuleCtx): Py {
  const [verb, past] = on ? ['enable', 'enabled'] : ['disable', 'disabled'];
  const answer = (comment: string, result: boolean, changes = new PyDict()): PyDict =>
    pairs(['comment', comment], ['changes', changes], ['result', result]);
  if (flag(kwargs, 'test')) return answer(`Schedule would be ${past}.`, true);
  const now = scheduleOf(order(ctx, { func: verb, persist: persists(kwargs) }));
  if (now.get('enabled') !== on) return answer(`Failed to ${verb} schedule on minion.`, false);
  const Past = `${past[0]?.toUpperCase()}${past.slice(1)}`;
  return answer(`${Past} schedule on minion.`, true, pairs(['schedule', past]));
}

function save({ kwargs }: Args, ctx: ModuleCtx): Py {
  if (flag(kwargs as Py, 'test')) return pairs(['comment', 'Schedule would be saved.'], ['result', true]);
  return order(ctx, { func: 'save_schedule' })
    ? pairs(['comment', 'Schedule (non-pillar items) saved.'], ['result', true])
    : refusal('Failed to save schedule.');
}

function reload(ctx: ModuleCtx): Py {
  const comment: Py[] = [];
  let result = true;
  const note = (good: boolean, text: string): void => {
    comment.push(text);
    if (!good) result = false;
  };
  if (ctx.pillar.has('schedule')) {
    const fired = ctx.fireLocal('pillar_refresh', {});
    note(
      fired,
      fired ? 'Reloaded schedule from pillar on minion.' : 'Failed to reload schedule from pillar on minion.',
    );
  }
  const path = `${dirname(scheduleFile(ctx.opts))}/schedule.conf`;
  if (existsSync(path)) {
    let read: Py = null;
    try {
      read = loadYaml(readFileSync(path, 'utf8'), { file: path });
    } catch (e) {
      comment.push(`Unable to read existing schedule file: ${messageOf(e)}`);
    }
    const schedule = read instanceof PyDict ? read.get('schedule') : undefined;
    if (!(schedule instanceof PyDict) || !schedule.size)
      note(false, 'Failed to reload schedule on minion.  Saved file is empty or invalid.');
    else if (order(ctx, { func: 'reload', schedule: toWire(read) }))
      note(true, 'Reloaded schedule on minion from schedule.conf.');
    else note(false, 'Failed to reload schedule on minion from schedule.conf.');
  }
  return pairs(['comment', comment], ['result', result]);
}

/** `move`, `copy`: the job is added to other minions by `publish.publish`. */
function pass(moving: boolean, { name, target, kwargs }: Args, ctx: ModuleCtx): Py {
  const label = str(name as Py);
  const [verb, past] = moving ? ['moved', 'Moved'] : ['copied', 'Copied'];
  const answer = (comment: string, result = true, minions?: Py[]): PyDict =>
    pairs(['comment', comment], ['result', result], ...(minions ? [['minions', minions] as [string, Py]] : []));
  if (flag(kwargs as Py, 'test')) return answer(`Job: ${label} would be ${verb} from schedule.`);
  const job = jobs(ctx, { where: 'opts' }).get(name as Py) ?? jobs(ctx, { where: 'pillar' }).get(name as Py);
  if (!(job instanceof PyDict)) return answer(`Job ${label} does not exist.`, false);
  const options = [...job].map(([k, v]) => `${str(k)}=${str(v)}`);
  const said = ctx.salt.call('publish.publish', [target as Py, 'schedule.add', options]);
  if (!(said instanceof PyDict) || !said.size) return answer('no servers answered the published schedule.add command');
  const failed = [...said].filter(([, v]) => !truth(v)).map(([k]) => k);
  if (failed.length) return answer('the following minions return False', true, failed);
  if (moving) remove({ name: name as Py, kwargs: new PyDict() }, ctx);
  const text = moving ? `${past} Job ${label} from schedule.` : `${past} Job ${label} from schedule to minion(s).`;
  return answer(text, true, [...said.keys()]);
}

const readable = (v: Py, format: string): boolean => typeof v === 'string' && parseFormatted(v, format) !== undefined;

/** `postpone_job`, `skip_job`. */
function setAside(func: 'postpone_job' | 'skip_job', args: Args, ctx: ModuleCtx): Py {
  const { name, current_time, new_time, kwargs } = args;
  const label = str(name as Py);
  const own = ownKwargs(kwargs as Py);
  const format = truth(own.get('time_fmt') ?? null) ? str(own.get('time_fmt') as Py) : TIME_FORMAT;
  const postponing = func === 'postpone_job';
  if (!truth(name as Py)) return refusal('Job name is required.');
  if (!truth(current_time as Py))
    return refusal(postponing ? 'Job current time is required.' : 'Job time is required.');
  if (!readable(current_time as Py, format)) return refusal('Date string could not be parsed.');
  if (postponing && !truth(new_time as Py)) return refusal('Job new_time is required.');
  if (postponing && !readable(new_time as Py, format)) return refusal('Date string could not be parsed.');
  if (ctx.opts.flag('test'))
    return pairs(
      ['comment', `Job: ${label} would be ${postponing ? 'postponed' : 'skipped'} in schedule.`],
      ['result', true],
    );
  if (!whereIs(name as Py, ctx)) return refusal(`Job ${label} does not exist.`);
  const answer = order(ctx, {
    name: label,
    time: str(current_time as Py),
    time_fmt: format,
    func,
    ...(postponing ? { new_time: str(new_time as Py) } : {}),
  });
  const job = scheduleOf(answer).get(name as Py);
  const good = job instanceof PyDict && truth(job.has('enabled') ? (job.get('enabled') ?? null) : true);
  if (!good) return refusal(`Failed to ${postponing ? 'postpone' : 'skip'} job ${label} in schedule.`);
  const text = postponing ? `Postponed Job ${label} in schedule.` : `Added Skip Job ${label} in schedule.`;
  return pairs(['comment', text], ['result', true]);
}

function nextFireTime({ name }: Args, ctx: ModuleCtx): Py {
  const answer = order(ctx, { name: str(name as Py), func: 'get_next_fire_time' });
  return answer
    ? pairs(['result', true], ['next_fire_time', answer.get('next_fire_time') ?? null])
    : pairs(['result', true], ['comment', 'next fire time not available.']);
}

function jobStatus({ name, time_fmt }: Args, ctx: ModuleCtx): Py {
  const answer = order(ctx, { func: 'job_status', name: str(name as Py), time_fmt: str(time_fmt as Py) });
  return answer?.get('data') ?? new PyDict();
}

const example = (text: string, line: string): string => `${text}\n\nCLI Example:\n\n    salt '*' schedule.${line}`;

/** `schedule`: the jobs that the minion runs by itself. */
export default {
  doc: 'Lists and changes the jobs that this minion runs by itself.',
  functions: {
    add: fn(
      'add(name, **kwargs)',
      example(
        'Adds a job. job_args and job_kwargs are what the function is called with, offline=True writes the file of a minion that does not run.',
        "add job1 function='test.ping' seconds=3600",
      ),
      add,
    ),
    build_schedule_item: fn(
      'build_schedule_item(name, **kwargs)',
      example('Answers the job that add would add.', "build_schedule_item job1 function='test.ping' seconds=3600"),
      ({ name, kwargs }) => build(name as Py, ownKwargs(kwargs as Py)),
    ),
    copy: fn(
      'copy(name, target, **kwargs)',
      example('Adds a job of this minion to others, too.', 'copy job1 target'),
      (a, ctx) => pass(false, a, ctx),
    ),
    delete: fn('delete(name, **kwargs)', example('Removes a job.', 'delete job1'), remove),
    disable: fn('disable(**kwargs)', example('Stops the whole schedule.', 'disable'), ({ kwargs }, ctx) =>
      switchAll(false, kwargs as Py, ctx),
    ),
    disable_job: fn(
      'disable_job(name, **kwargs)',
      example('Stops one job.', 'disable_job job1'),
      ({ name, kwargs }, ctx) => switchJob(false, name as Py, kwargs as Py, ctx),
    ),
    enable: fn('enable(**kwargs)', example('Lets the schedule go on.', 'enable'), ({ kwargs }, ctx) =>
      switchAll(true, kwargs as Py, ctx),
    ),
    enable_job: fn(
      'enable_job(name, **kwargs)',
      example('Lets one job go on.', 'enable_job job1'),
      ({ name, kwargs }, ctx) => switchJob(true, name as Py, kwargs as Py, ctx),
    ),
    is_enabled: fn(
      'is_enabled(name=None)',
      example('Whether the schedule is enabled; with a name that job, empty where there is none.', 'is_enabled job1'),
      isEnabled,
    ),
    job_status: fn(
      "job_status(name, time_fmt='%Y-%m-%dT%H:%M:%S')",
      example('Everything about a job, with its times and why it was last left out.', 'job_status job1'),
      jobStatus,
    ),
    list: fn(
      'list(show_all=False, show_disabled=True, where=None, return_yaml=True, offline=False)',
      example('Lists the jobs: all, or those of opts or pillar; as YAML unless return_yaml=False.', 'list'),
      list,
    ),
    modify: fn(
      'modify(name, **kwargs)',
      example('Replaces a job.', "modify job1 function='test.ping' seconds=3600"),
      modify,
    ),
    move: fn('move(name, target, **kwargs)', example('Moves a job to other minions.', 'move job1 target'), (a, ctx) =>
      pass(true, a, ctx),
    ),
    postpone_job: fn(
      'postpone_job(name, current_time, new_time, **kwargs)',
      example(
        'Runs a job at another time than the one given.',
        'postpone_job job1 2026-03-11T10:00:00 2026-03-11T12:00:00',
      ),
      (a, ctx) => setAside('postpone_job', a, ctx),
    ),
    purge: fn('purge(**kwargs)', example('Removes all jobs.', 'purge'), purge),
    reload: fn('reload()', example('Reads schedule.conf and the pillar again.', 'reload'), (_, ctx) => reload(ctx)),
    run_job: fn(
      'run_job(name, force=False)',
      example('Runs a job now; a disabled one only with force=True.', 'run_job job1'),
      runJob,
    ),
    save: fn(
      'save(**kwargs)',
      example('Writes the jobs that are not from the pillar to the configuration.', 'save'),
      save,
    ),
    show_next_fire_time: fn(
      'show_next_fire_time(name, **kwargs)',
      example('When a job runs next.', 'show_next_fire_time job1'),
      nextFireTime,
    ),
    skip_job: fn(
      'skip_job(name, current_time, **kwargs)',
      example('Leaves out the run at a time.', 'skip_job job1 2026-03-11T10:00:00'),
      (a, ctx) => setAside('skip_job', a, ctx),
    ),
  },
} satisfies ExecutionModule;
