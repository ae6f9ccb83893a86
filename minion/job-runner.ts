/**
 * What a job process does: reads its orders from descriptor 3, runs one job, hands the return over and ends. Everything in it
 * may block. What it needs of the network it asks of the daemon, one blocking question at a time.
 */
import { join } from 'node:path';
import { ERRORS, type ErrorCode, messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { type CallPlace, Calls, Modules } from './call.ts';
import { saltWhileFinding } from './call-local.ts';
import { catalogOf } from './catalogs.ts';
import { loadGrains, receivedGrains } from './grains.ts';
import { jobInfo } from './job-info.ts';
import { BlockingPipe, type PipeMessage } from './job-pipe.ts';
import { openLog } from './open-log.ts';
import { spoolReturn } from './outbox.ts';
import { compilesOwnPillar, ownPillar, plainPillar } from './pillar.ts';
import { runReturners } from './return-to.ts';
import { runCall } from './run-call.ts';
import { runJob } from './run-job.ts';

/** What the daemon told at the start, kept up to date by later `facts`. */
interface Facts {
  opts: Opts;
  grains: PyDict | undefined;
  pillar: PyDict;
  connected: boolean;
}

class JobProcess {
  private facts: Facts | undefined;
  private log: Log | undefined;

  constructor(private readonly pipe: BlockingPipe) {}

  async run(): Promise<void> {
    for (let m = this.pipe.receive(); m; m = this.pipe.receive()) {
      if (m.type === 'facts') this.takeFacts(m);
      else if (m.type === 'grains') this.grains(m['refresh'] === true);
      else if (m.type === 'call') {
        await this.call(m);
        return;
      } else if (m.type === 'job') {
        await this.job(m);
        return;
      }
    }
  }

  private takeFacts(m: PipeMessage): void {
    const opts = m['opts'] === undefined ? this.facts?.opts : new Opts(asDict(m['opts']));
    if (!opts) throw new SaltError('SaltConfigurationError', 'A job process needs the options first');
    this.facts = {
      opts,
      grains: m['grains'] === null || m['grains'] === undefined ? undefined : receivedGrains(asDict(m['grains'])),
      pillar: asDict(m['pillar'] ?? {}),
      connected: m['connected'] === true,
    };
    this.log ??= openLog(opts, 'salt.minion');
  }

  private grains(refresh: boolean): void {
    const { opts } = this.known();
    const grains = loadGrains(opts, this.log as Log, {
      refresh,
      salt: (soFar) => saltWhileFinding(opts, this.log as Log, soFar),
    });
    (this.facts as Facts).grains = grains;
    this.pipe.send({ type: 'grains', grains: toWire(grains) });
  }

  private known(): Facts {
    if (!this.facts) throw new SaltError('SaltConfigurationError', 'A job process needs its facts first');
    return this.facts;
  }

  /** Asks the daemon and waits; its error is thrown here. */
  private ask(what: string, load: WireMap): Py {
    try {
      this.pipe.send({ type: 'ask', what, load });
    } catch (e) {
      throw new SaltError('SaltClientError', `The minion is gone: ${messageOf(e)}`);
    }
    const m = this.pipe.receive();
    if (!m) throw new SaltError('SaltClientError', 'The minion is gone');
    if (m.type === 'error') {
      const code = String(m['code']);
      throw new SaltError(
        Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'SaltClientError',
        String(m['message'] ?? ''),
      );
    }
    return toPy(m['value']);
  }

  /** What functions of this process get to see. */
  private place(): CallPlace {
    const facts = this.known();
    const log = this.log as Log;
    let own: PyDict | undefined;
    const place: CallPlace = {
      opts: facts.opts,
      log,
      grains: () => {
        facts.grains ??= loadGrains(facts.opts, log, { salt: (soFar) => saltWhileFinding(facts.opts, log, soFar) });
        return facts.grains;
      },
      // A minion that has its own pillar files compiles them here: the daemon renders nothing.
      pillar: () => {
        if (!compilesOwnPillar(facts.opts)) return facts.pillar;
        const modules = new Modules(facts.opts, log);
        own ??= ownPillar({ opts: facts.opts, log, grains: place.grains() }, {}, (opts, pillar) => {
          const inner = new Calls(modules, { ...place, opts, pillar: () => pillar }, undefined);
          return plainPillar(inner, inner.context);
        });
        return own;
      },
      master: {
        available: facts.connected,
        request: (cmd, fields) => this.ask('master', { cmd, load: fields }),
      },
      fireLocal: (tag, data) => this.ask('fire', { tag, data }) === true,
      daemon: (order, data = {}) => this.ask('daemon', { order, data }),
      catalog: (kind) => catalogOf(kind, facts.opts, log),
    };
    return place;
  }

  /** salt-call's way: the outcome goes back whole, to be printed there. */
  private async call(m: PipeMessage): Promise<void> {
    const place = this.place();
    const calls = new Calls(new Modules(place.opts, place.log), place, undefined);
    const words = Array.isArray(m['words']) ? m['words'].map(String) : [];
    const outcome = await runCall(String(m['fun']), words, calls);
    this.pipe.send({ type: 'outcome', outcome: { ...outcome } });
    if (outcome.kind === 'return') await runReturners({}, { ...outcome.ret, success: true }, place.opts, place.log);
  }

  private async job(m: PipeMessage): Promise<void> {
    const load = m['load'] as WireMap;
    const facts = this.known();
    const log = this.log as Log;
    const place = this.place();
    const modules = new Modules(facts.opts, log);
    const calls = new Calls(modules, place, jobInfo(load));
    const ret = await runJob(load, {
      opts: facts.opts,
      log,
      calls,
      context: calls.context,
      get grains() {
        return place.grains();
      },
      pillar: facts.pillar,
      connected: facts.connected,
      fireLocal: place.fireLocal,
    });
    this.handOver(ret, m, facts.opts);
    await runReturners(load, ret, facts.opts, log, { pillar: facts.pillar });
  }

  /** The return goes to the daemon; to the disk, for the next one, when it has died meanwhile. */
  private handOver(ret: WireMap, m: PipeMessage, opts: Opts): void {
    try {
      this.pipe.send({ type: 'return', ret });
    } catch {
      if (m['wanted'] === false) return;
      const to = typeof m['from'] === 'string' ? m['from'] : undefined;
      spoolReturn(join(opts.str('cachedir'), 'returns'), { to, load: ret });
    }
  }
}

function asDict(v: Wire | undefined): PyDict {
  const p = toPy(v);
  return p instanceof PyDict ? p : new PyDict();
}

/** Serves the daemon at the other end of descriptor 3 until one job is done, then ends the process. */
export async function serveDaemon(): Promise<never> {
  try {
    await new JobProcess(new BlockingPipe()).run();
    process.exit(0);
  } catch (e) {
    process.stderr.write(`[CRITICAL] The job process failed: ${e instanceof Error ? e.stack : String(e)}\n`);
    process.exit(1);
  }
}
