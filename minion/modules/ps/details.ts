/** `ps.proc_info`: everything about one process, by psutil's names of attributes. */
import { readdirSync, statSync } from 'node:fs';
import { SaltError } from '../../../bus/errors.ts';
import { mkFloat, type Py, PyDict, PyTuple } from '../../../bus/values.ts';
import { meminfo } from '../../machine/hardware.ts';
import {
  bootTime,
  commandLine,
  linkOf,
  ownerOf,
  type ProcessStat,
  pageSize,
  processName,
  stateWord,
  statOf,
  statusFields,
  terminalOf,
} from '../../machine/processes.ts';
import { readLines, readText } from '../../machine/read.ts';
import { capture } from '../../process/capture.ts';

interface Subject {
  readonly pid: number;
  readonly stat: ProcessStat;
  readonly status: Map<string, string>;
}

const tuple = (...v: Py[]): PyTuple => PyTuple.from_(v);
const ids = (s: Subject, key: string): Py => tuple(...(s.status.get(key) ?? '').split(/\s+/).slice(0, 3).map(Number));

/** The machine's idea of a process's memory: rss, vms, shared, text, lib, data, dirty, in bytes. */
export function memoryOf(pid: number): number[] {
  const [vms = 0, rss = 0, shared = 0, text = 0, lib = 0, data = 0, dirty = 0] = (readText(`/proc/${pid}/statm`) ?? '')
    .split(' ')
    .map(Number);
  const page = pageSize();
  return [rss, vms, shared, text, lib, data, dirty].map((n) => n * page);
}

function smaps(pid: number): number[] | undefined {
  const text = readText(`/proc/${pid}/smaps_rollup`);
  if (text === undefined) return undefined;
  const kib = (pattern: RegExp): number => [...text.matchAll(pattern)].reduce((sum, m) => sum + Number(m[1]), 0) * 1024;
  return [kib(/^Private_\w+:\s+(\d+)/gm), kib(/^Pss:\s+(\d+)/gm), kib(/^Swap:\s+(\d+)/gm)];
}

function environment(pid: number): PyDict | null {
  const text = readText(`/proc/${pid}/environ`);
  if (text === undefined) return null;
  return new PyDict(
    text.split('\0').flatMap((e): [Py, Py][] => {
      const at = e.indexOf('=');
      return at > 0 ? [[e.slice(0, at), e.slice(at + 1)]] : [];
    }),
  );
}

/** Numbers of a list such as `0-3,7`. */
function ranges(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

function openFds(pid: number): string[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return undefined; // another user's process
  }
}

const MODES = ['r', 'w', 'r+'];

function openFiles(pid: number): Py {
  const fds = openFds(pid);
  if (!fds) return null;
  return fds.flatMap((fd) => {
    const path = linkOf(`/proc/${pid}/fd/${fd}`);
    if (!path?.startsWith('/') || !statSync(path, { throwIfNoEntry: false })?.isFile()) return [];
    const info = readText(`/proc/${pid}/fdinfo/${fd}`) ?? '';
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(info)?.[1] ?? '0', 8);
    const mode = flags & 0o2000 ? ((flags & 3) === 2 ? 'a+' : 'a') : (MODES[flags & 3] ?? 'r');
    return [tuple(path, Number(fd), Number(/^pos:\s+(\d+)/m.exec(info)?.[1] ?? 0), mode, flags)];
  });
}

