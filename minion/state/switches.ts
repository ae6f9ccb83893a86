/** The functions of module `state` around runs: requests, disabled states, pauses. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, toPy, toWire } from '../../bus/values.ts';
import { decodeBus, encodeBus } from '../../bus/wire/payload.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { repr, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import { apply, kwargsOf } from './apply.ts';
import { splitInput } from './compile.ts';

const doc = docFor('state');

function readMap(path: string): PyDict {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return new PyDict();
    throw e;
  }
  const v = toPy(decodeBus(bytes));
  return v instanceof PyDict ? v : new PyDict();
}
function writeMap(path: string, data: PyDict): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, encodeBus(toWire(data)), { mode: 0o600 });
}

const requestPath = (ctx: ModuleCtx): string => join(ctx.opts.str('cachedir'), 'req_state.p');

function request(a: Args, ctx: ModuleCtx): Py {
  const kwargs = kwargsOf(a);
  kwargs.set('test', true);
  const mods = a['mods'] ?? null;
  const ret = apply(mods, kwargs, ctx);
  const all = readMap(requestPath(ctx));
  all.set(
    kwargs.get('name') ?? 'default',
    new PyDict<Py>([
      ['test_run', ret],
      ['mods', mods],
      ['kwargs', kwargs],
    ]),
  );
  writeMap(requestPath(ctx), all);
  return ret;
}

function checkRequest(name: Py, ctx: ModuleCtx): Py {
  const all = readMap(requestPath(ctx));
  if (!truth(name) || !all.size) return all;
  const one = all.get(name);
  if (one === undefined) throw new SaltError('KeyError', repr(name));
  return one;
}

function clearRequest(name: Py, ctx: ModuleCtx): boolean {
  if (!truth(name)) {
    rmSync(requestPath(ctx), { force: true });
    return true;
  }
  const all = readMap(requestPath(ctx));
  if (!all.size) return true;
  if (!all.delete(name)) return false;
  writeMap(requestPath(ctx), all);
  return true;
}

function runRequest(a: Args, ctx: ModuleCtx): Py {
  const one = readMap(requestPath(ctx)).get(a['name'] as Py);
  if (!(one instanceof PyDict) || !one.has('mods') || !(one.get('kwargs') instanceof PyDict)) return new PyDict();
  const kwargs = new PyDict<Py>([...(one.get('kwargs') as PyDict), ...kwargsOf(a)]);
  kwargs.delete('test');
  const ret = apply(one.get('mods') as Py, kwargs, ctx);
  rmSync(requestPath(ctx), { force: true });
  return ret;
}

function switchStates(given: Py, off: boolean, ctx: ModuleCtx): Py {
  const now = ctx.salt.call('grains.get', ['state_runs_disabled']);
  const list: Py[] = Array.isArray(now) ? [...(now as Py[])] : [];
  const lines: string[] = [];
  let changed = false;
  for (const name of splitInput(given)) {
    const is = list.includes(name);
    if (is === off) lines.push(`Info: ${name} state already ${off ? 'disabled' : 'enabled'}.`);
    else {
      lines.push(`Info: ${name} state ${off ? 'disabled' : 'enabled'}.`);
      if (off) list.push(name);
      else list.splice(list.indexOf(name), 1);
      changed = true;
    }
  }
  if (changed) ctx.salt.call('grains.setval', ['state_runs_disabled', list]);
  if (ctx.salt.has('saltutil.refresh_modules')) ctx.salt.call('saltutil.refresh_modules');
  return new PyDict<Py>([
    ['res', true],
    ['msg', lines.join('\n')],
  ]);
}

/** Where the pauses of a run are kept. Throws for a jid that is no file name. */
function pausePath(jid: Py, ctx: ModuleCtx): string {
  const name = str(jid);
  if (!/^[\w.-]+$/.test(name) || name.startsWith('.'))
    throw new SaltError('SaltInvocationError', `'${name}' is not a job id`);
  const dir = join(ctx.opts.str('cachedir'), 'state_pause');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return join(dir, name);
}

