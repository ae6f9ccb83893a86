/**
 * What travels inside envelopes: the names of the wire commands (here and nowhere else), the shape of each load, and readers that
 * trust nothing. All of it is wire form. Fields that a peer may leave out are optional; readers fill the protocol's defaults.
 */
import { SaltError } from '../errors.ts';
import { isPlainKey, isWireMap, PyDict, PyFloat, type Wire, type WireMap } from '../values.ts';
import { DEFAULT_ENC, DEFAULT_SIG } from './keys.ts';
import { isMinionId } from './minion-id.ts';
import { decodeNetwork } from './payload.ts';

export { isMinionId, MAX_ID_BYTES } from './minion-id.ts';

/** Commands that a minion sends encrypted, by what they do. */
export const MINION_COMMAND = {
  pillar: '_pillar',
  return: '_return',
  syndicReturn: '_syndic_return',
  event: '_minion_event',
  registerResources: '_register_resources',
  mine: '_mine',
  mineGet: '_mine_get',
  mineDelete: '_mine_delete',
  mineFlush: '_mine_flush',
  fileEnvs: '_file_envs',
  fileList: '_file_list',
  fileListEmptydirs: '_file_list_emptydirs',
  dirList: '_dir_list',
  symlinkList: '_symlink_list',
  fileFind: '_file_find',
  fileHash: '_file_hash',
  fileHashAndStat: '_file_hash_and_stat',
  serveFile: '_serve_file',
  fileRecv: '_file_recv',
  masterOpts: '_master_opts',
  masterTops: '_master_tops',
  publish: 'minion_pub',
  publishAndWait: 'minion_publish',
  publishReturns: 'pub_ret',
  runner: 'minion_runner',
  revokeAuth: 'revoke_auth',
  verifyMinion: 'verify_minion',
} as const;
/** Commands that are sent in clear text: sign-in, and what command lines ask with a key or credentials of their own. */
export const CLEAR_COMMAND = {
  signIn: '_auth',
  ping: 'ping',
  publish: 'publish',
  getToken: 'get_token',
  makeToken: 'mk_token',
  runner: 'runner',
  wheel: 'wheel',
} as const;
/** Wire name of an encrypted command. */
export type MinionCommand = (typeof MINION_COMMAND)[keyof typeof MINION_COMMAND];
/** Wire name of a clear command. */
export type ClearCommand = (typeof CLEAR_COMMAND)[keyof typeof CLEAR_COMMAND];

const minionCommands: ReadonlySet<unknown> = new Set(Object.values(MINION_COMMAND));
const clearCommands: ReadonlySet<unknown> = new Set(Object.values(CLEAR_COMMAND));
/** Whether a value names an encrypted command; the only way from a peer's text to a handler. */
export function isMinionCommand(cmd: unknown): cmd is MinionCommand {
  return minionCommands.has(cmd);
}
/** Whether a value names a clear command. */
export function isClearCommand(cmd: unknown): cmd is ClearCommand {
  return clearCommands.has(cmd);
}

/** The plain texts with which a master refuses what it cannot read. Peers sign in again on any of them. */
export const REFUSAL = {
  badLoad: 'bad load',
  notMap: 'payload and load must be a dict',
  nulId: 'bad load: id contains a null byte',
} as const;
/** The map with which a master answers what is no MessagePack. */
export const ROUTING_ERROR = { error: 'Routing error' } as const;

/** Most values of an envelope read before anything is known of its sender; publishes to long lists of minions must fit. */
const ENVELOPE_VALUES = 500_000;

/**
 * The protocol version a peer claims. Reads as the reference does: whole numbers and decimal text count, absence and anything
 * unreadable is 0. Numbers beyond what fits are clamped; a version above ours means ours.
 */
export function readVersion(v: Wire | undefined): number {
  if (typeof v === 'number') return Math.trunc(v);
  if (typeof v === 'bigint') return v < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
  if (v instanceof PyFloat) return Number.isFinite(v.v) ? Math.trunc(v.v) : 0;
  if (v === true) return 1;
  if (typeof v === 'string' && /^\s*[+-]?\d{1,15}\s*$/.test(v)) return Number(v);
  return 0;
}

