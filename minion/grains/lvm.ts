/** Volume groups and their logical volumes. */
import { spawnSync } from 'node:child_process';
import { type Py, PyDict } from '../../bus/values.ts';
import { which } from '../process/which.ts';
import type { GrainsModule } from './contract.ts';

function words(program: string, args: string[]): string[] {
  const r = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'ignore'] });
  return (r.stdout ?? '')
    .split('\n')
    .map((l) => l.trim())
    .filter(Boolean);
}

export default {
  functions: {
    lvm: () => {
      const lvm = which('lvm');
      if (!lvm) return new PyDict();
      const groups = words(lvm, ['vgs', '-o', 'vg_name', '--noheadings']);
      const volumes = groups.map((g): [Py, Py] => [g, words(lvm, ['lvs', '-o', 'lv_name', '--noheadings', g])]);
      return new PyDict<Py>([['lvm', new PyDict(volumes)]]);
    },
  },
  provides: { lvm: ['lvm'] },
} satisfies GrainsModule;
