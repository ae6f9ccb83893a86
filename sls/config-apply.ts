/** A role's options: what its files say, over the defaults, checked and completed in the reference's order. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { type Py, PyDict, toPy } from '../bus/values.ts';
import { defaultOptions } from './config-defaults.ts';
import { globPaths, includeConfig, isReadable, mergeDeep, readConfigFile } from './config-file.ts';
import { ownOptions } from './config-own.ts';
import { adjustLogFile, appendIdToDirs, isMovablePath, notPath, prependRootDir } from './config-paths.ts';
import { typeComplaint } from './config-types.ts';
import { checkWorkerPools } from './config-workers.ts';
import { hasGlob } from './fnmatch.ts';
import { findMinionId } from './minion-id.ts';
import { order, str, truth, typeName } from './values.ts';

/** What every step of reading a configuration knows. */
export interface Setting {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly home: string;
  readonly user: string;
  readonly dir: string;
  readonly strict: boolean;
  readonly cacheId: boolean;
  readonly program: string;
  readonly configFile: string | undefined;
}

/** Where the configuration lies when nothing else is said. */
export const DEFAULT_DIR = '/etc/salt';
const ENCRYPTION = ['OAEP-SHA1', 'OAEP-SHA224'];
const SIGNING = ['PKCS1v15-SHA1', 'PKCS1v15-SHA224'];
const DISCOVERY = { attempts: 3, pause: 5, port: 4520, match: 'any', mapping: {} };

/** The role's main file: the one asked for, else the environment's where the folder is the usual one. */
function mainFile(s: Setting, kind: 'master' | 'minion' | 'proxy'): string {
  const usual = join(DEFAULT_DIR, kind);
  const path = s.configFile ?? join(s.dir, kind);
  const named = s.env[`SALT_${kind.toUpperCase()}_CONFIG`];
  return path === usual && named && isReadable(named) ? named : path;
}

/** Reads a main file into an empty or filled set of options; a missing one may come from its `.template`. */
export function readMain(path: string, s: Setting): PyDict {
  if (!existsSync(path) && existsSync(`${path}.template`)) {
    s.log.debug(`Writing ${path} based on ${path}.template`);
    writeFileSync(path, readFileSync(`${path}.template`, 'utf8').replace(/^.*\n?/, ''));
  }
  if (!isReadable(path)) {
    s.log.debug(`Missing configuration file: ${path}`);
    return new PyDict();
  }
  try {
    const opts = readConfigFile(path, s.log);
    opts.set('conf_file', path);
    return opts;
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltConfigurationError') s.log.error(e.message);
    throw e;
  }
}

/** What the files say: the main file, over it the drop-ins, over them the includes; whole top-level keys replace. */
function fileOptions(kind: 'master' | 'minion' | 'proxy', defaults: PyDict, s: Setting): PyDict {
  const path = s.configFile ?? join(s.dir, kind);
  const over = readMain(mainFile(s, kind), s);
  const include = over.get('include') ?? [];
  const dropIns = over.has('default_include') ? over.get('default_include') : defaults.get('default_include');
  const rules = { log: s.log, home: s.home, strict: s.strict };
  for (const [k, v] of includeConfig(dropIns as Py, path, { ...rules, verbose: false }, [path])) over.set(k, v);
  for (const [k, v] of includeConfig(include, path, { ...rules, verbose: true }, [path])) over.set(k, v);
  return over;
}

/** Puts every option of `over` onto `onto`. */
export function lay(onto: PyDict, over: PyDict): void {
  for (const [k, v] of over) onto.set(k, v);
}
/** An option as text; empty when it is unset. */
export function text(opts: PyDict, key: string): string {
  const v = opts.get(key);
  return typeof v === 'string' ? v : v === undefined || v === null ? '' : str(v);
}

