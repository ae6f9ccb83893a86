/** Environments and templates of the dialect, and the runtime that compiled code calls. */
import { createHash } from 'node:crypto';
import { getHeapStatistics } from 'node:v8';
import nunjucks from 'nunjucks';
import { SaltError } from '../../../bus/errors.ts';
import { type Log, quietLog } from '../../../bus/log.ts';
import {
  contains,
  eq,
  hashable,
  iterate,
  Markup,
  mkFloat,
  order,
  type Py,
  PyDict,
  PyIterator,
  PyObject,
  PyTuple,
  repr,
  str,
  strOf,
  strRepr,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import { call, callMethod, getattr, getitem, Slice, slice, splat } from './attrs.ts';
import { JinjaCompiler, type Known } from './compiler.ts';
import { dialectFilters, dialectTests } from './dialect.ts';
import type { Engine, FilterDef, TestDef } from './engine.ts';
import { passed } from './errors.ts';
import { escapeText } from './escape.ts';
import { makeGlobals } from './globals.ts';
import { JinjaTokenizer, LEXER_DEFAULTS, type LexerOptions } from './lexer.ts';
import type { SaltLoader } from './loader.ts';
import { add, checkSize, div, floordiv, mod, mul, neg, pos, pow, sub, typeError, unpack } from './ops.ts';
import { JinjaParser } from './parser.ts';
import { printable } from './printable.ts';
import {
  type BlockFn,
  BlockRef,
  Context,
  ContextFunction,
  Loop,
  Macro,
  Namespace,
  SelfRef,
  TemplateModule,
} from './runtime.ts';
import { undefinedIn } from './undefined-in.ts';

/** Options of an environment. */
export interface EnvironmentOptions {
  lexer?: Partial<LexerOptions>;
  /** Undefined values raise on use (Salt's default; `allow_undefined` turns it off). */
  strict?: boolean;
  autoescape?: boolean;
  /** Seconds a render may take; 0 for no limit. Default 60. */
  timeLimit?: number;
  /** MiB by which a render may grow the heap. Default 1024. */
  memoryLimit?: number;
  /** UTF-16 units of output a render may make. Default 64 Mi. */
  outputLimit?: number;
  log?: Log;
  opts?: { get(key: string): Py | undefined };
}

type Locals = readonly (readonly [string, Py | undefined])[];
interface Compiled {
  root: (c: Context) => string;
  blocks: [string, BlockFn, boolean][];
}
type Factory = (rt: SaltEnvironment) => Compiled;

const MAX_CACHED = 500;
/** Steps of work between two looks at clock and heap. */
const CHECK_EVERY = 256;
/** Levels of calls that Python's stack of 1000 frames has room for. */
const MAX_DEPTH = 195;
/** Compiled code by content: shared by all environments, since code holds no state of a render. */
const codeCache = new Map<string, Factory>();

/** Drops all cached code (for tests that measure cold renders). */
export function clearCodeCache(): void {
  codeCache.clear();
}

const pure = {
  add,
  sub,
  mul,
  div,
  floordiv,
  mod,
  pow,
  neg,
  pos,
  eq,
  ne: (a: Py, b: Py): boolean => !eq(a, b),
  lt: (a: Py, b: Py): boolean => order('<', a, b),
  le: (a: Py, b: Py): boolean => order('<=', a, b),
  gt: (a: Py, b: Py): boolean => order('>', a, b),
  ge: (a: Py, b: Py): boolean => order('>=', a, b),
  in: (a: Py, b: Py): boolean => contains(b, a),
  nin: (a: Py, b: Py): boolean => !contains(b, a),
  truth,
  iter: (v: Py): Iterable<Py> => (Array.isArray(v) ? (v as Py[]) : iterate(v)),
  unpack,
  slice,
  cut: (a: Py, b: Py, c: Py): Slice => new Slice(a, b, c),
  tuple: (items: Py[]): PyTuple => {
    const t = new PyTuple<Py>();
    for (const i of items) t.push(i);
    return t;
  },
  dict: (pairs: [Py, Py][]): PyDict => {
    const d = new PyDict();
    for (const [k, v] of pairs) d.set(hashable(k), v);
    return d;
  },
  kw: (pairs: [string, Py][], more: Py): PyDict => {
    const d = new PyDict();
    for (const [k, v] of pairs) {
      if (d.has(k)) throw new SaltError('TemplateSyntaxError', `keyword argument repeated: ${k}`);
      d.set(k, v);
    }
    if (more !== null)
      for (const [k, v] of splat(more)) {
        if (d.has(k)) return typeError(`got multiple values for keyword argument ${repr(k)}`);
        d.set(k, v);
      }
    return d;
  },
  big: (text: string): bigint => BigInt(text),
  float: (text: string): Py => mkFloat(Number(text)),
};

/** One render's environment: cheap to make, since code is cached outside it. Also the runtime that compiled code calls. */
export class SaltEnvironment extends nunjucks.Environment implements Engine, Known {
  declare readonly strict: boolean;
  declare ae: boolean;
  declare readonly log: Log;
  declare readonly lexer: LexerOptions;
  /** Names every template of this environment sees; a loader changes `tpldir`, `tplfile`, `tpldot` in it. */
  declare readonly globalNames: Map<string, Py>;
  declare readonly pure: typeof pure;
  declare private options: EnvironmentOptions;
  declare private saltLoader: SaltLoader | null;
  declare private filters: Map<string, FilterDef>;
  declare private tests: Map<string, TestDef>;
  declare private own: boolean;
  declare private templates: Map<string, SaltTemplate>;
  declare private modules: Map<SaltTemplate, TemplateModule>;
  declare private steps: number;
  declare private deadline: number;
  declare private most: number;
  declare private nextCheck: number;
  declare private heapAtStart: number;
  declare private heapLimit: number;
  declare private depth: number;

  override init(loader?: never, options?: never): void {
    const o = (options ?? {}) as EnvironmentOptions;
    this.saltLoader = (loader as unknown as SaltLoader | undefined) ?? null;
    this.options = o;
    this.opts = {};
    this.loaders = this.saltLoader ? [this.saltLoader] : [];
    this.extensionsList = [];
    const self = this as { -readonly [K in keyof this]: this[K] };
    self.strict = o.strict ?? true;
    self.ae = o.autoescape ?? false;
    self.log = o.log ?? quietLog;
    self.lexer = { ...LEXER_DEFAULTS, ...o.lexer };
    self.pure = pure;
    this.filters = dialectFilters();
    this.tests = dialectTests();
    this.own = false;
    this.templates = new Map();
    this.modules = new Map();
    this.steps = 0;
    this.most = o.outputLimit ?? 64 * 1024 * 1024;
    this.deadline = 0;
    this.depth = 0;
    this.nextCheck = CHECK_EVERY;
    this.heapAtStart = 0;
    this.heapLimit = (o.memoryLimit ?? 1024) * 2 ** 20;
    self.globalNames = makeGlobals();
  }

  /** Adds a filter of the caller's own; it hides a built-in one of that name. */
  addFilter(name: string, def: FilterDef): this {
    if (!this.own) this.copyTables();
    this.filters.set(name, def);
    return this;
  }
  /** Adds a test of the caller's own. */
  addTest(name: string, def: TestDef): this {
    if (!this.own) this.copyTables();
    this.tests.set(name, def);
    return this;
  }
  private copyTables(): void {
    this.filters = new Map(this.filters);
    this.tests = new Map(this.tests);
    this.own = true;
  }

  // --- templates ----------------------------------------------------------------------------------------------------
  /** A template from text. */
  fromString(source: string): SaltTemplate {
    return new SaltTemplate(source, this, null, null);
  }
  /** Renders a text with variables. Errors are bare SaltErrors with their places noted (errors.ts makes them Salt's). */
  renderString(source: string, variables: ReadonlyMap<string, Py>): string {
    this.start();
    return this.fromString(source).renderWith(variables);
  }
  private start(): void {
    const limit = this.options.timeLimit ?? 60;
    this.deadline = limit ? Date.now() + limit * 1000 : Number.POSITIVE_INFINITY;
    this.steps = 0;
    this.nextCheck = CHECK_EVERY;
    this.heapAtStart = getHeapStatistics().used_heap_size;
  }
  /** A template by name; TemplateNotFound with the name as text. */
  getTemplate(name: string): SaltTemplate {
    const loader = this.saltLoader;
    if (!loader) throw new SaltError('TypeError', 'no loader for this environment specified');
    const full = loader.locate(name, this.globalNames);
    const known = this.templates.get(full);
    if (known) return known;
    const found = loader.load(full, name, this.globalNames);
    const made = new SaltTemplate(found.source, this, name, found.path);
    this.templates.set(full, made);
    return made;
  }
  /** The template that the value of an extends, import or (`several`) include names. */
  choose(which: Py, several = false): SaltTemplate {
    const name = strOf(which);
    if (name !== undefined) return this.getTemplate(name);
    if (which instanceof Undefined) which.fail();
    if (!several) throw new SaltError('AttributeError', `'${typeName(which)}' object has no attribute 'split'`);
    const names = [...iterate(which)];
    if (!names.length) throw new SaltError('TemplateNotFound', 'Tried to select from an empty list of templates.');
    for (const n of names) {
      try {
        return this.choose(n);
      } catch (e) {
        if (!(e instanceof SaltError && e.code === 'TemplateNotFound')) throw e;
      }
    }
    const all = names.map((n) => str(n)).join(', ');
    throw new SaltError('TemplateNotFound', `none of the templates given were found: ${all}`);
  }
  /** Compiled code for a source, from the cache where it was seen before with the same lexer options. */
  factory(source: string): Factory {
    const key = `${this.own ? 'own' : ''}${JSON.stringify(this.lexer)}\0${source}`;
    const hash = createHash('sha1').update(key).digest('base64');
    const known = this.own ? undefined : codeCache.get(hash);
    if (known) {
      codeCache.delete(hash);
      codeCache.set(hash, known);
      return known;
    }
    const tree = new JinjaParser(new JinjaTokenizer(source, this.lexer)).parseAsRoot();
    const code = new JinjaCompiler(null, this as Known).code(tree);
    const made = new Function('$rt', code) as Factory;
    if (!this.own) {
      if (codeCache.size >= MAX_CACHED)
        for (const k of codeCache.keys()) {
          codeCache.delete(k);
          break;
        }
      codeCache.set(hash, made);
    }
    return made;
  }

  // --- Known and Engine ---------------------------------------------------------------------------------------------
  hasFilter(name: string): boolean {
    return this.filters.has(name);
  }
  hasTest(name: string): boolean {
    return this.tests.has(name);
  }
  findFilter(name: string): FilterDef | undefined {
    return this.filters.get(name);
  }
  findTest(name: string): TestDef | undefined {
    return this.tests.get(name);
  }
  filterRef(name: string): FilterDef {
    return this.filters.get(name) as FilterDef;
  }
  testRef(name: string): TestDef {
    return this.tests.get(name) as TestDef;
  }
  noFilter(name: string): never {
    throw new SaltError('TemplateRuntimeError', `No filter named ${strRepr(name)} found.`);
  }
  noTest(name: string): never {
    throw new SaltError('TemplateRuntimeError', `No test named ${strRepr(name)} found.`);
  }
  filter(def: FilterDef, args: Py[], kwargs: PyDict | null): Py {
    if (def.guarded) {
      const missing = undefinedIn(args[0] as Py);
      if (missing) return missing;
    }
    const made = def.apply(args, kwargs, this);
    if (Array.isArray(made) && made.length > CHECK_EVERY) this.step(made.length);
    return made;
  }
  test(def: TestDef, args: Py[], kwargs: PyDict | null): boolean {
    return def.apply(args, kwargs, this);
  }
  undef(name: Py, owner?: Py, hint?: string): Undefined {
    return new Undefined(name, owner, this.strict, hint);
  }
  opt(name: string): Py | undefined {
    return this.options.opts?.get(name);
  }
  salt(name: string): Py | undefined {
    const salt = this.globalNames.get('salt');
    return salt instanceof PyObject ? salt.pyItem?.(name) : undefined;
  }
  step(weight = 1): void {
    this.steps += weight;
    if (this.steps < this.nextCheck) return;
    this.nextCheck = this.steps + CHECK_EVERY;
    if (Date.now() > this.deadline)
      throw new SaltError(
        'TemplateRuntimeError',
        `rendering took longer than the limit of ${this.options.timeLimit ?? 60} seconds`,
      );
    const used = getHeapStatistics().used_heap_size - this.heapAtStart;
    if (used > this.heapLimit)
      throw new SaltError(
        'MemoryError',
        `rendering holds over ${Math.round(this.heapLimit / 2 ** 20)} MiB more than it started with`,
      );
  }

  // --- what compiled code calls -------------------------------------------------------------------------------------
  /** One turn of a loop or macro: time and size are checked. */
  t(out: string): void {
    if (out.length > this.most)
      throw new SaltError('TemplateRuntimeError', `the output is over the limit of ${this.most} characters`);
    this.step();
  }
  n(c: Context, name: string): Py {
    const v = c.r(name);
    return v === undefined ? new Undefined(name, undefined, this.strict) : v;
  }
  noArg(name: string): Undefined {
    return this.undef(name, undefined, `parameter ${strRepr(name)} was not provided`);
  }
  noElse(line: number): Undefined {
    return new Undefined(
      '',
      undefined,
      false,
      `the inline if-expression on line ${line} evaluated to false and no else section was defined.`,
    );
  }
  /** What `{{ v }}` prints. */
  p(v: Py): string {
    if (typeof v === 'string') return this.ae ? escapeText(v) : v;
    if (typeof v === 'object' && v !== null) {
      if (v instanceof Markup) return v.text;
      if (v instanceof TemplateModule) return v.body;
      const text = printable(v);
      return this.ae ? escapeText(text) : text;
    }
    return str(v);
  }
  /** The text of a value that goes to output unprinted (filter blocks, call blocks). */
  s(v: Py): string {
    return str(v);
  }
  attr(v: Py, name: string): Py {
    return getattr(v, name, this.strict);
  }
  item(v: Py, key: Py): Py {
    return getitem(v, key, this.strict);
  }
  callm(v: Py, name: string, args: Py[], kwargs: PyDict | null): Py {
    this.step();
    return callMethod(v, name, args, kwargs, this.strict);
  }
  call(f: Py, args: Py[], kwargs: PyDict | null, c?: Context): Py {
    this.step();
    if (f instanceof ContextFunction && c) return f.runIn(c, args, kwargs);
    return call(f, args, kwargs);
  }
  concat(items: Py[]): Py {
    let out = '';
    if (this.ae && items.some((i) => i instanceof Markup)) {
      for (const i of items) out += i instanceof Markup ? i.text : escapeText(str(i));
      return new Markup(out);
    }
    for (const i of items) out += str(i);
    checkSize(out.length);
    return out;
  }
  capture(text: string): Py {
    return this.ae ? new Markup(text) : text;
  }
  where(items: Py, test: (v: Py) => boolean): PyIterator {
    const it = iterate(items);
    return new PyIterator(
      (function* () {
        for (const v of it) if (test(v)) yield v;
      })(),
    );
  }
  loop(items: Py, again: ((items: Py, depth: number) => string) | null, depth: number): Loop {
    return new Loop(items, again && ((more, level) => this.deeper(() => again(more, level))), depth, this.strict);
  }
  macro(
    name: string | null,
    args: string[],
    run: (...args: (Py | undefined)[]) => string,
    caller: boolean,
    kwargs: boolean,
    varargs: boolean,
  ): Macro {
    const guarded = (...given: (Py | undefined)[]): string => this.deeper(() => run(...given));
    return new Macro(name, args, guarded, caller, kwargs, varargs, (text) => this.capture(text));
  }
  /** Runs one more level of macros, recursive loops or includes; RecursionError where Python's stack would end. */
  private deeper<T>(run: () => T): T {
    if (this.depth >= MAX_DEPTH) throw new SaltError('RecursionError', 'maximum recursion depth exceeded');
    this.depth++;
    try {
      return run();
    } finally {
      this.depth--;
    }
  }
  setns(ns: Py, attr: string, v: Py): void {
    if (!(ns instanceof Namespace))
      throw new SaltError('TemplateRuntimeError', 'cannot assign attribute on non-namespace object');
    ns.attributes.set(attr, v);
  }
  self(c: Context): SelfRef {
    return new SelfRef(c);
  }
  block(c: Context, name: string, locals: Locals | null): string {
    const list = c.blocks.get(name) ?? [];
    const b = list[0];
    if (!b || (b.required && list.length <= 1))
      throw new SaltError('TemplateRuntimeError', `Required block ${strRepr(name)} not found`);
    return b.fn(locals ? c.derived(locals) : c);
  }
  superOf(c: Context, name: string, fn: BlockFn): Py {
    const list = c.blocks.get(name) ?? [];
    const i = list.findIndex((b) => b.fn === fn) + 1;
    return i < list.length
      ? new BlockRef(name, c, i)
      : this.undef('super', undefined, `there is no parent block called ${strRepr(name)}.`);
  }
  extend(c: Context, before: SaltTemplate | null, which: Py): SaltTemplate {
    if (before) throw new SaltError('TemplateRuntimeError', 'extended multiple times');
    const parent = this.choose(which);
    parent.offerBlocks(c);
    return parent;
  }
  include(c: Context, which: Py, ignoreMissing: boolean, locals: Locals | null): string {
    let template: SaltTemplate;
    try {
      template = this.choose(which, true);
    } catch (e) {
      if (ignoreMissing && e instanceof SaltError && e.code === 'TemplateNotFound') return '';
      throw e;
    }
    if (!locals) return this.defaultModule(template).body;
    const inner = new Context(c.all(locals), template.name, template.file);
    template.offerBlocks(inner);
    return this.deeper(() => template.root(inner));
  }
  module(c: Context, which: Py, locals: Locals | null): TemplateModule {
    const template = this.choose(which);
    return this.deeper(() => (locals ? template.module(c.all(locals)) : this.defaultModule(template)));
  }
  private defaultModule(template: SaltTemplate): TemplateModule {
    let m = this.modules.get(template);
    if (!m) {
      m = template.module(new Map(this.globalNames));
      this.modules.set(template, m);
    }
    return m;
  }
  from(m: TemplateModule, name: string, line: number): Py {
    const v = m.pyAttr(name);
    if (v !== undefined) return v;
    const from = strRepr(m.name ?? '<unnamed>');
    return this.undef(
      name,
      undefined,
      `the template ${from} (imported on line ${line}) does not export the requested name ${strRepr(name)}`,
    );
  }
  profile(label: Py, source: string): () => void {
    const since = process.hrtime.bigint();
    return () => {
      if (this.log.enabled('profile'))
        this.log.debug(
          `Time (in seconds) to render ${source} '${str(label)}': ${Number(process.hrtime.bigint() - since) / 1e9}`,
        );
    };
  }
  err(e: unknown, c: Context, line: number): SaltError {
    return passed(e, { name: c.name, path: c.path, line });
  }
}

/** A compiled template of one environment. */
export class SaltTemplate extends nunjucks.Template {
  declare name: string | null;
  declare file: string | null;
  declare private source: string;
  declare private made: Compiled;
  declare private saltEnv: SaltEnvironment;

  override init(...args: never[]): void {
    const [source, env, name, file] = args as unknown as [string, SaltEnvironment, string | null, string | null];
    this.source = source;
    this.saltEnv = env;
    this.env = env;
    this.name = name;
    this.file = file;
    this.path = file ?? '';
    this.compiled = false;
    this.compile();
  }
  override compile(): void {
    if (this.compiled) return;
    try {
      this.made = this.saltEnv.factory(this.source)(this.saltEnv);
    } catch (e) {
      if (e instanceof SaltError && e.code === 'TemplateSyntaxError' && this.file !== null && !e.details['file'])
        throw new SaltError(e.code, e.message, { ...e.details, file: this.file });
      throw e;
    }
    this.compiled = true;
  }
  /** Adds this template's blocks behind those that a context already has. */
  offerBlocks(c: Context): void {
    for (const [name, fn, required] of this.made.blocks) {
      const list = c.blocks.get(name);
      if (list) list.push({ fn, required });
      else c.blocks.set(name, [{ fn, required }]);
    }
  }
  root(c: Context): string {
    return this.made.root(c);
  }
  /** Runs the template as a top template. */
  renderWith(variables: ReadonlyMap<string, Py>): string {
    const all = new Map(this.saltEnv.globalNames);
    for (const [k, v] of variables) all.set(k, v);
    const c = new Context(all, this.name, this.file);
    this.offerBlocks(c);
    return this.made.root(c);
  }
  /** Runs the template as a module. */
  module(variables: ReadonlyMap<string, Py>): TemplateModule {
    const c = new Context(variables, this.name, this.file);
    this.offerBlocks(c);
    const text = this.made.root(c);
    return new TemplateModule(this.name, text, c, this.saltEnv.ae);
  }
}
