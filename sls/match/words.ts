import { type Py, str } from '../values.ts';

/** The words that join and group the parts of a compound target. */
export const OPERATORS: ReadonlySet<string> = new Set(['and', 'or', 'not', '(', ')']);

/** A part of a compound target: `G@os:Debian`, `P|@os|De.*`, or a plain glob (no engine). */
export interface Part {
  engine: string | undefined;
  delimiter: string | undefined;
  pattern: string;
}

/** Splits at white space of any kind, as Python's `str.split()`. */
export function splitWords(text: string): string[] {
  return text.split(/[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/).filter(Boolean);
}

/** The words of a compound target given as text or list; undefined for anything else, which matches nothing. */
export function compoundWords(tgt: Py): string[] | undefined {
  if (typeof tgt === 'string') return splitWords(tgt);
  return Array.isArray(tgt) ? tgt.map((w: Py) => str(w)) : undefined;
}

/** Takes a word apart: engine letter, its delimiter (G, P, I and J only) and pattern. */
export function parsePart(word: string): Part {
  const m = /^(?:([GPIJLNSERTM])((?<=[GPIJ]).)?@)?(.+)$/u.exec(word);
  return { engine: m?.[1], delimiter: m?.[2], pattern: m?.[3] ?? word };
}
