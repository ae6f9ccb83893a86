/** Compiles public formulas and compares with what the reference made of them; the formulas' own files are brought by the caller. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { eq } from '../../sls/values.ts';
import type { CaseResult } from './result.ts';
import { SlsPlace } from './sls-place.ts';

const read = (path: string): PyDict => parseJson(readFileSync(path, 'utf8')) as PyDict;

/** First place where two values differ, in words; keys count in any order. */
function difference(came: Py, want: Py, at: string): string | undefined {
  if (eq(came, want)) return undefined;
  if (Array.isArray(came) && Array.isArray(want)) {
    const i = want.findIndex((w, k) => k >= came.length || !eq(came[k] as Py, w as Py));
    if (i >= 0 && i < came.length) return difference(came[i] as Py, want[i] as Py, `${at}[${i}]`);
    return `${at}: ${came.length} items, recorded ${want.length}`;
  }
  if (came instanceof PyDict && want instanceof PyDict) {
    for (const [k, w] of want) {
      if (!came.has(k)) return `${at}: ${String(k)} is missing`;
      const d = difference(came.get(k) as Py, w, `${at}.${String(k)}`);
      if (d) return d;
    }
    for (const k of came.keys()) if (!want.has(k)) return `${at}: ${String(k)} is surplus`;
  }
  return `${at}: came ${text(came)}, recorded ${text(want)}`;
}

function text(v: Py): string {
  const plain = (x: Py): unknown =>
    x instanceof PyDict
      ? Object.fromEntries([...x].map(([k, y]) => [String(k), plain(y)]))
      : Array.isArray(x)
        ? x.map((y) => plain(y as Py))
        : x;
  return JSON.stringify(plain(v)).slice(0, 1500);
}

/**
 * Runs the formulas of a manifest: `own` holds one directory a formula, its root being the base file root. Each is given the recorded pillar; high and
 * low data have to be the recorded ones.
 */
export function runFormulas(recorded: string, own: string | undefined): CaseResult[] {
  const manifest = read(join(recorded, 'manifest.json'));
  return (manifest.get('formulas') as PyDict[]).map((f) => {
    const name = String(f.get('name'));
    const root = own === undefined ? undefined : join(own, name);
    if (root === undefined || !existsSync(root))
      return { name, ok: false, detail: "the formula's own files are not here: name their folder with --formulas" };
    const golden = read(join(recorded, String(f.get('golden'))));
    const place = new SlsPlace(
      new PyDict<Py>([['opts', new PyDict([['file_roots', new PyDict([['base', [root]]])]])]]),
      manifest.get('grains') as PyDict,
    );
    try {
      const pillar = golden.get('pillar') as PyDict;
      const lines = (['low', 'high'] as const).flatMap((kind) => {
        const fun = kind === 'low' ? 'state.show_low_sls' : 'state.show_sls';
        const came = place.call(
          [fun, [f.get('sls') as Py], new PyDict()],
          place.calls({ pillar: () => pillar }),
          false,
        );
        return difference(came.get('return') ?? came, golden.get(kind) as Py, kind) ?? [];
      });
      return lines.length ? { name, ok: false, detail: lines.join('\n') } : { name, ok: true };
    } catch (e) {
      return { name, ok: false, detail: `crash: ${e instanceof Error ? e.stack : String(e)}` };
    } finally {
      place.close();
    }
  });
}
