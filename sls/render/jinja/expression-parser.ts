/** Jinja 3.1's expressions: precedence, postfixes, filters, tests and call arguments, with its error texts. */
import nunjucks from 'nunjucks';
import { type Py, strRepr } from '../../values.ts';
import { describeExpr, describeToken, type JinjaTokenizer, type JToken, syntaxError } from './lexer.ts';
import { type CallArgs, type Expr, node } from './nodes.ts';

const COMPARE: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'lteq', 'gt', 'gteq']);
const CONSTANTS: ReadonlyMap<string, Py> = new Map<string, Py>([
  ['true', true],
  ['false', false],
  ['True', true],
  ['False', false],
  ['none', null],
  ['None', null],
]);
const TEST_ARGUMENT: ReadonlySet<string> = new Set([
  'name',
  'string',
  'integer',
  'float',
  'lparen',
  'lbracket',
  'lbrace',
]);
const noArgs = (): CallArgs => ({ args: [], kwargs: [], dynArgs: null, dynKwargs: null });

/** Reads expressions and targets from a token stream. `current` is the token to be read next. */
export class ExpressionParser extends nunjucks.parser.Parser {
  declare tokens: JinjaTokenizer;
  declare protected current: JToken;

  override init(tokens: never): void {
    super.init(tokens);
    this.current = this.tokens.nextToken();
  }

  // --- the token stream ---------------------------------------------------------------------------------------------
  protected advance(): JToken {
    const t = this.current;
    this.current = this.tokens.nextToken();
    return t;
  }
  protected is(expr: string): boolean {
    const t = this.current;
    return t.type === expr || (t.type === 'name' && expr === `name:${t.value as string}`);
  }
  protected isAny(exprs: readonly string[]): boolean {
    return exprs.some((e) => this.is(e));
  }
  protected skipIf(expr: string): boolean {
    if (!this.is(expr)) return false;
    this.advance();
    return true;
  }
  protected want(expr: string): JToken {
    if (!this.is(expr)) {
      const named = strRepr(describeExpr(expr));
      if (this.current.type === 'eof') this.stop(`unexpected end of template, expected ${named}.`);
      this.stop(`expected token ${named}, got ${strRepr(describeToken(this.current))}`);
    }
    return this.advance();
  }
  protected stop(message: string, line = this.current.lineno): never {
    throw syntaxError(message, line);
  }
  protected peek(): JToken {
    return this.tokens.look(0);
  }

  // --- targets ------------------------------------------------------------------------------------------------------
  protected parseName(): string {
    const t = this.want('name');
    const name = t.value as string;
    if (CONSTANTS.has(name)) this.stop("can't assign to 'name'", t.lineno);
    return name;
  }
  protected parseTarget({ ends, namespace = false }: { ends?: readonly string[]; namespace?: boolean }): Expr {
    const target = this.parseTuple({ simplified: true, ends, namespace });
    this.checkTarget(target);
    return target;
  }
  protected checkTarget(e: Expr, whole = e): void {
    if (e.typename === 'Tuple') for (const i of e.items) this.checkTarget(i, whole);
    else if (e.typename !== 'Name' && e.typename !== 'NSRef')
      this.stop(`can't assign to ${strRepr(whole.typename.toLowerCase())}`, whole.lineno);
  }

  // --- expressions --------------------------------------------------------------------------------------------------
  protected parseTuple(o: {
    simplified?: boolean;
    condexpr?: boolean;
    ends?: readonly string[];
    explicit?: boolean;
    namespace?: boolean;
  }): Expr {
    let { lineno } = this.current;
    const one = (): Expr =>
      o.simplified ? this.parsePrimary(o.namespace) : o.condexpr === false ? this.parseOr() : this.parseExpression();
    const items: Expr[] = [];
    let tuple = false;
    for (;;) {
      if (items.length) this.want('comma');
      const { type } = this.current;
      if (type === 'variable_end' || type === 'block_end' || type === 'rparen' || (o.ends && this.isAny(o.ends))) break;
      items.push(one());
      if (this.current.type !== 'comma') break;
      tuple = true;
      lineno = this.current.lineno;
    }
    if (!tuple) {
      if (items.length) return items[0] as Expr;
      if (!o.explicit) this.stop(`Expected an expression, got ${strRepr(describeToken(this.current))}`);
    }
    return node('Tuple', lineno, { items });
  }

