/**
 * Python's meaning of the values in bus/values.ts: what they print, when they are true, equal or ordered, how they are walked.
 * Everything operators write (SLS, pillar, templates, state data) obeys these functions; `===` and `String()` do not apply to it.
 */
import { SaltError } from '../bus/errors.ts';
import { canonicalKey, type Py, PyDict, PyFloat, PySet, PyTuple } from '../bus/values.ts';
import { chars, compareText, textLength } from './code-points.ts';
import { bytesRepr, floatRepr, numberOf, strRepr } from './numbers.ts';
import { PyObject } from './py-object.ts';

export {
  canonicalKey,
  isPlainKey,
  isWireMap,
  mkFloat,
  type Py,
  PyDict,
  PyFloat,
  PySet,
  PyTuple,
  toPy,
  toWire,
} from '../bus/values.ts';
export { chars, compareText, hasAstral, textLength } from './code-points.ts';
export {
  bytesRepr,
  floatRepr,
  isFloat,
  isInt,
  normInt,
  numberOf,
  parseFloatText,
  parseIntText,
  roundFloat,
  strRepr,
  toFloat,
  toInt,
  truncFloat,
} from './numbers.ts';
export { PyObject } from './py-object.ts';

/** Text that is already escaped for markup: a str to every test and operation, but autoescape leaves it alone. */
export class Markup extends PyObject {
  readonly pyQualifiedType = 'markupsafe.Markup';
  constructor(readonly text: string) {
    super();
  }
  get pyType(): string {
    return 'Markup';
  }
  override pyRepr(): string {
    return `Markup(${strRepr(this.text)})`;
  }
  override pyStr(): string {
    return this.text;
  }
  override pyTruth(): boolean {
    return this.text !== '';
  }
  override pyEq(other: Py): boolean {
    return strOf(other) === this.text;
  }
  override hashKey(): unknown {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

/** What a missing variable, attribute or item evaluates to. A strict one raises on every use but `is defined` and `default`. */
export class Undefined extends PyObject {
  /** The class with its module, as `<class '…'>` prints it. */
  get pyQualifiedType(): string {
    return `jinja2.runtime.${this.pyType}`;
  }
  constructor(
    /** The variable, attribute or item that is missing. */
    readonly name: Py,
    /** The object that lacks the attribute; JS undefined for a plain variable. */
    readonly owner: Py | undefined,
    readonly strict: boolean,
    /** A ready message, used instead of one built from owner and name. */
    readonly hint?: string,
    /** `SecurityError` for names that the sandbox refuses. */
    readonly failure: 'UndefinedError' | 'SecurityError' = 'UndefinedError',
  ) {
    super();
  }
  get pyType(): string {
    return this.strict ? 'StrictUndefined' : 'Undefined';
  }
  /** The text of the error that using this value raises. */
  get message(): string {
    if (this.hint !== undefined) return this.hint;
    if (this.owner === undefined) return `${repr(this.name)} is undefined`;
    const type = objectTypeName(this.owner);
    return typeof this.name === 'string'
      ? `${strRepr(type)} has no attribute ${strRepr(this.name)}`
      : `${type} has no element ${repr(this.name)}`;
  }
  /** Raises the error of using this value. */
  fail(): never {
    throw new SaltError(this.failure, this.message);
  }
  override pyRepr(): string {
    return 'Undefined';
  }
  override pyStr(): string {
    return this.strict || this.failure === 'SecurityError' ? this.fail() : '';
  }
  override pyTruth(): boolean {
    return this.strict ? this.fail() : false;
  }
  override pyLen(): number {
    return this.strict ? this.fail() : 0;
  }
  override pyIter(): Iterator<Py> {
    return this.strict ? this.fail() : ([] as Py[])[Symbol.iterator]();
  }
  override pyEq(other: Py): boolean {
    return this.strict ? this.fail() : other instanceof Undefined;
  }
  override pyContains(): boolean {
    return this.strict ? this.fail() : false;
  }
  override hashKey(): unknown {
    return this.strict ? this.fail() : this;
  }
}

/** How error texts name an object: `dict object`, or `None` for None and the class for types of ours with a module. */
export function objectTypeName(v: Py): string {
  if (v === null) return 'None';
  const own = typeof v === 'object' ? (v as { pyQualifiedType?: string }).pyQualifiedType : undefined;
  return `${own ?? (v instanceof PyObject ? qualifiedType(v) : typeName(v))} object`;
}
/** The class of an object with its module, where it has one. */
export function qualifiedType(v: PyObject): string {
  const q = (v as { pyQualifiedType?: string }).pyQualifiedType;
  return q ?? v.pyType;
}

/** `range(start, stop, step)`: never holds its items. */
export class PyRange extends PyObject {
  readonly length: number;
  constructor(
    readonly start: number,
    readonly stop: number,
    readonly step: number,
  ) {
    super();
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }
  get pyType(): string {
    return 'range';
  }
  override pyRepr(): string {
    return `range(${this.start}, ${this.stop}${this.step === 1 ? '' : `, ${this.step}`})`;
  }
  override pyTruth(): boolean {
    return this.length > 0;
  }
  override pyLen(): number {
    return this.length;
  }
  override *pyIter(): Iterator<Py> {
    for (let i = 0, n = this.start; i < this.length; i++, n += this.step) yield n;
  }
  override pyItem(key: Py): Py | undefined {
    const n = numberOf(key);
    if (n === undefined || !Number.isInteger(n)) return undefined;
    const i = n < 0 ? n + this.length : n;
    return i >= 0 && i < this.length ? this.start + i * this.step : undefined;
  }
  override pyContains(item: Py): boolean {
    const n = numberOf(item);
    if (n === undefined || !this.length) return false;
    const i = (n - this.start) / this.step;
    return Number.isInteger(i) && i >= 0 && i < this.length;
  }
  override pyEq(other: Py): boolean {
    return (
      other instanceof PyRange &&
      other.length === this.length &&
      (!this.length || (other.start === this.start && (this.length === 1 || other.step === this.step)))
    );
  }
}

/** `d.keys()`, `d.values()`, `d.items()`: a live view of its dict. */
export class DictView extends PyObject {
  constructor(
    readonly dict: PyDict,
    readonly kind: 'keys' | 'values' | 'items',
  ) {
    super();
  }
  get pyType(): string {
    return `dict_${this.kind}`;
  }
  override pyRepr(): string {
    return `dict_${this.kind}(${repr([...this])})`;
  }
  override pyTruth(): boolean {
    return this.dict.size > 0;
  }
  override pyLen(): number {
    return this.dict.size;
  }
  *[Symbol.iterator](): Iterator<Py> {
    if (this.kind === 'keys') yield* this.dict.keys();
    else if (this.kind === 'values') yield* this.dict.values();
    else for (const [k, v] of this.dict.entries()) yield pair(k, v);
  }
  override pyIter(): Iterator<Py> {
    return guardSize(this.dict, this[Symbol.iterator]());
  }
  override pyContains(item: Py): boolean {
    if (this.kind === 'keys') return this.dict.has(hashable(item));
    for (const x of this) if (eq(x, item)) return true;
    return false;
  }
  override pyEq(other: Py): boolean | undefined {
    if (this.kind === 'values') return this === other;
    if (!(other instanceof DictView || other instanceof PySet)) return undefined;
    const mine = new PySet(this);
    const theirs = new PySet(iterate(other));
    return mine.size === theirs.size && [...mine].every((x) => theirs.has(x));
  }
}

/** A tuple of two without the cost of the iterable constructor. */
export function pair(a: Py, b: Py): PyTuple {
  const t = new PyTuple<Py>();
  t.push(a, b);
  return t;
}

function* guardSize(dict: PyDict, it: Iterator<Py>): Iterator<Py> {
  const size = dict.size;
  for (;;) {
    if (dict.size !== size) throw new SaltError('RuntimeError', 'dictionary changed size during iteration');
    const r = it.next();
    if (r.done) return;
    yield r.value;
  }
}

/** A one-shot iterator with a Python type name: what `map`, `select` and their like answer. */
export class PyIterator extends PyObject {
  constructor(
    readonly it: Iterator<Py>,
    private readonly kind = 'generator',
    private readonly printed?: string,
  ) {
    super();
  }
  get pyType(): string {
    return this.kind;
  }
  override pyRepr(): string {
    return this.printed ?? super.pyRepr();
  }
  override pyIter(): Iterator<Py> {
    return this.it;
  }
}

/** `type(v).__name__`. */
export function typeName(v: Py): string {
  switch (typeof v) {
    case 'string':
      return 'str';
    case 'number':
      return Number.isInteger(v) ? 'int' : 'float';
    case 'bigint':
      return 'int';
    case 'boolean':
      return 'bool';
  }
  if (v === null) return 'NoneType';
  if (v instanceof PyTuple) return 'tuple';
  if (Array.isArray(v)) return 'list';
  if (v instanceof PyDict) return 'dict';
  if (v instanceof PyObject) return v.pyType;
  if (v instanceof PyFloat) return 'float';
  if (v instanceof PySet) return v.frozen ? 'frozenset' : 'set';
  if (v instanceof Uint8Array) return 'bytes';
  return 'object';
}

/** Whether a value is a str (Markup is one). */
export function isStr(v: Py): v is string | Markup {
  return typeof v === 'string' || v instanceof Markup;
}
/** The text of a str, JS undefined for anything else. */
export function strOf(v: Py): string | undefined {
  return typeof v === 'string' ? v : v instanceof Markup ? v.text : undefined;
}
/** A list, not a tuple. */
export function isList(v: Py): v is Py[] {
  return Array.isArray(v) && !(v instanceof PyTuple);
}
/** A sequence of Python's own kinds or text, range included. */
export function isSequence(v: Py): boolean {
  return Array.isArray(v) || isStr(v) || v instanceof PyRange || v instanceof Uint8Array;
}

const open: object[] = [];
/** `repr(v)`. Data that contains itself prints `[...]` or `{...}` there. Deep nesting raises RecursionError. */
export function repr(v: Py): string {
  switch (typeof v) {
    case 'string':
      return strRepr(v);
    case 'number':
      return Number.isInteger(v) ? String(v === 0 ? 0 : v) : floatRepr(v);
    case 'bigint':
      return String(v);
    case 'boolean':
      return v ? 'True' : 'False';
  }
  if (v === null) return 'None';
  const own = (v as { pyRepr?: () => string }).pyRepr;
  if (own !== undefined) return own.call(v);
  if (v instanceof PyFloat) return floatRepr(v.v);
  if (v instanceof Uint8Array) return bytesRepr(v);
  if (Array.isArray(v)) {
    const tuple = v instanceof PyTuple;
    if (open.includes(v)) return tuple ? '(...)' : '[...]';
    open.push(v);
    try {
      let out = '';
      for (let i = 0; i < v.length; i++) out += (i ? ', ' : '') + repr(v[i] as Py);
      return tuple ? `(${out}${v.length === 1 ? ',' : ''})` : `[${out}]`;
    } finally {
      open.pop();
    }
  }
  if (v instanceof PyDict) {
    if (open.includes(v)) return '{...}';
    open.push(v);
    try {
      let out = '';
      for (const [k, x] of v) out += `${out ? ', ' : ''}${repr(k)}: ${repr(x)}`;
      return `{${out}}`;
    } finally {
      open.pop();
    }
  }
  if (v instanceof PySet) {
    const items = [...v].map(repr).join(', ');
    return v.frozen ? `frozenset(${items && `{${items}}`})` : items ? `{${items}}` : 'set()';
  }
  return '<object>';
}

/** `str(v)`. */
export function str(v: Py): string {
  if (typeof v === 'string') return v;
  if (v instanceof PyObject) return v.pyStr();
  return repr(v);
}

/** `bool(v)`. */
export function truth(v: Py): boolean {
  switch (typeof v) {
    case 'boolean':
      return v;
    case 'string':
      return v !== '';
    case 'number':
      return v !== 0;
    case 'bigint':
      return v !== 0n;
  }
  if (v === null) return false;
  if (Array.isArray(v)) return v.length > 0;
  if (v instanceof PyDict || v instanceof PySet) return v.size > 0;
  if (v instanceof PyObject) return v.pyTruth();
  if (v instanceof PyFloat) return v.v !== 0;
  if (v instanceof Uint8Array) return v.length > 0;
  return true;
}

/** `a == b`: by content, `1 == 1.0 == True`, a list never equals a tuple, dicts whatever their order. */
export function eq(a: Py, b: Py): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a === b;
  if (a instanceof PyObject) {
    const r = a.pyEq ? a.pyEq(b) : undefined;
    if (r !== undefined) return r;
    if (a === b) return true;
  }
  if (b instanceof PyObject) return b.pyEq?.(a) ?? a === b;
  const x = numeric(a);
  if (x !== undefined) {
    const y = numeric(b);
    // biome-ignore lint/suspicious/noDoubleEquals: exact between number and bigint
    return y !== undefined && x == y;
  }
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length || a instanceof PyTuple !== b instanceof PyTuple) return false;
    for (let i = 0; i < a.length; i++) if (!same(a[i] as Py, b[i] as Py)) return false;
    return true;
  }
  if (a instanceof PyDict) {
    if (!(b instanceof PyDict) || a.size !== b.size) return false;
    for (const [k, v] of a) {
      const w = b.get(k);
      if (w === undefined || !same(v, w)) return false;
    }
    return true;
  }
  if (a instanceof PySet) return b instanceof PySet && a.size === b.size && [...a].every((x) => b.has(x));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return false;
}
/** Identity or equality: how containers compare their items. */
export function same(a: Py, b: Py): boolean {
  return (a === b && typeof a !== 'number') || eq(a, b);
}
function numeric(v: Py): number | bigint | undefined {
  return typeof v === 'number' || typeof v === 'bigint'
    ? v
    : typeof v === 'boolean'
      ? v
        ? 1
        : 0
      : v instanceof PyFloat
        ? v.v
        : undefined;
}

