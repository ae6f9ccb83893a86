/** A way to prove who a person is (`external_auth`). One file, named as operators write it. Slow checks answer promises: the master's loop never waits. */
import type { Opts } from '../../bus/opts.ts';

/** What a person brought along. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}
export interface Eauth {
  /** True only for good credentials; anything thrown counts as false. */
  auth(credentials: Credentials, opts: Opts): boolean | Promise<boolean>;
  /** Groups of the user, matched by `name%` entries of `external_auth`. */
  groups?(username: string, opts: Opts): string[] | Promise<string[]>;
}