/** A field that holds bytes: these arrive as text whenever they happen to be valid UTF-8. Undefined for anything else. */
export function asBytes(v: Wire | undefined): Uint8Array | undefined {
  if (v instanceof Uint8Array) return v;
  return typeof v === 'string' ? Buffer.from(v, 'utf8') : undefined;
}

/** A map as a plain object, or undefined; a map with odd keys loses only those. Loads are maps of known text fields. */
export function asMap(v: Wire | undefined): WireMap | undefined {
  if (v === undefined) return undefined;
  if (isWireMap(v)) return v;
  if (!(v instanceof PyDict)) return undefined;
  const out: WireMap = Object.create(null);
  for (const [k, x] of v.entries()) if (isPlainKey(k)) out[k] = x as Wire;
  return out;
}

/** A request in clear text. */
export interface ClearEnvelope {
  enc: 'clear';
  version: number;
  load: WireMap;
}
/** An encrypted request. Nothing in it is proven before it has been opened. */
export interface AesEnvelope {
  enc: 'aes';
  version: number;
  /** The box. */
  load: Uint8Array;
  /** Claimed sender; chooses the session key. Absent before protocol 3. */
  id?: string;
  /** As sent, maybe unknown. */
  encAlgo: string;
  /** As sent, maybe unknown. */
  sigAlgo: string;
}
/** A request as it arrives at port 4506. */
export type Envelope = ClearEnvelope | AesEnvelope;

const algo = (v: Wire | undefined, otherwise: string): string =>
  v === undefined || v === null ? otherwise : String(v);

/**
 * Reads a request frame. `garbage`: no MessagePack (answer {@link ROUTING_ERROR}); `malformed`: no envelope (answer
 * {@link REFUSAL}.badLoad). Never throws.
 */
export function readEnvelope(frame: Uint8Array): Envelope | 'garbage' | 'malformed' {
  let whole: Wire;
  try {
    whole = decodeNetwork(frame, { maxValues: ENVELOPE_VALUES });
  } catch (e) {
    if (e instanceof SaltError) return 'garbage';
    throw e;
  }
  const m = asMap(whole);
  if (!m) return 'malformed';
  const version = readVersion(m['version']);
  if (m['enc'] === 'clear') {
    const load = asMap(m['load']);
    return load ? { enc: 'clear', version, load } : 'malformed';
  }
  if (m['enc'] !== 'aes') return 'malformed';
  const load = asBytes(m['load']);
  if (!load) return 'malformed';
  const id = m['id'];
  if (id !== undefined && !isMinionId(id)) return 'malformed';
  return {
    enc: 'aes',
    version,
    load,
    id,
    encAlgo: algo(m['enc_algo'], DEFAULT_ENC),
    sigAlgo: algo(m['sig_algo'], DEFAULT_SIG),
  };
}

/** A sign-in. Only `id` and `pub` are checked for their types, and only when {@link readSignIn} says so. */
export interface SignInLoad {
  /** As sent: validate with {@link isMinionId} before it touches a path. */
  id: string;
  /** PEM text as sent. */
  pub: string;
  nonce: string;
  encAlgo: string;
  sigAlgo: string;
  /** The minion's secret under the master's public key; absent from a minion that has not stored one yet. */
  token?: Uint8Array;
  autosignGrains?: WireMap;
}

/** Reads the load of a sign-in; undefined when id or key are missing or of the wrong type. */
export function readSignIn(load: WireMap): SignInLoad | undefined {
  const { id, pub, nonce } = load;
  const key = pub instanceof Uint8Array ? Buffer.from(pub).toString('latin1') : pub;
  if (typeof id !== 'string' || typeof key !== 'string') return undefined;
  if (nonce !== undefined && typeof nonce !== 'string') return undefined;
  return {
    id,
    pub: key,
    nonce: nonce ?? '',
    encAlgo: algo(load['enc_algo'], DEFAULT_ENC),
    sigAlgo: algo(load['sig_algo'], DEFAULT_SIG),
    token: asBytes(load['token']),
    autosignGrains: asMap(load['autosign_grains']),
  };
}

