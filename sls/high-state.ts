/** High data to low chunks, as the state system does it: extend, requisites from the other side, exclude, names. */
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { fnmatch } from './fnmatch.ts';
import type { High, LowChunk } from './high.ts';
import { attributeError, indexError, notIterable } from './python-errors.ts';
import { chunkTag, REQUISITES, RequisiteGraph } from './requisites.ts';
import { contains, deepCopy, eq, isList, isStr, iterate, str } from './values.ts';

/** What compiling high data takes. */
export interface CompilePlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly grains: PyDict;
  /** Whether a state function is there (`file.mod_watch`). */
  hasState(name: string): boolean;
}

/** Chunks in order of execution, with the graph that ordered them. */
export interface Compiled {
  readonly chunks: LowChunk[];
  readonly errors: string[];
  readonly graph: RequisiteGraph;
  /** Results of chunks that `state.disable` forbids, by tag. */
  readonly disabled: PyDict;
}

const hidden = (key: Py): boolean => {
  if (!isStr(key)) throw attributeError(key, 'startswith');
  return str(key).startsWith('__');
};
const firstKey = (d: PyDict): Py => d.keys().next().value as Py;
/** Arguments of a state that a requisite may extend: the ones of a single key. */
const single = (arg: Py): arg is PyDict => arg instanceof PyDict && arg.size === 1;

/** IDs that a name stands for under a state: the ID itself, an SLS' IDs, or those with an argument of that value. */
function findName(name: Py, state: string, high: High, strict: boolean): [Py, Py][] {
  const own = high.get(name);
  if (own !== undefined && (!strict || (own instanceof PyDict && own.has(state)))) return [[name, state]];
  const found: [Py, Py][] = [];
  for (const [id, body] of high) {
    if (state === 'sls') {
      if (!(body instanceof PyDict)) throw indexError(body);
      if (eq(body.get('__sls__') ?? null, name)) found.push([id, firstKey(body)]);
      continue;
    }
    const run = body instanceof PyDict ? body.get(state) : undefined;
    if (isList(run ?? null))
      for (const arg of run as Py[]) if (single(arg) && eq(arg.get(firstKey(arg)) as Py, name)) found.push([id, state]);
  }
  return found;
}

/** Every state of an SLS, as ID and state. */
function idsOf(sls: Py, high: High): [Py, string][] {
  const out: [Py, string][] = [];
  for (const [id, body] of high)
    if (body instanceof PyDict && eq(body.get('__sls__') ?? null, sls))
      for (const state of body.keys()) if (!hidden(state)) out.push([id, str(state)]);
  return out;
}

/** Names of the arguments of a state that have one key. */
function argumentsOf(id: Py, state: Py, high: High): Set<Py> {
  const body = high.get(id);
  const run = body instanceof PyDict ? body.get(state) : undefined;
  return new Set(isList(run ?? null) ? (run as Py[]).filter(single).map(firstKey) : []);
}

/** Takes `__extend__` out of high data and works it in, in place. Answers the errors. */
export function reconcileExtend(high: High, strict = false): string[] {
  const errors: string[] = [];
  const extend = high.get('__extend__');
  if (extend === undefined) return errors;
  high.delete('__extend__');
  const excluded = excludedSls(high);
  for (const chunk of iterate(extend))
    for (const [given, body] of chunk as PyDict) {
      if (!(body instanceof PyDict)) throw notIterable(body);
      let name: Py = given;
      const state = [...body.keys()].find((k) => !hidden(k));
      if (state === undefined) throw new SaltError('StopIteration', '');
      const target = high.get(name);
      if (!(target instanceof PyDict && target.has(state))) {
        const ids = findName(name, str(state), high, strict);
        if (ids.length !== 1) {
          const [env, sls] = [str(body.get('__env__') ?? 'base'), str(body.get('__sls__') ?? 'base')];
          const id = str(name);
          errors.push(
            `Cannot extend ID '${id}' in '${env}:${sls}'. It is not part of the high state.\nThis is likely due to a missing include statement or an incorrectly typed ID.\nEnsure that a state with an ID of '${id}' is available\nin environment '${env}' and to SLS '${sls}'`,
          );
          continue;
        }
        name = (ids[0] as [Py, Py])[0];
      }
      if (excluded.some((x) => eq(x, body.get('__sls__') ?? null))) continue;
      const into = high.get(name);
      if (!(into instanceof PyDict)) throw indexError(into as Py);
      for (const [key, run] of body) if (!hidden(key)) extendState(into, key, run);
    }
  return errors;
}

