/** Compiles a minion's pillar: top files, pillar files with their includes, external sources, overrides, decryption. */
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type FileClient, SlsNames, saltUrl } from './files/client.ts';
import { type MergeRules, mergeBy } from './merge.ts';
import { attributeError, indexError } from './python-errors.ts';
import type { Renderer } from './render/contract.ts';
import type { CallSource } from './render/jinja.ts';
import { SlsRenderer } from './render/sls-file.ts';
import { itemsOf, takeInclude, topMatch } from './top.ts';
import { traverse } from './traverse.ts';
import { deepCopy, isHashable, isList, isStr, iterate, str, truth, typeName } from './values.ts';

/** An external source of pillar (`ext_pillar`): its data for a minion; null for none. A throw becomes one of the pillar's errors. */
export type ExtPillar = (id: string, pillar: PyDict, args: readonly Py[], kwargs: PyDict) => Py;

/** What a pillar is compiled from. */
export interface PillarPlace {
  /** Options of the master, or of a minion without one. */
  readonly opts: Opts;
  readonly log: Log;
  readonly id: string;
  readonly grains: PyDict;
  readonly saltenv: string | null;
  readonly pillarenv: string | null;
  /** Values that the caller lays over everything. */
  readonly override: PyDict;
  /** The pillar in use until now: templates see it, and the new one is laid over it (`ssh_merge_pillar`). */
  readonly previous?: PyDict;
  /** Makes the file client over the environments of {@link pillarRoots}. */
  files(opts: Opts): FileClient;
  /** Functions that templates may call; they see the pillar that is handed over, which fills while the compilation runs. */
  functions(opts: Opts, pillar: PyDict): CallSource;
  /** An external source by name; undefined where there is none of that name. */
  extPillar?(name: string): ExtPillar | undefined;
  /** Told the source of every file that is rendered or imported. */
  onSource?(text: string): void;
  /** Further renderers by name; those of `decrypt_pillar_renderers` decrypt. */
  readonly renderers?: Readonly<Record<string, Renderer>>;
}

/**
 * The options of a compilation: `pillar_roots` with `__env__` put in the place of the environment asked for, `saltenv`, `pillarenv`
 * and the minion's id.
 */
export function pillarOpts(place: Pick<PillarPlace, 'opts' | 'saltenv' | 'pillarenv' | 'id'>): Opts {
  const { opts } = place;
  const saltenv = place.saltenv ?? opts.get('saltenv') ?? null;
  const pillarenv =
    place.pillarenv ?? (opts.flag('pillarenv_from_saltenv') ? place.saltenv : (opts.get('pillarenv') ?? null));
  const out = opts.with({ saltenv, pillarenv, id: place.id, file_client: 'local' });
  const roots = opts.dict('pillar_roots');
  const any = roots.get('__env__');
  if (any === undefined) return out;
  const env = str(truth(pillarenv) ? pillarenv : truth(saltenv) ? saltenv : 'base');
  const own = new PyDict(roots);
  own.delete('__env__');
  if (!own.has(env))
    own.set(
      env,
      [...iterate(any)].map((folder) => str(folder).replaceAll('__env__', env)),
    );
  out.set('pillar_roots', own);
  return out;
}

type Loaded = Map<string, Py>;
type Top = PyDict<PyDict<Py[]>>;

/** Compiles one pillar; make a new one for each compilation. */
export class PillarCompiler {
  private readonly opts: Opts;
  private readonly log: Log;
  private readonly names: SlsNames;
  private readonly envs: string[];
  private readonly ignored = new Map<string, Set<string>>();
  private readonly pillar = new PyDict();
  private readonly renderer: SlsRenderer;
  private readonly pillarenv: string;

  constructor(private readonly place: PillarPlace) {
    this.opts = pillarOpts(place);
    this.log = place.log;
    this.names = new SlsNames(place.files(this.opts));
    this.envs = [...new Set(['base', ...[...this.opts.dict('pillar_roots').keys()].map((e) => str(e))])];
    this.pillarenv = this.opts.str('pillarenv');
    this.lay(place.previous ?? this.opts.dict('pillar'));
    this.renderer = new SlsRenderer({
      opts: this.opts,
      log: place.log,
      files: this.names.files,
      grains: place.grains,
      pillar: this.pillar,
      salt: place.functions(this.opts, this.pillar),
      ...(place.onSource ? { onSource: (text: string) => place.onSource?.(text) } : {}),
      ...(place.renderers ? { renderers: place.renderers } : {}),
    });
  }

