import { type Py, PyDict } from '../bus/values.ts';
import { type Glob, globOf } from '../sls/fnmatch.ts';

/** One entry of the reactor map: a tag glob and what it starts, SLS paths (local, with globs, or `salt://`). */
export interface Rule {
  readonly tag: string;
  readonly sls: Py;
}

/**
 * The reactor map at run time, as the `reactor:` key of the master's configuration gives it: entries in order, each a map of one tag
 * glob. Entries of any other form are passed over, as in the reference.
 */
export class Rules {
  private entries: { rule: Rule; matches: Glob }[] = [];

  /** While set, nothing matches (a master that is not the leader); what passes meanwhile is not caught up. */
  paused = false;

  constructor(map: readonly Py[] = []) {
    this.replace(map);
  }

  /** Takes a new map as a whole; the old one stays when this throws. */
  replace(map: readonly Py[]): void {
    const next: { rule: Rule; matches: Glob }[] = [];
    for (const entry of map) {
      if (!(entry instanceof PyDict) || entry.size !== 1) continue;
      const [[tag, sls]] = [...entry] as [[Py, Py]];
      if (typeof tag === 'string') next.push({ rule: { tag, sls }, matches: globOf(tag) });
    }
    this.entries = next;
  }

  /** SLS files for a tag: every matching entry's, in order of the map; a file named twice comes twice. */
  match(tag: string): string[] {
    const out: string[] = [];
    if (this.paused) return out;
    for (const { rule, matches } of this.entries) {
      if (!matches(tag)) continue;
      if (typeof rule.sls === 'string') out.push(rule.sls);
      else if (Array.isArray(rule.sls)) for (const s of rule.sls as Py[]) if (typeof s === 'string') out.push(s);
    }
    return out;
  }

  /** Whether any entry could match a tag: what the bus asks before it decodes anything. */
  matches(tag: string): boolean {
    return !this.paused && this.entries.some((e) => e.matches(tag));
  }

  get size(): number {
    return this.entries.length;
  }

  /** The map as `reactor.list` prints it. */
  list(): PyDict[] {
    return this.entries.map(({ rule }) => new PyDict([[rule.tag, rule.sls]]));
  }

  add(tag: string, sls: Py): { status: boolean; comment: string } {
    if (this.entries.some((e) => e.rule.tag === tag)) return { status: false, comment: 'Reactor already exists.' };
    this.entries.push({ rule: { tag, sls }, matches: globOf(tag) });
    return { status: true, comment: 'Reactor added.' };
  }

  delete(tag: string): { status: boolean; comment: string } {
    const at = this.entries.findIndex((e) => e.rule.tag === tag);
    if (at < 0) return { status: false, comment: 'Reactor does not exists.' };
    this.entries.splice(at, 1);
    return { status: true, comment: 'Reactor deleted.' };
  }
}
