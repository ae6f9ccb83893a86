import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fingerOfBody } from '../../bus/wire/keys.ts';
import { openPlace, type Place, programOf, type Ran, startPlace } from '../services/place.ts';

const RUNNER = `exports.default = {
  functions: {
    hello: {
      sig: "hello(name='world')",
      doc: 'Says hello.\\n\\nCLI Example:\\n\\n    salt-run site.hello',
      run: async (a, ctx) => {
        ctx.progress({ message: 'soon' });
        ctx.print('printed');
        if (a.name === 'nobody') ctx.retcode = 3;
        return 'hello ' + a.name;
      },
    },
  },
};
`;

/** Maps from the wire have no prototype. */
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

describe('salt-run and salt-key beside a running master', () => {
  let place: Place;
  const run = (...words: string[]): Promise<Ran> => place.run('salt-run', words);
  const json = async (...words: string[]): Promise<unknown> => JSON.parse((await run('--out=json', ...words)).stdout);

  before(async () => {
    place = await startPlace({ minions: ['alpha'], master: 'timeout: 3\ngather_job_timeout: 3\n' });
  });
  after(() => place?.close());

  test('a run is told on the bus, and kept as a job of the master', async () => {
    const bus = place.events();
    await bus.connect();
    const jid = '20300101000000000777';
    assert.deepEqual(await json('--jid', jid, 'test.arg', 'p', 'n=3'), { args: ['p'], kwargs: { n: 3 } });
    const told = await bus.getEvent({ tag: `salt/run/${jid}/new`, wait: 5 });
    assert.deepEqual(plain({ ...told, _stamp: 0 }), {
      _stamp: 0,
      fun: 'runner.test.arg',
      jid,
      user: 'root',
      fun_args: ['p', { n: 3 }],
    });
    const ret = await bus.getEvent({ tag: `salt/run/${jid}/ret`, wait: 5 });
    assert.equal(ret?.['success'], true);
    const jobs = (await json('jobs.list_jobs', 'search_function=runner.test.*')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(jobs), [jid]);
    const kept = (await json('jobs.lookup_jid', jid)) as Record<string, { return: unknown }>;
    assert.deepEqual(Object.values(kept)[0]?.return, { args: ['p'], kwargs: { n: 3 } });
  });

  test('minions answer to manage, salt.execute and mine', async () => {
    assert.deepEqual(await json('manage.status'), { up: ['alpha'], down: [] });
    assert.deepEqual(await json('manage.alived'), ['alpha']);
    assert.deepEqual(await json('manage.versions'), { 'Up to date': { alpha: '3008.5' }, Master: '3008.5' });
    assert.deepEqual(await json('salt.execute', 'alpha', 'test.echo', 'kwarg={text: one}'), { alpha: 'one' });
    assert.equal(await json('salt.cmd', 'test.ping'), true);
  });

  test('the cache is written through the master and read beside it', async () => {
    assert.equal((await run('cache.store', 'site', 'release', '{v: 1}')).stdout, 'None\n');
    assert.deepEqual(await json('cache.fetch', 'site', 'release'), { v: 1 });
    assert.equal(await json('cache.flush', 'site', 'release'), true);
    assert.deepEqual(await json('cache.list', 'site'), []);
    assert.deepEqual(await json('cache.list', 'grains'), ['alpha']);
  });

  test("a failed run's code becomes the exit code", async () => {
    const failed = await run('error.error', 'name=Exception', 'message=boom');
    assert.equal(failed.code, 1);
    assert.match(
      failed.stdout,
      /^Exception occurred in runner error\.error: Traceback \(most recent call last\):\n[\s\S]*Exception: boom\n$/,
    );
  });

  test("an operator's own runner is synced, prints, tells its progress and sets the exit code", async () => {
    place.write('srv/salt/_runners/site.js', RUNNER);
    assert.deepEqual(await json('saltutil.sync_runners'), ['runners.site']);
    const bus = place.events();
    await bus.connect();
    const ran = await run('site.hello', 'nobody');
    assert.equal(ran.code, 3);
    assert.match(
      ran.stdout,
      /^event:\n {4}-+\n {4}_stamp:\n.*\n {4}message:\n {8}soon\nsuffix:\n {4}progress\nprinted\nhello nobody\n$/,
    );
    const told = await bus.getEvent({ tag: 'salt/run/', matchType: 'startswith', wait: 5 });
    assert.ok(told);
    assert.equal((await run('--quiet', 'site.hello')).stdout, 'printed\n');
  });

  test('--async leaves the run to the master and says under which tag', async () => {
    const bus = place.events();
    await bus.connect();
    const ran = await run('--async', 'test.arg', 'later');
    assert.equal(ran.stdout, '');
    const tag = /is running under tag (salt\/run\/\d{20})\n$/.exec(ran.stderr)?.[1];
    assert.ok(tag, ran.stderr);
    const ret = await bus.getEvent({ tag: `${tag}/ret`, wait: 20 });
    assert.deepEqual(plain(ret?.['return']), { args: ['later'], kwargs: {} });
  });

  test('documentation is printed for a function, a module, or what was spelt wrongly', async () => {
    assert.match((await run('-d', 'test.arg')).stdout, /^test\.arg:\nAnswers what/);
    assert.deepEqual((await run('-d', 'jobs')).stdout.match(/^jobs\.\w+:$/gm)?.length, 9);
    assert.match((await run('test.metasyntactic', 'colour=red')).stdout, /^test\.metasyntactic:\n {4}Names/);
    assert.equal((await run('test.nosuch')).stdout, "'test.nosuch' is not available.\n");
  });

  test('state.event prints events as they happen', async () => {
    const [cmd, ...args] = programOf('salt-run') as [string, ...string[]];
    const words = ['-c', place.configDir('master'), 'state.event', 'my/*', 'count=2', 'pretty=True'];
    const child = spawn(cmd, [...args, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (c: Buffer) => {
      out += c.toString();
    });
    const ended = new Promise((done) => child.once('close', done));
    const bus = place.events();
    for (let i = 0; i < 100 && !out; i++) {
      await bus.fireEvent({ i, who: 'test' }, 'my/event');
      await new Promise((r) => setTimeout(r, 50));
    }
    await bus.fireEvent({ last: true }, 'my/event');
    assert.equal(await ended, 0);
    assert.match(
      out,
      /^my\/event\t\{\n {4}"_stamp": "[^"]+",\n {4}"i": \d+,\n {4}"who": "test"\n\}\nmy\/event\t\{[^}]*\}\nNone\n$/,
    );
  });

  test('salt-key changes keys through the master, and shows its fingerprint as minions take it', async () => {
    const bus = place.events();
    await bus.connect();
    const pem = readFileSync(join(place.root, 'master/pki/master.pub'), 'utf8');
    place.write('master/pki/minions_pre/later', pem);
    const accepted = await place.run('salt-key', ['-y', '-a', 'later']);
    assert.match(accepted.stdout, /Key for minion later accepted\.\n$/);
    const told = await bus.getEvent({ tag: 'salt/key', wait: 5 });
    assert.equal(told?.['act'], 'accepted');
    const deleted = await place.run('salt-key', ['-d', 'later'], { input: 'y\n' });
    assert.match(deleted.stdout, /Proceed\? \[N\/y\] Key for minion later deleted\.\n$/);
    assert.equal((await bus.getEvent({ tag: 'salt/key', wait: 5 }))?.['act'], 'delete');
    const shown = JSON.parse((await place.run('salt-key', ['-F', '--out=json'])).stdout) as { local: object };
    const own = Object.entries(shown.local).filter(([name]) => name.endsWith('.pub'));
    assert.deepEqual(
      own.map(([, finger]) => finger),
      [fingerOfBody(pem)],
    );
  });

  test('deleting the key of a connected minion ends its session', async () => {
    assert.equal((await place.run('salt-key', ['-y', '-d', 'alpha'])).code, 0);
    assert.deepEqual(await json('cache.list', 'grains'), []);
  });
});

test('runners that need no master work without one, and others say what is missing', async () => {
  const place = await openPlace({ minions: [] });
  try {
    mkdirSync(join(place.root, 'master/pki/minions'), { recursive: true });
    place.write('srv/salt/a.txt', 'x');
    place.write('master/pki/minions/web1', 'KEY');
    assert.equal((await place.run('salt-run', ['test.arg', 'x'])).stdout, 'args:\n    - x\nkwargs:\n    ----------\n');
    assert.equal((await place.run('salt-run', ['fileserver.file_list'])).stdout, '- a.txt\n');
    assert.equal((await place.run('salt-run', ['manage.not_alived'])).stdout, '- web1\n');
    assert.equal((await place.run('salt-run', ['jobs.list_jobs'])).stdout, '');
    assert.equal((await place.run('salt-key', ['-l', 'acc'])).stdout, 'Accepted Keys:\nweb1\n');
    const failed = await place.run('salt-run', ['manage.up']);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout, /SaltDaemonNotRunning/);
    assert.match((await place.run('salt-run', ['reactor.list'])).stdout, /Reactor system is not running\.\n$/);
  } finally {
    await place.close();
  }
});
