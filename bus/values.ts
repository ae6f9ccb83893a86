/**
 * The data classes that cross every border of the platform: what MessagePack, YAML, JSON and templates can hold and plain
 * JavaScript cannot say. Python's semantics over them (repr, str, equality, order) live in sls/values.ts.
 */

/** A whole, infinite or NaN float (`1.0`): every other float is a plain number. Make one with {@link mkFloat}, never by hand. */
export class PyFloat {
  constructor(readonly v: number) {}
  valueOf(): number {
    return this.v;
  }
  toJSON(): number {
    return this.v;
  }
}

/** A Python tuple: an array whose repr uses round brackets and that equals no list. MessagePack and JSON write it as a list. */
export class PyTuple<T = Py> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
  /** Builds a tuple of the given items (the Array constructor's one-number form is avoided). */
  static from_<T>(items: Iterable<T>): PyTuple<T> {
    const t = new PyTuple<T>();
    for (const i of items) t.push(i);
    return t;
  }
}

/** The key under which a dict stores an entry: 1, 1.0 and True are one key; tuples and bytes compare by content. */
export function canonicalKey(key: Py): unknown {
  switch (typeof key) {
    case 'string':
    case 'number':
      return key;
    case 'boolean':
      return key ? 1 : 0;
    case 'bigint':
      return key;
    default:
      if (key === null) return null;
      if (key instanceof PyFloat) return key.v;
      if (key instanceof Uint8Array) return `\u0000b${Buffer.from(key).toString('latin1')}`;
      if (Array.isArray(key))
        return `\u0000t${JSON.stringify(
          key.map((k) => {
            const c = canonicalKey(k as Py);
            return typeof c === 'string'
              ? `s${c}`
              : typeof c === 'object' && c !== null
                ? String(c)
                : [typeof c, String(c)];
          }),
        )}`;
      // Objects of the template engine (escaped text …) say themselves what they equal as a key.
      return typeof (key as { hashKey?: unknown }).hashKey === 'function'
        ? (key as { hashKey(): unknown }).hashKey()
        : key;
  }
}

/**
 * A Python dict: insertion order, keys of any hashable type, the first spelling of a key is kept (`d[1] = x; d[True] = y` keeps 1).
 * Reads and writes go through {@link canonicalKey}; for text keys it costs what a Map costs.
 */
export class PyDict<V = Py> extends Map<Py, V> {
  /** Original keys of entries whose canonical key differs; absent for the usual all-text dict. */
  declare private spelled: Map<unknown, Py> | undefined;

  constructor(entries?: Iterable<readonly [Py, V]>) {
    super();
    if (entries) for (const [k, v] of entries) this.set(k, v);
  }
  override set(key: Py, value: V): this {
    if (typeof key === 'string' || typeof key === 'number') {
      return super.set(key, value);
    }
    const c = canonicalKey(key) as Py;
    if (c !== key && !super.has(c)) {
      this.spelled ??= new Map();
      this.spelled.set(c, key);
    }
    return super.set(c, value);
  }
  override get(key: Py): V | undefined {
    return super.get(typeof key === 'string' ? key : (canonicalKey(key) as Py));
  }
  override has(key: Py): boolean {
    return super.has(typeof key === 'string' ? key : (canonicalKey(key) as Py));
  }
  override delete(key: Py): boolean {
    const c = canonicalKey(key) as Py;
    this.spelled?.delete(c);
    return super.delete(c);
  }
  override clear(): void {
    this.spelled = undefined;
    super.clear();
  }
  // The usual dict is walked by the engine's own iterators: generators are several times slower.
  override keys(): MapIterator<Py> {
    return this.spelled?.size ? this.spelledKeys() : super.keys();
  }
  override entries(): MapIterator<[Py, V]> {
    return this.spelled?.size ? this.spelledEntries() : super.entries();
  }
  private *spelledKeys(): MapIterator<Py> {
    for (const k of super.keys()) yield this.spelled?.has(k) ? (this.spelled.get(k) as Py) : k;
  }
  private *spelledEntries(): MapIterator<[Py, V]> {
    for (const [k, v] of super.entries()) yield [this.spelled?.has(k) ? (this.spelled.get(k) as Py) : k, v];
  }
  override [Symbol.iterator](): MapIterator<[Py, V]> {
    return this.entries();
  }
  override forEach(f: (value: V, key: Py, map: Map<Py, V>) => void): void {
    for (const [k, v] of this.entries()) f(v, k, this);
  }
}

