/** The routing table, sockets and neighbours, read through the system's tools as the reference reads them. */
import { type Py, PyDict } from '../../../bus/values.ts';
import { formatAddress, parseAddress } from '../../../sls/ip-address.ts';
import { netmask, networkOf } from '../../machine/addresses.ts';
import { readLines } from '../../machine/read.ts';
import { capture } from '../../process/capture.ts';
import { which } from '../../process/which.ts';

type Row = [string, Py][];
const dictOf = (row: Row): PyDict => new PyDict(row);
const lines = (program: string, ...args: string[]): string[][] =>
  capture(program, args)
    .stdout.split('\n')
    .filter(Boolean)
    .map((l) => l.trim().split(/\s+/));

const route = (
  family: string,
  destination: string,
  gateway: string,
  mask: string,
  flags: string,
  iface: string,
): PyDict =>
  dictOf([
    ['addr_family', family],
    ['destination', destination],
    ['gateway', gateway],
    ['netmask', mask],
    ['flags', flags],
    ['interface', iface],
  ]);

function netstatRoutes(): PyDict[] {
  const v4 = lines('netstat', '-A', 'inet', '-rn').slice(2);
  const v6 = lines('netstat', '-A', 'inet6', '-rn').slice(2);
  return [
    ...v4.map((c) => route('inet', c[0] ?? '', c[1] ?? '', c[2] ?? '', c[3] ?? '', c[7] ?? '')),
    ...v6
      .filter((c) => c.length === 6 || c.length === 7)
      .map((c) => route('inet6', c[0] ?? '', c[1] ?? '', '', c[2] ?? '', c.at(-1) ?? '')),
  ];
}

const NO_ROUTE = new Set([
  'unicast',
  'broadcast',
  'throw',
  'unreachable',
  'prohibit',
  'blackhole',
  'nat',
  'anycast',
  'multicast',
]);

function ipRoutes(): PyDict[] {
  const out: PyDict[] = [];
  const dev = (c: string[], at: number): string => (c[at] === 'dev' ? (c[at + 1] ?? '') : '');
  for (const c of lines('ip', '-4', 'route', 'show', 'table', 'main')) {
    const [first = ''] = c;
    if (NO_ROUTE.has(first)) continue;
    if (first === 'default') {
      const via = c[1] === 'via';
      out.push(
        route(
          'inet',
          '0.0.0.0',
          via ? (c[2] ?? '') : '0.0.0.0',
          '0.0.0.0',
          via ? 'UG' : 'U',
          via ? dev(c, 3) : dev(c, 1),
        ),
      );
    } else {
      const n = networkOf(first);
      out.push(route('inet', formatAddress(n), '0.0.0.0', formatAddress(netmask(n)), 'U', dev(c, 1)));
    }
  }
  for (const c of lines('ip', '-6', 'route', 'show', 'table', 'all')) {
    const [first = ''] = c;
    if (NO_ROUTE.has(first)) continue;
    if (first === 'default') {
      const via = c[1] === 'via';
      out.push(route('inet6', '::/0', via ? (c[2] ?? '') : '::', '', via ? 'UG' : 'U', via ? dev(c, 3) : dev(c, 1)));
    } else if (first === 'local') out.push(route('inet6', `${c[1]}/128`, '::', '', 'U', dev(c, 2)));
    else out.push(route('inet6', first, '::', '', 'U', dev(c, 1)));
  }
  return out;
}

/** Every route, IPv4 first. */
export const allRoutes = (): PyDict[] => (which('netstat') ? netstatRoutes() : ipRoutes());

/** Sockets that listen or are connected. */
export function sockets(): PyDict[] {
  return which('netstat') ? netstatSockets() : ssSockets();
}

