/** Results of state functions. */
import { type Py, PyDict } from '../../bus/values.ts';

/** A result to be filled: no changes yet. */
export function answer(name: Py, result: Py = true, comment: Py = ''): PyDict {
  return new PyDict<Py>([
    ['name', name],
    ['changes', new PyDict()],
    ['result', result],
    ['comment', comment],
  ]);
}

/** Sets what a result says. */
export function say(ret: PyDict, result: Py, comment: string): PyDict {
  ret.set('result', result);
  ret.set('comment', comment);
  return ret;
}

/** A map of a few entries. */
export const entries = (...pairs: readonly (readonly [Py, Py])[]): PyDict => new PyDict<Py>(pairs);
