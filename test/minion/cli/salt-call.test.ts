import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';

const program = resolve(process.env['BRINE_BUILD'] ?? '.build', 'minion/cli/salt-call.js');
const skip = existsSync(program) ? false : 'salt-call is not built';

interface Case {
  name: string;
  argv: string[];
  exit_code: number;
  stdout: string;
  stderr: string;
}
const golden = (JSON.parse(readFileSync('test/golden/cli/cli.json', 'utf8')) as Case[]).filter(
  (c) => c.argv[0] === 'salt-call' && c.argv.includes('--local'),
);

describe('salt-call without a master', { skip }, () => {
  let dir: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'call-'));
    mkdirSync(join(dir, 'etc'));
    writeFileSync(
      join(dir, 'etc', 'minion'),
      [
        'id: alpha',
        'master_port: 4626',
        `root_dir: ${dir}`,
        `cachedir: ${dir}/cache`,
        `pki_dir: ${dir}/pki`,
        `sock_dir: ${dir}/run`,
        `log_file: ${dir}/log`,
        '',
      ].join('\n'),
    );
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function call(...words: string[]): { status: number | null; stdout: string; stderr: string } {
    const done = spawnSync(process.execPath, [program, '-c', join(dir, 'etc'), ...words], { encoding: 'utf8' });
    return { status: done.status, stdout: done.stdout, stderr: done.stderr };
  }
  /** Brings what differs from run to run to the marks of the recorded cases. */
  const normal = (text: string): string =>
    text
      .replace(/\b20\d{18}\b/g, '<JID1>')
      .replace(/("__pub_pid": |__pub_pid:\n\s+)\d+/g, '$1<PID>')
      .replace(/(Traceback \(most recent call last\):\n)(?: {2}.*\n)+/g, '$1<FRAMES>\n')
      .replace(/^\n+/, '')
      .replace(/\n{2,}/g, '\n');

  /** Why a recorded case cannot run, if so: the module it is about is not there yet. */
  const lacking = (c: Case): string | false => {
    const module = c.argv.find((w) => /^[a-z]+\.[a-z_]+$/.test(w))?.split('.')[0];
    const known = !module || module === 'no' || existsSync(resolve(program, '../../modules', `${module}.js`));
    return known ? false : `there is no module ${module} yet`;
  };

  for (const c of golden)
    test(c.name.replace('salt-call: local ', ''), { skip: lacking(c) }, () => {
      const got = call(...c.argv.slice(1));
      assert.equal(got.status, c.exit_code);
      const stdout = normal(got.stdout);
      if (c.stdout.includes('<HELP>')) assert.equal(stdout.split('\n')[0], c.stdout.split('\n')[0]);
      else if (c.stdout.includes('<DOC>')) assert.notEqual(stdout.trim(), '');
      else assert.equal(stdout, normal(c.stdout));
      assert.equal(normal(got.stderr), normal(c.stderr));
    });

  test('grains, help of functions and output files', () => {
    const grains = JSON.parse(call('--local', '-g', '--out', 'json').stdout) as { local: { id: string } };
    assert.equal(grains.local.id, 'alpha');
    assert.match(call('--local', '-d', 'test.ping').stdout, /^test\.ping:\n/);
    assert.match(call('--local', '-d', 'a', 'b').stderr, /You can only get documentation for one method at one time/);
    assert.match(call('--local', '-g', 'x').stderr, /-g\/--grains does not accept any arguments/);
    const file = join(dir, 'out');
    call('--local', '--out', 'json', '--out-file', file, 'test.ping');
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { local: true });
  });

  test('wrong keywords, failing commands and part names of functions', () => {
    const wrong = call('--local', 'test.ping', 'colour=red');
    assert.deepEqual([wrong.status, wrong.stderr], [1, 'The following keyword arguments are not valid: colour=red\n']);
    const failed = call('--local', 'test.raise_exception', 'salt.exceptions.CommandExecutionError', 'boom');
    assert.deepEqual([failed.status, failed.stderr], [1, "Error running 'test.raise_exception': boom\n"]);
    const near = call('--local', 'test.pin');
    assert.equal(near.status, 1);
    assert.match(near.stdout, /'test\.pin' is not available\./);
    assert.match(near.stdout, /test\.ping:/);
  });

  test('a call is a running job while it runs, and fires no event where no minion runs', () => {
    assert.match(call('--local', 'saltutil.running').stdout, /^local:\n$/);
    assert.match(call('--local', 'event.fire', '{a: 1}', 'x/y').stdout, /False/);
    const sent = call('--local', 'event.fire_master', '{a: 1}', 'x/y');
    assert.match(sent.stdout, /False/);
    assert.match(sent.stderr, /Local mode detected\. Event with tag x\/y will NOT be sent\./);
  });

  test('without a key at the master it says so', () => {
    const lost = call('--master', '127.0.0.1:1', '-t', '1', 'test.ping');
    assert.equal(lost.status, 2);
    assert.match(lost.stderr, /Attempt to authenticate with the salt master failed/);
  });
});
