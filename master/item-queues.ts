import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SaltError } from '../bus/errors.ts';
import type { Py } from '../bus/values.ts';
import { dumpJson, parseJson } from '../sls/json.ts';
import { str } from '../sls/values.ts';

/** After so many ms a lock belongs to a process that died. */
const STALE_MS = 10_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * Queues of items that operators fill and empty, one JSON list a queue under a folder. A change takes a lock, and appears whole or not
 * at all, so that several command lines may work at once.
 */
export class ItemQueues {
  constructor(private readonly dir: string) {}

  private path(queue: string): string {
    if (!NAME.test(queue)) throw new SaltError('SaltInvocationError', `'${queue}' cannot be the name of a queue`);
    return join(this.dir, `${queue}.json`);
  }

  names(): string[] {
    try {
      return readdirSync(this.dir)
        .filter((f) => f.endsWith('.json'))
        .map((f) => f.slice(0, -5))
        .sort();
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw e;
    }
  }

  items(queue: string): Py[] {
    try {
      const read = parseJson(readFileSync(this.path(queue), 'utf8'));
      return Array.isArray(read) ? read : [];
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw e;
    }
  }

  /** Changes a queue; `change` gets the items and answers those that stay, and what to answer. */
  private async change<T>(queue: string, change: (items: Py[]) => { keep: Py[]; answer: T }): Promise<T> {
    const path = this.path(queue);
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const lock = `${path}.lock`;
    await take(lock);
    try {
      const { keep, answer } = change(this.items(queue));
      writeFileSync(`${path}.new`, dumpJson(keep, { fallback: str }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      return answer;
    } finally {
      rmSync(lock, { force: true });
    }
  }

  /** Adds items at the end; what is in the queue already is not added again. True, or what was there. */
  insert(queue: string, items: readonly Py[]): Promise<true | string> {
    return this.change<true | string>(queue, (old) => {
      const known = new Set(old.map(text));
      const double = items.filter((i) => known.has(text(i)));
      if (!double.length) return { keep: [...old, ...items], answer: true };
      const told = items.length === 1 ? 'Item already exists' : 'One or more items already exists';
      return { keep: old, answer: `${told}: ${items.map(str).join(', ')}` };
    });
  }

  delete(queue: string, items: readonly Py[]): Promise<true> {
    const gone = new Set(items.map(text));
    return this.change(queue, (old) => ({ keep: old.filter((i) => !gone.has(text(i))), answer: true as const }));
  }

  /** Takes items from the front, so many or all. */
  pop(queue: string, quantity: number | 'all'): Promise<Py[]> {
    return this.change(queue, (old) => {
      const n = quantity === 'all' ? old.length : quantity;
      return { keep: old.slice(n), answer: old.slice(0, n) };
    });
  }
}

const text = (item: Py): string => dumpJson(item, { fallback: str, sortKeys: true });

async function take(lock: string): Promise<void> {
  for (;;)
    try {
      closeSync(openSync(lock, 'wx', 0o600));
      return;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
      let age = 0;
      try {
        age = Date.now() - statSync(lock).mtimeMs;
      } catch (gone) {
        if ((gone as NodeJS.ErrnoException).code !== 'ENOENT') throw gone;
      }
      if (age > STALE_MS) rmSync(lock, { force: true });
      else await pause(5);
    }
}
