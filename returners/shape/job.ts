/** What every job cache does alike with loads, returns and job ids. */
import { formatJid, isJid, JidSource, jidToTime } from '../../bus/jid.ts';
import { isWireMap, type WireMap } from '../../bus/values.ts';
import type { JobReturn, ReturnerCtx } from '../contract.ts';

const jids = new WeakMap<Map<string, unknown>, JidSource>();

/** Salt's prep_jid: the wanted job id, or a fresh one that rises within the process. */
export function prepareJid(ctx: ReturnerCtx, passed?: string): string {
  if (passed !== undefined && passed !== '') return passed;
  let source = jids.get(ctx.context);
  if (!source) {
    source = new JidSource();
    jids.set(ctx.context, source);
  }
  const jid = source.next();
  return ctx.opts.flag('unique_jid') ? `${jid}_${process.pid}` : jid;
}

/** Fields of a load that must not be kept: credentials. */
const SECRET = new Set(['key', 'password', 'token', 'eauth', 'username']);

/** A publish load without what signed its sender in. */
export function withoutSecrets(load: WireMap): WireMap {
  const kept: WireMap = {};
  for (const [k, v] of Object.entries(load)) if (!SECRET.has(k)) kept[k] = v;
  const kwargs = kept['kwargs'];
  if (isWireMap(kwargs))
    kept['kwargs'] = Object.fromEntries(Object.entries(kwargs).filter(([k]) => !SECRET.has(k))) as WireMap;
  return kept;
}

/** A return as it is kept: without the fields of its transport and the settings of the returner that keeps it. */
export function keptReturn(ret: JobReturn): WireMap {
  const { cmd: _cmd, nonce: _nonce, tok: _tok, sig: _sig, ret_config: _config, ret_kwargs: _kwargs, ...kept } = ret;
  return kept as WireMap;
}

/** One line of get_jids. */
export function summary(jid: string, load: WireMap): WireMap {
  const kwargs = load['kwargs'];
  const metadata = load['metadata'] ?? (isWireMap(kwargs) ? kwargs['metadata'] : undefined);
  return {
    Function: load['fun'] ?? 'unknown-function',
    Arguments: load['arg'] ?? [],
    Target: load['tgt'] ?? 'unknown-target',
    'Target-type': load['tgt_type'] ?? 'list',
    User: load['user'] ?? 'root',
    ...(metadata !== undefined && metadata !== null ? { Metadata: metadata } : {}),
    StartTime: jidToTime(jid),
  };
}

/** What get_jid answers of one minion's return. */
export function shownReturn(ret: WireMap): WireMap {
  const answer: WireMap = { return: ret['return'] ?? null };
  for (const k of ['retcode', 'success', 'out']) if (ret[k] !== undefined) answer[k] = ret[k]!;
  return answer;
}

/** How long jobs are kept, in seconds; 0 is for ever. */
export function keepSeconds(ctx: ReturnerCtx): number {
  return Math.max(0, Math.floor(ctx.opts.num('keep_jobs_seconds', ctx.opts.num('keep_jobs', 24) * 3600)));
}

/** Everything older than this jid is expired; undefined when nothing ever is. */
export function oldestKept(ctx: ReturnerCtx, now: number): string | undefined {
  const seconds = keepSeconds(ctx);
  return seconds > 0 ? formatJid(BigInt(Math.floor((now - seconds * 1000) * 1000))) : undefined;
}

/** Jid, minion and function of a return; undefined for one that no job cache can file. */
export function filing(ret: JobReturn): { jid: string; id: string; fun: string } | undefined {
  const { jid, id, fun } = ret;
  if (!isJid(jid) || typeof id !== 'string' || id === '') return undefined;
  return { jid, id, fun: typeof fun === 'string' ? fun : Array.isArray(fun) ? fun.join(',') : '' };
}

/** Whether a function's answer counts as the newest of that function: questions after running jobs do not. */
export const countsAsLatest = (fun: string): boolean => fun !== '' && !fun.startsWith('saltutil.find_job');

/** Lists jobs in ascending order of jid; entries are jid and load. */
export function listed(found: readonly (readonly [string, WireMap])[]): WireMap {
  const sorted = [...found].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  return Object.fromEntries(sorted.map(([jid, load]) => [jid, summary(jid, load)]));
}
