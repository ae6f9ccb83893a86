/** Runs the `bus` part of recorded reactions (`reactor.json`) on a live master with two minions. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../../bus/errors.ts';
import { type Py, toPy } from '../../bus/values.ts';
import { Rules } from '../../reactor/rules.ts';
import { compareBus, type RecordedEvent } from './bus-events.ts';
import type { Json } from './marks.ts';
import type { CaseResult } from './result.ts';
import { Stage } from './stage.ts';

interface ReactorCase {
  readonly name: string;
  readonly reactor: Json[];
  readonly files: Record<string, string>;
  readonly event: { readonly tag: string; readonly data: { [k: string]: Json } };
  readonly bus?: readonly RecordedEvent[];
  readonly bus_order_seen_both_ways?: [number, number][];
  readonly bus_not_in_every_run?: string[];
}

const MINIONS = ['alpha', 'beta'];
const PATIENCE = 4000;

/** Cases whose rules and files do not touch each other's events share a master. */
function packed(cases: readonly ReactorCase[]): ReactorCase[][] {
  const packs: ReactorCase[][] = [];
  const meets = (a: ReactorCase, b: ReactorCase): boolean =>
    new Rules(toPy(a.reactor as never) as Py[]).match(b.event.tag).length > 0 ||
    Object.entries(a.files).some(([path, text]) => (b.files[path] ?? text) !== text);
  for (const c of cases) {
    const pack = packs.find((p) => !p.some((o) => meets(o, c) || meets(c, o)));
    if (pack) pack.push(c);
    else packs.push([c]);
  }
  return packs;
}

async function runPack(cases: readonly ReactorCase[]): Promise<CaseResult[]> {
  const dir = mkdtempSync(join(tmpdir(), 'brine-reactions-'));
  const here = (text: string): string => text.replaceAll('<REACTOR>', dir);
  const rules = cases.flatMap((c) => JSON.parse(here(JSON.stringify(c.reactor))) as Json[]);
  const stage = await Stage.open({ minions: MINIONS, over: { master: { reactor: rules } } });
  const results: CaseResult[] = [];
  try {
    for (const c of cases)
      for (const [path, text] of Object.entries(c.files)) {
        const file = path.startsWith('<REACTOR>') ? here(path) : join(stage.place.root, 'srv/salt', path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, here(text));
      }
    await stage.start(MINIONS);
    const at = { lab: stage.place.root, reactor: dir };
    for (const c of cases) {
      stage.begin();
      const want = {
        events: c.bus ?? [],
        ...(c.bus_order_seen_both_ways ? { bothWays: c.bus_order_seen_both_ways } : {}),
        ...(c.bus_not_in_every_run ? { notInEveryRun: c.bus_not_in_every_run } : {}),
      };
      await stage.do(['fire', c.event.tag, c.event.data]);
      await stage.settle(() => !compareBus(stage.heard(), want, at).missing.length, PATIENCE);
      const { lines } = compareBus(stage.heard(), want, at);
      results.push(lines.length ? { name: c.name, ok: false, detail: lines.join('\n') } : { name: c.name, ok: true });
    }
  } catch (e) {
    const detail = `could not be run: ${messageOf(e)}\n${stage.logs()}`;
    for (const c of cases.slice(results.length)) results.push({ name: c.name, ok: false, detail });
  } finally {
    await stage.close();
    rmSync(dir, { recursive: true, force: true });
  }
  return results;
}

/** Runs the cases of a file that tell what came on a live bus. */
export async function runReactorBus(file: string): Promise<CaseResult[]> {
  const cases = (JSON.parse(readFileSync(file, 'utf8')) as ReactorCase[]).filter((c) => c.bus);
  const results: CaseResult[] = [];
  for (const pack of packed(cases)) results.push(...(await runPack(pack)));
  return cases.map((c) => results.find((r) => r.name === c.name) ?? { name: c.name, ok: false, detail: 'was not run' });
}
