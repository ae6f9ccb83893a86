import type { Opts } from '../../bus/opts.ts';
import { splitLines } from '../text-layout.ts';
import { isFloat, isInt, order, type Py, PyDict, repr, str } from '../values.ts';
import type { OutputCtx, Outputter } from './contract.ts';
import { type Colors, colorsFor, stripEscapes } from './parts/colors.ts';

/** Indented blocks: keys with a colon, list items with a dash, `|_` before a list or dict in a list. */
export default {
  output(data: Py, ctx: OutputCtx): string {
    const display = new Display(
      colorsFor(ctx.opts.get('color'), ctx.opts.get('color_theme'), ctx.log),
      ctx.opts.flag('strip_colors', true),
      (ctx.retcode ?? 0) !== 0,
    );
    display.show(data, ctx.nestedIndent || indentOf(ctx.opts), '');
    return display.lines.join('\n');
  },
} satisfies Outputter;

function indentOf(opts: Opts): number {
  return opts.num('nested_indent', 0);
}

class Display {
  readonly lines: string[] = [];
  private readonly listColor: string;
  private readonly dictColor: string;

  constructor(
    private readonly colors: Colors,
    private readonly strip: boolean,
    failed: boolean,
  ) {
    this.listColor = failed ? colors.RED : colors.GREEN;
    this.dictColor = failed ? colors.RED : colors.CYAN;
  }

  show(v: Py, indent: number, prefix: string): void {
    const value = v instanceof Uint8Array ? (decode(v) ?? v) : v;
    if (value === null || typeof value === 'boolean') this.line(indent, this.colors.LIGHT_YELLOW, str(value), prefix);
    else if (isInt(value) || isFloat(value)) this.line(indent, this.colors.LIGHT_YELLOW, repr(value), prefix);
    else if (typeof value === 'string') this.text(value, indent, prefix);
    else if (Array.isArray(value)) this.list(value, indent);
    else if (value instanceof PyDict) this.dict(value, indent, prefix);
  }

  private line(indent: number, color: string, text: string, prefix = '', suffix = ''): void {
    this.lines.push(`${' '.repeat(indent)}${color}${prefix}${text}${this.colors.ENDC}${suffix}`);
  }

  private text(value: string, indent: number, prefix: string): void {
    splitLines(value).forEach((line, i) => {
      const shown = this.strip ? stripEscapes(line) : line;
      this.line(indent, this.colors.GREEN, shown, i === 0 ? prefix : ' '.repeat(prefix.length));
    });
  }

  private list(items: readonly Py[], indent: number): void {
    for (const item of items) {
      const dict = item instanceof PyDict;
      if (dict || Array.isArray(item)) {
        this.line(indent, this.listColor, '|_');
        this.show(item, indent + 2, dict ? '' : '- ');
      } else this.show(item, indent, '- ');
    }
  }

  private dict(map: PyDict, indent: number, prefix: string): void {
    if (indent) this.line(indent, this.dictColor, '----------');
    for (const [key, value] of sortedByKey(map)) {
      this.line(indent, this.dictColor, str(key), prefix, ':');
      this.show(value, indent + 4, '');
    }
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Entries by key; keys of types without a common order go by their text, and equal texts become one. */
function sortedByKey(map: PyDict): [Py, Py][] {
  const by = (a: [Py, Py], b: [Py, Py]): number => (order('<', a[0], b[0]) ? -1 : order('<', b[0], a[0]) ? 1 : 0);
  let ordered = true;
  const keys = [...map.keys()];
  if (keys.some((k) => typeof k !== 'string'))
    try {
      keys.sort((a, b) => (order('<', a, b) ? -1 : order('<', b, a) ? 1 : 0));
    } catch {
      ordered = false;
    }
  const entries: [Py, Py][] = ordered ? [...map] : [...new PyDict([...map].map(([k, v]): [Py, Py] => [str(k), v]))];
  return entries.sort(by);
}
