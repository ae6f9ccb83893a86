/** A node to write: its tag is written only when `tag` is set, its anchor when it has one. */
export interface OutNode {
  readonly kind: 'scalar' | 'sequence' | 'mapping';
  readonly tag?: string;
  anchor?: string;
  /** Scalar: the text, how it may stand, and whether plain writing would read back as the same type. */
  readonly text?: string;
  readonly plain?: boolean;
  readonly literal?: boolean;
  /** Collections: in brackets or by indentation; pairs follow each other in a mapping. */
  readonly flow?: boolean;
  readonly items?: readonly (OutNode | Alias)[];
}
/** A later mention of a node that was written already. */
export interface Alias {
  readonly kind: 'alias';
  readonly anchor: string;
}

const BREAK = /[\n\r\x85\u2028\u2029]/;
const SPACE_OR_BREAK = /[ \t\n\r\x85\u2028\u2029\0]/;
const PRINTABLE = /^[\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]$/;
const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
  '"': '"',
  '\\': '\\',
  '\x85': 'N',
  '\xa0': '_',
  '\u2028': 'L',
  '\u2029': 'P',
};
/** A key longer than this (in bytes of UTF-8) is written with a question mark. */
const KEY_LENGTH = 128;

interface Analysis {
  readonly multiline: boolean;
  readonly flowPlain: boolean;
  readonly blockPlain: boolean;
  readonly single: boolean;
  readonly block: boolean;
}

/** Which ways of writing keep a scalar's text. */
function analyze(chars: readonly string[], unicode: boolean): Analysis {
  if (!chars.length) return { multiline: false, flowPlain: false, blockPlain: true, single: true, block: false };
  const spaced = (c: string | undefined): boolean => c === undefined || SPACE_OR_BREAK.test(c);
  const head = chars.slice(0, 3).join('');
  let block = head === '---' || head === '...';
  let flow = block;
  let special = false;
  let breaks = false;
  let breakSpace = false;
  let spaceBreak = false;
  let before: 'space' | 'break' | undefined;
  let afterSpace = true;
  for (const [i, c] of chars.entries()) {
    const beforeSpace = spaced(chars[i + 1]);
    if (i === 0) {
      if ('#,[]{}&*!|>\'"%@`'.includes(c)) flow = block = true;
      else if (c === '?' || c === ':') {
        flow = true;
        if (beforeSpace) block = true;
      } else if (c === '-' && beforeSpace) flow = block = true;
    } else if (',?[]{}'.includes(c)) flow = true;
    else if (c === ':') {
      flow = true;
      if (beforeSpace) block = true;
    } else if (c === '#' && afterSpace) flow = block = true;
    if (!PRINTABLE.test(c) || (!unicode && c > '\x7f')) special = true;
    const isBreak = BREAK.test(c);
    if (isBreak) breaks = true;
    if (c === ' ') {
      if (before === 'break') breakSpace = true;
      before = 'space';
    } else if (isBreak) {
      if (before === 'space') spaceBreak = true;
      before = 'break';
    } else before = undefined;
    afterSpace = spaced(c);
  }
  const first = chars[0] as string;
  const last = chars.at(-1) as string;
  const edges = first === ' ' || last === ' ' || BREAK.test(first) || BREAK.test(last);
  const plain = !edges && !breakSpace && !spaceBreak && !special && !breaks;
  return {
    multiline: breaks,
    flowPlain: plain && !flow,
    blockPlain: plain && !block,
    single: !breakSpace && !spaceBreak && !special,
    block: last !== ' ' && !spaceBreak && !special,
  };
}

/** Writes nodes as the reference's emitter does: where it breaks lines, quotes and indents. One emitter writes one document. */
export class Emitter {
  private out = '';
  private column = 0;
  private indent = -1;
  private flow = 0;
  private whitespace = true;
  private indention = true;
  private mappingContext = false;
  private keyContext = false;

  constructor(
    /** Columns of one level, from 2 to 9. */
    private readonly step: number,
    private readonly width: number,
    private readonly unicode: boolean,
  ) {}

  /** The text of a document. */
  document(root: OutNode): string {
    this.node(root, false, false);
    this.writeIndent(-1);
    return this.out;
  }

