import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPlace } from '../services/place.ts';

test('walk B: an event meets a rule, its job is queued, published, run, returned and stored', {
  timeout: 60_000,
}, async () => {
  const place = await startPlace({ master: "reactor:\n  - 'shop/*/order':\n    - salt://order.sls\n" });
  try {
    place.write(
      'srv/salt/order.sls',
      "take_{{ tag.split('/')[1] }}:\n  local.test.echo:\n    - tgt: '*'\n    - args:\n      - text: \"{{ data.item }} for {{ data.who }}\"\n",
    );
    const events = place.events();
    const seen: { tag: string; id: number; cause: unknown; data: Record<string, unknown> }[] = [];
    const done = (async () => {
      for await (const e of events.iterEvents({ full: true })) {
        seen.push(e as unknown as (typeof seen)[number]);
        if (/^salt\/job\/\d+\/ret\/alpha$/.test(e.tag)) return;
      }
    })();
    await new Promise((ok) => setTimeout(ok, 300));
    const fired = await place.events().fireEvent({ item: 'kettle', who: 'reader' }, 'shop/web1/order');
    assert.ok(fired.id, 'the firer is told the position of its event');
    await Promise.race([
      done,
      new Promise((_ok, no) =>
        setTimeout(
          () => no(new Error(`no return; seen ${seen.map((s) => s.tag)}\n${place.master.log()}`)),
          15_000,
        ).unref(),
      ),
    ]);
    const jobs = seen.filter((e) => /^salt\/job\/\d+\/new$/.test(e.tag));
    assert.equal(jobs.length, 1);
    assert.deepEqual(jobs[0]?.data['minions'], ['alpha']);
    const ret = seen.at(-1);
    assert.equal(ret?.data['return'], 'kettle for reader');
    assert.equal(ret?.data['success'], true);
  } finally {
    await place.close();
  }
});

test('templates of reactions call execution functions, in Jinja and in Python', { timeout: 60_000 }, async () => {
  const place = await startPlace({
    minions: [],
    master: "reactor:\n  - 'jinja/*':\n    - salt://jinja.sls\n  - 'python/*':\n    - salt://python.sls\n",
  });
  try {
    place.write(
      'srv/salt/jinja.sls',
      "said:\n  runner.event.send:\n    - tag: heard/jinja\n    - data: {text: {{ salt['test.echo'](data.word) }}, has: {{ 'cmd.run' in salt }}}\n",
    );
    place.write(
      'srv/salt/python.sls',
      "#!py\ndef run():\n    return {'said': {'runner.event.send': [{'tag': 'heard/python'}, {'data': {'text': __salt__['test.echo'](data['word'])}}]}}\n",
    );
    for (const kind of ['jinja', 'python']) {
      const events = place.events();
      await events.connect();
      await events.fireEvent({ word: 'kettle' }, `${kind}/go`);
      const got = await events.getEvent({ tag: `heard/${kind}`, wait: 15 });
      assert.equal(got?.['text'], 'kettle', place.master.log());
    }
  } finally {
    await place.close();
  }
});
