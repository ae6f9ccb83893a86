/** Interfaces, addresses, routes, sockets, names. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { formatAddress, inNetwork } from '../../sls/ip-address.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import {
  broadcast,
  ipAddress,
  isLoopback,
  isPrivate,
  netmask,
  networkOf,
  networkSize,
  networkText,
  ownAddresses,
  ownNetworks,
  reversePointer,
} from '../machine/addresses.ts';
import { reverseNames } from '../machine/host-names.ts';
import { type Address, type Interface, interfaceDict, readInterfaces } from '../machine/interfaces.ts';
import { capture, needs } from '../process/capture.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { resolvedName, setHostname } from './network/host-name.ts';
import { cleanHost, connect, traceroute, wake } from './network/probe.ts';
import { allRoutes, arpTable, establishedTcp, neighbours, routeTo, sockets } from './network/routes.ts';

const text = (a: Args, key: string): string => str(a[key] as Py);
const given = (v: Py | undefined): boolean => truth(v ?? null);

/** The interfaces, or one, or a list of them. */
function chosen(which: Py, ctx: ModuleCtx): Interface[] {
  const all = readInterfaces();
  if (which === null) return all;
  const names = Array.isArray(which) ? which.map((w) => str(w as Py)) : [str(which)];
  const found = all.filter((i) => names.includes(i.name));
  if (!found.length) ctx.log.error(`Interface ${str(which)} not found.`);
  return found;
}

/** Fields of one interface, or the text that says there is none. */
function oneInterface(name: string, ctx: ModuleCtx): PyDict | string {
  const all = readInterfaces();
  const found = interfaceDict(all).get(name);
  if (found instanceof PyDict) return found;
  const error = `Interface "${name}" not in available interfaces: "${all.map((i) => i.name).join('", "')}"`;
  ctx.log.error(error);
  return error;
}

function inSubnet(cidr: string, addresses: readonly string[], ctx: ModuleCtx): boolean {
  let network: ReturnType<typeof networkOf>;
  try {
    network = networkOf(cidr);
    if (networkText(network) !== cidr && formatAddress(network) !== cidr.split('/')[0])
      throw new SaltError('ValueError', cidr);
  } catch {
    ctx.log.error(`Invalid CIDR '${cidr}'`);
    return false;
  }
  return addresses.some((a) => inNetwork(ipAddress(a), network));
}

function addresses(a: Args, family: Address['family'], ctx: ModuleCtx): string[] {
  const all = ownAddresses(chosen(a['interface'] as Py, ctx), family, truth(a['include_loopback'] as Py));
  if (given(a['cidr'])) return all.filter((x) => inSubnet(text(a, 'cidr'), [x], ctx));
  if (a['type'] === 'public') return all.filter((x) => !isPrivate(ipAddress(x)));
  if (a['type'] === 'private') return all.filter((x) => isPrivate(ipAddress(x)));
  return all;
}

function networks(a: Args, family: Address['family'], ctx: ModuleCtx): Py {
  const all = ownNetworks(chosen(a['interface'] as Py, ctx), family, truth(a['include_loopback'] as Py));
  if (!truth(a['verbose'] as Py)) return all.map(networkText);
  return new PyDict(
    all.map((n): [Py, Py] => {
      const size = networkSize(n);
      return [
        networkText(n),
        new PyDict<Py>([
          ['address', formatAddress(n)],
          ['netmask', formatAddress(netmask(n))],
          ['num_addresses', size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : size],
          ['prefixlen', n.prefix],
        ]),
      ];
    }),
  );
}

function familyRoutes(a: Args): PyDict[] {
  const family = a['family'];
  if (family !== 'inet' && family !== 'inet6' && family !== null)
    throw new SaltError('CommandExecutionError', `Invalid address family ${str(family as Py)}`);
  const all = allRoutes();
  return family === null ? all : all.filter((r) => r.get('addr_family') === family);
}

