/** Jinja's `wordwrap`: every line filled by itself, white space kept as it is. */
import { splitLines } from '../../text-layout.ts';
import { chars, textLength } from '../../values.ts';

const BLANK = '[\\t\\n\\v\\f\\r ]';
const WORD = '[\\p{L}\\p{N}_!"\'&.,?]';
const LETTER = '[\\p{L}\\p{Nl}\\p{No}_]';
const HYPHENS = new RegExp(
  `${BLANK}+|(?<=${WORD})-{2,}(?=[\\p{L}\\p{N}_])|[^\\t\\n\\v\\f\\r ]+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${LETTER}-))(?=${LETTER}-?${LETTER})|(?=${BLANK}|$)|(?<=${WORD})(?=-{2,}[\\p{L}\\p{N}_]))`,
  'gu',
);
const SPACES = new RegExp(`${BLANK}+|[^\\t\\n\\v\\f\\r ]+`, 'gu');

function fill(line: string, width: number, breakLong: boolean, hyphens: boolean): string[] {
  const pieces: string[] = line.match(hyphens ? HYPHENS : SPACES) ?? [];
  const out: string[] = [];
  let at = 0;
  while (at < pieces.length) {
    const row: string[] = [];
    let used = 0;
    if (out.length && (pieces[at] as string).trim() === '') at++;
    while (at < pieces.length && used + textLength(pieces[at] as string) <= width) {
      used += textLength(pieces[at] as string);
      row.push(pieces[at++] as string);
    }
    const next = pieces[at];
    if (next !== undefined && textLength(next) > width) {
      if (breakLong) {
        const list = chars(next);
        // A row that is full already gets an empty piece, which then is what is dropped at its end.
        const room = width - used;
        let cut = room;
        if (hyphens && list.length > room) {
          const h = list.lastIndexOf('-', room - 1);
          if (room > 0 && h > 0 && list.slice(0, h).some((c) => c !== '-')) cut = h + 1;
        }
        row.push(list.slice(0, cut).join(''));
        const rest = list.slice(cut).join('');
        if (rest) pieces[at] = rest;
        else at++;
      } else if (!row.length) row.push(pieces[at++] as string);
    }
    if (row.length && (row.at(-1) as string).trim() === '') row.pop();
    if (row.length) out.push(row.join(''));
    else if (at >= pieces.length) break;
  }
  return out;
}

/** Lines of at most `width` characters joined by `wrap`. */
export function wordWrap(text: string, width: number, breakLong: boolean, wrap: string, hyphens: boolean): string {
  return splitLines(text)
    .map((l) => fill(l, Math.max(1, width), breakLong, hyphens).join(wrap))
    .join(wrap);
}
