import { mkFloat, type Py, PyDict, PyFloat, PySet, PyTuple } from '../../bus/values.ts';
import { hashable, repr, str } from '../values.ts';
import { CORE, type MappingNode, type YamlNode } from './compose.ts';
import { type Mark, YamlError, type YamlErrorKind } from './error.ts';

/** How many values a document may have once its aliases are written out: past it, walking the data would not end in time. */
const MOST_VALUES = 5_000_000;

const STR = `${CORE}str`;
const WORDS: Readonly<Record<string, boolean>> = {
  yes: true,
  no: false,
  true: true,
  false: false,
  on: true,
  off: false,
};
const PYTHON_FLOAT = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;

const nodeClass = { scalar: 'ScalarNode', sequence: 'SequenceNode', mapping: 'MappingNode' } as const;
function nodeRepr(n: YamlNode): string {
  return `${nodeClass[n.kind]}(tag=${repr(n.tag)}, value=${valueRepr(n)})`;
}
/** A node's value as Python shows it inside a list, or bare for the top of a message. */
function valueRepr(n: YamlNode): string {
  if (n.kind === 'scalar') return repr(n.value);
  if (n.kind === 'sequence') return `[${n.value.map(nodeRepr).join(', ')}]`;
  return `[${n.value.map(([k, v]) => `(${nodeRepr(k)}, ${nodeRepr(v)})`).join(', ')}]`;
}

function keySignature(n: YamlNode): string {
  return n.kind === 'scalar' ? `s${n.value}` : valueRepr(n);
}

/** A whole number as the model holds it: bigint past the safe range. */
function whole(v: bigint): number | bigint {
  const n = Number(v);
  return Number.isSafeInteger(n) ? n : v;
}

/** Turns nodes into values as Salt's loader does, in the order in which the reference would complain. */
export class Constructor {
  private readonly done = new Map<YamlNode, Py>();
  /** What collections still have to be filled with: they are filled level by level. */
  private later: (() => void)[] = [];

  constructor(
    private readonly file: string,
    /** `!!omap` reads as a mapping, as it does wherever Salt renders SLS. */
    private readonly omapAsMap: boolean,
  ) {}

  /** The value of a document's root; `aliased` tells whether a node occurs in it twice. */
  document(root: YamlNode, aliased: boolean): Py {
    if (aliased) this.weigh(root, new Map());
    const data = this.object(root);
    while (this.later.length) {
      const level = this.later;
      this.later = [];
      for (const fill of level) fill();
    }
    return data;
  }

  private refuse(kind: YamlErrorKind, problem: string, mark?: Mark, context?: string, contextMark?: Mark): never {
    throw new YamlError({ kind, problem, mark, context, contextMark }, this.file);
  }
  private weigh(n: YamlNode, known: Map<YamlNode, number>): number {
    if (n.kind === 'scalar') return 1;
    const before = known.get(n);
    if (before !== undefined) return before;
    let sum = 1;
    if (n.kind === 'sequence') for (const v of n.value) sum += this.weigh(v, known);
    else for (const [k, v] of n.value) sum += this.weigh(k, known) + this.weigh(v, known);
    if (sum > MOST_VALUES)
      this.refuse('ConstructorError', `aliases make more than ${MOST_VALUES} values of this node`, n.start);
    known.set(n, sum);
    return sum;
  }

