import type { Log } from '../bus/log.ts';
import { mkFloat, type Py, PyDict, PyFloat } from '../bus/values.ts';
import { fnmatch } from './fnmatch.ts';
import { isStr, iterate, repr, str, truth } from './values.ts';

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

/** A chunk's place in the graph; one chunk has two where others `prereq` it: `check` is its run in test mode. */
interface Node {
  readonly tag: string;
  chunk: Chunk;
  /** Whether it may be run together with others of its state. */
  joins: boolean;
  /** Kinds of the edges to each node that comes after, and from each that comes before. */
  readonly out: Map<Node, RequisiteKind[]>;
  readonly in: Map<Node, RequisiteKind[]>;
  check?: Node;
  /** The group that it runs with; a group's own node has `members` instead. */
  group?: Node;
  members?: Node[];
  /** Kept once computed, as the reference keeps it while it sorts. */
  childMin?: number;
}

const FAR = 1_000_000;
/** Most chunks of one group. */
const GROUP = 500;
const KIND_WEIGHT: ReadonlyMap<RequisiteKind, number> = new Map(REQUISITE_KINDS.map((k, i) => [k, i]));

/** The key of a chunk's result: `state_|-id_|-name_|-fun`. */
export function chunkTag(chunk: Chunk): string {
  const part = (key: string): string => {
    const v = chunk.get(key);
    return typeof v === 'string' ? v : str(v ?? null);
  };
  return `${part('state')}_|-${part('__id__')}_|-${part('name')}_|-${part('fun')}`;
}

/** An `order` as a number; undefined for words, none at all, and everything else. */
function orderNumber(v: Py | undefined): number | undefined {
  if (typeof v === 'number') return v;
  if (typeof v === 'boolean') return v ? 1 : 0;
  return v instanceof PyFloat ? v.v : undefined;
}
function wordNumber(v: Py | undefined, cap: number): number {
  return v === 'last' ? cap + FAR : v === 'first' ? 0 : cap;
}

/**
 * The graph of chunks and their requisites; its order is the order of execution. An edge goes from what must run first. Used for
 * states, orchestration and reactions alike.
 */
export class RequisiteGraph {
  private readonly nodes = new Map<string, Node>();
  private readonly byName = new Map<string, Map<string, Set<Node>>>();
  private readonly bySls = new Map<string, Set<Node>>();

  /** Adds a chunk; a later one of the same tag takes the place of the earlier. */
  add(chunk: Chunk, joins = false): void {
    const tag = chunkTag(chunk);
    const node = this.node(tag, chunk);
    node.chunk = chunk;
    node.joins = joins;
    const name = str(chunk.get('name') ?? null);
    const id = str(chunk.get('__id__') ?? null);
    const state = str(chunk.get('state') ?? null);
    const own = this.names(state);
    collect(own, name, node);
    collect(own, id, node);
    const any = this.names('id');
    collect(any, id, node);
    collect(any, name, node);
    const from = chunk.get('__sls_included_from__');
    for (const sls of [chunk.get('__sls__'), ...(Array.isArray(from) ? (from as Py[]) : [])]) {
      if (typeof sls !== 'string' || !sls) continue;
      collect(this.bySls, sls, node);
    }
  }

  private node(tag: string, chunk: Chunk): Node {
    let node = this.nodes.get(tag);
    if (!node) {
      node = { tag, chunk, joins: false, out: new Map(), in: new Map() };
      this.nodes.set(tag, node);
    }
    return node;
  }
  private names(kind: string): Map<string, Set<Node>> {
    let names = this.byName.get(kind);
    if (!names) {
      names = new Map();
      this.byName.set(kind, names);
    }
    return names;
  }