/** A job as it is published. Fields of the protocol; a load may hold more and keeps it. */
export interface PublishLoad {
  /** Function, or several to be run one after the other. */
  fun: string | string[];
  /** Positional values, keyword values in a last map with `__kwarg__`; a list of such lists for several functions. */
  arg: Wire[];
  /** Pattern, or list of ids for target kind `list`. */
  tgt: Wire;
  jid: string;
  /** Returner names, comma separated. */
  ret: string;
  /** glob, pcre, list, grain, grain_pcre, pillar, pillar_pcre, pillar_exact, nodegroup, range, ipcidr or compound. */
  tgt_type: string;
  user: string;
  /** Minion that published it. */
  id?: string;
  /** Seconds; set for syndics. */
  to?: number;
  delimiter?: string;
  master_id?: string;
  metadata?: Wire;
  module_executors?: Wire;
  executor_opts?: Wire;
  ret_config?: Wire;
  ret_kwargs?: Wire;
  start_event?: boolean;
  /** 1 for the first publish under an AES key, then rising by one; absent in clusters. */
  serial?: number;
}

const isText = (v: unknown): v is string => typeof v === 'string';

/** Reads a publish; undefined when a field every minion needs is missing or of the wrong type. Unknown fields are kept. */
export function readPublish(load: WireMap): (PublishLoad & WireMap) | undefined {
  const { fun, arg, tgt, jid } = load;
  if (!isText(fun) && !(Array.isArray(fun) && fun.every(isText))) return undefined;
  if (!isText(jid) || tgt === undefined) return undefined;
  if (arg !== undefined && arg !== null && !Array.isArray(arg)) return undefined;
  const text = (v: Wire | undefined, otherwise: string): string => (isText(v) ? v : otherwise);
  return Object.assign(Object.create(null), load, {
    arg: arg ?? [],
    ret: text(load['ret'], ''),
    tgt_type: text(load['tgt_type'], 'glob'),
    user: text(load['user'], ''),
  }) as PublishLoad & WireMap;
}

/** A return as the master accepts it. Fields of the protocol; a load may hold more and keeps it. */
export interface ReturnLoad {
  id: string;
  /** The job, or `req` to be given a jid. */
  jid: string;
  /** By function name for a job of several functions, as are retcode and success. */
  return: Wire;
  retcode?: Wire;
  success?: Wire;
  fun?: Wire;
  fun_args?: Wire;
  user?: Wire;
  /** Outputter. */
  out?: Wire;
  metadata?: Wire;
  master_id?: Wire;
  schedule?: Wire;
  pid?: Wire;
  resource_id?: Wire;
  /** ISO-8601, UTC, microseconds. */
  _stamp?: Wire;
}

/** Reads a return; undefined when `return`, `jid` or `id` is missing or no jid or id. */
export function readReturn(load: WireMap): (ReturnLoad & WireMap) | undefined {
  const { id, jid } = load;
  if (load['return'] === undefined || !isMinionId(id) || !isText(jid) || jid === '') return undefined;
  return load as ReturnLoad & WireMap;
}

/** The returns of one job that a syndic passes on. */
export interface SyndicReturn {
  /** The syndic. */
  id: string;
  jid: string;
  fun?: Wire;
  arg?: Wire;
  tgt?: Wire;
  tgt_type?: Wire;
  /** The publish load as the syndic knows it. */
  load?: WireMap;
  master_id?: Wire;
  /** By minion. */
  return: { minion: string; return: Wire; retcode?: Wire; success?: Wire }[];
}

/** Reads a syndic's returns; entries that are malformed are left out and counted in `refused`. */
export function readSyndicReturns(load: WireMap): { returns: SyndicReturn[]; refused: number } {
  const list = Array.isArray(load['load']) ? load['load'] : [load['load']];
  const returns: SyndicReturn[] = [];
  let refused = 0;
  for (const item of list) {
    const m = asMap(item);
    const by = asMap(m?.['return']);
    if (!m || !by || !isText(m['jid']) || !isMinionId(m['id'])) {
      refused++;
      continue;
    }
    const minions: SyndicReturn['return'] = [];
    for (const [minion, v] of Object.entries(by)) {
      const r = asMap(v);
      if (!isMinionId(minion) || !r || r['return'] === undefined) refused++;
      else minions.push({ minion, return: r['return'], retcode: r['retcode'], success: r['success'] });
    }
    returns.push({
      id: m['id'],
      jid: m['jid'],
      fun: m['fun'],
      arg: m['arg'],
      tgt: m['tgt'],
      tgt_type: m['tgt_type'],
      load: asMap(m['load']),
      master_id: m['master_id'],
      return: minions,
    });
  }
  return { returns, refused };
}

