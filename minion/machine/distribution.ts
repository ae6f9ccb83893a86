/** Which Linux this is, in the words the reference uses for it. */
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { readText } from './read.ts';

/** Short names by the first ten letters of the long name, lower case, without spaces. */
const OS_BY_NAME: Record<string, string> = {
  redhatente: 'RedHat',
  gentoobase: 'Gentoo',
  archarm: 'Arch ARM',
  arch: 'Arch',
  debian: 'Debian',
  raspbian: 'Raspbian',
  fedoraremi: 'Fedora',
  chapeau: 'Chapeau',
  korora: 'Korora',
  amazonami: 'Amazon',
  alt: 'ALT',
  enterprise: 'OEL',
  oracleserv: 'OEL',
  cloudserve: 'CloudLinux',
  cloudlinux: 'CloudLinux',
  virtuozzo: 'Virtuozzo',
  almalinux: 'AlmaLinux',
  almalinuxk: 'AlmaLinux',
  pidora: 'Fedora',
  scientific: 'ScientificLinux',
  synology: 'Synology',
  nilrt: 'NILinuxRT',
  poky: 'Poky',
  manjaro: 'Manjaro',
  manjarolin: 'Manjaro',
  univention: 'Univention',
  antergos: 'Antergos',
  sles: 'SUSE',
  void: 'Void',
  slesexpand: 'RES',
  linuxmint: 'Mint',
  neon: 'KDE neon',
  pop: 'Pop',
  rocky: 'Rocky',
  alibabaclo: 'Alinux',
  mendel: 'Mendel',
  photon: 'VMware Photon OS',
};

/** Members of each family that do not carry the family's name. */
const FAMILIES: Record<string, readonly string[]> = {
  Debian: [
    'Ubuntu',
    'Mint',
    'Trisquel',
    'GCEL',
    'Linaro',
    'elementary OS',
    'elementary',
    'Univention',
    'Raspbian',
    'Devuan',
    'antiX',
    'Kali',
    'Parrot OS',
    'neon',
    'Cumulus',
    'Deepin',
    'KDE neon',
    'IDMS',
    'TurnKey',
    'Pop',
    'AstraLinuxCE',
    'AstraLinuxSE',
    'Mendel',
    'OSMC',
  ],
  RedHat: [
    'Fedora',
    'Chapeau',
    'Korora',
    'FedBerry',
    'CentOS',
    'CentOS Stream',
    'GoOSe',
    'Scientific',
    'Amazon',
    'CloudLinux',
    'Virtuozzo',
    'AlmaLinux',
    'AlmaLinux Kitten',
    'OVS',
    'OEL',
    'XCP',
    'XCP-ng',
    'XenServer',
    'RES',
    'Sangoma',
    'VMware Photon OS',
    'AlterOS',
    'RED OS',
    'ALT',
    'ScientificLinux',
    'Rocky',
    'Alinux',
    'openEuler',
  ],
  Suse: [
    'SLES',
    'SUSE Enterprise Server',
    'SUSE  Enterprise Server',
    'SLED',
    'openSUSE',
    'SUSE',
    'openSUSE Leap',
    'openSUSE Tumbleweed',
    'SLES_SAP',
    'alfaLinux',
    'alfaLinux Rise',
  ],
  Arch: ['Arch ARM', 'Manjaro', 'Manjaro ARM', 'Antergos', 'EndeavourOS'],
  Gentoo: ['Funtoo'],
  Mandriva: ['Mandrake'],
  Slackware: ['Slamd64'],
  Bluewhite: ['Bluewhite64'],
  VMware: ['VMwareESX'],
};

/** Distributions whose os-release alone decides everything. */
const MODERN = new Set(['almalinux', 'astra', 'debian', 'linuxmint', 'mendel', 'pop', 'rocky', 'ubuntu']);

/** Distributions named by their `os` grain, not their long name, in `osfinger`. */
const FINGER_BY_OS = new Set(['Debian', 'Raspbian', 'AlmaLinux']);

