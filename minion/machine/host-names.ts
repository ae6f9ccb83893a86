import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { parseAddress } from '../../sls/ip-address.ts';
import { readLines } from './read.ts';

/** Milliseconds a name lookup may take before it counts as failed. */
const LOOKUP_LIMIT = 3000;

/** What the resolver knows of a name: its canonical name, and its addresses by family. */
export interface HostInfo {
  readonly canonical: string;
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

/** Lines of the hosts file as address and names. */
function hostsFile(): { address: string; names: string[] }[] {
  return readLines('/etc/hosts').flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return address && names.length ? [{ address, names }] : [];
  });
}

/** Whether the system asks the hosts file before anything else: then what it holds is the answer. */
function filesFirst(): boolean {
  for (const line of readLines('/etc/nsswitch.conf')) {
    const m = /^\s*hosts:\s*(\S+)/.exec(line);
    if (m) return m[1] === 'files';
  }
  return true;
}

const version = (address: string): number | undefined => parseAddress(address)?.version;

function fromFile(name: string): HostInfo | undefined {
  const lower = name.toLowerCase();
  const lines = hostsFile().filter((l) => l.names.some((n) => n.toLowerCase() === lower));
  if (!lines.length) return undefined;
  const of = (v: number): string[] => [...new Set(lines.filter((l) => version(l.address) === v).map((l) => l.address))];
  return { canonical: lines[0]?.names[0] as string, v4: of(4), v6: of(6) };
}

/** Asks the system's resolver for a name, for at most 3 seconds; undefined when it knows nothing. */
export function lookupHost(name: string): HostInfo | undefined {
  if (filesFirst()) {
    const known = fromFile(name);
    if (known) return known;
  }
  const r = spawnSync('getent', ['ahosts', name], { encoding: 'utf8', timeout: LOOKUP_LIMIT });
  if (r.error) return fromFile(name);
  if (r.status !== 0 || !r.stdout) return undefined;
  let canonical = name;
  const v4 = new Set<string>();
  const v6 = new Set<string>();
  for (const line of r.stdout.split('\n')) {
    const [address = '', , named] = line.trim().split(/\s+/);
    if (named) canonical = named;
    const v = version(address);
    if (v === 4) v4.add(address);
    else if (v === 6 && !address.startsWith('::ffff:')) v6.add(address);
  }
  return { canonical, v4: [...v4], v6: [...v6] };
}

/** The machine's own full name (Python's getaddrinfo with AI_CANONNAME, Salt's get_fqhostname). */
export function ownFqdn(): string {
  const name = hostname();
  return lookupHost(name)?.canonical ?? name;
}

/** Names of addresses by reverse lookup, sorted; those that have none are left out. All lookups together take at most 3 seconds. */
export function reverseNames(addresses: readonly string[]): string[] {
  const found = new Set<string>();
  const left = new Set(addresses);
  if (filesFirst())
    for (const l of hostsFile())
      if (left.delete(l.address)) found.add(l.names.find((n) => n.includes('.')) ?? (l.names[0] as string));
  const servers = readLines('/etc/resolv.conf').some((l) => /^\s*nameserver\s/.test(l));
  if (left.size && servers) {
    const r = spawnSync('getent', ['hosts', ...left], { encoding: 'utf8', timeout: LOOKUP_LIMIT });
    for (const line of (r.stdout ?? '').split('\n')) {
      const [, ...names] = line.trim().split(/\s+/);
      const name = names.find((n) => n.includes('.')) ?? names[0];
      if (name) found.add(name);
    }
  }
  return [...found].sort();
}