  /** The pillar; what went wrong stands in its `_errors`. Throws for top data of a shape at which the reference fails too. */
  compile(): PyDict {
    try {
      return this.run();
    } finally {
      this.renderer.close();
    }
  }

  private run(): PyDict {
    const { place } = this;
    let pillar = this.pillar;
    const { top, errors: topErrors } = this.top();
    const errors: string[] = [];
    if (this.opts.flag('ext_pillar_first')) {
      this.lay(this.extPillar(new PyDict(place.override), errors));
      const own = this.files(this.matches(top), errors);
      this.lay(this.merged(deepCopy(pillar), own));
    } else {
      this.lay(this.files(this.matches(top), errors));
      this.lay(this.extPillar(deepCopy(pillar), errors));
    }
    errors.push(...topErrors);
    if (this.opts.flag('pillar_opts')) pillar.set('master', this.masterOptions());
    if (place.previous && this.opts.flag('ssh_merge_pillar')) pillar = this.merged(deepCopy(place.previous), pillar);
    if (errors.length) {
      for (const e of errors) this.log.critical(`Pillar render error: ${e}`);
      pillar.set('_errors', errors);
    }
    const out = place.override.size ? this.merged(deepCopy(pillar), place.override) : pillar;
    const failed = this.decrypt(out);
    if (failed.length) out.set('_errors', [...((out.get('_errors') as Py[] | undefined) ?? []), ...failed]);
    return new PyDict(out);
  }

  /** Takes over the keys of a result into the pillar that templates and functions see. */
  private lay(data: PyDict): void {
    for (const [k, v] of data) this.pillar.set(k, v);
  }

  private masterOptions(): PyDict {
    const out = new PyDict();
    for (const [k, v] of this.opts.data) if (k !== 'pillar' && k !== '__context__') out.set(k, v);
    return out;
  }

  private merged(base: PyDict, over: Py): PyDict {
    if (!(over instanceof PyDict))
      throw new SaltError('TypeError', 'Cannot update using non-dict types in dictupdate.update()');
    return mergeBy(this.rules(), base, over);
  }
  private rules(): MergeRules {
    return {
      strategy: this.opts.str('pillar_source_merging_strategy', 'smart') || 'smart',
      renderer: this.opts.str('renderer', 'yaml'),
      lists: this.opts.flag('pillar_merge_lists'),
      log: this.log,
    };
  }

