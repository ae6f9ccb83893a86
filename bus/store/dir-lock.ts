import { readFileSync } from 'node:fs';
import { open, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SaltError } from '../errors.ts';

/** What tells a process from a later one of the same number: its start time in clock ticks since boot. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // No such process, or a system without /proc: the caller then goes by the number alone.
    return undefined;
  }
}

function alive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = startOf(pid);
  return now === undefined || start === '' || now === start;
}

/** One writer a folder: a file `lock` naming the process, which also tells whether the last writer closed in order. */
export class DirLock {
  private constructor(
    private readonly path: string,
    /** True when a lock of a dead process was found: its stop was not clean. */
    readonly wasHeld: boolean,
  ) {}

  /** Takes the folder or rejects with SaltError FileLockError naming the holder. `what` names the kind of folder in the message. */
  static async take(dir: string, what: string): Promise<DirLock> {
    const path = join(dir, 'lock');
    const mine = `${process.pid} ${startOf(process.pid) ?? ''}\n`;
    for (let held = false; ; held = true) {
      try {
        const f = await open(path, 'wx', 0o600);
        try {
          await writeFile(f, mine);
        } finally {
          await f.close();
        }
        return new DirLock(path, held);
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
      }
      const [pid = '', start = ''] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
      if (pid && alive(Number(pid), start)) {
        throw new SaltError('FileLockError', `The ${what} in ${dir} is in use by process ${pid}`, { pid: Number(pid) });
      }
      await unlink(path).catch((e: NodeJS.ErrnoException) => {
        if (e.code !== 'ENOENT') throw e;
      });
    }
  }

  async release(): Promise<void> {
    await unlink(this.path).catch((e: NodeJS.ErrnoException) => {
      if (e.code !== 'ENOENT') throw e;
    });
  }
}
