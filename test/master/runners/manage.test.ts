import assert from 'node:assert/strict';
import { test } from 'node:test';
import manage from '../../../master/runners/manage.ts';
import { toWire } from '../../../sls/values.ts';
import { runPlace } from './run-fixture.ts';

const minions = ['db1', 'web1', 'web2'];
const answer = (id: string): boolean | undefined => (id === 'web1' ? undefined : true);

test('status pings and sorts who answered from who did not', async () => {
  const p = runPlace({ minions, answer });
  assert.deepEqual(toWire(await p.call(manage, 'status')), { up: ['db1', 'web2'], down: ['web1'] });
  assert.deepEqual(await p.call(manage, 'up'), ['db1', 'web2']);
  assert.deepEqual(await p.call(manage, 'down'), ['web1']);
  assert.deepEqual(p.keys.list().minions, minions);
});

test('a target that means nobody is said to, and nobody is up or down', async () => {
  const p = runPlace({ minions, answer });
  assert.deepEqual(toWire(await p.call(manage, 'status', [], { tgt: 'zoe' })), { up: [], down: [] });
  assert.deepEqual(p.printed, ['No minions matched the target. No command was sent, no jid was assigned.']);
});

test('down with removekeys deletes the keys of silent minions only', async () => {
  const p = runPlace({ minions, answer });
  assert.deepEqual(await p.call(manage, 'down', [], { removekeys: true }), ['web1']);
  assert.deepEqual(p.keys.list().minions, ['db1', 'web2']);
});

test('presence comes from the running master, without asking minions', async () => {
  const p = runPlace({ minions, order: () => ({ web2: '10.0.0.2', db1: '10.0.0.3' }) });
  for (const name of ['alived', 'joined', 'allowed', 'present', 'reaped', 'list_state'])
    assert.deepEqual(await p.call(manage, name), ['db1', 'web2'], name);
  for (const name of ['not_alived', 'not_joined', 'not_allowed', 'not_present', 'not_reaped', 'list_not_state'])
    assert.deepEqual(await p.call(manage, name), ['web1'], name);
  assert.deepEqual(toWire(await p.call(manage, 'present', [], { show_ip: true, subset: ['web2'] })), {
    web2: '10.0.0.2',
  });
  assert.deepEqual(await p.call(manage, 'not_present', [], { subset: ['web2'] }), []);
});

test('without a master nobody is connected', async () => {
  const p = runPlace({ minions });
  assert.deepEqual(await p.call(manage, 'present'), []);
  assert.deepEqual(await p.call(manage, 'not_present'), minions);
});

test('versions are grouped by how they compare with the master', async () => {
  const versions: Record<string, string | false> = {
    a: '3008.5',
    b: '3006.1',
    c: '3009.0',
    d: '2019.2.8',
    e: false,
    f: '3008.5rc1',
    g: '3008.5',
  };
  const p = runPlace({ minions: Object.keys(versions), answer: (id) => versions[id] });
  assert.deepEqual(toWire(await p.call(manage, 'versions')), {
    'Up to date': { a: '3008.5', g: '3008.5' },
    'Minion requires update': { b: '3006.1', d: '2019.2.8', f: '3008.5rc1' },
    'Minion newer than master': { c: '3009.0' },
    'Minion offline': { e: false },
    Master: '3008.5',
  });
});
