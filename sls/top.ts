/** Which SLS files a minion gets: top files gathered, merged and matched. */
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type SlsNames, saltUrl } from './files/client.ts';
import { MATCHERS, match } from './match/match.ts';
import { attributeError, indexError, notIterable } from './python-errors.ts';
import type { SlsRenderer } from './render/sls-file.ts';
import { eq, isStr, iterate, repr, str, truth, typeName } from './values.ts';

/** SLS names by environment, in order. */
export type Matches = PyDict<Py[]>;

/** What finding the tops of a minion takes. */
export interface TopPlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly names: SlsNames;
  readonly renderer: SlsRenderer;
  readonly id: string;
  readonly grains: PyDict;
  readonly pillar: PyDict;
  /** What `master_tops` answer for this minion: SLS names by environment. */
  readonly masterTops?: () => PyDict;
}

/** Throws for anything that has no keys, as the reference's `.items()` does. */
export function itemsOf(v: Py): [Py, Py][] {
  if (!(v instanceof PyDict)) throw attributeError(v, 'items');
  return [...v];
}

/** Whether a top entry fits a minion: `match` of its list names the way, compound by default. Throws KeyError for an unknown way. */
export function topMatch(target: Py, data: Py, place: Pick<TopPlace, 'opts' | 'id' | 'grains' | 'pillar'>): boolean {
  let way: Py = 'compound';
  for (const item of iterate(data)) if (item instanceof PyDict && item.has('match')) way = item.get('match') as Py;
  const name = str(way);
  if (!Object.hasOwn(MATCHERS, name)) throw new SaltError('KeyError', repr(`${name}_match.match`));
  const { id, grains, pillar, opts } = place;
  return match(name, target, { id, grains, pillar }, { nodegroups: opts.dict('nodegroups') });
}

const noTargets = (): SaltError => new SaltError('SaltRenderError', 'Unable to render top file. No targets found.');

/** The targets of an environment's section. */
function targets(section: Py): [Py, Py][] {
  if (section instanceof PyDict) return [...section];
  if (section === null || !truth(section)) {
    if (section === null || typeof section === 'number' || typeof section === 'boolean') throw noTargets();
    return [];
  }
  throw noTargets();
}

/** The top files of the state tree. */
export class StateTops {
  private readonly saltenv: string;

  constructor(private readonly place: TopPlace) {
    this.saltenv = place.opts.str('saltenv');
  }

  /** Environments in the order in which they count: `base`, those of `file_roots`, then the others; or `env_order`. */
  envs(): string[] {
    const { opts, names } = this.place;
    const found = names.files.envs();
    const order = [...new Set(opts.list('env_order').map((e) => str(e)))];
    if (order.length) return found.length ? order.filter((e) => found.includes(e)) : order;
    return [...new Set(['base', ...[...opts.dict('file_roots').keys()].map((e) => str(e)), ...found])];
  }

  /** Whether an environment is there. */
  hasEnv(saltenv: string): boolean {
    return saltenv === 'base' || this.envs().includes(saltenv);
  }

  private compile(path: string, saltenv: string): Py {
    return this.place.renderer.render({ path, saltenv, sls: '' });
  }