  private put(s: string): void {
    this.out += s;
    this.column += s.length > 1 && /[\ud800-\udbff]/.test(s) ? Array.from(s).length : s.length;
  }
  private putBreak(c = '\n'): void {
    this.out += c;
    this.column = 0;
  }
  private writeIndent(to = this.indent): void {
    const indent = Math.max(to, 0);
    if (!this.indention || this.column > indent || (this.column === indent && !this.whitespace)) this.putBreak();
    if (this.column < indent) this.put(' '.repeat(indent - this.column));
    this.whitespace = true;
    this.indention = true;
  }
  private indicator(sign: string, needsSpace: boolean, isSpace: boolean, isIndention: boolean): void {
    if (needsSpace && !this.whitespace) this.put(' ');
    this.put(sign);
    this.whitespace = isSpace;
    this.indention = this.indention && isIndention;
  }
  /** Runs `write` one level deeper. */
  private deeper(flow: boolean, indentless: boolean, write: () => void): void {
    const before = this.indent;
    if (before < 0) this.indent = flow ? this.step : 0;
    else if (!indentless) this.indent = before + this.step;
    write();
    this.indent = before;
  }

  private node(n: OutNode | Alias, mapping: boolean, key: boolean): void {
    this.mappingContext = mapping;
    this.keyContext = key;
    if (n.kind === 'alias') {
      this.indicator(`*${n.anchor}`, true, false, false);
      if (key) this.put(' ');
    } else if (n.kind === 'scalar') this.scalar(n);
    else {
      this.properties(n);
      if (this.flow || n.flow || !n.items?.length) this.flowCollection(n);
      else if (n.kind === 'sequence') this.blockSequence(n);
      else this.blockMapping(n);
    }
  }
  private properties(n: OutNode): void {
    if (n.anchor !== undefined) this.indicator(`&${n.anchor}`, true, false, false);
    if (n.tag !== undefined) this.indicator(n.tag, true, false, false);
  }
  private flowCollection(n: OutNode): void {
    const items = n.items ?? [];
    const map = n.kind === 'mapping';
    this.indicator(map ? '{' : '[', true, true, false);
    this.deeper(true, false, () => {
      this.flow++;
      for (let i = 0; i < items.length; i += map ? 2 : 1) {
        if (i) this.indicator(',', false, false, false);
        if (this.column > this.width) this.writeIndent();
        const item = items[i] as OutNode;
        if (!map) this.node(item, false, false);
        else if (this.isSimpleKey(item)) {
          this.node(item, true, true);
          this.indicator(':', false, false, false);
          this.node(items[i + 1] as OutNode, true, false);
        } else {
          this.indicator('?', true, false, false);
          this.node(item, true, false);
          if (this.column > this.width) this.writeIndent();
          this.indicator(':', true, false, false);
          this.node(items[i + 1] as OutNode, true, false);
        }
      }
      this.flow--;
    });
    this.indicator(map ? '}' : ']', false, false, false);
  }
  private blockSequence(n: OutNode): void {
    this.deeper(false, this.mappingContext && !this.indention, () => {
      for (const item of n.items ?? []) {
        this.writeIndent();
        this.indicator('-', true, false, true);
        this.node(item, false, false);
      }
    });
  }
  private blockMapping(n: OutNode): void {
    const items = n.items ?? [];
    this.deeper(false, false, () => {
      for (let i = 0; i < items.length; i += 2) {
        const key = items[i] as OutNode;
        this.writeIndent();
        if (this.isSimpleKey(key)) {
          this.node(key, true, true);
          this.indicator(':', false, false, false);
        } else {
          this.indicator('?', true, false, true);
          this.node(key, true, false);
          this.writeIndent();
          this.indicator(':', true, false, true);
        }
        this.node(items[i + 1] as OutNode, true, false);
      }
    });
  }
  private isSimpleKey(n: OutNode | Alias): boolean {
    let length = Buffer.byteLength(n.anchor ?? '');
    if (n.kind !== 'alias') {
      if (n.kind !== 'scalar' && n.items?.length) return false;
      length += n.tag?.length ?? 0;
      const text = n.text ?? '';
      if (BREAK.test(text)) return false;
      length += Buffer.byteLength(text);
    }
    return length <= KEY_LENGTH;
  }

