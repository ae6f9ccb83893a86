/** Services of a machine that systemd runs. */
import type { Py } from '../../bus/values.ts';
import { PyDict } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import {
  act,
  allUnits,
  booted,
  enableScript,
  initScripts,
  isActive,
  isAvailable,
  isEnabled,
  noticeChanges,
  runlevel,
  scriptEnabled,
  setMask,
  tryAct,
  unitName,
  unitsIn,
} from './service/systemd.ts';
import { unitFunctions } from './service/unit-functions.ts';

const doc = docFor('service');
const name = (a: Args): string => str(a['name'] as Py);
const rootOf = (a: Args): string | undefined => (truth(a['root'] ?? null) ? str(a['root'] as Py) : undefined);

/** The minion's own service is not waited for: it would wait for itself. */
const noBlock = (a: Args): boolean =>
  a['no_block'] === null ? unitName(name(a)) === 'salt-minion.service' : truth(a['no_block'] as Py);

function unmaskFirst(a: Args, ctx: ModuleCtx): void {
  if (truth(a['unmask'] ?? false)) setMask(false, name(a), false, rootOf(a), ctx);
  if (truth(a['unmask_runtime'] ?? false)) setMask(false, name(a), true, rootOf(a), ctx);
}

function change(action: string, a: Args, ctx: ModuleCtx): boolean {
  noticeChanges(name(a), ctx);
  unmaskFirst(a, ctx);
  return act(action, name(a), ctx, { noBlock: noBlock(a) });
}

/** State of a service, or of all whose names match a pattern. */
function status(a: Args, ctx: ModuleCtx): Py {
  const pattern = name(a);
  const check = (n: string): boolean => {
    noticeChanges(n, ctx);
    return isActive(n, ctx);
  };
  if (!/[*?]|\[.+\]/.test(pattern)) return check(pattern);
  return new PyDict(
    allUnits()
      .filter((n) => fnmatch(n, pattern))
      .map((n): [Py, Py] => [n, check(n)]),
  );
}

function scripts(on: boolean, ctx: ModuleCtx): string[] {
  const all = initScripts();
  if (!all.length) return [];
  const level = runlevel(ctx);
  return all.filter((n) => scriptEnabled(n, level) === on);
}

const START = 'no_block=False, unmask=False, unmask_runtime=False';

export default {
  virtual: () =>
    booted()
      ? 'service'
      : {
          reason:
            'The systemd execution module failed to load: only available on Linux systems which have been booted with systemd.',
        },
  doc: 'Starts, stops, enables and describes services and other units of systemd.',
  functions: {
    ...unitFunctions,
    start: fn(
      `start(name, ${START})`,
      doc('Starts a service; unmask=True takes a mask off first, no_block=True does not wait.', 'start nginx'),
      (a, ctx: ModuleCtx) => change('start', a, ctx),
    ),
    stop: fn('stop(name, no_block=None)', doc('Stops a service.', 'stop nginx'), (a, ctx: ModuleCtx) => {
      noticeChanges(name(a), ctx);
      return tryAct('stop', name(a), ctx, { noBlock: noBlock(a) });
    }),
    restart: fn(
      'restart(name, no_block=None, unmask=False, unmask_runtime=False)',
      doc('Stops and starts a service.', 'restart nginx'),
      (a, ctx: ModuleCtx) => change('restart', a, ctx),
    ),
    reload: fn(
      `reload(name, ${START})`,
      doc('Lets a service read its configuration anew.', 'reload nginx'),
      (a, ctx: ModuleCtx) => change('reload', a, ctx),
    ),
    force_reload: fn(
      'force_reload(name, no_block=True, unmask=False, unmask_runtime=False)',
      doc('Reloads a service, or restarts one that can’t.', 'force_reload nginx'),
      (a, ctx: ModuleCtx) => change('force-reload', a, ctx),
    ),
    status: fn(
      'status(name, sig=None)',
      doc('Whether a service runs; a pattern answers a map of those that match.', 'status nginx', "status 'ng*'"),
      status,
    ),
    available: fn(
      'available(name)',
      doc('Whether there is such a service.', 'available nginx'),
      (a, ctx: ModuleCtx) => {
        noticeChanges(name(a), ctx);
        return isAvailable(name(a), ctx);
      },
    ),
    missing: fn('missing(name)', doc('Whether there is no such service.', 'missing nginx'), (a, ctx: ModuleCtx) => {
      noticeChanges(name(a), ctx);
      return !isAvailable(name(a), ctx);
    }),
    enable: fn(
      `enable(name, ${START}, root=None, **kwargs)`,
      doc('Lets a service start with the machine.', 'enable nginx'),
      (a, ctx: ModuleCtx) => {
        noticeChanges(name(a), ctx);
        unmaskFirst(a, ctx);
        return (
          enableScript(true, name(a), rootOf(a), ctx) ??
          act('enable', name(a), ctx, { noBlock: noBlock(a), root: rootOf(a) }, { ignore_retcode: true })
        );
      },
    ),
    disable: fn(
      'disable(name, no_block=False, root=None, **kwargs)',
      doc('Lets a service no longer start with the machine.', 'disable nginx'),
      (a, ctx: ModuleCtx) => {
        noticeChanges(name(a), ctx);
        return (
          enableScript(false, name(a), rootOf(a), ctx) ??
          tryAct('disable', name(a), ctx, { noBlock: noBlock(a), root: rootOf(a) }, { ignore_retcode: true })
        );
      },
    ),
    enabled: fn(
      'enabled(name, root=None, **kwargs)',
      doc('Whether a service starts with the machine.', 'enabled nginx'),
      (a, ctx: ModuleCtx) => isEnabled(name(a), rootOf(a), ctx),
    ),
    disabled: fn(
      'disabled(name, root=None)',
      doc('Whether a service does not start with the machine.', 'disabled nginx'),
      (a, ctx: ModuleCtx) => !isEnabled(name(a), rootOf(a), ctx),
    ),
    get_all: fn('get_all(root=None)', doc('Every service and other unit.', 'get_all'), (a) => allUnits(rootOf(a))),
    get_enabled: fn(
      'get_enabled(root=None)',
      doc('Units that start with the machine.', 'get_enabled'),
      (a, ctx: ModuleCtx) => [...new Set([...unitsIn('enabled', ctx, rootOf(a)), ...scripts(true, ctx)])].sort(),
    ),
    get_disabled: fn(
      'get_disabled(root=None)',
      doc('Units that could start with the machine but do not.', 'get_disabled'),
      (a, ctx: ModuleCtx) => [...new Set([...unitsIn('disabled', ctx, rootOf(a)), ...scripts(false, ctx)])].sort(),
    ),
  },
} satisfies ExecutionModule;
