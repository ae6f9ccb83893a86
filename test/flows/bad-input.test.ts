import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPlace, type Place, programOf, runCommand, startPlace } from '../services/place.ts';

let place: Place;
before(async () => {
  place = await startPlace({
    master: "reactor:\n  - 'broken/*':\n    - salt://broken.sls\n    - salt://good.sls\n",
  });
});
after(() => place.close());

/** Runs a daemon that should refuse to start. */
async function refuses(program: string, config: string): Promise<{ code: number | null; text: string }> {
  const ran = await runCommand([...programOf(program), '-c', config], { timeout: 15_000 });
  return { code: ran.code, text: ran.stdout + ran.stderr };
}

test('a second master on the same ports says which port is taken, and ends', async () => {
  const other = await openPlace();
  try {
    writeFileSync(
      join(other.configDir('master'), 'master'),
      readFileSync(join(other.configDir('master'), 'master'), 'utf8')
        .replace(/publish_port: .*/, `publish_port: ${place.ports.publish}`)
        .replace(/ret_port: .*/, `ret_port: ${place.ports.ret}`),
    );
    const r = await refuses('salt-master', other.configDir('master'));
    assert.ok(r.code !== 0 && r.code !== null, `exit code ${r.code}`);
    assert.match(r.text + other.master.log(), new RegExp(String(place.ports.publish)));
  } finally {
    await other.close();
  }
});

test('a master key that is no key is named, and nothing is overwritten', async () => {
  const other = await openPlace();
  try {
    mkdirSync(join(other.root, 'master/pki'), { recursive: true, mode: 0o700 });
    const pem = join(other.root, 'master/pki/master.pem');
    writeFileSync(pem, 'this is no key\n', { mode: 0o600 });
    const r = await refuses('salt-master', other.configDir('master'));
    assert.ok(r.code !== 0 && r.code !== null, `exit code ${r.code}`);
    assert.match(r.text, /master\.pem/);
    assert.equal(readFileSync(pem, 'utf8'), 'this is no key\n');
  } finally {
    await other.close();
  }
});

test('a configuration that is no YAML names file and line', async () => {
  const other = await openPlace();
  try {
    const path = other.write('master/conf/master', 'interface: 127.0.0.1\n\tbad: tab\n');
    const r = await refuses('salt-master', other.configDir('master'));
    assert.ok(r.code !== 0 && r.code !== null);
    assert.ok(r.text.includes(path), r.text);
    assert.match(r.text, /line 2/);
  } finally {
    await other.close();
  }
});

test('a minion that meets another master key says so, runs nothing and goes on asking: no false master can end it', async () => {
  const other = await openPlace();
  try {
    mkdirSync(join(other.root, 'alpha/pki'), { recursive: true, mode: 0o700 });
    const { PrivateKey } = await import('../../bus/wire/keys.ts');
    const key = await PrivateKey.generate(2048);
    writeFileSync(join(other.root, 'alpha/pki/minion_master.pub'), key.public.pem);
    writeFileSync(
      join(other.configDir('alpha'), 'minion'),
      readFileSync(join(other.configDir('alpha'), 'minion'), 'utf8')
        .replace(/master_port: .*/, `master_port: ${place.ports.ret}`)
        .replace(/publish_port: .*/, `publish_port: ${place.ports.publish}`)
        .replace('id: "alpha"', 'id: stray'),
    );
    const minion = other.minion('alpha');
    minion.start();
    const end = Date.now() + 15_000;
    while (!/public key did not authenticate/.test(minion.log())) {
      assert.ok(Date.now() < end, minion.log());
      await new Promise((ok) => setTimeout(ok, 50));
    }
    const ping = await place.run('salt', ['-t', '1', '--gather-job-timeout', '1', 'stray', 'test.ping']);
    assert.doesNotMatch(ping.stdout, /True/);
    process.kill(minion.pid as number, 0);
  } finally {
    await other.close();
  }
});

test('an unknown function, minion and option each answer clearly and with their exit codes', async () => {
  const fun = await place.run('salt', ['alpha', 'no.such']);
  assert.equal(fun.code, 1);
  assert.match(fun.stdout, /'no\.such' is not available\./);
  const minion = await place.run('salt', ['nobody', 'test.ping']);
  assert.match(minion.stdout + minion.stderr, /No minions matched the target/);
  assert.equal(minion.code, 2);
  const option = await place.run('salt', ['--nonsense', '*', 'test.ping']);
  assert.equal(option.code, 64);
  assert.match(option.stderr, /no such option: --nonsense/);
});

test('a broken reaction file is named with its line; the other file of the event reacts', async () => {
  place.write('srv/salt/broken.sls', 'one:\n  local.test.ping:\n    - tgt: [\n');
  place.write('srv/salt/good.sls', "good:\n  local.test.echo:\n    - tgt: alpha\n    - arg: ['came through']\n");
  const events = place.events();
  await events.connect();
  await events.fireEvent({ n: 1 }, 'broken/one');
  const end = Date.now() + 15_000;
  for (;;) {
    const e = await events.getEvent({ wait: 15, full: true });
    if (e && /\/ret\/alpha$/.test(e.tag) && e.data['return'] === 'came through') break;
    assert.ok(Date.now() < end, 'the good file did not react');
  }
  assert.match(place.master.log(), /Failed to render ".*broken\.sls"/);
});

test('a private key that others may read is refused or closed, never used as it is', async () => {
  const pem = join(place.root, 'master/pki/master.pem');
  assert.ok(existsSync(pem));
  const mode = (await import('node:fs')).statSync(pem).mode & 0o077;
  assert.equal(mode, 0);
  chmodSync(pem, 0o400);
});
