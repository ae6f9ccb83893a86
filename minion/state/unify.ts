/** Results in the form that a run answers them. */
import { type Py, PyDict } from '../../bus/values.ts';
import { str, truth } from '../../sls/values.ts';

/** A comment as text. */
export function joined(comment: Py): Py {
  return Array.isArray(comment) ? (comment as Py[]).map((c) => str(c)).join('\n') : comment;
}

/** A result in its final form: comment one text, result True, False or None; anything malformed is a failure. */
export function unified(ret: PyDict): PyDict {
  const missing = ['name', 'result', 'changes', 'comment'].filter((k) => !ret.has(k));
  if (!(ret.get('changes') instanceof PyDict)) return malformed(ret);
  if (missing.length) return broken(`The following keys were not present in the state return: ${missing.join(', ')}.`);
  ret.set('comment', joined(ret.get('comment') as Py));
  const result = ret.get('result');
  if (result !== null && result !== undefined) ret.set('result', truth(result));
  return ret;
}

/** The failure of a function whose answer is no result. */
export function malformed(answer: Py): PyDict {
  return broken(
    answer instanceof PyDict
      ? "'Changes' should be a dictionary."
      : 'Malformed state return. Data must be a dictionary type.',
  );
}
function broken(text: string): PyDict {
  return new PyDict<Py>([
    ['result', false],
    ['name', 'later'],
    ['changes', new PyDict()],
    ['comment', `An exception occurred in this state: ${text}`],
  ]);
}

/** The result of a chunk that is not called (`mock=True`). */
export function mocked(cdata: { args: Py[]; kwargs: PyDict }): PyDict {
  return new PyDict<Py>([
    ['name', cdata.args[0] ?? cdata.kwargs.get('name') ?? null],
    ['comment', 'Not called, mocked'],
    ['changes', new PyDict()],
    ['result', true],
  ]);
}