  /** The rendered top files by environment. Throws what rendering throws. */
  private gather(): Map<string, Py[]> {
    const { opts, names, log } = this.place;
    const strategy = opts.str('top_file_merging_strategy');
    if (strategy === 'same' && !this.saltenv && !opts.str('default_top'))
      throw new SaltError(
        'SaltRenderError',
        "top_file_merging_strategy set to 'same', but no default_top configuration option was set",
      );
    const file = saltUrl(opts.str('state_top', 'top.sls')).path.replace(/^\//, '');
    const only = opts.get('state_top_saltenv');
    const envs = this.saltenv ? [this.saltenv] : only !== undefined && truth(only) ? [str(only)] : this.envs();
    const tops = new Map<string, Py[]>();
    let found = 0;
    for (const env of envs) {
      const path = names.files.cache(file, env);
      if (path === undefined) log.debug(`No contents loaded for saltenv '${env}'`);
      else found++;
      tops.set(env, [path === undefined ? new PyDict() : this.compile(path, env)]);
    }
    if (!this.saltenv && found > 1 && strategy === 'merge' && !opts.list('env_order').length)
      log.warning(
        `top_file_merging_strategy is set to '${strategy}' and multiple top files were found. Merging order is not deterministic, it may be desirable to either set top_file_merging_strategy to 'same' or use the 'env_order' configuration parameter to specify the merging order.`,
      );
    this.include(tops);
    return tops;
  }

  /** Takes `include` out of the first top files and adds the files that it names (their own `include` is not followed). */
  private include(tops: Map<string, Py[]>): void {
    const { names } = this.place;
    const wanted = new Map<string, Py[]>();
    for (const [env, list] of tops)
      for (const top of list) {
        const included = takeInclude(top);
        if (included) wanted.set(env, [...(wanted.get(env) ?? []), ...included]);
      }
    for (const [env, list] of wanted) {
      const done = new Set<string>();
      for (const pattern of list)
        for (const sls of names.matching(env, str(pattern))) {
          if (done.has(sls)) continue;
          const found = names.find(sls, env);
          tops.get(env)?.push(found ? this.compile(found.path, env) : new PyDict());
          done.add(sls);
        }
    }
  }

  /** The one top that counts: targets by environment. An unreadable top file is logged and leaves nothing. */
  top(): PyDict {
    let tops: Map<string, Py[]>;
    try {
      tops = this.gather();
    } catch (e) {
      if (!(e instanceof SaltError && e.code === 'SaltRenderError')) throw e;
      this.place.log.error(`Unable to render top file: ${messageOf(e)}`);
      return new PyDict();
    }
    const strategy = this.place.opts.str('top_file_merging_strategy');
    if (strategy === 'same') return this.mergeSame(tops);
    if (strategy === 'merge_all') return mergeAll(tops);
    if (strategy !== 'merge')
      this.place.log.warning(`Invalid top_file_merging_strategy '${strategy}', falling back to 'merge'`);
    return mergeBase(tops);
  }

  /** Each environment's own section of its own top file, or of the default environment's. */
  private mergeSame(tops: ReadonlyMap<string, Py[]>): PyDict {
    const top = new PyDict();
    const { opts, log } = this.place;
    const isEmpty = (v: Py): boolean => v instanceof PyDict && v.size === 0;
    for (const [env, list] of tops) {
      if (!list.every(isEmpty)) {
        for (const t of list)
          for (const [section, body] of itemsOf(t)) if (section === env) put(top, section, targets(body));
        continue;
      }
      const other = opts.str('default_top');
      const fallback = tops.get(other) ?? [];
      if (fallback.every(isEmpty)) {
        log.error(
          `The '${env}' saltenv has no top file, and the fallback saltenv specified by default_top (${other}) also has no top file`,
        );
        continue;
      }
      for (const t of fallback) {
        const own = itemsOf(t).find(([section]) => section === env);
        if (own) put(top, own[0], targets(own[1]));
        else
          log.error(
            `The '${env}' saltenv has no top file, and no matches were found in the top file for the default_top saltenv (${other})`,
          );
      }
    }
    return top;
  }

  /** SLS names by environment for this minion, `master_tops` included. */
  matches(top: PyDict): Matches {
    const out: Matches = new PyDict();
    for (const [env, body] of top) {
      if (this.saltenv && env !== this.saltenv) continue;
      for (const [target, data] of itemsOf(body)) this.take(env, target, data, out);
    }
    this.addMasterTops(out);
    return out;
  }

  private take(env: Py, target: Py, given: Py, out: Matches): void {
    const data: Py = isStr(given) ? [given] : given;
    if (!topMatch(target, data, this.place)) return;
    if (!out.has(env)) out.set(env, []);
    for (const item of iterate(data)) {
      if (item instanceof PyDict) {
        const sub = item.get('subfilter');
        if (sub !== undefined) {
          item.delete('subfilter');
          for (const [t, d] of itemsOf(sub)) this.take(env, t, d, out);
        }
        // What is left of an entry like {match: glob} is taken from its end, as an environment and an SLS of it.
        const last = [...item].pop();
        if (!last) throw new SaltError('KeyError', "'dictionary is empty'");
        item.delete(last[0]);
        const [key, sls] = last;
        if (!isStr(key) || !this.hasEnv(str(key))) continue;
        if (!out.has(key)) out.set(key, []);
        out.get(key)?.push(sls);
      } else if (isStr(item)) {
        if (str(item).includes('subfilter')) throw attributeError(item, 'pop');
        out.get(env)?.push(item);
      } else if (!Array.isArray(item)) throw notIterable(item);
    }
  }

  private addMasterTops(out: Matches): void {
    const more = this.place.masterTops?.();
    if (!more) return;
    const before = this.place.opts.flag('master_tops_first');
    for (const [env, list] of more) {
      const own = out.get(env) ?? [];
      const theirs = Array.isArray(list) ? (list as Py[]) : [];
      const [first, second] = before ? [theirs, own] : [own, theirs];
      out.set(env, [...first, ...second.filter((x) => !first.some((y) => eq(x, y)))]);
    }
  }
}

/** Takes `include` out of a top and answers its entries; undefined where there is none. */
export function takeInclude(top: Py): Py[] | undefined {
  if (top instanceof PyDict) {
    const included = top.get('include');
    if (included === undefined) return undefined;
    top.delete('include');
    return [...iterate(included)];
  }
  const holds = isStr(top) ? str(top).includes('include') : Array.isArray(top) ? top.includes('include') : undefined;
  if (holds === undefined) throw notIterable(top);
  if (holds) throw indexError(top);
  return undefined;
}

function put(top: PyDict, env: Py, list: readonly [Py, Py][]): void {
  for (const [target, data] of list) section(top, env).set(target, data);
}
function section(top: PyDict, env: Py): PyDict {
  let body = top.get(env) as PyDict | undefined;
  if (!body) {
    body = new PyDict();
    top.set(env, body);
  }
  return body;
}

/** The base environment's top file counts for all; others only for their own environment, where base says nothing of it. */
function mergeBase(tops: Map<string, Py[]>): PyDict {
  const top = new PyDict();
  for (const t of tops.get('base') ?? [])
    for (const [env, body] of itemsOf(t)) if (env !== 'include') put(top, env, targets(body));
  for (const [own, list] of tops) {
    if (own === 'base') continue;
    for (const t of list)
      for (const [env, body] of itemsOf(t))
        if (env !== 'include' && env === own && !top.has(env)) put(top, env, targets(body));
  }
  return top;
}

function readTarget(data: Py): { how: Py | undefined; sls: Py[] } {
  let how: Py | undefined;
  const sls: Py[] = [];
  for (const item of iterate(data)) {
    if (item instanceof PyDict) how = item;
    if (isStr(item)) sls.push(item);
  }
  return { how, sls };
}

/** All sections of all top files; targets that meet are joined. */
function mergeAll(tops: ReadonlyMap<string, Py[]>): PyDict {
  const top = new PyDict();
  for (const list of tops.values())
    for (const t of list)
      for (const [env, body] of itemsOf(t)) {
        if (env === 'include') continue;
        for (const [target, data] of targets(body)) {
          const into = section(top, env);
          const old = into.get(target);
          if (old === undefined) {
            into.set(target, data);
            continue;
          }
          const [a, b] = [readTarget(old), readTarget(data)];
          const how = b.how ?? a.how;
          const merged: Py[] = how === undefined ? [...a.sls] : [how, ...a.sls];
          for (const x of b.sls) if (!merged.some((y) => eq(x, y))) merged.push(x);
          into.set(target, merged);
        }
      }
  return top;
}

/** Faults in the form of a merged top, in the reference's words. */
export function verifyTops(top: Py): string[] {
  if (!(top instanceof PyDict)) return ['Top data was not formed as a dict'];
  const errors: string[] = [];
  for (const [env, body] of top) {
    if (env === 'include') continue;
    if (!isStr(env)) errors.push(`Environment ${str(env)} in top file is not formed as a string`);
    if (env === '') errors.push('Empty saltenv statement in top file');
    if (!(body instanceof PyDict))
      errors.push(`The top file matches for saltenv ${str(env)} are not formatted as a dict`);
    for (const [target, list] of itemsOf(body)) {
      if (!Array.isArray(list)) {
        errors.push(
          `Malformed topfile: state declarations for matcher ${repr(target)} in saltenv ${repr(env)} are not formed as a list (got ${typeName(list)})`,
        );
        continue;
      }
      for (const item of list as Py[])
        if (item instanceof PyDict) {
          for (const v of item.values())
            if (!truth(v)) errors.push(`Improperly formatted top file matcher in saltenv ${str(item)}: ${str(v)} file`);
        } else if (item === '') errors.push(`Environment ${str(env)} contains an empty sls index`);
    }
  }
  return errors;
}
