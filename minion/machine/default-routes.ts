import { formatAddress } from '../../sls/ip-address.ts';
import { readLines } from './read.ts';

/** `true` for a default route without a gateway, its address for one with, `false` for none. */
export type Gateway = boolean | string;

const isRoot = (flags: number): boolean => (flags & 1) === 1;

/** The IPv4 default gateway, that of the lowest metric. */
export function gateway4(lines: readonly string[] = readLines('/proc/net/route')): Gateway {
  let best: { metric: number; gateway: number } | undefined;
  for (const line of lines.slice(1)) {
    const f = line.trim().split(/\s+/);
    if (f[1] !== '00000000' || f[7] !== '00000000' || !isRoot(Number.parseInt(f[3] ?? '0', 16))) continue;
    const metric = Number(f[6]);
    if (!best || metric < best.metric) best = { metric, gateway: Number.parseInt(f[2] ?? '0', 16) };
  }
  if (!best) return false;
  if (best.gateway === 0) return true;
  const b = Buffer.alloc(4);
  b.writeUInt32LE(best.gateway);
  return b.join('.');
}

/** The IPv6 default gateway, that of the lowest metric. */
export function gateway6(lines: readonly string[] = readLines('/proc/net/ipv6_route')): Gateway {
  let best: { metric: number; gateway: bigint } | undefined;
  for (const line of lines) {
    const f = line.trim().split(/\s+/);
    const flags = Number.parseInt(f[8] ?? '0', 16);
    // 0x200: the reject route every machine without a default has
    if (/[^0]/.test(f[0] ?? 'x') || f[1] !== '00' || !isRoot(flags) || flags & 0x200 || f[9] === 'lo') continue;
    const metric = Number.parseInt(f[5] ?? '0', 16);
    if (!best || metric < best.metric) best = { metric, gateway: BigInt(`0x${f[4]}`) };
  }
  if (!best) return false;
  return best.gateway === 0n ? true : formatAddress({ version: 6, value: best.gateway });
}
