/**
 * `cachedir/proc/<jid>`: one file for each running job, as the reference writes them, so that `saltutil.running` of any program
 * that knows the folder sees our jobs. Bus-dialect MessagePack of `pid` and the publish load.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJid } from '../bus/jid.ts';
import { isWireMap, type WireMap } from '../bus/values.ts';
import { decodeBus, encodeBus } from '../bus/wire/payload.ts';

/** What stands in the command line of each process of ours (and of the reference): a pid may have been given to someone else. */
const OURS = /salt/;

/** The folder, made when missing (0700). */
export function procDir(cachedir: string): string {
  const dir = join(cachedir, 'proc');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

/** Notes a running job; its pid is the leader of its process group. */
export function writeProcFile(cachedir: string, pid: number, load: WireMap): void {
  const jid = load['jid'];
  if (!isJid(jid)) return;
  writeFileSync(join(procDir(cachedir), jid), encodeBus({ pid, ...load }), { mode: 0o600 });
}

/** Forgets a job; one that is gone already is no error. */
export function removeProcFile(cachedir: string, jid: string): void {
  if (isJid(jid)) rmSync(join(cachedir, 'proc', jid), { force: true });
}

/** Whether a process of ours with this pid lives. */
export function isOurProcess(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    // A zombie has an empty command line: its work is over.
    return OURS.test(line);
  } catch {
    // No /proc on this system: the signal's answer must do.
    return process.platform !== 'linux';
  }
}

function read(path: string): WireMap | undefined {
  try {
    const data = decodeBus(readFileSync(path));
    return isWireMap(data) && Object.keys(data).length ? data : undefined;
  } catch {
    // Torn by a crash or removed while we looked: either way there is no job to tell of.
    return undefined;
  }
}

/**
 * The jobs that run now, by name of file; files left by dead processes are removed (`salt.utils.minion.running`). Jobs of the
 * asking process itself are left out.
 */
export function runningJobs(cachedir: string, self: number = process.pid): WireMap[] {
  const dir = join(cachedir, 'proc');
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return [];
  }
  const out: WireMap[] = [];
  for (const name of names.sort()) {
    const data = read(join(dir, name));
    if (!data || !isOurProcess(Number(data['pid']))) rmSync(join(dir, name), { force: true });
    else if (data['pid'] !== self) out.push(data);
  }
  return out;
}

/** Processes that descend from one, found by a walk of /proc; a job's children may have left its process group. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>();
  let names: string[];
  try {
    names = readdirSync('/proc').filter((n) => /^\d+$/.test(n));
  } catch {
    return [];
  }
  for (const name of names)
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const list = parents.get(parent);
      if (list) list.push(Number(name));
      else parents.set(parent, [Number(name)]);
    } catch {
      // The process ended between the listing and the look at it.
    }
  const out: number[] = [];
  const walk = (p: number): void => {
    for (const child of parents.get(p) ?? []) {
      out.push(child);
      walk(child);
    }
  };
  walk(pid);
  return out;
}

/** Sends a signal to a job: its process, its process group where it leads one, and all descendants. False when it was gone. */
export function signalJob(pid: number, sig: number): boolean {
  for (const child of descendants(pid)) quietly(() => process.kill(child, sig));
  const alone = !quietly(() => process.kill(-pid, sig));
  return alone ? quietly(() => process.kill(pid, sig)) : true;
}

/** Whether a call worked; signals to processes that are gone are no errors. */
function quietly(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
