import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEventLog } from '../bus/event-log.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { EventStore, KeyedStore } from '../bus/store/contract.ts';
import { MemoryEventStore } from '../bus/store/memory.ts';
import type { PublishServer, RequestServer } from '../bus/transport/contract.ts';
import { toPy, type Wire, type WireMap } from '../bus/values.ts';
import { isSigAlgo, loadOrCreateKeyPair, type SigAlgo } from '../bus/wire/keys.ts';
import { type MasterSessionOptions, signPublicKey } from '../bus/wire/master-session.ts';
import { minionSignature } from '../bus/wire/minion-signature.ts';
import type { JobCache, Returner, ReturnerCtx } from '../returners/contract.ts';
import localCache, { STORE_SLOT } from '../returners/local_cache.ts';
import { type SpoolStatus, WriteBehind } from '../returners/spool/write-behind.ts';
import type { Subject as Known } from '../sls/match/contract.ts';
import { checkMinions } from '../sls/match/expected.ts';
import type { Expected } from './access.ts';
import type { MinionCache } from './minion-cache.ts';
import type { Publisher } from './publish.ts';
import { loadReturner, returnerCtx } from './returners.ts';
import type { Sessions } from './sessions.ts';

/** Opens the event log; `event_log: none` arrives as null and keeps events in memory. */
export function openEventStore(opts: Opts, log: Log): Promise<EventStore> | EventStore {
  return opts.get('event_log') === null
    ? new MemoryEventStore({ count: 10_000 })
    : openEventLog(opts, log.child('event_log'));
}

/** Seconds for which a request is good when the configuration leaves the reference's "for ever". A negative `request_server_ttl` keeps that. */
const REQUEST_TTL = 300;

/** How requests are opened and answers are signed, by the configuration. Makes the signing key of `master_sign_pubkey` on first use. */
export async function sessionSettings(
  opts: Opts,
  key: Awaited<ReturnType<typeof loadOrCreateKeyPair>>,
  minions: Sessions,
  pki: string,
): Promise<MasterSessionOptions> {
  const ttl = opts.num('request_server_ttl');
  const algo = opts.str('publish_signing_algorithm', 'PKCS1v15-SHA1');
  const settings: MasterSessionOptions = {
    key,
    minions,
    minimumVersion: opts.num('minimum_auth_version', 3),
    requestTtl: ttl < 0 ? 0 : ttl || REQUEST_TTL,
  };
  if (opts.flag('sign_pub_messages', true) && isSigAlgo(algo)) settings.publishSigning = algo;
  if (opts.flag('master_sign_pubkey')) {
    const name = opts.str('master_sign_key_name', 'master_sign');
    const kept = join(pki, opts.str('master_pubkey_signature') || 'master_pubkey_signature');
    if (opts.flag('master_use_pubkey_signature') && existsSync(kept)) {
      const text = readFileSync(kept, 'utf8');
      settings.publicKeySignature = () => text;
    } else {
      const signing = await loadOrCreateKeyPair(pki, name, opts.num('keysize', 2048));
      settings.publicKeySignature = (pem, by) => signPublicKey(signing, pem, by);
    }
  }
  return settings;
}

/** Who a target means: accepted keys and what is cached of them, read only as far as the target needs. */
export function expectedBy(opts: Opts, cache: MinionCache, ids: () => readonly string[], log: Log): Expected {
  return (tgt, tgtType, delimiter) => {
    const known = ids().map(
      (id): Known => ({
        id,
        get grains() {
          return cache.grains(id);
        },
        get pillar() {
          return cache.pillar(id);
        },
      }),
    );
    return checkMinions(tgtType, toPy(tgt), known, {
      nodegroups: opts.dict('nodegroups'),
      ...(delimiter === undefined ? {} : { delimiter }),
      onError: (message) => log.error(message),
    });
  };
}

/** A master's job cache, and the journal before it where it is not the master's own store. */
export interface OpenedCache {
  readonly returner: Returner & { jobCache: JobCache };
  readonly ctx: ReturnerCtx;
  readonly spool: WriteBehind | undefined;
}

/** The job cache that `master_job_cache` names; the default one shares the master's store, others are written through a journal. */
export function jobCache(opts: Opts, log: Log, store: KeyedStore, onState: (s: SpoolStatus) => void): OpenedCache {
  const name = opts.str('master_job_cache', 'local_cache');
  const ctx = returnerCtx(opts, log, name);
  if (name === 'local_cache') {
    ctx.context.set(STORE_SLOT, store);
    return { returner: localCache, ctx, spool: undefined };
  }
  const returner = loadReturner(name, ctx);
  if (!returner.jobCache) throw new Error(`returner ${name} cannot be the master_job_cache`);
  const path = join(opts.str('cachedir'), 'returner_spool', `${name}.journal`);
  const spool = new WriteBehind({ ...returner, jobCache: returner.jobCache }, ctx, { name, path, onState });
  return { returner: spool.returner(), ctx, spool };
}

/** `require_minion_sign_messages` and `drop_messages_signature_fail` over returns. */
export function signatureCheck(opts: Opts, sessions: Sessions, log: Log): (load: WireMap) => boolean {
  const required = opts.flag('require_minion_sign_messages');
  const drop = opts.flag('drop_messages_signature_fail');
  const wanted = opts.str('signing_algorithm', 'PKCS1v15-SHA1');
  const algo: SigAlgo = isSigAlgo(wanted) ? wanted : 'PKCS1v15-SHA1';
  return (load) => {
    if (load['sig'] === undefined && !required) return true;
    const key = sessions.publicKey(String(load['id']));
    const verdict = key ? minionSignature(load, key, algo) : 'bad';
    if (verdict === 'good') return true;
    log.critical(`The signature of a return of ${String(load['id'])} is ${verdict === 'bad' ? 'wrong' : 'missing'}`);
    return verdict === 'absent' ? !required : !drop;
  };
}

/** Pings all minions, for `ping_on_rotate`. */
export async function pingAll(publisher: Publisher, user: string): Promise<void> {
  const order = { tgt: '*' as Wire, tgtType: 'glob', fun: 'test.ping', arg: [], ret: '', user };
  await publisher.publish({ ...order, origin: 'master' });
}

/** The publish socket of the default transport. */
export async function zmqPublishes(opts: Opts): Promise<PublishServer> {
  const { ZmqPublishServer } = await import('../bus/transport/zeromq.ts');
  return new ZmqPublishServer({ ...zmqOptions(opts), highWater: opts.num('pub_hwm', 1000) });
}

/** The request socket of the default transport. */
export async function zmqRequests(opts: Opts): Promise<RequestServer> {
  const { ZmqRequestServer } = await import('../bus/transport/zeromq.ts');
  return new ZmqRequestServer(zmqOptions(opts));
}

function zmqOptions(opts: Opts): { heartbeatInterval: number; heartbeatTimeout: number; backlog: number } {
  return {
    heartbeatInterval: opts.num('zmq_heartbeat_ivl', 10_000),
    heartbeatTimeout: opts.num('zmq_heartbeat_timeout', 30_000),
    backlog: opts.num('zmq_backlog', 1000),
  };
}
