import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import { busyPercent, unescapeMount } from '../../../minion/machine/counters.ts';
import { parseStat, parseUtmp } from '../../../minion/machine/processes.ts';
import ps from '../../../minion/modules/ps.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ ps });
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
  toWire(m.call(`ps.${name}`, args, kw) as Py);

test('a command with blanks and brackets in its name does not confuse the numbers', () => {
  const s = parseStat(`42 (a) b (c) S 7 42 42 34816 0 0 0 0 0 0 150 50 20 10 20 -5 3 0 1000 ${'0 '.repeat(30)}`);
  assert.deepEqual(
    [s.pid, s.comm, s.state, s.ppid, s.user, s.system, s.nice, s.threads, s.start],
    [42, 'a) b (c', 'S', 7, 1.5, 0.5, -5, 3, 10],
  );
});

test('sessions are read from utmp, others than users’ left out', () => {
  const record = (type: number, user: string, line: string, host: string): Buffer => {
    const b = Buffer.alloc(384);
    b.writeInt16LE(type, 0);
    b.writeInt32LE(77, 4);
    b.write(line, 8);
    b.write(user, 44);
    b.write(host, 76);
    b.writeInt32LE(1700000000, 340);
    return b;
  };
  assert.deepEqual(parseUtmp(Buffer.concat([record(2, 'reboot', '~', ''), record(7, 'ann', 'pts/3', ':0')])), [
    { user: 'ann', terminal: 'pts/3', host: 'localhost', started: 1700000000, pid: 77 },
  ]);
});

test('busy time is what is neither idle nor waiting', () => {
  const t = { user: 0, nice: 0, system: 0, idle: 0, iowait: 0, irq: 0, softirq: 0, steal: 0, guest: 0, guest_nice: 0 };
  assert.equal(busyPercent(t, { ...t, user: 1, idle: 2, iowait: 1 }), 25);
  assert.equal(busyPercent(t, t), 0);
});

test('blanks in mount points are read', () => {
  assert.equal(unescapeMount('/media/my\\040disk'), '/media/my disk');
});

test('details of this very process', () => {
  const own = answer('proc_info', [process.pid], {
    attrs: ['pid', 'ppid', 'status', 'cwd', 'num_threads', 'memory_info'],
  }) as WireMap;
  assert.deepEqual([own['pid'], own['ppid'], own['cwd']], [process.pid, process.ppid, process.cwd()]);
  assert.ok((own['memory_info'] as number[])[0]! > 1e6);
  const all = answer('proc_info', [process.pid]) as WireMap;
  for (const k of ['cmdline', 'environ', 'open_files', 'threads', 'cpu_times', 'net_connections', 'uids'])
    assert.notEqual(all[k], undefined, k);
  assert.throws(() => answer('proc_info', [4194300]), {
    name: 'CommandExecutionError',
    message: 'process PID not found (pid=4194300)',
  });
  assert.throws(() => answer('proc_info', [1], { attrs: ['zz'] }), {
    name: 'ValueError',
    message: "invalid attr name 'zz'",
  });
});

test('processes are found by name, line and expression, and killed', async () => {
  const child = spawn('sleep', ['61.25']);
  const ended = new Promise((done) => child.once('exit', (_c, s) => done(s)));
  assert.deepEqual(answer('pgrep', ['sleep 61.25'], { full: true }), [child.pid]);
  assert.deepEqual(answer('pgrep', ['^sleep 61\\.\\d+$'], { full: true, pattern_is_regex: true }), [child.pid]);
  assert.equal(answer('pgrep', ['sleep 61.25'], { full: true, user: 'nobody-here' }), null);
  assert.deepEqual(answer('pkill', ['sleep 61.25'], { full: true, signal: 9 }), { killed: [child.pid] });
  assert.equal(await ended, 'SIGKILL');
  assert.equal(answer('pkill', ['no such process name']), null);
  assert.equal(answer('kill_pid', [4194300]), false);
});

test('a state is required to list processes in it', () => {
  assert.throws(() => answer('status', ['']), {
    name: 'SaltInvocationError',
    message: 'Filter is required for ps.status',
  });
  assert.ok((answer('status', ['running']) as WireMap[]).length >= 0);
});

test('counters have psutil’s names', () => {
  assert.deepEqual(Object.keys(answer('virtual_memory') as WireMap), [
    'total',
    'available',
    'percent',
    'used',
    'free',
    'active',
    'inactive',
    'buffers',
    'cached',
    'shared',
    'slab',
  ]);
  assert.deepEqual(Object.keys(answer('swap_memory') as WireMap), ['total', 'used', 'free', 'percent', 'sin', 'sout']);
  assert.deepEqual(Object.keys(answer('network_io_counters') as WireMap), [
    'bytes_sent',
    'bytes_recv',
    'packets_sent',
    'packets_recv',
    'errin',
    'errout',
    'dropin',
    'dropout',
  ]);
  assert.equal(answer('network_io_counters', ['nope9']), false);
  assert.equal(answer('disk_io_counters', ['nope9']), false);
  assert.equal((answer('cpu_times', [true]) as Wire[]).length, answer('num_cpus'));
  assert.equal((answer('cpu_percent', [0.05, true]) as Wire[]).length, answer('num_cpus'));
});

test('top answers as many processes as asked for', () => {
  const busy = answer('top', [2, 0.05]) as WireMap[];
  assert.equal(busy.length, 2);
  assert.deepEqual(Object.keys(busy[0] as WireMap), ['cmd', 'user', 'status', 'pid', 'create_time', 'cpu', 'mem']);
});

test('disk usage adds up', () => {
  const d = answer('disk_usage', ['/']) as WireMap;
  assert.ok(Number(d['used']) + Number(d['free']) <= Number(d['total']));
  assert.throws(() => answer('disk_usage', ['/no/such']), {
    message: "[Errno 2] No such file or directory: '/no/such'",
  });
});
