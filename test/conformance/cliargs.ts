import { type Py, PyDict, PyFloat } from '../../bus/values.ts';
import { parseArgs } from '../../sls/args.ts';
import { loadArgs } from '../../sls/call-format.ts';
import { floatRepr } from '../../sls/values.ts';
import { compared, type Outcome, recordedCases } from './recorded.ts';

/** Data as the recorder tagged it: whole floats, big integers and maps with other keys than text. */
function tagged(v: Py): Py {
  if (v instanceof PyFloat) return new PyDict([['__float__', floatRepr(v.v)]]);
  if (typeof v === 'bigint') return new PyDict([['__int__', v.toString()]]);
  if (Array.isArray(v)) return v.map((x) => tagged(x as Py));
  if (v instanceof PyDict) {
    if ([...v.keys()].every((k) => typeof k === 'string'))
      return new PyDict([...v].map(([k, x]) => [k, tagged(x)] as const));
    return new PyDict([['__map__', [...v].map(([k, x]) => [tagged(k), tagged(x)])]]);
  }
  return v;
}

/** Runs the recorded command lines (`cliargs.json`): words to published arguments to what the function receives. */
export function runCliargs(dirOrFile: string): Outcome[] {
  return recordedCases(dirOrFile, 'cliargs.json').map((c) => {
    const published = parseArgs(c.get('argv') as Py[]);
    const got = new PyDict([['published', tagged(published)]]);
    const { args, kwargs } = loadArgs('f(*args, **kwargs)', published, new PyDict<Py>([['jid', '1']]));
    got.set('args', tagged(args));
    got.set('kwargs', tagged(new PyDict([...kwargs].filter(([k]) => !String(k).startsWith('__pub_')))));
    const want = new PyDict([...got.keys()].map((k) => [k, c.get(k) as Py] as const));
    return compared(String(c.get('name')), got, want);
  });
}
