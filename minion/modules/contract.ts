/**
 * An execution module: one file, named as operators type it (or exporting `virtual`). Functions are synchronous wherever a template
 * may call them: in a job process blocking is right. A thrown SaltError becomes the text the reference prints.
 */
import type { Cause } from '../../bus/event.ts';
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py, PyDict, WireMap } from '../../bus/values.ts';
import type { ArgSpec, Fn } from '../../sls/signature.ts';

/** `salt['a.b'](…)` for modules, states and templates; built by minion/call.ts. */
export interface CallTable {
  has(name: string): boolean;
  /** Runs synchronously; throws SaltError for an unknown name or bad arguments with the reference's text. */
  call(name: string, args?: readonly Py[], kwargs?: PyDict | Record<string, Py>): Py;
  /** As call, awaiting a function that answers a promise. */
  callAsync(name: string, args?: readonly Py[], kwargs?: PyDict | Record<string, Py>): Promise<Py>;
  /** Every function that loads here, sorted. Loads all modules. */
  names(): string[];
  argspec(name: string): ArgSpec | undefined;
  doc(name: string): string | undefined;
  /** Why a module does not load (its `virtual` answered false), if so. */
  unavailable(module: string): string | undefined;
  /** The outputter that a function's return asks for, if any. */
  outputter?(name: string): string | undefined;
  /** The file that provides a module, without its ending (`pkg` is provided by `aptpkg`). */
  provider?(module: string): string | undefined;
  /** Modules that are there but do not load on this machine, sorted. */
  notLoaded?(): string[];
}

/** Names, signatures and texts of plug-ins of another kind than execution modules, for `sys`. */
export interface Catalog {
  /** Every function as `module.function` (renderers: their plain names), sorted. */
  names(): string[];
  argspec(name: string): ArgSpec | undefined;
  /** Text of a function or, for a name without a dot, of a module. */
  doc(name: string): string | undefined;
}

/** Blocking requests to the master over the daemon's channel; throws SaltReqTimeoutError, or SaltClientError when there is no master (`--local`). */
export interface MasterLink {
  readonly available: boolean;
  /** A request of facts/PROTOCOL 6 by its wire command; the load's id, ts, tok and nonce are added by the channel. */
  request(cmd: string, load: WireMap): Py;
}

/** The job a function runs in; absent fields where none applies (templates, salt-call). */
export interface JobInfo {
  readonly jid: string;
  readonly fun: string;
  readonly user: string;
  readonly tgt: Py;
  readonly tgtType: string;
  readonly ret: string;
  readonly cause?: Cause;
}

/** What every function is handed besides its arguments: nothing is global. */
export interface ModuleCtx {
  readonly opts: Opts;
  readonly grains: PyDict;
  readonly pillar: PyDict;
  readonly salt: CallTable;
  readonly log: Log;
  readonly master: MasterLink;
  readonly job: JobInfo | undefined;
  /** `__context__`: shared by all modules of one job; `retcode` in it becomes the job's return code when non-zero. */
  readonly context: PyDict;
  /** Fires on the minion's own bus (durable before it answers where a daemon runs; false where none does). */
  fireLocal(tag: string, data: WireMap): boolean;
  /** What only the daemon's main thread can do (running jobs, kill, reload, beacons, schedule): a named order and its answer, blocking. */
  daemon(order: string, data?: WireMap): Py;
  /** The same functions under other options or another pillar: what the templates of a state run or of a pillar see. */
  derive?(changes: { readonly opts?: Opts; readonly pillar?: PyDict }): ModuleCtx;
  /** Other kinds of plug-ins as they load on this machine. */
  catalog?(kind: 'states' | 'returners' | 'runners' | 'renderers'): Catalog;
}

/** One module; a plug-in exports it as default. */
export interface ExecutionModule {
  /** Another name to load as, or why it does not load here. Absent: loads as its file name. */
  virtual?(ctx: ModuleCtx): true | string | { reason: string };
  /** Text of the module for `sys.doc <module>`. */
  readonly doc?: string;
  readonly functions: Readonly<Record<string, Fn<ModuleCtx>>>;
  /** Second names of functions (`__func_alias__`), e.g. `{ ls: 'list' }`. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Outputters that a job's return asks for (`__outputter__`), by function name: `{ sls: 'highstate' }`. */
  readonly outputters?: Readonly<Record<string, string>>;
}
