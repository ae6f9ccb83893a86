/** Unified diffs as Python's difflib makes them, line for line. */

interface Block {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}
interface Op {
  readonly tag: 'equal' | 'replace' | 'delete' | 'insert';
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
}

/** Lines of which a long text has this many are not looked up while matches are sought. */
const POPULAR_FROM = 200;

/** Places of each line in `b`, popular ones left out as in the original. */
function placesIn(b: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  b.forEach((line, i) => {
    const list = places.get(line);
    if (list) list.push(i);
    else places.set(line, [i]);
  });
  if (b.length >= POPULAR_FROM) {
    const most = Math.floor(b.length / 100) + 1;
    for (const [line, list] of places) if (list.length > most) places.delete(line);
  }
  return places;
}

/** The longest run of lines that both ranges have, the earliest of several. */
function longest(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, number[]>,
  range: readonly [number, number, number, number],
): Block {
  const [alo, ahi, blo, bhi] = range;
  let [bestA, bestB, size] = [alo, blo, 0];
  let lengths = new Map<number, number>();
  for (let i = alo; i < ahi; i++) {
    const next = new Map<number, number>();
    for (const j of places.get(a[i] as string) ?? []) {
      if (j < blo) continue;
      if (j >= bhi) break;
      const k = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, k);
      if (k > size) [bestA, bestB, size] = [i - k + 1, j - k + 1, k];
    }
    lengths = next;
  }
  while (bestA > alo && bestB > blo && a[bestA - 1] === b[bestB - 1]) {
    bestA--;
    bestB--;
    size++;
  }
  while (bestA + size < ahi && bestB + size < bhi && a[bestA + size] === b[bestB + size]) size++;
  return { a: bestA, b: bestB, size };
}

function matches(a: readonly string[], b: readonly string[]): Block[] {
  const places = placesIn(b);
  const todo: [number, number, number, number][] = [[0, a.length, 0, b.length]];
  const found: Block[] = [];
  for (let range = todo.pop(); range; range = todo.pop()) {
    const m = longest(a, b, places, range);
    if (!m.size) continue;
    found.push(m);
    const [alo, ahi, blo, bhi] = range;
    if (alo < m.a && blo < m.b) todo.push([alo, m.a, blo, m.b]);
    if (m.a + m.size < ahi && m.b + m.size < bhi) todo.push([m.a + m.size, ahi, m.b + m.size, bhi]);
  }
  found.sort((x, y) => x.a - y.a || x.b - y.b);
  const joined: { a: number; b: number; size: number }[] = [];
  for (const m of found) {
    const last = joined.at(-1);
    if (last && last.a + last.size === m.a && last.b + last.size === m.b) last.size += m.size;
    else joined.push({ ...m });
  }
  return [...joined, { a: a.length, b: b.length, size: 0 }];
}

function opcodes(a: readonly string[], b: readonly string[]): Op[] {
  const ops: Op[] = [];
  let [i, j] = [0, 0];
  for (const m of matches(a, b)) {
    const tag = i < m.a && j < m.b ? 'replace' : i < m.a ? 'delete' : j < m.b ? 'insert' : undefined;
    if (tag) ops.push({ tag, a1: i, a2: m.a, b1: j, b2: m.b });
    [i, j] = [m.a + m.size, m.b + m.size];
    if (m.size) ops.push({ tag: 'equal', a1: m.a, a2: i, b1: m.b, b2: j });
  }
  return ops;
}

/** Operations in groups with `n` equal lines around them. */
function grouped(ops: Op[], n: number): Op[][] {
  if (!ops.length) return [];
  const first = ops[0] as Op;
  if (first.tag === 'equal')
    ops[0] = { ...first, a1: Math.max(first.a1, first.a2 - n), b1: Math.max(first.b1, first.b2 - n) };
  const last = ops.at(-1) as Op;
  if (last.tag === 'equal')
    ops[ops.length - 1] = { ...last, a2: Math.min(last.a2, last.a1 + n), b2: Math.min(last.b2, last.b1 + n) };
  const groups: Op[][] = [];
  let group: Op[] = [];
  for (const op of ops) {
    let { a1, b1 } = op;
    if (op.tag === 'equal' && op.a2 - op.a1 > 2 * n) {
      group.push({ ...op, a2: Math.min(op.a2, a1 + n), b2: Math.min(op.b2, b1 + n) });
      groups.push(group);
      group = [];
      a1 = Math.max(a1, op.a2 - n);
      b1 = Math.max(b1, op.b2 - n);
    }
    group.push({ ...op, a1, b1 });
  }
  if (group.length && !(group.length === 1 && group[0]?.tag === 'equal')) groups.push(group);
  return groups;
}

function range(start: number, stop: number): string {
  const length = stop - start;
  if (length === 1) return String(start + 1);
  return `${length ? start + 1 : start},${length}`;
}

/**
 * `difflib.unified_diff`: the lines of a diff with three lines of context, none where nothing differs. File names stand in the two
 * head lines; `end` ends the lines that the diff itself adds.
 */
export function unifiedDiff(a: readonly string[], b: readonly string[], from = '', to = '', end = '\n'): string[] {
  const out: string[] = [];
  for (const group of grouped(opcodes(a, b), 3)) {
    if (!out.length) out.push(`--- ${from}${end}`, `+++ ${to}${end}`);
    const [first, last] = [group[0] as Op, group.at(-1) as Op];
    out.push(`@@ -${range(first.a1, last.a2)} +${range(first.b1, last.b2)} @@${end}`);
    for (const op of group) {
      if (op.tag === 'equal') for (const l of a.slice(op.a1, op.a2)) out.push(` ${l}`);
      if (op.tag === 'replace' || op.tag === 'delete') for (const l of a.slice(op.a1, op.a2)) out.push(`-${l}`);
      if (op.tag === 'replace' || op.tag === 'insert') for (const l of b.slice(op.b1, op.b2)) out.push(`+${l}`);
    }
  }
  return out;
}
