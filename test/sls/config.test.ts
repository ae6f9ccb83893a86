import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import type { SaltError } from '../../bus/errors.ts';
import { Log } from '../../bus/log.ts';
import type { PyDict } from '../../bus/values.ts';
import { type ConfigRequest, loadConfig, type Role } from '../../sls/config.ts';
import { defaultOptions } from '../../sls/config-defaults.ts';
import { parseJson } from '../../sls/json.ts';
import { eq } from '../../sls/values.ts';
import { runConfig } from '../conformance/config.ts';

test('every recorded configuration is read, warned about or refused as the reference does', () => {
  const all = runConfig('test/golden/cli');
  assert.ok(all.length > 50);
  assert.deepEqual(
    all.filter((o) => !o.ok),
    [],
  );
});

const root = mkdtempSync(join(tmpdir(), 'brine-config-'));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
function load(role: Role, files: Record<string, string>, more: ConfigRequest = {}) {
  const dir = join(root, String(folders++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text.replaceAll('<DIR>', dir));
  }
  const lines: string[] = [];
  const log = new Log('config', (r) => lines.push(`${r.level}: ${r.message}`), 30);
  const opts = loadConfig(role, { configDir: dir, env: { HOME: dir }, log, ...more });
  return { dir, lines, opts };
}

test('without any file every option of the reference has its default', () => {
  const recorded = parseJson(readFileSync('test/golden/cli/config-defaults.json', 'utf8')) as PyDict;
  for (const kind of ['master', 'minion', 'proxy'] as const) {
    const got = defaultOptions(kind, 'root', '<HOME>');
    for (const [key, value] of recorded.get(kind) as PyDict)
      if (key !== 'ipc_write_buffer') assert.ok(eq(got.get(key) ?? null, value), `${kind} ${String(key)}`);
  }
});

test('the event log and the job queue are set in sizes and times a person writes', () => {
  const { opts } = load('master', {
    master: 'event_log: {size: 512MB, age: 7d, sync: interval, interval: 50}\njob_queue: bullmq\n',
  });
  assert.deepEqual(
    [...opts.dict('event_log')],
    [
      ['size', 536870912],
      ['age', 604800],
      ['sync', 'interval'],
      ['interval', 50],
    ],
  );
  assert.deepEqual(
    [...opts.dict('job_queue')],
    [
      ['adapter', 'bullmq'],
      ['redis', 'redis://127.0.0.1:6379'],
    ],
  );
  assert.equal(load('master', { master: 'event_log: none\n' }).opts.get('event_log'), null);
  assert.equal(load('minion', { minion: 'id: a\n' }).opts.dict('job_queue').get('adapter'), 'embedded');
  for (const wrong of ['event_log: {sync: never}', 'event_log: {size: big}', 'event_log: 5', 'job_queue: kafka'])
    assert.throws(() => load('master', { master: `${wrong}\n` }), { name: 'SaltConfigurationError' }, wrong);
});

test('a command line talks to the local master, with the options of the person who calls it', () => {
  const { opts, dir } = load('client', {
    master: 'interface: "::"\nret_port: 5506\n',
    '.saltrc': 'output: json\n',
    tok: 'abc\n',
  });
  assert.equal(opts.str('interface'), '::1');
  assert.equal(opts.str('master_uri'), 'tcp://[::1]:5506');
  assert.equal(opts.str('output'), 'json');
  assert.equal(opts.str('token_file'), join(dir, 'salt_token'));
  assert.equal(load('client', { '.saltrc': 'token_file: ~/tok\n', tok: 'abc\n' }).opts.str('token'), 'abc');
});

test('salt-call goes on past a broken drop-in, the daemon does not', () => {
  const files = {
    minion: 'id: teal\nroot_dir: <DIR>\n',
    'minion.d/a.conf': 'x: [\n',
    'minion.d/b.conf': 'timeout: 3\n',
  };
  const call = load('call', files);
  assert.equal(call.opts.num('timeout'), 3);
  assert.match(call.lines[0] ?? '', /^error: Error parsing configuration file: .*a\.conf/);
  assert.throws(
    () => load('minion', files),
    (e: SaltError) => {
      assert.equal(e.name, 'SaltConfigurationError');
      assert.match(String(e.details['file']), /minion\.d\/a\.conf$/);
      assert.equal(e.details['line'], 2);
      assert.match(String(e.details['hint']), /./);
      return true;
    },
  );
});

test("the caller's own options win, and files that include each other are named", () => {
  assert.equal(load('master', { master: 'timeout: 3\n' }, { overrides: { timeout: 9 } }).opts.num('timeout'), 9);
  assert.throws(
    () => load('master', { master: 'include: a.inc\n', 'a.inc': 'include: b.inc\n', 'b.inc': 'include: a.inc\n' }),
    {
      name: 'SaltConfigurationError',
      message: /includes itself: .*a\.inc -> .*b\.inc -> .*a\.inc/,
    },
  );
});

test('a proxy minion has drop-ins of its own, and a syndic what both files say', () => {
  const proxy = load('proxy', { proxy: 'id: p1\nroot_dir: <DIR>\n', 'proxy.d/p1/own.conf': 'timeout: 4\n' });
  assert.equal(proxy.opts.num('timeout'), 4);
  assert.equal(proxy.opts.str('cachedir'), join(proxy.dir, 'var/cache/salt/proxy/p1'));
  const syndic = load('syndic', {
    master: 'root_dir: <DIR>\nsyndic_master: up.test\n',
    minion: 'id: teal\nroot_dir: <DIR>\n',
  });
  assert.equal(syndic.opts.str('master'), 'up.test');
  assert.equal(syndic.opts.str('id'), 'teal');
  assert.equal(syndic.opts.str('__role'), 'syndic');
  const api = load('api', { master: 'root_dir: <DIR>\n' });
  assert.equal(api.opts.str('log_file'), join(api.dir, 'var/log/salt/api'));
});

test('a value of the wrong type is warned about by name, with the type it should have', () => {
  const { lines } = load('master', {
    master: 'gather_job_timeout: [1]\nauto_accept: "yes"\nssh_port: 0x10\nlog_level: true\nreactor: {a: b}\n',
  });
  assert.deepEqual(lines, [
    "warning: Config option 'reactor' with value {'a': 'b'} has an invalid type of dict, a list is required for this option",
    "warning: Config option 'gather_job_timeout' with value [1] has an invalid type of list, a int is required for this option",
  ]);
});
