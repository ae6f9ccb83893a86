import type { Py, PyDict } from '../bus/values.ts';

/**
 * The base of every object a template may touch besides plain data. What a subclass does not declare does not exist for a
 * template: there is no other way from a value to a host property. An absent method means that the type lacks the operation.
 */
export abstract class PyObject {
  /** `type(x).__name__`, as error texts print it. */
  abstract get pyType(): string;
  /** `repr(x)`. */
  pyRepr(): string {
    return `<${this.pyType} object at 0x7f0000000000>`;
  }
  /** `str(x)`. */
  pyStr(): string {
    return this.pyRepr();
  }
  /** `bool(x)`. */
  pyTruth(): boolean {
    return true;
  }
  /** `len(x)`. */
  pyLen?(): number;
  /** `iter(x)`. */
  pyIter?(): Iterator<Py>;
  /** `x[key]`; undefined when there is no such item. */
  pyItem?(key: Py): Py | undefined;
  /** `x.name`; undefined when there is no such attribute. */
  pyAttr?(name: string): Py | undefined;
  /** `x == other`; undefined leaves the answer to the other side. */
  pyEq?(other: Py): boolean | undefined;
  /** `item in x`. */
  pyContains?(item: Py): boolean;
  /** `x(*args, **kwargs)`. */
  pyCall?(args: Py[], kwargs: PyDict | null): Py;
  /** The value under which a dict or set finds the object; absent means by identity. */
  hashKey?(): unknown;
}