  private object(n: YamlNode): Py {
    if (n.kind === 'scalar') return n.tag === STR ? n.value : this.build(n);
    const known = this.done.get(n);
    if (known !== undefined) return known;
    const value = this.build(n);
    this.done.set(n, value);
    return value;
  }
  private build(n: YamlNode): Py {
    if (!n.tag.startsWith(CORE)) return this.unknown(n);
    switch (n.tag.slice(CORE.length)) {
      case 'str':
      case 'timestamp':
        return this.text(n);
      case 'null':
        this.text(n);
        return null;
      case 'bool':
        return this.bool(this.text(n));
      case 'int':
        return this.int(this.intText(n));
      case 'float':
        return this.float(this.text(n));
      case 'binary':
        return this.binary(n);
      case 'python/unicode':
        return n.kind === 'scalar' ? n.value : this.unknown(n);
      case 'seq': {
        const list: Py[] = [];
        this.later.push(() => {
          if (n.kind !== 'sequence')
            return this.refuse('ConstructorError', `expected a sequence node, but found ${n.kind}`, n.start);
          for (const v of n.value) list.push(this.object(v));
        });
        return list;
      }
      case 'map':
        return this.dict(n);
      case 'set': {
        const set = new PySet();
        this.later.push(() => {
          for (const k of this.mapping(n).keys()) set.add(k);
        });
        return set;
      }
      case 'omap':
        return this.omapAsMap ? this.dict(n) : this.pairs(n, 'an ordered map');
      case 'pairs':
        return this.pairs(n, 'pairs');
      default:
        return this.unknown(n);
    }
  }
  private unknown(n: YamlNode): never {
    return this.refuse('ConstructorError', `could not determine a constructor for the tag ${repr(n.tag)}`, n.start);
  }
  private dict(n: YamlNode): PyDict {
    const dict = new PyDict();
    this.later.push(() => {
      for (const [k, v] of this.mapping(n)) dict.set(k, v);
    });
    return dict;
  }
  private pairs(n: YamlNode, what: string): Py[] {
    const list: Py[] = [];
    const context = `while constructing ${what}`;
    this.later.push(() => {
      if (n.kind !== 'sequence')
        return this.refuse('ConstructorError', `expected a sequence, but found ${n.kind}`, n.start, context, n.start);
      for (const sub of n.value) {
        if (sub.kind !== 'mapping')
          this.refuse(
            'ConstructorError',
            `expected a mapping of length 1, but found ${sub.kind}`,
            sub.start,
            context,
            n.start,
          );
        if (sub.value.length !== 1)
          this.refuse(
            'ConstructorError',
            `expected a single mapping item, but found ${sub.value.length} items`,
            sub.start,
            context,
            n.start,
          );
        const [k, v] = sub.value[0] as [YamlNode, YamlNode];
        list.push(PyTuple.from_([this.object(k), this.object(v)]));
      }
    });
    return list;
  }
  private mapping(n: YamlNode): PyDict {
    if (n.kind !== 'mapping')
      return this.refuse('ConstructorError', `expected a mapping node, but found ${n.kind}`, n.start);
    this.flatten(n);
    const context = 'while constructing a mapping';
    const out = new PyDict();
    for (const [keyNode, valueNode] of n.value) {
      const key = this.object(keyNode);
      if (typeof key === 'object' && key !== null && !this.mayBeKey(key))
        this.refuse('ConstructorError', this.badKey(keyNode), keyNode.start, context, n.start);
      const value = this.object(valueNode);
      if (out.has(key))
        this.refuse('ConstructorError', `found conflicting ID '${str(key)}'`, keyNode.start, context, n.start);
      out.set(key, value);
    }
    return out;
  }
  private badKey(n: YamlNode): string {
    return `found unacceptable key ${n.kind === 'scalar' ? n.value : valueRepr(n)}`;
  }
  private mayBeKey(v: Py): boolean {
    try {
      hashable(v);
      return true;
    } catch {
      // The only complaint it has is the one this answers.
      return false;
    }
  }
  /** Puts what merge keys name before the mapping's own pairs, once; keys that the mapping has itself are left out. */
  private flatten(n: MappingNode): void {
    const merged: [YamlNode, YamlNode][] = [];
    const own: [YamlNode, YamlNode][] = [];
    const context = 'while constructing a mapping';
    for (const [key, value] of n.value) {
      if (key.tag !== `${CORE}merge`) {
        if (key.tag === `${CORE}value`) key.tag = `${CORE}str`;
        own.push([key, value]);
      } else if (value.kind === 'mapping') {
        this.flatten(value);
        merged.push(...value.value);
      } else if (value.kind === 'sequence') {
        const parts: [YamlNode, YamlNode][][] = [];
        for (const sub of value.value) {
          if (sub.kind !== 'mapping')
            this.refuse(
              'ConstructorError',
              `expected a mapping for merging, but found ${sub.kind}`,
              sub.start,
              context,
              n.start,
            );
          this.flatten(sub);
          parts.push(sub.value);
        }
        for (const part of parts.reverse()) merged.push(...part);
      } else
        this.refuse(
          'ConstructorError',
          `expected a mapping or list of mappings for merging, but found ${value.kind}`,
          value.start,
          context,
          n.start,
        );
    }
    if (own.length === n.value.length) return;
    if (merged.length > MOST_VALUES)
      this.refuse('ConstructorError', `merge keys make more than ${MOST_VALUES} pairs of this mapping`, n.start);
    const names = new Set(own.map(([k]) => keySignature(k)));
    n.value = [...merged.filter(([k]) => !names.has(keySignature(k))), ...own];
  }

