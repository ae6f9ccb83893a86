/** Who the minion runs as. */
import { type Py, PyDict } from '../../bus/values.ts';
import { accountOf, groupOf } from '../process/accounts.ts';
import type { GrainsModule } from './contract.ts';

export default {
  functions: {
    grains: () => {
      const uid = process.getuid?.() ?? 0;
      const gid = process.getgid?.() ?? 0;
      const account = accountOf(uid);
      return new PyDict<Py>([
        ['username', account?.name ?? String(uid)],
        ['groupname', (account && groupOf(account.gid)?.name) ?? ''],
        ['pid', process.pid],
        ['gid', gid],
        ['uid', uid],
      ]);
    },
  },
  provides: { grains: ['username', 'groupname', 'pid', 'gid', 'uid'] },
} satisfies GrainsModule;
