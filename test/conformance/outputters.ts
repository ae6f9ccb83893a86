import { messageOf } from '../../bus/errors.ts';
import { Opts } from '../../bus/opts.ts';
import type { Py, PyDict } from '../../bus/values.ts';
import { display } from '../../sls/output/output.ts';
import { readCases } from './cases.ts';
import type { CaseResult } from './result.ts';

/** Runs recorded output: `outputters.json`, each case as the exact text printed. */
export function runOutputters(dir: string): CaseResult[] {
  return readCases(dir, 'outputters.json').map((c) => {
    const opts = new Opts().with({
      color: false,
      state_output: 'full',
      state_verbose: true,
      state_output_profile: true,
    });
    for (const [k, v] of c.get('opts') as PyDict) opts.set(k as string, v);
    let text: string;
    try {
      text = display(c.get('data') as Py, c.get('outputter') as string | null, opts);
    } catch (e) {
      text = `raised ${messageOf(e)}`;
    }
    const came = text ? `${text}\n` : '';
    const ok = came === c.get('text');
    return {
      name: c.get('name') as string,
      ok,
      ...(ok ? {} : { detail: `wanted ${JSON.stringify(c.get('text'))}, came ${JSON.stringify(came)}` }),
    };
  });
}
