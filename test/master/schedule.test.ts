import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openBus } from '../../bus/event-bus.ts';
import { JidSource } from '../../bus/jid.ts';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import type { JobQueue } from '../../bus/queue/contract.ts';
import { MemoryEventStore } from '../../bus/store/memory.ts';
import { type PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import { startSchedule } from '../../master/schedule.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-schedule-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('a due runner is an event and a job of the queue; it runs again only when it is over, and nonsense is told', async () => {
  const lines: string[] = [];
  const log = new Log('t', (r) => void lines.push(r.message));
  const bus = openBus({ store: new MemoryEventStore({ count: 100 }), log });
  const tags: string[] = [];
  bus.events$.subscribe((e) => void tags.push(e.tag));
  const added: [string, WireMap][] = [];
  const queue = {
    add: async (id: string, data: WireMap) => {
      added.push([id, data]);
      return true;
    },
  } as unknown as JobQueue;
  const opts = new Opts(
    toPy({
      cachedir: root,
      schedule: {
        clean: { function: 'cache.clear_all', args: ['*'], kwargs: { tgt_type: 'glob' }, minutes: 1 },
        bad: { function: 'test.arg', cron: 'often' },
      },
    } as Wire) as PyDict,
  );
  let now = 1_800_000_000_000;
  const s = startSchedule({ opts, bus, queue, jids: new JidSource(), log, now: () => now });
  try {
    await s.tick();
    const [id, data] = added[0] ?? [];
    assert.equal(id, `schedule/clean/${now}`);
    assert.deepEqual(data?.['call'], {
      client: 'runner',
      id: 'clean',
      sls: 'schedule',
      fun: 'cache.clear_all',
      arg: ['*'],
      kwarg: { tgt_type: 'glob' },
      extra: {},
    });
    now += 60_000;
    await s.tick();
    assert.equal(added.length, 1, 'while it runs it does not run again');
    await bus.fire(`salt/run/${String(data?.['jid'])}/ret`, {}, { origin: 'master' }).durable;
    now += 60_000;
    await s.tick();
    assert.equal(added.length, 2);
    assert.ok(lines.some((l) => l.startsWith('Invalid cron string. Ignoring job bad.')));
    assert.ok(tags.includes('salt/schedule/clean/due'));
  } finally {
    await s.stop();
    await bus.close();
  }
});