/** Steps that a master's and a minion's options share, up to the id. */
function applyCommon(opts: PyDict, role: 'master' | 'minion', s: Setting): void {
  if (opts.has('environment')) {
    const named = role;
    if (opts.get('saltenv') !== null) {
      s.log.warning(
        `The 'saltenv' and 'environment' ${named} config options cannot both be used. Ignoring 'environment' in favor of 'saltenv'.`,
      );
      opts.set('environment', opts.get('saltenv') as Py);
    } else {
      const value = opts.get('environment') as Py;
      s.log.warning(
        `The 'environment' ${named} config option has been renamed to 'saltenv'. Using ${str(value)} as the 'saltenv' config value.`,
      );
      opts.set('saltenv', value);
    }
  }
  const backends = opts.get('fileserver_backend');
  if (Array.isArray(backends))
    opts.set(
      'fileserver_backend',
      backends.map((b) => (['git', 'hg', 'svn', 'minion'].includes(b) ? `${b}fs` : b)),
    );
  opts.set('__cli', s.program);
}
function shortenSockDir(opts: PyDict): void {
  const [sock, cache] = [pathOf(opts, 'sock_dir'), pathOf(opts, 'cachedir')];
  if (sock.length > cache.length + 10) opts.set('sock_dir', join(cache, '.salt-unix'));
}
/** An option that has to be a path by now. */
function pathOf(opts: PyDict, key: string): string {
  const v = opts.get(key) ?? null;
  if (typeof v === 'string') return v;
  if (typeof v === 'object' && v !== null) throw notPath(key, v);
  throw new SaltError('TypeError', `object of type '${typeName(v)}' has no len()`, { hint: `Give ${key} as text.` });
}
function extensionDirs(opts: PyDict): void {
  if (!opts.get('extension_modules')) opts.set('extension_modules', join(text(opts, 'cachedir'), 'extmods'));
  if (!truth(opts.get('utils_dirs') ?? null)) opts.set('utils_dirs', [join(text(opts, 'extension_modules'), 'utils')]);
}
function appendDomain(opts: PyDict): void {
  const id = text(opts, 'id');
  const domain = text(opts, 'append_domain');
  if (!id.endsWith(domain) && !id.endsWith('.')) opts.set('id', `${id}.${domain}`);
}
function writeBuffer(opts: PyDict, over: PyDict): void {
  if (over.get('ipc_write_buffer') === 'dynamic')
    opts.set('ipc_write_buffer', Math.floor(Math.max(totalmem() * 0.05, 10 << 20) * 0.5));
  else if (!over.has('ipc_write_buffer')) opts.set('ipc_write_buffer', 0);
}

/** Checks and expands `file_roots` or `pillar_roots`. */
function roots(value: Py, name: string, fallback: string, log: Log): PyDict {
  if (!(value instanceof PyDict)) {
    log.warning(`The ${name} parameter is not properly formatted, using defaults`);
    return new PyDict<Py>([['base', [fallback]]]);
  }
  const out = new PyDict();
  for (const [env, dirs] of value) {
    if (typeof env !== 'string')
      throw new SaltError('RuntimeError', 'dictionary keys changed during iteration', {
        hint: `The environment ${str(env)} of ${name} is no text: put it in quotes.`,
      });
    const list = Array.isArray(dirs) ? (dirs as Py[]) : [];
    out.set(
      env,
      list.flatMap((d) => (typeof d === 'string' && hasGlob(d) ? globPaths(d) : [d])),
    );
  }
  return out;
}

function lowerHashType(opts: PyDict): void {
  const v = opts.get('hash_type') ?? null;
  if (typeof v !== 'string')
    throw new SaltError('AttributeError', `'${typeName(v)}' object has no attribute 'lower'`, {
      hint: 'Give hash_type as text: sha256, for example.',
    });
  opts.set('hash_type', v.toLowerCase());
}
function tls(opts: PyDict): void {
  const v = opts.get('ssl');
  if (v === undefined || v === null || v === false) opts.set('ssl', null);
  else if (v === true) opts.set('ssl', new PyDict());
  else if (v instanceof PyDict) {
    const req = v.get('cert_reqs');
    const allowed = ['CERT_NONE', 'CERT_OPTIONAL', 'CERT_REQUIRED'];
    if (req !== undefined && req !== null && !allowed.includes(str(req)))
      throw configError(
        `SSL option 'cert_reqs' must be set to one of the following values: '${allowed.join("', '")}'.`,
      );
  }
}
function configError(message: string): SaltError {
  return new SaltError('SaltConfigurationError', message, { exit: 1 });
}
function discovery(opts: PyDict, minion: boolean): void {
  const v = opts.get('discovery');
  if (v === undefined || v === null || v === false) return;
  const wanted = v instanceof PyDict ? v : new PyDict();
  const all = toPy(DISCOVERY) as PyDict;
  for (const key of wanted.keys()) if (!all.has(key)) throw configError(`Unknown discovery option: ${str(key)}`);
  if (!minion) for (const key of ['attempts', 'pause', 'match']) all.delete(key);
  opts.set('discovery', mergeDeep(all, wanted));
}
function algorithm(opts: PyDict, key: string, allowed: readonly string[], intro: string): void {
  const v = opts.get(key);
  if (typeof v !== 'string' || !allowed.includes(v))
    throw configError(`The ${intro} '${str(v ?? null)}' is not valid. Please specify one of ${allowed.join(',')}.`);
}

/** Warns about every value whose type its option does not take. Defaults are right, so only what was set is looked at. */
function warnTypes(opts: PyDict, set: PyDict, log: Log): void {
  const warnings: string[] = [];
  for (const [key, value] of opts) {
    const complaint = set.has(key) ? typeComplaint(String(key), value) : undefined;
    if (complaint) warnings.push(complaint);
  }
  const ret = opts.get('return');
  if (Array.isArray(ret)) opts.set('return', ret.map((r) => str(r as Py)).join(','));
  for (const w of warnings) log.warning(w);
}