  private scalar(n: OutNode): void {
    const chars = Array.from(n.text ?? '');
    const a = analyze(chars, this.unicode);
    let style: 'plain' | 'single' | 'double' | 'literal' = n.literal ? 'literal' : n.plain ? 'plain' : 'single';
    if (this.keyContext && a.multiline) style = 'double';
    if (style === 'plain' && !(this.flow ? a.flowPlain : a.blockPlain)) style = 'single';
    if (style === 'plain' && !chars.length && (this.flow || this.keyContext)) style = 'single';
    if (style === 'single' && !a.single) style = 'double';
    if (style === 'literal' && (!a.block || this.flow || this.keyContext)) style = 'double';
    this.properties(n);
    const breaks = !this.keyContext;
    this.deeper(true, false, () => {
      if (style === 'plain') this.plain(chars, breaks);
      else if (style === 'single') this.single(chars, breaks);
      else if (style === 'double') this.double(chars, breaks);
      else this.literal(chars);
    });
  }
  /** Writes text in which lines may be folded at single spaces, doubling its own line breaks; `quote` marks the quoted form. */
  private folded(chars: readonly string[], fold: boolean, quote: boolean): void {
    let spaces = false;
    let breaks = false;
    for (const [i, c] of chars.entries())
      if (c === ' ') {
        const inside = !quote || (i > 0 && i < chars.length - 1);
        if (fold && !spaces && this.column > this.width && inside && chars[i + 1] !== ' ') this.writeIndent();
        else this.put(c);
        spaces = true;
      } else if (BREAK.test(c)) {
        if (!breaks && c === '\n') this.putBreak();
        this.putBreak(c);
        this.indention = true;
        breaks = true;
      } else {
        if (breaks) this.writeIndent();
        if (quote && c === "'") this.put("'");
        this.put(c);
        this.indention = false;
        spaces = breaks = false;
      }
    if (quote && breaks) this.writeIndent();
  }
  private plain(chars: readonly string[], fold: boolean): void {
    if (!this.whitespace && (chars.length || this.flow)) this.put(' ');
    this.folded(chars, fold, false);
    this.whitespace = this.indention = false;
  }
  private single(chars: readonly string[], fold: boolean): void {
    this.indicator("'", true, false, false);
    this.folded(chars, fold, true);
    this.indicator("'", false, false, false);
    this.whitespace = this.indention = false;
  }
  private double(chars: readonly string[], fold: boolean): void {
    this.indicator('"', true, false, false);
    let spaces = false;
    for (const [i, c] of chars.entries())
      if (!PRINTABLE.test(c) || (!this.unicode && c > '\x7f') || BREAK.test(c) || c === '"' || c === '\\') {
        this.put(`\\${escaped(c)}`);
        spaces = false;
      } else if (c === ' ') {
        if (fold && !spaces && this.column > this.width && i > 0 && i < chars.length - 1) {
          this.writeIndent();
          if (chars[i + 1] === ' ') this.put('\\');
        } else this.put(c);
        spaces = true;
      } else {
        this.put(c);
        spaces = false;
      }
    this.indicator('"', false, false, false);
    this.whitespace = this.indention = false;
  }
  private literal(chars: readonly string[]): void {
    const last = chars.at(-1);
    const before = chars.at(-2);
    let hint = SPACE_OR_BREAK.test(chars[0] as string) ? String(this.step) : '';
    if (!last || !BREAK.test(last)) hint += '-';
    else if (!before || BREAK.test(before)) hint += '+';
    this.indicator(`|${hint}`, true, false, false);
    this.putBreak();
    this.indention = this.whitespace = true;
    let breaks = true;
    for (const c of chars)
      if (BREAK.test(c)) {
        this.putBreak(c);
        this.indention = breaks = true;
      } else {
        if (breaks) this.writeIndent();
        this.put(c);
        this.indention = breaks = false;
      }
  }
}

function escaped(c: string): string {
  const short = ESCAPES[c];
  if (short !== undefined) return short;
  const hex = (c.codePointAt(0) as number).toString(16).toUpperCase();
  return hex.length <= 2
    ? `x${hex.padStart(2, '0')}`
    : hex.length <= 4
      ? `u${hex.padStart(4, '0')}`
      : `U${hex.padStart(8, '0')}`;
}
