/** Expressions to JavaScript: each becomes one expression of calls into the runtime. */
import nunjucks from 'nunjucks';
import { type Py, PyFloat, strRepr } from '../../values.ts';
import { syntaxError } from './lexer.ts';
import type { CallArgs, Expr, NodeOf } from './nodes.ts';
import type { Scope } from './scope.ts';

/** What the compiler asks about the dialect: which filters and tests exist. */
export interface Known {
  hasFilter(name: string): boolean;
  hasTest(name: string): boolean;
}

const OPS: Record<string, string> = {
  add: '$add',
  sub: '$sub',
  mul: '$mul',
  div: '$div',
  floordiv: '$floordiv',
  mod: '$mod',
  pow: '$pow',
};
const COMPARE: Record<string, string> = {
  eq: '$eq',
  ne: '$ne',
  lt: '$lt',
  lteq: '$le',
  gt: '$gt',
  gteq: '$ge',
  in: '$in',
  notin: '$nin',
};

/** A JavaScript string literal; line separators are escaped since older tools take them as line ends. */
export function literal(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
/** A local's name for a template variable: ASCII, unique by its number. */
export function jsName(name: string, n: number): string {
  return `l_${name.replace(/[^A-Za-z0-9_]/g, (c) => `$${(c.codePointAt(0) as number).toString(16)}`)}_${n}`;
}

/** The part of a function that is being written. */
export interface Frame {
  /** The variable that collects output. */
  out: string;
  scope: Scope;
  /** Statements here are the template's own top level (through `if`). */
  top: boolean;
  /** Inside `if` or a conditional: unknown filters fail only when reached. */
  soft: boolean;
  /** Loops that `break` may leave without crossing a function. */
  loops: number;
  /** Output is dropped: an `extends` came before. */
  silent: boolean;
  /** An `extends` inside `if` may have come before. */
  maybeExtends: boolean;
}

/** The part of the compiler that writes expressions; statements are added by its subclass. */
export class ExpressionCompiler extends nunjucks.compiler.Compiler {
  declare protected known: Known;
  declare protected f: Frame;
  declare protected ids: number;
  declare protected refs: string[];

  protected id(): number {
    return ++this.ids;
  }
  protected x(e: Expr): string {
    const made = (this as unknown as Record<string, (n: Expr) => string>)[`x_${e.typename}`];
    if (!made) throw new Error(`no code for ${e.typename}`);
    return made.call(this, e);
  }
  protected list(items: Expr[]): string {
    return `[${items.map((i) => this.x(i)).join(',')}]`;
  }
  protected load(name: string): string {
    const v = this.f.scope.find(name);
    if (v === undefined) return name === 'self' ? '$rt.self($c)' : `$rt.n($c,${literal(name)})`;
    return this.f.scope.isDefinite(name) ? v : `(${v}===void 0?$rt.undef(${literal(name)}):${v})`;
  }
  x_Const(n: NodeOf<'Const'>): string {
    return constant(n.value);
  }
  x_Name(n: NodeOf<'Name'>): string {
    return this.load(n.name);
  }
  x_NSRef(n: NodeOf<'NSRef'>): string {
    return `$rt.attr(${this.load(n.name)},${literal(n.attr)})`;
  }
  x_Tuple(n: NodeOf<'Tuple'>): string {
    return `$tuple(${this.list(n.items)})`;
  }
  x_List(n: NodeOf<'List'>): string {
    return this.list(n.items);
  }
  x_Dict(n: NodeOf<'Dict'>): string {
    return `$dict([${n.items.map(([k, v]) => `[${this.x(k)},${this.x(v)}]`).join(',')}])`;
  }
  x_CondExpr(n: NodeOf<'CondExpr'>): string {
    const soft = this.f.soft;
    this.f.soft = true;
    const otherwise = n.otherwise ? this.x(n.otherwise) : `$rt.noElse(${n.lineno})`;
    const code = `($truth(${this.x(n.test)})?${this.x(n.yes)}:${otherwise})`;
    this.f.soft = soft;
    return code;
  }
  x_Filter(n: NodeOf<'Filter'>): string {
    return this.filter(n, n.node ? this.x(n.node) : '""');
  }
  protected filter(n: NodeOf<'Filter'>, value: string): string {
    // A filter of a set block may itself be the end of a chain.
    const inner = n.node
      ? n.node.typename === 'Filter' && !this.isWhole(n.node)
        ? this.filter(n.node, value)
        : this.x(n.node)
      : value;
    return this.filterCode(n.name, this.argList(n.call, inner), this.kwargs(n.call), n.lineno);
  }
  protected isWhole(e: Expr): boolean {
    return e.typename !== 'Filter' || (e.node !== null && this.isWhole(e.node));
  }
  protected filterCode(name: string, args: string[], kwargs: string, line: number): string {
    if (!this.known.hasFilter(name)) {
      if (!this.f.soft) throw syntaxError(`No filter named ${strRepr(name)}.`, line);
      return `$rt.noFilter(${literal(name)})`;
    }
    return `$rt.filter(${this.ref('filterRef', name)},${this.spread(args)},${kwargs})`;
  }
  protected ref(kind: 'filterRef' | 'testRef', name: string): string {
    const v = `$${kind}_${name.replace(/[^A-Za-z0-9_]/g, '$')}`;
    const decl = `const ${v}=$rt.${kind}(${literal(name)});`;
    if (!this.refs.includes(decl)) this.refs.push(decl);
    return v;
  }
  x_Test(n: NodeOf<'Test'>): string {
    if (!this.known.hasTest(n.name)) {
      if (!this.f.soft) throw syntaxError(`No test named ${strRepr(n.name)}.`, n.lineno);
      return `$rt.noTest(${literal(n.name)})`;
    }
    const args = this.argList(n.call, this.x(n.node));
    return `$rt.test(${this.ref('testRef', n.name)},${this.spread(args)},${this.kwargs(n.call)})`;
  }
  /** Positional arguments as code, with the splat last under a mark. */
  protected argList(call: CallArgs, first?: string): string[] {
    const out = call.args.map((a) => this.x(a));
    if (first !== undefined) out.unshift(first);
    if (call.dynArgs) out.push(`...$iter(${this.x(call.dynArgs)})`);
    return out;
  }
  protected spread(args: string[]): string {
    return `[${args.join(',')}]`;
  }
  protected kwargs(call: CallArgs, extra?: string): string {
    const pairs = call.kwargs.map(({ key, value }) => `[${literal(key)},${this.x(value)}]`);
    if (extra) pairs.push(extra);
    if (!pairs.length && !call.dynKwargs) return 'null';
    return `$kw([${pairs.join(',')}],${call.dynKwargs ? this.x(call.dynKwargs) : 'null'})`;
  }
  x_Call(n: NodeOf<'Call'>): string {
    return this.callCode(n);
  }
  protected callCode(n: NodeOf<'Call'>, extra?: string): string {
    const args = this.spread(this.argList(n.call));
    const kwargs = this.kwargs(n.call, extra);
    if (n.node.typename === 'Getattr')
      return `$rt.callm(${this.x(n.node.node)},${literal(n.node.attr)},${args},${kwargs})`;
    return `$rt.call(${this.x(n.node)},${args},${kwargs},$c)`;
  }
  x_Getitem(n: NodeOf<'Getitem'>): string {
    if (n.arg.typename === 'Slice') {
      const part = (e: Expr | null): string => (e ? this.x(e) : 'null');
      return `$slice(${this.x(n.node)},${part(n.arg.start)},${part(n.arg.stop)},${part(n.arg.step)})`;
    }
    return `$rt.item(${this.x(n.node)},${this.x(n.arg)})`;
  }
  x_Getattr(n: NodeOf<'Getattr'>): string {
    return `$rt.attr(${this.x(n.node)},${literal(n.attr)})`;
  }
  x_Slice(n: NodeOf<'Slice'>): string {
    const part = (e: Expr | null): string => (e ? this.x(e) : 'null');
    return `$cut(${part(n.start)},${part(n.stop)},${part(n.step)})`;
  }
  x_Concat(n: NodeOf<'Concat'>): string {
    return `$rt.concat(${this.list(n.items)})`;
  }
  x_Compare(n: NodeOf<'Compare'>): string {
    const [first, ...more] = n.ops as [(typeof n.ops)[0], ...typeof n.ops];
    if (!more.length) return `${COMPARE[first.op]}(${this.x(n.expr)},${this.x(first.expr)})`;
    const ids = n.ops.map(() => `$k${this.id()}`);
    const parts = n.ops.map(
      (o, i) =>
        `${COMPARE[o.op]}(${i ? ids[i - 1] : this.x(n.expr)},${i < n.ops.length - 1 ? `${ids[i]}=` : ''}${this.x(o.expr)})`,
    );
    return `((${ids.slice(0, -1).join(',')})=>${parts.join('&&')})()`;
  }
  x_BinOp(n: NodeOf<'BinOp'>): string {
    return `${OPS[n.op]}(${this.x(n.left)},${this.x(n.right)})`;
  }
  x_And(n: NodeOf<'And'>): string {
    const v = `$a${this.id()}`;
    return `((${v})=>$truth(${v})?${this.x(n.right)}:${v})(${this.x(n.left)})`;
  }
  x_Or(n: NodeOf<'Or'>): string {
    const v = `$a${this.id()}`;
    return `((${v})=>$truth(${v})?${v}:${this.x(n.right)})(${this.x(n.left)})`;
  }
  x_Not(n: NodeOf<'Not'>): string {
    return `!$truth(${this.x(n.node)})`;
  }
  x_Neg(n: NodeOf<'Neg'>): string {
    return `$neg(${this.x(n.node)})`;
  }
  x_Pos(n: NodeOf<'Pos'>): string {
    return `$pos(${this.x(n.node)})`;
  }
}

function constant(v: Py): string {
  if (typeof v === 'string') return literal(v);
  if (typeof v === 'bigint') return `$big("${v}")`;
  if (v instanceof PyFloat)
    return `$float(${Number.isFinite(v.v) ? `"${Object.is(v.v, -0) ? '-0' : v.v}"` : '"Infinity"'})`;
  return String(v);
}
