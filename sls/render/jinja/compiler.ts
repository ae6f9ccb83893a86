/**
 * Tree to JavaScript: one function for each template, block, macro, call body and recursive loop, all locals resolved here.
 * Text of a template enters the code only as a JSON string literal or as a name made by {@link jsName}.
 */
import { SaltError } from '../../../bus/errors.ts';
import { strRepr } from '../../values.ts';
import { ExpressionCompiler, type Frame, jsName, type Known, literal } from './expression-compiler.ts';
import { syntaxError } from './lexer.ts';
import type { Expr, NodeOf, Stmt } from './nodes.ts';
import { loadsName, Scope, scopeNames } from './scope.ts';

export type { Known } from './expression-compiler.ts';

/** Compiles one template's tree. Use {@link code} after construction with the tree. */
export class JinjaCompiler extends ExpressionCompiler {
  declare private line: number;
  declare private blocks: Map<string, NodeOf<'Block'>>;

  override init(templateName: never, known?: never): void {
    super.init(templateName);
    this.codebuf = [];
    this.known = known as unknown as Known;
    this.ids = 0;
    this.line = -1;
    this.refs = [];
    this.blocks = new Map();
  }

  /** The factory's source: a function body that takes `$rt` and answers `{ root, blocks }`. */
  code(tree: NodeOf<'Root'>): string {
    this.findBlocks(tree.body);
    this.function('root', '$c', 1, new Scope(null), { top: true }, () => {
      this._emit('let $p=null;');
      this.declareNames(tree.body);
      this.statements(tree.body);
      this._emit('if($p!==null)$o+=$p.root($c);');
    });
    for (const [name, b] of this.blocks)
      this.function(
        `b_${name.replace(/[^A-Za-z0-9_]/g, (c) => `$${(c.codePointAt(0) as number).toString(16)}`)}`,
        '$c',
        b.lineno,
        new Scope(null),
        { block: true },
        () => {
          const scope = this.f.scope;
          if (loadsName(b.body, 'super')) {
            const v = this.declare('super', scope);
            this._emit(`let ${v}=$rt.superOf($c,${literal(name)},${this.blockRef(name)});`);
            scope.definite.add('super');
          }
          this.declareNames(b.body);
          this.statements(b.body);
        },
      );
    const list = [...this.blocks].map(([name, b]) => `[${literal(name)},${this.blockRef(name)},${b.required}]`);
    return (
      '"use strict";const {add:$add,sub:$sub,mul:$mul,div:$div,floordiv:$floordiv,mod:$mod,pow:$pow,neg:$neg,pos:$pos,' +
      'eq:$eq,ne:$ne,lt:$lt,le:$le,gt:$gt,ge:$ge,in:$in,nin:$nin,truth:$truth,iter:$iter,unpack:$unpack,slice:$slice,cut:$cut,' +
      'tuple:$tuple,dict:$dict,kw:$kw,big:$big,float:$float}=$rt.pure;\n' +
      `${this.refs.join('')}\n${this.getCode()}\nreturn{root,blocks:[${list.join(',')}]};`
    );
  }
  private blockRef(name: string): string {
    return `b_${name.replace(/[^A-Za-z0-9_]/g, (c) => `$${(c.codePointAt(0) as number).toString(16)}`)}`;
  }
  private findBlocks(body: Stmt[]): void {
    for (const s of body) {
      if (s.typename === 'Block') {
        if (this.blocks.has(s.name)) throw syntaxError(`block ${strRepr(s.name)} defined twice`, s.lineno);
        this.blocks.set(s.name, s);
      }
      if (s.typename === 'If') for (const b of s.branches) this.findBlocks(b.body);
      if ('otherwise' in s) this.findBlocks(s.otherwise);
      if ('body' in s) this.findBlocks(s.body);
    }
  }

