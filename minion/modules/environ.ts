/** The environment of the minion's process. */
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('environ');

function setval(key: Py, val: Py, falseUnsets: Py, ctx: ModuleCtx): Py {
  const name = str(key);
  if (val === false && falseUnsets === true) {
    delete process.env[name];
    return null;
  }
  const text = val === false ? '' : val;
  if (typeof text !== 'string') {
    ctx.log.debug(`environ: 'val' argument for key '${name}' is not a string or False: '${str(val)}'`);
    return false;
  }
  if (name === '' || name.includes('=') || name.includes('\0') || text.includes('\0')) {
    ctx.log.error(`environ: Exception occurred when setting environ key '${name}'`);
    return false;
  }
  process.env[name] = text;
  return text;
}

export default {
  doc: "Reads and changes the environment of the minion's process.",
  functions: {
    setval: fn(
      'setval(key, val, false_unsets=False, permanent=False)',
      doc(
        'Sets a variable and answers its value. False sets it to the empty text, or removes it with false_unsets=True. permanent is for Windows.',
        'setval EDITOR vi',
        'setval EDITOR val=False false_unsets=True',
      ),
      (a, ctx: ModuleCtx) => setval(a['key'] as Py, a['val'] as Py, a['false_unsets'] as Py, ctx),
    ),
    setenv: fn(
      'setenv(environ, false_unsets=False, clear_all=False, update_minion=False, permanent=False)',
      doc(
        "Sets variables from a map and answers what they are now. clear_all=True removes all others, update_minion=True changes the minion's main process too.",
        'setenv \'{"EDITOR": "vi", "PAGER": false}\'',
      ),
      (a, ctx: ModuleCtx) => {
        const environ = a['environ'];
        if (!(environ instanceof PyDict)) return false;
        const ret = new PyDict();
        if (a['clear_all'] === true)
          for (const k of Object.keys(process.env))
            if (!environ.has(k)) ret.set(k, setval(k, false, a['false_unsets'] as Py, ctx));
        for (const [k, v] of environ) {
          if (typeof v !== 'string' && v !== false) return false;
          ret.set(k, setval(k, v, a['false_unsets'] as Py, ctx));
        }
        if (a['update_minion'] === true)
          ctx.fireLocal(
            'environ_setenv',
            toWire(
              new PyDict<Py>([
                ['environ', environ],
                ['false_unsets', a['false_unsets'] as Py],
                ['clear_all', true === a['clear_all']],
                ['permanent', a['permanent'] as Py],
              ]),
            ) as WireMap,
          );
        return ret;
      },
    ),
    get: fn(
      "get(key, default='')",
      doc('Value of a variable, or the default.', 'get HOME', 'get EDITOR default=vi'),
      (a) => (typeof a['key'] === 'string' ? (process.env[a['key']] ?? (a['default'] as Py)) : false),
    ),
    has_value: fn(
      'has_value(key, value=None)',
      doc('Whether a variable is set, to the value where one is given.', 'has_value HOME', 'has_value EDITOR vi'),
      (a) => {
        const now = typeof a['key'] === 'string' ? process.env[a['key']] : undefined;
        return now !== undefined && (a['value'] === null || now === a['value']);
      },
    ),
    item: fn(
      "item(keys, default='')",
      doc('Values of variables as a map.', 'item HOME', "item '[HOME, LANG]'"),
      (a) => {
        const keys = typeof a['keys'] === 'string' ? [a['keys']] : Array.isArray(a['keys']) ? (a['keys'] as Py[]) : [];
        return new PyDict(keys.map((k): [Py, Py] => [k, process.env[str(k)] ?? (a['default'] as Py)]));
      },
    ),
    items: fn(
      'items()',
      doc('All variables.', 'items'),
      () => new PyDict(Object.entries(process.env).map(([k, v]): [Py, Py] => [k, v ?? ''])),
    ),
  },
} satisfies ExecutionModule;
