import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Py, PyDict } from '../bus/values.ts';

/** Names that say nothing about a machine. */
const LOCAL = [
  /^localhost/,
  /^ip6-/,
  /^127[.]\d/,
  /^0\.0\.0\.0/,
  /^::1/,
  /^ipv6-/,
  /^fe00::/,
  /^fe02::/,
  /^1.0.0.*.ip6.arpa/,
];

/** Lines of the machine's own name table: address and names. */
function hosts(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
      .filter((words) => words.length > 1);
  } catch {
    // A machine without the table has the kernel's name only.
    return [];
  }
}

/**
 * The machine's full name, from its own tables and without asking the network: the first name with a dot that shares a line of
 * /etc/hosts with the host name, else the host name.
 */
export function machineName(hostsFile = '/etc/hosts'): string {
  const short = hostname();
  const table = hosts(hostsFile);
  const address = table.find((words) => words.slice(1).includes(short))?.[0];
  const names = table.filter((words) => words[0] === address).flatMap((words) => words.slice(1));
  const known = address !== undefined ? [names.find((n) => n.includes('.')) ?? short] : [];
  for (const name of [...known, short]) if (name && !LOCAL.some((re) => re.test(name))) return name;
  return 'localhost';
}

/** Whether a text is a dotted IPv4 address. */
function isIpv4(text: string): boolean {
  return /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(text);
}

function withoutDomain(name: string, rule: Py): string {
  if (rule === true) return name.split('.')[0] as string;
  if (typeof rule !== 'string' || !rule) return name;
  return name.toUpperCase().endsWith(`.${rule.toUpperCase()}`) ? name.slice(0, -rule.length - 1) : name;
}

/**
 * The id of a machine whose configuration gives none: what `minion_id` below the root directory holds, else the machine's name
 * with `minion_id_lowercase` and `minion_id_remove_domain` applied, which is then kept in that file when `cache` is set.
 */
export function findMinionId(opts: PyDict, cache: boolean, log: Log): { id: string; isAddress: boolean } {
  const root = opts.get('root_dir');
  const file = join(typeof root === 'string' ? root : '/', 'etc/salt/minion_id');
  const caching = opts.get('minion_id_caching') ?? true;
  if (caching) {
    const kept = readKept(file);
    if (kept && kept !== 'localhost') {
      log.debug(`Using cached minion ID from ${file}: ${kept}`);
      return { id: kept, isAddress: false };
    }
  }
  let id = machineName();
  if (opts.get('minion_id_lowercase')) id = id.toLowerCase();
  id = withoutDomain(id, opts.get('minion_id_remove_domain') ?? null);
  if (cache && caching) keep(file, id, log);
  return { id, isAddress: isIpv4(id) };
}
function readKept(file: string): string {
  try {
    return (readFileSync(file, 'utf8').split('\n')[0] as string).replace(/^\ufeff/, '').trim();
  } catch {
    // Nothing was kept yet, or it is not ours to read: the name is looked up again.
    return '';
  }
}
function keep(file: string, id: string, log: Log): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (e) {
    log.error(`Failed to create dirs to minion_id file: ${messageOf(e)}`);
  }
  try {
    writeFileSync(file, id);
  } catch (e) {
    log.error(`Could not cache minion ID: ${messageOf(e)}`);
  }
}
