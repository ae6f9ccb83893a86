/** Renders state files into one set of high data: include, extend and exclude, IDs in their order. */
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, PySet } from '../bus/values.ts';
import type { FoundSls, SlsNames } from './files/client.ts';
import type { High } from './high.ts';
import { assignmentError, attributeError, indexError, notIterable } from './python-errors.ts';
import type { SlsRenderer } from './render/sls-file.ts';
import type { Matches } from './top.ts';
import { eq, hashable, isList, isStr, iterate, repr, str, truth } from './values.ts';

/** What rendering state files takes. */
export interface StatePlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly names: SlsNames;
  readonly renderer: SlsRenderer;
  /** Whether there is such an environment. */
  hasEnv(saltenv: string): boolean;
}

/** Where a fault was found, besides its text: for logs and for programs. */
export interface Fault {
  readonly text: string;
  readonly sls: string;
  readonly saltenv: string;
  readonly file?: string;
  readonly line?: number;
  /** SLS files that led to this one, outermost first. */
  readonly included: readonly string[];
}

/** Number of the first state without an `order` of its own. */
const FIRST_ORDER = 10_000;

/** Renders the state files of one run. Order numbers go on from file to file. */
export class StateFiles {
  /** Faults with their places, in the order in which they were met. */
  readonly faults: Fault[] = [];
  private nextOrder = FIRST_ORDER;
  private readonly autoOrder: boolean;

  constructor(private readonly place: StatePlace) {
    this.autoOrder = truth(place.opts.get('state_auto_order') ?? true);
  }

  /**
   * Renders the matched files and all that they include into high data, `__extend__` and `__exclude__` still in it. Errors are
   * texts as the reference gives them. Throws for data of a shape at which the reference fails too.
   */
  render(matches: Matches): { high: High; errors: string[] } {
    const high = new PyDict();
    const errors: string[] = [];
    const seen = new PySet();
    let files: string[] = [];
    for (const [env, list] of matches)
      for (const wanted of list) {
        const saltenv = str(env);
        const pattern = str(wanted);
        if (this.place.hasEnv(saltenv)) files = this.place.names.matching(saltenv, pattern);
        else if (this.place.hasEnv('__env__')) files = this.place.names.matching('__env__', pattern);
        else errors.push(`No matching salt environment for environment '${saltenv}' found`);
        if (!files.length) files = [pattern];
        for (const sls of files) {
          if (seen.has(`${saltenv}:${sls}`)) continue;
          const own: string[] = [];
          const state = this.file(sls, saltenv, seen, matches, own, []);
          if (truth(state)) mergeIncluded(high, state, own);
          const missing = `SLS ${pattern} in saltenv`;
          for (const e of own)
            errors.push(
              e.includes('is not available') && e.includes(missing)
                ? `No matching sls found for '${pattern}' in env '${saltenv}'`
                : e,
            );
        }
      }
    cleanExtends(high);
    return { high, errors };
  }

  private compile(found: FoundSls, sls: string, saltenv: string, seen: PySet): Py {
    return this.place.renderer.render({
      path: found.path,
      saltenv,
      sls,
      more: [['rendered_sls', seen]],
    });
  }

  private fault(text: string, sls: string, saltenv: string, included: readonly string[], e?: unknown): string {
    const details = e instanceof SaltError ? e.details : {};
    const { file, line } = details as { file?: unknown; line?: unknown };
    this.faults.push({
      text,
      sls,
      saltenv,
      included,
      ...(typeof file === 'string' ? { file } : {}),
      ...(typeof line === 'number' && line > 0 ? { line } : {}),
    });
    this.place.log.critical(placed(this.faults.at(-1) as Fault));
    return text;
  }