  /** Reads a chunk's requisites into edges; answers the first error in the reference's words. */
  link(chunk: Chunk, disabled: ReadonlySet<string> = new Set(), log?: Log): string | undefined {
    let node: Node | undefined;
    for (const kind of READ) {
      const list = chunk.get(kind);
      if (list === undefined || !truth(list)) continue;
      if (disabled.has(kind)) {
        log?.warning(`The ${kind} requisite has been disabled, Ignoring.`);
        continue;
      }
      node ??= this.nodes.get(chunkTag(chunk));
      if (!node) return undefined;
      for (const one of iterate(list)) {
        const ref = isStr(one) ? new PyDict([['id', one]]) : one;
        if (!(ref instanceof PyDict) || !ref.size) continue;
        const [rawKey, value] = ref.entries().next().value as [Py, Py];
        const name = str(rawKey);
        const dot = name.indexOf('.');
        const key = dot < 0 ? name : name.slice(0, dot);
        if (value === null) continue;
        const where = `in state [${str(chunk.get('name') ?? null)}] in SLS [${str(chunk.get('__sls__') ?? null)}]`;
        if (!isStr(value)) return `Requisite [${kind}: ${key}] ${where} must have a string as the value`;
        const found = this.find(key, str(value));
        if (!found) return `Referenced state does not exist for requisite [${kind}: (${key}: ${str(value)})] ${where}`;
        for (const f of found)
          if (kind === 'prereq') this.prereq(node, f);
          else {
            if (node.check && truth(chunk.get('__prereq__') ?? false)) connect(f, node.check, kind);
            connect(f, node, kind);
          }
      }
    }
    return undefined;
  }

  /** The nodes a requisite means; undefined where there are none. A pattern over SLS names may fit none. */
  private find(key: string, value: string): Iterable<Node> | undefined {
    const names = key === 'sls' ? this.bySls : this.byName.get(key);
    if (!/[*?[\]]/.test(value)) return names?.get(value);
    const out = new Set<Node>();
    for (const [name, set] of names ?? []) if (fnmatch(name, value)) for (const n of set) out.add(n);
    return out.size || key === 'sls' ? out : undefined;
  }

  /**
   * `node` runs only if `needed` would change something: `needed` is tried in test mode first, after all that it needs itself, and
   * really run afterwards.
   */
  private prereq(node: Node, needed: Node): void {
    node.chunk.set('__prerequiring__', true);
    needed.chunk.set('__prereq__', true);
    let check = needed.check;
    if (!check) {
      check = this.node(`${needed.tag}_|-__prereq_test__`, needed.chunk);
      needed.check = check;
      for (const [from, kinds] of needed.in) for (const k of kinds) if (k !== 'prereq') connect(from, check, k);
    }
    connect(check, node, 'prereq');
    connect(node, needed, 'require');
    if (node.check) connect(check, node.check, 'prereq');
  }

  /** A numeric order of a chunk: words and absence become numbers once, `names` add fractions, negatives count from the end. */
  private place(chunk: Chunk, cap: number): number {
    const given = chunk.get('order');
    let n = orderNumber(given);
    if (n === undefined) {
      n = wordNumber(given, cap);
      chunk.set('order', n);
    }
    const nth = chunk.get('name_order');
    if (nth !== undefined) {
      chunk.delete('name_order');
      if (typeof nth === 'number' && nth) {
        n += nth / 10_000;
        chunk.set('order', mkFloat(n));
      }
    }
    if (n < 0) {
      n += cap + FAR;
      chunk.set('order', given instanceof PyFloat || !Number.isInteger(n) ? mkFloat(n) : n);
    }
    return n;
  }

  private priority(node: Node, cap: number): Priority {
    const own = this.place(node.chunk, cap);
    let order = own;
    if (node.childMin === undefined) {
      let least = Number.POSITIVE_INFINITY;
      let weight = -1;
      for (const [to, kinds] of node.out)
        for (const kind of kinds) {
          const w = KIND_WEIGHT.get(kind) as number;
          if (w < weight) continue;
          weight = w;
          const given = to.chunk.get('order');
          if (given === undefined) continue;
          let c = orderNumber(given);
          if (c === undefined) {
            c = wordNumber(given, cap);
            to.chunk.set('order', c);
          }
          if (c < least) least = c;
        }
      node.childMin = least;
      if (least < order) order = least;
    }
    const { chunk } = node;
    const label = `${str(chunk.get('state') ?? null)}${str(chunk.get('name') ?? null)}${str(chunk.get('fun') ?? null)}`;
    return { order, own, label };
  }