  // --- writing functions --------------------------------------------------------------------------------------------
  private function(
    name: string,
    params: string,
    line: number,
    scope: Scope,
    kind: { top?: boolean; block?: boolean },
    body: () => void,
  ): void {
    const outer = this.f as Frame | undefined;
    const outerLine = this.line;
    this.f = { out: '$o', scope, top: !!kind.top, soft: false, loops: 0, silent: false, maybeExtends: false };
    this.line = line;
    this._emit(`function ${name}(${params}){let $o="",$l=${line};${kind.block ? '' : 'try{'}`);
    body();
    this._emit(kind.block ? 'return $o}\n' : 'return $o}catch($e){throw $rt.err($e,$c,$l)}}\n');
    if (outer) this.f = outer;
    this.line = outerLine;
  }
  private declare(name: string, scope: Scope): string {
    const v = jsName(name, this.id());
    scope.vars.set(name, v);
    return v;
  }
  /** Declares what a scope assigns, each with the value that the name has outside. */
  private declareNames(body: Stmt[]): void {
    const { scope } = this.f;
    for (const name of scopeNames(body)) {
      if (scope.vars.has(name)) continue;
      const outer = scope.find(name) ?? `$c.r(${literal(name)})`;
      this._emit(`let ${this.declare(name, scope)}=${outer};`);
    }
  }
  private inner<T>(body: () => T, change: Partial<Frame> = {}): T {
    const outer = this.f;
    this.f = { ...outer, top: false, soft: false, scope: new Scope(outer.scope), ...change };
    const r = body();
    this.f = outer;
    return r;
  }
  private statements(body: Stmt[]): void {
    for (const s of body) this.compile(s);
  }
  private at(line: number): void {
    if (line !== this.line) {
      this.line = line;
      this._emit(`$l=${line};`);
    }
  }
  private branch(body: () => void): void {
    const definite = new Set(this.f.scope.definite);
    body();
    this.f.scope.definite = definite;
    this.line = -1;
  }
  private write(code: string): void {
    this._emit(`${this.f.out}+=${code};`);
  }
  /** Runs `body` with output going to a new variable, and answers that. */
  private buffered(body: () => void): string {
    const outer = this.f.out;
    const { silent, maybeExtends } = this.f;
    const v = `$o${this.id()}`;
    this._emit(`let ${v}="";`);
    this.f.out = v;
    this.f.silent = false;
    this.f.maybeExtends = false;
    body();
    this.f.out = outer;
    this.f.silent = silent;
    this.f.maybeExtends = maybeExtends;
    return v;
  }