/** Events that a minion fires on the master's bus. */
export interface EventLoad {
  /** Put before each tag, with a slash, for a first copy of each event. */
  pretag?: string;
  /** One event: its tag; the whole load becomes its data. */
  tag?: string;
  /** Several events, each with its own data alone. */
  events?: { tag: string; data: WireMap }[];
}

/** Reads a minion's events; undefined when the load is neither form. Entries without a text tag are left out. */
export function readEvents(load: WireMap): EventLoad | undefined {
  const pretag = isText(load['pretag']) && load['pretag'] !== '' ? load['pretag'] : undefined;
  if (Array.isArray(load['events'])) {
    const events: { tag: string; data: WireMap }[] = [];
    for (const e of load['events']) {
      const m = asMap(e);
      if (m && isText(m['tag'])) events.push({ tag: m['tag'], data: asMap(m['data']) ?? m });
    }
    return { pretag, events };
  }
  return isText(load['tag']) && load['data'] !== undefined ? { pretag, tag: load['tag'] } : undefined;
}

/** A request for pillar. */
export interface PillarLoad {
  id: string;
  grains: WireMap;
  /** Null is allowed and means the default. */
  saltenv: string | null;
  pillarenv: string | null;
  pillar_override: Wire;
  extra_minion_data: Wire;
  /** `2` for the signed reply. */
  ver: string;
  /** On-demand external pillar. */
  ext?: Wire;
  clean_cache: boolean;
}

/** Reads a pillar request; undefined when id or grains are missing. */
export function readPillar(load: WireMap): PillarLoad | undefined {
  const grains = asMap(load['grains']);
  const { id, saltenv, pillarenv } = load;
  if (!grains || !isMinionId(id)) return undefined;
  if (![saltenv, pillarenv].every((e) => e === undefined || e === null || isText(e))) return undefined;
  return {
    id,
    grains,
    saltenv: isText(saltenv) ? saltenv : null,
    pillarenv: isText(pillarenv) ? pillarenv : null,
    pillar_override: load['pillar_override'] ?? null,
    extra_minion_data: load['extra_minion_data'] ?? null,
    ver: String(load['ver'] ?? ''),
    ext: load['ext'],
    clean_cache: load['clean_cache'] === true,
  };
}

/** A request to the file server; which fields count depends on the command. */
export interface FileLoad {
  saltenv: string;
  path: string;
  prefix: string;
  /** Byte offset of the wanted slice. */
  loc: number;
  /** gzip level 1 to 9, if the slice is to be packed. */
  gzip?: number;
}

/** Reads a file request; undefined when a field has the wrong type. Paths are as sent: the file server confines them. */
export function readFileRequest(load: WireMap): FileLoad | undefined {
  const { saltenv = 'base', path = '', prefix = '', loc = 0, gzip } = load;
  if (!isText(saltenv) || !isText(path) || !isText(prefix)) return undefined;
  if (typeof loc !== 'number' || !Number.isSafeInteger(loc) || loc < 0) return undefined;
  const level = typeof gzip === 'number' && Number.isInteger(gzip) && gzip >= 1 && gzip <= 9 ? gzip : undefined;
  return { saltenv, path, prefix, loc, gzip: level };
}

/** A slice of a file that a minion pushes. */
export interface FileRecvLoad {
  id: string;
  /** Path as its parts; each is one name, none leads upwards. */
  path: string[];
  loc: number;
  /** Bytes of the whole file. */
  size: number;
  data: Uint8Array;
}

/** Reads a pushed slice; undefined when a field has the wrong type or a path part is no plain name. */
export function readFileRecv(load: WireMap): FileRecvLoad | undefined {
  const { id, path, loc = 0, size } = load;
  const data = asBytes(load['data']);
  if (!isMinionId(id) || !data || !Array.isArray(path) || path.length === 0) return undefined;
  if (!path.every((p): p is string => isText(p) && p !== '' && p !== '.' && p !== '..' && !/[/\\\0]/.test(p)))
    return undefined;
  for (const n of [loc, size]) if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 0) return undefined;
  return { id, path, loc: loc as number, size: size as number, data };
}

