/** Processes and counters of the machine. */
import { cpus } from 'node:os';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';
import { pyRegex } from '../../sls/regex.ts';
import { formatDate } from '../../sls/render/jinja/dates.ts';
import { fn } from '../../sls/signature.ts';
import { iterate, str, toInt, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import {
  busyPercent,
  cpuTimeDict,
  cpuTimes,
  diskIo,
  diskUsage,
  networkIo,
  partitions,
  swapMemory,
  virtualMemory,
} from '../machine/counters.ts';
import {
  bootTime,
  commandLine,
  ownerOf,
  type ProcessStat,
  pageSize,
  processIds,
  processName,
  sessions,
  stateWord,
  statOf,
} from '../machine/processes.ts';
import { needs } from '../process/capture.ts';
import { pause } from '../process/run.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { memoryOf, processInfo } from './ps/details.ts';

const number = (v: Py): number => (typeof v === 'object' && v !== null ? Number(v.valueOf()) : Number(v));

const all = (): ProcessStat[] => processIds().flatMap((pid) => statOf(pid) ?? []);

/** Processes whose name, or whole line, holds the pattern, of one user where named. */
function matching(pattern: Py, user: Py, full: Py, regex: boolean): ProcessStat[] {
  const re = regex ? pyRegex(str(pattern)) : undefined;
  return all().filter((s) => {
    const line = truth(full) ? commandLine(s.pid).join(' ') : processName(s);
    if (re ? !re.search(line) : !line.includes(str(pattern))) return false;
    return user === null || str(user) === ownerOf(s.pid);
  });
}

/** Sends a signal; false when there is no such process. */
function signal(pid: number, which: number): boolean {
  try {
    process.kill(pid, which);
    return true;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw new SaltError('CommandExecutionError', `Cannot signal process ${pid}: ${messageOf(e)}`, {}, { cause: e });
  }
}

function top(count: number, seconds: number): PyDict[] {
  const before = all();
  pause(seconds * 1000);
  const used = before.flatMap((b) => {
    const now = statOf(b.pid);
    return now && now.start === b.start ? [{ stat: now, diff: now.user + now.system - b.user - b.system }] : [];
  });
  used.sort((a, b) => b.diff - a.diff);
  return used.slice(0, Math.max(1, count)).map(({ stat }) => {
    const words = commandLine(stat.pid);
    const times = [stat.user, stat.system, stat.childrenUser, stat.childrenSystem, stat.ioWait];
    const memory = memoryOf(stat.pid);
    const named = (names: string[], values: Py[]): PyDict =>
      new PyDict(names.map((n, i): [Py, Py] => [n, values[i] ?? 0]));
    return new PyDict<Py>([
      ['cmd', words.length ? words : processName(stat)],
      ['user', ownerOf(stat.pid) ?? null],
      ['status', stateWord(stat.state)],
      ['pid', stat.pid],
      ['create_time', mkFloat(bootTime() + stat.start)],
      ['cpu', named(['user', 'system', 'children_user', 'children_system', 'iowait'], times.map(mkFloat))],
      ['mem', named(['rss', 'vms', 'shared', 'text', 'lib', 'data', 'dirty'], memory)],
    ]);
  });
}

function cpuPercent(seconds: number, perCpu: boolean): Py {
  const before = cpuTimes(perCpu);
  pause(seconds * 1000);
  const after = cpuTimes(perCpu);
  const shares = after.map((t, i) => mkFloat(before[i] ? busyPercent(before[i], t) : 0));
  return perCpu ? shares : (shares[0] ?? mkFloat(0));
}

/** Lines of a program's answer that hold a word. */
function lines(program: string, args: string[], word: string, ctx: ModuleCtx): string[] {
  const out = ctx.salt.call('cmd.run', [[program, ...args]]);
  return str(out)
    .split('\n')
    .filter((l) => l.includes(word));
}

const doc = docFor('ps');

export default {
  doc: 'Finds, describes and signals processes, and reads counters of processors, memory, disks and network.',
  functions: {
    top: fn(
      'top(num_processes=5, interval=3)',
      doc('The processes that used the processor most within some seconds.', 'top', 'top 5 10'),
      (a) => top(number(a['num_processes'] as Py), number(a['interval'] as Py)),
    ),
    get_pid_list: fn('get_pid_list()', doc('Ids of all processes.', 'get_pid_list'), () => processIds()),
    proc_info: fn(
      'proc_info(pid, attrs=None)',
      doc('Attributes of a process: all, or those named.', 'proc_info 2322', "proc_info 2322 attrs='[pid, name]'"),
      (a) =>
        processInfo(
          number(toInt(a['pid'] as Py)),
          a['attrs'] === null ? undefined : [...iterate(a['attrs'] as Py)].map((x) => str(x)),
        ),
    ),
    kill_pid: fn(
      'kill_pid(pid, signal=15)',
      doc('Sends a signal to a process; False when there is none.', 'kill_pid 2322', 'kill_pid 2322 signal=9'),
      (a) => signal(number(toInt(a['pid'] as Py)), number(a['signal'] as Py)),
    ),
    pkill: fn(
      'pkill(pattern, user=None, signal=15, full=False)',
      doc(
        'Sends a signal to every process whose name (full=True: command line) holds a text, and answers their ids.',
        'pkill httpd',
        'pkill bash signal=9 user=www',
      ),
      (a) => {
        const killed = matching(a['pattern'] as Py, a['user'] as Py, a['full'] as Py, false).filter(
          (s) => s.pid !== process.pid && signal(s.pid, number(a['signal'] as Py)),
        );
        return killed.length ? new PyDict([['killed', killed.map((s) => s.pid)]]) : null;
      },
    ),
    pgrep: fn(
      'pgrep(pattern, user=None, full=False, pattern_is_regex=False)',
      doc(
        'Ids of the processes whose name (full=True: command line) holds a text or matches a regular expression.',
        'pgrep httpd',
        "pgrep '^ht+pd$' pattern_is_regex=True",
      ),
      (a) => {
        const found = matching(
          a['pattern'] as Py,
          a['user'] as Py,
          a['full'] as Py,
          truth(a['pattern_is_regex'] as Py),
        );
        return found.length ? found.map((s) => s.pid) : null;
      },
    ),
    cpu_percent: fn(
      'cpu_percent(interval=0.1, per_cpu=False)',
      doc('How busy the processors are, in percent over some seconds.', 'cpu_percent', 'cpu_percent per_cpu=True'),
      (a) => cpuPercent(number(a['interval'] as Py), truth(a['per_cpu'] as Py)),
    ),
    cpu_times: fn(
      'cpu_times(per_cpu=False)',
      doc('Seconds the processors spent on what, since the machine started.', 'cpu_times'),
      (a) => {
        const times = cpuTimes(truth(a['per_cpu'] as Py)).map(cpuTimeDict);
        return truth(a['per_cpu'] as Py) ? times : (times[0] ?? new PyDict());
      },
    ),
    virtual_memory: fn('virtual_memory()', doc('Memory in bytes.', 'virtual_memory'), () => virtualMemory()),
    swap_memory: fn('swap_memory()', doc('Swap space in bytes.', 'swap_memory'), () => swapMemory(pageSize())),
    disk_partitions: fn(
      'disk_partitions(all=False)',
      doc('Mounted devices; all=True adds what is no device.', 'disk_partitions'),
      (a) => partitions(truth(a['all'] as Py)),
    ),
    disk_usage: fn('disk_usage(path)', doc('Bytes of the file system a path is on.', 'disk_usage /home'), (a) =>
      diskUsage(str(a['path'] as Py)),
    ),
    disk_partition_usage: fn(
      'disk_partition_usage(all=False)',
      doc('Mounted devices with the bytes used and free on them.', 'disk_partition_usage'),
      (a) =>
        partitions(truth(a['all'] as Py)).map((p) => new PyDict([...p, ...diskUsage(str(p.get('mountpoint') as Py))])),
    ),
    total_physical_memory: fn(
      'total_physical_memory()',
      doc('Bytes of memory the machine has.', 'total_physical_memory'),
      () => virtualMemory().get('total') as Py,
    ),
    num_cpus: fn('num_cpus()', doc('How many processors the machine has.', 'num_cpus'), () => cpus().length),
    boot_time: fn(
      'boot_time(time_format=None)',
      doc(
        'When the machine started: seconds since 1970, or in a format of strftime.',
        'boot_time',
        "boot_time '%F %T'",
      ),
      (a) =>
        truth(a['time_format'] as Py)
          ? formatDate(new Date(bootTime() * 1000), str(a['time_format'] as Py))
          : bootTime(),
    ),
    network_io_counters: fn(
      'network_io_counters(interface=None)',
      doc('Traffic of all interfaces together, or of one.', 'network_io_counters', 'network_io_counters eth0'),
      (a) => networkIo(truth(a['interface'] as Py) ? str(a['interface'] as Py) : undefined) ?? false,
    ),
    disk_io_counters: fn(
      'disk_io_counters(device=None)',
      doc(
        'Input and output of all disks together, or of one disk or partition.',
        'disk_io_counters',
        'disk_io_counters sda1',
      ),
      (a) => diskIo(truth(a['device'] as Py) ? str(a['device'] as Py) : undefined) ?? false,
    ),
    get_users: fn('get_users()', doc('Who is logged in, where, from where and since when.', 'get_users'), () =>
      sessions().map(
        (s) =>
          new PyDict<Py>([
            ['name', s.user],
            ['terminal', s.terminal],
            ['host', s.host],
            ['started', mkFloat(s.started)],
            ['pid', s.pid],
          ]),
      ),
    ),
    lsof: fn(
      'lsof(name)',
      doc('Open files of the commands with a name, as lsof tells them.', 'lsof apache2'),
      (a, ctx: ModuleCtx) => [str(a['name'] as Py), ctx.salt.call('cmd.run', [['lsof', '-c', str(a['name'] as Py)]])],
    ),
    netstat: fn('netstat(name)', doc('Lines of netstat that hold a text.', 'netstat apache2'), (a, ctx: ModuleCtx) => {
      needs('netstat');
      return [str(a['name'] as Py), lines('netstat', ['-nap'], str(a['name'] as Py), ctx)];
    }),
    ss: fn('ss(name)', doc('Lines of ss that hold a text.', 'ss apache2'), (a, ctx: ModuleCtx) => {
      needs('ss');
      return [str(a['name'] as Py), lines('ss', ['-neap'], str(a['name'] as Py), ctx)];
    }),
    psaux: fn(
      'psaux(name)',
      doc('Lines of ps aux that match a regular expression, and how many.', 'psaux www-data.+apache2'),
      (a, ctx: ModuleCtx) => {
        const name = str(a['name'] as Py);
        const pattern = pyRegex(name);
        const own = /salt.+ps\.psaux.+/;
        const found = lines('ps', ['aux'], '', ctx).filter((l) => pattern.search(l) && !own.test(l));
        return [name, found, `${found.length} occurrence(s).`];
      },
    ),
    status: fn(
      'status(status)',
      doc('Processes in a state: running, sleeping, disk-sleep, stopped, zombie, idle …', 'status zombie'),
      (a) => {
        if (!truth(a['status'] as Py)) throw new SaltError('SaltInvocationError', 'Filter is required for ps.status');
        return all()
          .filter((s) => stateWord(s.state) === str(a['status'] as Py))
          .map(
            (s) =>
              new PyDict<Py>([
                ['pid', s.pid],
                ['name', processName(s)],
              ]),
          );
      },
    ),
  },
} satisfies ExecutionModule;
