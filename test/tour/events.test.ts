import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SaltEvent } from '../../bus/program.ts';
import { type Place, startPlace } from '../services/place.ts';

let place: Place;
before(async () => {
  place = await startPlace({
    minions: ['mysql1', 'web1'],
    master: "reactor:\n  - 'testtag':\n    - salt://start.sls\n  - 'test1*tag':\n    - salt://other.sls\n",
  });
  place.write(
    'srv/salt/start.sls',
    `{% if data['id'] == 'mysql1' %}
delete_file:
  cmd.cmd.run:
    - tgt: 'G@os:Debian'
    - expr_form: compound
    - arg:
      - rm -rf ${place.root}/gone/*
{% endif %}
`,
  );
  place.write(
    'srv/salt/other.sls',
    "{% if data['data']['state'] == 'refresh' %}\nran:\n  runner.event.send:\n    - tag: tour/refreshed\n{% endif %}\n",
  );
});
after(() => place.close());

/** Runs eventlisten until it printed something that matches. */
async function listening(args: readonly string[], doing: () => Promise<unknown>, what: RegExp): Promise<string> {
  const [cmd, ...rest] = place.program('eventlisten') as [string, ...string[]];
  const child = spawn(cmd, [...rest, '-s', place.sockDir, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  child.stderr.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  try {
    await new Promise((ok) => setTimeout(ok, 400));
    await doing();
    const end = Date.now() + 10_000;
    while (!what.test(out)) {
      assert.ok(Date.now() < end, `eventlisten ${args.join(' ')} printed\n${out}`);
      await new Promise((ok) => setTimeout(ok, 20));
    }
    return out;
  } finally {
    child.kill();
  }
}

test("T28: eventlisten on a minion hears salt '*' event.fire", async () => {
  await listening(
    ['-n', 'minion', 'web1'],
    () => place.run('salt', ['*', 'event.fire', "{'data': 'some message'}", 'tag']),
    /tag[\s\S]*some message/,
  );
});

test('T28: eventlisten on the master hears salt-call event.fire_master', async () => {
  const out = await listening(
    [],
    () => place.run('salt-call', ['event.fire_master', 'some message', 'tag'], { on: 'web1' }),
    /some message/,
  );
  assert.match(out, /"id": "web1"/);
});

test('T28: salt-call event.fire reaches the listener on the same minion', async () => {
  const out = await listening(
    ['-n', 'minion', 'web1'],
    () => place.run('salt-call', ['event.fire', "{'data': 'some message'}", 'own/tag'], { on: 'web1' }),
    /own\/tag/,
  );
  assert.match(out, /some message/);
});

test('T29: a program listens with getEvent and iterEvents and fires with fireEvent', async () => {
  const event = new SaltEvent('master', place.sockDir);
  const minion = new SaltEvent('minion', place.sockDir, { id: 'web1' });
  try {
    await event.connect();
    await minion.connect();
    const got = event.getEvent({ wait: 10, tag: 'hello' });
    await place.events().fireEvent({ hello: 'world' }, 'hello');
    assert.equal((await got)?.['hello'], 'world');
    const own = minion.getEvent({ wait: 10, tag: 'greeting' });
    await new SaltEvent('minion', place.sockDir, { id: 'web1' }).fireEvent({ hello: 'minion' }, 'greeting');
    assert.equal((await own)?.['hello'], 'minion');
    const three: unknown[] = [];
    const all = (async () => {
      for await (const e of event.iterEvents({ tag: 'count/' })) if (three.push(e['n']) === 3) return;
    })();
    for (const n of [1, 2, 3]) await event.fireEvent({ n }, `count/${n}`);
    await all;
    assert.deepEqual(three, [1, 2, 3]);
    assert.equal(await event.getEvent({ wait: 0.1, tag: 'never' }), null);
  } finally {
    event.close();
    minion.close();
  }
});

test('T30: the tour’s reactions: cmd.cmd.run with a compound expr_form, and a runner', async () => {
  const doomed = place.write('gone/file', 'x');
  writeFileSync(join(place.root, 'kept'), 'x');
  const fired = await place.run('salt-call', ['event.send', 'testtag'], { on: 'mysql1' });
  assert.equal(fired.code, 0, fired.stderr);
  const end = Date.now() + 15_000;
  while (existsSync(doomed)) {
    assert.ok(Date.now() < end, `the file is still there\n${place.master.log()}`);
    await new Promise((ok) => setTimeout(ok, 50));
  }
  assert.ok(existsSync(join(place.root, 'kept')));
  const refreshed = place.until('tour/refreshed');
  await place.run('salt-call', ['event.fire_master', "{'state': 'refresh'}", 'test1.big.tag'], { on: 'web1' });
  await refreshed;
});
