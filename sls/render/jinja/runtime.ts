/** The objects that live while a template renders: its context, loops, macros, namespaces, modules. */
import { SaltError } from '../../../bus/errors.ts';
import {
  eq,
  iteratorOf,
  Markup,
  type Py,
  PyDict,
  PyObject,
  PyTuple,
  repr,
  strRepr,
  toList,
  typeName,
  Undefined,
} from '../../values.ts';
import { typeError } from './ops.ts';

/** One block function of a template. */
export type BlockFn = (c: Context) => string;

/** The variables of one template run: what it was given (with the globals) and what its top level has set. */
export class Context {
  readonly vars = new Map<string, Py>();
  readonly exported = new Set<string>();
  /** Block functions by name, the most derived first. */
  blocks = new Map<string, { fn: BlockFn; required: boolean }[]>();
  constructor(
    readonly parent: ReadonlyMap<string, Py>,
    /** The template's name and file for errors; null for the top template. */
    readonly name: string | null,
    readonly path: string | null,
  ) {}
  /** A variable's value; JS undefined when there is none. */
  r(name: string): Py | undefined {
    const v = this.vars.get(name);
    return v === undefined ? this.parent.get(name) : v;
  }
  /** A top-level assignment. */
  set(name: string, v: Py | undefined): void {
    if (v === undefined) return;
    this.vars.set(name, v);
    if (name[0] !== '_') this.exported.add(name);
  }
  /** A top-level import: visible, not exported. */
  bring(name: string, v: Py): void {
    this.vars.set(name, v);
    this.exported.delete(name);
  }
  /** Everything visible, for an included template. */
  all(locals: readonly (readonly [string, Py | undefined])[] = []): Map<string, Py> {
    const out = new Map(this.parent);
    for (const [k, v] of this.vars) out.set(k, v);
    for (const [k, v] of locals) if (v !== undefined) out.set(k, v);
    return out;
  }
  /** The same run with further locals, for scoped blocks. */
  derived(locals: readonly (readonly [string, Py | undefined])[]): Context {
    const c = new Context(this.all(locals), this.name, this.path);
    c.blocks = this.blocks;
    return c;
  }
}

/** `loop` inside a for loop. */
export class Loop extends PyObject {
  cur: Py = null;
  private i = -1;
  private before: Py | undefined;
  private ahead: IteratorResult<Py> | undefined;
  private size: number | undefined;
  private seen: Py | undefined;
  private readonly list: readonly Py[] | undefined;
  private it: Iterator<Py> | undefined;

  constructor(
    private readonly source: Py,
    private readonly again: ((items: Py, depth: number) => string) | null,
    private readonly depth0: number,
    private readonly strict: boolean,
  ) {
    super();
    if (Array.isArray(source)) this.list = source as Py[];
    else {
      this.it = iteratorOf(source);
      if (!this.it) typeError(`'${typeName(source)}' object is not iterable`);
    }
  }
  get pyType(): string {
    return 'LoopContext';
  }
  get pyQualifiedType(): string {
    return 'jinja2.runtime.LoopContext';
  }
  override pyRepr(): string {
    return `<LoopContext ${this.i + 1}/${this.length()}>`;
  }
  /** Steps to the next item; false at the end. */
  next(): boolean {
    let r: IteratorResult<Py>;
    if (this.list) {
      if (this.i + 1 >= this.list.length) return false;
      r = { value: this.list[this.i + 1] as Py };
    } else {
      r = this.peek();
      this.ahead = undefined;
      if (r.done) return false;
    }
    if (this.i >= 0) this.before = this.cur;
    this.i++;
    this.cur = r.value;
    return true;
  }
  private peek(): IteratorResult<Py> {
    this.ahead ??= (this.it as Iterator<Py>).next();
    return this.ahead;
  }
  private following(): Py | undefined {
    if (this.list) return this.list[this.i + 1];
    const r = this.peek();
    return r.done ? undefined : r.value;
  }
  private length(): number {
    if (this.size !== undefined) return this.size;
    if (this.list) this.size = this.list.length;
    else {
      const sized = this.source instanceof PyObject && this.source.pyLen ? this.source.pyLen() : undefined;
      if (sized !== undefined) this.size = sized;
      else if (this.source instanceof PyDict || typeof this.source === 'string') this.size = toList(this.source).length;
      else {
        const rest: Py[] = [];
        for (let r = this.peek(); !r.done; r = (this.it as Iterator<Py>).next()) rest.push(r.value);
        this.size = this.i + 1 + rest.length;
        this.it = rest[Symbol.iterator]();
        this.ahead = undefined;
      }
    }
    return this.size;
  }
  override pyLen(): number {
    return this.length();
  }
  override pyAttr(name: string): Py | undefined {
    switch (name) {
      case 'index':
        return this.i + 1;
      case 'index0':
        return this.i;
      case 'revindex':
        return this.length() - this.i;
      case 'revindex0':
        return this.length() - this.i - 1;
      case 'first':
        return this.i === 0;
      case 'last':
        return this.following() === undefined;
      case 'length':
        return this.length();
      case 'depth':
        return this.depth0 + 1;
      case 'depth0':
        return this.depth0;
      case 'previtem':
        return this.i === 0
          ? new Undefined('previtem', undefined, this.strict, 'there is no previous item')
          : this.before;
      case 'nextitem': {
        const next = this.following();
        return next === undefined ? new Undefined('nextitem', undefined, this.strict, 'there is no next item') : next;
      }
      case 'cycle':
        return new HostFunction('cycle', (args) =>
          args.length ? (args[this.i % args.length] as Py) : typeError('no items for cycling given'),
        );
      case 'changed':
        return new HostFunction('changed', (args) => {
          const now = PyTuple.from_(args);
          if (this.seen !== undefined && eq(this.seen, now)) return false;
          this.seen = now;
          return true;
        });
    }
    return undefined;
  }
  override pyCall(args: Py[]): Py {
    if (!this.again) return typeError("The loop must have the 'recursive' marker to be called recursively.");
    return this.again(args[0] as Py, this.depth0 + 1);
  }
}

