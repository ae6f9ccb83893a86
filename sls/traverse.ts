import { numberOf, type Py, PyDict, PyTuple, parseIntText } from './values.ts';

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

/** What the text spells in YAML if that is no text; undefined if it is. */
function scalarOf(text: string): Py | undefined {
  const t = text.trim();
  if (/^(~|null|Null|NULL|None)$/.test(t)) return null;
  if (/^(true|True|TRUE|yes|Yes|YES|on|On|ON)$/.test(t)) return true;
  if (/^(false|False|FALSE|no|No|NO|off|Off|OFF)$/.test(t)) return false;
  if (/^[-+]?0[0-7]+$/.test(t)) return Number.parseInt(t, 8);
  if (/^[-+]?(0|[1-9]\d*)$/.test(t) || /^[-+]?0x[0-9a-fA-F]+$/.test(t)) return parseIntText(t, 0);
  if (/^[-+]?(\d+\.\d*|\.\d+)([eE][-+]\d+)?$/.test(t)) return Number(t);
  return undefined;
}
