/** Runs low chunks: requisites decided, conditions looked at, functions called, results collected under the reference's keys. */
import { createHash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';
import { bind, parseSignature } from '../../sls/bind.ts';
import { formatCall } from '../../sls/call-format.ts';
import { chunkTag, type RequisiteGraph } from '../../sls/requisites.ts';
import { deepCopy, isStr, str, truth, typeName } from '../../sls/values.ts';
import { sleepSync } from '../clock.ts';
import type { ModuleCtx } from '../modules/contract.ts';
import type { StateCtx } from '../states/contract.ts';
import { traceback } from '../traceback.ts';
import { checkCommands, conditions, hasConditions } from './checks.ts';
import { INTERNAL_KEYWORDS } from './keywords.ts';
import { listening } from './listen.ts';
import { pausedAt } from './pause.ts';
import { tellProgress } from './progress.ts';
import { decide } from './requisite-status.ts';
import { checkedRetry } from './retry.ts';
import { fillCall } from './slots.ts';
import { StateCalls, type StateModules } from './table.ts';
import { joined, malformed, mocked, unified } from './unify.ts';

/** A chunk as the runtime changes it while it goes. */
export type Low = PyDict;

/** What a run takes. Its context's options are the run's own: `test` in them is switched for chunks that are only tried. */
export interface RunPlace {
  readonly ctx: ModuleCtx;
  readonly states: StateModules;
  readonly jid: string | undefined;
  /** Calls no function, answers what would be called (`mock=True`). */
  readonly mocked?: boolean;
  /** Makes the pillar anew for `reload_pillar`. */
  freshPillar?(): PyDict;
  /** Makes the grains anew for `reload_grains`. */
  freshGrains?(): PyDict;
}

const SKIPPED = 'requisites were skipped by another state';

/** Local time of day and milliseconds since, as results tell them. */
function timing(start: Date, began: number): { start: string; duration: Py } {
  const pad = (n: number, to = 2): string => String(n).padStart(to, '0');
  const time = `${pad(start.getHours())}:${pad(start.getMinutes())}:${pad(start.getSeconds())}`;
  const micro = start.getMilliseconds() * 1000 + Math.floor((began * 1000) % 1000);
  return {
    start: micro ? `${time}.${pad(micro, 6)}` : time,
    duration: mkFloat(Math.round((performance.now() - began) * 1000) / 1000),
  };
}

const changed = (ret: PyDict): boolean => truth(ret.get('changes') ?? null);
const resultOf = (ret: PyDict): Py => ret.get('result') ?? null;

/** The state system of one run. One is made for each job; it keeps the numbers of what ran. */
export class StateRun {
  private runNumber = 0;
  private ctx: ModuleCtx;
  private graph: RequisiteGraph | undefined;
  private readonly tried = new Map<string, PyDict>();
  private readonly initialized = new Set<string>();
  private readonly instanceId = createHash('md5').update(randomUUID()).digest('hex');
  /** Set when a chunk that others needed failed hard. */
  private failedHard = false;

  constructor(private readonly place: RunPlace) {
    this.ctx = place.ctx;
  }

  private get test(): boolean {
    return this.ctx.opts.get('test') === true;
  }

  /** Complaints about a chunk before it is run, in the reference's words; none when all is well. */
  verify(low: Low): string[] {
    const errors: string[] = [];
    for (const key of ['state', 'fun', 'name']) if (!low.has(key)) errors.push(`Missing "${key}" data`);
    const name = low.get('name') ?? null;
    if (truth(name) && !isStr(name))
      errors.push(
        `ID '${str(name)}' ${low.has('__sls__') ? `in SLS '${str(low.get('__sls__') as Py)}' ` : ''}is not formed as a string, but is a ${typeName(name)}`,
      );
    if (low.has('umask')) {
      const umask = low.get('umask') as Py;
      low.delete('umask');
      if (/^(0o)?[0-7]+$/.test(str(umask))) low.set('__umask__', Number.parseInt(str(umask).replace('0o', ''), 8));
      else errors.push(`Invalid umask: ${str(umask)}`);
    }
    if (errors.length) return errors;
    const full = `${str(low.get('state') as Py)}.${str(low.get('fun') as Py)}`;
    const f = this.place.states.find(full);
    if (!f) {
      if (!low.has('__sls__')) return [`Specified state '${full}' was not found`];
      return [
        `State '${full}' was not found in SLS '${str(low.get('__sls__') as Py)}'`,
        `Reason: ${this.place.states.reason(full)}`,
      ];
    }
    const s = parseSignature(f.sig);
    return s.plain
      .filter((p) => p.default === undefined && !low.has(p.name))
      .map((p) => `Missing parameter ${p.name} for state ${full}`);
  }

  /** Calls one chunk, whatever its requisites. Throws SaltInvocationError for arguments that its function does not take. */
  call(low: Low, chunks: readonly Low[] = [], running: PyDict = new PyDict(), attempt = 1): PyDict {
    const start = new Date();
    const began = performance.now();
    const trial = truth(low.get('__prereq__') ?? false);
    const name = low.get('name') ?? null;
    this.ctx.log.info(`Running state [${str(name)}] at time ${timing(start, began).start}`);
    const errors = this.verify(low);
    if (errors.length) {
      const ret = new PyDict<Py>([
        ['result', false],
        ['name', name],
        ['changes', new PyDict()],
        ['comment', errors.map((e) => `${e}\n`).join('')],
        ['__run_num__', this.runNumber++],
      ]);
      this.tell(ret);
      return unified(ret);
    }
    const full = `${str(low.get('state') as Py)}.${str(low.get('fun') as Py)}`;
    const f = this.place.states.find(full) as NonNullable<ReturnType<StateModules['find']>>;
    const cdata = formatCall(f.sig, { name: parseSignature(f.sig).name, full }, low, INTERNAL_KEYWORDS);
    if (!trial) this.ctx.log.info(`Executing state ${full} for [${str(name)}]`);
    let ret = new PyDict<Py>([
      ['result', false],
      ['name', name],
      ['changes', new PyDict()],
    ]);
    const { opts, context } = this.ctx;
    const before = opts.get('test') ?? null;
    if (trial) opts.set('test', true);
    context.set('runas', low.get('runas') ?? null);
    context.set(
      'runas_password',
      (low.get('state') === 'cmd' ? low.get('password') : undefined) ?? low.get('runas_password') ?? null,
    );
    try {
      if (hasConditions(low) && !this.place.states.has(`${str(low.get('state') as Py)}.mod_run_check`))
        for (const [k, v] of conditions(low, this.ctx)) ret.set(k, v);
      if (resultOf(ret) === false) {
        const answer = this.place.mocked
          ? mocked(cdata)
          : (this.unmetGlobal(full, low) ?? this.execute(full, f.sig, cdata, low, chunks, running));
        if (!(answer instanceof PyDict)) return malformed(answer);
        ret = answer;
      }
      if (low.has('check_cmd')) {
        const own =
          this.place.states.has(`${str(low.get('state') as Py)}.mod_run_check_cmd`) &&
          parseSignature(f.sig).names.has('check_cmd');
        if (!own) for (const [k, v] of checkCommands(low, this.ctx)) ret.set(k, v);
      }
    } catch (e) {
      ret = new PyDict<Py>([
        ['result', false],
        ['name', cdata.args[0] ?? cdata.kwargs.get('name') ?? name],
        ['changes', new PyDict()],
        ['comment', `An exception occurred in this state: ${traceback(e)}`],
      ]);
    } finally {
      opts.set('test', before);
      context.delete('runas');
      context.delete('runas_password');
    }
    if (trial) {
      low.set('__prereq__', false);
      return unified(ret);
    }
    ret.set('__sls__', low.get('__sls__') ?? null);
    ret.set('__run_num__', this.runNumber++);
    if (truth(low.get('no_log') ?? false)) {
      ret.set('comment', '**********');
      ret.set('changes', new PyDict());
    }
    this.tell(ret);
    this.refresh(low, ret);
    const t = timing(start, began);
    ret.set('start_time', t.start);
    ret.set('duration', t.duration);
    ret.set('__id__', low.get('__id__') ?? null);
    if (truth(low.get('parallel') ?? false)) ret.set('__parallel__', true);
    this.ctx.log.info(`Completed state [${str(name)}] (duration_in_ms=${str(t.duration)})`);
    return unified(low.has('retry') ? this.retried(low, chunks, running, ret, attempt) : ret);
  }

  /** What `global_state_conditions` answer for a chunk that they forbid. */
  private unmetGlobal(full: string, low: Low): PyDict | undefined {
    const rules = this.ctx.opts.get('global_state_conditions');
    if (!(rules instanceof PyDict)) return undefined;
    let asked = false;
    for (const [match, given] of rules) {
      if (match !== '*' && match !== full && match !== low.get('state')) continue;
      for (const condition of isStr(given) ? [given] : Array.isArray(given) ? (given as Py[]) : []) {
        asked = true;
        if (truth(this.ctx.salt.call('match.compound', [condition]))) return undefined;
      }
    }
    if (!asked) return undefined;
    return new PyDict<Py>([
      ['name', low.get('name') ?? null],
      ['comment', 'Failed to meet global state conditions. State not called.'],
      ['changes', new PyDict()],
      ['result', null],
    ]);
  }

  private execute(
    full: string,
    sig: string,
    cdata: { args: Py[]; kwargs: PyDict },
    low: Low,
    chunks: readonly Low[],
    running: PyDict,
  ): Py {
    const copy = { args: cdata.args.map((a) => deepCopy(a)), kwargs: deepCopy(cdata.kwargs) };
    fillCall(copy, this.ctx);
    const mask = low.get('__umask__');
    const before = typeof mask === 'number' ? process.umask(mask) : undefined;
    try {
      const f = this.place.states.find(full) as NonNullable<ReturnType<StateModules['find']>>;
      const answer = f.run(bind('', sig, copy.args, copy.kwargs), this.stateCtx(low, chunks, running, cdata.kwargs));
      if (answer instanceof Promise) {
        // Nobody will see its end: a later rejection must not end the process.
        answer.catch(() => undefined);
        throw new SaltError('CommandExecutionError', `${full} does not answer at once`);
      }
      return answer ?? null;
    } finally {
      if (before !== undefined) process.umask(before);
    }
  }

  private stateCtx(low: Low, chunks: readonly Low[], running: PyDict, kwargs: PyDict): StateCtx {
    const env = kwargs.get('env');
    const named = this.ctx.opts.flag('lock_saltenv')
      ? undefined
      : low.has('saltenv')
        ? low.get('saltenv')
        : isStr(env ?? null)
          ? env
          : undefined;
    const table = (): StateCtx => ctx;
    // The module context's own fields are read through: grains and pillar are made when first looked at.
    const ctx: StateCtx = Object.assign(Object.create(this.ctx) as ModuleCtx, {
      low,
      test: this.test,
      states: new StateCalls(this.place.states, table),
      running,
      saltenv: str(named ?? low.get('__env__') ?? 'base'),
      lowstate: chunks,
      instanceId: this.instanceId,
    });
    return ctx;
  }

  private retried(low: Low, chunks: readonly Low[], running: PyDict, ret: PyDict, attempt: number): PyDict {
    const retry = checkedRetry(low.get('retry') as Py, this.ctx.log);
    if (this.test) {
      const own = truth(ret.get('comment') ?? '') ? str(joined(ret.get('comment') as Py)) : '';
      ret.set(
        'comment',
        `${own}  The state would be retried every ${retry.interval} seconds (with a splay of up to ${retry.splay} seconds) a maximum of ${retry.attempts} times or until a result of ${retry.until ? 'True' : 'False'} is returned`,
      );
      return ret;
    }
    if (resultOf(ret) === retry.until || retry.attempts <= attempt) return ret;
    const wait = retry.interval + (retry.splay ? Math.floor(Math.random() * (retry.splay + 1)) : 0);
    this.ctx.log.info(`State result does not match retry until value, state will be re-run in ${wait} seconds`);
    sleepSync(wait * 1000);
    const next = this.call(low, chunks, running, attempt + 1);
    next.set(
      'comment',
      `Attempt ${attempt}: Returned a result of "${str(resultOf(ret))}", with the following comment: "${str(joined(ret.get('comment') ?? ''))}"\n${truth(next.get('comment') ?? '') ? str(next.get('comment') as Py) : ''}`,
    );
    next.set('duration', mkFloat(Number(next.get('duration')) + Number(ret.get('duration')) + wait * 1000));
    if (attempt === 1) next.set('start_time', ret.get('start_time') as Py);
    return next;
  }

  private tell(ret: PyDict): void {
    const { log } = this.ctx;
    const comment = str(joined(ret.get('comment') ?? ''));
    if (resultOf(ret) === false) log.error(comment);
    else if (comment) log.info(comment);
    if (changed(ret)) log.info(str(ret.get('changes') as Py));
  }

  private refresh(low: Low, ret: PyDict): void {
    const wants = (key: string): boolean => truth(low.get(key) ?? false);
    let again = false;
    if (wants('reload_pillar') && this.place.freshPillar && this.ctx.derive) {
      this.ctx = this.ctx.derive({ pillar: this.place.freshPillar() });
      again = true;
    }
    if (wants('reload_grains') && this.place.freshGrains) {
      const fresh = this.place.freshGrains();
      this.ctx.grains.clear();
      for (const [k, v] of fresh) this.ctx.grains.set(k, v);
      again = true;
    }
    if (!changed(ret)) {
      if (wants('force_reload_modules')) this.reloadModules();
      return;
    }
    const state = low.get('state');
    const name = str(low.get('name') ?? '');
    const laid =
      state === 'file' &&
      ((low.get('fun') === 'managed' && /\.(py|pyx|pyo|pyc|so|js|cjs|ts)$/.test(name)) ||
        low.get('fun') === 'recurse' ||
        (low.get('fun') === 'symlink' && name.includes('bin')));
    if (again || wants('reload_modules') || laid || state === 'pkg' || state === 'pip') this.reloadModules();
  }

  private reloadModules(): void {
    // What lists programs and modules is kept in the context; the rest is looked up by each call.
    for (const key of [...this.ctx.context.keys()])
      if (typeof key === 'string' && /^(pkg|lowpkg|pip|service)\./.test(key)) this.ctx.context.delete(key);
  }

  /** Runs chunks in order of execution. `disabled` are the results of those that may not run. */
  callChunks(chunks: readonly Low[], graph: RequisiteGraph, disabled: PyDict = new PyDict()): PyDict {
    this.graph = graph;
    const running = new PyDict();
    const all = (): PyDict => new PyDict([...disabled, ...running]);
    for (const low of chunks) {
      if (this.failedHard) return running;
      const tag = chunkTag(low);
      if (running.has(tag)) continue;
      if (pausedAt(low, this.place.jid, this.ctx) === 'kill') break;
      this.callChunk(low, running, chunks);
      if (this.stops(low, running)) return running;
    }
    return all();
  }

  private stops(low: Low, running: PyDict): boolean {
    if (this.test) return false;
    const hard = low.has('failhard') ? low.get('failhard') : this.ctx.opts.get('failhard');
    const ret = running.get(chunkTag(low));
    if (!truth(hard ?? false) || !(ret instanceof PyDict)) return false;
    return resultOf(ret) === false;
  }

  /** Takes the graph that {@link callChunk} looks requisites up in. */
  attach(graph: RequisiteGraph): void {
    this.graph = graph;
  }

  /** Runs one chunk, what it needs before it, and puts its result among the others'. */
  callChunk(given: Low, running: PyDict, chunks: readonly Low[], depth = 0): void {
    const low = this.aggregated(given, running);
    this.init(low);
    const tag = chunkTag(low);
    const trial = truth(low.get('__prereq__') ?? false);
    const { status, reqs } = this.status(low, running);
    const put = (ret: PyDict): void => {
      if (trial) this.tried.set(tag, ret);
      else running.set(tag, ret);
    };
    switch (status) {
      case 'unmet':
        if (this.callUnmet(low, running, chunks, tag, depth)) return;
        break;
      case 'skip_req':
        this.notRun(low, tag, true, `State was not run because ${SKIPPED}`, running);
        break;
      case 'skip_watch':
        if (trial) put(this.call(low, chunks, running));
        else {
          const ret = this.call(low, chunks, running);
          ret.set('comment', `${str(ret.get('comment') ?? '')} mod_watch was not run because ${SKIPPED}`);
          put(ret);
        }
        break;
      case 'fail':
        this.failed(low, tag, reqs, running);
        break;
      case 'change':
        if (trial) put(this.call(low, chunks, running));
        else put(this.watched(low, chunks, running, reqs));
        break;
      case 'pre':
        this.notRun(low, tag, true, 'No changes detected', running);
        break;
      case 'onfail':
        this.notRun(low, tag, true, 'State was not run because onfail req did not change', running);
        break;
      case 'onchanges':
        this.notRun(low, tag, true, 'State was not run because none of the onchanges reqs changed', running);
        break;
      default:
        put(this.call(low, chunks, running));
    }
    const ret = running.get(tag);
    if (!(ret instanceof PyDict)) return;
    tellProgress(ret, chunks.length, low.get('fire_event') ?? false, this.place.jid ?? '', this.ctx);
    this.subStates(low, ret, running);
  }

  private status(low: Low, running: PyDict): { status: string; reqs: PyDict<Py[]> } {
    const reqs = new PyDict<Py[]>();
    for (const { kind, chunk } of this.graph?.dependencies(low) ?? []) {
      const list = reqs.get(kind);
      if (list) list.push(chunk);
      else reqs.set(kind, [chunk]);
    }
    const status = decide(reqs, (kind, tag) => {
      const ret = kind === 'prereq' ? this.tried.get(tag) : running.get(tag);
      return ret instanceof PyDict && ret.size ? ret : undefined;
    });
    return { status, reqs };
  }

  private watched(low: Low, chunks: readonly Low[], running: PyDict, reqs: PyDict<Py[]>): PyDict {
    const ret = this.call(low, chunks, running);
    if (changed(ret) || truth(ret.get('skip_watch') ?? false)) return ret;
    const watch = new PyDict(low);
    watch.set('sfun', low.get('fun') as Py);
    watch.set('fun', 'mod_watch');
    watch.set('__reqs__', reqs);
    return this.call(watch, chunks, running);
  }

  /** Runs what a chunk needs and then itself; answers whether that ended the run. */
  private callUnmet(low: Low, running: PyDict, chunks: readonly Low[], tag: string, depth: number): boolean {
    for (const { chunk } of this.graph?.dependencies(low) ?? []) {
      if (running.has(chunkTag(chunk))) continue;
      this.callChunk(chunk, running, chunks);
      if (this.failedHard || this.stops(chunk, running)) {
        this.failedHard = true;
        return true;
      }
    }
    if (truth(low.get('__prereq__') ?? false)) {
      const { status } = this.status(low, running);
      if (status === 'pre') this.notRun(low, tag, true, 'No changes detected', undefined);
      else {
        const ret = this.call(low, chunks, running);
        if (!changed(ret) && status === 'change') {
          ret.set('changes', new PyDict([['watch', 'watch']]));
          ret.set('result', null);
        }
        this.tried.set(tag, ret);
      }
    } else if (depth + 1 >= 20) {
      this.ctx.log.error('Recursive requisite found');
      const ret = new PyDict<Py>([
        ['changes', new PyDict()],
        ['result', false],
        ['comment', 'Recursive requisite found'],
        ['__run_num__', this.runNumber],
      ]);
      for (const k of ['__sls__', '__id__', 'name']) ret.set(k, low.get(k) ?? null);
      running.set(tag, ret);
    } else {
      this.callChunk(low, running, chunks, depth + 1);
      if (this.stops(low, running)) this.failedHard = true;
      // Its result was told of by that call.
      return true;
    }
    if (this.stops(low, running)) {
      this.failedHard = true;
      return true;
    }
    return false;
  }

  private failed(low: Low, tag: string, reqs: PyDict<Py[]>, running: PyDict): void {
    const own = this.tried.get(tag);
    if (own) {
      // The result of the try holds what would have changed: nothing did.
      own.set('changes', new PyDict());
      own.set('__run_num__', this.runNumber++);
      for (const k of ['__sls__', '__id__', 'name']) own.set(k, low.get(k) ?? null);
      running.set(tag, own);
      return;
    }
    const culprits = new Set<string>();
    for (const list of reqs.values())
      for (const c of list as Low[]) {
        const ret = this.tried.get(chunkTag(c)) ?? running.get(chunkTag(c));
        if (ret instanceof PyDict && resultOf(ret) === false)
          culprits.add(`${str(c.get('__sls__') ?? null)}.${str(c.get('__id__') ?? null)}`);
      }
    this.notRun(low, tag, false, `One or more requisite failed: ${[...culprits].join(', ')}`, running);
  }

  /** Notes that a chunk was not run; without `running` only for those that try it. */
  private notRun(low: Low, tag: string, result: boolean, comment: string, running: PyDict | undefined): void {
    const t = timing(new Date(), performance.now());
    const ret = new PyDict<Py>([
      ['changes', new PyDict()],
      ['result', result],
      ['duration', t.duration],
      ['start_time', t.start],
      ['comment', comment],
      ['__state_ran__', false],
      ['__run_num__', this.runNumber++],
    ]);
    for (const k of ['__sls__', '__id__', 'name']) ret.set(k, low.get(k) ?? null);
    running?.set(tag, ret);
    if (truth(low.get('__prereq__') ?? false)) this.tried.set(tag, ret);
  }

  private subStates(low: Low, ret: PyDict, running: PyDict): void {
    const subs = ret.get('sub_state_run');
    ret.delete('sub_state_run');
    for (const sub of Array.isArray(subs) ? (subs as PyDict[]) : []) {
      const t = timing(new Date(), performance.now());
      this.runNumber++;
      const subLow = sub.get('low') as PyDict;
      const entry = new PyDict<Py>([
        ['name', subLow.get('name') ?? null],
        ['changes', sub.get('changes') ?? new PyDict()],
        ['result', sub.get('result') ?? null],
        ['duration', sub.get('duration') ?? t.duration],
        ['start_time', sub.get('start_time') ?? t.start],
        ['comment', sub.get('comment') ?? ''],
        ['__state_ran__', true],
        ['__run_num__', this.runNumber],
      ]);
      for (const k of ['__sls__', '__id__', 'name']) entry.set(k, low.get(k) ?? null);
      running.set(chunkTag(subLow), entry);
    }
  }

  private aggregated(low: Low, running: PyDict): Low {
    if (truth(low.get('__agg__') ?? false)) return low;
    const group = this.graph?.joined(low) ?? [];
    if (!group.length) return low;
    low.set('__agg__', true);
    const f = this.place.states.find(`${str(low.get('state') as Py)}.mod_aggregate`);
    if (!f) return low;
    const ctx = this.stateCtx(low, group, running, new PyDict());
    const answer = f.run(bind('', f.sig, [low, group, running]), ctx);
    return answer instanceof PyDict ? answer : low;
  }

  /** Runs the `mod_init` of a chunk's state, once a run. */
  init(low: Low): void {
    const state = str(low.get('state') ?? '');
    if (this.initialized.has(state)) return;
    const f = this.place.states.find(`${state}.mod_init`);
    if (!f || !this.place.states.has(`${state}.${str(low.get('fun') ?? '')}`)) return;
    const answer = f.run(bind('', f.sig, [low]), this.stateCtx(low, [], new PyDict(), new PyDict()));
    if (!(answer instanceof Promise) && truth(answer ?? null)) this.initialized.add(state);
  }

  /** Runs `mod_watch` of those whose `listen` requisites changed, after all else; adds to the results. */
  callListen(chunks: readonly Low[], running: PyDict, graph: RequisiteGraph): PyDict {
    const { watchers, missing } = listening(chunks, running);
    for (const w of watchers) graph.add(w);
    for (const [k, v] of this.callChunks(watchers, graph)) running.set(k, v);
    for (const [k, v] of missing) {
      v.set('__run_num__', this.runNumber++);
      running.set(k, v);
    }
    return running;
  }

  /** Runs `mod_beacon` of the chunks that ask for a beacon. */
  callBeacons(chunks: readonly Low[], running: PyDict, graph: RequisiteGraph): PyDict {
    const beacons = chunks
      .filter((c) => c.has('beacon'))
      .map((c) => {
        const low = new PyDict(c);
        low.set('sfun', c.get('fun') as Py);
        low.set('fun', 'mod_beacon');
        low.set('__id__', `beacon_${str(c.get('__id__') ?? null)}`);
        graph.add(low);
        return low;
      });
    if (beacons.length) for (const [k, v] of this.callChunks(beacons, graph)) running.set(k, v);
    return running;
  }

  /** Runs ordered chunks with all that follows them: the whole of a state run. */
  runAll(chunks: readonly Low[], graph: RequisiteGraph, disabled: PyDict = new PyDict()): PyDict {
    const unique = [...new Set(chunks)];
    let running = this.callChunks(chunks, graph, disabled);
    running = this.callListen(unique, running, graph);
    running = this.callBeacons(unique, running, graph);
    const cachedir = this.ctx.opts.str('cachedir');
    rmSync(join(cachedir, 'accumulator', this.instanceId), { force: true });
    if (this.place.jid) rmSync(join(cachedir, 'state_pause', this.place.jid), { force: true });
    return running;
  }
}
