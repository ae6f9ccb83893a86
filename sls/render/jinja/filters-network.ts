/** Salt's filters on addresses and networks. */
import { randomInt } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';
import { formatAddress, type IpAddress, inNetwork, parseAddress, parseNetwork } from '../../ip-address.ts';
import { isInt, iterate, normInt, type Py, PyDict, PyIterator, repr, str, strOf } from '../../values.ts';
import type { FilterRow } from './engine.ts';
import { pyClass } from './filters-text.ts';
import { checkSize } from './ops.ts';

/** An address that may carry a prefix (`10.0.0.1/24`). */
interface Host extends IpAddress {
  /** Absent for a plain address. */
  prefix?: number;
}
type Range = readonly string[];
const PRIVATE: Record<4 | 6, Range> = {
  4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/29',
    '192.0.0.170/31',
    '192.0.2.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '240.0.0.0/4',
    '255.255.255.255/32',
  ],
  6: [
    '::1/128',
    '::/128',
    '::ffff:0:0/96',
    '100::/64',
    '2001::/23',
    '2001:2::/48',
    '2001:db8::/32',
    '2001:10::/28',
    'fc00::/7',
    'fe80::/10',
  ],
};
const RESERVED: Record<4 | 6, Range> = {
  4: ['240.0.0.0/4'],
  6: [
    '::/8',
    '100::/8',
    '200::/7',
    '400::/6',
    '800::/5',
    '1000::/4',
    '4000::/3',
    '6000::/3',
    '8000::/3',
    'a000::/3',
    'c000::/3',
    'e000::/4',
    'f000::/5',
    'f800::/6',
    'fe00::/9',
  ],
};
function within(a: IpAddress, ranges: Range): boolean {
  return ranges.some((r) => {
    const n = parseNetwork(r);
    return n !== undefined && inNetwork(a, n);
  });
}
const by =
  (v4: Range, v6: Range) =>
  (a: IpAddress): boolean =>
    within(a, a.version === 4 ? v4 : v6);
function isPrivate(a: IpAddress): boolean {
  const mapped = a.version === 6 && a.value >> 32n === 0xffffn;
  if (mapped) return isPrivate({ version: 4, value: a.value & 0xffffffffn });
  return within(a, PRIVATE[a.version]);
}
const isGlobal = (a: IpAddress): boolean => !isPrivate(a);
const isLinkLocal = by(['169.254.0.0/16'], ['fe80::/10']);
const isLoopback = by(['127.0.0.0/8'], ['::1/128']);
const isSiteLocal = by([], ['fec0::/10']);
const OPTIONS: readonly (readonly [string, (a: IpAddress) => boolean])[] = [
  ['global', isGlobal],
  ['link-local', isLinkLocal],
  ['linklocal', isLinkLocal],
  ['ll', isLinkLocal],
  ['link_local', isLinkLocal],
  ['loopback', isLoopback],
  ['lo', isLoopback],
  ['multicast', by(['224.0.0.0/4'], ['ff00::/8'])],
  ['private', isPrivate],
  ['public', isGlobal],
  ['reserved', (a) => within(a, RESERVED[a.version])],
  ['site-local', isSiteLocal],
  ['sl', isSiteLocal],
  ['site_local', isSiteLocal],
  ['unspecified', by(['0.0.0.0/32'], ['::/128'])],
];

/** Text or bytes that may name an address. */
function bytesAsText(v: Py): string | undefined {
  return strOf(v) ?? (v instanceof Uint8Array ? Buffer.from(v).toString('latin1') : undefined);
}
function hostOf(v: Py): Host | undefined {
  if (isInt(v)) {
    const n = BigInt(v);
    if (n < 0n || n >= 1n << 128n) return undefined;
    return { version: n < 1n << 32n ? 4 : 6, value: n };
  }
  const t = bytesAsText(v);
  if (t === undefined) return undefined;
  const plain = parseAddress(t);
  if (plain) return plain;
  const [host, mask, more] = t.split('/');
  const address = host === undefined || more !== undefined ? undefined : parseAddress(host);
  if (!address || mask === undefined) return undefined;
  const net = parseNetwork(`${address.version === 4 ? '0.0.0.0' : '::'}/${mask}`);
  return net ? { ...address, prefix: net.prefix } : undefined;
}
function hostText(h: Host): string {
  return formatAddress(h) + (h.prefix === undefined ? '' : `/${h.prefix}`);
}
const bits = (a: IpAddress): number => (a.version === 4 ? 32 : 128);

