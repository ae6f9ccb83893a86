import { type Py, PyDict, toPy, type Wire } from '../bus/values.ts';
import { MASTER_DEFAULTS } from './config-master.ts';
import { MINION_DEFAULTS } from './config-minion.ts';

/** Options with values that hold no user data: text keys that keep their order. */
type Table = Readonly<Record<string, Wire>>;
/** What a proxy minion has otherwise than a minion. */
const PROXY = {
  add_proxymodule_to_opts: false,
  append_minionid_config_dirs: ['cachedir', 'pidfile', 'default_include', 'extension_modules'],
  cachedir: '/var/cache/salt/proxy',
  conf_file: '/etc/salt/proxy',
  default_include: 'proxy.d/*.conf',
  extension_modules: '/var/cache/salt/proxy/extmods',
  features: {},
  log_file: '/var/log/salt/proxy',
  pki_dir: '/etc/salt/pki/proxy',
  proxy_always_alive: true,
  proxy_deep_merge_pillar_in_opts: false,
  proxy_keep_alive: true,
  proxy_keep_alive_interval: 1,
  proxy_merge_grains_in_module: true,
  proxy_merge_pillar_in_opts: false,
  proxy_merge_pillar_in_opts_strategy: 'smart',
  proxy_mines_pillar: true,
  sock_dir: '/var/run/salt/proxy',
} satisfies Table;

/** What the API server has otherwise than a master's client. */
export const API_DEFAULTS = {
  api_pidfile: '/var/run/salt-api.pid',
  api_logfile: '/var/log/salt/api',
  rest_timeout: 300,
} satisfies Table;

/**
 * Options of ours, in every role. `event_log` is the durable log of the bus: `size` in bytes and `age` in seconds are what is
 * kept (texts like `512MB` or `7d` are read too), `sync` is `group` (a fire is answered after the sync that covers it), `always`
 * (each on its own) or `interval` (synced every `interval` ms); the text `none` keeps events in memory only. `job_queue` is
 * `embedded`, or `bullmq` with `redis` as its address: `job_queue: {adapter: bullmq, redis: redis://127.0.0.1:6379}`.
 */
const OURS = {
  event_log: { size: 1_073_741_824, age: 604_800, sync: 'group', interval: 1000 },
  job_queue: { adapter: 'embedded' },
} satisfies Table;

/** A fresh set of defaults, which the caller may change. `home` is the folder for what the reference keeps under a person's home. */
export function defaultOptions(kind: 'master' | 'minion' | 'proxy', user: string, home: string): PyDict {
  const tables: Table[] = [kind === 'master' ? MASTER_DEFAULTS : MINION_DEFAULTS, OURS];
  if (kind === 'proxy') tables.push(PROXY);
  const d = new PyDict<Py>();
  for (const table of tables) for (const key of Object.keys(table)) d.set(key, toPy(table[key]));
  d.set('user', user);
  if (kind === 'master') d.set('ssh_config_file', `${home}/.ssh/config`);
  return d;
}
