import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';

/** JSON into Python form, telling `4.0` from `4` by the source text, as the recorded answers need it. */
export function parsePyJson(text: string): Py {
  let i = 0;
  const blank = (): void => {
    while (/\s/.test(text[i] ?? '')) i++;
  };
  const value = (): Py => {
    blank();
    const c = text[i];
    if (c === '{') {
      const d = new PyDict();
      i++;
      for (blank(); text[i] !== '}'; blank()) {
        if (text[i] === ',') {
          i++;
          blank();
        }
        const key = value();
        blank();
        i++;
        d.set(key, value());
      }
      i++;
      return d;
    }
    if (c === '[') {
      const list: Py[] = [];
      i++;
      for (blank(); text[i] !== ']'; blank()) {
        if (text[i] === ',') i++;
        list.push(value());
      }
      i++;
      return list;
    }
    if (c === '"') {
      const m = /"(?:[^"\\]|\\.)*"/y;
      m.lastIndex = i;
      const s = m.exec(text)![0];
      i += s.length;
      return JSON.parse(s) as string;
    }
    const m = /[^\s,\]}]+/y;
    m.lastIndex = i;
    const word = m.exec(text)![0];
    i += word.length;
    if (word === 'NaN') return mkFloat(Number.NaN);
    if (/^-?Infinity$/.test(word)) return mkFloat(word.startsWith('-') ? -Infinity : Infinity);
    if (/^-?\d+$/.test(word)) return Number.isSafeInteger(Number(word)) ? Number(word) : BigInt(word);
    if (/^-?\d/.test(word)) return mkFloat(Number(word));
    return JSON.parse(word) as boolean | null;
  };
  return value();
}

/** The cases of a file of recorded answers, in Python form. */
export function readCases(dir: string, file: string): PyDict[] {
  return parsePyJson(readFileSync(join(dir, file), 'utf8')) as PyDict[];
}