  // --- statements ---------------------------------------------------------------------------------------------------
  compileOutput(n: NodeOf<'Output'>): void {
    if (this.f.silent && this.f.top) return;
    const guard = this.f.maybeExtends && this.f.top;
    if (guard) this._emit('if($p===null){');
    for (const i of n.items) {
      if (typeof i === 'string') this.write(literal(i));
      else {
        this.at(i.lineno);
        this.write(`$rt.p(${this.x(i)})`);
      }
    }
    if (guard) this._emit('}');
  }
  compileIf(n: NodeOf<'If'>): void {
    const soft = this.f.soft;
    let close = 0;
    this.at(n.lineno);
    n.branches.forEach((b, i) => {
      if (i) {
        this._emit('else{');
        close++;
        this.at(b.lineno);
      }
      this._emit(`if($truth(${this.x(b.test)})){`);
      this.f.soft = true;
      this.branch(() => this.statements(b.body));
      this._emit('}');
      this.f.soft = soft;
    });
    if (n.otherwise.length) {
      this._emit('else{');
      this.f.soft = true;
      this.branch(() => this.statements(n.otherwise));
      this.f.soft = soft;
      this._emit('}');
    }
    this._emit('}'.repeat(close));
    this.line = -1;
  }
  compileFor(n: NodeOf<'For'>): void {
    const names = new Set<string>();
    collectTargets(n.target, names);
    if (names.has('loop')) throw syntaxError("Can't assign to special loop variable in for-loop target", n.lineno);
    const extended = n.recursive || loadsName(n.body, 'loop') || hasScopedBlock(n.body);
    this.at(n.lineno);
    if (n.recursive) {
      const fn = `loop_${this.id()}`;
      const iter = this.x(n.iter);
      this.function(fn, '$it,$d', n.lineno, new Scope(this.f.scope), {}, () => this.loop(n, '$it', true, fn));
      this.write(`${fn}(${iter},0)`);
    } else {
      this._emit('{');
      this.loop(n, this.x(n.iter), extended, null);
      this._emit('}');
    }
    this.line = -1;
  }
  private loop(n: NodeOf<'For'>, iter: string, extended: boolean, recursive: string | null): void {
    const id = this.id();
    let source = iter;
    if (n.test) {
      const test = n.test;
      const fn = `t_${id}`;
      this.function(fn, '$x', n.lineno, new Scope(this.f.scope), {}, () => {
        this.assignTarget(n.target, '$x', true);
        this.at(test.lineno);
        this._emit(`return $truth(${this.x(test)});`);
      });
      source = `$rt.where(${iter},${fn})`;
    }
    const empty = `$e${id}`;
    if (n.otherwise.length) this._emit(`let ${empty}=true;`);
    const lp = `$lp${id}`;
    if (extended) {
      this._emit(
        `const ${lp}=$rt.loop(${source},${recursive ?? 'null'},${recursive ? '$d' : '0'});while(${lp}.next()){`,
      );
      source = `${lp}.cur`;
    } else {
      this._emit(`for(const $x${id} of $iter(${source})){`);
      source = `$x${id}`;
    }
    this.inner(
      () => {
        this._emit(`$rt.t(${this.f.out});`);
        if (extended) {
          this.f.scope.vars.set('loop', lp);
          this.f.scope.definite.add('loop');
        }
        this.assignTarget(n.target, source, true);
        this.declareNames(n.body);
        this.line = -1;
        this.statements(n.body);
        if (n.otherwise.length) this._emit(`${empty}=false;`);
      },
      { loops: (recursive ? 0 : this.f.loops) + 1 },
    );
    this._emit('}');
    if (n.otherwise.length) {
      this._emit(`if(${empty}){`);
      this.line = -1;
      this.inner(() => {
        this.declareNames(n.otherwise);
        this.statements(n.otherwise);
      });
      this._emit('}');
    }
  }
  /** Assigns to a target; `fresh` declares its names in the current scope first. */
  private assignTarget(target: Expr, value: string, fresh = false): void {
    if (target.typename === 'Name') {
      const { scope } = this.f;
      if (fresh) this._emit(`let ${this.declare(target.name, scope)}=${value};`);
      else this._emit(`${scope.vars.get(target.name)}=${value};`);
      scope.definite.add(target.name);
    } else if (target.typename === 'Tuple') {
      const v = `$u${this.id()}`;
      this._emit(`const ${v}=$unpack(${value},${target.items.length});`);
      target.items.forEach((t, i) => {
        this.assignTarget(t, `${v}[${i}]`, fresh);
      });
    } else if (target.typename === 'NSRef')
      this._emit(`$rt.setns(${this.load(target.name)},${literal(target.attr)},${value});`);
  }
  /** After an assignment at top level: the names go into the context and become exports. */
  private publish(target: Expr): void {
    if (!this.f.top) return;
    const names = new Set<string>();
    collectTargets(target, names);
    for (const name of names) this._emit(`$c.set(${literal(name)},${this.f.scope.vars.get(name)});`);
  }
  compileAssign(n: NodeOf<'Assign'>): void {
    this.at(n.lineno);
    if (n.target.typename === 'Name') this.assignTarget(n.target, this.x(n.node));
    else {
      const v = `$v${this.id()}`;
      this._emit(`const ${v}=${this.x(n.node)};`);
      this.assignTarget(n.target, v);
    }
    this.publish(n.target);
  }
  compileAssignBlock(n: NodeOf<'AssignBlock'>): void {
    this.at(n.lineno);
    const v = this.capture(n.body);
    this.at(n.lineno);
    const text = `$rt.capture(${v})`;
    this.assignTarget(n.target, n.filter ? this.filter(n.filter, text) : text);
    this.publish(n.target);
  }
  /** Output of a body in a scope of its own. */
  private capture(body: Stmt[]): string {
    return this.buffered(() => {
      this._emit('{');
      this.inner(() => {
        this.declareNames(body);
        this.statements(body);
      });
      this._emit('}');
      this.line = -1;
    });
  }
  compileFilterBlock(n: NodeOf<'FilterBlock'>): void {
    const v = this.capture(n.body);
    this.at(n.lineno);
    this.write(`$rt.s(${this.filter(n.filter, `$rt.capture(${v})`)})`);
  }
  compileWith(n: NodeOf<'With'>): void {
    this._emit('{');
    const values = n.values.map((e) => {
      const v = `$v${this.id()}`;
      this._emit(`const ${v}=${this.x(e)};`);
      return v;
    });
    this.inner(() => {
      n.targets.forEach((t, i) => {
        this.assignTarget(t, values[i] as string, true);
      });
      this.declareNames(n.body);
      this.statements(n.body);
    });
    this._emit('}');
    this.line = -1;
  }
  compileAutoescape(n: NodeOf<'Autoescape'>): void {
    const v = `$ae${this.id()}`;
    this._emit(`const ${v}=$rt.ae;$rt.ae=$truth(${this.x(n.value)});try{`);
    this.inner(() => {
      this.declareNames(n.body);
      this.statements(n.body);
    });
    this._emit(`}finally{$rt.ae=${v}}`);
    this.line = -1;
  }
  compileExprStmt(n: NodeOf<'ExprStmt'>): void {
    this.at(n.lineno);
    this._emit(`${this.x(n.node)};`);
  }
  compileBreak(n: NodeOf<'Break'>): void {
    this.jump(n.word, n.lineno);
  }
  compileContinue(n: NodeOf<'Continue'>): void {
    this.jump(n.word, n.lineno);
  }
  private jump(word: string, line: number): void {
    // The reference crashes here with this text; the second line is for the operator.
    if (!this.f.loops)
      throw new SaltError('TypeError', `'NoneType' object is not subscriptable\n'${word}' outside loop; line ${line}`, {
        crash: true,
        line,
      });
    this._emit(`${word === 'break' ? 'break' : 'continue'};`);
  }

