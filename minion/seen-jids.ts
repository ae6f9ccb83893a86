import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isJid } from '../bus/jid.ts';

/**
 * Which jobs this minion has begun and which of them came to an outcome, in a small append-only file: so a publish that arrives
 * twice, by replay, by a second master or by a queue after a crash, runs once, also across the minion's own restart and kill.
 * Lines `S <jid> <function>` (begun) and `D <jid>` (its outcome is in the outbox or delivered). Safe against a kill of the process, not
 * against a power cut (nothing is synced).
 */
export class SeenJids {
  private readonly jids = new Map<string, { fun: string; done: boolean }>();
  private fd: number;
  private lines = 0;

  /** @param keep how many jids are remembered, oldest forgotten first (`minion_jid_queue_hwm`, at least 1000 here). */
  constructor(
    private readonly path: string,
    private readonly keep = 1000,
  ) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    let text = '';
    try {
      text = readFileSync(path, 'latin1');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    }
    for (const line of text.split('\n')) {
      const [kind, jid, fun = ''] = line.split(' ');
      if (!isJid(jid)) continue;
      if (kind === 'S') this.jids.set(jid, { fun, done: false });
      const known = this.jids.get(jid);
      if (kind === 'D' && known) known.done = true;
    }
    this.fd = openSync(path, 'a', 0o600);
    this.compact();
  }

  /** Notes a job as begun; false when it was begun before and must not run again. `fun`: its function, or several with commas. */
  begin(jid: string, fun: string): boolean {
    if (this.jids.has(jid)) return false;
    const name = fun.replace(/\s/g, '_');
    this.jids.set(jid, { fun: name, done: false });
    this.write(`S ${jid} ${name}\n`);
    return true;
  }

  /** Notes that a job's outcome is safe elsewhere. */
  done(jid: string): void {
    const known = this.jids.get(jid);
    if (!known || known.done) return;
    known.done = true;
    this.write(`D ${jid}\n`);
  }

  has(jid: string): boolean {
    return this.jids.has(jid);
  }

  /** Jobs begun, by this process or an earlier one, that came to no outcome. */
  unfinished(): { jid: string; fun: string }[] {
    return [...this.jids].flatMap(([jid, { fun, done }]) => (done ? [] : [{ jid, fun }]));
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private write(line: string): void {
    if (this.fd < 0) return;
    writeSync(this.fd, line);
    if (++this.lines > this.keep * 4) this.compact();
  }

  /** Writes the file anew with what is worth keeping; the new one replaces the old in one step. */
  private compact(): void {
    for (const jid of this.jids.keys()) {
      if (this.jids.size <= this.keep) break;
      this.jids.delete(jid);
    }
    const text = [...this.jids].map(([jid, { fun, done }]) => `S ${jid} ${fun}\n${done ? `D ${jid}\n` : ''}`).join('');
    const next = `${this.path}.new`;
    writeFileSync(next, text, { mode: 0o600 });
    renameSync(next, this.path);
    closeSync(this.fd);
    this.fd = openSync(this.path, 'a', 0o600);
    this.lines = 0;
  }
}
