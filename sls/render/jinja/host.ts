/** `salt` in templates: the execution functions as items and as attributes of their modules. */
import { type Py, type PyDict, PyIterator, PyObject, strOf } from '../../values.ts';
import { HostFunction } from './runtime.ts';

/** What the `salt` object asks for; minion/call.ts's table is one. */
export interface CallSource {
  has(name: string): boolean;
  call(name: string, args?: readonly Py[], kwargs?: PyDict): Py;
  names(): string[];
  /** Whether a module has any function; without it all names are asked for. */
  hasModule?(module: string): boolean;
}

/** The `salt` object over a table of functions. */
export class SaltLookup extends PyObject {
  constructor(
    private readonly table: CallSource,
    /** Function names that stand for others in templates (`cmd.run` runs in a shell there). */
    private readonly aliases: ReadonlyMap<string, string> = new Map([['cmd.run', 'cmd.shell']]),
    readonly pyQualifiedType = 'salt.utils.templates.AliasedLoader',
  ) {
    super();
  }
  get pyType(): string {
    return 'AliasedLoader';
  }
  private fn(name: string): Py | undefined {
    if (!this.table.has(name)) return undefined;
    const alias = this.aliases.get(name);
    const real = alias !== undefined && this.table.has(alias) ? alias : name;
    return new HostFunction(name, (args, kwargs) => this.table.call(real, args, kwargs ?? undefined));
  }
  override pyItem(key: Py): Py | undefined {
    const name = strOf(key);
    return name?.includes('.') ? this.fn(name) : undefined;
  }
  override pyContains(item: Py): boolean {
    const name = strOf(item);
    return name !== undefined && this.table.has(name);
  }
  override pyAttr(name: string): Py | undefined {
    if (name === 'get') return new HostFunction('get', (args) => this.pyItem(args[0] as Py) ?? args[1] ?? null);
    if (name === 'keys') return new HostFunction('keys', () => this.table.names());
    if (name[0] === '_') return undefined;
    return this.module(name);
  }
  private module(name: string): Py | undefined {
    if (name.includes('.')) return undefined;
    const has = this.table.hasModule?.(name) ?? this.table.names().some((n) => n.startsWith(`${name}.`));
    if (!has) return undefined;
    return new HostFunction(
      name,
      () => null,
      'LoadedMod',
      (fn) => this.fn(`${name}.${fn}`),
    );
  }
  override pyIter(): Iterator<Py> {
    return new PyIterator(this.table.names()[Symbol.iterator]()).pyIter();
  }
  override pyLen(): number {
    return this.table.names().length;
  }
}
