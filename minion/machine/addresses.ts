/** Addresses and networks of this machine, and what Python's ipaddress knows of any. */
import { SaltError } from '../../bus/errors.ts';
import {
  formatAddress,
  type IpAddress,
  type IpNetwork,
  inNetwork,
  parseAddress,
  parseNetwork,
} from '../../sls/ip-address.ts';
import type { Address, Interface } from './interfaces.ts';

/** Reads an address; throws ValueError with Python's text for anything else. */
export function ipAddress(text: string): IpAddress {
  const a = parseAddress(text);
  if (!a) throw new SaltError('ValueError', `'${text}' does not appear to be an IPv4 or IPv6 address`);
  return a;
}

const bits = (n: { version: 4 | 6 }): number => (n.version === 4 ? 32 : 128);

/** The network an address with a prefix or mask lies in (Python's `ip_network(text, strict=False)`); throws ValueError. */
export function networkOf(text: string): IpNetwork {
  const bad = (): SaltError => new SaltError('ValueError', `'${text}' does not appear to be an IPv4 or IPv6 network`);
  const [host = '', mask] = text.split('/');
  const a = parseAddress(host);
  if (!a) throw bad();
  const prefix = mask === undefined ? bits(a) : parseNetwork(`${a.version === 4 ? '0.0.0.0' : '::'}/${mask}`)?.prefix;
  if (prefix === undefined) throw bad();
  const low = BigInt(bits(a) - prefix);
  return { version: a.version, value: (a.value >> low) << low, prefix };
}

/** A network's mask as an address. */
export function netmask(n: IpNetwork): IpAddress {
  const all = (1n << BigInt(bits(n))) - 1n;
  const low = BigInt(bits(n) - n.prefix);
  return { version: n.version, value: (all >> low) << low };
}

/** The last address of a network. */
export function broadcast(n: IpNetwork): IpAddress {
  return { version: n.version, value: n.value + (1n << BigInt(bits(n) - n.prefix)) - 1n };
}

/** How many addresses a network has. */
export const networkSize = (n: IpNetwork): bigint => 1n << BigInt(bits(n) - n.prefix);

/** `address/prefix`. */
export const networkText = (n: IpNetwork): string => `${formatAddress(n)}/${n.prefix}`;

const nets = (...texts: string[]): IpNetwork[] => texts.map((t) => networkOf(t));

/** What is not reachable from everywhere, as Python 3.11 counts it. */
const PRIVATE: readonly string[] = [
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
  '::1/128',
  '::/128',
  '::ffff:0.0.0.0/96',
  '100::/64',
  '2001::/23',
  '2001:2::/48',
  '2001:db8::/32',
  '2001:10::/28',
  'fc00::/7',
  'fe80::/10',
];

/** Whether an address is private. */
export function isPrivate(a: IpAddress): boolean {
  if (a.version === 6 && a.value >> 32n === 0xffffn) return isPrivate({ version: 4, value: a.value & 0xffffffffn });
  return nets(...PRIVATE).some((n) => inNetwork(a, n));
}

/** Whether an address is the machine's own loopback. */
export const isLoopback = (a: IpAddress): boolean => (a.version === 4 ? a.value >> 24n === 127n : a.value === 1n);

/** The name under which an address is looked up in reverse. */
export function reversePointer(a: IpAddress): string {
  if (a.version === 4) return `${formatAddress(a).split('.').reverse().join('.')}.in-addr.arpa`;
  return `${[...a.value.toString(16).padStart(32, '0')].reverse().join('.')}.ip6.arpa`;
}

const byValue = <T extends IpAddress & { prefix?: number }>(x: T, y: T): number =>
  x.value < y.value ? -1 : x.value > y.value ? 1 : (x.prefix ?? 0) - (y.prefix ?? 0);

/** Addresses of one family, sorted as numbers, without loopback unless asked for. */
export function ownAddresses(all: readonly Interface[], family: Address['family'], loopback = false): string[] {
  const found = new Map<bigint, IpAddress>();
  for (const i of all)
    for (const x of i.addresses) {
      const a = x.family === family ? parseAddress(x.address) : undefined;
      if (a && (loopback || !isLoopback(a))) found.set(a.value, a);
    }
  return [...found.values()].sort(byValue).map(formatAddress);
}

/** Networks of one family the machine has an address in, sorted, without loopback unless asked for. */
export function ownNetworks(all: readonly Interface[], family: Address['family'], loopback = false): IpNetwork[] {
  const found = new Map<string, IpNetwork>();
  for (const i of all)
    for (const x of i.addresses) {
      if (x.family !== family) continue;
      const n = networkOf(`${x.address}/${x.netmask ?? x.prefixlen ?? bits({ version: family === 'inet' ? 4 : 6 })}`);
      if (loopback || !isLoopback(n)) found.set(networkText(n), n);
    }
  return [...found.values()].sort(byValue);
}
