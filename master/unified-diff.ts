/** Lines of context around a change. */
const CONTEXT = 3;

interface Line {
  mark: ' ' | '-' | '+';
  text: string;
}

/** Each line of both texts, kept, taken away or added: by the longest common subsequence. */
function compareLines(a: readonly string[], b: readonly string[]): Line[] {
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const [row, next] = [common[i]!, common[i + 1]!];
      row[j] = a[i] === b[j] ? next[j + 1]! + 1 : Math.max(next[j]!, row[j + 1]!);
    }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length)
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: ' ', text: a[i++]! });
      j++;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!))
      lines.push({ mark: '-', text: a[i++]! });
    else lines.push({ mark: '+', text: b[j++]! });
  return lines;
}

/** The differences of two texts in the unified format; '' when there are none. Meant for answers of some thousand lines at most. */
export function unifiedDiff(from: string, to: string, fromName: string, toName: string): string {
  const lines = compareLines(from.split('\n'), to.split('\n'));
  const near = lines.map((_l, i) => lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some((l) => l.mark !== ' '));
  const out: string[] = [];
  let [a, b] = [1, 1];
  for (let i = 0; i < lines.length; ) {
    if (!near[i]) {
      a++;
      b++;
      i++;
      continue;
    }
    let end = i;
    while (end < lines.length && near[end]) end++;
    const hunk = lines.slice(i, end);
    const count = (mark: '-' | '+'): number => hunk.filter((l) => l.mark !== mark).length;
    const [lost, gained] = [count('+'), count('-')];
    out.push(`@@ -${a},${lost} +${b},${gained} @@`, ...hunk.map((l) => l.mark + l.text));
    a += lost;
    b += gained;
    i = end;
  }
  return out.length ? [`--- ${fromName}`, `+++ ${toName}`, ...out].join('\n') : '';
}
