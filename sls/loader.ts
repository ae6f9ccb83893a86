import { existsSync, readdirSync, readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';

declare const __brine_dist: string;

/** What a plug-in's `virtual` answers: load here, load under another name, or why not. */
export type Virtual = true | string | { readonly reason: string };

/** What a {@link PluginFolder} is told: where plug-ins of one kind lie and what makes one. */
export interface PluginKind<T> {
  /** Our own folder, as in the sources (`minion/modules`). */
  readonly folder: string;
  /** Operators' folders, best first; a file of theirs stands for one of ours with the same name. */
  readonly dirs?: readonly string[];
  /** Whether what a file exports is a plug-in of this kind. */
  accepts(value: unknown): value is T;
  /** Asks a plug-in whether, and as what, it loads here; absent where the kind knows no such thing. */
  virtual?(plugin: T): Virtual;
  /** File names that are never loaded (`disable_modules`). */
  readonly disabled?: readonly string[];
  /** When not empty, the only names that load (`whitelist_modules`). */
  readonly whitelist?: readonly string[];
  /** Loads an operator's Python file; without it such a file is refused with a LoaderError. */
  python?(path: string, name: string): T;
  /** The built program's folder; the running program's own by default. */
  readonly dist?: string;
  readonly log: Log;
}

interface Compiled extends NodeJS.Module {
  _compile(code: string, path: string): unknown;
}

const ENDINGS = /\.(js|cjs|ts|py)$/;

/**
 * The plug-ins of one kind, each loaded on first use and once: a call of `test.ping` loads test and nothing else. A name that is
 * no file's is looked for in the files that may answer to it, which their text tells without loading them.
 */
export class PluginFolder<T> {
  private paths: Map<string, string> | undefined;
  private readonly loaded = new Map<string, T>();
  private readonly texts = new Map<string, string>();
  private readonly names = new Map<string, string | undefined>();
  private readonly refusals = new Map<string, string>();
  private readonly dist: string;

  constructor(private readonly kind: PluginKind<T>) {
    this.dist = kind.dist ?? __brine_dist;
  }

  /** Names of all files that may load, sorted. Loads none. */
  files(): string[] {
    return [...this.index().keys()].sort();
  }
  /** Whether an operator's file stands for, or beside, ours. */
  isOperators(file: string): boolean {
    const path = this.index().get(file);
    return path !== undefined && !path.startsWith(join(this.dist, this.kind.folder));
  }
  /** Forgets listings and what operators' files held: after a sync. Our own plug-ins stay. */
  refresh(): void {
    for (const file of this.files())
      if (this.isOperators(file)) {
        this.loaded.delete(file);
        this.texts.delete(file);
      }
    this.paths = undefined;
    this.names.clear();
    this.refusals.clear();
  }

  /** Files that may answer to a name, best first: the one called so, then those that speak of it in their `virtual`. */
  candidates(name: string): string[] {
    const own = this.index().has(name) ? [name] : [];
    const quoted = [`"${name}"`, `'${name}'`];
    return [
      ...own,
      ...this.files().filter((file) => {
        if (file === name) return false;
        const text = this.text(file);
        // A built file without its functions only passes on another one: its text tells nothing.
        return (text.includes('virtual') && quoted.some((q) => text.includes(q))) || isForward(text);
      }),
    ];
  }

  /** The plug-in that answers to a name here; undefined when none does ({@link why} then may know the reason). */
  get(name: string): T | undefined {
    const { whitelist = [] } = this.kind;
    if (whitelist.length && !whitelist.includes(name)) {
      this.refusals.set(name, `its module (${name}) is not in the whitelist: ${whitelist.join(', ')}`);
      return undefined;
    }
    if (this.index().has(name) && this.nameOf(name) === name) return this.load(name);
    const file = this.candidates(name).find((f) => this.nameOf(f) === name);
    return file === undefined ? undefined : this.load(file);
  }
  /** Why a file or name does not load here, if it was asked for and refused. */
  why(name: string): string | undefined {
    return this.refusals.get(name);
  }
  /** Every plug-in that loads here, by the name it answers to, sorted. Loads all; one that fails is logged and left out. */
  all(): Map<string, T> {
    const out = new Map<string, T>();
    const { whitelist = [] } = this.kind;
    for (const file of this.files())
      try {
        const name = this.nameOf(file);
        if (name === undefined || (whitelist.length && !whitelist.includes(name))) continue;
        if (!out.has(name) || name === file) out.set(name, this.load(file));
      } catch (e) {
        this.kind.log.error(`Failed to import ${this.kind.folder} ${file}: ${messageOf(e)}`);
      }
    return new Map([...out].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  }

  /** Loads a file once, whatever it would answer to. Throws SaltError LoaderError for one that is no plug-in of this kind. */
  load(file: string): T {
    const known = this.loaded.get(file);
    if (known !== undefined) return known;
    const path = this.index().get(file);
    if (path === undefined)
      throw new SaltError(
        'LoaderError',
        `There is no ${file} in ${[...(this.kind.dirs ?? []), this.kind.folder].join(', ')}`,
      );
    const made = this.read(path, file);
    this.loaded.set(file, made);
    return made;
  }

  /** The name under which a file loads here, undefined when it does not. */
  private nameOf(file: string): string | undefined {
    if (this.names.has(file)) return this.names.get(file);
    const plugin = this.load(file);
    const said = this.kind.virtual?.(plugin) ?? true;
    if (typeof said === 'object') this.refusals.set(file, said.reason);
    const name = said === true ? file : typeof said === 'string' ? said : undefined;
    this.names.set(file, name);
    return name;
  }
  private index(): Map<string, string> {
    if (this.paths) return this.paths;
    const found = new Map<string, string>();
    for (const dir of [...(this.kind.dirs ?? []), join(this.dist, this.kind.folder)])
      for (const entry of existsSync(dir) ? readdirSync(dir).sort() : []) {
        const name = entry.replace(ENDINGS, '');
        if (name === entry || name.startsWith('__') || entry.endsWith('.d.ts')) continue;
        if (!found.has(name) && !this.kind.disabled?.includes(name)) found.set(name, join(dir, entry));
      }
    this.paths = found;
    return found;
  }
  private text(file: string): string {
    let text = this.texts.get(file);
    if (text === undefined) {
      text = readFileSync(this.index().get(file) as string, 'utf8');
      this.texts.set(file, text);
    }
    return text;
  }

  private read(path: string, file: string): T {
    if (path.endsWith('.py')) {
      if (this.kind.python) return this.kind.python(path, file);
      throw new SaltError(
        'LoaderError',
        `${path} is a Python module: it needs the Python bridge, which is not running here. A .js or .ts file of the same name works without it.`,
      );
    }
    const own = path.startsWith(join(this.dist, '/'));
    const got: unknown = own ? createRequire(path)(path) : this.compile(path);
    const plugin = typeof got === 'object' && got !== null && 'default' in got ? got.default : got;
    if (!this.kind.accepts(plugin))
      throw new SaltError(
        'LoaderError',
        `${path} exports no plug-in of ${this.kind.folder}: give it as \`export default\`.`,
      );
    return plugin;
  }
  /** Runs an operator's file as CommonJS, whatever its form; `require('brine')` in it is this program. */
  private compile(path: string): unknown {
    let code = readFileSync(path, 'utf8');
    const ours = createRequire(join(__brine_dist, 'index.js'));
    try {
      if (path.endsWith('.ts') || /^\s*(import|export)\b/m.test(code)) {
        const { transformSync } = ours('esbuild') as typeof import('esbuild');
        const loader = path.endsWith('.ts') ? 'ts' : 'js';
        code = transformSync(code, {
          loader,
          format: 'cjs',
          platform: 'node',
          target: 'node20',
          sourcefile: path,
        }).code;
      }
      const module = new Module(path) as Compiled;
      module.filename = path;
      module.paths = createRequire(path).resolve.paths('x') ?? [];
      const usual = module.require;
      module.require = ((id: string): unknown =>
        id === 'brine' ? ours(join(__brine_dist, 'bus', 'program.js')) : usual.call(module, id)) as NodeJS.Require;
      module._compile(code, path);
      return module.exports;
    } catch (e) {
      throw new SaltError('LoaderError', `${path} does not load: ${messageOf(e)}`, { file: path }, { cause: e });
    }
  }
}

function isForward(text: string): boolean {
  return !text.includes('functions') && /require\(["']\.{1,2}\//.test(text);
}
