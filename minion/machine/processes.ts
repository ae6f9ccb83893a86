/** Processes, read from /proc with psutil's meaning. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { accountOf } from '../process/accounts.ts';
import { readLines, readText } from './read.ts';

/** Clock ticks a second in /proc: a hundred on every Linux in use. */
export const TICKS = 100;

/** What /proc/<pid>/stat says, times in seconds. */
export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  readonly state: string;
  readonly ppid: number;
  readonly tty: number;
  readonly user: number;
  readonly system: number;
  readonly childrenUser: number;
  readonly childrenSystem: number;
  readonly nice: number;
  readonly threads: number;
  /** Seconds after boot. */
  readonly start: number;
  readonly cpu: number;
  readonly ioWait: number;
}

const STATES: { readonly [letter: string]: string } = {
  R: 'running',
  S: 'sleeping',
  D: 'disk-sleep',
  T: 'stopped',
  t: 'tracing-stop',
  Z: 'zombie',
  X: 'dead',
  x: 'dead',
  K: 'wake-kill',
  W: 'waking',
  I: 'idle',
  P: 'parked',
};

/** psutil's word for a state letter. */
export const stateWord = (letter: string): string => STATES[letter] ?? '?';

/** Ids of all processes, in rising order. */
export function processIds(): number[] {
  return readdirSync('/proc')
    .filter((n) => /^\d+$/.test(n))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads a stat line. */
export function parseStat(text: string): ProcessStat {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const f = text.slice(close + 2).split(' ');
  const n = (i: number): number => Number(f[i - 3] ?? 0);
  return {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: f[0] ?? '?',
    ppid: n(4),
    tty: n(7),
    user: n(14) / TICKS,
    system: n(15) / TICKS,
    childrenUser: n(16) / TICKS,
    childrenSystem: n(17) / TICKS,
    nice: n(19),
    threads: n(20),
    start: n(22) / TICKS,
    cpu: n(39),
    ioWait: n(42) / TICKS,
  };
}

/** A process's stat; undefined when it is gone. */
export function statOf(pid: number): ProcessStat | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text ? parseStat(text) : undefined;
}

/** Words of a process's command line: none for a kernel thread or a zombie. */
export function commandLine(pid: number): string[] {
  const text = readText(`/proc/${pid}/cmdline`) ?? '';
  if (!text) return [];
  const separator = text.endsWith('\0') ? '\0' : ' ';
  const words = (text.endsWith(separator) ? text.slice(0, -1) : text).split(separator);
  return separator === '\0' && words.length === 1 && (words[0] as string).includes(' ')
    ? (words[0] as string).split(' ')
    : words;
}

/** A process's name, whole where the kernel keeps only 15 characters of it. */
export function processName(stat: ProcessStat): string {
  if (stat.comm.length < 15) return stat.comm;
  const whole = basename(commandLine(stat.pid)[0] ?? '');
  return whole.startsWith(stat.comm) ? whole : stat.comm;
}

/** Fields of /proc/<pid>/status. */
export function statusFields(pid: number): Map<string, string> {
  return new Map(
    readLines(`/proc/${pid}/status`).map((l) => {
      const at = l.indexOf(':');
      return [l.slice(0, at), l.slice(at + 1).trim()] as const;
    }),
  );
}

/** The account a process runs as; its uid as text where it has no name. */
export function ownerOf(pid: number): string | undefined {
  const uid = statusFields(pid).get('Uid')?.split(/\s+/)[0];
  return uid === undefined ? undefined : (accountOf(Number(uid))?.name ?? uid);
}

/** When the machine started, in seconds since the epoch. */
export function bootTime(): number {
  const m = /^btime (\d+)/m.exec(readText('/proc/stat') ?? '');
  return Number(m?.[1] ?? 0);
}

/** Bytes of a memory page, by what the kernel says of this very process. */
export function pageSize(): number {
  const pages = Number((readText('/proc/self/statm') ?? '').split(' ')[0]);
  const kib = Number(/^VmSize:\s+(\d+)/m.exec(readText('/proc/self/status') ?? '')?.[1] ?? 0);
  return pages > 0 && kib > 0 ? 2 ** Math.round(Math.log2((kib * 1024) / pages)) : 4096;
}

/** The terminal a process belongs to, by device number. */
export function terminalOf(device: number): string | undefined {
  if (device === 0) return undefined;
  for (const folder of ['/dev', '/dev/pts']) {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      continue;
    }
    for (const n of names) {
      if (folder === '/dev' && !n.startsWith('tty')) continue;
      const st = statSync(`${folder}/${n}`, { throwIfNoEntry: false });
      if (st?.isCharacterDevice() && st.rdev === device) return `${folder}/${n}`;
    }
  }
  return undefined;
}

/** Where a link of /proc points; undefined where it is missing or not for us. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** A session of somebody logged in. */
export interface Session {
  readonly user: string;
  readonly terminal: string;
  readonly host: string;
  /** Seconds since the epoch. */
  readonly started: number;
  readonly pid: number;
}

const UTMP_RECORD = 384;
const USER_PROCESS = 7;

/** Reads a utmp file's sessions. */
export function parseUtmp(data: Buffer): Session[] {
  const out: Session[] = [];
  const text = (from: number, size: number): string => data.toString('utf8', from, from + size).replace(/\0.*$/s, '');
  for (let at = 0; at + UTMP_RECORD <= data.length; at += UTMP_RECORD) {
    if (data.readInt16LE(at) !== USER_PROCESS) continue;
    const host = text(at + 76, 256);
    out.push({
      user: text(at + 44, 32),
      terminal: text(at + 8, 32),
      host: host === ':0' || host === ':0.0' ? 'localhost' : host,
      started: data.readInt32LE(at + 340),
      pid: data.readInt32LE(at + 4),
    });
  }
  return out;
}

/** Who is logged in; nobody where the machine keeps no record. */
export function sessions(): Session[] {
  try {
    return parseUtmp(readFileSync('/run/utmp'));
  } catch {
    return [];
  }
}
