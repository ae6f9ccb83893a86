/**
 * A runner or wheel module: one file, named as operators type it. It runs in the salt-run process or in a job process of the
 * master, never on the master's main thread; what the master alone may do it asks over the control socket.
 */
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py, WireMap } from '../../bus/values.ts';
import type { JobCache, ReturnerCtx } from '../../returners/contract.ts';
import type { Fn } from '../../sls/signature.ts';
import type { ControlledClient, LocalClient } from '../client.ts';
import type { KeyStore } from '../keys.ts';
import type { MinionData } from '../minion-cache.ts';

/** What every function is handed besides its arguments: nothing is global. */
export interface RunnerCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** Publishes jobs and gathers returns through the running master. Throws SaltDaemonNotRunning where there is none. */
  readonly client: LocalClient & Pick<ControlledClient, 'makeToken'>;
  readonly keys: KeyStore;
  readonly minions: MinionData;
  readonly jobs: JobCache & { readonly ctx: ReturnerCtx };
  /** The jid of this run. */
  readonly jid: string;
  /** Tells how far it is: fires `salt/run/<jid>/progress`, and salt-run shows it at once. `data` is a map, usually {message}. */
  progress(data: Py, outputter?: string): void;
  /** Prints text where the run's output goes: standard output of salt-run, the log elsewhere. A line end is added. */
  print(text: string): void;
  fire(tag: string, data: WireMap): Promise<void>;
  /** Calls another runner function. */
  run(fun: string, args?: readonly Py[], kwargs?: Record<string, Py>): Promise<Py>;
  /** A named order to the running master (reactor.add, queue.dead …) and its answer; see master/control.ts. */
  master(order: string, data?: WireMap): Promise<Py>;
  /** Set by a function that failed without throwing. */
  retcode: number;
}
/** One module; a plug-in exports it as default. `aliases` are further names of its functions. */
export interface RunnerModule {
  virtual?(ctx: RunnerCtx): true | string | { reason: string };
  readonly doc?: string;
  readonly functions: Readonly<Record<string, Fn<RunnerCtx>>>;
  readonly aliases?: Readonly<Record<string, string>>;
}
