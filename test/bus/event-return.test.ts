import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBus } from '../../bus/event-bus.ts';
import { eventFilter, eventReturnOptions, returnEvents } from '../../bus/event-return.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryEventStore, MemoryKeyedStore } from '../../bus/store/memory.ts';
import { type Py, PyDict } from '../../bus/values.ts';

test('event_return gets the events its lists allow, in batches of its queue, and again what its store refused', async () => {
  const bus = openBus({
    store: new MemoryEventStore(),
    log: quietLog,
    cursors: new MemoryKeyedStore(),
    retry: { first: 1, most: 1 },
  });
  const options = eventReturnOptions(
    new Opts(
      new PyDict<Py>([
        ['event_return_queue', 3],
        ['event_return_whitelist', ['a/*', 'b']],
        ['event_return_blacklist', ['a/secret*']],
      ]),
    ),
  );
  const batches: string[][] = [];
  let away = 1;
  const hook = returnEvents(bus, 'fake', options, async (events) => {
    if (away-- > 0) throw new Error('the database is away');
    batches.push(events.map((e) => e.tag));
  });
  for (const tag of ['a/1', 'a/secret/x', 'c', 'b', 'a/2', 'a/3', 'a/4']) bus.fire(tag, {}, { origin: 'master' });
  while (batches.flat().length < 5) await new Promise((r) => setTimeout(r, 2));
  assert.deepEqual(batches.flat(), ['a/1', 'b', 'a/2', 'a/3', 'a/4']);
  assert.ok(batches.every((b) => b.length <= 3));
  await hook.close();
  await bus.close();
});

test('an empty whitelist allows all, a blacklist wins over a whitelist', () => {
  assert.ok(eventFilter({ whitelist: [], blacklist: [] })('x'));
  assert.ok(!eventFilter({ whitelist: ['x*'], blacklist: ['xy'] })('xy'));
});
