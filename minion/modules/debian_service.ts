/** Services of a Debian that systemd does not run: init scripts. */
import { existsSync, readdirSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { runText, runWords } from '../process/through-cmd.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { booted } from './service/systemd.ts';
import { unitFunctions } from './service/unit-functions.ts';

const doc = docFor('service');
const name = (a: Args): string => str(a['name'] as Py);

/** Scripts linked to start in the present runlevel or before it. */
function enabledNames(ctx: ModuleCtx): string[] {
  const out = runText(ctx, ['runlevel'], { ignore_retcode: true });
  const level = out.includes('unknown') ? '2' : (out.split(/\s+/)[1] ?? '2');
  const found = ['S', level].flatMap((l) => (existsSync(`/etc/rc${l}.d`) ? readdirSync(`/etc/rc${l}.d`) : []));
  return [...new Set(found.filter((f) => f.startsWith('S')).map((f) => f.split(/\d+/).at(-1) as string))].sort();
}

function allNames(ctx: ModuleCtx): string[] {
  const scripts = existsSync('/etc/init.d')
    ? readdirSync('/etc/init.d').filter((n) => n !== 'README' && !n.startsWith('.'))
    : [];
  return [...new Set([...scripts, ...enabledNames(ctx)])].sort();
}

const service = (action: string, a: Args, ctx: ModuleCtx): boolean =>
  runWords(ctx, ['service', name(a), action]).code === 0;

function status(a: Args, ctx: ModuleCtx): Py {
  if (truth(a['sig'] as Py)) return truth(ctx.salt.call('status.pid', [a['sig'] as Py]));
  const check = (n: string): boolean => runWords(ctx, ['service', n, 'status'], { ignore_retcode: true }).code === 0;
  if (!/[*?]|\[.+\]/.test(name(a))) return check(name(a));
  return new PyDict(
    allNames(ctx)
      .filter((n) => fnmatch(n, name(a)))
      .map((n): [Py, Py] => [n, check(n)]),
  );
}

/** Links a script to start, or not. The tool of old Debians comes first where there is one: it knows what each script needs. */
function enable(on: boolean, a: Args, ctx: ModuleCtx): boolean {
  if (on && which('insserv') && runWords(ctx, ['insserv', name(a)]).code !== 0) return false;
  return runWords(ctx, ['update-rc.d', name(a), on ? 'enable' : 'disable']).code === 0;
}

export default {
  virtual: (ctx) =>
    ['Debian', 'Raspbian', 'Devuan', 'NILinuxRT'].includes(String(ctx.grains.get('os'))) && !booted()
      ? 'service'
      : { reason: 'The debian_service module could not be loaded: unsupported OS family and/or systemd running.' },
  doc: 'Starts, stops, enables and lists services that are init scripts.',
  functions: {
    ...unitFunctions,
    start: fn('start(name)', doc('Starts a service.', 'start cron'), (a, ctx: ModuleCtx) => service('start', a, ctx)),
    stop: fn('stop(name)', doc('Stops a service.', 'stop cron'), (a, ctx: ModuleCtx) => service('stop', a, ctx)),
    restart: fn('restart(name)', doc('Stops and starts a service.', 'restart cron'), (a, ctx: ModuleCtx) =>
      service('restart', a, ctx),
    ),
    reload: fn('reload(name)', doc('Lets a service read its configuration anew.', 'reload cron'), (a, ctx: ModuleCtx) =>
      service('reload', a, ctx),
    ),
    force_reload: fn(
      'force_reload(name)',
      doc('Reloads a service, or restarts one that can’t.', 'force_reload cron'),
      (a, ctx: ModuleCtx) => service('force-reload', a, ctx),
    ),
    status: fn(
      'status(name, sig=None)',
      doc(
        'Whether a service runs, or with sig whether a process matches; a pattern answers a map of those that match.',
        'status cron',
        "status 'c*'",
      ),
      status,
    ),
    available: fn('available(name)', doc('Whether there is such a service.', 'available cron'), (a, ctx: ModuleCtx) =>
      allNames(ctx).includes(name(a)),
    ),
    missing: fn(
      'missing(name)',
      doc('Whether there is no such service.', 'missing cron'),
      (a, ctx: ModuleCtx) => !allNames(ctx).includes(name(a)),
    ),
    enable: fn(
      'enable(name, **kwargs)',
      doc('Lets a service start with the machine.', 'enable cron'),
      (a, ctx: ModuleCtx) => enable(true, a, ctx),
    ),
    disable: fn(
      'disable(name, **kwargs)',
      doc('Lets a service no longer start with the machine.', 'disable cron'),
      (a, ctx: ModuleCtx) => enable(false, a, ctx),
    ),
    enabled: fn(
      'enabled(name, **kwargs)',
      doc('Whether a service starts with the machine.', 'enabled cron'),
      (a, ctx: ModuleCtx) => enabledNames(ctx).includes(name(a)),
    ),
    disabled: fn(
      'disabled(name)',
      doc('Whether a service is there but does not start with the machine.', 'disabled cron'),
      (a, ctx: ModuleCtx) => allNames(ctx).includes(name(a)) && !enabledNames(ctx).includes(name(a)),
    ),
    get_all: fn('get_all()', doc('Every service.', 'get_all'), (_a, ctx: ModuleCtx) => allNames(ctx)),
    get_enabled: fn(
      'get_enabled()',
      doc('Services that start with the machine.', 'get_enabled'),
      (_a, ctx: ModuleCtx) => enabledNames(ctx),
    ),
    get_disabled: fn(
      'get_disabled()',
      doc('Services that do not start with the machine.', 'get_disabled'),
      (_a, ctx: ModuleCtx) => {
        const on = new Set(enabledNames(ctx));
        return allNames(ctx).filter((n) => !on.has(n));
      },
    ),
  },
} satisfies ExecutionModule;
