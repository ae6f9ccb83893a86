/** An IP address as a number; `scope` is an IPv6 zone (`%eth0`). */
export interface IpAddress {
  readonly version: 4 | 6;
  readonly value: bigint;
  readonly scope?: string;
}
/** A network: `value` has no bits below the prefix. */
export interface IpNetwork extends IpAddress {
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Reads an address as strictly as Python's `ipaddress` (no leading zeros, no short forms); undefined where that raises ValueError. */
export function parseAddress(text: string): IpAddress | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return { version: 4, value: v4 };
  const [plain, scope, more] = text.split('%');
  if (more !== undefined || scope === '' || plain === undefined) return undefined;
  const v6 = parseV6(plain);
  if (v6 === undefined) return undefined;
  return scope === undefined ? { version: 6, value: v6 } : { version: 6, value: v6, scope };
}

/** Reads `address`, `address/prefix`, `address/netmask` or `address/hostmask`; undefined if malformed or if host bits are set. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [host, mask, more] = text.split('/');
  if (host === undefined || more !== undefined) return undefined;
  const address = parseAddress(host);
  if (!address) return undefined;
  const prefix = mask === undefined ? BITS[address.version] : prefixOf(mask, address.version);
  if (prefix === undefined) return undefined;
  const network = { ...address, prefix };
  return (address.value & hostBits(network)) === 0n ? network : undefined;
}

/** Whether the address lies in the network; addresses of the other version never do. */
export function inNetwork(address: IpAddress, network: IpNetwork): boolean {
  return (
    address.version === network.version && (address.value | hostBits(network)) === (network.value | hostBits(network))
  );
}

/** The shortest usual spelling, as `str()` of a Python address. */
export function formatAddress(address: IpAddress): string {
  if (address.version === 4)
    return [24n, 16n, 8n, 0n].map((shift) => String((address.value >> shift) & 255n)).join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((address.value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let best = { at: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (words[i + n] === '0') n++;
    if (n > best.length) best = { at: i, length: n };
  }
  const text =
    best.at < 0
      ? words.join(':')
      : `${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.length).join(':')}`;
  return address.scope === undefined ? text : `${text}%${address.scope}`;
}

function hostBits(network: IpNetwork): bigint {
  return (1n << BigInt(BITS[network.version] - network.prefix)) - 1n;
}

function prefixOf(mask: string, version: 4 | 6): number | undefined {
  if (/^\d+$/.test(mask)) return Number(mask) <= BITS[version] ? Number(mask) : undefined;
  const bits = version === 4 ? parseV4(mask) : undefined;
  if (bits === undefined) return undefined;
  for (const candidate of [bits, bits ^ 0xffffffffn]) {
    const found = /^(1*)0*$/.exec(candidate.toString(2).padStart(32, '0'));
    if (found) return found[1]!.length;
  }
  return undefined;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const p of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(p) || Number(p) > 255) return undefined;
    value = (value << 8n) | BigInt(p);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  let plain = text;
  const tail = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  if (tail) {
    const v4 = parseV4(tail[2]!);
    if (v4 === undefined) return undefined;
    plain = `${tail[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const halves = plain.split('::');
  if (halves.length > 2) return undefined;
  const words = halves.map((h) => (h === '' ? [] : h.split(':')));
  const count = words.flat().length;
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  if (!words.flat().every((w) => /^[0-9a-fA-F]{1,4}$/.test(w))) return undefined;
  const all = [...words[0]!, ...Array<string>(8 - count).fill('0'), ...(words[1] ?? [])];
  return all.reduce((sum, w) => (sum << 16n) | BigInt(`0x${w}`), 0n);
}
