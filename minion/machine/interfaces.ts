import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Py, PyDict } from '../../bus/values.ts';
import { which } from '../process/which.ts';
import { readText } from './read.ts';

/** One address of an interface, with the fields of the reference's `network.interfaces`. */
export interface Address {
  readonly family: 'inet' | 'inet6';
  readonly address: string;
  /** Dotted mask (inet). */
  readonly netmask?: string;
  readonly broadcast?: string | null;
  readonly label?: string;
  /** Text, as `ip` prints it (inet6). */
  readonly prefixlen?: string;
  readonly scope?: string | null;
  readonly secondary: boolean;
}
/** A network interface as the kernel knows it. */
export interface Interface {
  readonly name: string;
  readonly up: boolean;
  readonly parent?: string;
  readonly hwaddr?: string;
  readonly addresses: readonly Address[];
}

/** Dotted mask of a prefix length. */
export function maskOf(prefix: number): string {
  const bits = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((s) => (bits >>> s) & 255).join('.');
}

function parseAddress(words: string[]): Address {
  const [family, value = ''] = words as ['inet' | 'inet6', string];
  const after = (key: string): string | null => {
    const at = words.indexOf(key);
    return at < 0 ? null : (words[at + 1] ?? null);
  };
  const [address = '', prefix = family === 'inet' ? '32' : '32'] = value.split('/');
  const secondary = words.includes('secondary');
  return family === 'inet'
    ? {
        family,
        address,
        netmask: maskOf(Number(prefix)),
        broadcast: after('brd'),
        label: words.at(-1) as string,
        secondary,
      }
    : { family, address, prefixlen: prefix, scope: after('scope'), secondary };
}

/** Reads the answer of `ip addr show`. */
export function parseIpAddr(out: string): Interface[] {
  const found: { name: string; up: boolean; parent?: string; hwaddr?: string; addresses: Address[] }[] = [];
  for (const line of out.split(/\r?\n/)) {
    const head = /^\d+:\s+([\w.-]+)(?:@([\w.-]+))?:\s+<(.+?)>/.exec(line);
    if (head) {
      const [, name = '', parent, flags = ''] = head;
      found.push({ name, up: flags.split(',').includes('UP'), ...(parent ? { parent } : {}), addresses: [] });
      continue;
    }
    const now = found.at(-1);
    const words = line.trim().split(/\s+/);
    if (!now || words.length < 2) continue;
    if (words[0] === 'inet' || words[0] === 'inet6') now.addresses.push(parseAddress(words));
    else if (words[0]?.startsWith('link')) now.hwaddr = words[1] as string;
  }
  return found;
}

/** Without `ip`: names and hardware addresses from sysfs, addresses of what is up from the platform. */
function fromSysfs(): Interface[] {
  let names: string[];
  try {
    names = readdirSync('/sys/class/net');
  } catch {
    names = Object.keys(networkInterfaces());
  }
  const read = (name: string, file: string): string | undefined => readText(`/sys/class/net/${name}/${file}`)?.trim();
  const addresses = networkInterfaces();
  return names
    .map((name) => ({ name, index: Number(read(name, 'ifindex') ?? 0) }))
    .sort((a, b) => a.index - b.index)
    .map(({ name }) => {
      const hwaddr = read(name, 'address');
      return {
        name,
        up: (Number(read(name, 'flags') ?? 0) & 1) === 1,
        ...(hwaddr ? { hwaddr } : {}),
        addresses: (addresses[name] ?? []).map((a) =>
          a.family === 'IPv4'
            ? {
                family: 'inet' as const,
                address: a.address,
                netmask: a.netmask,
                broadcast: null,
                label: name,
                secondary: false,
              }
            : {
                family: 'inet6' as const,
                address: a.address,
                prefixlen: (a.cidr ?? '/64').split('/')[1] as string,
                scope: a.scopeid ? 'link' : 'global',
                secondary: false,
              },
        ),
      };
    });
}

/** Every network interface, in the kernel's order. Starts `ip` (3 ms). */
export function readInterfaces(): Interface[] {
  const ip = which('ip');
  if (ip) {
    const r = spawnSync(ip, ['addr', 'show'], { encoding: 'utf8', timeout: 10_000 });
    if (r.status === 0) return parseIpAddr(r.stdout);
  }
  return fromSysfs();
}

/** Interfaces in the form of `network.interfaces`. */
export function interfaceDict(all: readonly Interface[]): PyDict {
  const out = new PyDict();
  for (const i of all) {
    const d = new PyDict<Py>([['up', i.up]]);
    if (i.parent) d.set('parent', i.parent);
    if (i.hwaddr !== undefined) d.set('hwaddr', i.hwaddr);
    for (const a of i.addresses) {
      const key = a.secondary ? 'secondary' : a.family;
      if (!d.has(key)) d.set(key, []);
      const fields: [Py, Py][] = a.secondary ? [['type', a.family]] : [];
      fields.push(['address', a.address]);
      if (a.family === 'inet')
        fields.push(['netmask', a.netmask as string], ['broadcast', a.broadcast ?? null], ['label', a.label as string]);
      else fields.push(['prefixlen', a.prefixlen as string], ['scope', a.scope ?? null]);
      (d.get(key) as Py[]).push(new PyDict(fields));
    }
    out.set(i.name, d);
  }
  return out;
}
