/** Whether a run as a whole went well: what its return code is made of. */
import { type Py, PyDict } from '../../bus/values.ts';
import { isStr } from '../../sls/values.ts';

interface Tag {
  readonly id: string;
  readonly state?: string;
}

function tagOf(key: string): Tag {
  const [state, id] = key.split('_|-');
  return key.includes('_|-') ? { id: id as string, state: state as string } : { id: key };
}

/** IDs and states whose `onfail` names a chunk and that take its failure as handled (`onfail_stop: False`). */
function handlers(of: Tag, high: PyDict): { id: Py; state: string }[] {
  const out: { id: Py; state: string }[] = [];
  for (const [id, body] of high) {
    if (id === of.id || !(body instanceof PyDict)) continue;
    for (const [state, run] of body) {
      if (!isStr(state) || String(state).startsWith('__') || !Array.isArray(run)) continue;
      const args = (run as Py[]).filter((a): a is PyDict => a instanceof PyDict);
      if (!args.some((a) => a.get('onfail_stop') === false)) continue;
      for (const arg of args) {
        const onfail = arg.get('onfail');
        for (const ref of Array.isArray(onfail) ? (onfail as Py[]) : [])
          if (ref instanceof PyDict)
            for (const [kind, name] of ref)
              if (name === of.id && (of.state === undefined || kind === of.state))
                out.push({ id, state: String(state) });
      }
    }
  }
  return out;
}

/** Whether the handlers of a failed chunk ran and succeeded. */
function isHandled(key: string, running: PyDict, high: PyDict | undefined): boolean {
  if (!high) return false;
  let verdict = false;
  for (const h of handlers(tagOf(key), high)) {
    let own: boolean | undefined;
    for (const [k, ret] of running) {
      const t = tagOf(String(k));
      const id = t.state === undefined && ret instanceof PyDict ? (ret.get('__id__') ?? t.id) : t.id;
      if (id !== h.id || (t.state ?? h.state) !== h.state || !(ret instanceof PyDict)) continue;
      const result = ret.get('result');
      if (typeof result === 'boolean') own = result;
      if (result === false) break;
    }
    verdict = own ?? false;
  }
  return verdict;
}

/**
 * Judges the results of a run: good unless one is False (not handled by an `onfail` with `onfail_stop: False`), or there are none.
 * Data without `result` is looked into.
 */
export function isGoodRun(running: Py, high?: PyDict, inner = false): boolean {
  if (!(running instanceof PyDict) || !running.size) return false;
  for (const [key, ret] of running) {
    let good = inner || (key === '__extend__' ? Array.isArray(ret) : ret instanceof PyDict);
    if (good && ret instanceof PyDict) {
      if (ret.has('result')) good = ret.get('result') !== false;
      else good = isGoodRun(ret, high, true);
    }
    if (!good && !isHandled(String(key), running, high)) return false;
  }
  return true;
}
