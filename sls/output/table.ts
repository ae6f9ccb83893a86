import { SaltError } from '../../bus/errors.ts';
import type { Opts } from '../../bus/opts.ts';
import { widthOf } from '../text-layout.ts';
import { compare, isList, type Py, PyDict, PyTuple, str, strOf, toList, truth, typeName } from '../values.ts';
import type { Outputter } from './contract.ts';
import { type Colors, colorsFor } from './parts/colors.ts';

/** Tables from lists of dicts (or of texts, or of lists); options `out.table.*` set delimiters, width, labels and the part shown. */
export default {
  output(data, { opts, log, nestedIndent }) {
    const table = new Table(colorsFor(opts.get('color'), opts.get('color_theme'), log), opts);
    const indent = nestedIndent || opts.num('out.table.nested_indent', 0);
    const title = opts.str('out.table.title');
    const colors = table.colors;
    const head = title && table.rowsKey ? [`${' '.repeat(indent)}${title}${colors.WHITE}${colors.ENDC}\n`] : [];
    return [...head, ...table.show(data, indent)].join('\n');
  },
} satisfies Outputter;

class Table {
  readonly rowsKey: string;
  private readonly labelsKey: string;
  private readonly header: boolean;
  private readonly rule: string;
  private readonly delimiter: string;
  private readonly justify: string;
  private readonly separate: boolean;
  private readonly prefix: string;
  private readonly suffix: string;
  private readonly width: number;

  constructor(
    readonly colors: Colors,
    opts: Opts,
  ) {
    const o = (name: string): string => `out.table.${name}`;
    this.rowsKey = opts.str(o('rows_key'));
    this.labelsKey = opts.str(o('labels_key'));
    this.header = opts.flag(o('has_header'), true);
    this.rule = opts.str(o('row_delimiter'), '-');
    this.delimiter = opts.str(o('delim'), ' | ');
    this.justify = opts.str(o('justify'), 'center').toLowerCase();
    this.separate = opts.flag(o('separate_rows'), true);
    this.prefix = opts.str(o('prefix'), '| ');
    this.suffix = opts.str(o('suffix'), ' |');
    this.width = opts.num(o('width'), 50);
    if (!['center', 'left', 'right'].includes(this.justify)) throw new SaltError('KeyError', `'${this.justify}'`);
  }

  show(data: Py, indent: number): string[] {
    if (Array.isArray(data)) return this.rowsKey ? [] : this.rows(data, undefined, indent);
    if (!(data instanceof PyDict)) return [];
    const out: string[] = [];
    const entries = [...data].sort((a, b) => compare(a[0], b[0]));
    if (this.rowsKey && !data.has(this.rowsKey)) {
      for (const [, value] of entries) out.push(...this.show(value, indent));
      return out;
    }
    for (const [key, value] of entries) {
      if (this.rowsKey && key !== this.rowsKey) continue;
      const pad = ' '.repeat(indent);
      if (!this.rowsKey) {
        out.push(`${pad}${this.colors.DARK_GRAY}${str(key)}${this.colors.ENDC}:`);
        out.push(`${pad}${this.colors.DARK_GRAY}----------${this.colors.ENDC}`);
      }
      if (Array.isArray(value))
        out.push(...this.rows(value, this.labelsKey ? data.get(this.labelsKey) : undefined, indent));
      else out.push(...this.show(value, indent + 4));
    }
    return out;
  }

  private rows(rows: readonly Py[], given: Py | undefined, indent: number): string[] {
    const first = rows[0];
    if (first === undefined || rows.some((r) => typeName(r) !== typeName(first))) return [];
    let labels = given instanceof PyDict ? [...given].sort((a, b) => compare(a[0], b[0])).map(([, v]) => v) : given;
    let cells: Py[] = [...rows];
    if (first instanceof PyDict) {
      if (labels === undefined || !truth(labels)) labels = [...first.keys()].sort(compare).map((k) => title(str(k)));
      cells = (rows as PyDict[]).map((r) => [...r].sort((a, b) => compare(a[0], b[0])).map(([, v]) => str(v)));
    } else if (typeof first === 'string') cells = rows.map((r) => [r]);
    const labelled = labels !== undefined && truth(labels);
    return this.lines(labelled ? [labels as Py, ...cells] : cells, indent + 4, this.header && labelled);
  }

  private lines(rows: readonly Py[], indent: number, header: boolean): string[] {
    const blocks = rows.map((r) => this.block(r));
    const flat = blocks.flat();
    const widths = Array.from({ length: Math.min(...flat.map((r) => r.length)) }, (_, i) =>
      Math.max(...flat.map((r) => widthOf(r[i]!))),
    );
    const length =
      this.prefix.length +
      this.suffix.length +
      widths.reduce((a, b) => a + b, 0) +
      this.delimiter.length * (widths.length - 1);
    const pad = ' '.repeat(indent);
    const rule = `${pad}${this.colors.LIGHT_GRAY}${this.rule.repeat(Math.max(0, length))}${this.colors.ENDC}`;
    const out: string[] = this.separate ? [rule] : [];
    blocks.forEach((block, i) => {
      for (const row of block) {
        const text = widths.map((w, column) => this.justified(row[column]!, w)).join(this.delimiter);
        out.push(`${pad}${this.colors.WHITE}${this.prefix}${text}${this.suffix}${this.colors.ENDC}`);
      }
      if (this.separate || (header && i === 0)) out.push(rule);
    });
    return out;
  }

  /** A row whose cells were wrapped: as many lines as its shortest cell has. */
  private block(row: Py): string[][] {
    if (!isList(row) && !(row instanceof PyTuple) && !(row instanceof PyDict))
      throw new SaltError('TypeError', `'${typeName(row)}' object is not iterable`);
    const cells = toList(row).map((cell) => {
      const text = strOf(cell);
      if (text === undefined)
        throw new SaltError('AttributeError', `'${typeName(cell)}' object has no attribute 'split'`);
      return this.wrap(text).split('\n');
    });
    if (!cells.length) throw new SaltError('TypeError', 'a table row has no cells');
    const height = Math.min(...cells.map((c) => c.length));
    return Array.from({ length: height }, (_, i) => cells.map((c) => c[i]!));
  }

  private wrap(text: string): string {
    return text.split(' ').reduce((line, word) => {
      const used = widthOf(line.slice(line.lastIndexOf('\n') + 1)) + widthOf(word.split('\n')[0]!);
      return line + (used >= this.width ? '\n' : ' ') + word;
    });
  }

  private justified(text: string, width: number): string {
    const missing = Math.max(0, width - widthOf(text));
    if (this.justify === 'left') return text + ' '.repeat(missing);
    if (this.justify === 'right') return ' '.repeat(missing) + text;
    const left = Math.floor(missing / 2) + (missing & width & 1);
    return ' '.repeat(left) + text + ' '.repeat(missing - left);
  }
}

function title(key: string): string {
  return key.replaceAll('_', ' ').replace(/\p{L}+/gu, (w) => w[0]!.toUpperCase() + w.slice(1).toLowerCase());
}
