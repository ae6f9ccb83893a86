/** Decides from the results so far what becomes of a chunk. */
import type { Py, PyDict } from '../../bus/values.ts';
import { chunkTag } from '../../sls/requisites.ts';
import { truth } from '../../sls/values.ts';

/** What the requisites of a chunk come to; `met` where nothing stands against it. */
export type RequisiteStatus =
  | 'unmet'
  | 'fail'
  | 'skip_req'
  | 'skip_watch'
  | 'pre'
  | 'onfail'
  | 'onchanges'
  | 'change'
  | 'met';

/** What one needed chunk's result means for a requisite of a kind. */
function signsOf(kind: string, ret: PyDict): string[] {
  const signs: string[] = [];
  if (truth(ret.get('skip_req') ?? false)) signs.push('skip_req');
  const result = ret.get('result') ?? null;
  const changed = truth(ret.get('changes') ?? null);
  if (kind === 'onfail') {
    if (result === true) return [...signs, 'onfail'];
  } else if (kind === 'onchanges') return [...signs, result === false || !changed ? 'onchanges' : 'onchangesmet'];
  else if (result === false) return [...signs, 'fail'];
  if (kind === 'watch' && changed) return [...signs, 'change'];
  if (kind === 'prereq') signs.push(result === null ? 'premet' : 'pre');
  else if (ret.get('__state_ran__') !== false) signs.push('met');
  return signs;
}

/**
 * @param reqs needed chunks by kind of requisite.
 * @param resultOf the result of a chunk by kind (without `_any`, `_all`) and tag; undefined while it has not run.
 */
export function decide(
  reqs: PyDict<Py[]>,
  resultOf: (kind: string, tag: string) => PyDict | undefined,
): RequisiteStatus {
  const all = new Set<string>();
  for (const [type, chunks] of reqs) {
    const full = type as string;
    const kind = full.replace(/_(any|all)$/, '');
    const signs = new Set<string>();
    for (const c of chunks as PyDict[]) {
      const ret = resultOf(kind, chunkTag(c));
      for (const s of ret ? signsOf(kind, ret) : ['unmet']) signs.add(s);
    }
    if (full.endsWith('_any') || full === 'onfail') {
      if (signs.has('met') || signs.has('change')) signs.delete('fail');
      if (signs.has('onchangesmet')) {
        signs.delete('onchanges');
        signs.delete('fail');
      }
      if (signs.has('met')) signs.delete('onfail');
    }
    if (full.endsWith('_all') && signs.has('onfail')) signs.delete('met');
    for (const s of signs) all.add(s);
  }
  if (all.has('unmet')) return 'unmet';
  if (all.has('fail')) return 'fail';
  if (all.has('skip_req') && (all.has('onchangesmet') || all.has('premet'))) return 'skip_req';
  if (all.has('skip_req') && all.has('change')) return 'skip_watch';
  if (all.has('pre')) return all.has('premet') ? 'met' : 'pre';
  if (all.has('onfail') && !all.has('onchangesmet')) return 'onfail';
  if (all.has('onchanges') && !all.has('onchangesmet')) return 'onchanges';
  if (all.has('change')) return 'change';
  return all.has('onfail') ? 'onfail' : 'met';
}