/** A Python set of hashable values; insertion ordered. MessagePack writes it as a list. */
export class PySet {
  private readonly items = new Map<unknown, Py>();
  constructor(
    values: Iterable<Py> = [],
    readonly frozen = false,
  ) {
    for (const v of values) this.add(v);
  }
  add(value: Py): void {
    const c = canonicalKey(value);
    if (!this.items.has(c)) this.items.set(c, value);
  }
  has(value: Py): boolean {
    return this.items.has(canonicalKey(value));
  }
  delete(value: Py): boolean {
    return this.items.delete(canonicalKey(value));
  }
  get size(): number {
    return this.items.size;
  }
  [Symbol.iterator](): MapIterator<Py> {
    return this.items.values();
  }
}

/**
 * Any Python value: None is null, bool boolean, int number while safe and bigint beyond, float number unless whole (then
 * {@link PyFloat}), str string, bytes Uint8Array, list Array, tuple {@link PyTuple}, dict {@link PyDict}, set {@link PySet}.
 * `object` stands for the template engine's own kinds (undefined, generators, views, callables), which never leave sls/ and modules.
 */
export type Py = null | boolean | number | bigint | string | object;

/**
 * Wire form, the second face of the same data, for protocol code: a map is a plain null-prototype-safe object when every key is
 * text that no JavaScript engine would reorder or treat specially, and a {@link PyDict} otherwise; all else is as in {@link Py}.
 * MessagePack decodes to it and encodes both faces. Convert user data once at the border: {@link toPy} into sls/ and modules.
 */
export type Wire = null | boolean | number | bigint | string | PyFloat | Uint8Array | Wire[] | WireMap | PyDict | PySet;
/** A map of wire form with text keys. */
export interface WireMap {
  [key: string]: Wire;
}

const INDEX = /^(0|[1-9]\d{0,9})$/;
/** Whether an object may hold this key without losing order or meaning. */
export function isPlainKey(key: unknown): key is string {
  return typeof key === 'string' && key !== '__proto__' && !(key.length < 11 && INDEX.test(key));
}

/** Whether a value is a map of wire form held in a plain object. */
export function isWireMap(v: unknown): v is WireMap {
  if (typeof v !== 'object' || v === null) return false;
  const p = Object.getPrototypeOf(v);
  return p === Object.prototype || p === null;
}

/** A float result: boxed when whole or not finite, else a plain number. */
export function mkFloat(x: number): number | PyFloat {
  return Number.isInteger(x) || !Number.isFinite(x) ? new PyFloat(x) : x;
}

/** Wire form to Python form: every plain object becomes a PyDict, recursively. Shares leaves, never changes its argument. */
export function toPy(v: Wire | undefined): Py {
  if (v === undefined) return null;
  if (typeof v !== 'object' || v === null) return v;
  if (Array.isArray(v)) {
    if (v instanceof PyTuple) return PyTuple.from_(v.map((x) => toPy(x as Wire)));
    return v.map((x) => toPy(x));
  }
  if (v instanceof PyDict) {
    const d = new PyDict();
    for (const [k, x] of v) d.set(toPy(k as Wire), toPy(x as Wire));
    return d;
  }
  if (isWireMap(v)) {
    const d = new PyDict();
    for (const k of Object.keys(v)) d.set(k, toPy(v[k] as Wire));
    return d;
  }
  return v;
}

/** Python form to wire form: a PyDict whose keys are all plain text becomes an object; tuples become lists. */
export function toWire(v: Py | undefined): Wire {
  if (v === undefined) return null;
  if (typeof v !== 'object' || v === null) return v;
  // A tuple stays one for whoever prints it here; on the wire it is a list.
  if (v instanceof PyTuple) return PyTuple.from_(v.map((x) => toWire(x as Py)));
  if (Array.isArray(v)) return v.map((x) => toWire(x as Py));
  if (v instanceof PyDict) {
    let plain = true;
    for (const k of v.keys())
      if (!isPlainKey(k)) {
        plain = false;
        break;
      }
    if (plain) {
      const o: WireMap = {};
      for (const [k, x] of v) o[k as string] = toWire(x as Py);
      return o;
    }
    const d = new PyDict();
    for (const [k, x] of v) d.set(k, toWire(x as Py));
    return d;
  }
  if (v instanceof PySet) return [...v].map((x) => toWire(x));
  if (isWireMap(v)) {
    const o: WireMap = {};
    for (const k of Object.keys(v)) o[k] = toWire(v[k] as Py);
    return o;
  }
  return v as Wire;
}
