/** Tables of file systems: fstab, vfstab and the automounter's. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { osErrorText } from '../../process/os-error.ts';

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** Lines of a table with their ends. */
function linesOf(config: string): string[] {
  try {
    return readFileSync(config, 'utf8').split(/(?<=\n)/);
  } catch (e) {
    throw new SaltError(
      'CommandExecutionError',
      `Couldn't read from ${config}: ${osErrorText((e as NodeJS.ErrnoException).code ?? 'EIO', config)}`,
    );
  }
}

function write(config: string, lines: readonly string[]): void {
  try {
    writeFileSync(config, lines.join(''));
  } catch (e) {
    throw new SaltError('CommandExecutionError', `File not writable ${config}`, {}, { cause: e });
  }
}

/** A form of table: its fields in order, what is written for missing ones, and how a line is written. */
export interface TableForm {
  readonly keys: readonly string[];
  /** Fewest fields a line may have. */
  readonly least: number;
  readonly format: (e: Entry) => string;
  /** Kinds of file systems that have no device of their own: the mount point tells them apart. */
  readonly special: ReadonlySet<string>;
}
/** Fields of one line, as text. */
export type Entry = { readonly [key: string]: string };

/** /etc/fstab. */
export const FSTAB: TableForm = {
  keys: ['device', 'name', 'fstype', 'opts', 'dump', 'pass_num'],
  least: 4,
  format: (e) => `${e['device']}\t\t${e['name']}\t${e['fstype']}\t${e['opts']}\t${e['dump']} ${e['pass_num']}\n`,
  special: new Set([
    'none',
    'tmpfs',
    'sysfs',
    'proc',
    'fusectl',
    'debugfs',
    'securityfs',
    'devtmpfs',
    'cgroup',
    'nfs',
    'nfs4',
    'glusterfs',
    'btrfs',
    'ceph',
  ]),
};

/** Solaris' /etc/vfstab. */
export const VFSTAB: TableForm = {
  keys: ['device', 'device_fsck', 'name', 'fstype', 'pass_fsck', 'mount_at_boot', 'opts'],
  least: 7,
  format: (e) => {
    const p = (k: string, n: number): string => (e[k] ?? '').padEnd(n);
    return `${p('device', 11)} ${p('device_fsck', 3)} ${p('name', 19)} ${p('fstype', 8)} ${p('pass_fsck', 3)} ${p('mount_at_boot', 6)} ${e['opts']}\n`;
  },
  special: new Set(['devfs', 'proc', 'ctfs', 'objfs', 'sharefs', 'fs', 'tmpfs']),
};

/** Fields of a line; undefined for a comment or a line of another form. */
function entryOf(line: string, form: TableForm): Entry | undefined {
  if (line.startsWith('#')) return undefined;
  const words = line.split(/\s+/).filter(Boolean);
  if (words.length < form.least || words.length > form.keys.length) return undefined;
  return Object.fromEntries(form.keys.map((k, i) => [k, words[i] ?? '0']));
}

const sorted = (opts: string): string => opts.split(',').sort().join(',');
const sameField = (key: string, a: string, b: string): boolean => (key === 'opts' ? sorted(a) === sorted(b) : a === b);
const fits = (line: Entry, want: Entry, keys: readonly string[]): boolean =>
  keys.every((k) => sameField(k, line[k] ?? '', want[k] ?? ''));

/** A table as a map by mount point; a point that comes twice gets an underscore. */
export function readTable(config: string): PyDict {
  const out = new PyDict();
  if (!isFile(config)) return out;
  for (const line of linesOf(config)) {
    const e = entryOf(line, FSTAB);
    if (!e) continue;
    let name = e['name'] as string;
    while (out.has(name)) name += '_';
    out.set(
      name,
      new PyDict<Py>([
        ['device', e['device'] as string],
        ['fstype', e['fstype'] as string],
        ['opts', (e['opts'] as string).split(',')],
        ['dump', e['dump'] as string],
        ['pass', e['pass_num'] as string],
      ]),
    );
  }
  return out;
}

/** Removes lines of a mount point (and a device, unless empty) and says that they are gone. */
export function removeEntry(name: string, device: string, config: string): true {
  const lines = linesOf(config);
  const left = lines.filter((l) => {
    const e = entryOf(l, FSTAB);
    return !(e && e['name'] === name && (device === '' || e['device'] === device));
  });
  if (left.length !== lines.length) write(config, left);
  return true;
}

