import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { readMine, readMineGet } from '../bus/wire/loads.ts';
import { pyRegex } from '../sls/regex.ts';
import type { Expected } from './access.ts';
import type { MinionCache } from './minion-cache.ts';

/** Marks a mine entry whose owner says who may read it: its value lies under {@link VALUE}, `allow_tgt` names the readers. */
const GUARDED = '__saltmine_acl__';
const VALUE = '__data__';
/** Bank with the second at which each value came, by function; beside the values, which keep the reference's form. */
const TIMES = 'mine_times';

/** The mine: values that minions publish for each other, kept in the bank `mine` of the data cache. */
export class Mine {
  constructor(
    private readonly opts: Opts,
    private readonly cache: MinionCache,
    private readonly expected: Expected,
    private readonly now: () => number = Date.now,
  ) {}

  private get kept(): boolean {
    return this.opts.flag('minion_data_cache', true) || this.opts.flag('enforce_mine_cache');
  }

  /** `_mine`: adds to a minion's values, or replaces them with `clear`. Settles when safe. */
  async update(load: WireMap): Promise<boolean> {
    const ask = readMine(load);
    if (!ask) return false;
    if (!this.kept) return true;
    const old = ask.clear ? undefined : this.cache.mine(ask.id);
    const values = new PyDict(old);
    const times = ask.clear ? new PyDict() : new PyDict(this.times(ask.id));
    const at = Math.floor(this.now() / 1000);
    for (const [k, v] of toPy(ask.data) as PyDict) {
      values.set(k, v);
      times.set(k, at);
    }
    await Promise.all([this.cache.store('mine', ask.id, values), this.cache.store(TIMES, ask.id, times)]);
    return true;
  }

  private times(id: string): PyDict {
    const found = this.cache.fetch(TIMES, id);
    return found instanceof PyDict ? found : new PyDict();
  }

  async remove(load: WireMap): Promise<boolean> {
    const id = String(load['id']);
    const fun = load['fun'];
    if (typeof fun !== 'string') return false;
    const values = new PyDict(this.cache.mine(id));
    if (values.delete(fun)) await this.cache.store('mine', id, values);
    return true;
  }

  async flush(load: WireMap): Promise<boolean> {
    const id = String(load['id']);
    await Promise.all([this.cache.flush('mine', id), this.cache.flush(TIMES, id)]);
    return true;
  }

  /**
   * `_mine_get`: values of the targeted minions; one function answers id to value, a list function to id to value. `mine_get` in the
   * configuration limits who may ask for what, an entry's own `allow_tgt` who may see it.
   */
  get(load: WireMap): Wire {
    const ask = readMineGet(load);
    if (!ask) return {};
    const several = Array.isArray(ask.fun);
    const functions = this.allowed(ask.id, several ? (ask.fun as string[]) : [ask.fun as string]);
    if (!functions.length) return {};
    const type =
      ask.tgt_type === 'pillar' ? 'pillar_exact' : ask.tgt_type === 'compound' ? 'compound_pillar_exact' : ask.tgt_type;
    const answer = new PyDict();
    for (const minion of this.expected(ask.tgt, type).minions) {
      const values = this.cache.mine(minion);
      if (!values) continue;
      for (const fun of functions) {
        const entry = values.get(fun);
        const seen = this.fresh(entry, minion, fun) ? this.visible(entry, ask.id) : undefined;
        if (seen === undefined) continue;
        if (!several) answer.set(minion, seen);
        else {
          const by = (answer.get(fun) as PyDict | undefined) ?? new PyDict();
          by.set(minion, seen);
          answer.set(fun, by);
        }
      }
    }
    return toWire(answer);
  }

  private allowed(id: string, functions: readonly string[]): string[] {
    if (!this.opts.has('mine_get')) return [...functions];
    const rules: string[] = [];
    for (const [who, what] of this.opts.dict('mine_get'))
      if (pyRegex(String(who)).matches(id) && Array.isArray(what)) rules.push(...what.map(String));
    return functions.filter((f) => rules.some((r) => pyRegex(r).matches(f)));
  }

  /** Whether a value is younger than its own `max_age` (seconds; ours), where it has one. */
  private fresh(entry: Py | undefined, minion: string, fun: string): boolean {
    if (!(entry instanceof PyDict) || !entry.has(GUARDED)) return true;
    const most = Number(entry.get('max_age') ?? Number.NaN);
    const came = Number(this.times(minion).get(fun) ?? Number.NaN);
    return !(this.now() / 1000 - came > most);
  }

  private visible(entry: Py | undefined, reader: string): Py | undefined {
    if (!(entry instanceof PyDict) || !entry.has(GUARDED)) return entry;
    const allow = entry.get('allow_tgt');
    if (allow !== undefined && allow !== null) {
      const type = entry.get('allow_tgt_type');
      const readers = this.expected(toWire(allow), typeof type === 'string' ? type : 'glob').minions;
      if (!readers.includes(reader)) return undefined;
    }
    return entry.get(VALUE) ?? null;
  }
}
