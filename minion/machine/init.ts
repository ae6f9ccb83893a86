import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { which } from '../process/which.ts';
import { readText } from './read.ts';

const INITS = ['upstart', 'sysvinit', 'systemd'] as const;

/** Which of the known inits a program names in itself, undefined for none. */
function namedIn(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const block = Buffer.alloc(262144);
    let edge = '';
    for (;;) {
      const n = readSync(fd, block, 0, block.length, null);
      if (n === 0) return undefined;
      const text = edge + block.toString('latin1', 0, n).toLowerCase();
      const found = INITS.find((i) => text.includes(i));
      if (found) return found;
      edge = text.slice(-8);
    }
  } finally {
    closeSync(fd);
  }
}

/** Which program starts services here: the grain init. */
export function initSystem(): string {
  if (existsSync('/run/systemd/system')) return 'systemd';
  const words = (readText('/proc/1/cmdline') ?? '').replaceAll('\0', ' ').split(/\s+/).filter(Boolean);
  const first = words[0];
  if (first === undefined) return 'unknown';
  const bin = which(first);
  if (bin?.endsWith('bin/init')) return namedIn(bin) ?? 'unknown';
  for (const [program, name] of [
    ['supervisord', 'supervisord'],
    ['dumb-init', 'dumb-init'],
    ['tini', 'tini'],
  ] as const) {
    const path = which(program);
    if (path && words.includes(path)) return name;
  }
  if ((words.length === 1 && first === 'runit') || words.includes('/sbin/my_init')) return 'runit';
  return 'unknown';
}

/** Version and features of systemd, empty where it is not installed: the grain systemd. */
export function systemdInfo(): PyDict | undefined {
  if (!which('systemctl') || !which('localectl')) return undefined;
  const r = spawnSync('systemctl', ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const [head = '', features = ''] = (r.stdout ?? '').split('\n');
  const version = head.startsWith('systemd ') ? (head.split(/\s+/)[1] as string) : 'UNDEFINED';
  return new PyDict<Py>([
    ['version', version],
    ['features', version === 'UNDEFINED' ? '' : features.trimEnd()],
  ]);
}

/** Whether SELinux is on, where its tools are installed: the grain selinux. */
export function selinuxInfo(): PyDict | undefined {
  const test = which('selinuxenabled');
  if (!test) return undefined;
  const g = new PyDict<Py>([['enabled', spawnSync(test, { stdio: 'ignore', timeout: 10_000 }).status === 0]]);
  const mode = which('getenforce');
  if (mode) g.set('enforced', (spawnSync(mode, { encoding: 'utf8', timeout: 10_000 }).stdout ?? '').trim());
  return g;
}
