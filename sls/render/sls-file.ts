/** Renders SLS files of an environment: states, pillar and top files, with the variables that templates expect. */

import { SaltError } from '../../bus/errors.ts';
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { type FileClient, readTemplate } from '../files/client.ts';
import { PythonBridge } from '../python/bridge.ts';
import type { Renderer } from './contract.ts';
import { type CallSource, jinja, SaltLookup } from './jinja.ts';
import {
  compileTemplate,
  type PipeRules,
  pipeRules,
  type Renderers,
  renderersWith,
  shebang,
  stagesOf,
} from './pipeline.ts';
import { pyRenderer } from './py.ts';
import { renderYamlex } from './yamlex.ts';

/** What templates of one compilation see and may call. */
export interface RenderPlace {
  readonly opts: Opts;
  readonly log: Log;
  readonly files: FileClient;
  readonly grains: PyDict;
  readonly pillar: PyDict;
  /** `salt['a.b'](…)`. */
  readonly salt: CallSource;
  /** Grains, pillar and options are those of a state run, which error texts tell from others. */
  readonly stateRun?: boolean;
  /** Told the source of every file that is rendered or imported. */
  onSource?(text: string): void;
  /** Further renderers by name, over the built-in ones. */
  readonly renderers?: Readonly<Record<string, Renderer>>;
}

/** A dict whose class error texts name. */
class NamedDict extends PyDict {
  constructor(
    entries: Iterable<readonly [Py, Py]>,
    readonly pyQualifiedType: string,
  ) {
    super(entries);
  }
}
/** Data of YAML files as the reference holds it: its dicts have a class of their own in error texts. */
function ordered(v: Py): Py {
  if (Array.isArray(v) && !(v instanceof PyTuple)) return v.map((x) => ordered(x as Py));
  if (!(v instanceof PyDict)) return v;
  return new NamedDict(
    [...v].map(([k, x]): [Py, Py] => [k, ordered(x)]),
    'collections.OrderedDict',
  );
}
const PROXY = 'salt.utils.optsdict.DictProxy';

/** An error of a Python file is told with its whole traceback. */
function traced(render: Renderer): Renderer {
  return (input, ctx) => {
    try {
      return render(input, ctx);
    } catch (e) {
      const trace = e instanceof SaltError ? e.details['traceback'] : undefined;
      if (!(e instanceof SaltError) || typeof trace !== 'string') throw e;
      throw new SaltError('SaltRenderError', trace, { ...e.details }, { cause: e });
    }
  };
}

/** One file to be rendered. */
export interface SlsFile {
  readonly path: string;
  readonly saltenv: string;
  /** Empty for top files. */
  readonly sls: string;
  /** Further variables, over all others but the file's own. */
  readonly more?: Iterable<readonly [Py, Py]>;
}

/** Renders the files of one compilation; the Python process behind `#!py` starts when one is first met and ends with `close`. */
export class SlsRenderer {
  private readonly renderers: Renderers;
  private readonly rules: PipeRules;
  private readonly shared: PyDict;
  private bridge: PythonBridge | undefined;
  private readonly find: (path: string, saltenv: string) => { path: string; source: string } | undefined;

  constructor(private readonly place: RenderPlace) {
    const { files, salt } = place;
    const python = (): PythonBridge => {
      this.bridge ??= new PythonBridge();
      return this.bridge;
    };
    this.renderers = renderersWith({
      jinja,
      yamlex: renderYamlex,
      py: traced(
        pyRenderer(python, (name, args, kwargs) =>
          name === '__has__' ? salt.has(String(args[0])) : salt.call(name, args, kwargs),
        ),
      ),
      ...place.renderers,
    });
    this.rules = pipeRules(place.opts);
    const { stateRun } = place;
    const grains = stateRun ? new NamedDict(place.grains, PROXY) : place.grains;
    const pillar = stateRun
      ? new NamedDict(
          [...place.pillar].map(([k, v]) => [k, ordered(v)]),
          PROXY,
        )
      : place.pillar;
    const data = [...place.opts.data, ['grains', grains], ['pillar', pillar]] as const;
    const opts = stateRun ? new NamedDict(data, 'salt.utils.optsdict.OptsDict') : new PyDict(data);
    this.shared = new PyDict<Py>([
      ['salt', new SaltLookup(salt)],
      ['grains', grains],
      ['opts', opts],
      ['pillar', pillar],
    ]);
    this.find = (path, saltenv) => {
      const found = files.cache(path, saltenv);
      return found === undefined ? undefined : { path: found, source: this.read(found) };
    };
  }

  private read(path: string): string {
    const text = readTemplate(path);
    this.place.onSource?.(text);
    return text;
  }

  /** The data of a file; throws what its stages throw. */
  render(file: SlsFile): Py {
    const { opts, log } = this.place;
    const context = new PyDict(this.shared);
    for (const [k, v] of file.more ?? []) context.set(k, v);
    context.set('saltenv', file.saltenv);
    context.set('sls', file.sls);
    return compileTemplate(
      this.read(file.path),
      { opts, log, context, path: file.path, saltenv: file.saltenv, sls: file.sls, find: this.find },
      this.renderers,
      this.rules,
    );
  }

  /**
   * What a pipe makes of a file, or of a text in its place: the data or the text of its last stage. The first line of the file, or
   * the first word of the text, may name another pipe. Line ends of a text with `\r\n` come back in text.
   */
  through(pipe: string, file: SlsFile, text?: string): Py {
    const { opts, log } = this.place;
    const rules = { ...this.rules, usual: pipe };
    const context = new PyDict(this.shared);
    context.set('saltenv', file.saltenv);
    context.set('sls', file.sls);
    for (const [k, v] of file.more ?? []) context.set(k, v);
    const { path, saltenv, sls } = file;
    const ctx = { opts, log, context, path, saltenv, sls, find: this.find };
    if (text === undefined) return compileTemplate(this.read(path), ctx, this.renderers, rules);
    const first = text.trim().split(/\s/, 1)[0] as string;
    if (!first) throw new SaltError('IndexError', 'list index out of range');
    const stages = stagesOf(shebang(first) ?? pipe, this.renderers, rules, log);
    if (!stages.length) return new PyDict();
    let data: Py = text;
    for (const stage of stages) data = stage.render(data, { ...ctx, argline: stage.argline });
    return typeof data === 'string' && text.includes('\r\n') && !data.includes('\r\n')
      ? data.replaceAll('\n', '\r\n')
      : data;
  }

  close(): void {
    this.bridge?.close();
    this.bridge = undefined;
  }
}