/** The normal spelling of an address of that version which has all the options; null otherwise. */
function pick(v: Py, version: 4 | 6, options: Py): string | null {
  const h = hostOf(v);
  if (h?.version !== version) return null;
  const wanted = options === null ? '' : str(options);
  if (wanted) {
    const list = wanted.split(',').map((o) => o.trim());
    for (const [name, has] of OPTIONS) if (list.includes(name) && !has(h)) return null;
  }
  return hostText(h);
}
const isList = (v: Py): boolean => Array.isArray(v) || v instanceof PyIterator;
function filter(v: Py, version: 4 | 6, options: Py): Py {
  if (bytesAsText(v) !== undefined) return pick(v, version, options);
  if (isList(v)) return [...iterate(v)].map((x) => pick(x, version, options)).filter((x) => x !== null);
  return null;
}
function filterBoth(v: Py, options: Py, version: Py = null): Py {
  if (version === 4 || version === 6) return filter(v, version, options);
  const items = isList(v) ? [...iterate(v)] : v;
  const four = filter(items, 4, options);
  const six = filter(items, 6, options);
  if (four === null || six === null) return four ?? six;
  return [...(four as Py[]), ...(six as Py[])];
}
/** Applies to the one address or to each of a list; None when nothing is left. */
function each([v, options, version]: Py[], f: (host: string) => Py): Py {
  const left = filterBoth(v as Py, options as Py, version as Py);
  if (left === null || left === '' || (Array.isArray(left) && !left.length)) return null;
  return isList(v as Py) ? (left as string[]).map(f) : f(left as string);
}
function networkOf(text: string): { first: bigint; size: bigint; version: 4 | 6 } {
  const h = hostOf(text) as Host;
  const size = 1n << BigInt(bits(h) - (h.prefix ?? bits(h)));
  return { first: h.value & ~(size - 1n), size, version: h.version };
}
function hostsOf(text: string): Py {
  const { first, size, version } = networkOf(text);
  const skipFirst = size > 2n ? 1n : 0n;
  const skipLast = size > 2n && version === 4 ? 1n : 0n;
  const count = size - skipFirst - skipLast;
  checkSize(Number(count), 1_000_000);
  const out: string[] = [];
  for (let i = 0n; i < count; i++) out.push(formatAddress({ version, value: first + skipFirst + i }));
  return out;
}
function bracket(v: Py): Py {
  if (pick(v, 6, null) === null) return v;
  const bare = str(v).replace(/^\[+|\]+$/g, '');
  const a = parseAddress(bare);
  if (!a) throw new SaltError('ValueError', `${repr(bare)} does not appear to be an IPv4 or IPv6 address`);
  return `[${formatAddress(a)}]`;
}
function byNetworks([values, networks]: Py[]): Py {
  if (networks === null) return values as Py;
  const nets = [...iterate(networks as Py)].map((n) => {
    const t = str(n);
    const net = parseNetwork(t);
    if (net) return net;
    throw new SaltError(
      'ValueError',
      hostOf(t) ? `${t} has host bits set` : `${repr(t)} does not appear to be an IPv4 or IPv6 network`,
    );
  });
  const keep = (ips: Py): Py[] =>
    [...iterate(ips)].flatMap((ip) => {
      const a = parseAddress(str(ip));
      if (!a) throw new SaltError('ValueError', `${repr(ip)} does not appear to be an IPv4 or IPv6 address`);
      return nets.filter((n) => inNetwork(a, n)).map(() => ip);
    });
  if (values instanceof PyDict) {
    const d = new PyDict();
    for (const [k, v] of values) d.set(k, keep(v));
    return d;
  }
  if (Array.isArray(values) || strOf(values as Py) !== undefined) return keep(values as Py);
  throw new SaltError('ValueError', `Do not know how to filter a ${pyClass(values as Py)}`);
}
function macBytes([v]: Py[]): Py {
  let t = str(v as Py);
  if (t.length === 17) t = t.replaceAll(t[2] as string, '');
  else if (t.length !== 12) throw new SaltError('ValueError', 'Invalid MAC address');
  const out: number[] = [];
  for (let i = 0; i < 12; i += 2) {
    const two = t.slice(i, i + 2);
    if (!/^[\da-f]{2}$/i.test(two))
      throw new SaltError('ValueError', `invalid literal for int() with base 16: ${repr(two)}`);
    out.push(Number.parseInt(two, 16));
  }
  return Uint8Array.from(out);
}
const two = (): string => randomInt(256).toString(16).toUpperCase().padStart(2, '0');

/** The filters of this file. */
export const SALT_NETWORK_FILTERS: readonly FilterRow[] = [
  ['is_ipv4', 'is_ipv4_filter(ip_addr, options=None)', ([v, o]) => pick(v as Py, 4, o as Py) !== null],
  ['is_ipv6', 'is_ipv6_filter(ip_addr, options=None)', ([v, o]) => pick(v as Py, 6, o as Py) !== null],
  [
    'is_ip',
    'is_ip_filter(ip_addr, options=None)',
    ([v, o]) => pick(v as Py, 4, o as Py) !== null || pick(v as Py, 6, o as Py) !== null,
  ],
  ['ipv4', 'ipv4(value, options=None)', ([v, o]) => filter(v as Py, 4, o as Py)],
  ['ipv6', 'ipv6(value, options=None)', ([v, o]) => filter(v as Py, 6, o as Py)],
  ['ipaddr', 'ipaddr(value, options=None)', ([v, o]) => filterBoth(v as Py, o as Py)],
  [
    'ip_host',
    'ip_host(value, options=None, version=None)',
    (a) =>
      each(a, (t) => {
        const h = hostOf(t) as Host;
        return hostText({ ...h, prefix: h.prefix ?? bits(h) });
      }),
  ],
  ['network_hosts', 'network_hosts(value, options=None, version=None)', (a) => each(a, hostsOf)],
  [
    'network_size',
    'network_size(value, options=None, version=None)',
    (a) => each(a, (t) => normInt(networkOf(t).size)),
  ],
  ['gen_mac', "gen_mac(prefix='AC:DE:48')", ([p]) => `${str(p as Py)}:${two()}:${two()}:${two()}`],
  ['mac_str_to_bytes', 'mac_str_to_bytes(mac_str)', macBytes],
  ['filter_by_networks', 'filter_by_networks(values, networks)', byNetworks],
  ['ipwrap', 'ipwrap(data)', ([v]) => (Array.isArray(v) ? v.map((x) => bracket(x as Py)) : bracket(v as Py))],
];