/** Reads os-release text into a map, shell quoting removed. */
export function parseOsRelease(text: string): Record<string, string> {
  const out: Record<string, string> = { NAME: 'Linux', ID: 'linux', PRETTY_NAME: 'Linux' };
  for (const line of text.split('\n')) {
    const m = /^([A-Za-z0-9_]+)=(.*)$/.exec(line.trim());
    if (!m) continue;
    const raw = (m[2] as string).trim();
    const quoted = /^(["'])(.*)\1$/.exec(raw);
    out[m[1] as string] = (quoted ? (quoted[2] as string) : raw).replace(/\\([$"'\\`])/g, '$1');
  }
  return out;
}

function osName(longName: string, id?: string): string {
  if (id === 'astra' && longName === 'Astra Linux (Orel)') return 'AstraLinuxCE';
  if (id === 'astra' && longName === 'Astra Linux (Smolensk)') return 'AstraLinuxSE';
  if (id === 'pop' && longName === 'Pop!_OS') return 'Pop';
  const name = longName.replace(/\W(?:gnu\/)?linux/gi, '').trim();
  return OS_BY_NAME[name.replaceAll(' ', '').toLowerCase().slice(0, 10)] ?? name;
}

function familyOf(os: string): string {
  for (const [family, members] of Object.entries(FAMILIES)) if (members.includes(os)) return family;
  return os;
}

function familyById(id: string, like: string | undefined): string {
  const ids = like ? [id, ...like.split(/\s+/).filter(Boolean)] : [id];
  const family = ids.includes('debian') || ids.includes('ubuntu') ? 'debian' : (ids.at(-1) as string);
  return family === 'fedora' ? 'RedHat' : family.charAt(0).toUpperCase() + family.slice(1).toLowerCase();
}

function lsbRelease(text: string | undefined): [string, string][] {
  return (text ?? '').split('\n').flatMap((line): [string, string][] => {
    const m = /^(DISTRIB_(?:ID|RELEASE|CODENAME|DESCRIPTION))=['"]?([\w\s.-]+)['"]?/.exec(line);
    return m ? [[`lsb_${(m[1] as string).toLowerCase()}`, (m[2] as string).trimEnd()]] : [];
  });
}

/** Texts a distribution is told by. */
export interface DistributionFiles {
  readonly osRelease: string | undefined;
  readonly lsbRelease: string | undefined;
  readonly centosRelease: string | undefined;
}

/** The files of this machine. */
export function distributionFiles(): DistributionFiles {
  return {
    osRelease: readText('/etc/os-release') ?? readText('/usr/lib/os-release'),
    lsbRelease: readText('/etc/lsb-release'),
    centosRelease: readText('/etc/centos-release'),
  };
}

/** The grains os, os_family, oscodename, osfullname, osrelease and lsb_*. */
export function distributionGrains(files: DistributionFiles): PyDict {
  const g = new PyDict<string>(lsbRelease(files.lsbRelease));
  const r = files.osRelease === undefined ? undefined : parseOsRelease(files.osRelease);
  const set = (key: string, value: string | undefined): void => {
    if (value) g.set(key, value);
  };
  if (r) {
    const name = r['NAME'] as string;
    const id = r['ID'] as string;
    set('os', osName(name, id));
    set('os_family', familyById(id, r['ID_LIKE']));
    const bracketed = ['almalinux', 'rocky'].includes(id)
      ? /\d[\d.+\-a-z]* \((.+)\)/.exec(r['VERSION'] ?? '')?.[1]
      : undefined;
    set('oscodename', r['VERSION_CODENAME'] || (id === 'astra' ? r['VARIANT_ID'] : bracketed));
    set('osfullname', name.trim());
    set('osrelease', r['VERSION_ID'] || (id === 'mendel' ? r['PRETTY_NAME']?.split(/\s+/)[2] : undefined));
    if (!g.has('lsb_distrib_id')) {
      set('lsb_distrib_id', name.trim());
      set('lsb_distrib_release', id === 'mendel' ? r['PRETTY_NAME']?.split(/\s+/)[2] : r['VERSION_ID']);
      set('lsb_distrib_codename', r['VERSION_CODENAME'] ?? r['PRETTY_NAME']);
      suse(g, r);
    }
    const release = g.get('lsb_distrib_release') ?? r['VERSION_ID'] ?? '';
    if (!MODERN.has(id)) {
      g.set('osrelease', centosPoint(g, files) ?? release.trim());
      set('oscodename', (g.get('lsb_distrib_codename') ?? '').trim());
    } else if (release) g.set('osrelease', release.trim());
    if (MODERN.has(id) && g.get('lsb_distrib_codename')) set('oscodename', unbracketed(g));
  } else if (files.centosRelease !== undefined) {
    g.set('lsb_distrib_id', 'CentOS');
    set('lsb_distrib_release', /\d+\.\d+/.exec(files.centosRelease)?.[0]);
    set('lsb_distrib_codename', /\((.*?)\)/.exec(files.centosRelease)?.[1]);
  }
  if (!g.has('osfullname')) g.set('osfullname', (g.get('lsb_distrib_id') ?? 'Linux').trim());
  if (!g.has('osrelease')) g.set('osrelease', (g.get('lsb_distrib_release') ?? '').trim());
  if (!g.has('oscodename')) g.set('oscodename', g.get('lsb_distrib_codename') ?? '');
  if (!g.has('os')) g.set('os', osName(g.get('osfullname') as string));
  g.set('os_family', familyOf(g.get('os') as string));
  return g;
}

/** A code name within brackets counts alone on the distributions that write it so. */
function unbracketed(g: PyDict<string>): string {
  const name = (g.get('lsb_distrib_codename') as string).trim();
  const os = g.get('os') ?? '';
  if (!['Rocky', 'AlmaLinux', 'AstraLinuxSE'].some((o) => os.includes(o))) return name;
  const inner = /\(([^)]*)\)/.exec(name)?.[1];
  if (inner === undefined) return name;
  const text = os === 'AstraLinuxSE' ? (inner.split(/\s+/)[0] ?? '').toLowerCase() : inner;
  g.set('lsb_distrib_codename', text);
  return text;
}

/** CentOS 7 and 8 leave the minor release out of os-release. */
function centosPoint(g: PyDict<string>, files: DistributionFiles): string | undefined {
  const codename = g.get('lsb_distrib_codename') ?? '';
  if (!/CentOS Linux [78]/.test(codename) || files.centosRelease === undefined) return undefined;
  g.delete('lsb_distrib_release');
  return /\d+(\.\d+)+/.exec(files.centosRelease)?.[0];
}

function suse(g: PyDict<string>, r: Record<string, string>): void {
  const cpe = (r['CPE_NAME'] ?? '').split(':');
  const at = cpe[1]?.startsWith('/') ? 2 : 3;
  const [vendor = '', , version] = cpe.slice(at);
  if (cpe[0] !== 'cpe' || !['suse', 'opensuse'].includes(vendor.toLowerCase())) return;
  g.set('os', 'SUSE');
  if (r['NAME'] === 'openSUSE Leap') g.set('osfullname', 'Leap');
  else if (r['VERSION'] === 'Tumbleweed') g.set('osfullname', 'Tumbleweed');
  if (version && version !== '*' && vendor === 'opensuse') g.set('lsb_distrib_release', version);
}

/** The grains osrelease_info, osmajorrelease and osfinger. */
export function releaseGrains(os: string, fullName: string, release: string): PyDict {
  const info = release.split('.').map((p): Py => (/^\d+$/.test(p) ? Number(p) : p));
  const g = new PyDict<Py>([['osrelease_info', PyTuple.from_(info)]]);
  const major = Number(info[0]);
  if (Number.isInteger(major) && String(info[0]).trim() !== '') g.set('osmajorrelease', major);
  const name = FINGER_BY_OS.has(os) ? os : fullName;
  g.set('osfinger', `${name}-${['Ubuntu', 'Pop', 'NixOS'].includes(os) ? release : String(info[0])}`);
  return g;
}
