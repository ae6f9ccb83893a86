/** Login tokens. */
import { toPy } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { type PyDict, str, truth } from '../../sls/values.ts';
import type { RunnerModule } from './contract.ts';

export default {
  doc: 'Makes and takes away tokens of external_auth.',
  functions: {
    mk_token: fn(
      'mk_token(**kwargs)',
      'Makes a token for a login: eauth, username and password. An empty answer means that it was refused.\n\nCLI Example:\n\n    salt-run auth.mk_token username=saltdev password=saltdev eauth=auto',
      async (a, ctx) => {
        const given = a['kwargs'] as PyDict;
        const text = (key: string): string => (truth(given.get(key) ?? null) ? str(given.get(key)!) : '');
        const token = await ctx.client.makeToken(text('eauth'), text('username'), text('password'));
        return token ? toPy(token) : '';
      },
    ),
    del_token: fn(
      'del_token(token)',
      'Takes a token away: it no longer proves anything.\n\nCLI Example:\n\n    salt-run auth.del_token 6556760736e4077daa601baec2b67c24',
      async (a, ctx) => {
        const token = str(a['token']!);
        return /^[0-9a-f]{32,128}$/.test(token) && ctx.minions.flush('tokens', token);
      },
    ),
  },
} satisfies RunnerModule;