/** A function of the engine itself that takes arguments as they come. */
export class HostFunction extends PyObject {
  constructor(
    readonly name: string,
    private readonly run: (args: Py[], kwargs: PyDict | null) => Py,
    private readonly kind = 'function',
    private readonly extra?: (name: string) => Py | undefined,
  ) {
    super();
  }
  get pyType(): string {
    return this.kind;
  }
  override pyRepr(): string {
    return this.kind === 'function' ? `<function ${this.name} at 0x7f0000000000>` : super.pyRepr();
  }
  override pyStr(): string {
    return this.pyRepr();
  }
  override pyAttr(name: string): Py | undefined {
    return this.extra?.(name);
  }
  override pyCall(args: Py[], kwargs: PyDict | null): Py {
    return this.run(args, kwargs);
  }
}

/** A global that reads the variables of the template that calls it. */
export class ContextFunction extends PyObject {
  constructor(
    readonly name: string,
    readonly runIn: (c: Context, args: Py[], kwargs: PyDict | null) => Py,
  ) {
    super();
  }
  get pyType(): string {
    return 'function';
  }
  override pyRepr(): string {
    return `<function ${this.name} at 0x7f0000000000>`;
  }
}

/** A macro, a call block's body or the body of a load block. */
export class Macro extends PyObject {
  constructor(
    private readonly macroName: string | null,
    private readonly names: readonly string[],
    private readonly run: (...args: (Py | undefined)[]) => string,
    private readonly wantsCaller: boolean,
    private readonly wantsKwargs: boolean,
    private readonly wantsVarargs: boolean,
    private readonly wrap: (text: string) => Py,
  ) {
    super();
  }
  get pyType(): string {
    return 'Macro';
  }
  get pyQualifiedType(): string {
    return 'jinja2.runtime.Macro';
  }
  override pyRepr(): string {
    return `<Macro ${this.macroName === null ? 'anonymous' : strRepr(this.macroName)}>`;
  }
  override pyAttr(name: string): Py | undefined {
    switch (name) {
      case 'name':
        return this.macroName;
      case 'arguments':
        return PyTuple.from_([...this.names]);
      case 'catch_kwargs':
        return this.wantsKwargs;
      case 'catch_varargs':
        return this.wantsVarargs;
      case 'caller':
        return this.wantsCaller || this.names.includes('caller');
      case 'explicit_caller':
        return this.names.includes('caller');
    }
    return undefined;
  }
  override pyCall(args: Py[], kwargs: PyDict | null): Py {
    const n = this.names.length;
    const given: (Py | undefined)[] = args.length > n ? args.slice(0, n) : [...args];
    let left: PyDict | null = kwargs?.size ? new PyDict(kwargs) : null;
    let callerSeen = given.length === n && this.names.includes('caller');
    for (let i = given.length; i < n; i++) {
      const name = this.names[i] as string;
      const v = left?.get(name);
      if (v !== undefined) left?.delete(name);
      if (name === 'caller') callerSeen = true;
      given.push(v);
    }
    if (this.wantsCaller && !callerSeen) {
      const caller = left?.get('caller');
      left?.delete('caller');
      given.push(
        caller === undefined || caller === null
          ? new Undefined('caller', undefined, true, 'No caller defined')
          : caller,
      );
    }
    if (this.wantsKwargs) {
      left ??= new PyDict();
      given.push(left);
    } else if (left?.size) {
      const name = strRepr(this.macroName ?? '');
      if (left.has('caller'))
        return typeError(
          `macro ${name} was invoked with two values for the special caller argument. This is most likely a bug.`,
        );
      const [first] = left.keys();
      return typeError(
        `macro ${this.macroName === null ? 'None' : name} takes no keyword argument ${repr(first as Py)}`,
      );
    }
    if (this.wantsVarargs) given.push(PyTuple.from_(args.slice(n)));
    else if (args.length > n)
      return typeError(
        `macro ${this.macroName === null ? 'None' : strRepr(this.macroName)} takes not more than ${n} argument(s)`,
      );
    return this.wrap(this.run(...given));
  }
}

