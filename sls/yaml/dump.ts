import { type Py, PyDict, PyFloat, PySet, PyTuple } from '../../bus/values.ts';
import { floatRepr } from '../numbers.ts';
import { compare, eq } from '../values.ts';
import { resolvePlain } from './compose.ts';
import { type Alias, Emitter, type OutNode } from './emit.ts';

/** How {@link dumpYaml} writes; the names are PyYAML's. */
export interface DumpOptions {
  /** true: brackets throughout; false: indentation throughout; null (the default of Salt's own calls): brackets for the innermost. */
  readonly flowStyle?: boolean | null;
  /** Columns a level, 2 to 9; anything else is 2. */
  readonly indent?: number;
  readonly width?: number;
  /** False escapes what is beyond ASCII; true by default. */
  readonly allowUnicode?: boolean;
  /** Sort the keys of dicts that have comparable ones; true by default. Ordered mappings of the reference are never sorted: pass false for them. */
  readonly sortKeys?: boolean;
}

/** Whether PyYAML would write two mentions of this very object as anchor and alias. */
function isShared(v: Py): v is object {
  if (typeof v !== 'object' || v === null) return false;
  return (Array.isArray(v) && !(v instanceof PyTuple && v.length === 0)) || v instanceof PyDict || v instanceof PySet;
}

class Representer {
  private readonly seen = new Map<object, OutNode>();
  private names = 0;
  constructor(
    private readonly flowStyle: boolean | null,
    private readonly sortKeys: boolean,
  ) {}

  node(v: Py): OutNode | Alias {
    if (!isShared(v)) return scalar(v);
    const known = this.seen.get(v);
    if (known) {
      known.anchor ??= `id${String(++this.names).padStart(3, '0')}`;
      return { kind: 'alias', anchor: known.anchor };
    }
    const items: (OutNode | Alias)[] = [];
    const made: { -readonly [K in keyof OutNode]: OutNode[K] } = {
      kind: Array.isArray(v) ? 'sequence' : 'mapping',
      items,
      ...(v instanceof PySet ? { tag: '!!set' } : {}),
    };
    this.seen.set(v, made);
    if (Array.isArray(v)) for (const x of v) items.push(this.node(x as Py));
    else {
      const entries: [Py, Py][] = v instanceof PySet ? [...v].map((x) => [x, null]) : [...(v as PyDict)];
      for (const [k, x] of this.sortKeys ? sorted(entries) : entries) items.push(this.node(k), this.node(x));
    }
    made.flow = this.flowStyle ?? items.every((i) => i.kind === 'scalar' && !i.literal);
    return made;
  }
}

/** By key, or as they are where Python could not compare two keys. */
function sorted(entries: [Py, Py][]): [Py, Py][] {
  try {
    return [...entries].sort((a, b) => (eq(a[0], b[0]) ? 0 : compare(a[0], b[0])));
  } catch {
    // Keys of kinds that have no common order stay in their own one.
    return entries;
  }
}

function scalar(v: Py): OutNode {
  switch (typeof v) {
    case 'string':
      return { kind: 'scalar', text: v, plain: resolvePlain(v) === 'str' };
    case 'boolean':
      return plain(v ? 'true' : 'false');
    case 'bigint':
      return plain(v.toString());
    case 'number':
      return Number.isInteger(v) ? plain(BigInt(v).toString()) : float(v);
  }
  if (v === null) return plain('null');
  if (v instanceof PyFloat) return float(v.v);
  if (v instanceof Uint8Array) return binary(v);
  if (Array.isArray(v)) return { kind: 'sequence', items: [] };
  // Anything else has no form of its own; the reference writes this in its place.
  return plain('NULL');
}
function plain(text: string): OutNode {
  return { kind: 'scalar', text, plain: true };
}
function float(v: number): OutNode {
  if (Number.isNaN(v)) return plain('.nan');
  if (!Number.isFinite(v)) return plain(v > 0 ? '.inf' : '-.inf');
  const text = floatRepr(v);
  return plain(!text.includes('.') && text.includes('e') ? text.replace('e', '.0e') : text);
}
function binary(v: Uint8Array): OutNode {
  const lines =
    Buffer.from(v)
      .toString('base64')
      .match(/.{1,76}/g) ?? [];
  return { kind: 'scalar', text: lines.map((l) => `${l}\n`).join(''), literal: true, tag: '!!binary' };
}

/**
 * Writes a value as Salt's YAML dumper does, to the byte: quoting, folding at 80 columns, indentation, `null`, anchors for data that
 * occurs twice. Ends with a line break.
 */
export function dumpYaml(v: Py, options: DumpOptions = {}): string {
  const { indent = 2, width = 80 } = options;
  const step = indent >= 2 && indent <= 9 ? indent : 2;
  const flow = options.flowStyle === undefined ? null : options.flowStyle;
  const root = new Representer(flow, options.sortKeys ?? true).node(v) as OutNode;
  return new Emitter(step, width <= step * 2 ? 80 : width, options.allowUnicode ?? true).document(root);
}