  private macroBody(name: string, args: string[], defaults: Expr[], body: Stmt[], line: number): string {
    const fn = `m_${this.id()}`;
    const caller = loadsName(body, 'caller') && !args.includes('caller');
    const kwargs = loadsName(body, 'kwargs') && !args.includes('kwargs');
    const varargs = loadsName(body, 'varargs') && !args.includes('varargs');
    if (args.includes('caller') && defaults.length < args.length - args.indexOf('caller'))
      throw syntaxError(
        'When defining macros or call blocks the special "caller" argument must be omitted or be given a default.',
        line,
      );
    const scope = new Scope(this.f.scope);
    const params = args.map((a) => this.declare(a, scope));
    for (const extra of [caller && 'caller', kwargs && 'kwargs', varargs && 'varargs'] as const)
      if (extra) {
        params.push(this.declare(extra, scope));
        scope.definite.add(extra);
      }
    this.function(fn, params.join(','), line, scope, {}, () => {
      args.forEach((a, i) => {
        const d = defaults[i - (args.length - defaults.length)];
        const v = params[i] as string;
        this._emit(d ? `if(${v}===void 0)${v}=${this.x(d)};` : `if(${v}===void 0)${v}=$rt.noArg(${literal(a)});`);
        scope.definite.add(a);
      });
      this._emit('$rt.t($o);');
      this.declareNames(body);
      this.statements(body);
    });
    return `$rt.macro(${name ? literal(name) : 'null'},${JSON.stringify(args)},${fn},${caller},${kwargs},${varargs})`;
  }
  compileMacro(n: NodeOf<'Macro'>): void {
    const made = this.macroBody(n.name, n.args, n.defaults, n.body, n.lineno);
    const v = this.f.scope.vars.get(n.name);
    this.at(n.lineno);
    this._emit(`${v}=${made};`);
    this.f.scope.definite.add(n.name);
    if (this.f.top) this._emit(`$c.set(${literal(n.name)},${v});`);
  }
  compileCallBlock(n: NodeOf<'CallBlock'>): void {
    const made = this.macroBody('', n.args, n.defaults, n.body, n.lineno);
    this.at(n.lineno);
    this.write(`$rt.s(${this.callCode(n.target, `["caller",${made}]`)})`);
  }
  compileBlock(n: NodeOf<'Block'>): void {
    if (this.f.silent && this.f.top) return;
    if (this.f.maybeExtends && this.f.top) this._emit('if($p===null)');
    this._emit('{');
    this.at(n.lineno);
    this.write(`$rt.block($c,${literal(n.name)},${n.scoped ? this.locals() : 'null'})`);
    this._emit('}');
    this.line = -1;
  }
  /** Every local that is visible here, for what runs with a context of its own. */
  private locals(): string {
    const all = this.f.scope.visible();
    return `[${[...all].map(([name, v]) => `[${literal(name)},${v}]`).join(',')}]`;
  }
  compileExtends(n: NodeOf<'Extends'>): void {
    if (!this.f.top) throw syntaxError('cannot use extend from a non top-level scope', n.lineno);
    this.at(n.lineno);
    this._emit(`$p=$rt.extend($c,$p,${this.x(n.template)});`);
    if (this.f.soft) this.f.maybeExtends = true;
    else this.f.silent = true;
  }
  compileInclude(n: NodeOf<'Include'>): void {
    this.at(n.lineno);
    const code = `$rt.include($c,${this.x(n.template)},${n.ignoreMissing},${n.withContext ? this.locals() : 'null'})`;
    if (this.f.top && this.f.silent) return;
    if (this.f.top && this.f.maybeExtends) this._emit('if($p===null)');
    this.write(code);
  }
  private imported(template: Expr, withContext: boolean): string {
    return `$rt.module($c,${this.x(template)},${withContext ? this.locals() : 'null'})`;
  }
  compileImport(n: NodeOf<'Import'>): void {
    this.at(n.lineno);
    const v = this.f.scope.vars.get(n.target);
    this._emit(`${v}=${this.imported(n.template, n.withContext)};`);
    this.f.scope.definite.add(n.target);
    if (this.f.top) this._emit(`$c.bring(${literal(n.target)},${v});`);
  }
  compileFromImport(n: NodeOf<'FromImport'>): void {
    this.at(n.lineno);
    const m = `$m${this.id()}`;
    this._emit(`const ${m}=${this.imported(n.template, n.withContext)};`);
    for (const { name, alias } of n.names) {
      const v = this.f.scope.vars.get(alias);
      this._emit(`${v}=$rt.from(${m},${literal(name)},${n.lineno});`);
      this.f.scope.definite.add(alias);
      if (this.f.top) this._emit(`$c.bring(${literal(alias)},${v});`);
    }
  }
  compileImportData(n: NodeOf<'ImportData'>): void {
    this.at(n.lineno);
    const v = this.f.scope.vars.get(n.target);
    const t = `$pr${this.id()}`;
    this._emit(`const ${t}=$rt.profile(${this.x(n.template)},${literal(n.filter.replace('load_', 'import_'))});`);
    this._emit(`${v}=${this.imported(n.template, n.withContext)};`);
    const loaded = this.filterCode(n.filter, [v as string], 'null', n.lineno);
    this._emit(`${v}=${loaded};`);
    this.f.scope.definite.add(n.target);
    if (this.f.top) this._emit(`$c.set(${literal(n.target)},${v});`);
    this._emit(`${t}();`);
  }
  compileLoadBlock(n: NodeOf<'LoadBlock'>): void {
    const made = this.macroBody('load', [], [], n.body, n.lineno);
    this.at(n.lineno);
    const v = `$v${this.id()}`;
    this._emit(`const ${v}=${this.filterCode(n.filter, [`$rt.call(${made},[],null)`], 'null', n.lineno)};`);
    this.assignTarget(n.target, v);
    this.publish(n.target);
  }
  compileProfile(n: NodeOf<'Profile'>): void {
    this.at(n.lineno);
    const t = `$pr${this.id()}`;
    this._emit(`const ${t}=$rt.profile(${this.x(n.label)},"profile block");`);
    this.statements(n.body);
    this._emit(`${t}();`);
  }
}

function collectTargets(target: Expr, into: Set<string>): void {
  if (target.typename === 'Name') into.add(target.name);
  else if (target.typename === 'Tuple') for (const t of target.items) collectTargets(t, into);
}
function hasScopedBlock(body: Stmt[]): boolean {
  return body.some(
    (s) =>
      (s.typename === 'Block' && s.scoped) ||
      ('body' in s && hasScopedBlock(s.body)) ||
      ('otherwise' in s && hasScopedBlock(s.otherwise)) ||
      (s.typename === 'If' && s.branches.some((b) => hasScopedBlock(b.body))),
  );
}