/** `namespace()`: the one value whose attributes a template may set. */
export class Namespace extends PyObject {
  readonly attributes = new PyDict();
  get pyType(): string {
    return 'Namespace';
  }
  get pyQualifiedType(): string {
    return 'jinja2.utils.Namespace';
  }
  override pyRepr(): string {
    return `<Namespace ${repr(this.attributes)}>`;
  }
  override pyAttr(name: string): Py | undefined {
    return this.attributes.get(name);
  }
}

/** An imported template: its exports as attributes, its text when printed. */
export class TemplateModule extends PyObject {
  constructor(
    readonly name: string | null,
    readonly body: string,
    private readonly context: Context,
    private readonly mark: boolean,
  ) {
    super();
  }
  get pyType(): string {
    return 'TemplateModule';
  }
  get pyQualifiedType(): string {
    return 'jinja2.environment.TemplateModule';
  }
  override pyRepr(): string {
    return `<TemplateModule ${this.name === null ? 'memory:0x7f0000000000' : strRepr(this.name)}>`;
  }
  override pyStr(): string {
    return this.body;
  }
  /** What autoescape prints. */
  markup(): Py {
    return this.mark ? new Markup(this.body) : this.body;
  }
  override pyAttr(name: string): Py | undefined {
    if (name[0] === '_') return undefined;
    return this.context.exported.has(name) ? this.context.vars.get(name) : undefined;
  }
}

/** `self.name` and `super`: a block that may be called. */
export class BlockRef extends PyObject {
  constructor(
    readonly name: string,
    private readonly context: Context,
    private readonly index: number,
  ) {
    super();
  }
  get pyType(): string {
    return 'BlockReference';
  }
  override pyAttr(name: string): Py | undefined {
    if (name !== 'super') return undefined;
    const blocks = this.context.blocks.get(this.name) ?? [];
    return this.index + 1 < blocks.length
      ? new BlockRef(this.name, this.context, this.index + 1)
      : new Undefined('super', undefined, true, `there is no parent block called ${strRepr(this.name)}.`);
  }
  override pyCall(): Py {
    const b = this.context.blocks.get(this.name)?.[this.index];
    if (!b) throw new SaltError('RuntimeError', `no block ${this.name}`);
    return b.fn(this.context);
  }
}

/** `self`: the blocks of the running template. */
export class SelfRef extends PyObject {
  constructor(private readonly context: Context) {
    super();
  }
  get pyType(): string {
    return 'TemplateReference';
  }
  override pyRepr(): string {
    return `<TemplateReference ${this.context.name === null ? 'None' : strRepr(this.context.name)}>`;
  }
  override pyItem(key: Py): Py | undefined {
    return typeof key === 'string' && this.context.blocks.has(key) ? new BlockRef(key, this.context, 0) : undefined;
  }
}

/** `cycler(...)`. */
export class Cycler extends PyObject {
  private pos = 0;
  constructor(private readonly items: Py[]) {
    super();
  }
  get pyType(): string {
    return 'Cycler';
  }
  get pyQualifiedType(): string {
    return 'jinja2.utils.Cycler';
  }
  override pyAttr(name: string): Py | undefined {
    if (name === 'current') return this.items[this.pos];
    if (name === 'pos') return this.pos;
    if (name === 'items') return PyTuple.from_(this.items);
    if (name === 'reset')
      return new HostFunction('reset', () => {
        this.pos = 0;
        return null;
      });
    if (name === 'next')
      return new HostFunction('next', () => {
        const v = this.items[this.pos] as Py;
        this.pos = (this.pos + 1) % this.items.length;
        return v;
      });
    return undefined;
  }
}

/** `joiner(sep)`: empty at its first call. */
export class Joiner extends PyObject {
  private used = false;
  constructor(private readonly sep: Py) {
    super();
  }
  get pyType(): string {
    return 'Joiner';
  }
  get pyQualifiedType(): string {
    return 'jinja2.utils.Joiner';
  }
  override pyCall(): Py {
    if (this.used) return this.sep;
    this.used = true;
    return '';
  }
  override pyAttr(name: string): Py | undefined {
    return name === 'sep' ? this.sep : name === 'used' ? this.used : undefined;
  }
}
