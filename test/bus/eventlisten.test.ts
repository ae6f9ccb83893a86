import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { controlEvents } from '../../bus/control-events.ts';
import type { EventBus } from '../../bus/event.ts';
import { openBus } from '../../bus/event-bus.ts';
import { type ListenRequest, listen, parseSince } from '../../bus/eventlisten.ts';
import { quietLog } from '../../bus/log.ts';
import { SegmentStore } from '../../bus/store/segment.ts';
import { ControlServer } from '../../bus/transport/control.ts';
import { masterEventSockets, minionEventSockets, serveEventSockets } from '../../bus/transport/ipc.ts';

const root = mkdtempSync(join(tmpdir(), 'brine-listen-'));
after(() => rmSync(root, { recursive: true, force: true }));
let n = 0;
const m = { origin: 'master' } as const;
const jid = '20300101100000000001';

async function node(options: { control: boolean }): Promise<{ dir: string; bus: EventBus; stop(): Promise<void> }> {
  const dir = join(root, String(n++));
  mkdirSync(join(dir, 'cache'), { recursive: true });
  const store = await SegmentStore.open(join(dir, 'cache/event_log'));
  const bus = openBus({ store, log: quietLog, clock: () => Date.UTC(2030, 0, 1, 10) + bus.stats().head * 1000 });
  const sockets = await serveEventSockets({ bus, ...masterEventSockets(dir), origin: 'master', log: quietLog });
  const events = controlEvents(bus);
  const server = options.control
    ? await ControlServer.listen(join(dir, 'master_control.ipc'), {
        mode: 0o600,
        handle: (cmd, load, stream) => (cmd === 'fire' ? events.fire(load) : events.events(load, stream)),
      })
    : undefined;
  return {
    dir,
    bus,
    stop: async () => {
      await sockets.close();
      await server?.close();
      await bus.close();
    },
  };
}

async function run(dir: string, extra: Partial<ListenRequest>, started?: () => void): Promise<string[]> {
  const lines: string[] = [];
  const stop = new AbortController();
  const done = listen(
    {
      globs: [],
      follow: false,
      json: false,
      colour: false,
      sockets: masterEventSockets(dir),
      control: join(dir, 'master_control.ipc'),
      logDir: join(dir, 'cache/event_log'),
      ...extra,
    },
    {
      line: (l) => void lines.push(l),
      warn: (l) => void lines.push(`warning: ${l}`),
      dump: (d) => JSON.stringify(d),
      signal: stop.signal,
    },
  );
  started?.();
  assert.equal(await done, 0);
  return lines;
}

