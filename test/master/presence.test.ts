import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { openBus } from '../../bus/event-bus.ts';
import { quietLog } from '../../bus/log.ts';
import { MemoryEventStore, MemoryKeyedStore } from '../../bus/store/memory.ts';
import { toPy } from '../../bus/values.ts';
import { MinionCache } from '../../master/minion-cache.ts';
import { Presence } from '../../master/presence.ts';

const own = Object.values(networkInterfaces()).flatMap((l) => (l ?? []).map((a) => a.address));

test('who joins and who leaves is told once, who is present at every turn', async () => {
  const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
  const cache = new MinionCache(new MemoryKeyedStore());
  await cache.store('grains', 'far', toPy({ ipv4: ['127.0.0.1', '10.9.8.7'], ipv6: ['::1', 'fd00::7'] }));
  await cache.store('grains', 'near', toPy({ ipv4: own.slice(0, 1), ipv6: [] }));
  await cache.store('grains', 'mute', toPy({}));
  let peers = new Set<string>();
  const presence = new Presence(
    bus,
    cache,
    () => peers,
    () => ['far', 'mute', 'near'],
  );
  const seen: unknown[] = [];
  bus.events$.subscribe((e) => {
    const { _stamp: _s, ...data } = e.data;
    seen.push([e.tag.split('/').at(-1), JSON.parse(JSON.stringify(data))]);
  });
  const turn = (now: string[]): unknown[] => {
    peers = new Set(now);
    seen.length = 0;
    presence.tell();
    return [...seen];
  };
  assert.deepEqual(turn([]), [['present', { present: [] }]]);
  assert.deepEqual(turn(['10.9.8.7']), [
    ['change', { new: ['far'], lost: [] }],
    ['present', { present: ['far'] }],
  ]);
  assert.deepEqual(turn(['10.9.8.7:51234']), [['present', { present: ['far'] }]]);
  const local = turn(['127.0.0.1']);
  assert.deepEqual(local.at(-1), ['present', { present: ['near'] }], 'a local connection is one of this machine');
  assert.deepEqual(turn(['tcp://[fd00::7]:4505']).at(-1), ['present', { present: ['far'] }]);
  assert.deepEqual(turn([]).at(-1), ['present', { present: [] }]);
  await cache.store('grains', 'far', toPy({ ipv4: ['10.1.1.1'] }));
  await bus.close();
});

test('a purged minion leaves nothing, and banks are listed without reading them', async () => {
  const cache = new MinionCache(new MemoryKeyedStore());
  for (const bank of ['grains', 'pillar', 'mine']) await cache.store(bank, 'a', toPy({ x: 1 }));
  await cache.store('grains', 'ab', toPy({ y: 2 }));
  await cache.store('tokens', 't', toPy({ z: 3 }));
  assert.deepEqual(cache.list('grains'), ['a', 'ab']);
  assert.equal(cache.grains('a')?.get('x'), 1);
  await cache.purge('a');
  assert.deepEqual([cache.grains('a'), cache.pillar('a'), cache.mine('a')], [undefined, undefined, undefined]);
  assert.deepEqual(cache.list('grains'), ['ab']);
  assert.equal(await cache.flush('tokens'), true);
  assert.equal(await cache.flush('tokens'), false);
  assert.ok((cache.updated('grains', 'ab') ?? 0) > 0);
  await cache.store('grains', 'ab', toPy({ y: 5 }));
  assert.equal(cache.grains('ab')?.get('y'), 5, 'a later store is seen at once');
});