const DEFAULTS: { readonly [family: string]: readonly Py[] } = {
  inet: ['0.0.0.0', 'default'],
  inet6: ['::/0', 'default'],
};

function bufferSizes(iface: string): PyDict {
  const out = capture('/sbin/ethtool', ['-g', iface]);
  const shown = out.stdout || out.stderr;
  const ret = new PyDict<Py>([['result', false]]);
  let suffix = 'max-';
  for (const line of shown.split('\n')) {
    const m = /^(.+):\s+(\d+)$/.exec(line);
    if (m) {
      ret.set((m[1] as string).toLowerCase().replaceAll(' ', '-') + suffix, Number(m[2]));
      ret.set('result', true);
    } else if (line.endsWith('maximums:')) suffix = '-max';
    else if (line.endsWith('settings:')) suffix = '';
  }
  if (ret.get('result') !== true) ret.set('comment', shown);
  return ret;
}

function setBufferSizes(a: Args): Py {
  const result = (ok: boolean, comment: string): PyDict =>
    new PyDict<Py>([
      ['result', ok],
      ['comment', comment],
    ]);
  const usage = result(false, 'Requires rx=<val> tx==<val> rx-mini=<val> and/or rx-jumbo=<val>');
  const kwargs = a['kwargs'] as PyDict;
  const extra = a['args'] as Py[];
  if (!kwargs.size) return usage;
  if (extra.length) return result(false, `Unknown arguments: ${extra.map((x) => str(x)).join(' ')}`);
  const words = ['rx', 'tx', 'rx-mini', 'rx-jumbo'].flatMap((k) =>
    kwargs.get(k) == null ? [] : [k, str(kwargs.get(k) as Py)],
  );
  if (!words.length) return usage;
  const r = capture('/sbin/ethtool', ['-G', text(a, 'iface'), ...words]);
  const said = r.stdout || r.stderr;
  return said ? result(false, said) : result(true, words.join(' '));
}

const hwAddr = (a: Args, ctx: ModuleCtx): Py => {
  const d = oneInterface(text(a, 'iface'), ctx);
  return typeof d === 'string' ? d : (d.get('hwaddr') ?? '');
};
const ADDRS = 'interface=None, include_loopback=False, cidr=None, type=None';
const ADDRS6 = 'interface=None, include_loopback=False, cidr=None';
const V4 =
  'IPv4 addresses of the machine or of an interface. cidr keeps those in a network, type those that are public or private.';
const V6 = 'IPv6 addresses of the machine or of an interface. cidr keeps those in a network.';

const doc = docFor('network');