/** The four orders. */
export type Order = '<' | '<=' | '>' | '>=';
function decide(op: Order, c: number): boolean {
  return op === '<' ? c < 0 : op === '<=' ? c <= 0 : op === '>' ? c > 0 : c >= 0;
}
/** `a op b` for the orders; TypeError with Python's text where the types have none. */
export function order(op: Order, a: Py, b: Py): boolean {
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  const x = numeric(a);
  if (x !== undefined) {
    const y = numeric(b);
    if (y !== undefined) return op === '<' ? x < y : op === '<=' ? x <= y : op === '>' ? x > y : x >= y;
  }
  const s = strOf(a);
  if (s !== undefined) {
    const t = strOf(b);
    if (t !== undefined) return decide(op, compareText(s, t));
  }
  if (Array.isArray(a) && Array.isArray(b) && a instanceof PyTuple === b instanceof PyTuple) {
    const n = Math.min(a.length, b.length);
    for (let i = 0; i < n; i++) if (!same(a[i] as Py, b[i] as Py)) return order(op, a[i] as Py, b[i] as Py);
    return decide(op, a.length - b.length);
  }
  const [x1, x2] = [asSet(a), asSet(b)];
  if (x1 && x2) {
    const sub = [...x1].every((i) => x2.has(i));
    const sup = [...x2].every((i) => x1.has(i));
    return op === '<=' ? sub : op === '>=' ? sup : op === '<' ? sub && !sup : sup && !sub;
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return decide(op, Buffer.compare(a, b));
  throw new SaltError('TypeError', `'${op}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}
/** The set behind a set or a view of keys or items; undefined for anything else. */
export function asSet(v: Py): PySet | undefined {
  if (v instanceof PySet) return v;
  return v instanceof DictView && v.kind !== 'values' ? new PySet(v) : undefined;
}
/** A three-way order for sorting, through Python's `<` alone. */
export function compare(a: Py, b: Py): number {
  return order('<', a, b) ? -1 : order('<', b, a) ? 1 : 0;
}

/** Whether Python can hash values of this type (`isinstance(v, Hashable)`). */
export function isHashable(v: Py): boolean {
  return !(
    v instanceof PyDict ||
    (v instanceof PySet && !v.frozen) ||
    (v instanceof DictView && v.kind !== 'values') ||
    (Array.isArray(v) && !(v instanceof PyTuple))
  );
}
/** Checks that a value may be a key or set item and returns it; TypeError `unhashable type: 'list'` otherwise. */
export function hashable(v: Py): Py {
  if (typeof v !== 'object' || v === null) return v;
  if (v instanceof PyTuple) for (const x of v) hashable(x as Py);
  else if (Array.isArray(v) || v instanceof PyDict || (v instanceof PySet && !v.frozen))
    throw new SaltError('TypeError', `unhashable type: '${typeName(v)}'`);
  else if (v instanceof Undefined) v.hashKey();
  else if (v instanceof DictView && v.kind !== 'values')
    throw new SaltError('TypeError', `unhashable type: '${v.pyType}'`);
  return v;
}

/** `len(v)`. */
export function length(v: Py): number {
  if (typeof v === 'string') return textLength(v);
  if (Array.isArray(v) || v instanceof Uint8Array) return v.length;
  if (v instanceof PyDict || v instanceof PySet) return v.size;
  if (v instanceof Markup) return textLength(v.text);
  if (v instanceof PyObject && v.pyLen) return v.pyLen();
  throw new SaltError('TypeError', `object of type '${typeName(v)}' has no len()`);
}

function* liveList(list: Py[]): Iterator<Py> {
  for (let i = 0; i < list.length; i++) yield list[i] as Py;
}
/** `iter(v)`: TypeError with Python's text when there is nothing to walk. Lists are walked live, dicts by key. */
export function iterate(v: Py): IterableIterator<Py> {
  const it = iteratorOf(v);
  if (!it) throw new SaltError('TypeError', `'${typeName(v)}' object is not iterable`);
  if (Symbol.iterator in it) return it as IterableIterator<Py>;
  const walk: IterableIterator<Py> = { next: () => it.next(), [Symbol.iterator]: () => walk };
  return walk;
}
/** The iterator of a value, undefined when it has none. */
export function iteratorOf(v: Py): Iterator<Py> | undefined {
  if (Array.isArray(v)) return liveList(v);
  if (v instanceof PyDict) return guardSize(v, v.keys());
  if (typeof v === 'string') return v[Symbol.iterator]();
  if (v instanceof Markup) return v.text[Symbol.iterator]();
  if (v instanceof PySet) return v[Symbol.iterator]();
  if (v instanceof Uint8Array) return v[Symbol.iterator]();
  if (v instanceof PyObject && v.pyIter) return v.pyIter();
  return undefined;
}
/** `list(v)`: always a new array. */
export function toList(v: Py): Py[] {
  if (Array.isArray(v)) return Array.prototype.slice.call(v);
  if (v instanceof PyDict) return [...v.keys()];
  if (typeof v === 'string') return chars(v);
  return [...iterate(v)];
}

/** `item in container`. */
export function contains(container: Py, item: Py): boolean {
  const text = strOf(container);
  if (text !== undefined) {
    const part = strOf(item);
    if (part === undefined) {
      throw new SaltError('TypeError', `'in <string>' requires string as left operand, not ${typeName(item)}`);
    }
    return text.includes(part);
  }
  if (container instanceof PyDict || container instanceof PySet) return container.has(hashable(item));
  if (Array.isArray(container)) {
    for (const x of container) if (same(x as Py, item)) return true;
    return false;
  }
  if (container instanceof Uint8Array) {
    if (item instanceof Uint8Array) return Buffer.from(container).includes(Buffer.from(item));
    const n = numberOf(item);
    return n !== undefined && container.includes(n);
  }
  if (container instanceof PyObject && container.pyContains) return container.pyContains(item);
  const it = iteratorOf(container);
  if (!it) throw new SaltError('TypeError', `argument of type '${typeName(container)}' is not iterable`);
  for (let r = it.next(); !r.done; r = it.next()) if (same(r.value, item)) return true;
  return false;
}

/** `copy.deepcopy` of data: new lists, dicts, tuples and sets, shared leaves. */
export function deepCopy<T extends Py>(v: T): T;
export function deepCopy(v: Py): Py {
  if (typeof v !== 'object' || v === null) return v;
  if (v instanceof PyTuple) return PyTuple.from_(v.map((x) => deepCopy(x as Py)));
  if (Array.isArray(v)) return v.map((x) => deepCopy(x as Py));
  if (v instanceof PyDict) {
    const d = new PyDict();
    for (const [k, x] of v) d.set(k, deepCopy(x));
    return d;
  }
  if (v instanceof PySet) return new PySet(v, v.frozen);
  return v;
}

/** A PyDict of the given entries; `dict({a: 1})` reads better than nested arrays where the keys are plain names. */
export function dict(entries: { [key: string]: Py }): PyDict {
  const d = new PyDict();
  for (const k of Object.keys(entries)) d.set(k, entries[k] as Py);
  return d;
}

/** The value a dict stores for a key; undefined where Python raises KeyError. Unhashable keys raise. */
export function dictGet(d: PyDict, key: Py): Py | undefined {
  return typeof key === 'string' ? d.get(key) : d.get(hashable(key));
}

/** Two keys name the same dict entry. */
export function sameKey(a: Py, b: Py): boolean {
  return canonicalKey(a) === canonicalKey(b);
}
