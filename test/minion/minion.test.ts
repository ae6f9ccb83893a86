import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { packFrame } from '../../bus/frame.ts';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { minionEventSockets, wrapFrame } from '../../bus/transport/ipc.ts';
import { lengthPrefixed } from '../../bus/transport/local.ts';
import { MemoryNetwork } from '../../bus/transport/memory.ts';
import { type Py, PyDict, type Wire, type WireMap } from '../../bus/values.ts';
import type { PrivateKey } from '../../bus/wire/keys.ts';
import { Minion } from '../../minion/minion.ts';
import { spoolReturn } from '../../minion/outbox.ts';
import { HandMaster, keyPairs } from './hand-master.ts';

const skip = existsSync(resolve(process.env['BRINE_BUILD'] ?? '.build', 'minion/job-process.js'))
  ? false
  : 'the job process is not built';

let jids = 20260201000000000000n;
const nextJid = (): string => String(++jids);

describe('a minion and its jobs', { skip }, () => {
  let keys: { master: PrivateKey; other: PrivateKey; minion: PrivateKey };
  let dir: string;
  let net: MemoryNetwork;
  let master: HandMaster;
  let minion: Minion;
  let over: Promise<number>;
  let lines: string[];

  before(async () => {
    keys = await keyPairs();
  });
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mn-'));
    lines = [];
    net = new MemoryNetwork();
    master = new HandMaster(net, keys.master, '127.0.0.1');
    master.handle = (load) => (load['cmd'] === '_pillar' ? { team: 'harbour' } : true);
    await master.start();
  });
  afterEach(async () => {
    await minion?.stop();
    await over;
    await master.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  function make(options: Record<string, Py> = {}): void {
    const opts = new Opts(
      new PyDict<Py>(
        Object.entries({
          id: 'm1',
          master: '127.0.0.1',
          pki_dir: join(dir, 'pki'),
          cachedir: join(dir, 'cache'),
          sock_dir: join(dir, 'run'),
          keysize: 2048,
          auth_timeout: 1,
          recon_default: 20,
          recon_max: 100,
          acceptance_wait_time: 0.1,
          request_channel_timeout: 2,
          return_retry_timer: 0.2,
          return_retry_timer_max: 0.3,
          return_retry_tries: 1,
          log_level: 'quiet',
          grains: new PyDict<Py>([['colour', 'blue']]),
          ...options,
        }),
      ),
    );
    minion = new Minion({
      opts,
      log: new Log('t', (r) => lines.push(`${r.level}: ${r.message}`), 0),
      sockets: {
        requests: (host, port) => net.requestClient(host, port),
        publishes: (host, port) => net.publishClient(host, port),
      },
    });
    over = minion.run();
  }
  async function start(options: Record<string, Py> = {}): Promise<void> {
    make(options);
    await until(() => lines.some((l) => l.includes('Minion is ready')), 'readiness');
  }
  async function until(ready: () => boolean, what: string, ms = 15_000): Promise<void> {
    for (const end = Date.now() + ms; !ready(); await new Promise((r) => setTimeout(r, 10)))
      if (Date.now() > end) throw new Error(`no ${what}: ${lines.slice(-5).join(' | ')}`);
  }
  const returns = (jid?: string): WireMap[] =>
    master.loads.filter((l) => l['cmd'] === '_return' && (jid === undefined || l['jid'] === jid));
  async function job(fun: Wire, arg: Wire[] = [], more: WireMap = {}): Promise<WireMap> {
    const jid = nextJid();
    master.publish({ fun, arg, tgt: '*', jid, ...more });
    await until(() => returns(jid).length > 0, `return of ${String(fun)}`);
    return returns(jid)[0] as WireMap;
  }
  const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

  test('it says in the reference’s order that it is there', async () => {
    await start({ start_event_grains: ['colour'] });
    const said = master.loads.map((l) => [l['cmd'], l['tag'] ?? null]);
    assert.deepEqual(said.slice(0, 4), [
      ['_pillar', null],
      ['_minion_event', 'minion_start'],
      ['_register_resources', null],
      ['_minion_event', 'salt/minion/m1/start'],
    ]);
    assert.match(String(master.loads[1]?.['data']), /^Minion m1 started at \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/);
    assert.deepEqual(plain(master.loads[1]?.['grains']), { colour: 'blue' });
    assert.equal((master.loads[0] as { grains: WireMap } | undefined)?.grains['colour'], 'blue');
  });

  test('quick functions run in the daemon, all others in a process of their own', async () => {
    await start();
    const quick = await job('test.ping');
    assert.deepEqual(
      Object.keys(quick).filter((k) => k !== 'ts'),
      ['cmd', 'id', 'success', 'return', 'retcode', 'jid', 'fun', 'fun_args', 'user', '_stamp'],
    );
    const here = await job('test.arg', ['a', { __kwarg__: true, b: 1 }]);
    const kwargs = (here['return'] as WireMap)['kwargs'] as WireMap;
    assert.equal(kwargs['__pub_minion_is_target'], true);
    assert.equal(kwargs['__pub_serial'], undefined);
    const other = await job('cmd.run', ['echo $PPID']);
    assert.notEqual(Number(other['return']), process.pid);
    assert.equal((await job('test.retcode', [7]))['retcode'], 7);
  });

  test('a job that comes twice runs once, also after the minion’s restart', async () => {
    await start();
    const file = join(dir, 'count');
    const jid = nextJid();
    const load = { fun: 'cmd.run', arg: [`echo x >> ${file}`], tgt: '*', jid };
    master.publish(load);
    master.publish(load);
    await until(() => returns(jid).length > 0, 'return');
    await minion.stop();
    await over;
    lines = [];
    await start();
    master.publish(load);
    await job('test.ping');
    assert.equal(returns(jid).length, 1);
    const { readFileSync } = await import('node:fs');
    assert.equal(readFileSync(file, 'utf8'), 'x\n');
  });

  test('jobs beyond process_count_max wait, are found, and run in order', async () => {
    await start({ process_count_max: 1 });
    const first = nextJid();
    const second = nextJid();
    master.publish({ fun: 'test.sleep', arg: [1], tgt: '*', jid: first });
    master.publish({ fun: 'cmd.run', arg: ['echo later'], tgt: '*', jid: second });
    const found = (await job('saltutil.find_job', [second]))['return'] as WireMap;
    assert.deepEqual([found['queued'], found['pid'], found['fun']], [true, 0, 'cmd.run']);
    await until(() => returns(second).length > 0, 'second return');
    assert.deepEqual(
      returns()
        .filter((l) => l['jid'] === first || l['jid'] === second)
        .map((l) => l['jid']),
      [first, second],
    );
  });

  test('a killed job returns nothing; a job process that dies by itself returns the reason', async () => {
    await start();
    const killed = nextJid();
    master.publish({ fun: 'test.sleep', arg: [60], tgt: '*', jid: killed });
    await until(() => existsSync(join(dir, 'cache', 'proc', killed)), 'proc file');
    const told = await job('saltutil.kill_job', [killed]);
    assert.match(String(told['return']), new RegExp(`^Signal 9 sent to job ${killed} at pid \\d+$`));
    const died = await job('cmd.run', ['kill -9 $PPID']);
    assert.equal(died['success'], false);
    assert.match(String(died['return']), /ended with signal SIGKILL/);
    await until(() => !existsSync(join(dir, 'cache', 'proc', killed)), 'end of the proc file');
    assert.equal(returns(killed).length, 0);
  });

  test('returns that the master does not take wait on disk and are delivered once', async () => {
    await start();
    let down = true;
    const taken: Wire[] = [];
    master.handle = (load) => {
      if (load['cmd'] !== '_return') return true;
      if (down) return undefined;
      taken.push(load['jid'] as Wire);
      return null;
    };
    const jid = nextJid();
    master.publish({ fun: 'test.ping', tgt: '*', jid });
    await until(() => lines.some((l) => l.includes('failed to return the job information')), 'warning');
    assert.equal(readdirSync(join(dir, 'cache', 'returns')).length, 1);
    await minion.stop();
    await over;
    down = false;
    lines = [];
    await start();
    await until(() => taken.length > 0, 'delivery');
    await job('test.ping');
    assert.deepEqual(
      taken.filter((j) => j === jid),
      [jid],
    );
    assert.equal(readdirSync(join(dir, 'cache', 'returns')).length, 0);
  });

  test('a job that was under way when the minion was killed gets a return that says so', async () => {
    await start();
    await minion.stop();
    await over;
    const jid = nextJid();
    writeFileSync(join(dir, 'cache', 'jids.log'), `S ${jid} cmd.run\n`, { flag: 'a' });
    lines = [];
    await start();
    await until(() => returns(jid).length > 0, 'return');
    assert.equal(returns(jid)[0]?.['success'], false);
    assert.match(String(returns(jid)[0]?.['return']), /restarted while this job ran/);
  });

  test('a return that a job left on disk when its minion had died is the only one, however often the minion starts', async () => {
    const jid = nextJid();
    const cache = join(dir, 'cache');
    mkdirSync(cache);
    writeFileSync(join(cache, 'jids.log'), `S ${jid} cmd.run\n`);
    spoolReturn(join(cache, 'returns'), {
      load: { jid, fun: 'cmd.run', return: 'survived', retcode: 0, success: true },
    });
    for (let i = 0; i < 2; i++) {
      lines = [];
      await start();
      await job('test.ping');
      await minion.stop();
      await over;
    }
    assert.deepEqual(
      returns(jid).map((l) => l['return']),
      ['survived'],
    );
  });

  test('events of jobs and of programs at its socket are relayed to the master', async () => {
    await start();
    const done = await job('event.send', ['yard/gate', { __kwarg__: true, who: 'guard' }]);
    assert.equal(done['return'], true);
    const sent = (): WireMap | undefined => master.loads.find((l) => l['tag'] === 'yard/gate');
    await until(() => sent() !== undefined, 'event');
    assert.equal((sent() as { data: WireMap } | undefined)?.data['who'], 'guard');
    assert.equal(sent()?.['pretag'], null);
    const { pull } = minionEventSockets(join(dir, 'run'), 'm1');
    const frame = packFrame('fire_master', { data: { n: 1 }, tag: 'from/script', events: null, pretag: null });
    const socket = connect(pull);
    socket.end(lengthPrefixed(wrapFrame(frame)));
    await until(() => master.loads.some((l) => l['tag'] === 'from/script'), 'event of a script');
    const boom = await job('test.exception', [{ __kwarg__: true, message: 'no luck' }]);
    assert.match(String(boom['return']), /Exception: no luck\n$/);
    await until(() => master.loads.some((l) => l['tag'] === '_salt_error'), 'error event');
  });

  test('saltutil.refresh_pillar fetches the pillar and registers anew; wait=True waits for it', async () => {
    await start();
    const before = master.loads.length;
    assert.equal((await job('saltutil.refresh_pillar', [{ __kwarg__: true, wait: true }]))['return'], true);
    const cmds = master.loads.slice(before).map((l) => l['cmd']);
    assert.ok(cmds.indexOf('_pillar') >= 0 && cmds.indexOf('_register_resources') > cmds.indexOf('_pillar'));
  });

  test('only jobs whose target means this minion are run, by grain, pillar or name', async () => {
    await start();
    const no = nextJid();
    master.publish({ fun: 'test.ping', tgt: 'other*', jid: no });
    master.publish({ fun: 'test.ping', tgt: 'colour:red', tgt_type: 'grain', jid: nextJid() });
    assert.equal((await job('test.ping', [], { tgt: 'colour:blue', tgt_type: 'grain' }))['return'], true);
    assert.equal((await job('test.ping', [], { tgt: 'team:harbour', tgt_type: 'pillar' }))['return'], true);
    assert.equal((await job('test.ping', [], { tgt: ['x', 'm1'], tgt_type: 'list' }))['return'], true);
    assert.equal(returns(no).length, 0);
  });

  test('start_event is told before the job, metadata comes back, unknown executors are an error', async () => {
    await start();
    const done = await job('test.ping', [], { start_event: true, metadata: { ticket: 12 } });
    assert.deepEqual(plain(done['metadata']), { ticket: 12 });
    const jid = String(done['jid']);
    await until(() => master.loads.some((l) => l['tag'] === `salt/job/${jid}/start/m1`), 'start event');
    const bad = await job('test.ping', [], { module_executors: ['nonsense'] });
    assert.equal(bad['return'], "ERROR executing 'test.ping': Executor 'nonsense' is not available");
    assert.equal((await job('test.ping', [], { ret: 'nowhere' }))['return'], true);
    assert.equal((await job('test.ping', [], { module_executors: ['direct_call'] }))['return'], true);
  });

  test('startup_states asks for the states at the start, and says clearly when it cannot', async () => {
    await start({ startup_states: 'sls', sls_list: ['web'] });
    await until(() => returns('req').length > 0, 'return');
    const ret = returns('req')[0] as WireMap;
    assert.equal(ret['fun'], 'state.sls');
    assert.deepEqual(plain(ret['fun_args']), [['web']]);
  });

  test('a rejected minion ends with the reference’s exit code', async () => {
    await start();
    master.answers = ['rejected'];
    master.rotate();
    master.publish({ fun: 'test.ping', tgt: '*', jid: nextJid() });
    assert.equal(await over, 77);
  });

  test('it stops within two seconds while jobs run, and tells of them at the next start', async () => {
    await start();
    const jid = nextJid();
    master.publish({ fun: 'test.sleep', arg: [60], tgt: '*', jid });
    await until(() => existsSync(join(dir, 'cache', 'proc', jid)), 'proc file');
    const began = Date.now();
    await minion.stop();
    assert.ok(Date.now() - began < 2000);
    await until(() => returns(jid).length > 0 || readdirSync(join(dir, 'cache', 'returns')).length > 0, 'return');
  });
});
