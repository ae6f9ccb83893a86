/** The grains every machine has. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { arch, hostname, type as kernelName, machine, release, version } from 'node:os';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { SALT_VERSION } from '../../bus/version.ts';
import { ownAddresses } from '../machine/addresses.ts';
import { gateway4, gateway6 } from '../machine/default-routes.ts';
import { distributionFiles, distributionGrains, releaseGrains } from '../machine/distribution.ts';
import { cpuGrains, deviceTreeGrains, firmwareGrains, memoryGrains, readGpus } from '../machine/hardware.ts';
import { lookupHost, ownFqdn, reverseNames } from '../machine/host-names.ts';
import { initSystem, selinuxInfo, systemdInfo } from '../machine/init.ts';
import { type Address, type Interface, readInterfaces } from '../machine/interfaces.ts';
import { readText } from '../machine/read.ts';
import { resolverSettings } from '../machine/resolv-conf.ts';
import { localZone } from '../machine/time-zone.ts';
import { virtualGrains } from '../machine/virtual.ts';
import { shellSplit } from '../process/shell-words.ts';
import { which } from '../process/which.ts';
import type { GrainsCtx, GrainsModule } from './contract.ts';

declare const __brine_dist: string;

const one = (key: string, value: Py): PyDict => new PyDict([[key, value]]);

/** The interfaces, read once for all functions of one run. */
const interfacesOf = new WeakMap<PyDict, Interface[]>();
function interfaces(ctx: GrainsCtx): Interface[] {
  let all = interfacesOf.get(ctx.grains);
  if (!all) {
    all = readInterfaces();
    interfacesOf.set(ctx.grains, all);
  }
  return all;
}

const byFace = (ctx: GrainsCtx, want: (a: Address) => boolean): PyDict =>
  new PyDict<Py>(
    interfaces(ctx).map((i) => {
      const own = i.addresses.filter(want);
      return [
        i.name,
        [
          ...own.filter((a) => !a.secondary && a.family === 'inet'),
          ...own.filter((a) => !a.secondary && a.family === 'inet6'),
          ...own.filter((a) => a.secondary),
        ].map((a) => a.address),
      ];
    }),
  );

const addresses = (ctx: GrainsCtx, family: Address['family'], loopback = true): string[] =>
  ownAddresses(interfaces(ctx), family, loopback);

/** Debian's name of the machine's architecture, as its packages have it. */
const DEBIAN_ARCH: Record<string, string> = {
  x64: 'amd64',
  ia32: 'i386',
  arm64: 'arm64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
};

function packageArch(family: string): Py {
  if (family === 'Debian') {
    const known = DEBIAN_ARCH[arch()];
    if (known) return known;
    return (spawnSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).stdout ?? '').trim();
  }
  if (family === 'RedHat' || family === 'Suse') {
    const rpm = which('rpm');
    if (rpm) return (spawnSync(rpm, ['--eval', '%{_host_cpu}'], { encoding: 'utf8' }).stdout ?? '').trim();
  }
  return machine();
}

function psCommand(virtual: Py): string {
  if (virtual === 'openvzhn')
    return 'ps -fH -p $(grep -l "^envID:[[:space:]]*0\\$" /proc/[0-9]*/status | sed -e "s=/proc/\\([0-9]*\\)/.*=\\1=")  | awk \'{ $7=""; print }\'';
  return 'ps -efHww';
}

function osData(ctx: GrainsCtx): PyDict {
  const g = new PyDict<Py>();
  const lay = (d: PyDict): void => {
    for (const [k, v] of d) g.set(k, v);
  };
  const any = (...keys: string[]): boolean => !ctx.wanted || keys.some(ctx.wanted);
  lay(
    new PyDict<Py>([
      ['num_gpus', 0],
      ['gpus', []],
      ['kernel', kernelName()],
      ['nodename', hostname()],
      ['kernelrelease', release()],
      ['kernelversion', version()],
      ['cpuarch', machine()],
    ]),
  );
  if (any('selinux')) {
    const s = selinuxInfo();
    if (s) g.set('selinux', s);
  }
  if (any('systemd')) {
    const s = systemdInfo();
    if (s) g.set('systemd', s);
  }
  if (any('init')) g.set('init', initSystem());
  lay(distributionGrains(distributionFiles()));
  if (any('num_cpus', 'cpu_model', 'cpu_flags')) lay(cpuGrains(readText('/proc/cpuinfo')));
  if (any('num_gpus', 'gpus') && ctx.opts.get('enable_lspci') !== false && ctx.opts.get('enable_gpu_grains') !== false)
    lay(readGpus());
  lay(deviceTreeGrains());
  const os = g.get('os') as string;
  if (any('osarch')) g.set('osarch', packageArch(g.get('os_family') as string));
  if (any('mem_total', 'swap_total')) lay(memoryGrains(readText('/proc/meminfo')));
  lay(firmwareGrains());
  if (
    any(
      'virtual',
      'virtual_subtype',
      'virtual_hv_version',
      'virtual_hv_version_info',
      'virtual_hv_features',
      'virtual_hv_features_list',
      'ps',
    )
  )
    lay(virtualGrains(String(g.get('productname') ?? ''), ctx.opts.get('enable_lspci') !== false));
  g.set('ps', psCommand(g.get('virtual') ?? ''));
  const osRelease = g.get('osrelease') as string;
  if (osRelease) lay(releaseGrains(os, g.get('osfullname') as string, osRelease));
  return g;
}

