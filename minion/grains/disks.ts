/** Which disks spin and which do not. */
import { readdirSync, readlinkSync } from 'node:fs';
import { PyDict } from '../../bus/values.ts';
import { readText } from '../machine/read.ts';
import type { GrainsModule } from './contract.ts';

function names(): string[] {
  try {
    return readdirSync('/sys/block');
  } catch {
    return []; // no sysfs: no disks to tell of
  }
}

export default {
  functions: {
    disks: () => {
      const disks: string[] = [];
      const ssds: string[] = [];
      for (const name of names()) {
        if (readlinkSync(`/sys/block/${name}`).startsWith('../devices/virtual/')) continue;
        const spins = readText(`/sys/block/${name}/queue/rotational`)?.[0];
        if (spins === '0') ssds.push(name);
        else if (spins === '1') disks.push(name);
      }
      return new PyDict([
        ['disks', disks],
        ['ssds', ssds],
      ]);
    },
  },
  provides: { disks: ['disks', 'ssds'] },
} satisfies GrainsModule;
