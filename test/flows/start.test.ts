import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { programOf, runCommand } from '../services/place.ts';

test('the playground starts, answers the commands it prints, shows the reaction and stops on Ctrl-C', {
  timeout: 120_000,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'brine-start-'));
  const child = spawn(programOf('brine')[0] as string, [...programOf('brine').slice(1), dir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  const seen = async (what: RegExp): Promise<void> => {
    const end = Date.now() + 40_000;
    while (!what.test(out)) {
      if (Date.now() > end || child.exitCode !== null) assert.fail(`never saw ${what} in\n${out}`);
      await new Promise((ok) => setTimeout(ok, 20));
    }
  };
  child.stdout.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  child.stderr.setEncoding('utf8').on('data', (d: string) => {
    out += d;
  });
  try {
    await seen(/Events from here on/);
    const config = ['-c', join(dir, 'etc')];
    const ping = await runCommand([...programOf('salt'), ...config, '*', 'test.ping']);
    assert.equal(ping.stdout, 'demo:\n    True\n');
    assert.equal(ping.code, 0);
    const fired = await runCommand([
      ...programOf('salt-call'),
      ...config,
      'event.send',
      'demo/web1/hello',
      'who=reader',
    ]);
    assert.equal(fired.code, 0, fired.stderr);
    await seen(/salt\/job\/\d+\/ret\/demo\t.*hello reader, says the reactor/);
    const keys = await runCommand([...programOf('salt-key'), ...config, '-L']);
    assert.match(keys.stdout, /Accepted Keys:\ndemo\n/);
    const told = await runCommand([...programOf('eventlisten'), ...config, '--since', '1h', '--json', 'demo/*/hello']);
    assert.equal(told.stdout.trim().split('\n').length, 1, told.stdout + told.stderr);
    const began = performance.now();
    child.kill('SIGINT');
    await new Promise((ok) => child.once('exit', ok));
    assert.equal(child.exitCode, 0);
    assert.ok(performance.now() - began < 4000, 'stopping took too long');
  } finally {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
});
