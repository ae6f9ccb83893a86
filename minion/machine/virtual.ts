/** Whether this is a virtual machine or container, and which: the grains virtual and virtual_subtype. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { which } from '../process/which.ts';
import { readText } from './read.ts';

type Found = { virtual: string; subtype?: string };

function output(program: string, args: string[] = []): string | undefined {
  const path = which(program);
  if (!path) return undefined;
  const r = spawnSync(path, args, { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'ignore'] });
  return r.status === 0 ? r.stdout.trimEnd() : undefined;
}

const container = (subtype: string): Found => ({ virtual: 'container', subtype });

function fromSystemd(out: string): Found | undefined {
  if (['qemu', 'kvm', 'oracle', 'xen', 'bochs', 'chroot', 'uml', 'systemd-nspawn'].includes(out))
    return { virtual: out };
  if (out.includes('vmware')) return { virtual: 'VMware' };
  if (out.includes('microsoft')) return { virtual: 'VirtualPC' };
  if (out.includes('lxc')) return container('LXC');
  if (out.includes('podman')) return container('Podman');
  if (out.includes('docker')) return container('Docker');
  if (out.includes('amazon')) return { virtual: 'Nitro', subtype: 'Amazon EC2' };
  return undefined;
}

function fromVirtWhat(out: string): Found | undefined {
  for (const line of out.split('\n')) {
    if (['kvm', 'qemu', 'uml', 'xen'].includes(line)) return { virtual: line };
    if (line.includes('lxc')) return container('LXC');
    if (line.includes('docker')) return container('Docker');
    if (line.includes('vmware')) return { virtual: 'VMware' };
    if (line.includes('parallels')) return { virtual: 'Parallels' };
    if (line.includes('nutanix')) return { virtual: 'kvm', subtype: 'Nutanix AHV' };
    if (line.includes('hyperv')) return { virtual: 'HyperV' };
    if (line === 'ibm_power-kvm') return { virtual: 'kvm' };
    if (line === 'ibm_power-lpar_shared') return { virtual: 'LPAR', subtype: 'shared' };
    if (line === 'ibm_power-lpar_dedicated') return { virtual: 'LPAR', subtype: 'dedicated' };
  }
  return undefined;
}

function fromDmi(out: string): Found | undefined {
  const has = (t: string): boolean => out.includes(t);
  if (has('BHYVE')) return { virtual: 'bhyve' };
  if (has('Manufacturer: oVirt')) return { virtual: 'kvm', subtype: 'ovirt' };
  if (has('Product Name: RHEV Hypervisor')) return { virtual: 'kvm', subtype: 'rhev' };
  if (has('VirtualBox')) return { virtual: 'VirtualBox' };
  if (has('VMware')) return { virtual: 'VMware' };
  if (has(': Microsoft') && has('Virtual Machine')) return { virtual: 'VirtualPC' };
  if (has('Parallels Software')) return { virtual: 'Parallels' };
  if (has('Manufacturer: Google')) return { virtual: 'kvm' };
  if (has('Manufacturer: Nutanix') && has('Product Name: AHV')) return { virtual: 'kvm', subtype: 'Nutanix AHV' };
  if (/Vendor: SeaBIOS|(?:Vendor|Manufacturer): (?:QEMU|Bochs)/.test(out)) return { virtual: 'kvm' };
  return undefined;
}

function fromLspci(out: string): Found | undefined {
  const model = out.toLowerCase();
  if (model.includes('vmware')) return { virtual: 'VMware' };
  if (model.includes('virtualbox')) return { virtual: 'VirtualBox' };
  return model.includes('qemu') || model.includes('virtio') ? { virtual: 'kvm' } : undefined;
}

/** Asks the programs made for the question, the best one first. */
function fromPrograms(lspci: boolean): Found {
  const first = which('virt-what') ? undefined : output('systemd-detect-virt');
  const found = first === undefined ? undefined : fromSystemd(first);
  if (found) return found;
  const virtWhat = output('virt-what');
  if (virtWhat !== undefined) return fromVirtWhat(virtWhat) ?? { virtual: 'physical' };
  const dmi = output('dmidecode');
  if (dmi !== undefined) return fromDmi(dmi) ?? { virtual: 'physical' };
  const pci = lspci && existsSync('/proc/bus/pci') ? output('lspci') : undefined;
  return (pci === undefined ? undefined : fromLspci(pci)) ?? { virtual: 'physical' };
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function chrooted(): boolean {
  try {
    const own = statSync('/');
    const init = statSync('/proc/1/root/.');
    return own.ino !== init.ino || own.dev !== init.dev;
  } catch {
    return false; // not for us to see
  }
}

function xenSubtype(product: string): string | undefined {
  if (existsSync('/proc/xen/xsd_kva')) return 'Xen Dom0';
  if (product === 'HVM domU') return 'Xen HVM DomU';
  const abilities = readText('/proc/xen/capabilities');
  if (abilities !== undefined) return abilities.includes('control_d') ? 'Xen Dom0' : 'Xen PV DomU';
  return isFolder('/sys/bus/xen/drivers/xenconsole') ? 'Xen PV DomU' : undefined;
}

function fromProduct(f: Found): void {
  const name = readText('/sys/devices/virtual/dmi/id/product_name') ?? '';
  if (name.includes('VirtualBox')) f.virtual = 'VirtualBox';
  else if (name.includes('RHEV Hypervisor')) Object.assign(f, { virtual: 'kvm', subtype: 'rhev' });
  else if (name.includes('oVirt Node')) Object.assign(f, { virtual: 'kvm', subtype: 'ovirt' });
  else if (name.includes('Google')) f.virtual = 'gce';
  else if (name.includes('BHYVE')) f.virtual = 'bhyve';
}

function fromInit(f: Found): void {
  const groups = readText('/proc/1/cgroup') ?? '';
  if (groups.includes(':/lxc/')) Object.assign(f, container('LXC'));
  else if (groups.includes(':/kubepods/')) f.subtype = 'kubernetes';
  else if (groups.includes(':/libpod_parent/')) f.subtype = 'libpod';
  else if (/:\/system\.slice\/docker|:\/docker\/|:\/docker-ce\//.test(groups)) Object.assign(f, container('Docker'));
  if (f.subtype !== 'LXC' && (readText('/proc/1/environ') ?? '').includes('container=lxc'))
    Object.assign(f, container('LXC'));
}

/** On a hypervisor of clouds, the cloud. */
function fromSystemTable(f: Found): void {
  const out = output('dmidecode', ['-t', 'system']) ?? '';
  if (out.includes('Manufacturer: Amazon EC2')) {
    if (f.virtual !== 'xen') f.virtual = 'Nitro';
    const product = /Product Name: ([^\r\n]*)/.exec(out)?.[1];
    f.subtype = product === undefined ? 'Amazon EC2' : `Amazon EC2 (${product})`;
  } else if (/Version: [^\r\n]+\.amazon/.test(out)) f.subtype = 'Amazon EC2';
  else if (out.includes('Manufacturer: Nutanix') && out.includes('Product Name: AHV')) f.subtype = 'Nutanix AHV';
}

/** @param product the machine's product name (the grain productname), which tells Xen guests apart. */
export function virtualGrains(product: string, lspci: boolean): PyDict {
  const f = fromPrograms(lspci);
  if (chrooted()) f.subtype = 'chroot';
  if (isFolder('/proc/vz')) {
    if (existsSync('/proc/vz/version')) f.virtual = 'openvzhn';
    else if (existsSync('/proc/vz/veinfo')) f.virtual = 'openvzve';
  }
  const envId = /^envID:\s+(\d+)$/m.exec(readText('/proc/self/status') ?? '')?.[1];
  if (envId !== undefined) f.virtual = Number(envId) ? 'openvzve' : 'openvzhn';
  if (isFolder('/proc/sys/xen') || isFolder('/sys/bus/xen') || isFolder('/proc/xen')) {
    const subtype = xenSubtype(product);
    if (subtype) f.subtype = subtype;
    if (f.subtype?.toLowerCase().includes('dom')) f.virtual = 'xen';
  }
  if ((readText('/proc/cpuinfo') ?? '').includes('QEMU Virtual CPU')) f.virtual = 'kvm';
  fromProduct(f);
  fromInit(f);
  if (f.subtype && f.virtual === 'physical') f.virtual = 'virtual';
  if (['qemu', 'kvm', 'xen', 'amazon'].includes(f.virtual)) fromSystemTable(f);
  const g = new PyDict<Py>([['virtual', f.virtual]]);
  if (f.subtype) g.set('virtual_subtype', f.subtype);
  if (f.virtual.includes('xen')) for (const [k, v] of hypervisor()) g.set(k, v);
  return g;
}

const XEN_FEATURES: readonly [bit: number, name: string][] = [
  [0, 'writable_page_tables'],
  [1, 'writable_descriptor_tables'],
  [2, 'auto_translated_physmap'],
  [3, 'supervisor_mode_kernel'],
  [4, 'pae_pgdir_above_4gb'],
  [5, 'mmu_pt_update_preserve_ad'],
  [7, 'gnttab_map_avail_bits'],
  [8, 'hvm_callback_vector'],
  [9, 'hvm_safe_pvclock'],
  [10, 'hvm_pirqs'],
  [11, 'dom0'],
  [12, 'grant_map_identity'],
  [13, 'memory_op_vnode_supported'],
  [14, 'ARM_SMCCC_supported'],
];

/** Version and features of the Xen below. */
function hypervisor(): PyDict {
  const g = new PyDict<Py>();
  const parts = ['major', 'minor', 'extra'].map((f) => readText(`/sys/hypervisor/version/${f}`)?.trim());
  if (parts.every((p) => p !== undefined)) {
    g.set('virtual_hv_version', `${parts[0]}.${parts[1]}${parts[2]}`);
    g.set('virtual_hv_version_info', parts as string[]);
  }
  const features = readText('/sys/hypervisor/properties/features')?.trim();
  if (features) {
    const bits = Number.parseInt(features, 16);
    g.set('virtual_hv_features', features);
    g.set(
      'virtual_hv_features_list',
      XEN_FEATURES.filter(([bit]) => Math.floor(bits / 2 ** bit) % 2 === 1).map(([, n]) => n),
    );
  }
  return g;
}
