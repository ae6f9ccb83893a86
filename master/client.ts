import type { Cause } from '../bus/event.ts';
import type { Py, Wire, WireMap } from '../bus/values.ts';

/** What a job is: who shall run what. `tgtType` as on the wire (glob, pcre, list, grain, …, compound). */
export interface JobRequest {
  tgt: Wire;
  tgtType?: string;
  /** A function, or several with `arg` a list of lists. */
  fun: string | string[];
  arg?: readonly Wire[];
  kwarg?: WireMap;
  /** Returner names, comma separated. */
  ret?: string;
  /** Wanted jid; empty: the master makes one. */
  jid?: string;
  /** Seconds that a minion is waited for before find_job asks after it. */
  timeout?: number;
  user?: string;
  /** Credentials: the local key file's text, or a token, or eauth fields. */
  key?: string;
  token?: string;
  eauth?: { eauth: string; username: string; password: string };
  /** Further fields of the publish load: metadata, delimiter, ret_config, ret_kwargs, module_executors, start_event … */
  extra?: WireMap;
  cause?: Cause;
}
/** The master's answer to a publish. `minions` is empty when nothing matched; then `error` says so. */
export interface Publication {
  jid: string;
  minions: string[];
  missing: string[];
  error?: string;
}
/** One minion's return as it came in, or the news that it did not (`lost`: it answered find_job with nothing and never returned). */
export interface MinionReturn {
  id: string;
  ret: Wire;
  retcode: number;
  success: boolean;
  out?: string;
  load: WireMap;
  lost?: 'no response' | 'not connected' | 'no return';
}

/** Publishes and gathers, as Salt's LocalClient. Implementation: over the control socket of a running master, or in the master itself. */
export interface LocalClient {
  /** Publishes and answers at once (cmd_async / run_job). Throws AuthenticationError, AuthorizationError, SaltDaemonNotRunning. */
  publish(job: JobRequest): Promise<Publication>;
  /** Publishes and yields returns as they come; ends when every expected minion answered or is known lost (cmd_iter). */
  run(
    job: JobRequest,
    options?: { gatherJobTimeout?: number; onPublished?: (p: Publication) => void },
  ): AsyncIterable<MinionReturn>;
  /** Gathers all: id to return value (cmd); minions that did not answer are absent, or false with `verbose`. */
  cmd(tgt: Wire, fun: string, arg?: readonly Py[], options?: Partial<JobRequest>): Promise<WireMap>;
  close(): Promise<void>;
}