/** A master's options: file, drop-ins and includes over the defaults, checked. */
export function masterOptions(s: Setting): PyDict {
  const opts = defaultOptions('master', s.user, s.home);
  const defaultLog = text(opts, 'log_file');
  const over = fileOptions('master', opts, s);
  adjustLogFile(over, defaultLog);
  if (over.has('cluster_port') && !over.has('cluster_pool_port')) {
    s.log.warning(
      "The 'cluster_port' master opt is deprecated and will be removed in Argon+1 / Potassium; use 'cluster_pool_port' instead.",
    );
    over.set('cluster_pool_port', over.get('cluster_port') as Py);
  }
  opts.set('__role', 'master');
  opts.set('__fs_update', true);
  lay(opts, over);
  const eauth = opts.get('external_auth');
  if (eauth instanceof PyDict && eauth.has('rest')) {
    if (opts.get('keep_acl_in_token') === false)
      s.log.warning(
        "The 'rest' external_auth backend requires 'keep_acl_in_token' to be True. Setting 'keep_acl_in_token' to True.",
      );
    opts.set('keep_acl_in_token', true);
  }
  applyCommon(opts, 'master', s);
  shortenSockDir(opts);
  opts.set('token_dir', join(text(opts, 'cachedir'), 'tokens'));
  opts.set('syndic_dir', join(text(opts, 'cachedir'), 'syndics'));
  extensionDirs(opts);
  writeBuffer(opts, over);
  let address = false;
  const guessed = !opts.get('id');
  if (guessed) {
    const found = findMinionId(opts, false, s.log);
    address = found.isAddress;
    opts.set('id', found.id);
  }
  if (!address && opts.has('append_domain')) appendDomain(opts);
  if (guessed) opts.set('id', `${text(opts, 'id')}_master`);
  prependRootDir(opts, [
    'pki_dir',
    'cachedir',
    'pidfile',
    'sock_dir',
    'extension_modules',
    'autosign_file',
    'autoreject_file',
    'token_dir',
    'syndic_dir',
    'sqlite_queue_dir',
    'autosign_grains_dir',
    ...['log_file', 'key_logfile', 'ssh_log_file'].filter((k) => isMovablePath(opts, k)),
  ]);
  cluster(opts, s.log);
  opts.set('open_mode', opts.get('open_mode') === true);
  opts.set('auto_accept', opts.get('auto_accept') === true);
  opts.set('file_roots', roots(opts.get('file_roots') as Py, 'file_roots', '/srv/salt', s.log));
  opts.set('pillar_roots', roots(opts.get('pillar_roots') as Py, 'file_roots', '/srv/salt', s.log));
  ignoreLists(opts, s.log);
  const threads = opts.get('worker_threads') as Py;
  if (order('<', threads, 3) && truth(opts.get('peer') ?? null)) {
    s.log.warning(
      `The 'worker_threads' setting in '${text(opts, 'conf_file')}' cannot be lower than 3. Resetting it to the default value of 3.`,
    );
    opts.set('worker_threads', 3);
  }
  checkWorkerPools(opts, s.log);
  if (!opts.has('pillar_source_merging_strategy')) opts.set('pillar_source_merging_strategy', 'smart');
  lowerHashType(opts);
  tls(opts);
  discovery(opts, false);
  algorithm(opts, 'publish_signing_algorithm', SIGNING, ' publish signging algorithm');
  algorithm(opts, 'cluster_encryption_algorithm', ENCRYPTION, 'cluster encryption algorithm');
  sshMinionOptions(opts, s.log);
  ownOptions(opts, s.log);
  warnTypes(opts, over, s.log);
  nodegroups(opts);
  return opts;
}

function cluster(opts: PyDict, log: Log): void {
  const given = (key: string): boolean => truth(opts.get(key) ?? null);
  if (!opts.has('cluster_id')) opts.set('cluster_id', null);
  if (opts.get('cluster_id') !== null) {
    if (!given('cluster_peers') && !given('cluster_secret')) {
      log.warning('Cluster id defined without defining cluster peers');
      opts.set('cluster_peers', []);
    }
    if (!given('cluster_pki_dir')) {
      log.warning('Cluster id defined without defining cluster pki, falling back to pki_dir');
      opts.set('cluster_pki_dir', opts.get('pki_dir') as Py);
    }
    return;
  }
  if (given('cluster_peers')) {
    log.warning('Cluster peers defined without a cluster_id, ignoring.');
    opts.set('cluster_peers', []);
  }
  if (given('cluster_pki_dir')) {
    log.warning('Cluster pki dir defined without a cluster_id, ignoring.');
    opts.set('cluster_pki_dir', null);
  }
}