function excludedSls(high: High): Py[] {
  const out: Py[] = [];
  const exclude = high.get('__exclude__');
  for (const one of isList(exclude ?? null) ? (exclude as Py[]) : [])
    if (isStr(one)) out.push(one);
    else if (one instanceof PyDict && one.get('sls')) out.push(one.get('sls') as Py);
  return out;
}

/** Lays arguments over a state's: functions and equal names replace, requisites add up, the rest is new. */
function extendState(into: PyDict, state: Py, run: Py): void {
  const own = into.get(state);
  if (own === undefined) {
    into.set(state, run);
    return;
  }
  if (!isList(own)) throw attributeError(own, 'append');
  for (const arg of iterate(run)) {
    let found = false;
    for (let i = 0; i < own.length; i++) {
      const old = own[i] as Py;
      if (isStr(arg) && isStr(old)) {
        own[i] = arg;
        found = true;
      } else if (arg instanceof PyDict && old instanceof PyDict) {
        const key = firstKey(arg);
        const before = firstKey(old);
        if (eq(key, before)) {
          const list = old.get(key) as Py;
          if (!(isStr(key) && REQUISITES.has(str(key)))) own[i] = arg;
          else if (isList(list)) list.push(...iterate(arg.get(key) as Py));
          else throw attributeError(list, 'extend');
          found = true;
        }
        if (key === 'name' && before === 'names') own[i] = arg;
      }
    }
    if (!found) own.push(arg);
  }
}

const REQUISITE_IN = new Set(['require_in', 'watch_in', 'onfail_in', 'onchanges_in', 'use', 'use_in', 'prereq_in']);
/** Arguments that `use` does not copy. */
const NOT_USED = new Set([
  ...REQUISITE_IN,
  'require',
  'watch',
  'prereq',
  'onfail',
  'onfail_stop',
  'onchanges',
  'name',
  'names',
]);

function disabledRequisites(opts: Opts): Set<string> {
  return new Set(opts.list('disabled_requisites').map((d) => str(d)));
}

/** Turns `require_in` and its like, `use` and `use_in` into extensions of the states they mean, in place. Answers the errors. */
export function requisiteIn(high: High, opts: Opts, log: Log): string[] {
  return new RequisitesIn(high, disabledRequisites(opts), log).run();
}

class RequisitesIn {
  private readonly extend = new PyDict<PyDict>();
  private readonly errors: string[] = [];
  /** IDs by the value of their `name` argument, made when a bare name is first looked for. */
  constructor(
    private readonly high: High,
    private readonly disabled: ReadonlySet<string>,
    private readonly log: Log,
  ) {}

  run(): string[] {
    const { high } = this;
    for (const [id, body] of high) {
      if (!(body instanceof PyDict)) continue;
      for (const [state, run] of body) {
        if (hidden(state)) continue;
        for (const arg of iterate(run)) {
          if (!(arg instanceof PyDict) || !arg.size) continue;
          const key = firstKey(arg);
          if (!isStr(key) || !REQUISITE_IN.has(str(key))) continue;
          if (this.disabled.has(str(key))) this.log.warning(`The ${str(key)} requisite has been disabled, Ignoring.`);
          else this.requisite(id, body, str(state), str(key), arg.get(key) as Py);
        }
      }
    }
    if (this.extend.size)
      high.set(
        '__extend__',
        [...this.extend].map((e) => new PyDict([e])),
      );
    else high.delete('__extend__');
    return [...this.errors, ...reconcileExtend(high, true)];
  }

  private requisite(id: Py, body: PyDict, state: string, key: string, items: Py): void {
    const kind = key.split('_')[0] as string;
    const sls = str(body.get('__sls__') ?? null);
    if (items instanceof PyDict)
      for (const [given, name] of items) {
        let target = str(given);
        if (target.includes('.')) {
          const bare = target.slice(0, target.indexOf('.'));
          this.errors.push(
            `Invalid requisite in ${kind}: ${target} for ${str(name)} in SLS '${sls}'. Requisites must not contain dots, did you mean '${bare}'?`,
          );
          target = bare;
        }
        this.add(name, target, kind, state, id, body);
      }
    else if (isList(items)) this.list(id, body, state, key, kind, items);
  }