  private text(n: YamlNode): string {
    if (n.kind === 'mapping') for (const [k, v] of n.value) if (k.tag === `${CORE}value`) return this.text(v);
    if (n.kind !== 'scalar')
      return this.refuse('ConstructorError', `expected a scalar node, but found ${n.kind}`, n.start);
    return n.value;
  }
  private intText(n: YamlNode): string {
    if (n.kind !== 'scalar')
      return this.refuse('AttributeError', "'list' object has no attribute 'startswith'", n.start);
    const v = n.value;
    if (v === '0' || !v.startsWith('0') || v.startsWith('0b') || v.startsWith('0x')) return v;
    return v.replace(/^0+/, '') || '0';
  }
  private bool(text: string): boolean {
    const word = text.toLowerCase();
    const v = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    return v ?? this.refuse('KeyError', repr(word));
  }
  private int(source: string): Py {
    let text = source.replaceAll('_', '');
    if (text === '') return this.refuse('IndexError', 'string index out of range');
    const negative = text.startsWith('-');
    if (/^[+-]/.test(text)) text = text.slice(1);
    const signed = (v: bigint): Py => whole(negative ? -v : v);
    if (text === '0') return 0;
    if (text.startsWith('0b')) return signed(this.digits(text.slice(2), 2));
    if (text.startsWith('0x')) return signed(this.digits(text.slice(2), 16));
    if (text === '') return this.refuse('IndexError', 'string index out of range');
    if (text.startsWith('0')) return signed(this.digits(text, 8));
    if (!text.includes(':')) return signed(this.digits(text, 10));
    let sum = 0n;
    for (const part of text.split(':')) sum = sum * 60n + this.digits(part, 10);
    return signed(sum);
  }
  private digits(source: string, base: 2 | 8 | 10 | 16): bigint {
    const t = source.trim();
    const re = {
      2: /^[+-]?(?:0[bB])?[01]+$/,
      8: /^[+-]?(?:0[oO])?[0-7]+$/,
      10: /^[+-]?\d+$/,
      16: /^[+-]?(?:0[xX])?[\da-fA-F]+$/,
    };
    if (!re[base].test(t))
      return this.refuse('ValueError', `invalid literal for int() with base ${base}: ${repr(source)}`);
    if (base === 10 && t.replace(/^[+-]/, '').length > 4300)
      return this.refuse(
        'ValueError',
        `Exceeds the limit (4300 digits) for integer string conversion: value has ${t.length} digits; use sys.set_int_max_str_digits() to increase the limit`,
      );
    const sign = t.startsWith('-') ? -1n : 1n;
    const bare = t.replace(/^[+-]/, '').replace(/^0[bBoOxX]/, '');
    return sign * BigInt({ 2: '0b', 8: '0o', 10: '', 16: '0x' }[base] + bare);
  }
  private float(source: string): Py {
    let text = source.replaceAll('_', '').toLowerCase();
    if (text === '') return this.refuse('IndexError', 'string index out of range');
    const sign = text.startsWith('-') ? -1 : 1;
    if (/^[+-]/.test(text)) text = text.slice(1);
    if (text === '.inf') return new PyFloat(sign * Number.POSITIVE_INFINITY);
    if (text === '.nan') return new PyFloat(Number.NaN);
    if (!text.includes(':')) return mkFloat(sign * this.plainFloat(text));
    let value = 0;
    let base = 1;
    for (const part of text
      .split(':')
      .map((p) => this.plainFloat(p))
      .reverse()) {
      value += part * base;
      base *= 60;
    }
    return mkFloat(sign * value);
  }
  private plainFloat(source: string): number {
    const t = source.trim();
    if (PYTHON_FLOAT.test(t)) return Number(t.replaceAll('_', ''));
    const word = /^([+-]?)(inf|infinity|nan)$/.exec(t);
    if (!word) return this.refuse('ValueError', `could not convert string to float: ${repr(source)}`);
    if (word[2] === 'nan') return Number.NaN;
    return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  private binary(n: YamlNode): Uint8Array {
    const text = this.text(n);
    const chars = Array.from(text);
    const first = chars.findIndex((c) => (c.codePointAt(0) as number) > 127);
    if (first >= 0) {
      let last = first;
      while (last + 1 < chars.length && (chars[last + 1] as string) > '\x7f') last++;
      const code = ((chars[first] as string).codePointAt(0) as number).toString(16);
      const shown =
        code.length <= 2
          ? `\\x${code.padStart(2, '0')}`
          : code.length <= 4
            ? `\\u${code.padStart(4, '0')}`
            : `\\U${code.padStart(8, '0')}`;
      const where =
        first === last ? `character '${shown}' in position ${first}` : `characters in position ${first}-${last}`;
      this.refuse(
        'ConstructorError',
        `failed to convert base64 data into ascii: 'ascii' codec can't encode ${where}: ordinal not in range(128)`,
        n.start,
      );
    }
    const missing = text.length % 4;
    return this.base64(missing ? text + '='.repeat(4 - missing) : text, n.start);
  }
  /** Python's lenient base64: foreign characters are skipped, and padding ends the data. */
  private base64(text: string, mark: Mark): Uint8Array {
    let digits = '';
    let pads = 0;
    for (const c of text) {
      if (c === '=') {
        if (digits.length % 4 >= 2 && (digits.length % 4) + ++pads >= 4)
          return Uint8Array.from(Buffer.from(digits, 'base64'));
      } else if (/[A-Za-z0-9+/]/.test(c)) {
        digits += c;
        pads = 0;
      }
    }
    if (digits.length % 4 === 1)
      this.refuse(
        'ConstructorError',
        `failed to decode base64 data: Invalid base64-encoded string: number of data characters (${digits.length}) cannot be 1 more than a multiple of 4`,
        mark,
      );
    if (digits.length % 4) this.refuse('ConstructorError', 'failed to decode base64 data: Incorrect padding', mark);
    return Uint8Array.from(Buffer.from(digits, 'base64'));
  }
}
