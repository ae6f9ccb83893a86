/** Tokens to tree: Jinja 3.1's grammar with its error texts, plus the `do`, `break`, `continue` and Salt's own tags. */
import nunjucks from 'nunjucks';
import type { SaltError } from '../../../bus/errors.ts';
import { type Py, strRepr } from '../../values.ts';
import { describeExpr, describeToken, type JinjaTokenizer, type JToken, syntaxError } from './lexer.ts';
import { type CallArgs, type Expr, type NodeOf, node, type Stmt } from './nodes.ts';

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
const LOADERS: ReadonlySet<string> = new Set(['load_yaml', 'load_json', 'load_text']);

const noArgs = (): CallArgs => ({ args: [], kwargs: [], dynArgs: null, dynKwargs: null });

/** What a tag handler answers: the statements it stands for. */
type Tag = (this: JinjaParser) => Stmt | Stmt[];

/** One template's parser. `current` is the token to be read next; every `s_` method reads one tag from its name to before its end. */
export class JinjaParser extends nunjucks.parser.Parser {
  declare tokens: JinjaTokenizer;
  declare private tagStack: string[];
  declare private endStack: (readonly string[])[];
  declare private current: JToken;

  override init(tokens: never): void {
    super.init(tokens);
    this.tagStack = [];
    this.endStack = [];
    this.current = this.tokens.nextToken();
  }

  /** Reads the whole template. */
  parseAsRoot(): NodeOf<'Root'> {
    return node('Root', 1, { body: this.parseUntil(null) });
  }

  // --- the token stream ---------------------------------------------------------------------------------------------
  private advance(): JToken {
    const t = this.current;
    this.current = this.tokens.nextToken();
    return t;
  }
  private is(expr: string): boolean {
    const t = this.current;
    return t.type === expr || (t.type === 'name' && expr === `name:${t.value as string}`);
  }
  private isAny(exprs: readonly string[]): boolean {
    return exprs.some((e) => this.is(e));
  }
  private skipIf(expr: string): boolean {
    if (!this.is(expr)) return false;
    this.advance();
    return true;
  }
  private want(expr: string): JToken {
    if (!this.is(expr)) {
      const named = strRepr(describeExpr(expr));
      if (this.current.type === 'eof') this.stop(`unexpected end of template, expected ${named}.`);
      this.stop(`expected token ${named}, got ${strRepr(describeToken(this.current))}`);
    }
    return this.advance();
  }
  private stop(message: string, line = this.current.lineno): never {
    throw syntaxError(message, line);
  }
  private lost(name: string | null, ends: readonly (readonly string[])[], line: number): never {
    const looking = ends.length ? (ends.at(-1) as string[]).map((e) => strRepr(describeExpr(e))).join(' or ') : '';
    const parts = [name === null ? 'Unexpected end of template.' : `Encountered unknown tag ${strRepr(name)}.`];
    if (looking)
      parts.push(
        name !== null && ends.some((es) => es.some((e) => describeExpr(e) === name))
          ? `You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for ${looking}.`
          : `Jinja was looking for the following tags: ${looking}.`,
      );
    const inner = this.tagStack.at(-1);
    if (inner !== undefined) parts.push(`The innermost block that needs to be closed is ${strRepr(inner)}.`);
    this.stop(parts.join(' '), line);
  }

  // --- statements ---------------------------------------------------------------------------------------------------
  private parseUntil(ends: readonly string[] | null): Stmt[] {
    const body: Stmt[] = [];
    let items: (string | Expr)[] = [];
    let line = this.current.lineno;
    const flush = (): void => {
      if (items.length) body.push(node('Output', line, { items }));
      items = [];
    };
    if (ends) this.endStack.push(ends);
    for (;;) {
      const t = this.current;
      if (t.type === 'eof') break;
      if (!items.length) line = t.lineno;
      if (t.type === 'data') {
        items.push(t.value as string);
        this.advance();
      } else if (t.type === 'variable_begin') {
        this.advance();
        items.push(this.parseTuple({}));
        this.want('variable_end');
      } else {
        flush();
        this.advance();
        if (ends && this.isAny(ends)) {
          this.endStack.pop();
          return body;
        }
        const made = this.parseStatement();
        if (Array.isArray(made)) body.push(...made);
        else body.push(made);
        this.want('block_end');
      }
    }
    flush();
    if (ends) this.endStack.pop();
    return body;
  }