/** Language and encoding of the locale in force. Python turns the C locale into UTF-8 and names that American English. */
function localeOf(env: NodeJS.ProcessEnv): [language: Py, encoding: Py] {
  const name = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C';
  const [language = 'C', encoding] = name.split('@')[0]!.split('.');
  if (language === 'C' || language === 'POSIX') return ['en_US', 'UTF-8'];
  if (encoding === undefined) return [language, 'ISO8859-1'];
  return [language, /^utf-?8$/i.test(encoding) ? 'UTF-8' : encoding];
}

/** Words of the kernel's command line; one with an open quote is split at blanks. */
function kernelWords(line: string): string[] {
  try {
    return shellSplit(line);
  } catch {
    return line.split(/\s+/).filter(Boolean);
  }
}

function nameGrains(): PyDict {
  const fqdn = ownFqdn();
  const dot = fqdn.indexOf('.');
  return new PyDict<Py>([
    ['localhost', hostname()],
    ['fqdn', fqdn],
    ['host', dot < 0 ? fqdn : fqdn.slice(0, dot)],
    ['domain', dot < 0 ? '' : fqdn.slice(dot + 1)],
  ]);
}

function addressGrains(ctx: GrainsCtx): PyDict {
  const v4 = addresses(ctx, 'inet');
  const v6 = addresses(ctx, 'inet6');
  const info =
    ctx.wanted && !ctx.wanted('fqdn_ip4') && !ctx.wanted('fqdn_ip6')
      ? undefined
      : lookupHost((ctx.grains.get('fqdn') as string | undefined) ?? ownFqdn());
  return new PyDict<Py>([
    ['ipv4', v4],
    ['ipv6', v6],
    ['fqdn_ip4', v4.length ? [...(info?.v4 ?? [])] : []],
    ['fqdn_ip6', v6.length ? [...(info?.v6 ?? [])] : []],
  ]);
}

/** The Python whose behaviour templates and modules find here. */
const PYTHON: readonly Py[] = [3, 11, 7, 'final', 0];