function threads(pid: number): Py {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/task`);
  } catch {
    return null;
  }
  return names.flatMap((tid) => {
    const text = readText(`/proc/${pid}/task/${tid}/stat`);
    if (!text) return [];
    const f = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return [tuple(Number(tid), mkFloat(Number(f[11]) / 100), mkFloat(Number(f[12]) / 100))];
  });
}

function ioCounters(pid: number): Py {
  const f = new Map(readLines(`/proc/${pid}/io`).map((l) => l.split(': ') as [string, string]));
  if (!f.size) return null;
  return tuple(...['syscr', 'syscw', 'read_bytes', 'write_bytes', 'rchar', 'wchar'].map((k) => Number(f.get(k) ?? 0)));
}

const IO_CLASSES = ['none', 'realtime', 'best-effort', 'idle'];

function ioPriority(pid: number): Py {
  const m = /^([\w-]+)(?:: prio (\d+))?/.exec(capture('ionice', ['-p', String(pid)]).stdout);
  if (!m) return null;
  const kind = IO_CLASSES.indexOf(m[1] as string);
  return tuple(Math.max(0, kind), kind > 0 ? Number(m[2] ?? 0) : 0);
}

const TCP_STATES = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
];

function endpoint(hex: string): Py {
  const [address = '', port = '0'] = hex.split(':');
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((w) => (w.match(/../g) ?? []).reverse());
  const n = Number.parseInt(port, 16);
  if (n === 0) return tuple();
  const text =
    bytes.length === 4
      ? bytes.map((b) => Number.parseInt(b, 16)).join('.')
      : (Array.from({ length: 8 }, (_, i) => `${bytes[i * 2]}${bytes[i * 2 + 1]}`).join(':') as string);
  return tuple(bytes.length === 16 ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text, n);
}

/** Internet sockets of a process. */
function connections(pid: number): Py {
  const fds = openFds(pid);
  if (!fds) return null;
  const inodes = new Map<string, number>();
  for (const fd of fds) {
    const m = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`) ?? '');
    if (m) inodes.set(m[1] as string, Number(fd));
  }
  const out: Py[] = [];
  for (const [file, family, type] of [
    ['tcp', 2, 1],
    ['tcp6', 10, 1],
    ['udp', 2, 2],
    ['udp6', 10, 2],
  ] as const)
    for (const line of readLines(`/proc/${pid}/net/${file}`).slice(1)) {
      const f = line.trim().split(/\s+/);
      const fd = inodes.get(f[9] ?? '');
      if (fd === undefined) continue;
      const state = type === 1 ? (TCP_STATES[Number.parseInt(f[3] ?? '0', 16)] ?? 'NONE') : 'NONE';
      out.push(tuple(fd, family, type, endpoint(f[1] ?? ''), endpoint(f[2] ?? ''), state));
    }
  return out;
}

const READ: { readonly [attr: string]: (s: Subject) => Py } = {
  cmdline: (s) => commandLine(s.pid),
  cpu_affinity: (s) => ranges(s.status.get('Cpus_allowed_list') ?? '0'),
  cpu_num: (s) => s.stat.cpu,
  cpu_percent: () => mkFloat(0),
  cpu_times: (s) =>
    tuple(
      ...[s.stat.user, s.stat.system, s.stat.childrenUser, s.stat.childrenSystem, s.stat.ioWait].map((n) => mkFloat(n)),
    ),
  create_time: (s) => mkFloat(bootTime() + s.stat.start),
  cwd: (s) => linkOf(`/proc/${s.pid}/cwd`) ?? null,
  environ: (s) => environment(s.pid),
  exe: (s) => linkOf(`/proc/${s.pid}/exe`) ?? (commandLine(s.pid).length ? null : ''),
  gids: (s) => ids(s, 'Gid'),
  io_counters: (s) => ioCounters(s.pid),
  ionice: (s) => ioPriority(s.pid),
  memory_full_info: (s) => {
    const more = smaps(s.pid);
    return more ? tuple(...memoryOf(s.pid), ...more) : null;
  },
  memory_info: (s) => tuple(...memoryOf(s.pid)),
  memory_percent: (s) => mkFloat(((memoryOf(s.pid)[0] ?? 0) / ((meminfo().get('MemTotal') ?? 1) * 1024)) * 100),
  name: (s) => processName(s.stat),
  net_connections: (s) => connections(s.pid),
  nice: (s) => s.stat.nice,
  num_ctx_switches: (s) =>
    tuple(
      Number(s.status.get('voluntary_ctxt_switches') ?? 0),
      Number(s.status.get('nonvoluntary_ctxt_switches') ?? 0),
    ),
  num_fds: (s) => openFds(s.pid)?.length ?? null,
  num_threads: (s) => s.stat.threads,
  open_files: (s) => openFiles(s.pid),
  pid: (s) => s.pid,
  ppid: (s) => s.stat.ppid,
  status: (s) => stateWord(s.stat.state),
  terminal: (s) => terminalOf(s.stat.tty) ?? null,
  threads: (s) => threads(s.pid),
  uids: (s) => ids(s, 'Uid'),
  username: (s) => ownerOf(s.pid) ?? null,
};

/** The named attributes of a process, or all. Named tuples of psutil are plain tuples. What may not be read is null. */
export function processInfo(pid: number, attrs: readonly string[] | undefined): PyDict {
  const stat = statOf(pid);
  if (!stat) throw new SaltError('CommandExecutionError', `process PID not found (pid=${pid})`);
  for (const a of attrs ?? [])
    if (!Object.hasOwn(READ, a)) throw new SaltError('ValueError', `invalid attr name '${a}'`);
  const subject: Subject = { pid, stat, status: statusFields(pid) };
  return new PyDict((attrs ?? Object.keys(READ)).map((a): [Py, Py] => [a, READ[a]!(subject)]));
}