  parseExpression(): Expr {
    let { lineno } = this.current;
    let e = this.parseOr();
    while (this.skipIf('name:if')) {
      const test = this.parseOr();
      const otherwise = this.skipIf('name:else') ? this.parseExpression() : null;
      e = node('CondExpr', lineno, { test, yes: e, otherwise });
      lineno = this.current.lineno;
    }
    return e;
  }
  protected parseOr(): Expr {
    let { lineno } = this.current;
    let left = this.parseAnd();
    while (this.skipIf('name:or')) {
      left = node('Or', lineno, { left, right: this.parseAnd() });
      lineno = this.current.lineno;
    }
    return left;
  }
  protected parseAnd(): Expr {
    let { lineno } = this.current;
    let left = this.parseNot();
    while (this.skipIf('name:and')) {
      left = node('And', lineno, { left, right: this.parseNot() });
      lineno = this.current.lineno;
    }
    return left;
  }
  protected parseNot(): Expr {
    if (!this.is('name:not')) return this.parseCompare();
    const { lineno } = this.advance();
    return node('Not', lineno, { node: this.parseNot() });
  }
  protected parseCompare(): Expr {
    const { lineno } = this.current;
    const expr = this.parseMath1();
    const ops: { op: string; expr: Expr }[] = [];
    for (;;) {
      const { type } = this.current;
      if (COMPARE.has(type)) {
        this.advance();
        ops.push({ op: type, expr: this.parseMath1() });
      } else if (this.skipIf('name:in')) ops.push({ op: 'in', expr: this.parseMath1() });
      else if (this.is('name:not') && this.peek().type === 'name' && this.peek().value === 'in') {
        this.advance();
        this.advance();
        ops.push({ op: 'notin', expr: this.parseMath1() });
      } else break;
    }
    return ops.length ? node('Compare', lineno, { expr, ops }) : expr;
  }
  protected parseMath1(): Expr {
    let { lineno } = this.current;
    let left = this.parseConcat();
    while (this.current.type === 'add' || this.current.type === 'sub') {
      const op = this.advance().type as 'add' | 'sub';
      left = node('BinOp', lineno, { op, left, right: this.parseConcat() });
      lineno = this.current.lineno;
    }
    return left;
  }
  protected parseConcat(): Expr {
    const { lineno } = this.current;
    const items = [this.parseMath2()];
    while (this.skipIf('tilde')) items.push(this.parseMath2());
    return items.length === 1 ? (items[0] as Expr) : node('Concat', lineno, { items });
  }
  protected parseMath2(): Expr {
    let { lineno } = this.current;
    let left = this.parsePow();
    while (['mul', 'div', 'floordiv', 'mod'].includes(this.current.type)) {
      const op = this.advance().type as 'mul' | 'div' | 'floordiv' | 'mod';
      left = node('BinOp', lineno, { op, left, right: this.parsePow() });
      lineno = this.current.lineno;
    }
    return left;
  }
  protected parsePow(): Expr {
    const { lineno } = this.current;
    let left = this.parseUnary();
    while (this.skipIf('pow')) left = node('BinOp', lineno, { op: 'pow', left, right: this.parseUnary() });
    return left;
  }
  protected parseUnary(filters = true): Expr {
    const { type, lineno } = this.current;
    let e: Expr;
    if (type === 'sub') {
      this.advance();
      e = node('Neg', lineno, { node: this.parseUnary(false) });
    } else if (type === 'add') {
      this.advance();
      e = node('Pos', lineno, { node: this.parseUnary(false) });
    } else e = this.parsePrimary();
    e = this.parsePostfix(e);
    return filters ? this.parseFilters(e) : e;
  }
  protected parsePrimary(namespace = false): Expr {
    const t = this.current;
    const { lineno } = t;
    if (t.type === 'name') {
      this.advance();
      const name = t.value as string;
      if (CONSTANTS.has(name)) return node('Const', lineno, { value: CONSTANTS.get(name) as Py });
      if (namespace && this.skipIf('dot')) {
        const attr = this.want('name').value as string;
        return node('NSRef', lineno, { name, attr });
      }
      return node('Name', lineno, { name });
    }
    if (t.type === 'string') {
      let value = '';
      while (this.current.type === 'string') value += this.advance().value as string;
      return node('Const', lineno, { value });
    }
    if (t.type === 'integer' || t.type === 'float') {
      this.advance();
      return node('Const', lineno, { value: t.value as Py });
    }
    if (t.type === 'lparen') {
      this.advance();
      const e = this.parseTuple({ explicit: true });
      this.want('rparen');
      return e;
    }
    if (t.type === 'lbracket') return this.parseList();
    if (t.type === 'lbrace') return this.parseDict();
    return this.stop(`unexpected ${strRepr(describeToken(t))}`, lineno);
  }
  protected parseList(): Expr {
    const { lineno } = this.want('lbracket');
    const items: Expr[] = [];
    while (this.current.type !== 'rbracket') {
      if (items.length) this.want('comma');
      if (this.is('rbracket')) break;
      items.push(this.parseExpression());
    }
    this.want('rbracket');
    return node('List', lineno, { items });
  }
  protected parseDict(): Expr {
    const { lineno } = this.want('lbrace');
    const items: (readonly [Expr, Expr])[] = [];
    while (this.current.type !== 'rbrace') {
      if (items.length) this.want('comma');
      if (this.is('rbrace')) break;
      const key = this.parseExpression();
      this.want('colon');
      items.push([key, this.parseExpression()]);
    }
    this.want('rbrace');
    return node('Dict', lineno, { items });
  }
  protected parsePostfix(of: Expr): Expr {
    let e = of;
    for (;;) {
      const { type } = this.current;
      if (type === 'dot' || type === 'lbracket') e = this.parseSubscript(e);
      else if (type === 'lparen') e = this.parseCall(e);
      else return e;
    }
  }
  protected parseFilters(of: Expr): Expr {
    let e = of;
    for (;;) {
      if (this.current.type === 'pipe') e = this.parseFilter(e) as Expr;
      else if (this.is('name:is')) e = this.parseTest(e);
      else if (this.current.type === 'lparen') e = this.parseCall(e);
      else return e;
    }
  }
  protected parseSubscript(e: Expr): Expr {
    const { type, lineno } = this.advance();
    if (type === 'dot') {
      const attr = this.advance();
      if (attr.type === 'name') return node('Getattr', lineno, { node: e, attr: attr.value as string });
      if (attr.type !== 'integer') this.stop('expected name or number', attr.lineno);
      return node('Getitem', lineno, { node: e, arg: node('Const', attr.lineno, { value: attr.value as Py }) });
    }
    const args: Expr[] = [];
    while (this.current.type !== 'rbracket') {
      if (args.length) this.want('comma');
      args.push(this.parseSubscribed());
    }
    this.want('rbracket');
    const arg = args.length === 1 ? (args[0] as Expr) : node('Tuple', lineno, { items: args });
    return node('Getitem', lineno, { node: e, arg });
  }
  protected parseSubscribed(): Expr {
    const { lineno } = this.current;
    let start: Expr | null = null;
    if (!this.skipIf('colon')) {
      start = this.parseExpression();
      if (!this.skipIf('colon')) return start;
    }
    const ended = (): boolean => this.current.type === 'rbracket' || this.current.type === 'comma';
    const stop = this.is('colon') || ended() ? null : this.parseExpression();
    let step: Expr | null = null;
    if (this.skipIf('colon') && !ended()) step = this.parseExpression();
    return node('Slice', lineno, { start, stop, step });
  }
  protected parseArgs(): CallArgs {
    const open = this.want('lparen');
    const call = noArgs();
    const ensure = (ok: boolean): void => {
      if (!ok) this.stop('invalid syntax for function call expression', open.lineno);
    };
    let first = true;
    while (this.current.type !== 'rparen') {
      if (!first) {
        this.want('comma');
        if (this.is('rparen')) break;
      }
      first = false;
      if (this.skipIf('mul')) {
        ensure(!call.dynArgs && !call.dynKwargs);
        call.dynArgs = this.parseExpression();
      } else if (this.skipIf('pow')) {
        ensure(!call.dynKwargs);
        call.dynKwargs = this.parseExpression();
      } else if (this.current.type === 'name' && this.peek().type === 'assign') {
        ensure(!call.dynKwargs);
        const key = this.advance().value as string;
        this.advance();
        call.kwargs.push({ key, value: this.parseExpression() });
      } else {
        ensure(!call.dynArgs && !call.dynKwargs && !call.kwargs.length);
        call.args.push(this.parseExpression());
      }
    }
    this.want('rparen');
    return call;
  }
  protected parseCall(e: Expr): Expr {
    const { lineno } = this.current;
    return node('Call', lineno, { node: e, call: this.parseArgs() });
  }
  protected dottedName(): string {
    let name = this.want('name').value as string;
    while (this.skipIf('dot')) name += `.${this.want('name').value as string}`;
    return name;
  }
  protected parseFilter(of: Expr | null, inline = false): Expr | null {
    let e = of;
    for (let start = inline; start || this.current.type === 'pipe'; start = false) {
      if (!start) this.advance();
      const { lineno } = this.current;
      const name = this.dottedName();
      const call = this.current.type === 'lparen' ? this.parseArgs() : noArgs();
      e = node('Filter', lineno, { node: e, name, call });
    }
    return e;
  }
  protected parseTest(e: Expr): Expr {
    const { lineno } = this.advance();
    const negated = this.skipIf('name:not');
    const name = this.dottedName();
    let call = noArgs();
    if (this.current.type === 'lparen') call = this.parseArgs();
    else if (TEST_ARGUMENT.has(this.current.type) && !this.isAny(['name:else', 'name:or', 'name:and'])) {
      if (this.is('name:is')) this.stop('You cannot chain multiple tests with is');
      call.args.push(this.parsePostfix(this.parsePrimary()));
    }
    const test = node('Test', lineno, { node: e, name, call });
    return negated ? node('Not', lineno, { node: test }) : test;
  }
}
