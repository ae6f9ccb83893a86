/** Counters of processors, memory, disks and interfaces, with psutil's names and sums. */
import { existsSync, statfsSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';
import { roundFloat } from '../../sls/values.ts';
import { meminfo } from './hardware.ts';
import { TICKS } from './processes.ts';
import { readLines } from './read.ts';

const CPU = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'] as const;
type CpuTimes = { readonly [K in (typeof CPU)[number]]: number };

/** Seconds each processor, or all together, spent on what. */
export function cpuTimes(perCpu: boolean): CpuTimes[] {
  return readLines('/proc/stat')
    .map((l) => l.split(/\s+/))
    .filter(([k = '']) => (perCpu ? /^cpu\d+$/.test(k) : k === 'cpu'))
    .map(([, ...v]) => Object.fromEntries(CPU.map((n, i) => [n, Number(v[i] ?? 0) / TICKS])) as unknown as CpuTimes);
}

/** {@link cpuTimes} as maps. */
export const cpuTimeDict = (t: CpuTimes): PyDict => new PyDict(CPU.map((n): [Py, Py] => [n, mkFloat(t[n])]));

/** How busy processors were between two readings, in percent with one decimal. */
export function busyPercent(before: CpuTimes, after: CpuTimes): number {
  // Guests' time is counted in the time of those that run them.
  const total = (t: CpuTimes): number => CPU.reduce((sum, n) => sum + t[n], 0) - t.guest - t.guest_nice;
  const all = total(after) - total(before);
  const idle = after.idle - before.idle + after.iowait - before.iowait;
  return all <= 0 ? 0 : roundFloat(Math.min(100, Math.max(0, ((all - idle) / all) * 100)), 1);
}

const percent = (part: number, whole: number): Py => mkFloat(whole > 0 ? roundFloat((part / whole) * 100, 1) : 0);

/** Memory in bytes, as `ps.virtual_memory` tells it. */
export function virtualMemory(): PyDict {
  const m = meminfo();
  const b = (key: string): number => (m.get(key) ?? 0) * 1024;
  const total = b('MemTotal');
  const available = m.has('MemAvailable') ? b('MemAvailable') : b('MemFree') + b('Cached');
  return new PyDict<Py>([
    ['total', total],
    ['available', available],
    ['percent', percent(total - available, total)],
    ['used', total - available],
    ['free', b('MemFree')],
    ['active', b('Active')],
    ['inactive', b('Inactive')],
    ['buffers', b('Buffers')],
    ['cached', b('Cached') + b('SReclaimable')],
    ['shared', b('Shmem')],
    ['slab', b('Slab')],
  ]);
}

/** Swap in bytes, and bytes moved in and out since the machine started. */
export function swapMemory(pageSize: number): PyDict {
  const m = meminfo();
  const total = (m.get('SwapTotal') ?? 0) * 1024;
  const free = (m.get('SwapFree') ?? 0) * 1024;
  const vm = new Map(readLines('/proc/vmstat').map((l) => l.split(' ') as [string, string]));
  return new PyDict<Py>([
    ['total', total],
    ['used', total - free],
    ['free', free],
    ['percent', percent(total - free, total)],
    ['sin', Number(vm.get('pswpin') ?? 0) * pageSize],
    ['sout', Number(vm.get('pswpout') ?? 0) * pageSize],
  ]);
}

/** A line of the mount table. */
export interface Mount {
  readonly device: string;
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

/** Undoes the mount table's writing of blanks. */
export const unescapeMount = (t: string): string =>
  t.replace(/\\([0-7]{3})/g, (_m, o: string) => String.fromCharCode(Number.parseInt(o, 8)));

/** Everything mounted, in the order of mounting. */
export function mounts(): Mount[] {
  return readLines('/proc/self/mounts').map((l) => {
    const [device = '', path = '', type = '', options = ''] = l.split(' ');
    return { device: unescapeMount(device), path: unescapeMount(path), type, options };
  });
}

/** Mounts of real devices, or all. */
export function partitions(all: boolean): PyDict[] {
  const real = new Set(
    readLines('/proc/filesystems').flatMap((l) => {
      const [flag = '', type = ''] = l.split('\t');
      return flag !== 'nodev' || type === 'zfs' ? [type] : [];
    }),
  );
  return mounts()
    .filter((m) => all || (m.device !== '' && m.device !== 'none' && real.has(m.type)))
    .map(
      (m) =>
        new PyDict<Py>([
          ['device', m.device === 'none' ? '' : m.device],
          ['mountpoint', m.path],
          ['fstype', m.type],
          ['opts', m.options],
        ]),
    );
}

/** Bytes of the file system a path is on; percent is of what users may use. */
export function diskUsage(path: string): PyDict {
  let s: ReturnType<typeof statfsSync>;
  try {
    s = statfsSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT')
      throw new SaltError('CommandExecutionError', `[Errno 2] No such file or directory: '${path}'`, {}, { cause: e });
    throw e;
  }
  const used = (s.blocks - s.bfree) * s.bsize;
  const free = s.bavail * s.bsize;
  return new PyDict<Py>([
    ['total', s.blocks * s.bsize],
    ['used', used],
    ['free', free],
    ['percent', percent(used, used + free)],
  ]);
}

const SECTOR = 512;
const DISK_IO = [
  'read_count',
  'write_count',
  'read_bytes',
  'write_bytes',
  'read_time',
  'write_time',
  'read_merged_count',
  'write_merged_count',
  'busy_time',
];

function diskRow(line: string): { name: string; values: number[] } {
  const f = line.trim().split(/\s+/);
  const n = (i: number): number => Number(f[i] ?? 0);
  return {
    name: f[2] ?? '',
    values: [n(3), n(7), n(5) * SECTOR, n(9) * SECTOR, n(6), n(10), n(4), n(8), n(12)],
  };
}

const sum = (rows: number[][]): number[] => rows.reduce((a, r) => a.map((x, i) => x + (r[i] ?? 0)));
const rowDict = (names: readonly string[], values: readonly number[]): PyDict =>
  new PyDict(names.map((n, i): [Py, Py] => [n, values[i] ?? 0]));

/** Input and output of one disk or partition, or of all disks; undefined for an unknown one. */
export function diskIo(device: string | undefined): PyDict | undefined {
  const rows = readLines('/proc/diskstats').map(diskRow);
  const wanted =
    device === undefined
      ? rows.filter((r) => existsSync(`/sys/block/${r.name.replaceAll('/', '!')}`))
      : rows.filter((r) => r.name === device);
  return wanted.length ? rowDict(DISK_IO, sum(wanted.map((r) => r.values))) : undefined;
}

const NET_IO = ['bytes_sent', 'bytes_recv', 'packets_sent', 'packets_recv', 'errin', 'errout', 'dropin', 'dropout'];

/** Traffic of one interface, or of all; undefined for an unknown one. */
export function networkIo(iface: string | undefined): PyDict | undefined {
  const rows = readLines('/proc/net/dev').flatMap((l) => {
    const at = l.lastIndexOf(':');
    if (at < 0) return [];
    const f = l
      .slice(at + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const n = (i: number): number => f[i] ?? 0;
    return [{ name: l.slice(0, at).trim(), values: [n(8), n(0), n(9), n(1), n(2), n(10), n(3), n(11)] }];
  });
  const wanted = iface === undefined ? rows : rows.filter((r) => r.name === iface);
  return wanted.length ? rowDict(NET_IO, sum(wanted.map((r) => r.values))) : undefined;
}
