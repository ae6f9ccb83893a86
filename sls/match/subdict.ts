import { SaltError } from '../../bus/errors.ts';
import { fnmatch } from '../fnmatch.ts';
import { pyRegex } from '../regex.ts';
import { traverse } from '../traverse.ts';
import { type Py, PyDict, str } from '../values.ts';

/** How the last part of an expression is compared with a value: case never counts. */
export type Compare = 'glob' | 'regex' | 'exact';

/**
 * Whether nested data matches `key:sub:pattern` (Salt's subdict_match). The longest key path is tried first, so a value may hold the
 * delimiter itself. A pattern that is no valid regular expression matches nothing.
 */
export function matchesPath(data: PyDict, expression: string, delimiter: string, how: Compare): boolean {
  const parts = expression.split(delimiter);
  for (let i = parts.length - 1; i > 0; i--) {
    const key = parts.slice(0, i).join(delimiter);
    const everything = key === '*';
    const found = everything ? data : traverse(data, key, delimiter);
    const pattern = everything ? expression : parts.slice(i).join(delimiter);
    if (found === undefined) continue;
    if (found instanceof PyDict) {
      if (found.size && inDict(found, pattern, how)) return true;
    } else if (Array.isArray(found)) {
      if (found.some((m: Py) => (m instanceof PyDict && inDict(m, pattern, how)) || same(m, pattern, how))) return true;
    } else if (same(found, pattern, how)) return true;
  }
  return false;
}

function inDict(target: PyDict, wanted: string, how: Compare): boolean {
  const anywhere = wanted.startsWith('*:');
  const pattern = anywhere ? wanted.slice(2) : wanted;
  if (pattern === '*' || target.has(pattern)) return true;
  for (const key of target.keys()) if (same(key, pattern, how)) return true;
  if (matchesPath(target, pattern, ':', how)) return true;
  if (!anywhere) return false;
  for (const value of target.values()) {
    if (value instanceof PyDict) {
      if (inDict(value, pattern, how)) return true;
    } else if (Array.isArray(value)) {
      if (value.some((item: Py) => same(item, pattern, how))) return true;
    } else if (same(value, pattern, how)) return true;
  }
  return false;
}

function same(value: Py, pattern: string, how: Compare): boolean {
  const text = str(value).toLowerCase();
  const wanted = pattern.toLowerCase();
  if (how === 'exact') return text === wanted;
  if (how === 'glob') return fnmatch(text, wanted);
  try {
    return pyRegex(wanted).matches(text);
  } catch (e) {
    if (e instanceof SaltError && e.code === 'error') return false;
    throw e;
  }
}
