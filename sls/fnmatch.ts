/** A compiled shell pattern, as Python's fnmatch on a case-sensitive system. Linear in the text, whatever the pattern. */
export type Glob = (text: string) => boolean;

const CACHE_SIZE = 2048;
const cache = new Map<string, Glob>();

/** Whether `text` matches the shell pattern (`*`, `?`, `[seq]`, `[!seq]`); a pattern is compiled once. */
export function fnmatch(text: string, pattern: string): boolean {
  return globOf(pattern)(text);
}

/** The compiled form of a pattern, for a caller with many texts. */
export function globOf(pattern: string): Glob {
  const known = cache.get(pattern);
  if (known) return known;
  const made = compile(pattern);
  if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value!);
  cache.set(pattern, made);
  return made;
}

/** Whether a text holds a character that fnmatch treats specially. */
export function hasGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

function compile(pattern: string): Glob {
  if (!hasGlob(pattern)) return (text) => text === pattern;
  const parts = segments(pattern);
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  const re =
    parts.length === 1
      ? new RegExp(`^${first}$`, 'us')
      : // A middle part found at its first place never needs another one: capture in a lookahead, consume, do not go back.
        new RegExp(
          `^${first}${parts
            .slice(1, -1)
            .map((p, i) => (p ? `(?=(.*?${p}))\\${i + 1}` : '(?=())'))
            .join('')}.*${last}$`,
          'us',
        );
  return (text) => re.test(text);
}

/** The pattern cut at its stars, each part as regular expression source. */
function segments(pattern: string): string[] {
  const text = Array.from(pattern);
  const out = [''];
  for (let i = 0; i < text.length; ) {
    const c = text[i++]!;
    if (c === '*') {
      out.push('');
      continue;
    }
    let source = c === '?' ? '.' : literal(c);
    if (c === '[') {
      let end = i;
      if (text[end] === '!') end++;
      if (text[end] === ']') end++;
      while (end < text.length && text[end] !== ']') end++;
      if (end < text.length) {
        source = bracket(text.slice(i, end));
        i = end + 1;
      }
    }
    out[out.length - 1] += source;
  }
  return out;
}

function literal(c: string): string {
  return /^[A-Za-z0-9_]$/.test(c) ? c : `\\u{${c.codePointAt(0)!.toString(16)}}`;
}

function bracket(content: string[]): string {
  const negated = content[0] === '!';
  const items = negated ? content.slice(1) : content;
  let inner = '';
  for (let i = 0; i < items.length; ) {
    const lo = items[i]!;
    const hi = items[i + 2];
    if (items[i + 1] === '-' && hi !== undefined) {
      if (lo.codePointAt(0)! <= hi.codePointAt(0)!) inner += `${literal(lo)}-${literal(hi)}`;
      i += 3;
    } else {
      inner += literal(lo);
      i++;
    }
  }
  return inner ? `[${negated ? '^' : ''}${inner}]` : negated ? '.' : '(?!)';
}
