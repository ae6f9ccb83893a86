import { SaltError } from '../../../bus/errors.ts';

/** Python's names of encodings that the platform's decoder knows differently or reads as something wider. */
const LATIN = new Set(['latin1', 'latin-1', 'latin_1', 'iso-8859-1', 'iso8859-1', 'iso_8859_1', 'l1']);

/** Bytes of a program's output as text: UTF-8 unless an encoding is named; what can't be read becomes U+FFFD and `replaced` says so. */
export function decodeOutput(bytes: Buffer, encoding: string | undefined): { text: string; replaced: boolean } {
  const name = (encoding ?? 'utf-8').toLowerCase();
  if (LATIN.has(name)) return { text: bytes.toString('latin1'), replaced: false };
  if (name === 'ascii' || name === 'us-ascii') {
    const replaced = bytes.some((b) => b > 127);
    return {
      text: replaced ? bytes.toString('latin1').replace(/[\x80-\xff]/g, '\ufffd') : bytes.toString('latin1'),
      replaced,
    };
  }
  let strict: InstanceType<typeof TextDecoder>;
  try {
    strict = new TextDecoder(
      name
        .replaceAll('_', '-')
        .replace(/^utf(\d)/, 'utf-$1')
        .replace(/^cp(\d)/, 'windows-$1'),
      { fatal: true, ignoreBOM: true },
    );
  } catch (e) {
    throw new SaltError('LookupError', `unknown encoding: ${encoding}`, {}, { cause: e });
  }
  try {
    return { text: strict.decode(bytes), replaced: false };
  } catch {
    return { text: new TextDecoder(strict.encoding, { ignoreBOM: true }).decode(bytes), replaced: true };
  }
}

const BLANK = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Python's `rstrip()`: its idea of white space includes the information separators and excludes the byte order mark. */
export function pyRstrip(text: string): string {
  // Looked at from its end: an expression anchored there would try each run of blanks of a long output.
  let end = text.length;
  while (end > 0 && BLANK.test(text[end - 1] as string)) end--;
  return text.slice(0, end);
}
