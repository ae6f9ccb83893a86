import { type Py, PyDict } from '../bus/values.ts';
import { fnmatch } from './fnmatch.ts';
import { repr, str } from './values.ts';

/** Requisite kinds in order of precedence: a kind further down weighs more when a chunk's place is chosen. */
export const REQUISITE_KINDS = [
  'onfail',
  'onfail_any',
  'onfail_all',
  'require',
  'require_any',
  'onchanges',
  'onchanges_any',
  'watch',
  'watch_any',
  'prereq',
  'prerequired',
  'listen',
] as const;
/** One of {@link REQUISITE_KINDS}. */
export type RequisiteKind = (typeof REQUISITE_KINDS)[number];

/** Argument names whose value is a list of requisites. */
export const REQUISITES: ReadonlySet<string> = new Set<string>([...REQUISITE_KINDS, 'onfail_stop']);

/** Kinds that make edges, in the order in which a chunk's are read. */
const READ: readonly RequisiteKind[] = [
  'require',
  'require_any',
  'watch',
  'watch_any',
  'prereq',
  'onfail',
  'onfail_any',
  'onfail_all',
  'onchanges',
  'onchanges_any',
];

type Chunk = PyDict;
interface Node {
  tag: string;
  chunk: Chunk;
  out: Edge[];
  in: Edge[];
  /** Kept once computed, as the reference keeps it while it sorts. */
  childMin?: number;
}
interface Edge {
  from: Node;
  to: Node;
  kind: RequisiteKind;
}

const FAR = 1_000_000;

/** The key of a chunk's result: `state_|-id_|-name_|-fun`. */
export function chunkTag(chunk: Chunk): string {
  return ['state', '__id__', 'name', 'fun'].map((k) => str(chunk.get(k) ?? null)).join('_|-');
}

/**
 * The graph of chunks and their requisites; its order is the order of execution. An edge goes from what must run first. Used for
 * states, orchestration and reactions alike.
 */
export class RequisiteGraph {
  private readonly nodes = new Map<string, Node>();
  private readonly byName = new Map<string, Map<string, Set<Node>>>();
  private readonly bySls = new Map<string, Set<Node>>();

  add(chunk: Chunk): void {
    const tag = chunkTag(chunk);
    const node: Node = this.nodes.get(tag) ?? { tag, chunk, out: [], in: [] };
    node.chunk = chunk;
    this.nodes.set(tag, node);
    const name = str(chunk.get('name') ?? null);
    const id = str(chunk.get('__id__') ?? null);
    const state = str(chunk.get('state') ?? null);
    for (const [kind, value] of [
      [state, name],
      [state, id],
      ['id', id],
      ['id', name],
    ] as const) {
      let names = this.byName.get(kind);
      if (!names) {
        names = new Map();
        this.byName.set(kind, names);
      }
      collect(names, value, node);
    }
    const from = chunk.get('__sls_included_from__');
    for (const sls of [chunk.get('__sls__'), ...(Array.isArray(from) ? (from as Py[]) : [])]) {
      if (typeof sls !== 'string' || !sls) continue;
      collect(this.bySls, sls, node);
    }
  }

  /** Reads a chunk's requisites into edges; answers the first error in the reference's words. */
  link(chunk: Chunk, disabled: ReadonlySet<string> = new Set()): string | undefined {
    const node = this.nodes.get(chunkTag(chunk));
    if (!node) return undefined;
    for (const kind of READ) {
      const list = chunk.get(kind);
      if (!Array.isArray(list) || disabled.has(kind)) continue;
      for (const one of list as Py[]) {
        const ref = typeof one === 'string' ? new PyDict([['id', one]]) : one;
        if (!(ref instanceof PyDict)) continue;
        const [[rawKey, value]] = [...ref] as [[Py, Py]];
        const key = str(rawKey).split('.', 1)[0] as string;
        if (value === null) continue;
        const where = `in state [${str(chunk.get('name') ?? null)}] in SLS [${str(chunk.get('__sls__') ?? null)}]`;
        if (typeof value !== 'string') return `Requisite [${kind}: ${key}] ${where} must have a string as the value`;
        const found = this.find(key, value);
        if (!found.length)
          return `Referenced state does not exist for requisite [${kind}: (${key}: ${value})] ${where}`;
        for (const f of found) this.connect(f, node, kind);
      }
    }
    return undefined;
  }

  private find(key: string, value: string): Node[] {
    const names = key === 'sls' ? this.bySls : this.byName.get(key);
    if (!names) return [];
    if (!/[*?[\]]/.test(value)) return [...(names.get(value) ?? [])];
    const out = new Set<Node>();
    for (const [name, set] of names) if (fnmatch(name, value)) for (const n of set) out.add(n);
    return [...out];
  }

  private connect(from: Node, to: Node, kind: RequisiteKind): void {
    if (from.out.some((e) => e.to === to && e.kind === kind)) return;
    const e: Edge = { from, to, kind };
    from.out.push(e);
    to.in.push(e);
  }

  /** A numeric order of a chunk: words and absence become numbers once, `names` add fractions, negatives count from the end. */
  private place(chunk: Chunk, cap: number): number {
    let order: unknown = chunk.get('order');
    if (typeof order !== 'number') {
      order = order === 'last' ? cap + FAR : order === 'first' ? 0 : cap;
      chunk.set('order', order as number);
    }
    let n = order as number;
    const nth = chunk.get('name_order');
    if (chunk.has('name_order')) chunk.delete('name_order');
    if (typeof nth === 'number' && nth) {
      n += nth / 10_000;
      chunk.set('order', n);
    }
    if (n < 0) {
      n += cap + FAR;
      chunk.set('order', n);
    }
    return n;
  }

