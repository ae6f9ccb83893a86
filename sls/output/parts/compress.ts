import { SaltError } from '../../../bus/errors.ts';
import { compare, mkFloat, numberOf, type Py, PyDict, roundFloat, str, truth, typeName } from '../../values.ts';
import { entriesOf, item } from './access.ts';

/**
 * Rolls the states of one ID with the same outcome into one (option `state_compress_ids`): least run number, summed duration,
 * earliest start, changes by name. States are changed in place. Throws SaltError for data that has not the shape of state returns.
 */
export function compressIds(data: PyDict): PyDict {
  const out = new PyDict();
  for (const [host, states] of data) {
    const rolled = new PyDict<PyDict>();
    out.set(host, rolled);
    const groups = new Map<string, number>();
    for (const [tag, info] of entriesOf(states))
      groups.set(groupOf(tag, info), (groups.get(groupOf(tag, info)) ?? 0) + 1);
    for (const [tag, info] of entriesOf(states)) {
      const size = groups.get(groupOf(tag, info))!;
      if (size === 1) rolled.set(tag, info as PyDict);
      else roll(rolled, tagOf(tag, info, size), info as PyDict);
    }
  }
  return out;
}

function parts(tag: Py): string[] {
  if (typeof tag !== 'string') throw new SaltError('AttributeError', 'a state tag is text');
  return tag.split('_|-');
}

function groupOf(tag: Py, info: Py): string {
  return [parts(tag)[0]!, ...['__id__', '__sls__', 'result'].map((k) => str(item(info, k)))].join('_');
}

function tagOf(tag: Py, info: Py, size: number): string {
  const words = parts(tag);
  if (words.length < 3) throw new SaltError('IndexError', 'list assignment index out of range');
  words[2] = ['state_compressed', ...['__sls__', '__id__', 'result'].map((k) => str(item(info, k)))].join('_');
  words[1] = `${str(item(info, '__id__'))} (${size})`;
  return words.join('_|-');
}

function roll(rolled: PyDict<PyDict>, tag: string, info: PyDict): void {
  const first = rolled.get(tag);
  if (!first) {
    rolled.set(tag, info);
    return;
  }
  const least = (key: string): Py => [item(info, key), item(first, key)].sort(compare)[0]!;
  first.set('__run_num__', least('__run_num__'));
  first.set('duration', sum(item(info, 'duration'), item(first, 'duration')));
  first.set('start_time', least('start_time'));
  const changes = info.get('changes') ?? null;
  if (!truth(changes)) return;
  const before = first.get('changes') ?? null;
  if (truth(before) && !(before instanceof PyDict))
    throw new SaltError('AttributeError', `'${typeName(before)}' object has no attribute 'get'`);
  const byName = before instanceof PyDict ? before.get('compressed changes') : undefined;
  if (truth(before) && byName instanceof PyDict && truth(byName)) byName.set(item(info, 'name'), changes);
  else {
    const all = new PyDict();
    if (truth(before)) all.set(item(first, 'name'), before);
    all.set(item(info, 'name'), changes);
    first.set('changes', new PyDict([['compressed changes', all]]));
  }
}

function sum(a: Py, b: Py): Py {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x === undefined || y === undefined) throw new SaltError('TypeError', 'durations are numbers');
  const whole = [a, b].every((v) => typeof v === 'number' && Number.isInteger(v));
  return whole ? x + y : mkFloat(roundFloat(x + y, 3));
}
