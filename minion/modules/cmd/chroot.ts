import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Py, PyDict } from '../../../bus/values.ts';
import type { Args } from '../../../sls/signature.ts';
import { iterate, str, truth } from '../../../sls/values.ts';
import { pause } from '../../process/run.ts';
import { shellQuote } from '../../process/shell-words.ts';
import type { ModuleCtx } from '../contract.ts';
import { execute } from './execute.ts';
import { answer } from './scripts.ts';

/** Processes whose root folder lies in a tree. */
function insiders(root: string): number[] {
  return readdirSync('/proc')
    .filter((n) => /^\d+$/.test(n))
    .filter((n) => {
      try {
        return readlinkSync(`/proc/${n}/root`).startsWith(root);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Runs a command inside another root folder with /dev, /proc and /sys mounted there, and clears up after it. */
export function runChroot(a: Args, ctx: ModuleCtx): PyDict {
  const root = str(a['root'] as Py);
  const inside = (path: string): string => join(root, relative('/', path));
  const mount = (path: string, device: string, options: Record<string, Py>): void => {
    ctx.salt.call('mount.mount', [path, device], options);
  };
  mount(join(root, 'dev'), 'devtmpfs', { fstype: 'devtmpfs' });
  mount(join(root, 'proc'), 'proc', { fstype: 'proc' });
  mount(join(root, 'sys'), 'sysfs', { fstype: 'sysfs' });
  const binds = truth(a['binds'] ?? null) ? [...iterate(a['binds'] as Py)].map((b) => str(b)) : [];
  for (const b of binds) mount(inside(b), b, { opts: 'default,bind' });
  try {
    const sh = existsSync(join(root, 'bin/bash')) ? '/bin/bash' : '/bin/sh';
    const cmd = Array.isArray(a['cmd']) ? a['cmd'].map((w) => str(w as Py)).join(' ') : str(a['cmd'] as Py);
    const user = truth(a['runas'] ?? null)
      ? `--userspec ${str(a['runas'] as Py)}:${truth(a['group'] ?? null) ? str(a['group'] as Py) : ''}`
      : '';
    const line = `chroot ${user} ${root} ${sh} -c ${shellQuote(cmd)}`;
    const r = execute({ ...a, cmd: line, runas: null, group: null }, { pythonShell: a['python_shell'] ?? true }, ctx);
    const hide = truth(a['hide_output'] ?? false);
    return answer(r.pid, r.retcode, hide ? '' : r.stdout, hide ? '' : r.stderr);
  } finally {
    leave(root, binds.map(inside), ctx);
  }
}

/** Ends what still runs in the tree, politely at first, and unmounts what was mounted. */
function leave(root: string, binds: readonly string[], ctx: ModuleCtx): void {
  for (let i = 0; i < 6; i++) {
    const left = insiders(root);
    if (!left.length) break;
    for (const pid of left)
      try {
        process.kill(pid, i < 3 ? 'SIGTERM' : 'SIGKILL');
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
      }
    pause(50);
  }
  if (insiders(root).length)
    ctx.log.error('Processes running in chroot could not be killed, filesystem will remain mounted');
  for (const path of [...binds, join(root, 'sys'), join(root, 'proc'), join(root, 'dev')])
    ctx.salt.call('mount.umount', [path]);
}
