const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const TRAILING = new RegExp(`${SPACE}+$`);
const LEADING = new RegExp(`^${SPACE}+`);

/** The lines of a text as Python's `str.splitlines` sees them; a final line end opens no further line. */
export function splitLines(text: string, keepEnds = false): string[] {
  const out: string[] = [];
  let at = 0;
  for (const m of text.matchAll(LINE_END)) {
    out.push(text.slice(at, m.index + (keepEnds ? m[0].length : 0)));
    at = m.index + m[0].length;
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}

/** `str.rstrip()`. */
export function trimEnd(text: string): string {
  return text.replace(TRAILING, '');
}

/** `str.lstrip()`. */
export function trimStart(text: string): string {
  return text.replace(LEADING, '');
}

/** `str.strip()`. */
export function trim(text: string): string {
  return trimStart(trimEnd(text));
}

/** Number of characters (code points). */
export function widthOf(text: string): number {
  return /[\ud800-\udbff]/.test(text) ? Array.from(text).length : text.length;
}

const BLANK = '[\\t\\n\\v\\f\\r ]';
const INK = '[^\\t\\n\\v\\f\\r ]';
const LETTER = '[\\p{L}\\p{No}\\p{Nl}_]';
const INNER = '[\\p{L}\\p{N}_!"\'&.,?]';
/** A run of blanks, a dash between words, or a word up to a hyphen that may end a line. */
const PIECE = new RegExp(
  `${BLANK}+|(?<=${INNER})-{2,}(?=[\\p{L}\\p{N}_])|${INK}+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${INNER}-))(?=${LETTER}-?${LETTER})|(?=${BLANK}|$)|(?<=${INNER})(?=-{2,}[\\p{L}\\p{N}_]))`,
  'gu',
);

/** Fills lines of at most `width` characters, each behind `indent`, as Python's textwrap does; blank text gives no line. */
export function wrapText(text: string, width: number, indent = ''): string[] {
  const plain = expandTabs(text).replace(/[\t\n\v\f\r]/g, ' ');
  const pieces = plain.match(PIECE) ?? [];
  const room = Math.max(1, width - widthOf(indent));
  const lines: string[] = [];
  while (pieces.length) {
    const line: string[] = [];
    let used = 0;
    if (lines.length && pieces[0]!.trim() === '') pieces.shift();
    while (pieces.length && used + widthOf(pieces[0]!) <= room) {
      used += widthOf(pieces[0]!);
      line.push(pieces.shift()!);
    }
    if (pieces.length && widthOf(pieces[0]!) > room) {
      // A word longer than a line is cut, at a hyphen if one fits.
      const left = Math.max(1, room - used);
      const chars = Array.from(pieces[0]!);
      let cut = left;
      if (chars.length > left) {
        const hyphen = chars.lastIndexOf('-', left - 1);
        if (hyphen > 0 && chars.slice(0, hyphen).some((c) => c !== '-')) cut = hyphen + 1;
      }
      if (used < room || !line.length) {
        line.push(chars.slice(0, cut).join(''));
        pieces[0] = chars.slice(cut).join('');
        if (!pieces[0]) pieces.shift();
      }
    }
    if (line.length && line.at(-1)!.trim() === '') line.pop();
    if (line.length) lines.push(indent + line.join(''));
  }
  return lines;
}

/** Tabs to columns of eight, counted from the last line end. */
function expandTabs(text: string): string {
  if (!text.includes('\t')) return text;
  let out = '';
  let column = 0;
  for (const c of text) {
    if (c === '\t') {
      const n = 8 - (column % 8);
      out += ' '.repeat(n);
      column += n;
    } else {
      out += c;
      column = c === '\n' || c === '\r' ? 0 : column + 1;
    }
  }
  return out;
}
