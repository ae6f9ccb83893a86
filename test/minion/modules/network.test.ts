import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { type Py, type PyDict, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import { gateway4, gateway6 } from '../../../minion/machine/default-routes.ts';
import { interfaceDict, parseIpAddr } from '../../../minion/machine/interfaces.ts';
import { parseResolvConf } from '../../../minion/machine/resolv-conf.ts';
import { parseHop } from '../../../minion/modules/network/probe.ts';
import network from '../../../minion/modules/network.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ network });
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
  toWire(m.call(`network.${name}`, args, kw) as Py);

const IP_ADDR = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
3: br0.7@br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN
    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff
    inet 10.7.0.1/20 brd 10.7.15.255 scope global br0.7
    inet 10.7.0.2/20 brd 10.7.15.255 scope global secondary br0.7:1
    inet6 fd07::1/64 scope global
`;

test('interfaces are read with state, parent, labels and secondary addresses', () => {
  assert.deepEqual(toWire(interfaceDict(parseIpAddr(IP_ADDR))), {
    lo: {
      up: true,
      hwaddr: '00:00:00:00:00:00',
      inet: [{ address: '127.0.0.1', netmask: '255.0.0.0', broadcast: null, label: 'lo' }],
    },
    'br0.7': {
      up: false,
      parent: 'br0',
      hwaddr: '02:00:00:00:00:07',
      inet: [{ address: '10.7.0.1', netmask: '255.255.240.0', broadcast: '10.7.15.255', label: 'br0.7' }],
      secondary: [
        { type: 'inet', address: '10.7.0.2', netmask: '255.255.240.0', broadcast: '10.7.15.255', label: 'br0.7:1' },
      ],
      inet6: [{ address: 'fd07::1', prefixlen: '64', scope: 'global' }],
    },
  });
});

test('an unknown interface is answered with the names of those there are', () => {
  assert.match(String(answer('hw_addr', ['nope9'])), /^Interface "nope9" not in available interfaces: "lo"/);
  assert.equal(answer('interface_ip', ['lo']), '127.0.0.1');
  assert.equal(answer('hwaddr', ['lo']), '00:00:00:00:00:00');
});

test('loopback addresses are left out unless asked for', () => {
  assert.deepEqual(answer('ip_addrs', ['lo']), []);
  assert.deepEqual(answer('ipaddrs', ['lo'], { include_loopback: true }), ['127.0.0.1']);
  assert.deepEqual(answer('ip_networks', ['lo'], { include_loopback: true }), ['127.0.0.0/8']);
  assert.deepEqual(answer('subnets', [['lo']]), []);
});

test('the default gateway of the lowest metric counts', () => {
  const head = 'Iface Destination Gateway Flags RefCnt Use Metric Mask';
  const row = (gateway: string, metric: number): string => `eth0 00000000 ${gateway} 0003 0 0 ${metric} 00000000 0 0 0`;
  assert.equal(gateway4([head, row('0100000A', 200), row('0200000A', 100)]), '10.0.0.2');
  assert.equal(gateway4([head]), false);
  assert.equal(gateway4([head, row('00000000', 0)]), true);
  const zero = '0'.repeat(32);
  assert.equal(
    gateway6([`${zero} 00 ${zero} 00 fd000000000000000000000000000001 00000400 1 0 00000003 eth0`]),
    'fd00::1',
  );
  assert.equal(gateway6([`${zero} 00 ${zero} 00 ${zero} ffffffff 1 0 00200200 lo`]), false);
});

test('networks are computed for both families', () => {
  assert.equal(answer('calc_net', ['172.17.0.5', '255.255.255.240']), '172.17.0.0/28');
  assert.equal(answer('calc_net', ['fd00:1::7/48']), 'fd00:1::/48');
  assert.deepEqual(answer('convert_cidr', ['10.0.0.5/24']), {
    network: '10.0.0.0',
    netmask: '255.255.255.0',
    broadcast: '10.0.0.255',
  });
  assert.throws(() => answer('convert_cidr', ['zz']), {
    name: 'ValueError',
    message: "'zz' does not appear to be an IPv4 or IPv6 network",
  });
  assert.equal(answer('ip_in_subnet', ['10.1.2.3', '10.1.0.0/16']), true);
  assert.equal(answer('ip_in_subnet', ['10.2.2.3', '10.1.0.0/16']), false);
  assert.equal(answer('in_subnet', ['192.0.2.77/24']), false);
});

test('private, loopback and reverse forms of addresses', () => {
  for (const [ip, want] of [
    ['10.1.1.1', true],
    ['8.8.8.8', false],
    ['100.64.0.1', false],
    ['172.31.255.255', true],
    ['fd12::1', true],
    ['2600::1', false],
  ] as const)
    assert.equal(answer('is_private', [ip]), want, ip);
  assert.equal(answer('is_loopback', ['127.9.9.9']), true);
  assert.equal(answer('is_loopback', ['::1']), true);
  assert.equal(answer('reverse_ip', ['10.1.2.3']), '3.2.1.10.in-addr.arpa');
  assert.equal(answer('iphexval', ['10.0.2.15']), '0A00020F');
  assert.throws(() => answer('is_private', ['zz']), { message: "'zz' does not appear to be an IPv4 or IPv6 address" });
});

test('routes of an unknown family are refused', () => {
  assert.throws(() => answer('routes', ['ipx']), {
    name: 'CommandExecutionError',
    message: 'Invalid address family ipx',
  });
});

test('connect tells whether a port answers, and what is missing', async () => {
  const ask = async (...args: Wire[]): Promise<Wire> =>
    toWire((await m.ctx.salt.callAsync('network.connect', args as Py[])) as Py);
  const server = createServer();
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
  const { port } = server.address() as { port: number };
  assert.deepEqual(await ask('127.0.0.1', port), {
    result: true,
    comment: `Successfully connected to 127.0.0.1 (127.0.0.1) on tcp port ${port}`,
  });
  await new Promise((down) => server.close(down));
  assert.deepEqual(await ask('127.0.0.1', port), {
    result: false,
    comment: `Unable to connect to 127.0.0.1 (127.0.0.1) on tcp port ${port}`,
  });
  assert.deepEqual(await ask('', 80), { result: false, comment: 'Required argument, host, is missing.' });
  assert.deepEqual(await ask('127.0.0.1'), { result: false, comment: 'Required argument, port, is missing.' });
});

test('a malformed hardware address can’t be woken', async () => {
  await assert.rejects(m.ctx.salt.callAsync('network.wol', ['zz']), {
    name: 'ValueError',
    message: 'Invalid MAC address',
  });
});

test('hops of traceroute are read', () => {
  assert.deepEqual(toWire(parseHop(' 2  gw.example (10.0.0.1)  0.512 ms  0.6 ms  1.25 ms') as PyDict), {
    count: 2,
    hostname: 'gw.example',
    ip: '10.0.0.1',
    ms1: 0.512,
    ms2: 0.6,
    ms3: 1.25,
  });
  assert.deepEqual(toWire(parseHop(' 3  * * *') as PyDict), { count: 3, hostname: '*' });
});

test('the resolver’s configuration is read without comments', () => {
  assert.deepEqual(
    toWire(
      parseResolvConf(
        'nameserver 10.0.0.1 # one\nnameserver fd00::1\n;x\nsearch a.example b.example\noptions ndots:2\nsortlist 130.155.160.0/255.255.240.0 130.155.0.0\n',
      ),
    ),
    {
      nameservers: ['10.0.0.1', 'fd00::1'],
      ip4_nameservers: ['10.0.0.1'],
      ip6_nameservers: ['fd00::1'],
      sortlist: ['130.155.160.0/255.255.240.0', '130.155.0.0/255.255.0.0'],
      domain: '',
      search: ['a.example', 'b.example'],
      options: ['ndots:2'],
    },
  );
});

test('the machine’s name is the kernel’s', () => {
  assert.equal(answer('get_hostname'), hostname());
});