  /** The chunks in order of execution, or undefined when requisites run in a circle (see {@link cycle}). */
  order(cap: number): Chunk[] | undefined {
    const waiting = new Map<Node, number>();
    const heap: Item[] = [];
    for (const node of this.nodes.values()) {
      let n = 0;
      for (const kinds of node.in.values()) n += kinds.length;
      waiting.set(node, n);
    }
    for (const [node, n] of waiting) if (!n) push(heap, { ...this.priority(node, cap), node });
    const done: Node[] = [];
    const groups = new Map<string, Node[][]>();
    while (heap.length) {
      const { node } = pop(heap);
      done.push(node);
      if (node.joins) this.join(node, groups);
      for (const [to, kinds] of node.out) {
        const n = waiting.get(to);
        if (n === undefined) continue;
        const left = n - kinds.length;
        waiting.set(to, left);
        if (left === 0) push(heap, { ...this.priority(to, cap), node: to });
      }
    }
    return done.length === waiting.size ? done.map((n) => n.chunk) : undefined;
  }

  /** Puts a chunk with the first group of its state from which no path leads to it; a group gets a node of its own with its second member. */
  private join(node: Node, groups: Map<string, Node[][]>): void {
    const state = str(node.chunk.get('state') ?? null);
    const own = groups.get(state) ?? [];
    groups.set(state, own);
    for (const [i, group] of own.entries()) {
      const first = group[0] as Node;
      if (group.length >= GROUP || leadsTo(first.group ?? first, node)) continue;
      let joint = first.group;
      if (!joint) {
        joint = this.node(`__aggregate_${state}_${i}__`, first.chunk);
        joint.members = group;
        copyEdges(first, joint);
        first.group = joint;
      }
      copyEdges(node, joint);
      node.group = joint;
      group.push(node);
      return;
    }
    own.push([node]);
  }

  /** Links all chunks and orders them, with the errors found in the reference's words; no chunks where requisites run in a circle. */
  compile(
    chunks: readonly Chunk[],
    disabled: ReadonlySet<string> = new Set(),
    log?: Log,
  ): { chunks: Chunk[]; errors: string[] } {
    const errors: string[] = [];
    let cap = 1;
    for (const c of chunks) {
      const error = this.link(c, disabled, log);
      if (error) errors.push(error);
      else {
        const given = c.get('order');
        const n = typeof given === 'boolean' ? Number(given) : given;
        if (typeof n === 'number' && Number.isInteger(n) && n > cap - 1 && n > 0) cap = n + 100;
      }
    }
    const ordered = this.order(cap);
    if (ordered) return { chunks: ordered, errors };
    const path = this.cycle()
      .map((e) => `(${describe(e.to)}, '${e.kind}', ${describe(e.from)})`)
      .join(', ');
    return { chunks: [], errors: [...errors, `Recursive requisites were found: ${path}`] };
  }

  /** What a chunk has to wait for, with the kind of each requisite. A chunk in test mode for a prereq has the needs of that try. */
  dependencies(chunk: Chunk): { kind: RequisiteKind; chunk: Chunk }[] {
    let node = this.nodes.get(chunkTag(chunk));
    if (node?.check && truth(chunk.get('__prereq__') ?? false)) node = node.check;
    const out: { kind: RequisiteKind; chunk: Chunk }[] = [];
    for (const [from, kinds] of node?.in ?? [])
      for (const kind of kinds) for (const n of from.members ?? [from]) out.push({ kind, chunk: n.chunk });
    return out;
  }

  /** The chunks that may be run in one with this one, itself included; none where it runs alone. */
  joined(chunk: Chunk): Chunk[] {
    return this.nodes.get(chunkTag(chunk))?.group?.members?.map((n) => n.chunk) ?? [];
  }

