/** Renders SLS files of an environment: states, pillar and top files, with the variables that templates expect. */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type FileClient, readTemplate } from '../files/client.ts';
import { PythonBridge } from '../python/bridge.ts';
import type { Renderer } from './contract.ts';
import { type CallSource, jinja, SaltLookup } from './jinja.ts';
import { compileTemplate, type PipeRules, pipeRules, type Renderers, renderersWith } from './pipeline.ts';
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
  /** Further renderers by name, over the built-in ones. */
  readonly renderers?: Readonly<Record<string, Renderer>>;
}

/** Grains as SLS templates have them: error texts name their class. */
export class GrainsView extends PyDict {
  readonly pyQualifiedType = 'salt.utils.optsdict.DictProxy';
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
      py: pyRenderer(python, (name, args, kwargs) =>
        name === '__has__' ? salt.has(String(args[0])) : salt.call(name, args, kwargs),
      ),
      ...place.renderers,
    });
    this.rules = pipeRules(place.opts);
    const opts = new PyDict(place.opts.data);
    const grains = new GrainsView(place.grains);
    opts.set('grains', grains);
    opts.set('pillar', place.pillar);
    this.shared = new PyDict<Py>([
      ['salt', new SaltLookup(salt)],
      ['grains', grains],
      ['opts', opts],
      ['pillar', place.pillar],
    ]);
    this.find = (path, saltenv) => {
      const found = files.cache(path, saltenv);
      return found === undefined ? undefined : { path: found, source: readTemplate(found) };
    };
  }

  /** The data of a file; throws what its stages throw. */
  render(file: SlsFile): Py {
    const { opts, log } = this.place;
    const context = new PyDict(this.shared);
    for (const [k, v] of file.more ?? []) context.set(k, v);
    context.set('saltenv', file.saltenv);
    context.set('sls', file.sls);
    return compileTemplate(
      readTemplate(file.path),
      { opts, log, context, path: file.path, saltenv: file.saltenv, sls: file.sls, find: this.find },
      this.renderers,
      this.rules,
    );
  }

  close(): void {
    this.bridge?.close();
    this.bridge = undefined;
  }
}
