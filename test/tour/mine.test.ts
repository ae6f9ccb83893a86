import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { WireMap } from '../../bus/values.ts';
import { type Place, startPlace } from '../services/place.ts';

let place: Place;
before(async () => {
  place = await startPlace({
    minions: ['test1', 'web1-pro'],
    master: `schedule:
  tidy:
    function: test.arg
    args: [a]
    kwargs: {k: v}
    seconds: 1
`,
    minion: `mine_functions:
  network.interfaces: []
  alias:
    - mine_function: test.arg
    - a
    - k: v
  for_web:
    - mine_function: grains.get
    - id
    - allow_tgt: 'web*'
beacons:
  memusage:
    - percent: 0%
    - interval: 1
schedule:
  beat:
    function: event.send
    args: [tour/schedule/beat]
    seconds: 1
`,
  });
});
after(() => place.close());

const json = async (args: string[]): Promise<Record<string, Record<string, unknown>>> =>
  JSON.parse((await place.run('salt', ['--out', 'json', '--static', ...args])).stdout);

test("T31: salt '*' mine.get '*' network.interfaces shows every minion what all minions published at their start", async () => {
  let got = await json(['*', 'mine.get', '*', 'network.interfaces']);
  for (let i = 0; i < 20 && Object.keys(got['test1'] ?? {}).length < 2; i++) {
    await new Promise((done) => setTimeout(done, 250));
    got = await json(['*', 'mine.get', '*', 'network.interfaces']);
  }
  for (const asker of ['test1', 'web1-pro'])
    for (const id of ['test1', 'web1-pro']) {
      const seen = got[asker]?.[id] as Record<string, { up: boolean }> | undefined;
      assert.equal(seen?.['lo']?.up, true, `${asker} sees ${id}`);
    }
});

test('an alias carries its own arguments, and allow_tgt says who may read a value', async () => {
  const alias = (await json(['test1', 'mine.get', 'test1', 'alias']))['test1'] as Record<string, unknown>;
  assert.deepEqual(alias['test1'], { args: ['a'], kwargs: { k: 'v' } });
  const seen = await json(['*', 'mine.get', '*', 'for_web']);
  assert.deepEqual(seen['test1'], {});
  assert.deepEqual(seen['web1-pro'], { test1: 'test1', 'web1-pro': 'web1-pro' });
});

test('mine.send, mine.delete, mine.flush and mine.update change what is published', async () => {
  const get = async (fun: string): Promise<unknown> => (await json(['test1', 'mine.get', 'test1', fun]))['test1'];
  await json(['test1', 'mine.send', 'mine_own', 'mine_function=test.echo', 'hello']);
  assert.deepEqual(await get('mine_own'), { test1: 'hello' });
  await json(['test1', 'mine.delete', 'mine_own']);
  assert.deepEqual(await get('mine_own'), {});
  await json(['test1', 'mine.flush']);
  assert.deepEqual(await get('alias'), {});
  await json(['test1', 'mine.update']);
  assert.deepEqual(await get('alias'), { test1: { args: ['a'], kwargs: { k: 'v' } } });
});

test('T26: a job of the configuration runs each second, and one that is added runs too', async () => {
  await place.until('tour/schedule/beat');
  const added = await json([
    'test1',
    'schedule.add',
    'more',
    'function=event.send',
    'seconds=1',
    "job_args=['tour/more']",
  ]);
  assert.deepEqual(added['test1'], {
    comment: 'Added job: more to schedule.',
    result: true,
    changes: { more: 'added' },
  });
  await place.until('tour/more');
  const listed = (await place.run('salt', ['test1', 'schedule.list'])).stdout;
  assert.match(listed, /more:\n\s+args:\n\s+- tour\/more\n\s+enabled: true\n/);
});

test('a beacon of a minion is an event on the master', async () => {
  const events = place.events();
  const e = await events.getEvent({ tag: 'salt/beacon/test1/memusage/', wait: 20, full: true });
  assert.equal(e?.data['id'], 'test1');
  assert.ok(Number(e?.data['memusage']) > 0);
});

test('T26: the schedule of the master runs a runner through the queue', async () => {
  const events = place.events();
  await place.until('salt/schedule/tidy/due');
  let run: WireMap | undefined;
  for (let i = 0; i < 20 && !run; i++) {
    const e = await events.getEvent({ tag: 'salt/run/', wait: 10, full: true });
    assert.ok(e, 'no runner ran');
    if (e.tag.endsWith('/ret') && e.data['fun'] === 'runner.test.arg') run = e.data;
  }
  assert.equal(run?.['success'], true);
  assert.equal(JSON.stringify(run?.['return']), '{"args":["a"],"kwargs":{"k":"v"}}');
});

test('with the key the values of the mine go', async () => {
  await place.run('salt-key', ['-y', '-d', 'web1-pro']);
  const left = (await json(['test1', 'mine.get', '*', 'alias']))['test1'] as object;
  assert.deepEqual(Object.keys(left), ['test1']);
});
