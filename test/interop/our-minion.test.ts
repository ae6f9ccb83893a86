import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../services/ports.ts';

const run = promisify(execFile);
const reference = [process.env['BRINE_SALT_REF'], resolve('.ref/bin')].find(
  (dir) => dir !== undefined && existsSync(join(dir, 'salt-master')),
);
const built = resolve(process.env['BRINE_BUILD'] ?? '.build', 'minion/cli');
const skip = !reference
  ? 'no reference Salt here: set BRINE_SALT_REF to its bin folder, or install it to .ref'
  : existsSync(join(built, 'salt-minion.js'))
    ? false
    : 'the minion is not built';

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));
async function until(ready: () => boolean, ms: number, what: string): Promise<void> {
  for (const end = Date.now() + ms; !ready(); await sleep(50)) if (Date.now() > end) throw new Error(`no ${what}`);
}

describe('our minion under a master of the reference', { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'own-'));
  const config = join(dir, 'etc');
  const cache = join(dir, 'cache');
  let master: ChildProcess;
  let minion: ChildProcess;

  const startMaster = (): ChildProcess => {
    const out = openSync(join(dir, 'master.out'), 'a');
    return spawn(join(reference as string, 'salt-master'), ['-c', config], {
      stdio: ['ignore', out, out],
      detached: true,
    });
  };
  const startMinion = (): ChildProcess => {
    const out = openSync(join(dir, 'minion.out'), 'a');
    return spawn(process.execPath, [join(built, 'salt-minion.js'), '-c', config], { stdio: ['ignore', out, out] });
  };
  const log = (): string => readFileSync(join(dir, 'minion.out'), 'utf8');
  const ended = (p: ChildProcess): Promise<void> =>
    new Promise((r) => (p.exitCode === null && p.signalCode === null ? p.once('exit', () => r()) : r()));
  const stopMaster = async (): Promise<void> => {
    process.kill(-(master.pid as number), 'SIGTERM');
    await ended(master);
  };

  /** Runs the reference's `salt` against our minion and answers what it returned. */
  async function salt(...words: string[]): Promise<unknown> {
    return saltFor(20, ...words);
  }
  async function saltFor(seconds: number, ...words: string[]): Promise<unknown> {
    const args = ['-c', config, '--out', 'json', '--static', '-t', String(seconds), 'own', ...words];
    const done = await run(join(reference as string, 'salt'), args).catch((e: { stdout: string }) => e);
    return (JSON.parse(done.stdout) as { own?: unknown }).own;
  }
  async function call(...words: string[]): Promise<unknown> {
    const program = join(built, 'salt-call.js');
    const done = await run(process.execPath, [program, '-c', config, '--out', 'json', ...words]);
    return (JSON.parse(done.stdout) as { local?: unknown }).local;
  }

  before(async () => {
    mkdirSync(join(dir, 'srv', '_modules'), { recursive: true });
    mkdirSync(join(dir, 'pillar'));
    mkdirSync(config);
    writeFileSync(join(dir, 'pillar', 'top.sls'), "base: {'*': [facts]}\n");
    writeFileSync(join(dir, 'pillar', 'facts.sls'), 'team: harbour\n');
    writeFileSync(
      join(dir, 'srv', '_modules', 'quay.js'),
      "exports.default = { functions: { berth: { sig: 'berth(n)', doc: '', run: ({ n }) => 'berth ' + n } } };\n",
    );
    const [publish, ret] = [await freePort(), await freePort()];
    const common = [`root_dir: ${dir}`, 'user: root', `log_file: ${dir}/log`];
    writeFileSync(
      join(config, 'master'),
      [
        ...common,
        'interface: 127.0.0.1',
        `publish_port: ${publish}`,
        `ret_port: ${ret}`,
        'auto_accept: true',
        'worker_threads: 3',
        `pki_dir: ${dir}/pki/master`,
        `cachedir: ${dir}/master-cache`,
        `sock_dir: ${dir}/run-master`,
        `pidfile: ${dir}/master.pid`,
        `file_roots: {base: [${dir}/srv]}`,
        `pillar_roots: {base: [${dir}/pillar]}`,
        'gather_job_timeout: 3',
        '',
      ].join('\n'),
    );
    writeFileSync(
      join(config, 'minion'),
      [
        ...common,
        'id: own',
        'master: 127.0.0.1',
        `master_port: ${ret}`,
        `pki_dir: ${dir}/pki/minion`,
        `cachedir: ${cache}`,
        `sock_dir: ${dir}/run`,
        `pidfile: ${dir}/minion.pid`,
        'acceptance_wait_time: 1',
        'log_level: info',
        'mine_functions: {test.ping: []}',
        '',
      ].join('\n'),
    );
    master = startMaster();
    minion = startMinion();
    await until(() => log().includes('Minion is ready to receive requests!'), 60_000, 'readiness');
  });

  after(async () => {
    minion?.kill('SIGTERM');
    if (minion) await ended(minion);
    if (master) await stopMaster().catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  });

  test('it answers test.ping, runs commands and gives their return codes', async () => {
    assert.equal(await salt('test.ping'), true);
    assert.equal(await salt('cmd.run', 'echo hello'), 'hello');
    const args = ['-c', config, 'own', 'cmd.retcode', 'exit 3'];
    const failed = await run(join(reference as string, 'salt'), args).catch((e: { code: number }) => e);
    assert.equal('code' in failed ? failed.code : 0, 1);
  });

  test('it words its errors as the reference’s minion does', async () => {
    assert.equal(await salt('no.such'), "'no.such' is not available.");
    assert.equal(
      await salt('test.ping', 'colour=red'),
      "ERROR executing 'test.ping': The following keyword arguments are not valid: colour=red",
    );
    const passed = (await salt('test.echo')) as string;
    assert.match(
      passed,
      /^Passed invalid arguments to test\.echo: echo\(\) missing 1 required positional argument: 'text'\n/,
    );
    const raised = (await salt('test.exception', 'message=no luck')) as string;
    assert.match(raised, /^The minion function caused an exception: Traceback \(most recent call last\):\n/);
    assert.match(raised, /\nException: no luck\n$/);
  });

  test('it is found by grains, pillar and compound targets, and only then', async () => {
    const ask = async (...words: string[]): Promise<string> =>
      (
        await run(join(reference as string, 'salt'), ['-c', config, '--out', 'json', '--static', ...words]).catch(
          (e: { stdout: string }) => e,
        )
      ).stdout;
    assert.match(await ask('-G', 'id:own', 'test.ping'), /true/);
    assert.match(await ask('-I', 'team:harbour', 'test.ping'), /true/);
    assert.match(await ask('-C', 'G@id:own and not I@team:yard', 'test.ping'), /true/);
    assert.doesNotMatch(await ask('-C', 'I@team:yard', 'test.ping'), /true/);
  });

  test('several functions in one job, and the mine', async () => {
    assert.deepEqual(await salt('test.ping,test.echo', ',hi'), { 'test.ping': true, 'test.echo': 'hi' });
    assert.equal(await salt('mine.update'), true);
    assert.deepEqual(await salt('mine.get', '*', 'test.ping'), { own: true });
  });

  test('a running job is found, told of and killed with all it started', async () => {
    const slow = saltFor(3, 'cmd.run', 'sleep 61');
    await until(() => existsSync(join(cache, 'proc')) && readdirSync(join(cache, 'proc')).length > 0, 10_000, 'job');
    const jid = readdirSync(join(cache, 'proc'))[0] as string;
    const found = (await salt('saltutil.find_job', jid)) as { fun: string; pid: number };
    assert.equal(found.fun, 'cmd.run');
    assert.equal(((await salt('saltutil.is_running', 'cmd.*')) as unknown[]).length, 1);
    assert.equal(await salt('saltutil.kill_job', jid), `Signal 9 sent to job ${jid} at pid ${found.pid}`);
    assert.deepEqual(await salt('saltutil.running'), []);
    assert.throws(() => process.kill(found.pid, 0));
    await slow.catch(() => undefined);
  });

  test('operators’ modules are synced and run', async () => {
    assert.deepEqual(await salt('saltutil.sync_modules'), ['modules.quay']);
    assert.equal(await salt('quay.berth', '4'), 'berth 4');
    assert.deepEqual(await salt('saltutil.sync_modules'), []);
  });

  test('salt-call signs in, uses the master, and reports its return', async () => {
    assert.equal(await call('test.ping'), true);
    assert.deepEqual(await call('mine.get', '*', 'test.ping'), { own: true });
    assert.equal(await call('event.send', 'yard/gate', 'who=guard'), true);
    assert.equal(await call('event.fire', '{a: 1}', 'yard/inner'), true);
  });

  test('a job outlives a kill of the minion, and its return arrives after the restart', async () => {
    const slow = salt('cmd.run', 'sleep 3; echo survived');
    await until(() => readdirSync(join(cache, 'proc')).length > 0, 10_000, 'job');
    minion.kill('SIGKILL');
    await ended(minion);
    minion = startMinion();
    assert.equal(await slow, 'survived');
  });

  test('it finds its master again after a restart of the master, with its new key', async () => {
    const before = log().split('Minion is ready').length;
    await stopMaster();
    await until(() => log().includes('Connection to master 127.0.0.1 lost'), 10_000, 'loss');
    master = startMaster();
    await until(() => log().split('Minion is ready').length > before, 60_000, 'new connection');
    assert.equal(await salt('test.ping'), true);
  });

  test('SIGTERM ends it within two seconds', async () => {
    const start = Date.now();
    minion.kill('SIGTERM');
    await ended(minion);
    assert.ok(Date.now() - start < 2000, `${Date.now() - start} ms`);
    assert.equal(minion.exitCode, 0);
  });
});
