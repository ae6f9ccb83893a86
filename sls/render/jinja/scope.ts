/** Which names a piece of a template assigns and reads: decided before any code is written. */
import type { Expr, Stmt } from './nodes.ts';

/** The names of one scope: template name to JavaScript local, with the scopes around it. */
export class Scope {
  readonly vars = new Map<string, string>();
  /** Names of this scope that surely hold a value at the point being compiled. */
  definite = new Set<string>();
  constructor(readonly parent: Scope | null) {}
  /** The local that holds a name here; undefined when only the context can. */
  find(name: string): string | undefined {
    for (let s: Scope | null = this; s; s = s.parent) {
      const v = s.vars.get(name);
      if (v !== undefined) return v;
    }
    return undefined;
  }
  isDefinite(name: string): boolean {
    for (let s: Scope | null = this; s; s = s.parent) if (s.vars.has(name)) return s.definite.has(name);
    return false;
  }
  /** All names visible here with their locals, the innermost of each. */
  visible(): Map<string, string> {
    const out = this.parent ? this.parent.visible() : new Map<string, string>();
    for (const [k, v] of this.vars) out.set(k, v);
    return out;
  }
}

function targetNames(e: Expr, into: Set<string>): void {
  if (e.typename === 'Name') into.add(e.name);
  else if (e.typename === 'Tuple') for (const t of e.items) targetNames(t, into);
}

/** The names that statements assign in their own scope: through `if`, not into scopes within. */
export function scopeNames(body: Stmt[], into = new Set<string>()): Set<string> {
  for (const s of body)
    switch (s.typename) {
      case 'Assign':
      case 'AssignBlock':
      case 'LoadBlock':
        targetNames(s.target, into);
        break;
      case 'Import':
      case 'ImportData':
        into.add(s.target);
        break;
      case 'FromImport':
        for (const n of s.names) into.add(n.alias);
        break;
      case 'Macro':
        into.add(s.name);
        break;
      case 'Profile':
        scopeNames(s.body, into);
        break;
      case 'If':
        for (const b of s.branches) scopeNames(b.body, into);
        scopeNames(s.otherwise, into);
        break;
    }
  return into;
}

const memo = new WeakMap<object, ReadonlySet<string>>();
/** The names that a tree reads anywhere (blocks excluded: they have contexts of their own). */
function reads(n: unknown): ReadonlySet<string> {
  if (typeof n !== 'object' || n === null) return EMPTY;
  const known = memo.get(n);
  if (known) return known;
  const out = new Set<string>();
  if (Array.isArray(n)) for (const i of n) for (const r of reads(i)) out.add(r);
  else {
    const node = n as { typename?: string; name?: string };
    if (node.typename === 'Name') out.add(node.name as string);
    else if (node.typename === 'NSRef') out.add(node.name as string);
    else if (node.typename !== 'Block')
      for (const [key, v] of Object.entries(n)) {
        if (key === 'target' && node.typename !== 'CallBlock') {
          if ((v as { typename?: string } | null)?.typename === 'NSRef') out.add((v as { name: string }).name);
          continue;
        }
        if (key === 'targets') continue;
        if (typeof v === 'object') for (const r of reads(v)) out.add(r);
      }
  }
  memo.set(n, out);
  return out;
}
const EMPTY: ReadonlySet<string> = new Set();

/** Whether a body reads a name anywhere inside. */
export function loadsName(body: Stmt[], name: string): boolean {
  return reads(body).has(name);
}
