import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Log } from '../../../bus/log.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { str } from '../../../sls/values.ts';
import { type Account, expandUser } from '../../process/accounts.ts';

/** Locale categories set to C unless the caller sets them: output is parsed by programs that read English. */
const LOCALE = [
  'LC_CTYPE',
  'LC_NUMERIC',
  'LC_TIME',
  'LC_COLLATE',
  'LC_MONETARY',
  'LC_MESSAGES',
  'LC_PAPER',
  'LC_NAME',
  'LC_ADDRESS',
  'LC_TELEPHONE',
  'LC_MEASUREMENT',
  'LC_IDENTIFICATION',
  'LANGUAGE',
];

/** The `env` argument as a map: a dict or a list of one-entry dicts; anything else counts as none. None becomes the empty text, with an error logged. */
export function givenEnv(env: Py, log: Log): Map<string, string> {
  const out = new Map<string, string>();
  const maps = env instanceof PyDict ? [env] : Array.isArray(env) ? env.filter((e) => e instanceof PyDict) : [];
  for (const m of maps)
    for (const [k, v] of m as PyDict) {
      if (v === null)
        log.error(`Environment variable '${str(k)}' passed without a value. Setting value to an empty string`);
      out.set(str(k), v === null ? '' : str(v));
    }
  return out;
}

/** The environment a login of the user would have; empty, with an error logged, where no login is possible. */
function loginEnv(account: Account, shell: string, log: Log): Map<string, string> {
  const marker = `<<<${randomUUID()}>>>`;
  const script = `printf '%s' '${marker}'; env -0; printf '%s' '${marker}'`;
  const args = [...(shell ? ['-s', shell] : []), '-', account.name, '-c', script];
  const r = spawnSync('su', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', timeout: 10_000 });
  const parts = (r.stdout ?? '').split(marker);
  const found = new Map<string, string>();
  if (parts.length !== 3) {
    log.error(
      `Environment could not be retrieved for user '${account.name}': stderr=${JSON.stringify(r.stderr ?? '')}`,
    );
    return found;
  }
  for (const entry of (parts[1] as string).split('\0')) {
    const at = entry.indexOf('=');
    if (at > 0) found.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return found;
}

/** The environment of a command, in the order the reference builds it. */
export function childEnv(
  given: ReadonlyMap<string, string>,
  o: {
    clean: boolean;
    prependPath: string | undefined;
    resetLocale: boolean;
    account: Account | undefined;
    shell: string;
    log: Log;
  },
): Record<string, string> {
  const env = new Map<string, string>();
  if (o.account) {
    if (process.getuid?.() === 0) for (const [k, v] of loginEnv(o.account, o.shell, o.log)) env.set(k, v);
    for (const [k, v] of given) env.set(k, v);
    env.set('USER', o.account.name);
    env.set('HOME', expandUser(`~${o.account.name}`));
  } else for (const [k, v] of given) env.set(k, v);
  if (o.resetLocale) for (const k of LOCALE) if (!env.has(k)) env.set(k, 'C');
  const all: Record<string, string> = {};
  if (!o.clean) for (const [k, v] of Object.entries(process.env)) if (v !== undefined) all[k] = v;
  for (const [k, v] of env) all[k] = v;
  if (o.prependPath !== undefined) all['PATH'] = `${o.prependPath}:${all['PATH'] ?? ''}`;
  if (!env.has('NOTIFY_SOCKET')) delete all['NOTIFY_SOCKET'];
  return all;
}