/** What a minion puts into the mine. */
export interface MineLoad {
  id: string;
  data: WireMap | PyDict;
  /** Replaces all it stored before, instead of being merged. */
  clear: boolean;
}

/** Reads a mine update; undefined when `data` is no map. */
export function readMine(load: WireMap): MineLoad | undefined {
  const data = load['data'];
  if (!isMinionId(load['id']) || data === undefined || !(isWireMap(data) || data instanceof PyDict)) return undefined;
  return { id: load['id'], data, clear: load['clear'] === true };
}

/** What a minion asks of the mine. */
export interface MineGetLoad {
  id: string;
  tgt: Wire;
  tgt_type: string;
  /** One name, or several for an answer by name. */
  fun: string | string[];
}

/** Reads a question to the mine; undefined when target or function are missing. */
export function readMineGet(load: WireMap): MineGetLoad | undefined {
  const { id, tgt, fun } = load;
  const names = isText(fun) || (Array.isArray(fun) && fun.every(isText)) ? fun : undefined;
  if (!isMinionId(id) || tgt === undefined || names === undefined) return undefined;
  const kind = load['tgt_type'] ?? load['expr_form'];
  return { id, tgt, fun: names as string | string[], tgt_type: isText(kind) ? kind : 'glob' };
}

/** A job that a minion publishes. */
export interface MinionPublishLoad {
  id: string;
  fun: string | string[];
  arg: Wire[];
  tgt: Wire;
  tgt_type: string;
  ret: Wire;
  /** Seconds to wait, for {@link MINION_COMMAND}.publishAndWait. */
  tmo: number;
  /** `full` or `clean`. */
  form: string;
}

/** Reads a minion's publish; undefined when function or target are missing. */
export function readMinionPublish(load: WireMap): MinionPublishLoad | undefined {
  const { id, fun, tgt } = load;
  const arg = load['arg'] ?? [];
  if (!isMinionId(id) || tgt === undefined) return undefined;
  if (!isText(fun) && !(Array.isArray(fun) && fun.every(isText))) return undefined;
  return {
    id,
    fun: fun as string | string[],
    arg: Array.isArray(arg) ? arg : [arg],
    tgt,
    tgt_type: isText(load['tgt_type']) ? load['tgt_type'] : 'glob',
    ret: load['ret'] ?? '',
    tmo: typeof load['tmo'] === 'number' && load['tmo'] > 0 ? load['tmo'] : 5,
    form: isText(load['form']) ? load['form'] : 'clean',
  };
}

/** A command line's publish, in clear text: the wanted job, and the credentials in `key`, or in `kwargs`. */
export interface ClearPublishLoad {
  tgt: Wire;
  fun: string | string[];
  arg: Wire[];
  /** Content of the key file of `user`. */
  key?: string;
  tgt_type: string;
  ret: string;
  /** A wanted jid, or empty. */
  jid: string;
  /** Options of the job, and `token` or `eauth` with its credentials. */
  kwargs: WireMap;
  user: string;
  to?: number;
}

/** Reads a command line's publish; undefined when a field has the wrong type. */
export function readClearPublish(load: WireMap): ClearPublishLoad | undefined {
  const { tgt, fun, key, jid = '', user = '' } = load;
  const arg = load['arg'] ?? [];
  if (tgt === undefined || !Array.isArray(arg)) return undefined;
  if (!isText(fun) && !(Array.isArray(fun) && fun.every(isText))) return undefined;
  if (!isText(user) || (jid !== null && !isText(jid)) || (key !== undefined && key !== null && !isText(key)))
    return undefined;
  return {
    tgt,
    fun: fun as string | string[],
    arg,
    key: isText(key) ? key : undefined,
    tgt_type: isText(load['tgt_type']) ? load['tgt_type'] : 'glob',
    ret: isText(load['ret']) ? load['ret'] : '',
    jid: jid ?? '',
    kwargs: asMap(load['kwargs']) ?? {},
    user,
    to: typeof load['to'] === 'number' ? load['to'] : undefined,
  };
}