  private parseStatement(): Stmt | Stmt[] {
    const t = this.current;
    if (t.type !== 'name') this.stop('tag name expected', t.lineno);
    const name = t.value as string;
    this.tagStack.push(name);
    const tag = TAGS.get(name);
    if (!tag) {
      this.tagStack.pop();
      this.lost(name, this.endStack, t.lineno);
    }
    const made = tag.call(this);
    this.tagStack.pop();
    return made;
  }

  private body(ends: readonly string[], drop = false): Stmt[] {
    this.skipIf('colon');
    this.want('block_end');
    const stmts = this.parseUntil(ends);
    if (this.current.type === 'eof') this.lost(null, [...this.endStack, ends], this.current.lineno);
    if (drop) this.advance();
    return stmts;
  }

  s_for(): Stmt {
    const { lineno } = this.want('name:for');
    const target = this.parseTarget({ ends: ['name:in'] });
    this.want('name:in');
    const iter = this.parseTuple({ condexpr: false, ends: ['name:recursive'] });
    const test = this.skipIf('name:if') ? this.parseExpression() : null;
    const recursive = this.skipIf('name:recursive');
    const body = this.body(['name:endfor', 'name:else']);
    const otherwise = this.advance().value === 'endfor' ? [] : this.body(['name:endfor'], true);
    return node('For', lineno, { target, iter, test, recursive, body, otherwise });
  }
  s_if(): Stmt {
    const { lineno } = this.want('name:if');
    const branches: NodeOf<'If'>['branches'] = [];
    let otherwise: Stmt[] = [];
    let line = lineno;
    for (;;) {
      const test = this.parseTuple({ condexpr: false });
      branches.push({ test, body: this.body(['name:elif', 'name:else', 'name:endif']), lineno: line });
      line = this.current.lineno;
      const end = this.advance().value;
      if (end === 'elif') continue;
      if (end === 'else') otherwise = this.body(['name:endif'], true);
      return node('If', lineno, { branches, otherwise });
    }
  }
  s_set(): Stmt {
    const { lineno } = this.advance();
    const target = this.parseTarget({ namespace: true });
    if (this.skipIf('assign')) return node('Assign', lineno, { target, node: this.parseTuple({}) });
    const filter = this.is('pipe') ? (this.parseFilter(null) as NodeOf<'Filter'>) : null;
    return node('AssignBlock', lineno, { target, filter, body: this.body(['name:endset'], true) });
  }
  s_with(): Stmt {
    const { lineno } = this.advance();
    const targets: Expr[] = [];
    const values: Expr[] = [];
    while (this.current.type !== 'block_end') {
      if (targets.length) this.want('comma');
      targets.push(this.parseTarget({}));
      this.want('assign');
      values.push(this.parseExpression());
    }
    return node('With', lineno, { targets, values, body: this.body(['name:endwith'], true) });
  }
  s_autoescape(): Stmt {
    const { lineno } = this.advance();
    const value = this.parseExpression();
    return node('Autoescape', lineno, { value, body: this.body(['name:endautoescape'], true) });
  }
  s_block(): Stmt {
    const { lineno } = this.advance();
    const name = this.want('name').value as string;
    const scoped = this.skipIf('name:scoped');
    const required = this.skipIf('name:required');
    if (this.current.type === 'sub')
      this.stop(
        'Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.',
      );
    const body = this.body(['name:endblock'], true);
    if (
      required &&
      !body.every((s) => s.typename === 'Output' && s.items.every((i) => typeof i === 'string' && !i.trim()))
    )
      this.stop('Required blocks can only contain comments or whitespace');
    this.skipIf(`name:${name}`);
    return node('Block', lineno, { name, body, scoped, required });
  }
  s_extends(): Stmt {
    const { lineno } = this.advance();
    return node('Extends', lineno, { template: this.parseExpression() });
  }
  private contextFlag(fallback: boolean): boolean {
    if (
      (this.is('name:with') || this.is('name:without')) &&
      this.peek().type === 'name' &&
      this.peek().value === 'context'
    ) {
      const withContext = this.advance().value === 'with';
      this.advance();
      return withContext;
    }
    return fallback;
  }
  private peek(): JToken {
    return this.tokens.look(0);
  }
  s_include(): Stmt {
    const { lineno } = this.advance();
    const template = this.parseExpression();
    let ignoreMissing = false;
    if (this.is('name:ignore') && this.peek().type === 'name' && this.peek().value === 'missing') {
      ignoreMissing = true;
      this.advance();
      this.advance();
    }
    return node('Include', lineno, { template, withContext: this.contextFlag(true), ignoreMissing });
  }
  s_import(): Stmt {
    const { lineno } = this.advance();
    const template = this.parseExpression();
    this.want('name:as');
    const target = this.parseName();
    return node('Import', lineno, { template, target, withContext: this.contextFlag(false) });
  }
  s_from(): Stmt {
    const { lineno } = this.advance();
    const template = this.parseExpression();
    this.want('name:import');
    const names: { name: string; alias: string }[] = [];
    let withContext: boolean | undefined;
    const context = (): boolean => {
      const before = this.current;
      const flag = this.contextFlag(false);
      if (this.current === before) return false;
      withContext = flag;
      return true;
    };
    for (;;) {
      if (names.length) this.want('comma');
      if (this.current.type !== 'name') this.want('name');
      if (context()) break;
      const line = this.current.lineno;
      const name = this.parseName();
      if (name.startsWith('_')) this.stop('names starting with an underline can not be imported', line);
      const alias = this.skipIf('name:as') ? this.parseName() : name;
      names.push({ name, alias });
      if (context() || this.current.type !== 'comma') break;
    }
    return node('FromImport', lineno, { template, names, withContext: withContext ?? false });
  }
  private parseSignature(): { args: string[]; defaults: Expr[] } {
    const args: string[] = [];
    const defaults: Expr[] = [];
    this.want('lparen');
    while (this.current.type !== 'rparen') {
      if (args.length) this.want('comma');
      const name = this.parseName();
      if (this.skipIf('assign')) defaults.push(this.parseExpression());
      else if (defaults.length) this.stop('non-default argument follows default argument');
      args.push(name);
    }
    this.want('rparen');
    return { args, defaults };
  }
  s_call(): Stmt {
    const { lineno } = this.advance();
    const sig = this.current.type === 'lparen' ? this.parseSignature() : { args: [], defaults: [] };
    const target = this.parseExpression();
    if (target.typename !== 'Call') this.stop('expected call', lineno);
    return node('CallBlock', lineno, {
      target: target as NodeOf<'Call'>,
      ...sig,
      body: this.body(['name:endcall'], true),
    });
  }
  s_filter(): Stmt {
    const { lineno } = this.advance();
    const filter = this.parseFilter(null, true) as NodeOf<'Filter'>;
    return node('FilterBlock', lineno, { filter, body: this.body(['name:endfilter'], true) });
  }
  s_macro(): Stmt {
    const { lineno } = this.advance();
    const name = this.parseName();
    const sig = this.parseSignature();
    return node('Macro', lineno, { name, ...sig, body: this.body(['name:endmacro'], true) });
  }
  s_print(): Stmt {
    const { lineno } = this.advance();
    const items: Expr[] = [];
    while (this.current.type !== 'block_end') {
      if (items.length) this.want('comma');
      items.push(this.parseExpression());
    }
    return node('Output', lineno, { items });
  }
  s_do(): Stmt {
    const { lineno } = this.advance();
    return node('ExprStmt', lineno, { node: this.parseTuple({}) });
  }
  s_break(): Stmt {
    return node('Break', this.advance().lineno, { word: 'break' });
  }
  s_continue(): Stmt {
    return node('Continue', this.advance().lineno, { word: 'continue' });
  }
  s_load(): Stmt {
    const { value, lineno } = this.advance();
    this.want('name:as');
    const target = this.parseTarget({});
    return node('LoadBlock', lineno, { target, filter: value as string, body: this.body(['name:endload'], true) });
  }
  s_importData(): Stmt {
    const format = (this.current.value as string).slice('import_'.length);
    const made = this.s_import() as NodeOf<'Import'>;
    const { template, target, withContext } = made;
    return node('ImportData', made.lineno, { template, target, filter: `load_${format}`, withContext });
  }
  s_profile(): Stmt {
    const { lineno } = this.advance();
    this.want('name:as');
    const label = this.parseExpression();
    return node('Profile', lineno, { label, body: this.body(['name:endprofile'], true) });
  }

