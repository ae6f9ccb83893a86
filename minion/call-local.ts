/**
 * salt-call without a master: the function runs in this very process. Kept free of everything a plain call does not need, sockets
 * and cryptography above all: what this file loads, a person waits for at each call.
 */
import { readdirSync } from 'node:fs';
import { stamp } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { PyDict, Wire, WireMap } from '../bus/values.ts';
import { encodeBus } from '../bus/wire/payload.ts';
import { type CallPlace, Calls, Modules, noMaster } from './call.ts';
import { catalogOf } from './catalogs.ts';
import type { GrainsCtx } from './grains/contract.ts';
import { loadGrains } from './grains.ts';
import { compilesOwnPillar, ownPillar, plainPillar } from './pillar.ts';
import { cacheJob, runReturners } from './return-to.ts';
import { type CallOutcome, runCall } from './run-call.ts';

/** Whether a configuration has no master to talk to. */
export function isMasterless(opts: Opts): boolean {
  return opts.flag('local') || opts.str('file_client') === 'local' || opts.str('master_type') === 'disable';
}

/** The functions of a call without a master. Grains are found when a function first looks at them. */
export function localCalls(opts: Opts, log: Log): Calls {
  let grains: PyDict | undefined;
  let pillar: PyDict | undefined;
  const modules = new Modules(opts, log);
  const place: CallPlace = {
    opts,
    log,
    grains: () => {
      grains ??= loadGrains(opts, log, { salt: (soFar) => saltWhileFinding(opts, log, soFar) });
      return grains;
    },
    pillar: () => {
      pillar ??= compilesOwnPillar(opts)
        ? ownPillar({ opts, log, grains: place.grains() }, {}, (o, compiled) => {
            const inner = new Calls(modules, { ...place, opts: o, pillar: () => compiled }, undefined);
            return plainPillar(inner, inner.context);
          })
        : opts.dict('pillar');
      return pillar;
    },
    master: noMaster,
    fireLocal: (tag, data) => fireAtDaemon(opts, tag, data),
    daemon: order,
    catalog: (kind) => catalogOf(kind, opts, log),
  };
  return new Calls(modules, place, undefined);
}

/** The functions that operators' grains modules may call: they see the grains found so far. */
export function saltWhileFinding(opts: Opts, log: Log, soFar: PyDict): GrainsCtx['salt'] {
  let calls: Calls | undefined;
  return (name, args, kwargs) => {
    calls ??= new Calls(
      new Modules(opts, log),
      {
        opts,
        log,
        grains: () => soFar,
        pillar: () => opts.dict('pillar'),
        master: noMaster,
        fireLocal: () => false,
        daemon: order,
      },
      undefined,
    );
    return calls.call(name, args, kwargs);
  };
}

/** Runs a function without a master, in this process; its return goes to the returners that are asked for, and to nobody else. */
export async function callLocally(fun: string, words: readonly string[], opts: Opts, log: Log): Promise<CallOutcome> {
  const outcome = await runCall(fun, words, localCalls(opts, log));
  if (outcome.kind === 'return') {
    if (opts.flag('cache_jobs')) cacheJob(opts, outcome.ret);
    await runReturners({}, { ...outcome.ret, success: true }, opts, log);
  }
  return outcome;
}

/** What a daemon would be asked to do, where there is none in this process: nothing waits here, and the rest needs no doing. */
export function order(name: string): Wire & (null | boolean) {
  return name === 'queued_job' || name === 'fire_and_wait' ? null : true;
}

/**
 * Sends what it reads to a minion's event socket, named after the minion's id. A process of its own: the caller may block, a socket
 * in it could not.
 */
const SENDER =
  "const [dir,id,type]=process.argv.slice(1);const n=require('node:crypto').createHash(type).update(id).digest('hex').slice(0,10);const s=require('node:net').connect(dir+'/minion_event_'+n+'_pull.ipc',()=>process.stdin.pipe(s));s.on('error',()=>process.exit(1));";

/** Puts an event on the bus of the minion that runs on this machine; false where none does. Blocks. */
export function fireAtDaemon(opts: Opts, tag: string, data: WireMap): boolean {
  const dir = opts.str('sock_dir');
  try {
    if (!readdirSync(dir).some((n) => n.endsWith('_pull.ipc'))) return false;
  } catch {
    // No folder, no minion.
    return false;
  }
  const frame = Buffer.concat([Buffer.from(`${tag}\n\n`), encodeBus({ _stamp: stamp(), ...data })]);
  const body = encodeBus({ head: {}, body: frame });
  const input = Buffer.alloc(4 + body.length);
  input.writeUInt32BE(body.length);
  body.copy(input, 4);
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const words = ['-e', SENDER, dir, opts.str('id'), opts.str('hash_type', 'sha256')];
  return spawnSync(process.execPath, words, { input }).status === 0;
}
