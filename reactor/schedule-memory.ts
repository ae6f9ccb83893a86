import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { WireMap } from '../bus/values.ts';

/** What a daemon notes of its schedule on disk, so that `on_miss` counts across a restart. */
export class ScheduleMemory {
  private kept = '{}';

  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  /** What was noted last; nothing where there is no file or it cannot be read (logged). */
  read(): WireMap {
    try {
      const text = readFileSync(this.path, 'utf8');
      const found = JSON.parse(text) as WireMap;
      this.kept = text;
      return found;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT')
        this.log.warning(`What was noted of the schedule cannot be read: ${messageOf(e)}`);
      return {};
    }
  }

  /** Replaces the file where something changed. A disk that refuses is logged. */
  note(memory: WireMap): void {
    const text = JSON.stringify(memory);
    if (text === this.kept) return;
    this.kept = text;
    try {
      writeFileSync(`${this.path}.new`, text, { mode: 0o600 });
      renameSync(`${this.path}.new`, this.path);
    } catch (e) {
      this.log.error(`The schedule's times cannot be kept: ${messageOf(e)}`);
    }
  }
}
