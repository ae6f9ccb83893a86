import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Place, startPlace } from '../services/place.ts';

let place: Place;
before(async () => {
  place = await startPlace({ minions: ['test1', 'web1-pro'], minion: 'grains:\n  role: web\n' });
});
after(() => place.close());

const up = (out: string): string[] => [...out.matchAll(/^(\S+):\n {4}True$/gm)].map((m) => m[1] as string).sort();

test('T02: salt-key lists, deletes and accepts keys', async () => {
  const listed = await place.run('salt-key', ['-L']);
  assert.match(listed.stdout, /^Accepted Keys:\ntest1\nweb1-pro\nDenied Keys:\nUnaccepted Keys:\nRejected Keys:\n/);
  const printed = await place.run('salt-key', ['-f', 'test1']);
  assert.match(printed.stdout, /test1:\s+([0-9a-f]{2}:){31}[0-9a-f]{2}/);
});

test('T03: functions on all minions, their documentation, and a command', async () => {
  assert.deepEqual(up((await place.run('salt', ['*', 'test.ping'])).stdout), ['test1', 'web1-pro']);
  const doc = await place.run('salt', ['*', 'sys.doc', 'test.ping']);
  assert.match(doc.stdout, /test\.ping:/);
  assert.match(doc.stdout, /CLI Example/);
  const module = await place.run('salt', ['*', 'sys.doc', 'test']);
  assert.match(module.stdout, /test\.echo:/);
  const uptime = await place.run('salt', ['*', 'cmd.run', 'uptime']);
  assert.equal([...uptime.stdout.matchAll(/load average/g)].length, 2, uptime.stdout);
});

test('T04: salt-run manage.status, manage.up and manage.down', async () => {
  const up = await place.run('salt-run', ['manage.up']);
  assert.deepEqual(up.stdout.trim().split('\n').sort(), ['- test1', '- web1-pro']);
  const status = await place.run('salt-run', ['manage.status', '--out', 'json']);
  const answer = JSON.parse(status.stdout) as { up: string[]; down: string[] };
  assert.deepEqual({ up: answer.up.sort(), down: answer.down }, { up: ['test1', 'web1-pro'], down: [] });
});

test('T05: salt-call with a master and without', async () => {
  const ping = await place.run('salt-call', ['test.ping'], { on: 'test1' });
  assert.equal(ping.stdout, 'local:\n    True\n');
  const run = await place.run('salt-call', ['cmd.run', 'echo here'], { on: 'test1' });
  assert.equal(run.stdout, 'local:\n    here\n');
  const local = await place.run('salt-call', ['--local', 'test.ping'], { on: 'test1' });
  assert.equal(local.stdout, 'local:\n    True\n');
});

test('T10: targets by glob, regular expression, list, grain and compound', async () => {
  const ping = async (...args: string[]): Promise<string[]> =>
    up((await place.run('salt', [...args, 'test.ping'])).stdout);
  assert.deepEqual(await ping('test*'), ['test1']);
  assert.deepEqual(await ping('-E', 'web1-(pro|devel)'), ['web1-pro']);
  assert.deepEqual(await ping('-L', 'test1,web1-pro'), ['test1', 'web1-pro']);
  assert.deepEqual(await ping('-G', 'os:Debian'), ['test1', 'web1-pro']);
  assert.deepEqual(await ping('-C', 'G@role:web and not test*'), ['web1-pro']);
});

test('T11: grains.items, grains.ls and grains.item', async () => {
  const ls = await place.run('salt', ['test*', 'grains.ls']);
  assert.match(ls.stdout, /- num_cpus/);
  const item = await place.run('salt', ['test*', 'grains.item', 'num_cpus']);
  assert.match(item.stdout, /^test1:\n {4}-+\n {4}num_cpus:\n {8}\d+\n$/);
  const items = await place.run('salt', ['test*', 'grains.items', '--out', 'json']);
  const grains = (JSON.parse(items.stdout) as Record<string, Record<string, unknown>>)['test1'];
  assert.equal(grains?.['os'], 'Debian');
  assert.equal(grains?.['role'], 'web');
});
