/** How the machine is doing. */
import { statfsSync } from 'node:fs';
import { loadavg } from 'node:os';
import { messageOf } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { pyRegex } from '../../sls/regex.ts';
import { formatDate } from '../../sls/render/jinja/dates.ts';
import { fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { lookupHost } from '../machine/host-names.ts';
import { commandLine, ownerOf, processIds, sessions, statOf } from '../machine/processes.ts';
import { readLines, readText } from '../machine/read.ts';
import { capture } from '../process/capture.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { connect } from './network/probe.ts';
import { establishedTcp } from './network/routes.ts';

/** A number where the text is one. */
function numberIn(text: string | undefined): Py {
  if (text === undefined) return '';
  if (/^\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  return text.trim() !== '' && Number.isFinite(Number(text)) ? mkFloat(Number(text)) : text;
}

const named = (names: readonly string[], values: readonly string[]): PyDict =>
  new PyDict(names.map((n, i): [Py, Py] => [n, numberIn(values[i])]));
const words = (line: string): string[] => line.trim().split(/\s+/);

function cpustats(): PyDict {
  const out = new PyDict();
  for (const line of readLines('/proc/stat')) {
    const [key = '', ...v] = words(line);
    if (key === 'cpu')
      out.set(
        key,
        named(
          ['idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user'],
          [3, 4, 5, 1, 6, 7, 2, 0].map((i) => v[i] as string),
        ),
      );
    else if (key === 'intr' || key === 'softirq')
      out.set(
        key,
        new PyDict<Py>([
          ['total', numberIn(v[0])],
          [key === 'intr' ? 'irqs' : 'softirqs', v.slice(1).map(numberIn)],
        ]),
      );
    else if (key) out.set(key, numberIn(v[0]));
  }
  return out;
}

function meminfo(): PyDict {
  const out = new PyDict();
  for (const line of readLines('/proc/meminfo')) {
    const [key = '', value = '', unit] = words(line);
    const d = new PyDict<Py>([['value', value]]);
    if (unit !== undefined) d.set('unit', unit);
    out.set(key.replace(':', ''), d);
  }
  return out;
}

function cpuinfo(): PyDict {
  const out = new PyDict();
  for (const line of readLines('/proc/cpuinfo')) {
    const [key = '', value] = line.split(':');
    if (value === undefined) continue;
    out.set(key.trim(), key.trim() === 'flags' ? value.split(/\s+/).filter(Boolean) : value.trim());
  }
  return out;
}

const DISK = [
  'reads_issued',
  'reads_merged',
  'sectors_read',
  'ms_spent_reading',
  'writes_completed',
  'writes_merged',
  'sectors_written',
  'ms_spent_writing',
  'io_in_progress',
  'ms_spent_in_io',
  'weighted_ms_spent_in_io',
];

function diskstats(): PyDict {
  const out = new PyDict();
  for (const line of readLines('/proc/diskstats')) {
    const v = words(line);
    out.set(v[2] as string, named(['major', 'minor', 'device', ...DISK], v));
  }
  return out;
}

function vmstats(): PyDict {
  return new PyDict(
    readLines('/proc/vmstat')
      .map(words)
      .map(([k = '', v]): [Py, Py] => [k, numberIn(v)]),
  );
}

function netstats(): PyDict {
  const out = new PyDict();
  let header: string[] = [];
  for (const line of readLines('/proc/net/netstat')) {
    const v = words(line);
    if (v[0] === header[0]) out.set((v[0] as string).replace(':', ''), named(header.slice(1), v.slice(1)));
    else header = v;
  }
  return out;
}

const NETDEV = [
  'rx_bytes',
  'rx_packets',
  'rx_errs',
  'rx_drop',
  'rx_fifo',
  'rx_frame',
  'rx_compressed',
  'rx_multicast',
  'tx_bytes',
  'tx_packets',
  'tx_errs',
  'tx_drop',
  'tx_fifo',
  'tx_colls',
  'tx_carrier',
  'tx_compressed',
];

function netdev(): PyDict {
  const out = new PyDict();
  for (const line of readLines('/proc/net/dev')) {
    const at = line.indexOf(':');
    if (at < 0) continue;
    const iface = line.slice(0, at).trim();
    const v = words(line.slice(at + 1));
    const sorted = [...NETDEV].sort();
    out.set(
      iface,
      new PyDict<Py>([['iface', iface], ...sorted.map((n): [Py, Py] => [n, numberIn(v[NETDEV.indexOf(n)])])]),
    );
  }
  return out;
}

function diskusage(args: readonly string[], ctx: ModuleCtx): PyDict {
  const paths = new Set(args.filter((a) => a.startsWith('/')));
  const types = args.length ? args.filter((a) => !a.startsWith('/')) : ['*'];
  if (types.length)
    for (const line of readLines('/proc/mounts')) {
      const [, mount = '', type = ''] = words(line);
      if (types.some((t) => fnmatch(type, t))) paths.add(mount);
    }
  const out = new PyDict();
  for (const path of paths)
    try {
      const s = statfsSync(path);
      out.set(
        path,
        new PyDict([
          ['available', s.bavail * s.bsize],
          ['total', s.blocks * s.bsize],
        ]),
      );
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') continue;
      ctx.log.warning(`Cannot get stats from '${path}': ${messageOf(e)}`);
      out.set(
        path,
        new PyDict<Py>([
          ['available', null],
          ['total', null],
        ]),
      );
    }
  return out;
}

function uptime(): PyDict {
  const now = Date.now();
  const seconds = Math.trunc(Number((readText('/proc/uptime') ?? '0').split(' ')[0]));
  const boot = now - seconds * 1000;
  const iso = new Date(boot).toISOString();
  const rest = seconds % 86400;
  const out = new PyDict<Py>([
    ['seconds', seconds],
    ['since_iso', boot % 1000 ? `${iso.slice(0, 23)}000` : iso.slice(0, 19)],
    ['since_t', Math.trunc(boot / 1000)],
    ['days', Math.floor(seconds / 86400)],
    ['time', `${Math.floor(rest / 3600)}:${Math.floor((rest % 3600) / 60)}`],
  ]);
  if (which('who')) out.set('users', Math.max(1, sessions().length));
  return out;
}

function averages(): PyDict {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return new PyDict<Py>([
    ['1-min', mkFloat(one)],
    ['5-min', mkFloat(five)],
    ['15-min', mkFloat(fifteen)],
  ]);
}

function loggedIn(): PyDict[] {
  return capture('w', ['-fh'])
    .stdout.split('\n')
    .filter(Boolean)
    .map((row) => {
      const [user = '', tty = '', login = '', idle = '', jcpu = '', pcpu = '', ...what] = words(row);
      return new PyDict<Py>([
        ['idle', idle],
        ['jcpu', jcpu],
        ['login', login],
        ['pcpu', pcpu],
        ['tty', tty],
        ['user', user],
        ['what', what.join(' ')],
      ]);
    });
}

/** A user as `ps` writes it: cut to eight characters with a plus. */
const shortUser = (name: string): string => (name.length > 8 ? `${name.slice(0, 7)}+` : name);

/** Processes as lines of a full listing: user, id, parent, command. */
function listing(): { user: string; pid: number; ppid: number; cmd: string }[] {
  return processIds().flatMap((pid) => {
    const stat = statOf(pid);
    if (!stat) return [];
    const line = commandLine(pid).join(' ').split(/\s+/).join(' ').trim();
    const cmd = line || (stat.state === 'Z' ? `[${stat.comm}] <defunct>` : `[${stat.comm}]`);
    return [{ user: shortUser(ownerOf(pid) ?? '?'), pid, ppid: stat.ppid, cmd }];
  });
}

function custom(ctx: ModuleCtx): PyDict {
  const ret = new PyDict();
  const settings = ctx.salt.call('config.dot_vals', ['status']);
  if (!(settings instanceof PyDict)) return ret;
  for (const [key, items] of settings) {
    const name = str(key).split('.').slice(0, 2).join('.');
    if (name === 'status.custom') continue;
    if (!ctx.salt.has(name)) {
      ctx.log.warning(`custom status ${name} isn't loaded`);
      continue;
    }
    const values = ctx.salt.call(name);
    for (const item of iterate(items)) {
      const v = values instanceof PyDict ? values.get(item) : undefined;
      if (v === undefined) ctx.log.warning(`val ${str(item)} not in return of ${name}`);
      ret.set(item, v ?? 'UNKNOWN');
    }
  }
  return ret;
}

/** Whether a connection to the master's publish port stands; a change against what was expected is fired as an event. */
function masterConnection(master: Py, expected: Py, ctx: ModuleCtx): Py {
  if (!truth(master)) return null;
  const info = lookupHost(str(master));
  const addresses = info ? [...info.v4, ...info.v6] : [];
  if (!addresses.length) return null;
  const port = ctx.opts.num('publish_port', 4505);
  const up = establishedTcp().some((c) => c.remotePort === port && addresses.includes(c.remoteAddress));
  if (up !== expected) ctx.fireLocal(up ? '__master_connected' : '__master_disconnected', { master: str(master) });
  return up;
}

async function pingMaster(master: Py, ctx: ModuleCtx): Promise<boolean> {
  if (!truth(master)) return false;
  const answer = await connect(
    str(master),
    ctx.opts.str('master_port', '4506'),
    'tcp',
    ctx.opts.num('auth_timeout', 60),
    '',
  );
  const ok = answer.get('result') === true;
  if (ok) ctx.fireLocal('__master_failback', { master: str(master) });
  return ok;
}

const doc = docFor('status');

export default {
  doc: 'Load, memory, disks, processes and network counters of the machine.',
  functions: {
    procs: fn(
      'procs()',
      doc('Processes by id, with user and command.', 'procs'),
      () =>
        new PyDict(
          listing().map((p): [Py, Py] => [
            String(p.pid),
            new PyDict([
              ['user', p.user],
              ['cmd', p.cmd],
            ]),
          ]),
        ),
    ),
    custom: fn(
      'custom()',
      doc('The values that settings such as status.loadavg.custom: [1-min] name.', 'custom'),
      (_a, ctx: ModuleCtx) => custom(ctx),
    ),
    uptime: fn(
      'uptime()',
      doc('How long the machine is up, since when, and how many users are logged in.', 'uptime'),
      () => uptime(),
    ),
    loadavg: fn('loadavg()', doc('The load averages.', 'loadavg'), () => averages()),
    cpustats: fn('cpustats()', doc('Processor counters of /proc/stat.', 'cpustats'), () => cpustats()),
    meminfo: fn('meminfo()', doc('Memory figures of /proc/meminfo with their units.', 'meminfo'), () => meminfo()),
    cpuinfo: fn('cpuinfo()', doc('What /proc/cpuinfo says of the last processor.', 'cpuinfo'), () => cpuinfo()),
    diskstats: fn('diskstats()', doc('Counters of each block device.', 'diskstats'), () => diskstats()),
    diskusage: fn(
      'diskusage(*args)',
      doc(
        'Bytes available and in all of mounted file systems, of those of given types (globs), or of given paths.',
        'diskusage',
        'diskusage / /srv',
        "diskusage 'ext*' xfs",
      ),
      (a, ctx: ModuleCtx) =>
        diskusage(
          (a['args'] as Py[]).map((x) => str(x)),
          ctx,
        ),
    ),
    vmstats: fn('vmstats()', doc('Counters of virtual memory.', 'vmstats'), () => vmstats()),
    nproc: fn('nproc()', doc('How many processors this process may use.', 'nproc'), () => {
      const r = capture('nproc', []);
      return r.code === 0 ? numberIn(r.stdout.trim()) : 0;
    }),
    netstats: fn('netstats()', doc('Protocol counters of /proc/net/netstat.', 'netstats'), () => netstats()),
    netdev: fn('netdev()', doc('Counters of each network interface.', 'netdev'), () => netdev()),
    w: fn('w()', doc('Who is logged in and does what.', 'w'), () => loggedIn()),
    all_status: fn(
      'all_status()',
      doc('Everything this module tells, in one map.', 'all_status'),
      (_a, ctx: ModuleCtx) =>
        new PyDict<Py>([
          ['cpuinfo', cpuinfo()],
          ['cpustats', cpustats()],
          ['diskstats', diskstats()],
          ['diskusage', diskusage([], ctx)],
          ['loadavg', averages()],
          ['meminfo', meminfo()],
          ['netdev', netdev()],
          ['netstats', netstats()],
          ['uptime', uptime()],
          ['vmstats', vmstats()],
          ['w', loggedIn()],
        ]),
    ),
    pid: fn(
      'pid(sig)',
      doc('Ids of the processes whose line in a full listing matches a regular expression, one a line.', 'pid sshd'),
      (a) => {
        const pattern = pyRegex(str(a['sig'] as Py));
        return listing()
          .filter((p) => p.pid !== process.pid && pattern.search(`${p.user} ${p.pid} ${p.ppid} ${p.cmd}`))
          .map((p) => p.pid)
          .join('\n');
      },
    ),
    version: fn('version()', doc("The kernel's version text.", 'version'), () =>
      (readText('/proc/version') ?? '').trim(),
    ),
    master: fn(
      'master(master=None, connected=True)',
      doc(
        'Whether a connection to the master stands. Fires an event when that is not what connected says. Run by the schedule.',
        'master master=salt.example.com',
      ),
      (a, ctx: ModuleCtx) => masterConnection(a['master'] as Py, a['connected'] as Py, ctx),
    ),
    ping_master: fn(
      'ping_master(master)',
      doc(
        'Whether a master can be reached; fires an event if so. Run by the schedule for fail-back.',
        'ping_master salt.example.com',
      ),
      (a, ctx: ModuleCtx) => pingMaster(a['master'] as Py, ctx),
    ),
    proxy_reconnect: fn(
      'proxy_reconnect(proxy_name, opts=None)',
      doc(
        "Restarts a proxy's connection when it is down. False on a minion that is no proxy.",
        'proxy_reconnect rest_sample',
      ),
      () => false,
    ),
    time: fn(
      "time(format='%A, %d. %B %Y %I:%M%p')",
      doc("The machine's clock, in a format of strftime.", "time '%s'"),
      (a) => formatDate(new Date(), str(a['format'] as Py)),
    ),
  },
} satisfies ExecutionModule;