  /** The high data of one file and its includes; whatever else it renders to is handed on for the merge to refuse. */
  private file(
    sls: string,
    saltenv: string,
    seen: PySet,
    matches: Matches,
    errors: string[],
    by: readonly string[],
  ): Py {
    const found = this.place.names.find(sls, saltenv);
    let state: Py = null;
    if (!found)
      errors.push(
        `Specified SLS ${sls} in saltenv ${saltenv} is not available on the salt master or through a configured fileserver`,
      );
    else {
      try {
        state = this.compile(found, sls, saltenv, seen);
      } catch (e) {
        const known = e instanceof SaltError && e.code === 'SaltRenderError';
        const text = known
          ? `Rendering SLS '${saltenv}:${sls}' failed: ${e.message}`
          : `Rendering SLS ${sls} failed, render error: ${messageOf(e)}\n${traceText(e, found.path)}`;
        if (!(e instanceof SaltError)) this.place.log.debug(e instanceof Error ? (e.stack ?? '') : String(e));
        errors.push(this.fault(text, sls, saltenv, by, e));
      }
      seen.add(`${saltenv}:${sls}`);
    }
    if (!truth(state)) return new PyDict();
    if (!(state instanceof PyDict)) {
      errors.push(this.fault(`SLS ${sls} does not render to a dictionary`, sls, saltenv, by));
      return state;
    }
    this.dictionary(
      state,
      { sls, saltenv, init: found?.source.endsWith('/init.sls') ?? false },
      seen,
      matches,
      errors,
      [...by, `${saltenv}:${sls}`],
    );
    return state;
  }

  private dictionary(
    state: PyDict,
    file: { sls: string; saltenv: string; init: boolean },
    seen: PySet,
    matches: Matches,
    errors: string[],
    by: readonly string[],
  ): void {
    const { sls, saltenv } = file;
    let include: Py[] = [];
    const given = state.get('include');
    if (given !== undefined) {
      if (isList(given)) {
        include = given;
        state.delete('include');
      } else errors.push(`Include Declaration in SLS ${sls} is not formed as a list`);
    }
    takeExtend(state, sls, saltenv, errors);
    takeExclude(state, sls, errors);
    padDeclarations(state, sls, saltenv, errors);
    for (const one of include) this.include(state, one, file, seen, matches, errors, by);
    if (this.autoOrder) this.number(state);
  }

  private include(
    state: PyDict,
    given: Py,
    file: { sls: string; saltenv: string; init: boolean },
    seen: PySet,
    matches: Matches,
    errors: string[],
    by: readonly string[],
  ): void {
    const { sls, saltenv } = file;
    const { names } = this.place;
    const at = by.slice(0, -1);
    let env = saltenv;
    let wanted: Py = given;
    if (given instanceof PyDict) {
      const last = [...given].pop();
      if (!last) throw new SaltError('KeyError', "'dictionary is empty'");
      given.delete(last[0]);
      env = str(last[0]);
      wanted = last[1];
    }
    if (!this.place.hasEnv(env) && !this.place.hasEnv('__env__')) {
      errors.push(
        this.fault(
          `Nonexistent saltenv '${env}' found in include of '${str(wanted)}' within SLS '${saltenv}:${sls}'`,
          sls,
          saltenv,
          at,
        ),
      );
      return;
    }
    if (!isStr(wanted)) throw attributeError(wanted, 'startswith');
    let name = str(wanted);
    if (name.startsWith('.')) {
      const [, dots = '', rest = ''] = /^(\.+)(.*)$/.exec(name) ?? [];
      const parts = sls.split('.');
      if (file.init) parts.push('init');
      if (dots.length > parts.length) {
        errors.push(
          this.fault(
            `Attempted relative include of '${name}' within SLS '${saltenv}:${sls}' goes beyond top level package `,
            sls,
            saltenv,
            at,
          ),
        );
        return;
      }
      name = [...parts.slice(0, parts.length - dots.length), rest].join('.');
    }
    const anywhere = env === '_xenv';
    const envs = anywhere
      ? [...matches.keys()].map((e) => str(e)).filter((e) => names.matching(e, name).length)
      : matches.has(env) || names.matching(env, name).length
        ? [env]
        : [];
    if (envs.length !== 1 && !envs.includes(saltenv)) {
      const text = envs.length
        ? `Ambiguous include: Specified SLS ${env}: ${name} is available on the salt master in multiple available saltenvs: ${envs.join(', ')}`
        : `Unknown include: Specified SLS ${env}: ${name} is not available on the salt master in saltenv(s): ${anywhere ? [...matches.keys()].map((e) => str(e)).join(', ') : env} `;
      errors.push(this.fault(text, sls, saltenv, at));
      return;
    }
    const from = envs.length === 1 ? (envs[0] as string) : saltenv;
    const found = names.matching(saltenv, name);
    for (const target of found.length ? found : [name]) {
      if (seen.has(`${from}:${target}`)) continue;
      const own: string[] = [];
      const included = this.file(target, from, seen, matches, own, by);
      if (truth(included)) {
        noteIncluder(included, sls);
        mergeIncluded(state, included, errors);
        for (const [k, v] of included as PyDict) state.set(k, v);
      }
      errors.push(...own);
    }
  }

