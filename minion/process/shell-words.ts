import { SaltError } from '../../bus/errors.ts';

/**
 * Splits a command line into words as a POSIX shell would, without expansion (Python's `shlex.split`). Throws ValueError with
 * Python's texts for an open quote or a trailing backslash.
 */
export function shellSplit(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let i = 0;
  while (i < text.length) {
    const c = text[i] as string;
    if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw new SaltError('ValueError', 'No closing quotation');
      word = (word ?? '') + text.slice(i + 1, end);
      i = end + 1;
    } else if (c === '"') {
      word ??= '';
      for (i++; ; i++) {
        const q = text[i];
        if (q === undefined) throw new SaltError('ValueError', 'No closing quotation');
        if (q === '"') break;
        if (q === '\\' && i + 1 >= text.length) throw new SaltError('ValueError', 'No escaped character');
        if (q === '\\' && (text[i + 1] === '"' || text[i + 1] === '\\')) word += text[++i];
        else word += q;
      }
      i++;
    } else if (c === '\\') {
      if (i + 1 >= text.length) throw new SaltError('ValueError', 'No escaped character');
      word = (word ?? '') + text[i + 1];
      i += 2;
    } else if (c === ' ' || c === '\t' || c === '\r' || c === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
      i++;
    } else {
      word = (word ?? '') + c;
      i++;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Quotes a text so that a POSIX shell reads it back as one word (Python's `shlex.quote`). */
export function shellQuote(text: string): string {
  if (text === '') return "''";
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
