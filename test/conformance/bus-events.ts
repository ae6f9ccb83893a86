/** Compares the events that came on a bus with recorded ones, as far as their order was the same in every run. */
import { type Json, Marks, matches, plainJson, type Surroundings } from './marks.ts';

/** An event as it came. */
export interface CameEvent {
  readonly tag: string;
  readonly data: Json;
}

/** An event as it is recorded: how often, when more than once. */
export interface RecordedEvent {
  readonly tag: string;
  readonly data: Json;
  readonly times?: number | '1 or more';
}

/** A recorded list of events and what is known of its order. */
export interface RecordedBus {
  readonly events: readonly RecordedEvent[];
  readonly bothWays?: readonly (readonly [number, number])[];
  readonly notInEveryRun?: readonly string[];
}

/** What came, as against what was recorded. */
export interface BusDifference {
  /** Recorded and not (or not often enough) come. */
  readonly missing: readonly RecordedEvent[];
  /** Everything that differs, a line each; empty: no difference. */
  readonly lines: readonly string[];
}

interface Group {
  readonly tag: string;
  readonly data: Json;
  readonly first: number;
  count: number;
}

/** Tags without a promised place among a minion's first events. */
const BEGINNING = /^(minion\/refresh\/|resource\/refresh\/|minion_start$|salt\/minion\/[^/]+\/start$)/;
const REFRESH = /^(minion|resource)\/refresh\//;
const RETURN = /^salt\/job\/(<JID\d+>)\/ret\/(.+)$/;

/** Whether the reference promises the order of two events at all. */
function ordered(a: string, b: string): boolean {
  if (BEGINNING.test(a) && BEGINNING.test(b)) return !(REFRESH.test(a) || REFRESH.test(b));
  const [ra, rb] = [RETURN.exec(a), RETURN.exec(b)];
  return !(ra && rb && ra[2] !== rb[2]);
}

/** Puts marks into events that came, and joins equal ones. */
function grouped(came: readonly CameEvent[], at: Surroundings): Group[] {
  const marks = new Marks(at);
  for (const e of came) marks.learn(e.tag, e.data);
  const groups = new Map<string, Group>();
  for (const [first, e] of came.entries()) {
    const tag = marks.text(e.tag);
    const data = marks.data(e.data);
    const key = JSON.stringify([tag, data]);
    const g = groups.get(key);
    if (g) g.count++;
    else groups.set(key, { tag, data, first, count: 1 });
  }
  return [...groups.values()];
}

/** Masters are named after their machine: recorded data carry the recording machine's name. */
function masterless(v: Json): Json {
  if (Array.isArray(v)) return v.map(masterless);
  if (typeof v !== 'object' || v === null) return v;
  return Object.fromEntries(
    Object.entries(v).map(([k, x]) => [/^[\w.-]+_master$/.test(k) && isResult(x) ? '<MASTER>' : k, masterless(x)]),
  );
}
const isResult = (v: Json): boolean =>
  typeof v === 'object' && v !== null && !Array.isArray(v) && Object.keys(v).every((k) => k.includes('_|-'));

/** Compares what came on a bus during a case with what was recorded. */
export function compareBus(came: readonly CameEvent[], want: RecordedBus, at: Surroundings): BusDifference {
  const loose = new Set(want.notInEveryRun ?? []);
  const groups = grouped(came, at).filter((g) => !loose.has(g.tag));
  const recorded = want.events.map((e) => ({ ...e, data: masterless(e.data) }));
  const taken = new Map<number, Group>();
  const left = new Set(groups);
  const missing: RecordedEvent[] = [];
  const lines: string[] = [];
  for (const [i, e] of recorded.entries()) {
    if (loose.has(e.tag)) continue;
    const g = [...left].find((x) => x.tag === e.tag && matches(e.data, masterless(x.data)));
    if (!g) {
      missing.push(e);
      const near = [...left].find((x) => x.tag === e.tag);
      lines.push(
        `missing ${e.tag} ${JSON.stringify(e.data)}${near ? `\n   came ${near.tag} ${JSON.stringify(near.data)}` : ''}`,
      );
      continue;
    }
    left.delete(g);
    taken.set(i, g);
    const times = e.times ?? 1;
    if (times === '1 or more' || g.count === times) continue;
    if (g.count < times) missing.push(e);
    lines.push(`${e.tag} came ${g.count} times, recorded ${times}`);
  }
  for (const g of left)
    lines.push(`surplus ${g.tag} ${JSON.stringify(g.data)}${g.count > 1 ? ` (${g.count} times)` : ''}`);
  const either = new Set((want.bothWays ?? []).map(([a, b]) => `${a},${b}`));
  for (const [i, a] of taken)
    for (const [j, b] of taken)
      if (i < j && a.first > b.first && !either.has(`${i},${j}`) && !either.has(`${j},${i}`) && ordered(a.tag, b.tag))
        lines.push(`${b.tag} (${j}) came before ${a.tag} (${i})`);
  return { missing, lines };
}

/** An event off a socket in the form that is compared. */
export function cameEvent(e: { tag: string; data: unknown }): CameEvent {
  return { tag: e.tag, data: plainJson(e.data as never) };
}
