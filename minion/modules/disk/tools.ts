/** Answers of disk tools, read. */
import { SaltError } from '../../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../../bus/values.ts';
import { str } from '../../../sls/values.ts';

const FLAGS = new Set(['a', 'B', 'h', 'H', 'i', 'k', 'l', 'P', 't', 'T', 'x', 'v']);

/** Flags for df; anything but known letters is refused. */
export function dfFlags(args: Py, caller: string): string[] {
  if (args === null) return [];
  for (const f of str(args))
    if (!FLAGS.has(f)) throw new SaltError('CommandExecutionError', `Invalid flag passed to ${caller}`);
  return str(args) ? [`-${str(args)}`] : [];
}

/** Rows of `df`, in which a long device name may stand alone on a line, and may hold blanks. */
export function dfRows(out: string): string[][] {
  const rows: string[][] = [];
  let held = '';
  for (const line of out.split('\n')) {
    if (!line || line.startsWith('Filesystem')) continue;
    const words = `${held} ${line}`.trim().split(/\s+/);
    held = '';
    if (words.length === 1) {
      held = line;
      continue;
    }
    while (words.length >= 2 && !/^\d+$/.test(words[1] as string)) words.splice(0, 2, `${words[0]} ${words[1]}`);
    if (words.length >= 2) rows.push(words);
  }
  return rows;
}

/** Reads `blkid`'s answer. */
export function blkidDict(out: string): PyDict {
  const ret = new PyDict();
  for (const line of out.split('\n')) {
    const at = line.indexOf(': ');
    if (at < 0) continue;
    ret.set(
      line.slice(0, at),
      new PyDict(
        [...line.slice(at + 2).matchAll(/([\w-]+)="([^"]*)"/g)].map((m): [Py, Py] => [m[1] as string, m[2] as string]),
      ),
    );
  }
  return ret;
}

const number = (t: string): Py => (/^-?\d+$/.test(t) ? Number(t) : t);

/** Reads `hdparm`'s answer for one disk. */
export function hdparmDict(out: string, disk: string): PyDict {
  const ret = new PyDict();
  for (const raw of out.split('\n')) {
    const line = raw.trim();
    const sep = line.includes(':') ? ':' : '=';
    if (!line || line === `${disk}:` || !line.includes(sep)) continue;
    const key = line.slice(0, line.indexOf(sep)).replace(/ is$/, '').trim().toLowerCase().replaceAll(' ', '_');
    const value = line.slice(line.indexOf(sep) + 1).trim();
    const both = /^(\d+) \((.*?)\)/.exec(value);
    let values: Py[];
    if (both) values = [Number(both[1]), (both[2] as string).split(' ')[0] as string];
    else {
      const pairs = new PyDict();
      values = [];
      for (const part of value.split(/[/,]/).map((p) => p.trim())) {
        const eq = part.indexOf('=');
        if (/^-?\d+$/.test(part)) values.push(Number(part));
        else if (eq >= 0) {
          if (part.slice(eq + 1).trim()) pairs.set(part.slice(0, eq).trim(), part.slice(eq + 1).trim());
        } else if (part) values.push(part);
      }
      if (pairs.size) values.push(pairs);
      if (!values.length) continue;
    }
    ret.set(key, values.length === 1 ? (values[0] as Py) : values);
  }
  return ret;
}

/** Reads `smartctl --attributes`. */
export function smartDict(
  out: string,
  attributes: readonly number[] | undefined,
  values: readonly string[] | undefined,
): PyDict {
  const ret = new PyDict();
  const lines = out.split('\n');
  const head = lines.findIndex((l) => l.startsWith('ID#'));
  if (head < 0) return ret;
  const fields = (lines[head] as string)
    .trim()
    .split(/\s+/)
    .slice(1)
    .map((f) => f.toLowerCase());
  for (const line of lines.slice(head + 1)) {
    if (!/^\s*\d/.test(line)) break;
    const words = line.trim().split(/\s+/);
    const id = Number(words[0]);
    if (attributes && !attributes.includes(id)) continue;
    const cells = [...words.slice(1, fields.length), words.slice(fields.length).join(' ')];
    const row = new PyDict();
    fields.forEach((f, i) => {
      if (values && !values.includes(f)) return;
      const parts = (cells[i] ?? '').split(' ');
      row.set(f, parts.length > 1 && parts.every((p) => /^\d+$/.test(p)) ? parts.map(Number) : number(cells[i] ?? ''));
    });
    ret.set(id, row);
  }
  return ret;
}

/** Means of `iostat -x`'s reports, by device, with `sys` for the processor's. */
export function iostatDict(out: string): PyDict {
  const rows = new Map<string, number[][]>();
  const headers = new Map<string, string[]>();
  const add = (name: string, header: string[], words: string[]): void => {
    headers.set(name, header);
    const all = rows.get(name) ?? [];
    all.push(words.map(Number));
    rows.set(name, all);
  };
  const lines = out.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const words = (lines[i] as string).trim().split(/\s+/);
    if (words[0] === 'avg-cpu:') add('sys', words.slice(1), (lines[++i] ?? '').trim().split(/\s+/));
    else if (/^Device:?$/.test(words[0] ?? ''))
      for (i++; /^[A-Za-z0-9]/.test(lines[i] ?? ''); i++) {
        const [name = '', ...cells] = (lines[i] as string).trim().split(/\s+/);
        add(name, words.slice(1), cells);
      }
  }
  const names = [...rows.keys()].sort((a, b) => Number(b === 'sys') - Number(a === 'sys'));
  return new PyDict(
    names.map((name): [Py, Py] => {
      const all = rows.get(name) as number[][];
      const mean = (i: number): number =>
        Math.round((all.reduce((s, r) => s + (r[i] ?? 0), 0) / all.length) * 100) / 100;
      return [name, new PyDict((headers.get(name) as string[]).map((h, i): [Py, Py] => [h, mkFloat(mean(i))]))];
    }),
  );
}