export default {
  functions: {
    append_domain: (ctx) =>
      ctx.opts.has('append_domain') ? one('append_domain', ctx.opts.get('append_domain') as Py) : new PyDict(),
    cwd: () => one('cwd', process.cwd()),
    default_gateway: () => {
      const v4 = gateway4();
      const v6 = gateway6();
      return new PyDict<Py>([
        ['ip_gw', v4 !== false || v6 !== false],
        ['ip4_gw', v4],
        ['ip6_gw', v6],
      ]);
    },
    dns: () => {
      const d = resolverSettings();
      return d.size ? one('dns', d) : d;
    },
    fibre_channel_host: () => one('fibre_channel_host', existsSync('/sys/class/fc_host')),
    fqdns: (ctx) =>
      one(
        'fqdns',
        ctx.opts.get('enable_fqdns_grains') === false
          ? []
          : reverseNames([...addresses(ctx, 'inet', false), ...addresses(ctx, 'inet6', false)]),
      ),
    get_machine_id: () => {
      const id = readText('/etc/machine-id') ?? readText('/var/lib/dbus/machine-id');
      return id === undefined ? new PyDict() : one('machine_id', id.trim());
    },
    get_master: (ctx) => one('master', ctx.opts.get('master') ?? ''),
    get_server_id: (ctx) => {
      const sum = createHash('sha256').update(ctx.opts.str('id')).digest();
      return one('server_id', sum.readUInt32BE(28) & 0x7fffffff);
    },
    hostname: nameGrains,
    hwaddr_interfaces: (ctx) =>
      one(
        'hwaddr_interfaces',
        new PyDict<Py>(
          interfaces(ctx).flatMap((i): [Py, Py][] => (i.hwaddr === undefined ? [] : [[i.name, i.hwaddr]])),
        ),
      ),
    id_: (ctx) => one('id', ctx.opts.str('id')),
    ip4_interfaces: (ctx) =>
      one(
        'ip4_interfaces',
        byFace(ctx, (a) => a.family === 'inet'),
      ),
    ip6_interfaces: (ctx) =>
      one(
        'ip6_interfaces',
        byFace(ctx, (a) => a.family === 'inet6'),
      ),
    ip_fqdn: addressGrains,
    ip_interfaces: (ctx) =>
      one(
        'ip_interfaces',
        byFace(ctx, () => true),
      ),
    kernelparams: () => {
      const line = readText('/proc/cmdline');
      if (line === undefined) return new PyDict();
      const words = kernelWords(line).map((w) => {
        const parts = w.split('=');
        return PyTuple.from_<Py>([
          parts[0] as string,
          parts.length === 2 ? (parts[1] as string).replace(/^"+|"+$/g, '') : null,
        ]);
      });
      return one('kernelparams', words);
    },
    locale_info: () => {
      const [language, encoding] = localeOf(process.env);
      return one(
        'locale_info',
        new PyDict<Py>([
          ['defaultlanguage', language],
          ['defaultencoding', encoding],
          ['detectedencoding', 'utf-8'],
          ['timezone', localZone(Date.now()).name],
        ]),
      );
    },
    os_data: osData,
    path: () => {
      const path = (process.env['PATH'] ?? '').trim();
      return new PyDict<Py>([
        ['path', path],
        ['systempath', path.split(':')],
      ]);
    },
    pythonexecutable: () => one('pythonexecutable', which('python3') ?? process.execPath),
    pythonpath: () => one('pythonpath', []),
    pythonversion: () => one('pythonversion', [...PYTHON]),
    saltpath: () => one('saltpath', __brine_dist),
    saltversion: () => one('saltversion', SALT_VERSION),
    saltversioninfo: () => one('saltversioninfo', SALT_VERSION.split('.').map(Number)),
    zmqversion: () => one('zmqversion', '4.3.5'),
  },
  provides: {
    append_domain: ['append_domain'],
    cwd: ['cwd'],
    default_gateway: ['ip_gw', 'ip4_gw', 'ip6_gw'],
    dns: ['dns'],
    fibre_channel_host: ['fibre_channel_host'],
    fqdns: ['fqdns'],
    get_machine_id: ['machine_id'],
    get_master: ['master'],
    get_server_id: ['server_id'],
    hostname: ['localhost', 'fqdn', 'host', 'domain'],
    hwaddr_interfaces: ['hwaddr_interfaces'],
    id_: ['id'],
    ip4_interfaces: ['ip4_interfaces'],
    ip6_interfaces: ['ip6_interfaces'],
    ip_fqdn: ['ipv4', 'ipv6', 'fqdn_ip4', 'fqdn_ip6'],
    ip_interfaces: ['ip_interfaces'],
    kernelparams: ['kernelparams'],
    locale_info: ['locale_info'],
    os_data: [
      'kernel',
      'nodename',
      'kernelrelease',
      'kernelversion',
      'cpuarch',
      'selinux',
      'systemd',
      'init',
      'os',
      'os_family',
      'oscodename',
      'osfullname',
      'osrelease',
      'lsb_distrib_id',
      'lsb_distrib_release',
      'lsb_distrib_codename',
      'lsb_distrib_description',
      'num_cpus',
      'cpu_model',
      'cpu_flags',
      'num_gpus',
      'gpus',
      'osarch',
      'mem_total',
      'swap_total',
      'biosversion',
      'biosvendor',
      'boardname',
      'productname',
      'manufacturer',
      'biosreleasedate',
      'uuid',
      'serialnumber',
      'virtual',
      'virtual_subtype',
      'virtual_hv_version',
      'virtual_hv_version_info',
      'virtual_hv_features',
      'virtual_hv_features_list',
      'ps',
      'osrelease_info',
      'osmajorrelease',
      'osfinger',
    ],
    path: ['path', 'systempath'],
    pythonexecutable: ['pythonexecutable'],
    pythonpath: ['pythonpath'],
    pythonversion: ['pythonversion'],
    saltpath: ['saltpath'],
    saltversion: ['saltversion'],
    saltversioninfo: ['saltversioninfo'],
    zmqversion: ['zmqversion'],
  },
} satisfies GrainsModule;
