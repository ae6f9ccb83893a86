/** Processor, memory, firmware and graphics cards. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { which } from '../process/which.ts';
import { readLines, readText } from './read.ts';

/** The grains num_cpus, cpu_model and cpu_flags. */
export function cpuGrains(text: string | undefined): PyDict {
  let count = 0;
  let model = 'Unknown';
  let flags: string[] = [];
  for (const line of (text ?? '').split('\n')) {
    const [rawKey, value, ...more] = line.split(':');
    if (value === undefined || rawKey === undefined) continue;
    void more;
    const key = rawKey.trim();
    const v = value.trim();
    if (key === 'processor') count++;
    else if (key === '# processors') count = Number(v);
    else if (key === 'vendor_id' || key === 'model name' || key === 'cpu') model = v;
    else if (key === 'flags' || key === 'Features') flags = v.split(/\s+/).filter(Boolean);
    else if (key === 'Processor') {
      model = v.split('-')[0] as string;
      count = 1;
    }
  }
  return new PyDict<Py>([
    ['num_cpus', count],
    ['cpu_model', model],
    ['cpu_flags', flags],
  ]);
}

/** The grains mem_total and swap_total, in MiB. */
export function memoryGrains(text: string | undefined): PyDict {
  const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text ?? '')?.[1] ?? 0);
  return new PyDict<Py>([
    ['mem_total', Math.floor(kib('MemTotal') / 1024)],
    ['swap_total', Math.floor(kib('SwapTotal') / 1024)],
  ]);
}

const FIRMWARE: readonly [grain: string, file: string][] = [
  ['biosversion', 'bios_version'],
  ['biosvendor', 'bios_vendor'],
  ['boardname', 'board_name'],
  ['productname', 'product_name'],
  ['manufacturer', 'sys_vendor'],
  ['biosreleasedate', 'bios_date'],
  ['uuid', 'product_uuid'],
  ['serialnumber', 'product_serial'],
];

const DMI: readonly [grain: string, keyword: string][] = [
  ['biosversion', 'bios-version'],
  ['biosvendor', 'bios-vendor'],
  ['productname', 'system-product-name'],
  ['manufacturer', 'system-manufacturer'],
  ['biosreleasedate', 'bios-release-date'],
  ['uuid', 'system-uuid'],
  ['serialnumber', 'system-serial-number'],
];

function dmiString(program: string, keyword: string): string | undefined {
  const r = spawnSync(program, ['-s', keyword], {
    encoding: 'utf8',
    timeout: 10_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const value = (r.stdout ?? '')
    .split('\n')
    .filter((l) => !l.startsWith('#'))
    .join('\n')
    .trim();
  return r.status === 0 && value && !/none|not specified|to be filled/i.test(value) ? value : undefined;
}

/** What the firmware says of the machine: biosversion, productname, manufacturer, uuid, serialnumber … as far as it may be read. */
export function firmwareGrains(): PyDict {
  const g = new PyDict<Py>();
  if (existsSync('/sys/class/dmi/id'))
    for (const [grain, file] of FIRMWARE) {
      const value = readText(`/sys/class/dmi/id/${file}`)?.trim();
      if (value !== undefined) g.set(grain, grain === 'uuid' ? value.toLowerCase() : value);
    }
  else {
    const dmidecode = which('dmidecode');
    if (dmidecode)
      for (const [grain, keyword] of DMI) {
        const value = dmiString(dmidecode, keyword);
        if (value !== undefined) g.set(grain, grain === 'uuid' ? value.toLowerCase() : value);
      }
  }
  return g;
}

/** Manufacturer, product and serial number of machines described by a device tree. */
export function deviceTreeGrains(): PyDict {
  const g = new PyDict<Py>();
  if (!statSync('/proc/device-tree', { throwIfNoEntry: false })?.isDirectory()) return g;
  const read = (name: string): string | undefined =>
    readText(`/proc/device-tree/${name}`)?.replace(/\0+$/, '') || undefined;
  const model = read('model');
  if (model) {
    const at = model.indexOf(',');
    if (at >= 0) g.set('manufacturer', model.slice(0, at));
    g.set('productname', at >= 0 ? model.slice(at + 1) : model);
  }
  const serial = read('serial-number') ?? read('system-id');
  if (serial) g.set('serialnumber', serial);
  return g;
}

const VENDORS = ['nvidia', 'amd', 'ati', 'intel', 'cirrus logic', 'vmware', 'matrox', 'aspeed'];
const CARD_CLASSES = ['3d controller', 'display controller', 'processing accelerators', 'vga compatible controller'];

/** Graphics cards in the answer of `lspci -vmm`: the grains num_gpus and gpus. */
export function gpuGrains(out: string): PyDict {
  const gpus: PyDict[] = [];
  for (const block of out.split(/\n\s*\n/)) {
    const card = new Map<string, string>();
    for (const line of block.split('\n')) {
      const m = /^(\w+):\s+(.*)$/.exec(line);
      if (m) card.set(m[1] as string, (m[2] as string).trim());
    }
    if (!CARD_CLASSES.includes((card.get('Class') ?? '').toLowerCase())) continue;
    const words = (card.get('Vendor') ?? '').toLowerCase().split(/[^a-z0-9]/);
    gpus.push(
      new PyDict<Py>([
        ['vendor', VENDORS.find((v) => words.includes(v)) ?? 'unknown'],
        ['model', card.get('Device') ?? ''],
      ]),
    );
  }
  return new PyDict<Py>([
    ['num_gpus', gpus.length],
    ['gpus', gpus],
  ]);
}

/** Asks `lspci` for graphics cards; nothing where it is missing or hangs for over 5 seconds. */
export function readGpus(): PyDict {
  const lspci = which('lspci');
  if (!lspci) return new PyDict();
  const r = spawnSync(lspci, ['-vmm'], {
    encoding: 'utf8',
    timeout: 5000,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return r.error ? new PyDict() : gpuGrains(r.stdout);
}

/** Bytes of the key of /proc/meminfo-like text, in KiB as written there. */
export function meminfo(): Map<string, number> {
  return new Map(
    readLines('/proc/meminfo').flatMap((l) => {
      const m = /^(\S+):\s+(\d+)/.exec(l);
      return m ? [[m[1] as string, Number(m[2])] as const] : [];
    }),
  );
}
