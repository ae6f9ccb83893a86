import { randomInt } from 'node:crypto';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
const BLANKS = ' \t\n\r\x0b\x0c';

/** Kinds of characters a random text may have. */
export interface Characters {
  readonly chars?: string;
  readonly lowercase?: boolean;
  readonly uppercase?: boolean;
  readonly digits?: boolean;
  readonly punctuation?: boolean;
  readonly whitespace?: boolean;
  readonly printable?: boolean;
}

/** A text of unpredictable characters. */
export function secretText(length: number, c: Characters): string {
  let from = c.printable ? DIGITS + LOWER + LOWER.toUpperCase() + PUNCTUATION + BLANKS : (c.chars ?? '');
  if (!from) {
    if (c.lowercase) from += LOWER;
    if (c.uppercase) from += LOWER.toUpperCase();
    if (c.digits) from += DIGITS;
    if (c.punctuation) from += PUNCTUATION;
    if (c.whitespace) from += BLANKS;
  }
  const all = [...from];
  return Array.from({ length: all.length ? length : 0 }, () => all[randomInt(all.length)]).join('');
}