/** How {@link setEntry} finds the line to change. */
export interface SetOptions {
  readonly matchOn: string | readonly string[];
  readonly test: boolean;
  /** An entry that is there is left as it is. */
  readonly keep: boolean;
}

/** Adds or changes an entry: `new`, `change`, or `present` when it is as wanted. Blanks are written as `\\040`. */
export function setEntry(entry: Entry, form: TableForm, config: string, o: SetOptions): 'new' | 'change' | 'present' {
  const keys =
    typeof o.matchOn !== 'string'
      ? o.matchOn
      : o.matchOn !== 'auto'
        ? [o.matchOn]
        : form.special.has(entry['fstype'] ?? '')
          ? ['name']
          : ['device'];
  const unknown = keys.filter((k) => !form.keys.includes(k));
  if (unknown.length)
    throw new SaltError('CommandExecutionError', `Unrecognized keys in match_on: "${unknown.join(', ')}"`);
  if (!isFile(config)) throw new SaltError('CommandExecutionError', `Bad config file "${config}"`);
  let result: 'new' | 'change' | 'present' = 'new';
  const lines = linesOf(config).map((line) => {
    const e = entryOf(line, form);
    if (!e || !fits(e, entry, keys)) return line;
    if (o.keep || fits(e, entry, form.keys)) {
      if (result === 'new') result = 'present';
      return line;
    }
    result = 'change';
    return form.format(entry);
  });
  if (result === 'new') {
    const last = lines.at(-1);
    if (last !== undefined && !last.endsWith('\n')) lines[lines.length - 1] = `${last}\n`;
    lines.push(form.format(entry));
  }
  if ((result as string) !== 'present' && !o.test) write(config, lines);
  return result;
}

/** Fields of an automounter line; undefined for anything else. */
function autoFields(line: string): [name: string, opts: string, device: string] | undefined {
  const words = line.split(/\s+/).filter(Boolean);
  return line.startsWith('#') || words.length !== 3 ? undefined : (words as [string, string, string]);
}

/** The automounter's table as a map by mount point. */
export function readAutomaster(config: string): PyDict {
  const out = new PyDict();
  if (!isFile(config)) return out;
  for (const line of linesOf(config)) {
    const f = autoFields(line);
    if (!f) continue;
    const [fstype = '', ...opts] = f[1].split(',');
    out.set(
      f[0].replace('/..', ''),
      new PyDict<Py>([
        ['device', f[2].split(':')[1] ?? ''],
        ['fstype', fstype],
        ['opts', opts],
      ]),
    );
  }
  return out;
}

/** Removes a mount point from the automounter's table; false when it is not in it. */
export function removeAutomaster(name: string, device: string, config: string): boolean {
  if (!readAutomaster(config).has(name)) return false;
  write(
    config,
    linesOf(config).filter((l) => {
      const f = autoFields(l);
      return !(f && f[0].replace('/..', '') === name && (device === '' || f[2].split(':')[1] === device));
    }),
  );
  return true;
}

/** Adds or changes a mount point of the automounter's table. */
export function setAutomaster(
  e: { name: string; device: string; fstype: string; opts: string },
  config: string,
  o: { test: boolean; keep: boolean },
): 'new' | 'change' | 'present' {
  const master = '/etc/auto_master';
  if (!isFile(config)) {
    if (o.test) return 'new';
    writeFileSync(config, '');
    const known = existsSync(master) ? readFileSync(master, 'utf8') : '';
    if (!known.includes(config))
      writeFileSync(master, `${known}${known && !known.endsWith('\n') ? '\n' : ''}/-\t\t\t${config}\n`);
  }
  const want = [
    `/..${e.name}`,
    `-fstype=${e.fstype},${e.opts}`,
    e.fstype === 'smbfs' ? `:${e.device}` : `${e.fstype}:${e.device}`,
  ];
  let result: 'new' | 'change' | 'present' = 'new';
  const lines = linesOf(config).map((line) => {
    const f = autoFields(line);
    if (!f || (f[0] !== want[0] && f[2] !== want[2])) return line;
    if (o.keep || f.every((x, i) => x === want[i])) {
      if (result === 'new') result = 'present';
      return line;
    }
    result = 'change';
    return `${want.join('\t')}\n`;
  });
  if (result === 'new') lines.push(`${want.join('\t')}\n`);
  if ((result as string) !== 'present' && !o.test) write(config, lines);
  return result;
}