  // --- targets ------------------------------------------------------------------------------------------------------
  private parseName(): string {
    const t = this.want('name');
    const name = t.value as string;
    if (CONSTANTS.has(name)) this.stop("can't assign to 'name'", t.lineno);
    return name;
  }
  private parseTarget({ ends, namespace = false }: { ends?: readonly string[]; namespace?: boolean }): Expr {
    const target = this.parseTuple({ simplified: true, ends, namespace });
    this.checkTarget(target);
    return target;
  }
  private checkTarget(e: Expr, whole = e): void {
    if (e.typename === 'Tuple') for (const i of e.items) this.checkTarget(i, whole);
    else if (e.typename !== 'Name' && e.typename !== 'NSRef')
      this.stop(`can't assign to ${strRepr(whole.typename.toLowerCase())}`, whole.lineno);
  }

  // --- expressions --------------------------------------------------------------------------------------------------
  private parseTuple(o: {
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
  private parseOr(): Expr {
    let { lineno } = this.current;
    let left = this.parseAnd();
    while (this.skipIf('name:or')) {
      left = node('Or', lineno, { left, right: this.parseAnd() });
      lineno = this.current.lineno;
    }
    return left;
  }
  private parseAnd(): Expr {
    let { lineno } = this.current;
    let left = this.parseNot();
    while (this.skipIf('name:and')) {
      left = node('And', lineno, { left, right: this.parseNot() });
      lineno = this.current.lineno;
    }
    return left;
  }
  private parseNot(): Expr {
    if (!this.is('name:not')) return this.parseCompare();
    const { lineno } = this.advance();
    return node('Not', lineno, { node: this.parseNot() });
  }
  private parseCompare(): Expr {
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
  private parseMath1(): Expr {
    let { lineno } = this.current;
    let left = this.parseConcat();
    while (this.current.type === 'add' || this.current.type === 'sub') {
      const op = this.advance().type as 'add' | 'sub';
      left = node('BinOp', lineno, { op, left, right: this.parseConcat() });
      lineno = this.current.lineno;
    }
    return left;
  }
  private parseConcat(): Expr {
    const { lineno } = this.current;
    const items = [this.parseMath2()];
    while (this.skipIf('tilde')) items.push(this.parseMath2());
    return items.length === 1 ? (items[0] as Expr) : node('Concat', lineno, { items });
  }
  private parseMath2(): Expr {
    let { lineno } = this.current;
    let left = this.parsePow();
    while (['mul', 'div', 'floordiv', 'mod'].includes(this.current.type)) {
      const op = this.advance().type as 'mul' | 'div' | 'floordiv' | 'mod';
      left = node('BinOp', lineno, { op, left, right: this.parsePow() });
      lineno = this.current.lineno;
    }
    return left;
  }
  private parsePow(): Expr {
    const { lineno } = this.current;
    let left = this.parseUnary();
    while (this.skipIf('pow')) left = node('BinOp', lineno, { op: 'pow', left, right: this.parseUnary() });
    return left;
  }
  private parseUnary(filters = true): Expr {
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
  private parsePrimary(namespace = false): Expr {
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
  private parseList(): Expr {
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
  private parseDict(): Expr {
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
  private parsePostfix(of: Expr): Expr {
    let e = of;
    for (;;) {
      const { type } = this.current;
      if (type === 'dot' || type === 'lbracket') e = this.parseSubscript(e);
      else if (type === 'lparen') e = this.parseCall(e);
      else return e;
    }
  }
  private parseFilters(of: Expr): Expr {
    let e = of;
    for (;;) {
      if (this.current.type === 'pipe') e = this.parseFilter(e) as Expr;
      else if (this.is('name:is')) e = this.parseTest(e);
      else if (this.current.type === 'lparen') e = this.parseCall(e);
      else return e;
    }
  }
  private parseSubscript(e: Expr): Expr {
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
  private parseSubscribed(): Expr {
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
  private parseArgs(): CallArgs {
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
  private parseCall(e: Expr): Expr {
    const { lineno } = this.current;
    return node('Call', lineno, { node: e, call: this.parseArgs() });
  }
  private dottedName(): string {
    let name = this.want('name').value as string;
    while (this.skipIf('dot')) name += `.${this.want('name').value as string}`;
    return name;
  }
  private parseFilter(of: Expr | null, inline = false): Expr | null {
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
  private parseTest(e: Expr): Expr {
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

const TAGS: ReadonlyMap<string, Tag> = new Map<string, Tag>([
  ...(
    [
      'for',
      'if',
      'set',
      'with',
      'autoescape',
      'block',
      'extends',
      'include',
      'import',
      'from',
      'call',
      'filter',
      'macro',
      'print',
      'do',
      'break',
      'continue',
      'profile',
    ] as const
  ).map((name) => [name, JinjaParser.prototype[`s_${name}`]] as const),
  ...[...LOADERS].map((name) => [name, JinjaParser.prototype.s_load] as const),
  ...['import_yaml', 'import_json', 'import_text'].map((name) => [name, JinjaParser.prototype.s_importData] as const),
]);

/** Whether an error came from reading a template, with the line it names. */
export function syntaxLine(e: SaltError): number | undefined {
  const line = e.details['line'];
  return typeof line === 'number' ? line : undefined;
}
