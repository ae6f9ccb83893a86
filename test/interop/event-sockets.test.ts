import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { BusEvent } from '../../bus/event.ts';
import { openBus } from '../../bus/event-bus.ts';
import { quietLog } from '../../bus/log.ts';
import { MemoryEventStore } from '../../bus/store/memory.ts';
import { masterEventSockets, minionEventSockets, serveEventSockets } from '../../bus/transport/ipc.ts';

const ref = process.env['BRINE_SALT_REF'];
const skip = ref ? false : 'the reference is not installed: set BRINE_SALT_REF to the folder of its programs';
const root = mkdtempSync(join(tmpdir(), 'brine-interop-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Runs a script with the reference's own interpreter; its stdout lines come to `line`. */
function python(script: string, line: (text: string) => void): Promise<number> {
  const child = spawn(join(ref as string, 'python'), ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let rest = '';
  let errors = '';
  child.stdout.on('data', (c: Buffer) => {
    const lines = (rest + c.toString()).split('\n');
    rest = lines.pop() as string;
    for (const l of lines) line(l);
  });
  child.stderr.on('data', (c: Buffer) => {
    errors += c.toString();
  });
  return new Promise((resolve, reject) =>
    child.on('close', (code) =>
      code === 0 ? resolve(0) : reject(new Error(`the script ended with ${code}: ${errors}`)),
    ),
  );
}

const script = (open: string): string => `
import sys, json, salt.config, salt.utils.event
opts = salt.config.DEFAULT_MASTER_OPTS.copy() if ${open.includes('master') ? 'True' : 'False'} else salt.config.DEFAULT_MINION_OPTS.copy()
opts['sock_dir'] = ${JSON.stringify(root)}
opts['id'] = 'm1'
opts['__role'] = 'master'
with salt.utils.event.get_event(${open}, sock_dir=${JSON.stringify(root)}, opts=opts, listen=True) as ev:
    ev.connect_pub(timeout=5)
    print('ready', flush=True)
    got = ev.get_event(wait=10, tag='from/ours', full=True)
    print(json.dumps({'tag': got['tag'], 'data': {k: v for k, v in got['data'].items() if k != '_stamp'}, 'stamp': '_stamp' in got['data']}), flush=True)
    print('fired', ev.fire_event({'hello': ['w', 1, None, 1.5], 'u': 'ü'}, 'from/theirs'), flush=True)
`;

for (const node of ['master', 'minion'] as const) {
  test(`a Python program with the reference's event class listens and fires on our ${node}'s sockets`, {
    skip,
  }, async () => {
    const bus = openBus({ store: new MemoryEventStore(), log: quietLog });
    const sockets = await serveEventSockets({
      bus,
      ...(node === 'master' ? masterEventSockets(root) : minionEventSockets(root, 'm1')),
      origin: node === 'master' ? 'master' : 'minion/m1',
      log: quietLog,
    });
    const back = new Promise<BusEvent>((resolve) => {
      bus.on('from/theirs').subscribe(resolve);
    });
    const lines: string[] = [];
    const ended = python(script(`'${node}'`), (l) => {
      lines.push(l);
      if (l === 'ready') bus.fire('from/ours', { n: 1, deep: { list: [true, 'x'] } }, { origin: 'master' });
    });
    await ended;
    assert.deepEqual(JSON.parse(lines[1] as string), {
      tag: 'from/ours',
      data: { n: 1, deep: { list: [true, 'x'] } },
      stamp: true,
    });
    assert.equal(lines[2], 'fired True');
    const e = await back;
    assert.deepEqual(e.data['hello'], ['w', 1, null, 1.5]);
    assert.equal(e.data['u'], 'ü');
    assert.match(e.stamp, /\+00:00$/);
    await sockets.close();
    await bus.close();
  });
}
