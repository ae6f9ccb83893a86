/** How `{{ }}` prints data: as Python does, but text with line breaks inside a dict as a double-quoted YAML scalar. */
import { SaltError } from '../../../bus/errors.ts';
import { Markup, type Py, PyDict, PySet, PyTuple, repr, str } from '../../values.ts';
import { GroupTuple } from './group-tuple.ts';

const ESCAPES: Record<string, string> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\xa0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};
/** A text as one double-quoted YAML scalar on one line; `unicode` keeps printable characters beyond ASCII. */
export function doubleQuoted(text: string, unicode: boolean): string {
  let out = '"';
  for (const c of text) {
    const n = c.codePointAt(0) as number;
    const known = ESCAPES[c];
    if (known !== undefined && !(unicode && c === '\xa0')) out += known;
    else if (n >= 0x20 && n <= 0x7e) out += c;
    else if (unicode && n >= 0xa0 && n <= 0xfffd && n !== 0xfeff && (n < 0xd800 || n > 0xdfff)) out += c;
    else if (n <= 0xff) out += `\\x${n.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (n <= 0xffff) out += `\\u${n.toString(16).toUpperCase().padStart(4, '0')}`;
    else out += `\\U${n.toString(16).toUpperCase().padStart(8, '0')}`;
  }
  return `${out}"`;
}

function scalar(v: string): string {
  return /[\n\r\t]/.test(v) ? doubleQuoted(v, true) : repr(v);
}
function inside(v: Py): string {
  if (typeof v === 'object' && v !== null) {
    if (v instanceof PyDict) return dictText(v, inside);
    if (v instanceof GroupTuple)
      // The reference rebuilds what it prints and cannot build this kind from a list.
      throw new SaltError('TypeError', "_GroupTuple.__new__() missing 1 required positional argument: 'list'");
    if (v instanceof PyTuple) return `(${v.map((x) => inside(x as Py)).join(', ')}${v.length === 1 ? ',' : ''})`;
    if (Array.isArray(v)) return `[${v.map((x) => inside(x as Py)).join(', ')}]`;
  }
  return repr(v);
}
function dictText(d: PyDict, text: (v: Py) => string): string {
  let out = '';
  for (const [k, v] of d)
    out += `${out ? ', ' : ''}${repr(k)}: ${typeof v === 'string' ? scalar(v) : v instanceof Markup ? repr(v) : text(v)}`;
  return `{${out}}`;
}

/** `str(finalize(v))` of a value that is no plain text. */
export function printable(v: Py): string {
  if (typeof v !== 'object' || v === null || v instanceof PySet) return str(v);
  if (v instanceof PyDict) return dictText(v, printable);
  return Array.isArray(v) ? inside(v) : str(v);
}
