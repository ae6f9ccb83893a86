import { readFileSync } from 'node:fs';
import { messageOf, SaltError } from '../../bus/errors.ts';
import type { Py, PyDict } from '../../bus/values.ts';
import type { MatchCtx, Subject } from '../../sls/match/contract.ts';
import { expandNodegroup } from '../../sls/match/expand-nodegroup.ts';
import { match } from '../../sls/match/match.ts';
import { besides } from './case-files.ts';
import { parsePyJson, readCases } from './cases.ts';
import type { CaseResult } from './result.ts';

/** The minions and nodegroups that recorded targets are about. */
export function readSubjects(dir: string): { subjects: Subject[]; nodegroups: PyDict } {
  const f = parsePyJson(readFileSync(besides(dir, 'matchers.fixtures.json'), 'utf8')) as PyDict;
  const subjects = (f.get('minions') as PyDict[]).map((m) => ({
    id: m.get('id') as string,
    grains: m.get('grains') as PyDict,
    pillar: m.get('pillar') as PyDict,
  }));
  return { subjects, nodegroups: f.get('nodegroups') as PyDict };
}

/** Runs recorded minion-side targets: `matchers.json` with `matchers.fixtures.json`. */
export function runMatchers(dir: string): CaseResult[] {
  const { subjects, nodegroups } = readSubjects(dir);
  return readCases(dir, 'matchers.json').map((c) => {
    const subject = subjects[c.get('minion') as number]!;
    const ctx: Partial<MatchCtx> = { nodegroups, delimiter: (c.get('delimiter') as string) ?? ':' };
    const tgt = c.get('tgt') as Py;
    let came: unknown;
    let raised: string | undefined;
    try {
      came = match(c.get('tgt_type') as string, tgt, subject, ctx);
    } catch (e) {
      came = null;
      raised = e instanceof SaltError ? e.code : messageOf(e);
    }
    const wanted = c.get('expected');
    let ok = came === wanted && raised === (c.get('raises') as string | undefined);
    let detail = ok
      ? ''
      : `wanted ${JSON.stringify(wanted)} ${c.get('raises') ?? ''}, came ${JSON.stringify(came)} ${raised ?? ''}`;
    const expanded = c.get('expanded');
    if (expanded) {
      const words = expandNodegroup(tgt as string, nodegroups);
      if (JSON.stringify(words) !== JSON.stringify(expanded)) {
        ok = false;
        detail += ` expansion: wanted ${JSON.stringify(expanded)}, came ${JSON.stringify(words)}`;
      }
    }
    return { name: c.get('name') as string, ok, ...(ok ? {} : { detail }) };
  });
}