function netstatSockets(): PyDict[] {
  return lines('netstat', '-tulpnea')
    .filter((c) => /^(tcp|udp)/.test(c[0] ?? ''))
    .map((c) => {
      const names = c[0]?.startsWith('tcp')
        ? ['proto', 'recv-q', 'send-q', 'local-address', 'remote-address', 'state', 'user', 'inode', 'program']
        : ['proto', 'recv-q', 'send-q', 'local-address', 'remote-address', 'user', 'inode', 'program'];
      return dictOf(names.map((n, i) => [n, c[i] ?? '']));
    });
}

function ssSockets(): PyDict[] {
  return lines('ss', '-tulpnea')
    .filter((c) => /^(tcp|udp)/.test(c[0] ?? ''))
    .map((c) => {
      const field = (key: string): string | undefined =>
        c
          .slice(6)
          .find((w) => w.startsWith(`${key}:`))
          ?.slice(key.length + 1);
      const row: Row = [
        ['proto', c[0] ?? ''],
        ['recv-q', c[2] ?? ''],
        ['send-q', c[3] ?? ''],
        ['local-address', c[4] ?? ''],
        ['remote-address', c[5] ?? ''],
      ];
      if (c[0]?.startsWith('tcp')) row.push(['state', c[1] === 'ESTAB' ? 'ESTABLISHED' : (c[1] ?? '')]);
      row.push(
        ['user', field('uid') ?? 0],
        ['inode', field('ino') ?? 0],
        ['program', field('users')?.split('"')[1] ?? ''],
      );
      return dictOf(row);
    });
}

/** Hardware to network addresses of neighbours, of one IP version. */
export function neighbours(mark: '.' | ':'): PyDict {
  const out = new PyDict();
  for (const c of lines('ip', 'neigh', 'show'))
    if (c.length >= 5 && c[0]?.includes(mark)) out.set(c[4] as string, c[0]);
  return out;
}

/** As {@link neighbours}, from `arp`. */
export function arpTable(): PyDict {
  const out = new PyDict();
  for (const c of lines('arp', '-an')) if (c.length >= 4) out.set(c[3] as string, (c[1] ?? '').replace(/[()]/g, ''));
  return out;
}

/** An address as /proc/net writes it: words of four bytes, each in the machine's order. */
function fromHex(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((w) => (w.match(/../g) ?? []).reverse());
  if (bytes.length === 4) return bytes.map((b) => Number.parseInt(b, 16)).join('.');
  const value = BigInt(`0x${bytes.join('')}`);
  if (value >> 32n === 0xffffn) return formatAddress({ version: 4, value: value & 0xffffffffn });
  return formatAddress({ version: 6, value });
}

/** One connection of /proc/net/tcp. */
export interface TcpConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** Established TCP connections, IPv4 first. */
export function establishedTcp(): TcpConnection[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
    readLines(file).flatMap((line) => {
      const [slot = '', local = '', remote = '', state = ''] = line.trim().split(/\s+/);
      if (slot === 'sl' || Number.parseInt(state, 16) !== 1) return [];
      const [la = '', lp = ''] = local.split(':');
      const [ra = '', rp = ''] = remote.split(':');
      return [
        {
          localAddress: fromHex(la),
          localPort: Number.parseInt(lp, 16),
          remoteAddress: fromHex(ra),
          remotePort: Number.parseInt(rp, 16),
        },
      ];
    }),
  );
}

/** How a packet to an address would leave. */
export function routeTo(ip: string): PyDict {
  const out = parseAddress(ip) ? capture('ip', ['route', 'get', ip]).stdout : '';
  const m = /(?:via\s+(?<gateway>[\w.:]+))?\s+dev\s+(?<interface>[\w.:-]+)\s+.*src\s+(?<source>[\w.:]+)/.exec(
    out.split('\n')[0] ?? '',
  );
  return dictOf([
    ['destination', ip],
    ['gateway', m?.groups?.['gateway'] ?? null],
    ['interface', m?.groups?.['interface'] ?? null],
    ['source', m?.groups?.['source'] ?? null],
  ]);
}