  private priority(node: Node, cap: number): [number, number, string] {
    let order = this.place(node.chunk, cap);
    if (node.childMin === undefined) {
      let least = Number.POSITIVE_INFINITY;
      let weight = -1;
      for (const e of node.out) {
        const w = REQUISITE_KINDS.indexOf(e.kind);
        if (w < weight) continue;
        weight = w;
        const c = e.to.chunk.get('order');
        if (typeof c === 'number') least = Math.min(least, c);
        else {
          const n = c === 'last' ? cap + FAR : c === 'first' ? 0 : cap;
          e.to.chunk.set('order', n);
          least = Math.min(least, n);
        }
      }
      node.childMin = least;
      order = Math.min(order, least);
    }
    const label = `${str(node.chunk.get('state') ?? null)}${str(node.chunk.get('name') ?? null)}${str(node.chunk.get('fun') ?? null)}`;
    return [order, node.chunk.get('order') as number, label];
  }

  /** The chunks in order of execution, or undefined when requisites run in a circle (see {@link cycle}). */
  order(cap: number): Chunk[] | undefined {
    const waiting = new Map<Node, number>();
    const heap: { key: [number, number, string]; node: Node }[] = [];
    const push = (node: Node): void => {
      const item = { key: this.priority(node, cap), node };
      let i = heap.push(item) - 1;
      while (i > 0) {
        const up = (i - 1) >> 1;
        if (!before(item, heap[up] as typeof item)) break;
        heap[i] = heap[up] as typeof item;
        i = up;
      }
      heap[i] = item;
    };
    for (const node of this.nodes.values()) {
      waiting.set(node, node.in.length);
      if (!node.in.length) push(node);
    }
    const out: Chunk[] = [];
    while (heap.length) {
      const top = heap[0] as (typeof heap)[number];
      const last = heap.pop() as (typeof heap)[number];
      if (heap.length) sink(heap, last);
      out.push(top.node.chunk);
      for (const e of top.node.out) {
        const left = (waiting.get(e.to) as number) - 1;
        waiting.set(e.to, left);
        if (left === 0) push(e.to);
      }
    }
    return out.length === this.nodes.size ? out : undefined;
  }

  /** The edges of one circle, first to last. */
  cycle(): { from: Chunk; to: Chunk; kind: RequisiteKind }[] {
    const state = new Map<Node, 'open' | 'done'>();
    for (const start of this.nodes.values()) {
      if (state.has(start)) continue;
      const path: { node: Node; next: number; by?: Edge }[] = [{ node: start, next: 0 }];
      state.set(start, 'open');
      while (path.length) {
        const top = path[path.length - 1] as (typeof path)[number];
        const e = top.node.out[top.next++];
        if (!e) {
          state.set(top.node, 'done');
          path.pop();
        } else if (state.get(e.to) === 'open') {
          const at = path.findIndex((p) => p.node === e.to);
          const edges = [...path.slice(at + 1).map((p) => p.by as Edge), e];
          return edges.map((x) => ({ from: x.from.chunk, to: x.to.chunk, kind: x.kind }));
        } else if (!state.has(e.to)) {
          state.set(e.to, 'open');
          path.push({ node: e.to, next: 0, by: e });
        }
      }
    }
    return [];
  }
}

function collect(map: Map<string, Set<Node>>, key: string, node: Node): void {
  const set = map.get(key);
  if (set) set.add(node);
  else map.set(key, new Set([node]));
}

type Item = { key: [number, number, string]; node: Node };
function before(a: Item, b: Item): boolean {
  for (let i = 0; i < 3; i++) {
    const x = a.key[i] as number | string;
    const y = b.key[i] as number | string;
    if (x !== y) return x < y;
  }
  return a.node.tag < b.node.tag;
}
function sink(heap: Item[], item: Item): void {
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Item, heap[child] as Item)) child++;
    if (!before(heap[child] as Item, item)) break;
    heap[i] = heap[child] as Item;
    i = child;
  }
  heap[i] = item;
}

function describe(chunk: Chunk): string {
  const d = new PyDict([
    ['SLS', chunk.get('__sls__') ?? null],
    ['ID', chunk.get('__id__') ?? null],
  ]);
  if (repr(chunk.get('__id__') ?? null) !== repr(chunk.get('name') ?? null)) d.set('NAME', chunk.get('name') ?? null);
  return repr(d);
}

/** Orders chunks by `order` and requisites; answers them with the errors found, in the reference's words. */
export function orderChunks(chunks: readonly Chunk[]): { chunks: Chunk[]; errors: string[] } {
  const graph = new RequisiteGraph();
  for (const c of chunks) graph.add(c);
  const errors: string[] = [];
  let cap = 1;
  for (const c of chunks) {
    const error = graph.link(c);
    if (error) errors.push(error);
    else {
      const n = c.get('order');
      if (typeof n === 'number' && Number.isInteger(n) && n > cap - 1 && n > 0) cap = n + 100;
    }
  }
  const ordered = graph.order(cap);
  if (ordered) return { chunks: ordered, errors };
  const path = graph
    .cycle()
    .map((e) => `(${describe(e.to)}, '${e.kind}', ${describe(e.from)})`)
    .join(', ');
  return { chunks: [], errors: [...errors, `Recursive requisites were found: ${path}`] };
}
