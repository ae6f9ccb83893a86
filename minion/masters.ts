import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';

/** Where a master is asked: name or address, and the request port. */
export interface MasterAddress {
  host: string;
  port: number;
}

/** Reads `master`: `host`, `host:port`, an IPv6 address, or `[address]:port`. Throws SaltConfigurationError for an empty name. */
export function masterAddress(text: string, port: number): MasterAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] as string, port: bracketed[2] ? Number(bracketed[2]) : port };
  const one = /^([^:]+):(\d+)$/.exec(text);
  const found = one ? { host: one[1] as string, port: Number(one[2]) } : { host: text, port };
  if (found.host.trim() === '')
    throw new SaltError(
      'SaltConfigurationError',
      "Master address: 'unknown address' could not be resolved. Invalid or unresolveable address. Set 'master' value in minion config.",
      { exit: 42 },
    );
  return found;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

/**
 * The masters of a configuration as groups, one connection a group: `master: [a, b]` makes two connections, with
 * `master_type: failover` (or distributed) one that tries its members in order. `random_master` shuffles the members;
 * `master_type: disable` gives none.
 */
export function masterGroups(opts: Opts, random: () => number = Math.random): MasterAddress[][] {
  const type = opts.str('master_type', 'str');
  if (type === 'disable') return [];
  const given = opts.get('master');
  const names = Array.isArray(given) ? given.map(String) : [opts.str('master', 'salt')];
  const port = opts.num('master_port', 4506);
  const all = names.map((n) => masterAddress(n, port));
  const mixed = opts.flag('random_master') || opts.flag('master_shuffle');
  if (type !== 'failover' && type !== 'distributed') return all.map((m) => [m]);
  if (!mixed) return [all];
  if (!opts.flag('master_failback')) return [shuffled(all, random)];
  return [[all[0] as MasterAddress, ...shuffled(all.slice(1), random)]];
}
