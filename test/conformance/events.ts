/** Runs recorded stories of the event bus (`events.json`) on live daemons of this build. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../../bus/errors.ts';
import { compareBus, type RecordedEvent } from './bus-events.ts';
import type { Json } from './marks.ts';
import type { CaseResult } from './result.ts';
import { Stage, type Step } from './stage.ts';

interface EventCase {
  readonly name: string;
  readonly do: readonly Step[];
  readonly exit_codes?: readonly (number | string)[];
  readonly events: readonly RecordedEvent[];
  readonly minion_events?: readonly RecordedEvent[];
  readonly order_seen_both_ways?: [number, number][];
  readonly not_in_every_run?: string[];
  readonly conf?: { master?: Record<string, Json>; minion?: Record<string, Json> };
  readonly files?: Record<string, string>;
  readonly after?: string | null;
}

/** Cases that share a place: a story, or all of one configuration. */
interface Group {
  readonly cases: EventCase[];
  readonly conf: NonNullable<EventCase['conf']>;
  readonly story: boolean;
}

/** Settings of the recording master that its events show. */
const RECORDED_ON = { timeout: 15, gather_job_timeout: 15 };
/** How long events may take after the last step, ms. */
const PATIENCE = 4000;
/** The reference's maintenance loop, in which keys that were taken away make it turn the session key. */
const MAINTENANCE = 66_000;

function groupsOf(cases: readonly EventCase[]): Group[] {
  const groups = new Map<string, Group>();
  const root = new Map<string, string>();
  for (const c of cases) {
    const story = c.after !== undefined;
    const first = story ? (root.get(c.after ?? '') ?? c.name) : '';
    if (story) root.set(c.name, first);
    const key = story ? `story ${first}` : JSON.stringify(c.conf ?? {});
    const g = groups.get(key);
    if (g) g.cases.push(c);
    else groups.set(key, { cases: [c], story, conf: c.conf ?? (story ? { master: { auto_accept: false } } : {}) });
  }
  return [...groups.values()];
}

/** Who takes part: targets of steps that name one minion, and everyone whom a recorded event shows at work. */
function minionsOf(cases: readonly EventCase[]): string[] {
  const ids = new Set<string>();
  for (const c of cases) {
    for (const [what, ...words] of c.do) {
      if (what === 'start' || what === 'stop') ids.add(String(words[0]));
      const on = what.split('@')[1];
      if (on) ids.add(on);
    }
    for (const e of c.events) {
      const data = e.data as { minions?: string[] };
      if (/^salt\/job\/[^/]+\/new$/.test(e.tag)) for (const id of data.minions ?? []) ids.add(id);
      const start = /^salt\/minion\/([^/]+)\/start$/.exec(e.tag);
      if (start) ids.add(start[1]!);
    }
  }
  return [...ids].sort();
}

/** Who is up before the first case: all but those whom the cases start themselves. */
function upAtFirst(cases: readonly EventCase[], ids: readonly string[]): string[] {
  const steps = cases.flatMap((c) => c.do);
  return ids.filter((id) => {
    const first = steps.find(([what, who]) => (what === 'start' || what === 'stop') && who === id);
    return first?.[0] !== 'start';
  });
}

/** What a case is compared by, as its recording was cut: presence has cases of its own and is left out of all others. */
function concerns(c: EventCase): (tag: string) => boolean {
  if (!c.conf?.master?.['presence_events']) return () => true;
  const wanted = c.events.every((e) => PRESENCE.test(e.tag));
  return (tag) => PRESENCE.test(tag) === wanted;
}
const PRESENCE = /^salt\/presence\//;

/** Waits for the next round of the master's maintenance, so that what a case starts with is told once before it begins. */
async function nextRound(c: EventCase, stage: Stage): Promise<void> {
  const interval = Number(c.conf?.master?.['loop_interval'] ?? 0);
  if (!c.conf?.master?.['presence_events'] || !c.events.every((e) => PRESENCE.test(e.tag))) return;
  await stage.hears(/^salt\/presence\/present$/, interval * 1500);
}

