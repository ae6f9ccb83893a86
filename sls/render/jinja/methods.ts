/** The table form of built-in methods: what a template may call on a value, and nothing else. */
import { SaltError } from '../../../bus/errors.ts';
import { type Py, type PyDict, PyObject, typeName } from '../../values.ts';

/** A built-in method: arguments are already counted and keyword names resolved to places. */
export interface Method {
  readonly min: number;
  readonly max: number;
  /** Names under which places may also be given by keyword. */
  readonly names?: readonly string[];
  /** Takes keywords of its own (`format`, `update`). */
  readonly open?: true;
  /** One of those whose complaints leave out the type. */
  readonly bare?: true;
  run(self: never, args: Py[], kwargs: PyDict | null): Py;
}
/** Methods by name. */
export type MethodTable = ReadonlyMap<string, Method>;

/** Declares a method. */
export function method<S>(
  min: number,
  max: number,
  run: (self: S, args: Py[], kwargs: PyDict | null) => Py,
  more: { names?: readonly string[]; open?: true; bare?: true } = {},
): Method {
  return { min, max, run: run as Method['run'], ...more };
}

const plural = (n: number): string => (n === 1 ? '' : 's');

/** Runs a method with Python's complaints about the number and names of arguments. */
export function runMethod(m: Method, self: Py, name: string, args: Py[], kwargs: PyDict | null): Py {
  let given = args;
  if (kwargs?.size && !m.open) {
    if (!m.names)
      throw new SaltError('TypeError', `${m.bare ? '' : `${typeName(self)}.`}${name}() takes no keyword arguments`);
    given = [...args];
    for (const [k, v] of kwargs) {
      const place = m.names.indexOf(k as string);
      if (place < 0) throw new SaltError('TypeError', `'${String(k)}' is an invalid keyword argument for ${name}()`);
      if (place < args.length)
        throw new SaltError(
          'TypeError',
          `argument for ${name}() given by name ('${String(k)}') and position (${place + 1})`,
        );
      while (given.length < place) given.push(UNSET);
      given[place] = v;
    }
    for (let i = 0; i < given.length; i++) if (given[i] === UNSET) delete given[i];
  }
  const n = args.length;
  if (n < m.min && given.length < m.min) throw new SaltError('TypeError', wrongCount(m, self, name, n));
  if (n > m.max) throw new SaltError('TypeError', wrongCount(m, self, name, n));
  return m.run(self as never, given, kwargs);
}
const UNSET: Py = { unset: true };

function wrongCount(m: Method, self: Py, name: string, n: number): string {
  const full = m.bare ? `${name}()` : `${typeName(self)}.${name}()`;
  if (name === 'sort')
    return n > 2 ? `sort() takes at most 2 arguments (${n} given)` : 'sort() takes no positional arguments';
  if (m.max === 0) return `${full} takes no arguments (${n} given)`;
  if (m.min === 1 && m.max === 1) return `${full} takes exactly one argument (${n} given)`;
  if (m.names || m.bare) {
    const bound = n < m.min ? 'at least' : 'at most';
    const count = n < m.min ? m.min : m.max;
    return `${name}() takes ${bound} ${count} argument${plural(count)} (${n} given)`;
  }
  if (m.min === m.max) return `${name} expected ${m.min} argument${plural(m.min)}, got ${n}`;
  return n < m.min
    ? `${name} expected at least ${m.min} argument${plural(m.min)}, got ${n}`
    : `${name} expected at most ${m.max} argument${plural(m.max)}, got ${n}`;
}

/** A method taken from its object without calling it (`set f = x.upper`). */
export class BoundMethod extends PyObject {
  constructor(
    readonly self: Py,
    readonly name: string,
    private readonly m: Method,
  ) {
    super();
  }
  get pyType(): string {
    return 'builtin_function_or_method';
  }
  override pyRepr(): string {
    return `<built-in method ${this.name} of ${typeName(this.self)} object at 0x7f0000000000>`;
  }
  override pyEq(other: Py): boolean {
    return other instanceof BoundMethod && other.self === this.self && other.name === this.name;
  }
  override pyCall(args: Py[], kwargs: PyDict | null): Py {
    return runMethod(this.m, this.self, this.name, args, kwargs);
  }
}
