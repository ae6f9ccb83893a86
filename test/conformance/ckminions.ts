import { readFileSync } from 'node:fs';
import type { PyDict } from '../../bus/values.ts';
import { checkMinions } from '../../sls/match/expected.ts';
import { besides } from './case-files.ts';
import { parsePyJson, readCases } from './cases.ts';
import { readSubjects } from './matchers.ts';
import type { CaseResult } from './result.ts';

/** Runs recorded master-side targets: `ckminions.json` with `ckminions.fixtures.json` and `matchers.fixtures.json`. */
export function runCkminions(dir: string): CaseResult[] {
  const { subjects, nodegroups } = readSubjects(dir);
  const f = parsePyJson(readFileSync(besides(dir, 'ckminions.fixtures.json'), 'utf8')) as PyDict;
  const bare = f.get('accepted_without_cached_data') as string[];
  const known = (f.get('accepted') as string[]).map(
    (id) =>
      (bare.includes(id) ? undefined : subjects.find((s) => s.id === id)) ?? {
        id,
        grains: undefined,
        pillar: undefined,
      },
  );
  return readCases(dir, 'ckminions.json').map((c) => {
    const came = checkMinions(c.get('tgt_type') as string, c.get('tgt') ?? '', known, {
      greedy: c.get('greedy') as boolean,
      delimiter: (c.get('delimiter') as string) ?? ':',
      nodegroups,
    });
    const text = JSON.stringify([came.minions.sort(), came.missing.sort()]);
    const wanted = JSON.stringify([c.get('minions'), c.get('missing')]);
    const ok = text === wanted;
    return { name: c.get('name') as string, ok, ...(ok ? {} : { detail: `wanted ${wanted}, came ${text}` }) };
  });
}