async function runCase(c: EventCase, stage: Stage, story: boolean): Promise<CaseResult> {
  stage.begin();
  await nextRound(c, stage);
  const codes: (number | string)[] = [];
  for (const step of c.do) {
    const code = await stage.do(step);
    if (code !== undefined) codes.push(code ?? 'killed');
  }
  const want = {
    events: story ? c.events.filter((e) => e.tag !== 'key') : c.events,
    ...(c.order_seen_both_ways ? { bothWays: c.order_seen_both_ways } : {}),
    ...(c.not_in_every_run ? { notInEveryRun: c.not_in_every_run } : {}),
  };
  const at = { lab: stage.place.root };
  // The session key is turned some time after a key was taken away, whatever the story is at by then.
  const mine = concerns(c);
  const heard = () => stage.heard().filter((e) => mine(e.tag) && !(story && e.tag === 'key'));
  const minion = c.minion_events && onlyMinion(c, stage);
  const onMinion = () => (minion === undefined ? [] : stage.heardOn(minion));
  const wantOnMinion = { events: c.minion_events ?? [] };
  const sameCodes = codes.length === 0 || JSON.stringify(codes) === JSON.stringify(c.exit_codes ?? []);
  await stage.settle(
    () =>
      !compareBus(heard(), want, at).missing.length &&
      (minion === undefined || !compareBus(onMinion(), wantOnMinion, at).missing.length),
    sameCodes ? PATIENCE : PATIENCE / 4,
  );
  const lines = [...compareBus(heard(), want, at).lines];
  if (minion !== undefined)
    lines.push(...compareBus(onMinion(), wantOnMinion, at).lines.map((l) => `on the minion's bus: ${l}`));
  if (!sameCodes) lines.push(`exit codes ${JSON.stringify(codes)}, recorded ${JSON.stringify(c.exit_codes)}`);
  if (story && c.events.length !== want.events.length && !(await stage.everHeard('key', MAINTENANCE)))
    lines.push('the session key was not turned');
  return lines.length ? { name: c.name, ok: false, detail: lines.join('\n') } : { name: c.name, ok: true };
}

/** The minion that a case with events on a minion's bus is about. */
function onlyMinion(c: EventCase, stage: Stage): string | undefined {
  for (const [what, ...words] of c.do) {
    const id = what.split('@')[1] ?? words.map(String).find((w) => stage.up.has(w));
    if (id !== undefined) return id;
  }
  return undefined;
}

async function runGroup(group: Group, all: readonly EventCase[]): Promise<CaseResult[]> {
  const ids = minionsOf(group.cases);
  const minions = ids.length ? ids : minionsOf(all);
  const stage = await Stage.open({
    minions,
    over: { ...group.conf, master: { ...RECORDED_ON, ...group.conf.master } },
  });
  const results: CaseResult[] = [];
  try {
    for (const c of all)
      for (const [path, text] of Object.entries(c.files ?? {})) stage.place.write(`srv/salt/${path}`, text);
    if (!group.cases.some((c) => c.do.some(([what]) => what === 'start-master')))
      await stage.start(upAtFirst(group.cases, minions));
    for (const c of group.cases) {
      for (const [path, text] of Object.entries(c.files ?? {})) stage.place.write(`srv/salt/${path}`, text);
      try {
        results.push(await runCase(c, stage, group.story));
      } catch (e) {
        results.push({ name: c.name, ok: false, detail: `could not be run: ${messageOf(e)}` });
      }
    }
  } catch (e) {
    const detail = `the place did not come up: ${messageOf(e)}\n${stage.logs()}`;
    for (const c of group.cases.slice(results.length)) results.push({ name: c.name, ok: false, detail });
  } finally {
    await stage.close();
  }
  return results;
}

/** Runs the recorded cases of a file, stories in their order, each configuration on a place of its own. */
export async function runEvents(file: string): Promise<CaseResult[]> {
  const cases = JSON.parse(readFileSync(file, 'utf8')) as EventCase[];
  const groups = groupsOf(cases);
  // Groups that mostly wait run beside those that mostly work.
  const [plain, special] = [
    groups.filter((g) => !g.story && !g.cases[0]?.conf),
    groups.filter((g) => g.story || g.cases[0]?.conf),
  ];
  const lane = async (some: Group[]): Promise<CaseResult[]> => {
    const out: CaseResult[] = [];
    for (const g of some) out.push(...(await runGroup(g, cases)));
    return out;
  };
  const found = new Map((await Promise.all([lane(plain), lane(special)])).flat().map((r) => [r.name, r]));
  return cases.map((c) => found.get(c.name) ?? { name: c.name, ok: false, detail: 'was not run' });
}