  /** Gives each state without an `order` the next number. A shape that cannot be walked is left to the later checks. */
  private number(state: PyDict): void {
    for (const [name, body] of state) {
      if (!(body instanceof PyDict)) {
        if (body === null || typeof body === 'number' || typeof body === 'boolean') {
          this.place.log.critical(`Could not render SLS ${str(name)}. Syntax error detected.`);
          return;
        }
        continue;
      }
      for (const [key, run] of body) {
        if (!isStr(key) || !isList(run) || str(key).startsWith('_')) continue;
        let own = false;
        for (const arg of run)
          if (arg instanceof PyDict && arg.size) {
            own = arg.keys().next().value === 'order';
            if (own) break;
          }
        if (!own) run.push(new PyDict([['order', this.nextOrder++]]));
      }
    }
  }
}

/** A fault with its place, one line for a log. */
export function placed(f: Fault): string {
  const where = f.file === undefined ? '' : ` (${f.file}${f.line === undefined ? '' : `:${f.line}`})`;
  const by = f.included.length ? `, included by ${[...f.included].reverse().join(', included by ')}` : '';
  return `${f.text}${where}${by}`;
}

const CLASSES: Readonly<Record<string, string>> = {
  ComposerError: 'yaml.composer.ComposerError',
  ReaderError: 'yaml.reader.ReaderError',
};

/** An unexpected error as a traceback of the file that it arose in. */
function traceText(e: unknown, file: string): string {
  const json = e instanceof SaltError && e.details['stage'] === 'json' && e.code === 'ValueError';
  const named = e instanceof SaltError ? String((e as { kind?: unknown }).kind ?? e.code) : 'Exception';
  const kind = json ? 'json.decoder.JSONDecodeError' : named;
  return `Traceback (most recent call last):\n  File "${file}"\n${CLASSES[kind] ?? kind}: ${messageOf(e)}\n`;
}

/** Notes in each ID of an included file which file included it. */
function noteIncluder(state: Py, sls: string): void {
  for (const id of iterate(state)) {
    if (!isStr(id)) throw attributeError(id, 'startswith');
    if (str(id).startsWith('__')) continue;
    if (!(state instanceof PyDict)) throw indexError(state);
    const body = state.get(id) as Py;
    if (!(body instanceof PyDict)) {
      if (body === null || typeof body === 'number' || typeof body === 'boolean') throw notIterable(body);
      throw assignmentError(body);
    }
    const from = body.get('__sls_included_from__');
    if (isList(from ?? null)) (from as Py[]).push(sls);
    else body.set('__sls_included_from__', [sls]);
  }
}

/** What is no dictionary fails here, but for a list of texts of two characters: Python takes those for pairs. */
function mergeOdd(high: PyDict, state: Py, errors: string[]): void {
  if (!isStr(state) && !Array.isArray(state)) throw notIterable(state);
  const items = [...iterate(state)];
  for (const id of items) {
    if (id instanceof PyDict) throw new SaltError('TypeError', "unhashable type: 'collections.OrderedDict'");
    if (high.has(hashable(id))) throw indexError(state);
  }
  for (const [i, item] of items.entries()) {
    if (!isStr(item))
      throw new SaltError('TypeError', `cannot convert dictionary update sequence element #${i} to a sequence`);
    const [key, value, more] = [...str(item)];
    if (key === undefined || value === undefined || more !== undefined) {
      errors.push(`Error when rendering state with contents: ${str(state)}`);
      return;
    }
    high.set(key, value);
  }
}

/** Moves `__extend__` and `__exclude__` over, tells of IDs that both have, and lays the rest over `high`. */
function mergeIncluded(high: PyDict, state: Py, errors: string[]): void {
  if (!(state instanceof PyDict)) {
    mergeOdd(high, state, errors);
    return;
  }
  for (const key of ['__extend__', '__exclude__']) {
    const own = state.get(key);
    if (own === undefined) continue;
    state.delete(key);
    const list = high.get(key);
    if (isList(list ?? null)) (list as Py[]).push(...(own as Py[]));
    else high.set(key, [...(own as Py[])]);
  }
  const part = (body: Py, key: string): string => {
    if (!(body instanceof PyDict)) throw indexError(body);
    const v = body.get(key);
    if (v === undefined) throw new SaltError('KeyError', repr(key));
    return str(v);
  };
  for (const [id, body] of state) {
    const old = high.get(id);
    if (old === undefined || eq(old, body)) continue;
    errors.push(
      `Detected conflicting IDs, SLS IDs need to be globally unique.\n    The conflicting ID is '${str(id)}' and is found in SLS '${part(old, '__env__')}:${part(old, '__sls__')}' and SLS '${part(body, '__env__')}:${part(body, '__sls__')}'`,
    );
  }
  for (const [id, body] of state) high.set(id, body);
}

