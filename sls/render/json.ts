/** Renderer `json`. */
import { type Py, PyDict } from '../../bus/values.ts';
import { parseJson } from '../json.ts';
import { textOf } from './yaml.ts';

/** Reads JSON into data, past a `#!` line; nothing but white space is an empty dict. Throws SaltError ValueError with Python's text. */
export function renderJson(input: Py): Py {
  const text = textOf(input);
  const body = text.startsWith('#!') ? text.slice(text.indexOf('\n') + 1) : text;
  return body.trim() ? parseJson(body) : new PyDict();
}
