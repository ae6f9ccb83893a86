/** Runs recorded pillar compilations (`pillar.json`): the pillar with its errors, and calls that read it. */
import { readFileSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { besides } from './case-files.ts';
import { compared, recordedCases } from './recorded.ts';
import type { CaseResult } from './result.ts';
import { SlsPlace } from './sls-place.ts';

/** Every case of a file, or of the file of that name in a folder. All calls of a case share one process. */
export function runPillar(dirOrFile: string): CaseResult[] {
  const grains = parseJson(readFileSync(besides(dirOrFile, 'grains.json'), 'utf8')) as PyDict;
  return recordedCases(dirOrFile, 'pillar.json').map((c) => {
    const name = String(c.get('name'));
    const place = new SlsPlace(c, grains);
    try {
      return compared(name, answer(c, place), c.get('expected') as Py);
    } catch (e) {
      return { name, ok: false, detail: `crash: ${e instanceof Error ? e.stack : String(e)}` };
    } finally {
      place.close();
    }
  });
}

function answer(c: PyDict, place: SlsPlace): Py {
  const override = c.get('pillar_override');
  let pillar: PyDict;
  try {
    const { opts } = place;
    pillar = place.pillar({
      saltenv: opts.get('saltenv') ?? null,
      pillarenv: opts.get('pillarenv') ?? null,
      ...(override instanceof PyDict ? { override } : {}),
    });
  } catch (e) {
    return new PyDict([['error', place.error(e)]]);
  }
  const out = new PyDict<Py>();
  const only = c.get('only_keys');
  if (Array.isArray(only)) {
    const beside = [...pillar.keys()].filter((k) => !only.includes(k)).map(String);
    out.set('pillar', place.marked(new PyDict([...pillar].filter(([k]) => only.includes(k)))));
    out.set('keys_beside', beside.sort());
  } else out.set('pillar', place.marked(pillar));
  const calls = place.calls({ pillar: () => pillar });
  out.set(
    'calls',
    (c.get('calls') as Py[]).map((call) => place.call(call, calls, false)),
  );
  return out;
}
