/** Software RAID devices. */
import { PyDict } from '../../bus/values.ts';
import { readText } from '../machine/read.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: {
    mdadm: () => {
      const text = readText('/proc/mdstat');
      if (text === undefined) return new PyDict();
      const devices = text
        .split('\n')
        .filter((l) => l.includes(' : ') && !l.startsWith('Personalities : ') && !l.startsWith('unused devices:'))
        .map((l) => l.split(' : ')[0] as string);
      return new PyDict([['mdadm', [...new Set(devices)].sort()]]);
    },
  },
  provides: { mdadm: ['mdadm'] },
} satisfies GrainsModule;