  /** Top files of the environments that count, merged; what cannot be rendered becomes an error. */
  top(): { top: Top; errors: string[] } {
    const errors: string[] = [];
    const tops = new Map<string, Py[]>();
    const file = saltUrl(this.opts.str('state_top', 'top.sls')).path.replace(/^\//, '');
    try {
      for (const env of this.topEnvs()) {
        const path = this.names.files.cache(file, env);
        if (path !== undefined) tops.set(env, [this.renderer.render({ path, saltenv: env, sls: '' })]);
      }
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      errors.push(`Rendering Primary Top file failed, render error:\n${messageOf(e)}`);
    }
    this.includeTops(tops, errors);
    try {
      return { top: this.mergeTops(tops), errors };
    } catch (e) {
      if (!(e instanceof SaltError && e.code === 'TypeError')) throw e;
      return { top: new PyDict(), errors: [...errors, 'Error encountered while rendering pillar top file.'] };
    }
  }

  private topEnvs(): string[] {
    if (this.pillarenv) return this.opts.dict('pillar_roots').has(this.pillarenv) ? [this.pillarenv] : [];
    if (this.opts.str('pillar_source_merging_strategy') !== 'none') return this.envs;
    const only = this.place.saltenv || 'base';
    return this.envs.includes(only) ? [only] : [];
  }

  private includeTops(tops: Map<string, Py[]>, errors: string[]): void {
    const wanted: [string, Py][] = [];
    for (const [env, list] of tops)
      for (const top of list) for (const sls of takeInclude(top) ?? []) wanted.push([env, sls]);
    const done = new Set<string>();
    for (const [env, given] of wanted) {
      const sls = str(given);
      if (done.has(`${env}:${sls}`)) continue;
      done.add(`${env}:${sls}`);
      try {
        const found = this.names.find(sls, env);
        tops.get(env)?.push(found ? this.renderer.render({ path: found.path, saltenv: env, sls: '' }) : new PyDict());
      } catch (e) {
        if (!(e instanceof SaltError)) throw e;
        errors.push(`Rendering Top file ${sls} failed, render error:\n${messageOf(e)}`);
      }
    }
  }

  /** Targets by environment, sorted by `order`; later top files replace earlier targets of the same name. */
  private mergeTops(tops: ReadonlyMap<string, Py[]>): Top {
    const top: Top = new PyDict();
    const orders = new Map<Py, Map<Py, number>>();
    for (const list of tops.values())
      for (const one of list)
        for (const [env, section] of itemsOf(one)) {
          if (env === 'include') continue;
          for (const target of iterate(section)) {
            if (!(section instanceof PyDict)) throw indexError(section);
            const entry = this.readTarget(str(env), section.get(target) as Py);
            const body = top.get(env) ?? new PyDict<Py[]>();
            top.set(env, body);
            body.set(target, entry.data);
            const order = orders.get(env) ?? new Map<Py, number>();
            orders.set(env, order.set(target, entry.order));
          }
        }
    for (const [env, body] of top) {
      const order = orders.get(env);
      const at = (target: Py): number => order?.get(target) ?? 0;
      top.set(env, new PyDict([...body].sort(([a], [b]) => at(a) - at(b))));
    }
    return top;
  }

  private readTarget(env: string, list: Py): { data: Py[]; order: number } {
    const how: Py[] = [];
    const sls = new Set<Py>();
    let order = 0;
    let ignore = false;
    for (const item of iterate(list)) {
      if (item instanceof PyDict) {
        if (item.has('match')) how.push(item);
        if (item.has('order')) order = orderOf(item.get('order') as Py);
        if (truth(item.get('ignore_missing') ?? false)) ignore = true;
      } else if (isStr(item)) sls.add(str(item));
    }
    if (ignore) {
      const own = this.ignored.get(env) ?? new Set();
      for (const s of sls) own.add(str(s));
      this.ignored.set(env, own);
    }
    return { data: [...how, ...sls], order };
  }

  /** Pillar files by environment that this minion gets. */
  matches(top: Top): PyDict<string[]> {
    const out = new PyDict<string[]>();
    const subject = { opts: this.opts, id: this.place.id, grains: this.place.grains, pillar: this.pillar };
    for (const [env, body] of top) {
      if (this.pillarenv && env !== this.pillarenv) continue;
      for (const [target, data] of body) {
        if (!topMatch(target, data, subject)) continue;
        const own = out.get(env) ?? [];
        out.set(env, own);
        for (const item of data) if (isStr(item) && !own.includes(str(item))) own.push(str(item));
      }
    }
    return out;
  }

  /** The names of an environment that fit; undefined for an environment that is none of the pillar's. */
  private available(env: string, pattern: string): string[] | undefined {
    return this.envs.includes(env) ? this.names.matching(env, pattern) : undefined;
  }

  /** Renders and merges the matched files, environment by environment (`env_order` first, so that its last one wins). */
  private files(matches: PyDict<string[]>, errors: string[]): PyDict {
    let pillar = new PyDict(this.place.override);
    const order = this.opts.list('env_order').filter((e) => matches.has(e));
    const envs = [...order, ...[...matches.keys()].filter((e) => !order.includes(e))];
    if (envs.length) pillar = deepCopy(pillar);
    for (const key of envs) {
      const env = str(key);
      const loaded: Loaded = new Map();
      const files: string[] = [];
      for (const pattern of matches.get(key) ?? []) {
        const found = this.available(env, pattern);
        if (!found) errors.push(noEnvironment(env));
        files.push(...(found?.length ? found : [pattern]));
      }
      for (const sls of files) {
        const { state, errors: own } = this.file(sls, env, loaded, new PyDict());
        errors.push(...own);
        if (state === undefined || state === null) continue;
        if (state instanceof PyDict) pillar = this.merged(pillar, state);
        else
          this.log.error(
            `The rendered pillar sls file, '${sls}' state did not return the expected data format. This is a sign of a malformed pillar sls file. Returned errors: ${errors.map((e) => `'${e}'`).join(', ')}`,
          );
      }
    }
    return pillar;
  }

  /** One file and what it includes. No state at all where the file is missing and may be, or its environment is none. */
  private file(sls: string, env: string, loaded: Loaded, defaults: Py): { state: Py | undefined; errors: string[] } {
    const errors: string[] = [];
    const found = this.names.find(sls, env);
    if (!found) {
      if (this.ignored.get(env)?.has(sls)) {
        this.log.debug(`Skipping ignored and missing SLS '${sls}' in environment '${env}'`);
        return { state: undefined, errors };
      }
      if (!truth(this.opts.dict('pillar_roots').get(env) ?? null)) {
        this.log.debug(
          `Specified SLS '${sls}' in environment '${env}' was not found. This could be because SLS '${sls}' is in an environment other than '${env}', but '${env}' is included in that environment's Pillar top file. It could also be due to environment '${env}' not being defined in 'pillar_roots'.`,
        );
        return { state: undefined, errors };
      }
      errors.push(this.said(`Specified SLS '${sls}' in environment '${env}' is not available on the salt master`));
    }
    let state: Py = null;
    if (found)
      try {
        if (!(defaults instanceof PyDict))
          throw new SaltError('TypeError', `argument after ** must be a mapping, not ${typeName(defaults)}`);
        state = this.renderer.render({ path: found.path, saltenv: env, sls, more: defaults });
      } catch (e) {
        const text = `Rendering SLS '${sls}' failed, render error:\n${messageOf(e)}`;
        this.log.critical(`${text}${placeOf(e, found.path)}`);
        errors.push(
          this.opts.flag('pillar_safe_render_error', true)
            ? `Rendering SLS '${sls}' failed. Please see master log for details.`
            : text,
        );
      }
    loaded.set(sls, state);
    if (!truth(state)) return { state, errors };
    if (!(state instanceof PyDict)) {
      errors.push(this.said(`SLS '${sls}' does not render to a dictionary`));
      return { state, errors };
    }
    const include = state.get('include');
    if (include === undefined) return { state, errors };
    if (!isList(include)) {
      errors.push(this.said(`Include Declaration in SLS '${sls}' is not formed as a list`));
      return { state, errors };
    }
    state.delete('include');
    const init = found?.source.endsWith('/init.sls') ?? false;
    return { state: this.included(state, include, { sls, env, init }, loaded, defaults, errors), errors };
  }

  /** Merges the included files under the including one, or over it with `pillar_includes_override_sls`. */
  private included(
    state: PyDict,
    include: readonly Py[],
    of: { sls: string; env: string; init: boolean },
    loaded: Loaded,
    given: Py,
    errors: string[],
  ): Py {
    const over = this.opts.flag('pillar_includes_override_sls');
    const parts: Py[] = [];
    let whole: PyDict = over ? deepCopy(state) : state;
    let defaults: Py = given;
    // Told again for each further include of this file, as the reference does.
    let last: readonly string[] = [];
    for (const item of include) {
      let name: Py = item;
      let key: Py = null;
      if (item instanceof PyDict) {
        const [first] = [...item];
        if (!first) throw new SaltError('StopIteration', '');
        name = first[0];
        if (!(first[1] instanceof PyDict)) throw attributeError(first[1], 'get');
        defaults = first[1].get('defaults') ?? new PyDict();
        key = first[1].get('key') ?? null;
      }
      if (!isStr(name)) throw attributeError(name, 'lstrip');
      for (const target of this.targets(str(name), of, errors)) {
        let part: Py | undefined;
        if (loaded.has(target)) part = loaded.get(target);
        else {
          const made = this.file(target, of.env, loaded, defaults);
          part = made.state;
          last = made.errors;
        }
        if (part !== undefined && truth(part)) {
          const laid = truth(key) ? under(str(key), part) : part;
          if (over) whole = this.merged(whole, laid);
          else parts.push(laid);
        }
        errors.push(...last);
      }
    }
    if (over) return whole;
    if (!parts.length) return state;
    let sum: Py = deepCopy(parts[0] as Py);
    for (const part of [...parts.slice(1), state]) {
      if (!(sum instanceof PyDict))
        throw new SaltError('TypeError', 'Cannot update using non-dict types in dictupdate.update()');
      sum = this.merged(sum, part);
    }
    return sum;
  }

  /** The files that an entry of `include` means: by its name as it stands, and by the name it has from this file's folder. */
  private targets(name: string, of: { sls: string; env: string; init: boolean }, errors: string[]): string[] {
    const plain = this.available(of.env, name.replace(/^\.+/, '').replaceAll('/', '.'));
    if (!plain) {
      errors.push(noEnvironment(of.env));
      return [name];
    }
    let full = name;
    if (name.startsWith('.')) {
      const parts = of.sls.split('.');
      full = [...(of.init ? parts : parts.slice(0, -1)), name.slice(1)].join('.');
    }
    const found = [...plain, ...(this.available(of.env, full) ?? [])];
    return found.length ? found : [full];
  }

  private said(error: string): string {
    this.log.error(error);
    return error;
  }

  /** Asks the external sources in turn; each sees what the ones before it gave. */
  private extPillar(given: PyDict, errors: string[]): PyDict {
    const malformed = 'The "ext_pillar" option is malformed';
    const sources = this.opts.get('ext_pillar');
    if (sources === undefined) return given;
    if (!isList(sources)) {
      errors.push(malformed);
      this.log.critical(malformed);
      return given;
    }
    const { override, id } = this.place;
    let pillar = override.size ? this.merged(deepCopy(given), override) : given;
    const skipped = this.opts.list('exclude_ext_pillar').map((e) => str(e));
    for (const source of sources) {
      if (!(source instanceof PyDict)) {
        errors.push(malformed);
        this.log.critical(malformed);
        return new PyDict();
      }
      if (skipped.includes(str(source.keys().next().value ?? null))) continue;
      let data: Py = null;
      for (const [key, config] of source) {
        const name = str(key);
        const ask = this.place.extPillar?.(name);
        if (!ask) {
          this.log.critical(
            `ext_pillar interface named ${name} is unavailable. Make sure it is placed in the correct directory/location.`,
          );
          continue;
        }
        try {
          data =
            config instanceof PyDict
              ? ask(id, pillar, [], config)
              : ask(id, pillar, isList(config) ? config : [config], new PyDict());
        } catch (e) {
          errors.push(`Failed to load ext_pillar ${name}: ${messageOf(e)}`);
          this.log.error(`Exception caught loading ext_pillar '${name}':\n${e instanceof Error ? e.stack : ''}`);
        }
      }
      if (truth(data)) pillar = this.merged(pillar, data);
    }
    return pillar;
  }

  /** Decrypts what `decrypt_pillar` names, in place; answers the errors. */
  private decrypt(pillar: PyDict): string[] {
    const { opts } = this;
    const given = opts.get('decrypt_pillar');
    if (given === undefined || !truth(given)) return [];
    const wanted =
      given instanceof PyDict
        ? [...given]
        : opts.list('decrypt_pillar').flatMap((d): [Py, Py][] => (d instanceof PyDict ? [...d] : [[d, null]]));
    const errors = wanted.length ? [] : ['decrypt_pillar config option is malformed'];
    const mark = opts.str('decrypt_pillar_delimiter', ':');
    const valid = opts.list('decrypt_pillar_renderers').map((r) => str(r));
    for (const [key, how] of wanted) {
      const path = str(key);
      const value = traverse(pillar, path, mark);
      if (value === undefined || value === null) continue;
      try {
        const name = truth(how) ? str(how) : opts.str('decrypt_pillar_default', 'gpg');
        if (valid.length && !valid.includes(name))
          throw new SaltError(
            'SaltInvocationError',
            `'${name}' is not a valid decryption renderer. Valid choices are: ${valid.join(', ')}`,
          );
        const render = this.place.renderers?.[name];
        if (!render) throw new SaltError('SaltInvocationError', `Decryption renderer '${name}' is not available`);
        const plain = render(value, {
          opts,
          log: this.log,
          context: new PyDict(),
          path: '',
          saltenv: '',
          sls: '',
          argline: '',
        });
        const at = path.lastIndexOf(mark);
        const parent = at < 0 ? pillar : traverse(pillar, path.slice(0, at), mark);
        if ((isHashable(value) || plain !== value) && parent instanceof PyDict)
          parent.set(at < 0 ? path : path.slice(at + mark.length), plain);
      } catch (e) {
        const text = `Failed to decrypt pillar key '${path}': ${messageOf(e)}`;
        errors.push(this.said(text));
      }
    }
    return errors;
  }
}

const noEnvironment = (env: string): string => `No matching pillar environment for environment '${env}' found`;

/** Data under a path of keys. */
function under(path: string, data: Py): Py {
  return path.split(':').reduceRight<Py>((inner, key) => new PyDict([[key, inner]]), data);
}

/** An `order` of a pillar top file: whole numbers and text of them, 0 for other text. */
function orderOf(v: Py): number {
  if (typeof v === 'number') return Math.trunc(v);
  if (typeof v === 'boolean') return Number(v);
  if (isStr(v)) return /^\s*[+-]?\d+\s*$/.test(str(v)) ? Number(str(v)) : 0;
  const n = Number((v as { valueOf(): unknown } | null)?.valueOf());
  if (v === null || isList(v) || v instanceof PyDict || Number.isNaN(n))
    throw new SaltError(
      'TypeError',
      `int() argument must be a string, a bytes-like object or a real number, not '${typeName(v)}'`,
    );
  return Math.trunc(n);
}

/** File and line of a render error, for the log. */
function placeOf(e: unknown, path: string): string {
  if (!(e instanceof SaltError)) return e instanceof Error ? `\n${e.stack}` : '';
  const { file, line } = e.details;
  return `\n(${typeof file === 'string' ? file : path}${typeof line === 'number' && line > 0 ? `:${line}` : ''})`;
}