export default {
  doc: 'Tells about and changes the network of the machine.',
  functions: {
    wol: fn(
      "wol(mac, bcast='255.255.255.255', destport=9)",
      doc('Sends the packet that wakes a machine with the hardware address.', 'wol 02:00:00:aa:bb:cc'),
      (a) => wake(text(a, 'mac'), text(a, 'bcast'), Number(a['destport'])),
    ),
    ping: fn(
      'ping(host, timeout=False, return_boolean=False)',
      doc(
        'Pings a host four times and answers the output, or with return_boolean=True whether it answered. timeout is in seconds.',
        'ping db1',
        'ping db1 timeout=3 return_boolean=True',
      ),
      (a, ctx: ModuleCtx) => {
        const words: Py[] = [
          'ping',
          ...(given(a['timeout']) ? ['-W', text(a, 'timeout')] : []),
          '-c',
          '4',
          cleanHost(text(a, 'host')),
        ];
        if (!truth(a['return_boolean'] as Py)) return ctx.salt.call('cmd.run', [words]);
        return (ctx.salt.call('cmd.run_all', [words]) as PyDict).get('retcode') === 0;
      },
    ),
    netstat: fn(
      'netstat()',
      doc('Sockets that listen or are connected, with user, inode and program.', 'netstat'),
      () => sockets(),
    ),
    active_tcp: fn('active_tcp()', doc('Established TCP connections, numbered.', 'active_tcp'), () => {
      const out = new PyDict();
      for (const c of establishedTcp())
        out.set(
          out.size,
          new PyDict<Py>([
            ['local_addr', c.localAddress],
            ['local_port', c.localPort],
            ['remote_addr', c.remoteAddress],
            ['remote_port', c.remotePort],
          ]),
        );
      return out;
    }),
    traceroute: fn('traceroute(host)', doc('The hops to a host.', 'traceroute example.com'), (a) =>
      traceroute(text(a, 'host')),
    ),
    dig: fn('dig(host)', doc('What dig says of a name.', 'dig example.com'), (a, ctx: ModuleCtx) => {
      needs('dig');
      return ctx.salt.call('cmd.run', [['dig', cleanHost(text(a, 'host'))]]);
    }),
    arp: fn('arp()', doc('The ARP table: network addresses by hardware address.', 'arp'), () => {
      needs('arp');
      return arpTable();
    }),
    interfaces: fn(
      'interfaces()',
      doc('Every interface with state, hardware address and addresses.', 'interfaces'),
      () => interfaceDict(readInterfaces()),
    ),
    hw_addr: fn('hw_addr(iface)', doc('Hardware address of an interface.', 'hw_addr eth0'), hwAddr),
    hwaddr: fn(
      'hwaddr(iface)',
      doc('Hardware address of an interface: another name of network.hw_addr.', 'hwaddr eth0'),
      hwAddr,
    ),
    interface: fn(
      'interface(iface)',
      doc('IPv4 addresses of an interface with their masks.', 'interface eth0'),
      (a, ctx: ModuleCtx) => {
        const d = oneInterface(text(a, 'iface'), ctx);
        return typeof d === 'string' ? d : (d.get('inet') ?? '');
      },
    ),
    interface_ip: fn(
      'interface_ip(iface)',
      doc('First IPv4 address of an interface.', 'interface_ip eth0'),
      (a, ctx: ModuleCtx) => {
        const d = oneInterface(text(a, 'iface'), ctx);
        if (typeof d === 'string') return d;
        const inet = d.get('inet');
        return Array.isArray(inet) && inet[0] instanceof PyDict ? (inet[0].get('address') as Py) : '';
      },
    ),
    subnets: fn(
      'subnets(interfaces=None)',
      doc(
        'IPv4 networks the machine, or the named interfaces, have an address in.',
        'subnets',
        'subnets interfaces=eth1',
      ),
      (a, ctx: ModuleCtx) => ownNetworks(chosen(a['interfaces'] as Py, ctx), 'inet').map(networkText),
    ),
    subnets6: fn('subnets6()', doc('IPv6 networks the machine has an address in.', 'subnets6'), (_a, ctx: ModuleCtx) =>
      ownNetworks(chosen(null, ctx), 'inet6').map(networkText),
    ),
    in_subnet: fn(
      'in_subnet(cidr)',
      doc('Whether the machine has an address in a network.', 'in_subnet 10.0.0.0/16'),
      (a, ctx: ModuleCtx) => {
        const all = readInterfaces();
        return inSubnet(text(a, 'cidr'), [...ownAddresses(all, 'inet'), ...ownAddresses(all, 'inet6')], ctx);
      },
    ),
    ip_in_subnet: fn(
      'ip_in_subnet(ip_addr, cidr)',
      doc('Whether an address lies in a network.', 'ip_in_subnet 10.1.2.3 10.1.0.0/16'),
      (a, ctx: ModuleCtx) => {
        const list = Array.isArray(a['ip_addr']) ? [...iterate(a['ip_addr'])].map((x) => str(x)) : [text(a, 'ip_addr')];
        return inSubnet(text(a, 'cidr'), list, ctx);
      },
    ),
    convert_cidr: fn(
      'convert_cidr(cidr)',
      doc('Network address, mask and broadcast address of a network.', 'convert_cidr 10.5.0.0/16'),
      (a) => {
        const n = networkOf(text(a, 'cidr'));
        return new PyDict<Py>([
          ['network', formatAddress(n)],
          ['netmask', formatAddress(netmask(n))],
          ['broadcast', formatAddress(broadcast(n))],
        ]);
      },
    ),
    calc_net: fn(
      'calc_net(ip_addr, netmask=None)',
      doc(
        'The network an address with a mask or prefix lies in.',
        'calc_net 10.5.9.1 255.255.255.0',
        'calc_net fd00:1::7/64',
      ),
      (a) =>
        networkText(
          networkOf(a['netmask'] === null ? text(a, 'ip_addr') : `${text(a, 'ip_addr')}/${text(a, 'netmask')}`),
        ),
    ),
    ip_addrs: fn(`ip_addrs(${ADDRS})`, doc(V4, 'ip_addrs', 'ip_addrs cidr=10.0.0.0/8'), (a, ctx: ModuleCtx) =>
      addresses(a, 'inet', ctx),
    ),
    ipaddrs: fn(`ipaddrs(${ADDRS})`, doc(`${V4} Another name of network.ip_addrs.`, 'ipaddrs'), (a, ctx: ModuleCtx) =>
      addresses(a, 'inet', ctx),
    ),
    ip_addrs6: fn(`ip_addrs6(${ADDRS6})`, doc(V6, 'ip_addrs6', 'ip_addrs6 interface=eth0'), (a, ctx: ModuleCtx) =>
      addresses(a, 'inet6', ctx),
    ),
    ipaddrs6: fn(
      `ipaddrs6(${ADDRS6})`,
      doc(`${V6} Another name of network.ip_addrs6.`, 'ipaddrs6'),
      (a, ctx: ModuleCtx) => addresses(a, 'inet6', ctx),
    ),
    ip_neighs: fn('ip_neighs()', doc('IPv4 neighbours: network addresses by hardware address.', 'ip_neighs'), () =>
      neighbours('.'),
    ),
    ipneighs: fn('ipneighs()', doc('IPv4 neighbours: another name of network.ip_neighs.', 'ipneighs'), () =>
      neighbours('.'),
    ),
    ip_neighs6: fn('ip_neighs6()', doc('IPv6 neighbours: network addresses by hardware address.', 'ip_neighs6'), () =>
      neighbours(':'),
    ),
    ipneighs6: fn('ipneighs6()', doc('IPv6 neighbours: another name of network.ip_neighs6.', 'ipneighs6'), () =>
      neighbours(':'),
    ),
    get_hostname: fn('get_hostname()', doc("The machine's name.", 'get_hostname'), () => hostname()),
    get_fqdn: fn('get_fqdn()', doc("The machine's full name as its resolver tells it.", 'get_fqdn'), () =>
      resolvedName(),
    ),
    mod_hostname: fn(
      'mod_hostname(hostname)',
      doc(
        "Changes the machine's name, now and for the next start, and in the hosts file.",
        'mod_hostname web1.example.com',
      ),
      (a, ctx: ModuleCtx) => (a['hostname'] === null ? false : setHostname(text(a, 'hostname'), ctx.grains)),
    ),
    connect: fn(
      'connect(host, port=None, **kwargs)',
      doc(
        'Tries to connect to a port. proto is tcp (or udp), timeout in seconds (5), family ipv4 or ipv6.',
        'connect db1 5432',
        'connect ns1 53 proto=udp timeout=2',
      ),
      (a) => {
        const kw = a['kwargs'] as PyDict;
        const port = given(a['port']) ? text(a, 'port') : '';
        return connect(
          given(a['host']) ? text(a, 'host') : '',
          port,
          str(kw.get('proto') ?? 'tcp'),
          Number(kw.get('timeout') ?? 5),
          str(kw.get('family') ?? ''),
        );
      },
    ),
    is_private: fn('is_private(ip_addr)', doc('Whether an address is a private one.', 'is_private 10.1.2.3'), (a) =>
      isPrivate(ipAddress(text(a, 'ip_addr'))),
    ),
    is_loopback: fn(
      'is_loopback(ip_addr)',
      doc('Whether an address is a loopback one.', 'is_loopback 127.0.0.1'),
      (a) => isLoopback(ipAddress(text(a, 'ip_addr'))),
    ),
    reverse_ip: fn(
      'reverse_ip(ip_addr)',
      doc('The name under which an address is looked up in reverse.', 'reverse_ip 10.1.2.3'),
      (a) => reversePointer(ipAddress(text(a, 'ip_addr'))),
    ),
    get_bufsize: fn('get_bufsize(iface)', doc("An interface's ring buffer sizes.", 'get_bufsize eth0'), (a) =>
      existsSync('/sbin/ethtool') ? bufferSizes(text(a, 'iface')) : new PyDict(),
    ),
    mod_bufsize: fn(
      'mod_bufsize(iface, *args, **kwargs)',
      doc("Changes an interface's ring buffer sizes.", 'mod_bufsize eth0 rx=512 tx=512'),
      (a) => (existsSync('/sbin/ethtool') ? setBufferSizes(a) : false),
    ),
    routes: fn(
      'routes(family=None)',
      doc('The routing table, of both families or of inet or inet6.', 'routes', 'routes inet6'),
      (a) => familyRoutes(a),
    ),
    default_route: fn(
      'default_route(family=None)',
      doc('The default routes.', 'default_route', 'default_route inet'),
      (a) => {
        const family = a['family'];
        const all = familyRoutes(a);
        const wanted =
          typeof family === 'string'
            ? (DEFAULTS[family] ?? [])
            : [...(DEFAULTS['inet'] ?? []), ...(DEFAULTS['inet6'] ?? [])];
        return all.filter((r) => wanted.includes(r.get('destination') as Py));
      },
    ),
    get_route: fn(
      'get_route(ip)',
      doc('How a packet to an address would leave: gateway, interface, source.', 'get_route 10.9.8.7'),
      (a) => routeTo(text(a, 'ip')),
    ),
    ifacestartswith: fn(
      'ifacestartswith(cidr)',
      doc('Labels of the interfaces that have an IPv4 address beginning with the text.', 'ifacestartswith 10.0'),
      (a) =>
        readInterfaces().flatMap((i) =>
          i.addresses
            .filter((x) => x.family === 'inet' && !x.secondary && x.address.startsWith(text(a, 'cidr')))
            .map((x) => x.label ?? i.name),
        ),
    ),
    iphexval: fn('iphexval(ip)', doc('An IPv4 address as eight hexadecimal digits.', 'iphexval 10.0.2.15'), (a) =>
      text(a, 'ip')
        .split('.')
        .map((x) => Number(x).toString(16).toUpperCase().padStart(2, '0'))
        .join(''),
    ),
    ip_networks: fn(
      'ip_networks(interface=None, include_loopback=False, verbose=False)',
      doc(
        'IPv4 networks the machine or an interface has an address in; verbose=True adds mask and size.',
        'ip_networks',
        'ip_networks verbose=True',
      ),
      (a, ctx: ModuleCtx) => networks(a, 'inet', ctx),
    ),
    ip_networks6: fn(
      'ip_networks6(interface=None, include_loopback=False, verbose=False)',
      doc(
        'IPv6 networks the machine or an interface has an address in; verbose=True adds mask and size.',
        'ip_networks6',
      ),
      (a, ctx: ModuleCtx) => networks(a, 'inet6', ctx),
    ),
    fqdns: fn('fqdns()', doc("Names that the machine's addresses have by reverse lookup.", 'fqdns'), () => {
      const all = readInterfaces();
      return new PyDict([['fqdns', reverseNames([...ownAddresses(all, 'inet'), ...ownAddresses(all, 'inet6')])]]);
    }),
  },
} satisfies ExecutionModule;
