import { basename, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Py, PyDict } from '../bus/values.ts';
import { typeName } from './values.ts';

/** Salt's way of joining: leading slashes of later parts do not start over. */
export function joinPaths(root: string, ...parts: string[]): string {
  const rest = parts.map((p) => p.replace(/^\/+/, ''));
  return rest.every((p) => p === '') ? root : normalize(join(root, ...rest));
}

/** The reference's complaint about an option that should be a path; the hint names the option. */
export function notPath(key: string, v: Py): SaltError {
  return new SaltError('TypeError', `expected str, bytes or os.PathLike object, not ${typeName(v)}`, {
    hint: `Give ${key} as text: it is a path.`,
  });
}

/** Whether an option holds a path that may be moved below root_dir: set, and no address such as `udp://…`. */
export function isMovablePath(opts: PyDict, key: string): boolean {
  const v = opts.get(key) ?? null;
  if (v !== null && typeof v !== 'string') throw notPath(key, v);
  return v !== null && !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(v);
}

/** Puts the given path options below `root_dir`, unless they are there already. One that is set but no text throws SaltError AttributeError. */
export function prependRootDir(opts: PyDict, keys: readonly string[]): void {
  const root = resolve(String(opts.get('root_dir') ?? '/'));
  for (const key of keys) {
    const v = opts.get(key);
    if (v === undefined) continue;
    if (typeof v !== 'string')
      throw new SaltError('AttributeError', `'${typeName(v)}' object has no attribute 'startswith'`, {
        hint: `Give ${key} as text: it is a path.`,
      });
    const below = root !== '/' && v.startsWith(`${root}/`) ? v.slice(root.length) : v;
    opts.set(key, joinPaths(root, below));
  }
}

/** `log_dir` moves a relative or default `log_file`. */
export function adjustLogFile(overrides: PyDict, defaultFile: string): void {
  const dir = overrides.get('log_dir');
  if (typeof dir !== 'string' || !dir) return;
  const file = overrides.get('log_file');
  if (typeof file !== 'string' || !file) overrides.set('log_file', join(dir, basename(defaultFile)));
  else if (!isAbsolute(file)) overrides.set('log_file', join(dir, file));
}

/** `append_minionid_config_dirs`: gives several minions of one machine folders of their own. */
export function appendIdToDirs(opts: PyDict, id: string): void {
  const wanted = opts.get('append_minionid_config_dirs');
  if (!Array.isArray(wanted)) return;
  for (const key of wanted) {
    const v = typeof key === 'string' ? opts.get(key) : undefined;
    if (typeof v !== 'string') continue;
    if (key === 'pki_dir' || key === 'cachedir' || key === 'extension_modules') opts.set(key, join(v, id));
    else if (key === 'default_include') opts.set(key, join(dirname(v), id, basename(v)));
    else if (key === 'pidfile') opts.set(key, join(dirname(v), 'salt', id, basename(v)));
  }
}