/** `state.function` keys become a state with its function last. Answers nothing for keys that are no text: it throws as the reference does. */
function splitKey(key: Py): [string, string] | undefined {
  if (!isStr(key)) throw attributeError(key, 'startswith');
  const parts = str(key).split('.');
  return parts.length > 1 ? [parts[0] as string, parts[1] as string] : undefined;
}

function padDeclarations(state: PyDict, sls: string, saltenv: string, errors: string[]): void {
  for (const [name, body] of [...state]) {
    if (!(body instanceof PyDict)) {
      if (name === '__extend__' || name === '__exclude__') continue;
      if (isStr(body) && str(body).includes('.')) {
        const [mod, fun] = splitKey(body) as [string, string];
        state.set(
          name,
          new PyDict<Py>([
            ['__sls__', sls],
            ['__env__', saltenv],
            [mod, [fun]],
          ]),
        );
      } else errors.push(`ID ${str(name)} in SLS ${sls} is not a dictionary`);
      continue;
    }
    const taken = new Set<string>();
    for (const [key, run] of [...body]) {
      const split = splitKey(key);
      if (str(key).startsWith('_') || !isList(run)) continue;
      if (!split) {
        taken.add(str(key));
        continue;
      }
      if (taken.has(split[0])) {
        errors.push(`ID '${str(name)}' in SLS '${sls}' contains multiple state declarations of the same type`);
        continue;
      }
      body.delete(key);
      body.set(split[0], run);
      run.push(split[1]);
      taken.add(split[0]);
    }
    if (!body.has('__sls__')) body.set('__sls__', sls);
    if (!body.has('__env__')) body.set('__env__', saltenv);
  }
}

function takeExtend(state: PyDict, sls: string, saltenv: string, errors: string[]): void {
  const extend = state.get('extend');
  if (extend === undefined) return;
  state.delete('extend');
  if (!(extend instanceof PyDict)) {
    errors.push(`Extension value in SLS '${sls}' is not a dictionary`);
    return;
  }
  for (const [name, body] of extend) {
    if (!(body instanceof PyDict)) {
      errors.push(`Extension name '${str(name)}' in SLS '${sls}' is not a dictionary`);
      continue;
    }
    if (!body.has('__sls__')) body.set('__sls__', sls);
    if (!body.has('__env__')) body.set('__env__', saltenv);
    for (const [key, run] of [...body]) {
      const split = splitKey(key);
      if (str(key).startsWith('_') || !isList(run) || !split) continue;
      body.delete(key);
      body.set(split[0], run);
      run.push(split[1]);
    }
  }
  const list = state.get('__extend__');
  if (isList(list ?? null)) (list as Py[]).push(extend);
  else state.set('__extend__', [extend]);
}

function takeExclude(state: PyDict, sls: string, errors: string[]): void {
  const exclude = state.get('exclude');
  if (exclude === undefined) return;
  state.delete('exclude');
  if (!isList(exclude)) errors.push(`Exclude Declaration in SLS ${sls} is not formed as a list`);
  const list = state.get('__exclude__');
  const into = isList(list ?? null) ? (list as Py[]) : [];
  into.push(...iterate(exclude));
  state.set('__exclude__', into);
}

/** Extensions become one entry each, and equal ones one. */
function cleanExtends(high: PyDict): void {
  const extend = high.get('__extend__');
  if (!isList(extend ?? null)) return;
  const kept: [Py, Py][] = [];
  for (const ext of extend as Py[])
    if (ext instanceof PyDict)
      for (const [k, v] of ext) if (!kept.some(([k2, v2]) => eq(k, k2) && eq(v, v2))) kept.push([k, v]);
  high.set(
    '__extend__',
    kept.map((entry) => new PyDict([entry])),
  );
}
