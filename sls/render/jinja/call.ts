/** Callables of templates and the one way to call them. A JavaScript function is never a template value. */
import { SaltError } from '../../../bus/errors.ts';
import { type Py, type PyDict, PyObject, typeName } from '../../values.ts';
import { places, type Spec, specOf } from './signature.ts';

/** `value(*args, **kwargs)`. */
export function callValue(value: Py, args: Py[], kwargs: PyDict | null = null): Py {
  if (value instanceof PyObject && value.pyCall) return value.pyCall(args, kwargs);
  throw new SaltError('TypeError', `'${typeName(value)}' object is not callable`);
}

/** A function that templates may call: `sig` is a Python signature whose parameters `run` gets in order. */
export class PyFunction extends PyObject {
  private spec: Spec | undefined;
  constructor(
    readonly sig: string,
    private readonly run: (args: Py[]) => Py,
    /** Set for what is a class in Python (`dict`, `range`). */
    private readonly className?: string,
    private readonly attributes?: ReadonlyMap<string, Py>,
  ) {
    super();
  }
  get pyType(): string {
    return this.className ? 'type' : 'function';
  }
  override pyRepr(): string {
    if (this.className) return `<class '${this.className}'>`;
    return `<function ${this.sig.slice(0, this.sig.indexOf('('))} at 0x7f0000000000>`;
  }
  override pyAttr(name: string): Py | undefined {
    return this.attributes?.get(name);
  }
  override pyCall(args: Py[], kwargs: PyDict | null): Py {
    this.spec ??= specOf(this.sig);
    return this.run(places(this.spec, args, kwargs));
  }
}
