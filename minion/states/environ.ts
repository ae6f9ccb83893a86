/** Environment variables of the minion's process. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { isStr, truth } from '../../sls/values.ts';
import { answer, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

function setenv(a: Args, ctx: StateCtx): PyDict {
  const name = a['name'] as Py;
  const value = a['value'] as Py;
  const ret = answer(name);
  const changes = ret.get('changes') as PyDict;
  let wanted: PyDict;
  if (isStr(value) || value === false) wanted = new PyDict([[name, value]]);
  else if (value instanceof PyDict) wanted = value;
  else return say(ret, false, 'Environ value must be string, dict or False');
  const unsets = a['false_unsets'] === true;
  if (a['clear_all'] === true)
    for (const k of Object.keys(process.env)) if (!wanted.has(k)) changes.set(k, unsets ? null : '');
  for (const [k, v] of wanted) {
    const now = process.env[String(k)];
    if (v === false) {
      if (now === undefined) {
        if (!unsets) changes.set(k, '');
      } else if (unsets) changes.set(k, null);
      else if (now !== '') changes.set(k, '');
    } else if ((now ?? '') !== v) changes.set(k, v);
  }
  if (ctx.test)
    return say(
      ret,
      true,
      changes.size ? 'Environ values will be changed' : 'Environ values are already set with the correct values',
    );
  if (!changes.size) return say(ret, true, 'Environ values were already set with the correct values');
  const done = ctx.salt.call('environ.setenv', [
    wanted,
    a['false_unsets'] ?? false,
    a['clear_all'] ?? false,
    a['update_minion'] ?? false,
    a['permanent'] ?? false,
  ]);
  if (!truth(done)) return say(ret, false, 'Failed to set environ variables');
  ret.set('changes', done);
  return say(ret, true, 'Environ values were set');
}

export default {
  doc: "Sets environment variables of the minion's process.",
  functions: {
    setenv: fn(
      'setenv(name, value, false_unsets=False, clear_all=False, update_minion=False, permanent=False)',
      'Makes sure that environment variables have values; False clears or unsets one.',
      setenv,
    ),
  },
} satisfies StateModule;
