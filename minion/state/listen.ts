/** Which chunks `listen` to others that changed. */
import { type Py, PyDict } from '../../bus/values.ts';
import { chunkTag } from '../../sls/requisites.ts';
import { eq, iterate, str, truth } from '../../sls/values.ts';
import { REQUISITE_KEYWORDS } from './keywords.ts';

type Low = PyDict;
const changed = (ret: PyDict): boolean => truth(ret.get('changes') ?? null);

/** The `mod_watch` chunks to be run after all else, and results for names that are not there, by tag. */
export function listening(chunks: readonly Low[], running: PyDict): { watchers: Low[]; missing: PyDict<PyDict> } {
  const key = (c: Low): [Py, Py, Py] => [c.get('state') ?? null, c.get('__id__') ?? null, c.get('name') ?? null];
  const fits = (c: Low, state: Py, id: Py): boolean =>
    eq(c.get('state') ?? null, state) && key(c).some((part) => eq(part, id));
  const unique = new Map<string, Low>();
  for (const c of chunks) unique.set(JSON.stringify(key(c).map((k) => str(k))), c);
  const refs = [...unique.values()];
  const listeners: { state: Py; id: Py; to: Py[] }[] = [];
  for (const c of chunks) {
    if (c.has('listen')) listeners.push({ state: key(c)[0], id: key(c)[1], to: [...iterate(c.get('listen') as Py)] });
    for (const one of c.has('listen_in') ? iterate(c.get('listen_in') as Py) : [])
      if (one instanceof PyDict)
        for (const [state, id] of one) listeners.push({ state, id, to: [new PyDict([[key(c)[0], key(c)[1]]])] });
  }
  const missing = new PyDict<PyDict>();
  const watchers: Low[] = [];
  const lost = (state: Py, id: Py): void => {
    const tag = `Listen_Error_|-listen_${str(id)}_|-listen_${str(state)}_|-Listen_Error`;
    missing.set(
      tag,
      new PyDict<Py>([
        ['comment', `Referenced state ${str(state)}: ${str(id)} does not exist`],
        ['name', `listen_${str(state)}:${str(id)}`],
        ['result', false],
        ['changes', new PyDict()],
      ]),
    );
  };
  for (const l of listeners)
    for (const raw of l.to) {
      let to: Py = raw;
      if (!(to instanceof PyDict)) {
        const named = chunks.filter((c) => eq(c.get('__id__') ?? null, raw) || eq(c.get('name') ?? null, raw)).at(-1);
        if (!named) continue;
        to = new PyDict([[named.get('state') as Py, named.get('__id__') as Py]]);
      }
      for (const [state, id] of to as PyDict) {
        const targets = refs.filter((c) => fits(c, state, id));
        if (!targets.length) {
          lost(state, id);
          continue;
        }
        for (const t of targets) {
          const ret = running.get(chunkTag(t));
          if (!(ret instanceof PyDict) || !changed(ret)) continue;
          const own = refs.filter((c) => fits(c, l.state, l.id));
          if (!own.length) lost(l.state, l.id);
          for (const c of own) watchers.push(listener(c));
        }
      }
    }
  return { watchers, missing };
}

function listener(c: Low): Low {
  const low = new PyDict(c);
  low.set('sfun', c.get('fun') as Py);
  low.set('fun', 'mod_watch');
  low.set('__id__', `listener_${str(c.get('__id__') ?? null)}`);
  for (const k of REQUISITE_KEYWORDS) low.delete(k);
  return low;
}
