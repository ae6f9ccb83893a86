import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { PyDict } from '../../../bus/values.ts';
import { lookupHost, reverseNames } from '../../machine/host-names.ts';
import { capture } from '../../process/capture.ts';
import { which } from '../../process/which.ts';

/** The name others would find this machine's first address under (Python's `getfqdn`). */
export function resolvedName(): string {
  const own = hostname();
  const info = lookupHost(own);
  const address = info?.v4[0] ?? info?.v6[0];
  return (address && reverseNames([address])[0]) || info?.canonical || own;
}

/** Changes the machine's name at once, for the next start, and in the hosts file. */
export function setHostname(name: string, grains: PyDict): boolean {
  const ctl = which('hostnamectl');
  let old = hostname();
  if (ctl) {
    const m = /Static hostname:\s*(\S+)/.exec(capture(ctl, ['status']).stdout);
    if (m) old = m[1] as string;
    if (capture(ctl, ['set-hostname', name]).code !== 0) return false;
  } else if (capture('hostname', [name]).code !== 0) return false;
  const hosts = readFileSync('/etc/hosts', 'utf8').split('\n');
  if (hosts.at(-1) === '') hosts.pop();
  const renamed = hosts.map((line) => {
    const words = line.split(/\s+/).filter(Boolean);
    const at = words.indexOf(old);
    if (at >= 0) words[at] = name;
    return words.join('\t');
  });
  writeFileSync('/etc/hosts', `${renamed.join('\n')}\n`);
  const family = grains.get('os_family');
  if (family === 'Debian' || family === 'NILinuxRT') writeFileSync('/etc/hostname', `${name}\n`);
  if (family === 'RedHat') {
    const path = '/etc/sysconfig/network';
    const text = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      text.replace(/^HOSTNAME=(["']?).*\1$/m, (_m, q: string) => `HOSTNAME=${q}${name}${q}`),
    );
  }
  return true;
}
