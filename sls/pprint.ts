import { splitLines, widthOf } from './text-layout.ts';
import { order, type Py, PyDict, PySet, PyTuple, repr, strRepr, typeName } from './values.ts';

/** How {@link pformat} lays out. */
export interface PprintOptions {
  /** Columns a line may take, 80 by default. */
  width?: number;
  /** Columns a level is moved in, 1 by default. */
  indent?: number;
}

/** A value as Python's `pprint.pformat` writes it: dicts sorted by key, broken over lines only where it would not fit. */
export function pformat(v: Py, options: PprintOptions = {}): string {
  const printer = new Printer(options.width ?? 80, options.indent ?? 1);
  printer.format(v, 0, 0, 0);
  return printer.text;
}

class Printer {
  text = '';
  constructor(
    private readonly width: number,
    private readonly step: number,
  ) {}

  /** `column` is where the value starts, `after` how many characters must follow its last line. */
  format(v: Py, column: number, after: number, level: number): void {
    const flat = flatRepr(v);
    if (widthOf(flat) <= this.width - column - after) {
      this.text += flat;
      return;
    }
    if (v instanceof PyDict) {
      this.text += `{${' '.repeat(Math.max(0, this.step - 1))}`;
      const entries = sortedEntries(v);
      entries.forEach(([key, value], i) => {
        const name = flatRepr(key);
        const last = i === entries.length - 1;
        if (i) this.text += `,\n${' '.repeat(column + this.step)}`;
        this.text += `${name}: `;
        this.format(value, column + this.step + widthOf(name) + 2, last ? after + 1 : 1, level + 1);
      });
      this.text += '}';
    } else if (Array.isArray(v)) {
      const tuple = v instanceof PyTuple;
      this.items(tuple ? '(' : '[', tuple ? (v.length === 1 ? ',)' : ')') : ']', v, column, after, level);
    } else if (v instanceof PySet && v.size) {
      const open = v.frozen ? 'frozenset({' : '{';
      this.items(open, v.frozen ? '})' : '}', sorted([...v]), column + open.length - 1, after, level);
    } else if (typeof v === 'string' && v) this.string(v, column, after, level);
    else this.text += flat;
  }

  private items(open: string, close: string, list: readonly Py[], column: number, after: number, level: number): void {
    this.text += `${open}${' '.repeat(Math.max(0, this.step - 1))}`;
    list.forEach((item, i) => {
      const last = i === list.length - 1;
      if (i) this.text += `,\n${' '.repeat(column + this.step)}`;
      this.format(item, column + this.step, last ? after + close.length : 1, level + 1);
    });
    this.text += close;
  }

  /** A long text becomes several literals below each other: a line each, and words where a line is too long. */
  private string(v: string, column: number, after: number, level: number): void {
    const [start, end] = level === 0 ? [column + 1, after + 1] : [column, after];
    const room = this.width - start;
    const chunks: string[] = [];
    const lines = splitLines(v, true);
    lines.forEach((line, i) => {
      const lastLine = i === lines.length - 1;
      if (widthOf(strRepr(line)) <= room - (lastLine ? end : 0)) {
        chunks.push(strRepr(line));
        return;
      }
      const words = line.match(/\S*\s*/gu)!.filter(Boolean);
      let current = '';
      words.forEach((word, j) => {
        const space = room - (lastLine && j === words.length - 1 ? end : 0);
        if (widthOf(strRepr(current + word)) > space) {
          if (current) chunks.push(strRepr(current));
          current = word;
        } else current += word;
      });
      if (current) chunks.push(strRepr(current));
    });
    const text = chunks.join(`\n${' '.repeat(start)}`);
    this.text += level === 0 && chunks.length > 1 ? `(${text})` : text;
  }
}

/** `repr` with dicts in sorted order, at every depth. */
function flatRepr(v: Py): string {
  if (v instanceof PyDict)
    return `{${sortedEntries(v)
      .map(([k, x]) => `${flatRepr(k)}: ${flatRepr(x)}`)
      .join(', ')}}`;
  if (Array.isArray(v)) {
    const inner = v.map((x: Py) => flatRepr(x)).join(', ');
    return v instanceof PyTuple ? `(${inner}${v.length === 1 ? ',' : ''})` : `[${inner}]`;
  }
  return repr(v);
}

function sortedEntries(d: PyDict): [Py, Py][] {
  return [...d].sort((a, b) => safeCompare(a[0], b[0]));
}
function sorted(list: Py[]): Py[] {
  return list.sort(safeCompare);
}

/** Values of types without a common order go by the names of their types. */
function safeCompare(a: Py, b: Py): number {
  try {
    return order('<', a, b) ? -1 : order('<', b, a) ? 1 : 0;
  } catch {
    return typeName(a) < typeName(b) ? -1 : typeName(a) > typeName(b) ? 1 : 0;
  }
}
