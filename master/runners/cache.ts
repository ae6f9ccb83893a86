/** What the master keeps of its minions, and banks of one's own. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { isMinionId } from '../../bus/wire/minion-id.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { targeted } from '../known-minions.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

type Bank = 'grains' | 'pillar' | 'mine';

function collect(a: Args, ctx: RunnerCtx, bank: Bank, orEmpty: boolean): PyDict {
  const found = new PyDict();
  for (const id of targeted(ctx, a['tgt']!, a['tgt_type']!)) {
    const data = ctx.minions[bank](id);
    if (data !== undefined || orEmpty) found.set(id, data ?? new PyDict());
  }
  return found;
}

/** Forgets banks of the targeted minions; without a target nothing. */
async function clear(a: Args, ctx: RunnerCtx, banks: readonly Bank[]): Promise<boolean> {
  if (a['tgt'] === null) return false;
  for (const id of targeted(ctx, a['tgt']!, a['tgt_type']!))
    if (isMinionId(id)) for (const bank of banks) await ctx.minions.flush(bank, id);
  return true;
}

async function clearMineFunction(a: Args, ctx: RunnerCtx): Promise<boolean> {
  const fun = a['clear_mine_func_flag']!;
  if (a['tgt'] === null || fun === null) return false;
  for (const id of targeted(ctx, a['tgt']!, a['tgt_type']!)) {
    const mine = new PyDict(ctx.minions.mine(id));
    if (mine.delete(fun)) await ctx.minions.store('mine', id, mine);
  }
  return true;
}

/** Names of a bank and a key; the platform's own store takes any text, but no folder of another cache. */
function place(a: Args): string {
  if (a['cachedir'] !== null && a['cachedir'] !== undefined)
    throw new SaltError('SaltInvocationError', 'Banks are kept in the store of this master: cachedir cannot be given');
  return String(a['bank']);
}

export default {
  doc: 'Shows and clears what the master has cached.',
  functions: {
    grains: fn(
      "grains(tgt, tgt_type='glob', **kwargs)",
      "Cached grains of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.grains '*'",
      (a, ctx) => collect(a, ctx, 'grains', false),
    ),
    pillar: fn(
      "pillar(tgt=None, tgt_type='glob', **kwargs)",
      'Cached pillar of the targeted minions, by default of all.\n\nCLI Example:\n\n    salt-run cache.pillar',
      (a, ctx) => collect(a, ctx, 'pillar', true),
    ),
    mine: fn(
      "mine(tgt=None, tgt_type='glob', **kwargs)",
      'Mine values of the targeted minions, by default of all.\n\nCLI Example:\n\n    salt-run cache.mine',
      (a, ctx) => collect(a, ctx, 'mine', true),
    ),
    clear_grains: fn(
      "clear_grains(tgt=None, tgt_type='glob')",
      "Forgets the grains of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.clear_grains 'web*'",
      (a, ctx) => clear(a, ctx, ['grains']),
    ),
    clear_pillar: fn(
      "clear_pillar(tgt=None, tgt_type='glob')",
      "Forgets the pillar of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.clear_pillar 'web*'",
      (a, ctx) => clear(a, ctx, ['pillar']),
    ),
    clear_mine: fn(
      "clear_mine(tgt=None, tgt_type='glob')",
      "Forgets the mine values of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.clear_mine 'web*'",
      (a, ctx) => clear(a, ctx, ['mine']),
    ),
    clear_mine_func: fn(
      "clear_mine_func(tgt=None, tgt_type='glob', clear_mine_func_flag=None)",
      "Forgets one mine value of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.clear_mine_func 'web*' clear_mine_func_flag=network.ip_addrs",
      clearMineFunction,
    ),
    clear_all: fn(
      "clear_all(tgt=None, tgt_type='glob')",
      "Forgets grains, pillar and mine values of the targeted minions.\n\nCLI Example:\n\n    salt-run cache.clear_all 'web*'",
      (a, ctx) => clear(a, ctx, ['pillar', 'grains', 'mine']),
    ),
    store: fn(
      'store(bank, key, data, cachedir=None)',
      'Keeps a value in a bank.\n\nCLI Example:\n\n    salt-run cache.store site release \'{"version": "1.4"}\'',
      async (a, ctx) => {
        await ctx.minions.store(place(a), String(a['key']), a['data']!);
        return null;
      },
    ),
    list: fn(
      'list_(bank, cachedir=None)',
      'Names of the keys in a bank.\n\nCLI Example:\n\n    salt-run cache.list grains',
      (a, ctx) => ctx.minions.list(place(a)),
    ),
    fetch: fn(
      'fetch(bank, key, cachedir=None)',
      'The value of a key in a bank; an empty map when there is none.\n\nCLI Example:\n\n    salt-run cache.fetch site release',
      (a, ctx): Py => ctx.minions.fetch(place(a), String(a['key'])) ?? new PyDict(),
    ),
    flush: fn(
      'flush(bank, key=None, cachedir=None)',
      'Forgets a key of a bank, or the whole bank; whether there was any.\n\nCLI Example:\n\n    salt-run cache.flush site release',
      (a, ctx) => ctx.minions.flush(place(a), a['key'] === null ? undefined : String(a['key'])),
    ),
  },
} satisfies RunnerModule;
