import { readFileSync, statfsSync } from 'node:fs';
import { messageOf } from '../../bus/errors.ts';
import { mkFloat } from '../../bus/values.ts';
import { pyRegex } from '../../sls/regex.ts';
import { str } from '../../sls/values.ts';
import type { Beacon, Sight } from './contract.ts';

/** Where file systems are mounted; `/proc/mounts` writes blanks and backslashes as octal numbers. */
const mountPoints = (): string[] => [
  ...new Set(
    readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((l) => l.split(' ')[1] ?? '')
      .filter(Boolean)
      .map((m) => m.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))),
  ),
];

/** `diskusage`: use of each file system whose mount point a configured expression matches, while at or above its percentage. */
export default {
  validate: () => undefined,
  look(items, { log }) {
    const out: Sight[] = [];
    const mounts = mountPoints();
    for (const [key, limit] of items) {
      const name = str(key);
      if (name.startsWith('_')) continue;
      const pattern = pyRegex(name.endsWith('$') ? name : `${name}$`);
      const most = Number(str(limit).replace('%', ''));
      for (const mount of mounts.filter((m) => pattern.matches(m)))
        try {
          const { blocks, bfree, bavail } = statfsSync(mount);
          const used = blocks - bfree;
          const percent = used + bavail ? Math.round((used / (used + bavail)) * 1000) / 10 : 0;
          if (percent >= most) out.push({ data: { diskusage: mkFloat(percent), mount } });
        } catch (e) {
          log.warning(`${mount} is not a valid mount point. (${messageOf(e)})`);
        }
    }
    return out;
  },
} satisfies Beacon;