function setPause(a: Args, ctx: ModuleCtx, mark: readonly [string, Py] | undefined): null {
  const path = pausePath(a['jid'] as Py, ctx);
  const id = a['state_id'] ?? '__all__';
  const data = readMap(path);
  const own = data.get(id);
  const entry = own instanceof PyDict ? own : new PyDict();
  if (mark) entry.set(mark[0], mark[1]);
  data.set(id, entry);
  writeMap(path, data);
  return null;
}

function resume(a: Args, ctx: ModuleCtx): null {
  const path = pausePath(a['jid'] as Py, ctx);
  const id = a['state_id'] ?? '__all__';
  const data = readMap(path);
  data.delete(id);
  writeMap(path, id === '__all__' ? new PyDict() : data);
  return null;
}

function getPauses(a: Args, ctx: ModuleCtx): PyDict {
  const dir = join(ctx.opts.str('cachedir'), 'state_pause');
  const active = ctx.salt.call('saltutil.is_running', ['state.*']);
  const alive = new Set(
    (Array.isArray(active) ? (active as Py[]) : []).map((j) => (j instanceof PyDict ? str(j.get('jid') ?? '') : '')),
  );
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return new PyDict();
    throw e;
  }
  const jid = a['jid'] ?? null;
  const asked = jid === null ? names : Array.isArray(jid) ? (jid as Py[]).map((j) => str(j)) : [str(jid)];
  const out = new PyDict();
  for (const j of asked)
    if (alive.has(j)) out.set(j, readMap(pausePath(j, ctx)));
    else rmSync(pausePath(j, ctx), { force: true });
  return out;
}

/** Functions of module `state` that steer runs. */
export const switchFunctions: Readonly<Record<string, Fn<ModuleCtx>>> = {
  request: fn(
    'request(mods=None, **kwargs)',
    doc('Asks the local administrator for a run: tests it now, and keeps it for state.run_request.', 'request web'),
    request,
  ),
  check_request: fn(
    'check_request(name=None)',
    doc('The runs that are asked for, or one of them by name.', 'check_request'),
    (a, ctx) => checkRequest(a['name'] ?? null, ctx),
  ),
  clear_request: fn(
    'clear_request(name=None)',
    doc('Forgets the runs that are asked for, or one of them.', 'clear_request'),
    (a, ctx) => clearRequest(a['name'] ?? null, ctx),
  ),
  run_request: fn(
    "run_request(name='default', **kwargs)",
    doc('Makes a run that was asked for.', 'run_request'),
    runRequest,
  ),
  disable: fn(
    'disable(states)',
    doc(
      'Forbids state functions or SLS files (names, patterns of functions), until state.enable.',
      'disable highstate',
    ),
    (a, ctx) => switchStates(a['states'] as Py, true, ctx),
  ),
  enable: fn('enable(states)', doc('Allows what state.disable forbade.', 'enable highstate'), (a, ctx) =>
    switchStates(a['states'] as Py, false, ctx),
  ),
  list_disabled: fn('list_disabled()', doc('What state.disable forbade.', 'list_disabled'), (_a, ctx) =>
    ctx.salt.call('grains.get', ['state_runs_disabled']),
  ),
  pause: fn(
    'pause(jid, state_id=None, duration=None)',
    doc(
      'Pauses a run before an ID, or before its next state; for duration seconds or until state.resume.',
      'pause 20260110123456789012 vim',
    ),
    (a, ctx) =>
      setPause(a, ctx, truth(a['duration'] ?? null) ? ['duration', Math.trunc(Number(a['duration']))] : undefined),
  ),
  resume: fn('resume(jid, state_id=None)', doc('Ends a pause of a run.', 'resume 20260110123456789012'), resume),
  soft_kill: fn(
    'soft_kill(jid, state_id=None)',
    doc('Ends a run before an ID, or before its next state.', 'soft_kill 20260110123456789012 vim'),
    (a, ctx) => setPause(a, ctx, ['kill', true]),
  ),
  get_pauses: fn('get_pauses(jid=None)', doc('The pauses of runs that go on.', 'get_pauses'), getPauses),
};
