/** Finds templates by `salt://` path: from the root of the environment, or from the importing file's folder. */
import { posix } from 'node:path';
import nunjucks from 'nunjucks';
import { SaltError } from '../../../bus/errors.ts';
import type { Py } from '../../values.ts';

/** Answers a template's text and the path that errors name; undefined when there is none. */
export type FindTemplate = (path: string) => { path: string; source: string } | undefined;

function missing(name: string): never {
  throw new SaltError('TemplateNotFound', name);
}

/** A loader over a function that finds files; synchronous, without a watch. */
export class SaltLoader extends nunjucks.Loader {
  declare private find: FindTemplate;

  override init(find: never): void {
    this.find = find as unknown as FindTemplate;
  }
  override isRelative(name: string): boolean {
    const first = name.split('/', 1)[0];
    return first === '.' || first === '..';
  }
  /** The path from the root that a name means in a folder; TemplateNotFound for one that leaves the root. */
  override resolve(folder: string, name: string): string {
    const full = posix.normalize(`${folder}/${name}`);
    if (full.split('/', 1)[0] === '..') missing(name);
    return full.replace(/\/$/, '');
  }
  /** The path of a name, given the globals of the environment (`tpldir` is the importing file's folder). */
  locate(name: string, globals: ReadonlyMap<string, Py>): string {
    if (!this.isRelative(name)) return name;
    const folder = globals.get('tpldir');
    if (typeof folder !== 'string') return missing(name);
    const full = this.resolve(folder, name);
    return folder.startsWith('/') ? posix.relative(folder, full) : full;
  }
  /** Reads a located template and lets `tpldir`, `tplfile` and `tpldot` name it from then on. */
  load(full: string, name: string, globals: Map<string, Py>): { path: string; source: string } {
    const relative = this.isRelative(name);
    let folder = posix.dirname(full);
    if (folder === '.') folder = '';
    if (relative) folder = String(globals.get('tpldir') ?? folder);
    globals.set('tplfile', relative ? name : full);
    globals.set('tpldir', folder === '' ? '.' : folder);
    globals.set('tpldot', folder.replaceAll('/', '.'));
    return this.find(full) ?? missing(name);
  }
  /** nunjucks' own form of {@link load}. */
  getSource(name: string): { src: string; path: string; noCache: boolean } | null {
    const found = this.find(name);
    return found ? { src: found.source, path: found.path, noCache: true } : null;
  }
}
