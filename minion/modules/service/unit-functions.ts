/** Functions of `service` that only systemd has: the same in both modules of that name. */
import type { Py } from '../../../bus/values.ts';
import { type Args, fn } from '../../../sls/signature.ts';
import { str, truth } from '../../../sls/values.ts';
import { docFor } from '../../doc-text.ts';
import type { ModuleCtx } from '../contract.ts';
import {
  daemonReload,
  firstBoot,
  isMasked,
  offline,
  programs,
  properties,
  runningUnits,
  setMask,
  unitsIn,
} from './systemd.ts';

const doc = docFor('service');
const rootOf = (a: Args): string | undefined => (truth(a['root'] ?? null) ? str(a['root'] as Py) : undefined);
const name = (a: Args): string => str(a['name'] as Py);
const runtime = (a: Args): boolean => truth(a['runtime'] as Py);

/** See above. */
export const unitFunctions = {
  systemctl_reload: fn(
    'systemctl_reload()',
    doc('Lets systemd read its unit files anew.', 'systemctl_reload'),
    (_a: Args, ctx: ModuleCtx) => daemonReload(ctx),
  ),
  get_running: fn('get_running()', doc('Units that run.', 'get_running'), (_a: Args, ctx: ModuleCtx) =>
    runningUnits(ctx),
  ),
  get_static: fn(
    'get_static(root=None)',
    doc('Units that can be neither enabled nor disabled.', 'get_static'),
    (a: Args, ctx: ModuleCtx) => [...new Set(unitsIn('static', ctx, rootOf(a)))].sort(),
  ),
  mask: fn(
    'mask(name, runtime=False, root=None)',
    doc(
      'Makes a unit impossible to start; runtime=True until the next start of the machine.',
      'mask cups',
      'mask cups runtime=True',
    ),
    (a: Args, ctx: ModuleCtx) => setMask(true, name(a), runtime(a), rootOf(a), ctx),
  ),
  unmask: fn(
    'unmask(name, runtime=False, root=None)',
    doc("Takes a unit's mask off.", 'unmask cups'),
    (a: Args, ctx: ModuleCtx) => setMask(false, name(a), runtime(a), rootOf(a), ctx),
  ),
  masked: fn(
    'masked(name, runtime=False, root=None)',
    doc('Whether a unit is masked.', 'masked cups'),
    (a: Args, ctx: ModuleCtx) => isMasked(name(a), runtime(a), rootOf(a), ctx),
  ),
  show: fn('show(name, root=None)', doc('Every property of a unit.', 'show cron'), (a: Args, ctx: ModuleCtx) =>
    properties(name(a), rootOf(a), ctx),
  ),
  execs: fn('execs(root=None)', doc('The program each service starts.', 'execs'), (a: Args, ctx: ModuleCtx) =>
    programs(rootOf(a), ctx),
  ),
  firstboot: fn(
    'firstboot(locale=None, locale_message=None, keymap=None, timezone=None, hostname=None, machine_id=None, root=None)',
    doc('Sets what a new system needs before its first start.', 'firstboot hostname=web1 timezone=UTC root=/srv/image'),
    (a: Args, ctx: ModuleCtx) =>
      firstBoot(
        [
          ['locale', a['locale'] as Py],
          ['locale-message', a['locale_message'] as Py],
          ['keymap', a['keymap'] as Py],
          ['timezone', a['timezone'] as Py],
          ['hostname', a['hostname'] as Py],
          ['machine-ID', a['machine_id'] as Py],
          ['root', a['root'] as Py],
        ],
        ctx,
      ),
  ),
  offline: fn('offline()', doc('Whether systemd is installed but does not run this machine.', 'offline'), () =>
    offline(),
  ),
};
