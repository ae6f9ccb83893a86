import { yamlify } from './args.ts';
import { numberOf, type Py, PyDict, PyFloat, PyTuple, parseIntText } from './values.ts';

/** Keys that YAML reads as text, which most are: not worth a parser. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const WORDS: ReadonlySet<string> = new Set(['null', 'none', 'true', 'false', 'yes', 'no', 'on', 'off', 'y', 'n']);

/**
 * Follows a path such as `site:rack:0` through dicts and lists (Salt's traverse_dict_and_list). In a list a number is an index, a
 * name is looked for in the dicts of the list; a key that is missing as text is tried as the number, bool or null it spells.
 * Answers undefined where the path leads nowhere.
 */
export function traverse(data: Py, path: string | readonly string[], delimiter = ':'): Py | undefined {
  let at = data;
  for (const key of typeof path === 'string' ? path.split(delimiter) : path) {
    const next =
      Array.isArray(at) && !(at instanceof PyTuple)
        ? inList(at, key)
        : at instanceof PyDict
          ? inDict(at, key)
          : undefined;
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}

function inList(list: Py[], key: string): Py | undefined {
  const index = parseIntText(key);
  for (const item of list) {
    if (!(item instanceof PyDict)) continue;
    const found = item.get(index ?? key);
    if (found !== undefined) return found;
  }
  if (index === undefined) return undefined;
  const n = numberOf(index)!;
  return list[n < 0 ? list.length + n : n];
}

function inDict(map: PyDict, key: string): Py | undefined {
  const found = map.get(key);
  if (found !== undefined) return found;
  const other = scalarOf(key);
  return other === undefined ? undefined : map.get(other);
}

/** What the text spells as an argument, if that is another dict key than the text itself; undefined otherwise. */
function scalarOf(text: string): Py | undefined {
  if (PLAIN.test(text) && !WORDS.has(text.toLowerCase())) return undefined;
  const read = yamlify(text);
  return read === null || typeof read !== 'object' || read instanceof PyFloat ? read : undefined;
}
