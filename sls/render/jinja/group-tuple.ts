/** What `groupby` answers: a tuple whose parts also have names. */
import { type Py, PyTuple } from '../../values.ts';

/** A (grouper, list) pair. */
export class GroupTuple extends PyTuple<Py> {
  static pairOf(grouper: Py, list: Py[]): GroupTuple {
    const t = new GroupTuple();
    t.push(grouper, list);
    return t;
  }
}