function ignoreLists(opts: PyDict, log: Log): void {
  const patterns = opts.get('file_ignore_regex');
  if (patterns && truth(patterns)) {
    const list = typeof patterns === 'string' ? [patterns] : Array.isArray(patterns) ? (patterns as Py[]) : [];
    opts.set(
      'file_ignore_regex',
      list.filter((p) => {
        if (typeof p === 'string' && isPattern(p)) return true;
        log.warning(`Unable to parse file_ignore_regex. Skipping: ${str(p)}`);
        return false;
      }),
    );
  }
  const globs = opts.get('file_ignore_glob');
  if (typeof globs === 'string' && globs) opts.set('file_ignore_glob', [globs]);
}
function isPattern(p: string): boolean {
  try {
    new RegExp(p.replace(/\(\?P</g, '(?<'));
    return true;
  } catch {
    // The one complaint a constructor of patterns has.
    return false;
  }
}

function sshMinionOptions(opts: PyDict, log: Log): void {
  const v = opts.get('ssh_minion_opts');
  if (v === undefined) return;
  if (!(v instanceof PyDict)) {
    log.error('Invalidly-formatted ssh_minion_opts');
    opts.delete('ssh_minion_opts');
    return;
  }
  for (const key of [...v.keys()]) {
    const name = str(key);
    if (
      /^[a-z0-9]+fs_/i.test(name) ||
      (name.includes('pillar') && name !== 'ssh_merge_pillar') ||
      name === 'fileserver_backend'
    ) {
      log.warning(`'${name}' is not a valid ssh_minion_opts parameter, ignoring`);
      v.delete(key);
    }
  }
}

/** A `nodegroups:` line with nothing below it counts as absent; a list of one-key maps becomes one map. */
function nodegroups(opts: PyDict): void {
  const v = opts.get('nodegroups');
  if (v === null || v === undefined) opts.set('nodegroups', new PyDict());
  else if (Array.isArray(v) && v.length && v.every((x) => x instanceof PyDict && x.size === 1))
    opts.set('nodegroups', new PyDict(v.flatMap((x) => [...(x as PyDict)])));
}

/** A minion's or proxy minion's options, in the same way; looks up the id. */
export function minionOptions(s: Setting, kind: 'minion' | 'proxy'): PyDict {
  const defaults = defaultOptions(kind, s.user, s.home);
  const over = fileOptions(kind, defaults, s);
  let opts = applyMinion(over, s, kind);
  if (kind === 'proxy') {
    // The folder of drop-ins has the minion's id in it, which is known only now.
    const path = s.configFile ?? join(s.dir, kind);
    const rules = { log: s.log, home: s.home, strict: s.strict, verbose: false };
    lay(over, includeConfig(opts.get('default_include') as Py, path, rules, [path]));
    opts = applyMinion(over, s, kind);
  }
  ownOptions(opts, s.log);
  warnTypes(opts, over, s.log);
  return opts;
}

function applyMinion(over: PyDict, s: Setting, kind: 'minion' | 'proxy'): PyDict {
  const opts = defaultOptions(kind, s.user, s.home);
  opts.set('__role', 'minion');
  adjustLogFile(over, text(opts, 'log_file'));
  lay(opts, over);
  applyCommon(opts, 'minion', s);
  let address = false;
  if (!opts.get('id')) {
    const found = findMinionId(opts, s.cacheId, s.log);
    address = found.isAddress;
    opts.set('id', found.id);
  }
  if (!address && opts.has('append_domain')) appendDomain(opts);
  appendIdToDirs(opts, text(opts, 'id'));
  shortenSockDir(opts);
  opts.set('open_mode', opts.get('open_mode') === true);
  opts.set('file_roots', roots(opts.get('file_roots') as Py, 'file_roots', '/srv/salt', s.log));
  opts.set('pillar_roots', roots(opts.get('pillar_roots') as Py, 'pillar_roots', '/srv/pillar', s.log));
  extensionDirs(opts);
  prependRootDir(opts, [
    'pki_dir',
    'cachedir',
    'sock_dir',
    'extension_modules',
    'pidfile',
    ...['log_file', 'key_logfile'].filter((k) => isMovablePath(opts, k)),
  ]);
  if (!opts.has('beacons')) opts.set('beacons', new PyDict());
  writeBuffer(opts, over);
  lowerHashType(opts);
  tls(opts);
  discovery(opts, true);
  algorithm(opts, 'encryption_algorithm', ENCRYPTION, 'encryption algorithm');
  algorithm(opts, 'signing_algorithm', SIGNING, 'signging algorithm');
  if (!opts.has('__cachedir')) opts.set('__cachedir', opts.get('cachedir') as Py);
  return opts;
}
