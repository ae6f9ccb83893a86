import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import debian from '../../../minion/modules/debian_service.ts';
import systemd from '../../../minion/modules/systemd_service.ts';
import { type Reply, recorder } from './recorder.ts';
import { smallMinion } from './small-minion.ts';

function minion(module: typeof debian | typeof systemd, reply: (line: string) => Reply) {
  const r = recorder(reply);
  const m = smallMinion(
    { service: module, cmd: r.module },
    { opts: { 'systemd.scope': false }, grains: { os: 'Debian' } },
  );
  return {
    m,
    ran: r.ran,
    answer: (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
      toWire(m.call(`service.${name}`, args, kw) as Py),
  };
}

/** Actions on a unit, without the questions whether its file changed. */
const acts = (ran: string[]): string[] => ran.filter((l) => !l.startsWith('systemctl status'));

test('only one of the two modules is the service module of a machine', () => {
  const { m } = minion(debian, () => ({}));
  const names = [debian, systemd].map((x) => x.virtual(m.ctx)).filter((v) => typeof v === 'string');
  assert.deepEqual(names, ['service']);
});

test('a service is started and stopped by systemctl, and its complaint is the error', () => {
  const { answer, ran } = minion(systemd, (l) =>
    l.includes('start bad') ? { code: 5, stderr: 'Unit bad.service not found.\nRunning as unit run-1.scope' } : {},
  );
  assert.equal(answer('start', ['web']), true);
  assert.equal(answer('restart', ['salt-minion']), true);
  assert.equal(answer('reload', ['web.socket'], { no_block: true }), true);
  assert.throws(() => answer('start', ['bad']), {
    name: 'CommandExecutionError',
    message: 'Unit bad.service not found.',
  });
  assert.equal(answer('stop', ['web']), true);
  assert.deepEqual(acts(ran), [
    'systemctl start web.service',
    'systemctl --no-block restart salt-minion.service',
    'systemctl --no-block reload web.socket',
    'systemctl start bad.service',
    'systemctl stop web.service',
  ]);
});

test('changed unit files are read anew before anything is done', () => {
  const { answer, ran } = minion(systemd, (l) =>
    l.includes('status') ? { stdout: "Warning: run 'systemctl daemon-reload' to reload units." } : {},
  );
  assert.equal(answer('status', ['web']), true);
  assert.deepEqual(ran, [
    'systemctl status web.service -n 0',
    'systemctl --system daemon-reload',
    'systemctl is-active web.service',
  ]);
});

test('enabled follows aliases', () => {
  const { answer, ran } = minion(systemd, (l) =>
    l.endsWith('is-enabled sshd.service') ? { stdout: 'alias' } : l.includes('show') ? { stdout: 'ssh.service' } : {},
  );
  assert.equal(answer('enabled', ['sshd']), true);
  assert.deepEqual(ran, [
    'systemctl is-enabled sshd.service',
    'systemctl show sshd.service -P Id',
    'systemctl is-enabled ssh.service',
  ]);
  assert.equal(minion(systemd, () => ({ code: 1, stdout: 'disabled' })).answer('disabled', ['no-such-unit-x']), true);
});

test('lists are read from systemctl, services without their ending', () => {
  const rows = 'a.service enabled enabled\nb@.service disabled\nc.timer enabled\nd.slice enabled\ne.service static';
  const { answer } = minion(systemd, (l) =>
    l.includes('list-unit-files')
      ? { stdout: rows }
      : {
          stdout: 'x.service loaded active running X\ny.service loaded active exited Y\nz.socket loaded active running',
        },
  );
  assert.deepEqual(answer('get_running'), ['x', 'z.socket']);
  assert.deepEqual(answer('get_static'), ['e']);
  assert.ok(['a', 'c.timer'].every((n) => (answer('get_enabled') as string[]).includes(n)));
  assert.ok(!(answer('get_enabled') as string[]).includes('d.slice'));
});

test('properties of a unit are a map, with lists and inner maps', () => {
  const { answer } = minion(systemd, () => ({
    stdout: 'Id=a.service\nAfter=b.target c.target\nExecStart={ path=/bin/a ; argv[]=/bin/a -x=1 ; pid=0 }',
  }));
  assert.deepEqual(answer('show', ['a']), {
    Id: 'a.service',
    After: ['b.target', 'c.target'],
    ExecStart: { path: '/bin/a', 'argv[]': '/bin/a -x=1', pid: '0' },
  });
});

test('without systemd the service program is used', () => {
  const { answer, ran } = minion(debian, (l) => (l === 'service web status' ? { code: 3 } : {}));
  assert.equal(answer('start', ['web']), true);
  assert.equal(answer('status', ['web']), false);
  assert.equal(answer('disable', ['web']), true);
  assert.deepEqual(ran, ['service web start', 'service web status', 'update-rc.d web disable']);
  assert.equal(answer('available', ['no-such-service-x']), false);
  assert.equal(answer('missing', ['no-such-service-x']), true);
});
