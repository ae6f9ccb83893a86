import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { Roots } from '../sls/files/roots.ts';
import { str } from '../sls/values.ts';

/** Files that can be a module. */
const MODULE = /\.(pyx?|so|zip|js|cjs|ts)$/;

/** What a sync is told: environments, and names to take or to leave by kind. */
export interface SyncOrder {
  saltenv: Py;
  whitelist: Py;
  blacklist: Py;
}

/** Names of a kind in a list argument: a map by kind, or a text with commas. Undefined: no limit. */
function namesFor(form: string, v: Py): ReadonlySet<string> | undefined {
  const list = v instanceof PyDict ? v.get(form) : typeof v === 'string' && v ? v.split(',') : undefined;
  return Array.isArray(list) ? new Set(list.map(str)) : undefined;
}

/** Files below a folder, relative to it; none where it is not there. */
function filesIn(dir: string, root = dir): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() ? filesIn(join(dir, e.name), root) : [relative(root, join(dir, e.name))],
    );
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

function same(path: string, bytes: Uint8Array): boolean {
  try {
    return readFileSync(path).equals(bytes);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw e;
  }
}

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, bytes, { mode: 0o600 });
  renameSync(draft, path);
}

function removeEmpty(dir: string): void {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    if (!e.isDirectory()) continue;
    const below = join(dir, e.name);
    removeEmpty(below);
    if (readdirSync(below).length === 0) rmdirSync(below);
  }
}

/**
 * Copies an operator's modules of one kind from `salt://_<form>` into `extension_modules/<form>` and, with `clean_dynamic_modules`, removes there
 * what is gone. Answers what is new or changed as `<form>.<name>`.
 */
export function syncModules(opts: Opts, form: string, order: SyncOrder, log: Log): string[] {
  const target = join(opts.str('extension_modules'), form);
  const source = new Roots(opts);
  const only = namesFor(form, order.whitelist ?? opts.get('extmod_whitelist') ?? null);
  const not = namesFor(form, order.blacklist ?? opts.get('extmod_blacklist') ?? null);
  const changed: string[] = [];
  const there = new Set<string>();
  mkdirSync(target, { recursive: true, mode: 0o700 });
  const envs = Array.isArray(order.saltenv) ? order.saltenv.map(str) : str(order.saltenv ?? 'base').split(',');
  for (const env of envs)
    for (const path of source.tree(env).files) {
      if (!path.startsWith(`_${form}/`) || !MODULE.test(path)) continue;
      const inside = path.slice(form.length + 2);
      const name = inside.replace(/\.[^.]*$/, '').replaceAll('/', '.');
      if ((only && !only.has(name)) || not?.has(name) || there.has(inside)) continue;
      const found = source.find(path, env);
      if (!found) continue;
      there.add(inside);
      const bytes = readFileSync(found.path);
      if (same(join(target, inside), bytes)) continue;
      log.info(`Copying '${found.path}' to '${join(target, inside)}'`);
      write(join(target, inside), bytes);
      changed.push(`${form}.${name}`);
    }
  if (opts.flag('clean_dynamic_modules', true)) {
    for (const old of filesIn(target)) if (!there.has(old)) rmSync(join(target, old), { force: true });
    removeEmpty(target);
  }
  return changed;
}
