/**
 * Matching tags against many globs at once. Globs are Python's fnmatch (case counts): `*` any text, `/` and line feeds included,
 * `?` one character, `[seq]` and `[!seq]` one of a set with ranges; an unclosed `[` stands for itself.
 */

type Token = { kind: 'text'; text: string } | { kind: 'one' } | { kind: 'set'; test: (c: string) => boolean };
const NEVER = (): boolean => false;

/** Reads a set between `[` and its `]`; ranges that run backwards hold nothing. */
function setOf(body: string): (c: string) => boolean {
  const negated = body.startsWith('!');
  const chars = [...(negated ? body.slice(1) : body)];
  const single = new Set<string>();
  const ranges: [string, string][] = [];
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] as string;
    if (chars[i + 1] === '-' && i + 2 < chars.length) {
      const to = chars[i + 2] as string;
      if (c <= to) ranges.push([c, to]);
      i += 2;
    } else single.add(c);
  }
  const inside = (c: string): boolean => single.has(c) || ranges.some(([a, b]) => c >= a && c <= b);
  return negated ? (c) => !inside(c) : inside;
}

/** A glob's parts between its stars. */
function parse(glob: string): Token[][] {
  const parts: Token[][] = [[]];
  const chars = [...glob];
  const text = (c: string): void => {
    const part = parts.at(-1) as Token[];
    const last = part.at(-1);
    if (last?.kind === 'text') last.text += c;
    else part.push({ kind: 'text', text: c });
  };
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] as string;
    if (c === '*') {
      if (parts.at(-1)?.length || parts.length === 1) parts.push([]);
    } else if (c === '?') (parts.at(-1) as Token[]).push({ kind: 'one' });
    else if (c === '[') {
      let j = i + 1;
      if (chars[j] === '!') j++;
      if (chars[j] === ']') j++;
      while (j < chars.length && chars[j] !== ']') j++;
      if (j >= chars.length) text('[');
      else {
        const body = chars.slice(i + 1, j).join('');
        (parts.at(-1) as Token[]).push({ kind: 'set', test: body === '' ? NEVER : setOf(body) });
        i = j;
      }
    } else text(c);
  }
  return parts;
}

/** Where a part ends when it matches at `at`, or -1. */
function matchPart(part: readonly Token[], s: string, at: number): number {
  let p = at;
  for (const t of part) {
    if (t.kind === 'text') {
      if (!s.startsWith(t.text, p)) return -1;
      p += t.text.length;
    } else {
      const code = s.codePointAt(p);
      if (code === undefined) return -1;
      const c = String.fromCodePoint(code);
      if (t.kind === 'set' && !t.test(c)) return -1;
      p += c.length;
    }
  }
  return p;
}

/** Compiles a glob to a test. Its cost grows with the tag's length times the glob's, whatever the stars. */
export function compileGlob(glob: string): (tag: string) => boolean {
  if (!/[*?[]/.test(glob)) return (tag) => tag === glob;
  if (glob === '*') return () => true;
  const simple = /^([^*?[]*)\*$/.exec(glob);
  if (simple) {
    const head = simple[1] as string;
    return (tag) => tag.startsWith(head);
  }
  const parts = parse(glob);
  const first = parts[0] as Token[];
  const last = parts.at(-1) as Token[];
  const middle = parts.slice(1, -1);
  return (tag) => {
    let at = matchPart(first, tag, 0);
    if (at < 0) return false;
    if (parts.length === 1) return at === tag.length;
    for (const part of middle) {
      let end = -1;
      for (; at <= tag.length; at++) {
        end = matchPart(part, tag, at);
        if (end >= 0) break;
      }
      if (end < 0) return false;
      at = end;
    }
    if (last.length === 0) return true;
    for (; at <= tag.length; at++) if (matchPart(last, tag, at) === tag.length) return true;
    return false;
  };
}

interface Entry<T> {
  readonly glob: string;
  readonly value: T;
  readonly order: number;
  readonly test: (tag: string) => boolean;
}

/** Tags whose answers are remembered; hot tags repeat, tags with a job id in them do not. */
const CACHE = 1024;
const BUCKET = 4;

/** Many globs, each with a value, asked at once: exact tags by map, others by their literal first characters. */
export class TagMatcher<T> {
  private readonly exact = new Map<string, Entry<T>[]>();
  private readonly heads = new Map<string, Entry<T>[]>();
  private readonly loose: Entry<T>[] = [];
  private cache = new Map<string, readonly T[]>();
  private count = 0;

  /** Adds a glob; the function that comes back takes it out again. */
  add(glob: string, value: T): () => void {
    const entry: Entry<T> = { glob, value, order: this.count++, test: compileGlob(glob) };
    const literal = /^[^*?[]*/.exec(glob)?.[0] ?? '';
    const home =
      literal === glob
        ? this.listIn(this.exact, glob)
        : literal.length >= BUCKET
          ? this.listIn(this.heads, literal.slice(0, BUCKET))
          : this.loose;
    home.push(entry);
    this.cache.clear();
    return () => {
      const at = home.indexOf(entry);
      if (at >= 0) home.splice(at, 1);
      if (!home.length) {
        if (this.exact.get(glob) === home) this.exact.delete(glob);
        const head = literal.slice(0, BUCKET);
        if (this.heads.get(head) === home) this.heads.delete(head);
      }
      this.cache.clear();
    };
  }

  private listIn(map: Map<string, Entry<T>[]>, key: string): Entry<T>[] {
    let list = map.get(key);
    if (!list) {
      list = [];
      map.set(key, list);
    }
    return list;
  }

  /** Values whose glob matches, in the order in which they were added. The array is shared: do not change it. */
  match(tag: string): readonly T[] {
    const known = this.cache.get(tag);
    if (known) return known;
    const found: Entry<T>[] = [...(this.exact.get(tag) ?? [])];
    for (const e of this.heads.get(tag.slice(0, BUCKET)) ?? []) if (e.test(tag)) found.push(e);
    for (const e of this.loose) if (e.test(tag)) found.push(e);
    found.sort((a, b) => a.order - b.order);
    const values = found.map((e) => e.value);
    if (this.cache.size >= CACHE) this.cache.clear();
    this.cache.set(tag, values);
    return values;
  }
}
