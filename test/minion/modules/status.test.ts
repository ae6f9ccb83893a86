import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Py, type PyDict, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import config from '../../../minion/modules/config.ts';
import status from '../../../minion/modules/status.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ status, config }, { opts: { 'status.loadavg.custom': ['1-min', 'nonsense'] } });
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): WireMap =>
  toWire(m.call(`status.${name}`, args, kw) as Py) as WireMap;

test('uptime agrees with the kernel', () => {
  const now = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  const u = answer('uptime');
  assert.ok(Math.abs(Number(u['seconds']) - now) < 5);
  assert.equal(u['days'], Math.floor(now / 86400));
  assert.match(String(u['since_iso']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/);
  assert.match(String(u['time']), /^\d+:\d+$/);
});

test('memory figures carry their unit as text', () => {
  const total = /^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  assert.deepEqual(answer('meminfo')['MemTotal'], { value: total, unit: 'kB' });
});

test('counters of processors, disks and interfaces have their names', () => {
  assert.deepEqual(Object.keys(answer('cpustats')['cpu'] as WireMap), [
    'idle',
    'iowait',
    'irq',
    'nice',
    'softirq',
    'steal',
    'system',
    'user',
  ]);
  const lo = answer('netdev')['lo'] as WireMap;
  assert.equal(lo['iface'], 'lo');
  assert.equal(lo['rx_packets'], lo['tx_packets']);
  for (const d of Object.values(answer('diskstats'))) assert.equal(Object.keys(d as WireMap).length, 14);
  assert.equal(typeof answer('vmstats')['pgfault'], 'number');
  assert.ok(Object.keys(answer('netstats')['IpExt'] as WireMap).includes('InOctets'));
});

test('diskusage takes paths and kinds of file systems', () => {
  const root = answer('diskusage', ['/'])['/'] as WireMap;
  assert.ok(Number(root['total']) >= Number(root['available']));
  assert.deepEqual(answer('diskusage', ['pro?']), { '/proc': { available: 0, total: 0 } });
  assert.deepEqual(answer('diskusage', ['/no/such/path']), {});
});

test('this very process is in the list, with user and command', () => {
  const own = (m.call('status.procs') as PyDict).get(String(process.pid)) as PyDict;
  assert.match(String(own.get('cmd')), /node/);
  assert.equal(typeof own.get('user'), 'string');
  assert.equal(answer('pid', ['no such process anywhere ever']), '');
});

test('custom answers the values that settings name', () => {
  const got = answer('custom');
  assert.deepEqual(Object.keys(got), ['1-min', 'nonsense']);
  assert.equal(got['nonsense'], 'UNKNOWN');
});

test('a master that is not named or not connected', () => {
  assert.equal(m.call('status.master'), null);
  assert.equal(m.call('status.master', ['127.0.0.1']), false);
  assert.equal(m.call('status.proxy_reconnect', ['x']), false);
});

test('all_status holds every part, and the clock can be formatted', () => {
  const all = m.call('status.all_status') as PyDict;
  assert.deepEqual(
    [...all.keys()],
    [
      'cpuinfo',
      'cpustats',
      'diskstats',
      'diskusage',
      'loadavg',
      'meminfo',
      'netdev',
      'netstats',
      'uptime',
      'vmstats',
      'w',
    ],
  );
  assert.equal(m.call('status.time', ['%Y']), String(new Date().getFullYear()));
});
