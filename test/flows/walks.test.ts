import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Place, startPlace } from '../services/place.ts';

interface Seen {
  tag: string;
  data: Record<string, unknown>;
}

let place: Place;
const seen: Seen[] = [];
before(async () => {
  place = await startPlace({ minions: ['alpha', 'beta'] });
  const events = place.events();
  void (async () => {
    for await (const e of events.iterEvents({ full: true })) seen.push(e as unknown as Seen);
  })();
  await place.run('salt', ['*', 'test.ping']);
  seen.length = 0;
});
after(() => place.close());

test("walk A: salt '*' test.ping is published, run, returned, printed, and every step is an event", async () => {
  const ran = await place.run('salt', ['*', 'test.ping']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(ran.stdout.match(/\w+:\n {4}True\n/g)?.sort(), ['alpha:\n    True\n', 'beta:\n    True\n']);
  const tags = seen.map((e) => e.tag.replace(/\d{20}/, 'JID'));
  assert.deepEqual(tags.slice(0, 2), ['salt/job/JID/new', 'salt/job/JID/publish']);
  assert.deepEqual(tags.slice(2).sort(), ['salt/job/JID/ret/alpha', 'salt/job/JID/ret/beta']);
  const [made] = seen as [Seen];
  assert.deepEqual(made.data['minions'], ['alpha', 'beta']);
  assert.equal(made.data['fun'], 'test.ping');
});

test('walk D: a return is in the job cache for whoever asks later', async () => {
  const jid = String((seen[0] as Seen).data['jid']);
  const ran = await place.run('salt-run', ['jobs.lookup_jid', jid, '--out', 'json']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(JSON.parse(ran.stdout), { alpha: true, beta: true });
  const listed = await place.run('salt-run', ['jobs.list_job', jid, '--out', 'json']);
  const job = JSON.parse(listed.stdout) as Record<string, unknown>;
  assert.equal(job['Function'], 'test.ping');
  assert.deepEqual((job['Minions'] as string[]).sort(), ['alpha', 'beta']);
  assert.deepEqual(Object.keys(job['Result'] as object).sort(), ['alpha', 'beta']);
});

test('walk C: a minion that starts signs in, is cached, asks its pillar and says that it is up', async () => {
  await place.minion('beta').stop();
  seen.length = 0;
  place.minion('beta').start();
  await place.until('salt/minion/beta/start');
  const tags = seen.map((e) => e.tag);
  const auth = tags.indexOf('salt/auth');
  assert.ok(auth >= 0, tags.join(' '));
  assert.equal(seen[auth]?.data['act'], 'accept');
  assert.equal(seen[auth]?.data['id'], 'beta');
  assert.ok(tags.indexOf('minion/refresh/beta') > auth || tags.includes('minion_start'), tags.join(' '));
  const grains = await place.run('salt-run', ['cache.grains', 'beta', '--out', 'json']);
  assert.equal((JSON.parse(grains.stdout) as Record<string, Record<string, unknown>>)['beta']?.['id'], 'beta');
});

test('a minion that is pending runs nothing until its key is accepted', async () => {
  const other = await startPlace({ over: { master: { auto_accept: false } }, minions: [] });
  try {
    other.write(
      'gamma/minion',
      `id: gamma\nroot_dir: ${other.root}\nmaster: 127.0.0.1\nmaster_port: ${other.ports.ret}\npublish_port: ${other.ports.publish}\npki_dir: ${other.root}/gamma/pki\ncachedir: ${other.root}/gamma/cache\nsock_dir: ${other.sockDir}\nacceptance_wait_time: 1\n`,
    );
    const { spawn } = await import('node:child_process');
    const [cmd, ...args] = other.program('salt-minion') as [string, ...string[]];
    const pending = other.until('salt/auth');
    const child = spawn(cmd, [...args, '-c', `${other.root}/gamma`], { stdio: 'ignore' });
    try {
      await pending;
      const listed = await other.run('salt-key', ['-L', '--out', 'json']);
      assert.deepEqual((JSON.parse(listed.stdout) as Record<string, unknown>)['minions_pre'], ['gamma']);
      const none = await other.run('salt', ['gamma', 'test.ping']);
      assert.match(none.stdout + none.stderr, /No minions matched the target/);
      const up = other.until('salt/minion/gamma/start');
      const accepted = await other.run('salt-key', ['-y', '-a', 'gamma']);
      assert.equal(accepted.code, 0, accepted.stderr);
      await up;
      const ping = await other.run('salt', ['gamma', 'test.ping']);
      assert.equal(ping.stdout, 'gamma:\n    True\n');
    } finally {
      child.kill('SIGKILL');
    }
  } finally {
    await other.close();
  }
});