for (const control of [true, false]) {
  const where = control ? 'the control socket' : 'the event socket and the log files';
  test(`live events, tag globs and a count work over ${where}`, async () => {
    const d = await node({ control });
    const timer = setInterval(() => {
      d.bus.fire('a/1', { x: 1 }, m);
      d.bus.fire('b/1', {}, m);
    }, 2);
    const lines = await run(d.dir, { globs: ['a/*', 'c'], count: 3 });
    clearInterval(timer);
    assert.equal(lines.length, 3);
    for (const l of lines) assert.match(l, /^a\/1\t\{"x":1,"_stamp":"2030-/);
    await d.stop();
  });

  test(`the past is told from a position or a time, with all that is known, over ${where}`, async () => {
    const d = await node({ control });
    for (let i = 1; i <= 5; i++)
      d.bus.fire(`t/${i}`, { i }, { origin: 'minion/m1', cause: i > 1 ? `event/${i - 1}` : null });
    await d.bus.flush();
    assert.deepEqual(
      (await run(d.dir, { since: { id: 4 } })).map((l) => l.split('\t')[0]),
      ['t/4', 't/5'],
    );
    const late = await run(d.dir, { since: { time: Date.UTC(2030, 0, 1, 10, 0, 3) }, json: true });
    assert.deepEqual(
      late.map((l) => JSON.parse(l).id),
      [4, 5],
    );
    assert.equal(JSON.parse(late[0] as string).origin, 'minion/m1');
    assert.equal(JSON.parse(late[0] as string).cause, 'event/3');
    await d.stop();
  });
}

test('the chain of causes is a tree from the first cause on, also from the log of a daemon that is down', async () => {
  const d = await node({ control: true });
  const first = d.bus.fire('web/up', {}, { origin: 'minion/m1' });
  d.bus.fire('noise', {}, m);
  d.bus.fire(`salt/job/${jid}/new`, { jid }, { ...m, cause: `event/${first.id}` });
  const ret = d.bus.fire(`salt/job/${jid}/ret/m1`, {}, { origin: 'minion/m1', cause: `jid/${jid}` });
  const expected = [
    /^1 web\/up {2}minion\/m1 2030\S+$/,
    /^ {2}3 salt\/job\/\d+\/new {2}master \S+$/,
    /^ {4}4 salt\/job\/\d+\/ret\/m1 {2}minion\/m1 \S+ \*$/,
  ];
  const live = await run(d.dir, { cause: ret.id });
  await d.stop();
  const stopped = await run(d.dir, { cause: ret.id });
  for (const lines of [live, stopped]) {
    assert.equal(lines.length, 3);
    for (const [i, e] of expected.entries()) assert.match(lines[i] as string, e);
  }
});

test('a daemon that is down and left no log is named as the trouble', async () => {
  const dir = join(root, 'nothing');
  await assert.rejects(run(dir, {}), { code: 'SaltDaemonNotRunning' });
  await assert.rejects(run(dir, { since: { id: 1 } }), { code: 'SaltDaemonNotRunning' });
});

test('--since takes a position, a job id, an age and a time, and refuses the rest', () => {
  const now = Date.UTC(2030, 0, 1, 12);
  assert.deepEqual(parseSince('4711', now), { id: 4711 });
  assert.deepEqual(parseSince('20300101100000000000', now), { time: Date.UTC(2030, 0, 1, 10) });
  assert.deepEqual(parseSince('2h', now), { time: now - 7_200_000 });
  assert.deepEqual(parseSince('90s', now), { time: now - 90_000 });
  assert.deepEqual(parseSince('2030-01-01T10:00:00Z', now), { time: Date.UTC(2030, 0, 1, 10) });
  assert.deepEqual(parseSince('2030-01-01 10:00', now), { time: new Date(2030, 0, 1, 10).getTime() });
  assert.throws(() => parseSince('yesterday', now), { code: 'SaltInvocationError' });
});

const program = join(process.cwd(), process.env['BRINE_BUILD'] ?? '.build', 'master/cli/eventlisten.js');
const skip = existsSync(program) ? false : 'the program itself is not built in this run';

/** Runs the program until it ends; `seen` gets its output so far and the means to stop reading. */
function start(
  args: string[],
  seen: (text: string, close: () => void) => void,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (c: Buffer) => {
    out += c.toString();
    seen(out, () => child.stdout.destroy());
  });
  child.stderr.on('data', (c: Buffer) => {
    err += c.toString();
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

test('eventlisten prints tag, tab and JSON, ends quietly on a closed pipe, and refuses what it does not know', {
  skip,
}, async () => {
  const d = await node({ control: true });
  writeFileSync(join(d.dir, 'master'), `sock_dir: ${d.dir}\ncachedir: ${join(d.dir, 'cache')}\n`);
  d.bus.fire('my/tag', { b: 'ü', a: [1] }, m);
  await d.bus.flush();
  const told = await start(['-c', d.dir, '--since', '1', '--count', '1'], () => undefined);
  assert.equal(told.err, '');
  assert.equal(
    told.out.replace(/"2030[^"]*"/, '"T"'),
    'my/tag\t{\n    "_stamp": "T",\n    "a": [\n        1\n    ],\n    "b": "ü"\n}\n',
  );
  const timer = setInterval(() => d.bus.fire('tick', {}, m), 5);
  const piped = await start(['-s', d.dir, 'tick'], (_text, close) => close());
  clearInterval(timer);
  assert.deepEqual([piped.code, piped.err], [0, '']);
  const wrong = await start(['--count', 'x', '-s', d.dir], () => undefined);
  assert.equal(wrong.code, 64);
  const down = await start(['-s', join(d.dir, 'nowhere')], () => undefined);
  assert.equal(down.code, 2);
  assert.match(down.err, /is the daemon running\?/);
  await d.stop();
});

test('eventlisten -n minion ID shows the events of that minion', { skip }, async () => {
  const dir = join(root, String(n++));
  mkdirSync(dir);
  const store = await SegmentStore.open(join(dir, 'log'));
  const bus = openBus({ store, log: quietLog });
  const sockets = await serveEventSockets({
    bus,
    ...minionEventSockets(dir, 'm1'),
    origin: 'minion/m1',
    log: quietLog,
  });
  const timer = setInterval(() => bus.fire('local/tag', {}, { origin: 'minion/m1' }), 5);
  const told = await start(['-s', dir, '-n', 'minion', 'm1', '--json', '--count', '2'], () => undefined);
  clearInterval(timer);
  assert.equal(told.code, 0, told.err);
  assert.equal(told.out.split('\n').length, 3);
  assert.equal(JSON.parse(told.out.split('\n')[0] as string).tag, 'local/tag');
  await sockets.close();
  await bus.close();
});
