import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { globOf } from '../sls/fnmatch.ts';
import { type Form, loadModule } from './runner-call.ts';

declare const __brine_dist: string;

/** Names of all built-in runner or wheel modules, sorted. */
export function moduleNames(form: Form): string[] {
  return readdirSync(join(__brine_dist, 'master', form === 'runner' ? 'runners' : 'wheel'))
    .filter((f) => f.endsWith('.js'))
    .map((f) => f.slice(0, -3))
    .sort();
}

/**
 * Documentation by function, sorted by name: of all, of a module (`jobs`), of one function (`jobs.active`), or of those that a
 * shell pattern with a star means.
 */
export function docsOf(form: Form, wanted = ''): Map<string, string> {
  const test = wanted.includes('*') ? globOf(wanted) : undefined;
  const found = new Map<string, string>();
  for (const module of moduleNames(form)) {
    if (wanted && !test && module !== wanted.replace(/\..*$/s, '')) continue;
    for (const [name, f] of Object.entries(loadModule(form, module)?.functions ?? {})) {
      const full = `${module}.${name}`;
      const prefix = wanted.endsWith('.') ? wanted : `${wanted}.`;
      if (!wanted || (test ? test(full) : full === wanted || full.startsWith(prefix))) found.set(full, f.doc);
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