  private list(id: Py, body: PyDict, state: string, key: string, kind: string, items: readonly Py[]): void {
    const { high } = this;
    // Grows from item to item: an item that is met again adds to what it extended before.
    let hinges: [Py, string][] = [];
    for (const item of items) {
      const ref = item instanceof PyDict ? item : this.bare(item);
      if (!ref?.size) continue;
      const target = str(firstKey(ref));
      const name = ref.get(firstKey(ref)) as Py;
      if (target === 'sls') hinges = idsOf(name, high);
      else hinges.push([name, target]);
      if (target.includes('.'))
        this.errors.push(
          `Invalid requisite in ${kind}: ${target} for ${str(name)}, in SLS '${str(body.get('__sls__') ?? null)}'. Requisites must not contain dots, did you mean '${target.slice(0, target.indexOf('.'))}'?`,
        );
      for (const [hinge, of] of hinges) {
        if (key === 'use_in') this.useIn(id, state, hinge, of);
        else if (key === 'use') this.use(id, state, hinge, of);
        else this.add(hinge, of, kind, state, id, body);
      }
    }
  }

  /** What a bare name means: the ID's first state, or the last state with that `name`. */
  private bare(name: Py): PyDict | undefined {
    const own = this.high.get(name);
    if (own !== undefined) {
      const state = [...iterate(own)].find((k) => !hidden(k));
      if (state === undefined) throw new SaltError('IndexError', 'list index out of range');
      return new PyDict([[state, name]]);
    }
    let found: PyDict | undefined;
    let wanted: Py = name;
    for (const [id, body] of this.high)
      for (const state of iterate(body)) {
        if (hidden(state) || !(body instanceof PyDict)) continue;
        for (const arg of iterate(body.get(state) as Py))
          if (arg instanceof PyDict && arg.has('name') && eq(arg.get('name') as Py, wanted)) {
            found = new PyDict([[state, id]]);
            wanted = found;
          }
      }
    return found;
  }

  private slot(id: Py, state: string): { body: PyDict; run: Py[] } {
    let body = this.extend.get(id);
    if (!body) {
      body = new PyDict();
      this.extend.set(id, body);
    }
    let run = body.get(state);
    if (run === undefined) {
      run = [];
      body.set(state, run);
    }
    return { body, run: run as Py[] };
  }

  /** Adds a requisite on this state to the extension of another. */
  private add(name: Py, target: string, kind: string, state: string, id: Py, of: PyDict): void {
    const { body, run } = this.slot(name, target);
    for (const key of ['__env__', '__sls__']) {
      const v = of.get(key);
      if (v === undefined) throw new SaltError('KeyError', `'${key}'`);
      body.set(key, v);
    }
    const ref = (): PyDict => new PyDict([[state, id]]);
    let found = false;
    for (const arg of run)
      if (arg instanceof PyDict && firstKey(arg) === kind) {
        (arg.get(kind) as Py[]).push(ref());
        found = true;
      }
    if (!found) run.push(new PyDict([[kind, [ref()]]]));
  }

  private useIn(id: Py, state: string, name: Py, target: string): void {
    for (const [ext, extState] of findName(name, target, this.high, true)) {
      const own = argumentsOf(ext, target, this.high);
      this.copy(this.slot(ext, str(extState)).run, (this.high.get(id) as PyDict).get(state) as Py, own);
    }
  }
  private use(id: Py, state: string, name: Py, target: string): void {
    for (const [ext, extState] of findName(name, target, this.high, true)) {
      const own = argumentsOf(id, state, this.high);
      this.copy(this.slot(id, state).run, (this.high.get(ext) as PyDict).get(extState) as Py, own);
    }
  }
  private copy(into: Py[], run: Py, own: ReadonlySet<Py>): void {
    for (const arg of iterate(run)) {
      if (!single(arg)) continue;
      const key = firstKey(arg);
      if (!own.has(key) && !NOT_USED.has(str(key))) into.push(arg);
    }
  }
}

/** Takes `__exclude__` out of high data and with it what it names: SLS by shell pattern, IDs by name. In place. */
export function applyExclude(high: High): High {
  const exclude = high.get('__exclude__');
  if (exclude === undefined) return high;
  high.delete('__exclude__');
  const sls = new Set<string>();
  const ids = new Set<Py>();
  for (const one of iterate(exclude))
    if (isStr(one)) sls.add(str(one));
    else if (one instanceof PyDict && one.size === 1) {
      if (one.has('sls')) sls.add(str(one.get('sls') as Py));
      if (one.has('id')) ids.add(one.get('id') as Py);
    }
  if (sls.size)
    for (const [id, body] of high) {
      if (hidden(id)) continue;
      if (!(body instanceof PyDict)) throw attributeError(body, 'get');
      const own = str(body.get('__sls__') ?? '');
      if (own && [...sls].some((s) => fnmatch(own, s))) ids.add(id);
    }
  for (const id of ids) high.delete(id);
  return high;
}

