import { readFileSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { type Log, quietLog } from '../bus/log.ts';
import { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { DEFAULT_DIR, lay, masterOptions, minionOptions, readMain, type Setting, text } from './config-apply.ts';
import { API_DEFAULTS } from './config-defaults.ts';
import { isReadable } from './config-file.ts';
import { isMovablePath, prependRootDir } from './config-paths.ts';
import { str } from './values.ts';

/**
 * Whose configuration: `master` and `minion` are the daemons, `client` a command line on the master's machine (master's file,
 * then the person's own), `call` salt-call (minion's file), `syndic` both files, `api` the client's with the API server's own.
 */
export type Role = 'master' | 'minion' | 'client' | 'call' | 'proxy' | 'syndic' | 'api';

/** What {@link loadConfig} is told beside the role; every part may be absent. */
export interface ConfigRequest {
  /** Folder of the configuration files (`-c`); `SALT_CONFIG_DIR`, then /etc/salt by default. */
  readonly configDir?: string;
  /** The main file itself, instead of the role's usual one in the folder. */
  readonly configFile?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log?: Log;
  /** Laid over everything that files say: the command line's own options. */
  readonly overrides?: PyDict | Readonly<Record<string, Py>>;
  /** A refused drop-in ends the program; by default so for the daemons only. */
  readonly strict?: boolean;
  /** Keep a looked-up minion id in the `minion_id` file; by default so for `minion` and `call`. */
  readonly cacheId?: boolean;
  /** Name of the running program (`__cli`). */
  readonly program?: string;
}

function personOf(env: Setting['env']): { user: string; home: string } {
  try {
    const { username, homedir: home } = userInfo();
    return { user: username, home: env['HOME'] || home };
  } catch {
    // An id without an account, as in some containers.
    return { user: String(process.getuid?.() ?? 'root'), home: env['HOME'] || homedir() };
  }
}

/**
 * Reads a role's configuration: defaults, main file, drop-ins, includes, in the reference's order and with its rules, then the
 * caller's overrides. Warnings go to the log. A file that cannot be read as configuration is logged as the reference does and
 * throws SaltError SaltConfigurationError (`details`: file, line, hint; exit code 1); no file at all is no error.
 */
export function loadConfig(role: Role, request: ConfigRequest = {}): Opts {
  const env = request.env ?? process.env;
  const setting: Setting = {
    env,
    log: request.log ?? quietLog,
    ...personOf(env),
    dir: resolve(request.configDir ?? (env['SALT_CONFIG_DIR'] || DEFAULT_DIR)),
    strict: request.strict ?? (role === 'master' || role === 'minion' || role === 'proxy' || role === 'syndic'),
    cacheId: request.cacheId ?? (role === 'minion' || role === 'call'),
    program: request.program ?? basename(process.argv[1] ?? ''),
    configFile: request.configFile,
  };
  const opts = read(role, setting);
  const { overrides } = request;
  if (overrides)
    for (const [k, v] of overrides instanceof PyDict ? overrides : Object.entries(overrides)) opts.set(k, v);
  return new Opts(opts);
}

function read(role: Role, s: Setting): PyDict {
  switch (role) {
    case 'master':
      return masterOptions(s);
    case 'client':
      return clientOptions(s);
    case 'api':
      return apiOptions(s);
    case 'syndic':
      return syndicOptions(s);
    case 'proxy':
      return minionOptions(s, 'proxy');
    default:
      return minionOptions(s, 'minion');
  }
}

/** How long a token file counts, in seconds, where `token_expire` does not say. */
const TOKEN_LIFE = 43_200;

function clientOptions(s: Setting): PyDict {
  const config = join(s.env['XDG_CONFIG_HOME'] || join(s.home, '.config'), 'salt');
  const xdg = statSync(config, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const [dir, file] = xdg ? [config, 'saltrc'] : [s.home, '.saltrc'];
  const opts = masterOptions(s);
  if (!opts.has('token_file')) opts.set('token_file', join(dir, 'salt_token'));
  const named = s.env['SALT_CLIENT_CONFIG'];
  lay(opts, readMain(named && isReadable(named) ? named : join(dir, file), s));
  const token = resolve(text(opts, 'token_file').replace(/^~(?=\/|$)/, s.home));
  opts.set('token_file', token);
  const stat = statSync(token, { throwIfNoEntry: false });
  const life = opts.get('token_expire');
  if (stat?.isFile() && stat.mtimeMs / 1000 + (typeof life === 'number' ? life : TOKEN_LIFE) > Date.now() / 1000)
    opts.set('token', readFileSync(token, 'utf8').trim());
  const face = opts.get('interface');
  if (face === '0.0.0.0') opts.set('interface', '127.0.0.1');
  else if (face === '::') opts.set('interface', '::1');
  if (!opts.has('master_uri')) {
    const host = text(opts, 'interface');
    opts.set('master_uri', `tcp://${host.includes(':') ? `[${host}]` : host}:${text(opts, 'ret_port')}`);
  }
  return opts;
}

function apiOptions(s: Setting): PyDict {
  const opts = new PyDict<Py>(Object.entries(API_DEFAULTS));
  lay(opts, clientOptions(s));
  opts.set('pidfile', opts.get('api_pidfile') as Py);
  opts.set('log_file', opts.get('api_logfile') as Py);
  prependRootDir(opts, ['api_pidfile', 'api_logfile', 'log_file', 'pidfile']);
  return opts;
}

function syndicOptions(s: Setting): PyDict {
  const master = masterOptions({ ...s, configFile: undefined });
  const minion = minionOptions({ ...s, configFile: undefined }, 'minion');
  const opts = new PyDict<Py>([
    ['_minion_conf_file', master.get('conf_file') as Py],
    ['_master_conf_file', minion.get('conf_file') as Py],
  ]);
  lay(opts, master);
  lay(opts, minion);
  const or = (key: string, fallback: Py): Py => opts.get(key) ?? fallback;
  const port = or('syndic_master_port', or('master_port', 4506));
  const own: [string, Py][] = [
    ['__role', 'syndic'],
    ['pidfile', or('syndic_pidfile', 'salt-syndic.pid')],
    ['log_file', or('syndic_log_file', 'salt-syndic.log')],
    ['log_level', master.get('log_level') as Py],
    ['id', minion.get('id') as Py],
    ['pki_dir', minion.get('pki_dir') as Py],
    ['master', opts.get('syndic_master') as Py],
    ['interface', master.get('interface') as Py],
    ['master_port', typeof port === 'string' ? Number(port) : port],
    ['user', or('syndic_user', master.get('user') as Py)],
    ['sock_dir', resolve(text(opts, 'cachedir'), str(or('syndic_sock_dir', opts.get('sock_dir') as Py)))],
    ['sock_pool_size', master.get('sock_pool_size') as Py],
    ['cachedir', master.get('cachedir') as Py],
  ];
  for (const [k, v] of own) opts.set(k, v);
  prependRootDir(opts, [
    'pki_dir',
    'cachedir',
    'pidfile',
    'sock_dir',
    'extension_modules',
    'autosign_file',
    'autoreject_file',
    'token_dir',
    'autosign_grains_dir',
    ...['log_file', 'key_logfile', 'syndic_log_file'].filter((k) => isMovablePath(opts, k)),
  ]);
  return opts;
}
