/** Jinja 3.1's statements with its error texts, plus `do`, `break`, `continue` and Salt's own tags. */
import type { SaltError } from '../../../bus/errors.ts';
import { strRepr } from '../../values.ts';
import { ExpressionParser } from './expression-parser.ts';
import { describeExpr } from './lexer.ts';
import { type Expr, type NodeOf, node, type Stmt } from './nodes.ts';

const LOADERS: ReadonlySet<string> = new Set(['load_yaml', 'load_json', 'load_text']);

/** What a tag handler answers: the statements it stands for. */
type Tag = (this: JinjaParser) => Stmt | Stmt[];

/** One template's parser; every `s_` method reads one tag from its name to before its end. */
export class JinjaParser extends ExpressionParser {
  declare private tagStack: string[];
  declare private endStack: (readonly string[])[];

  override init(tokens: never): void {
    this.tagStack = [];
    this.endStack = [];
    super.init(tokens);
  }

  /** Reads the whole template. */
  parseAsRoot(): NodeOf<'Root'> {
    return node('Root', 1, { body: this.parseUntil(null) });
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