  /** Every edge, for drawing: what comes first, what after, and why. */
  edges(): { from: Chunk; to: Chunk; kind: RequisiteKind }[] {
    const out: { from: Chunk; to: Chunk; kind: RequisiteKind }[] = [];
    for (const n of this.nodes.values())
      if (!n.members)
        for (const [to, kinds] of n.out)
          if (!to.members) for (const kind of kinds) out.push({ from: n.chunk, to: to.chunk, kind });
    return out;
  }

  /** The edges of one circle, first to last. */
  cycle(): { from: Chunk; to: Chunk; kind: RequisiteKind }[] {
    const state = new Map<Node, 'open' | 'done'>();
    for (const start of this.nodes.values()) {
      if (state.has(start)) continue;
      const path: { node: Node; next: Iterator<[Node, RequisiteKind[]]>; by?: Step }[] = [
        { node: start, next: start.out.entries() },
      ];
      state.set(start, 'open');
      while (path.length) {
        const top = path[path.length - 1] as (typeof path)[number];
        const step = top.next.next();
        if (step.done) {
          state.set(top.node, 'done');
          path.pop();
          continue;
        }
        const [to, kinds] = step.value;
        const by: Step = { from: top.node, to, kind: kinds[0] as RequisiteKind };
        if (state.get(to) === 'open') {
          const at = path.findIndex((p) => p.node === to);
          const edges = [...path.slice(at + 1).map((p) => p.by as Step), by];
          return edges.map((x) => ({
            from: x.from.chunk,
            to: x.to.chunk,
            kind: x.kind === 'require' && !x.to.chunk.has('require') ? 'prereq' : x.kind,
          }));
        }
        if (!state.has(to)) {
          state.set(to, 'open');
          path.push({ node: to, next: to.out.entries(), by });
        }
      }
    }
    return [];
  }
}

interface Step {
  readonly from: Node;
  readonly to: Node;
  readonly kind: RequisiteKind;
}

function connect(from: Node, to: Node, kind: RequisiteKind): void {
  const kinds = from.out.get(to);
  if (!kinds) {
    from.out.set(to, [kind]);
    to.in.set(from, [kind]);
  } else if (!kinds.includes(kind)) {
    kinds.push(kind);
    to.in.get(from)?.push(kind);
  }
}
function copyEdges(from: Node, to: Node): void {
  for (const [n, kinds] of from.in) for (const k of kinds) connect(n, to, k);
  for (const [n, kinds] of from.out) for (const k of kinds) connect(to, n, k);
}
function leadsTo(from: Node, to: Node): boolean {
  const seen = new Set<Node>([from]);
  const todo = [from];
  for (let n = todo.pop(); n; n = todo.pop()) {
    if (n === to) return true;
    for (const next of n.out.keys())
      if (!seen.has(next)) {
        seen.add(next);
        todo.push(next);
      }
  }
  return false;
}
function collect(map: Map<string, Set<Node>>, key: string, node: Node): void {
  const set = map.get(key);
  if (set) set.add(node);
  else map.set(key, new Set([node]));
}

interface Priority {
  readonly order: number;
  readonly own: number;
  readonly label: string;
}
interface Item extends Priority {
  readonly node: Node;
}
function before(a: Item, b: Item): boolean {
  if (a.order !== b.order) return a.order < b.order;
  if (a.own !== b.own) return a.own < b.own;
  if (a.label !== b.label) return a.label < b.label;
  return a.node.tag < b.node.tag;
}
function push(heap: Item[], item: Item): void {
  let i = heap.push(item) - 1;
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!before(item, heap[up] as Item)) break;
    heap[i] = heap[up] as Item;
    i = up;
  }
  heap[i] = item;
}
function pop(heap: Item[]): Item {
  const top = heap[0] as Item;
  const item = heap.pop() as Item;
  if (!heap.length) return top;
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
  return top;
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
  return graph.compile(chunks);
}
