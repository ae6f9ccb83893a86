/** Runs recorded compilations of state files (`sls_compile.json`): high data, low data, top files, error texts. */
import { readFileSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { besides } from './case-files.ts';
import { compared, recordedCases } from './recorded.ts';
import type { CaseResult } from './result.ts';
import { SlsPlace } from './sls-place.ts';

/** Low chunks may have their keys in any order. */
function sortedChunks(answer: Py): Py {
  if (!(answer instanceof PyDict)) return answer;
  const ret = answer.get('return');
  if (!Array.isArray(ret)) return answer;
  const sorted = (ret as Py[]).map((c) =>
    c instanceof PyDict && c.has('fun') ? new PyDict([...c].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))) : c,
  );
  return new PyDict([...answer].map(([k, v]): [Py, Py] => [k, k === 'return' ? sorted : v]));
}

/** Every case of a file, or of the file of that name in a folder. Each call has functions of its own, as if in a process of its own. */
export function runSlsCompile(dirOrFile: string): CaseResult[] {
  const grains = parseJson(readFileSync(besides(dirOrFile, 'grains.json'), 'utf8')) as PyDict;
  return recordedCases(dirOrFile, 'sls_compile.json').map((c) => {
    const name = String(c.get('name'));
    const place = new SlsPlace(c, grains);
    try {
      const calls = c.get('calls') as Py[];
      const got = calls.map((call) => sortedChunks(place.call(call, place.calls(), true)));
      const want = (c.get('expected') as Py[]).map(sortedChunks);
      return compared(name, got, want);
    } catch (e) {
      return { name, ok: false, detail: `crash: ${e instanceof Error ? e.stack : String(e)}` };
    } finally {
      place.close();
    }
  });
}