/** Whether a chunk may be run together with others of its state: `aggregate` of its own, or `state_aggregate`. */
function mayAggregate(chunk: LowChunk, place: CompilePlace): boolean {
  const own = chunk.has('aggregate') ? chunk.get('aggregate') : place.opts.get('state_aggregate');
  const state = str(chunk.get('state') as Py);
  const wanted = own === true || (own instanceof PyDict ? own.has(state) : Array.isArray(own) && contains(own, state));
  return wanted && place.hasState(`${state}.mod_aggregate`);
}

/**
 * Makes and orders the chunks of high data: one a state and name, with its requisites checked. On errors there are no chunks to be
 * run. Throws for data of a shape at which the reference fails too.
 */
export function compileHigh(high: High, place: CompilePlace, orchestrationJid?: Py): Compiled {
  const graph = new RequisiteGraph();
  const disabled = new PyDict();
  const chunks: LowChunk[] = [];
  const patterns = place.grains.get('state_runs_disabled');
  const forbidden = (chunk: LowChunk): boolean => {
    if (!Array.isArray(patterns)) return false;
    const name = `${str(chunk.get('state') as Py)}.${str(chunk.get('fun') as Py)}`;
    const pattern = (patterns as Py[]).map((p) => str(p)).find((p) => fnmatch(name, p));
    if (pattern === undefined) return false;
    disabled.set(
      chunkTag(chunk),
      new PyDict<Py>([
        ['changes', new PyDict()],
        ['result', false],
        [
          'comment',
          `The state function "${name}" is currently disabled by "${pattern}", to re-enable, run state.enable ${pattern}.`,
        ],
        ['__run_num__', disabled.size],
        ['__sls__', chunk.get('__sls__') ?? null],
      ]),
    );
    return true;
  };
  for (const chunk of rawChunks(high, orchestrationJid)) {
    if (forbidden(chunk)) continue;
    graph.add(chunk, mayAggregate(chunk, place));
    chunks.push(chunk);
  }
  for (const chunk of chunks) watchToRequire(chunk, place);
  const ordered = graph.compile(chunks, disabledRequisites(place.opts), place.log);
  return { ...ordered, graph, disabled };
}

/** A state without `mod_watch` only requires what it watches. */
function watchToRequire(chunk: LowChunk, place: CompilePlace): void {
  for (const [watch, require] of [
    ['watch', 'require'],
    ['watch_any', 'require_any'],
  ] as const) {
    const list = chunk.get(watch);
    if (list === undefined || place.hasState(`${str(chunk.get('state') as Py)}.mod_watch`)) continue;
    chunk.delete(watch);
    const own = chunk.get(require);
    if (own === undefined) chunk.set(require, [...iterate(list)]);
    else if (isList(own)) own.push(...iterate(list));
    else throw attributeError(own, 'extend');
  }
}

/** Chunks in order of appearance. */
function* rawChunks(high: High, jid: Py | undefined): Generator<LowChunk> {
  for (const [id, body] of high) {
    if (hidden(id)) continue;
    if (!(body instanceof PyDict)) throw attributeError(body, 'items');
    for (const [state, run] of body) {
      if (hidden(state)) continue;
      const chunk: LowChunk = new PyDict<Py>([
        ['state', state],
        ['name', id],
      ]);
      if (jid !== undefined) chunk.set('__orchestration_jid__', jid);
      for (const key of ['__sls__', '__env__', '__sls_included_from__'])
        if (body.has(key)) chunk.set(key, body.get(key) as Py);
      chunk.set('__id__', id);
      let fun: Py | undefined;
      const names: Py[] = [];
      for (const arg of iterate(run)) {
        if (isStr(arg)) fun ??= arg;
        else if (arg instanceof PyDict)
          for (const [key, value] of arg) {
            if (key === 'names') {
              for (const n of iterate(value)) if (!contains(names, n)) names.push(n);
            } else if (key === 'state') continue;
            else chunk.set(key, key === 'name' && !isStr(value) ? id : value);
          }
      }
      if (!names.length) {
        const live = deepCopy(chunk);
        if (fun === undefined) continue;
        live.set('fun', fun);
        yield live;
      }
      let nth = 0;
      for (const entry of names) {
        const live = deepCopy(chunk);
        if (entry instanceof PyDict) {
          const name = firstKey(entry);
          live.set('name', name);
          for (const more of iterate(entry.get(name) as Py)) {
            if (!(more instanceof PyDict))
              throw new SaltError('ValueError', 'dictionary update sequence element #0 has length 1; 2 is required');
            for (const [k, v] of more) live.set(k, deepCopy(v));
          }
        } else live.set('name', entry);
        live.set('name_order', ++nth);
        if (fun === undefined) continue;
        live.set('fun', fun);
        yield live;
      }
    }
  }
}
