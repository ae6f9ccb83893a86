import { type Py, type PyDict, str } from '../values.ts';
import { OPERATORS, splitWords } from './words.ts';

/**
 * The words of a nodegroup with the groups that it names put in their place, as the master publishes them. Unknown groups and
 * groups that contain themselves expand to nothing. A group that names no other is given as written, without parentheses.
 */
export function expandNodegroup(name: string, nodegroups: PyDict): string[] {
  return expand(name, nodegroups, new Set(), true);
}

function expand(name: string, nodegroups: PyDict, above: ReadonlySet<string>, outermost: boolean): string[] {
  const words = above.has(name) ? undefined : definition(nodegroups.get(name));
  if (!words) return [];
  const inside = new Set(above).add(name);
  const out: string[] = [];
  let nested = false;
  for (const word of words) {
    const group = !OPERATORS.has(word) && word.length >= 3 && word.startsWith('N@');
    if (group) out.push(...expand(word.slice(2), nodegroups, inside, false));
    else out.push(word);
    nested ||= group;
  }
  if (outermost && nested) return out.length ? ['(', ...out, ')'] : out;
  const asOne = singleWord(words);
  if (asOne !== undefined) return [asOne];
  return outermost ? words : out.length ? ['(', ...out, ')'] : out;
}

function definition(value: Py | undefined): string[] | undefined {
  if (typeof value === 'string') return splitWords(value);
  return Array.isArray(value) ? value.map((w: Py) => str(w)) : undefined;
}

/** Bare names without operators are a list of ids, or a regular expression if one of them looks like it. */
function singleWord(words: readonly string[]): string | undefined {
  if (words.some((w) => OPERATORS.has(w) || w.includes('*') || /^[A-Z]@/.test(w))) return undefined;
  return `${words.some((w) => /[([{\\?}\])]/.test(w)) ? 'E' : 'L'}@${words.join(',')}`;
}
