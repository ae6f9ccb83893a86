import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Py, toPy, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import pkg from '../../../minion/modules/aptpkg.ts';
import config from '../../../minion/modules/config.ts';
import lowpkg from '../../../minion/modules/dpkg_lowpkg.ts';
import { matchingVersion } from '../../../minion/modules/pkg/install.ts';
import { changesBetween, packageDict, parseStatus } from '../../../minion/modules/pkg/installed.ts';
import { lineOf, parseLine } from '../../../minion/modules/pkg/sources.ts';
import { compareVersions } from '../../../minion/modules/pkg/versions.ts';
import pkg_resource from '../../../minion/modules/pkg_resource.ts';
import { type Reply, recorder } from './recorder.ts';
import { smallMinion } from './small-minion.ts';

const debian = existsSync('/usr/bin/dpkg-query');
const skip = !debian && 'needs dpkg';

function minion(reply?: (line: string) => Reply, opts: WireMap = {}) {
  const r = recorder(reply);
  const m = smallMinion(
    { pkg, lowpkg, pkg_resource, config, cmd: r.module },
    { grains: { os_family: 'Debian', osarch: 'amd64', cpuarch: 'x86_64' }, opts: { 'systemd.scope': false, ...opts } },
  );
  return {
    ran: r.ran,
    m,
    answer: (name: string, args: Wire[] = [], kw: WireMap = {}): Wire => toWire(m.call(name, args, kw) as Py),
  };
}

test('versions are ordered as dpkg orders them', () => {
  for (const [a, b, want] of [
    ['1.0~rc1', '1.0', -1],
    ['1.0', '1.0-0', 0],
    ['1:0.1', '9', 1],
    ['2.10-1+b1', '2.9-1', 1],
    ['1.0a', '1.0+', -1],
    ['0', '', 0],
    ['1.2.3', '1.2.3-1', -1],
    ['007', '7', 0],
  ] as const)
    assert.equal(compareVersions(a, b), want, `${a} ${b}`);
  assert.equal(compareVersions('1:0.1', '9', true), -1);
});

test('the order of versions is a total one', () => {
  const version = fc.stringMatching(/^[0-9][0-9a-z.+~]{0,8}(-[0-9a-z.+~]{1,4})?$/);
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(compareVersions(a, b), -compareVersions(b, a) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
    }),
  );
});

test('the newest version that fits a condition is taken', () => {
  assert.equal(matchingVersion('>=1.2,<2', ['1.1', '1.10', '1.9', '2.0'], false), '1.10');
  assert.equal(matchingVersion('>3', ['1.1'], false), undefined);
});

test('dpkg’s states are told apart and foreign architectures named', () => {
  const all = parseStatus(
    [
      'install ok installed a 1.0 amd64',
      'hold ok installed h 2 all',
      'deinstall ok config-files r 3 amd64',
      'purge ok installed p 4 amd64',
      'install ok installed a 1.1 i386',
      'install ok half-configured x 9 amd64',
      'broken',
    ].join('\n'),
    'amd64',
  );
  const list = (o: { removed?: boolean; purgeDesired?: boolean }): Wire =>
    toWire(packageDict(all, { asList: false, removed: false, purgeDesired: false, ...o }));
  assert.deepEqual(list({}), { p: '4', a: '1.0', h: '2', 'a:i386': '1.1' });
  assert.deepEqual(list({ removed: true }), { r: '3' });
  assert.deepEqual(list({ purgeDesired: true }), { p: '4' });
});

test('changes name what is new, gone and different', () => {
  const d = (v: WireMap): never => toPy(v) as never;
  assert.deepEqual(toWire(changesBetween(d({ a: '1', b: '1', c: '1' }), d({ a: '1', b: '2', n: '3' }))), {
    b: { old: '1', new: '2' },
    c: { old: '1', new: '' },
    n: { old: '', new: '3' },
  });
});

test('sources are read from lines and written back', () => {
  const line = 'deb [arch=amd64,i386 signed-by=/k.gpg trusted=yes] http://h/debian stable main contrib';
  const s = parseLine(line);
  assert.deepEqual(
    [s?.uris, s?.suites, s?.comps, s?.architectures, s?.signedBy, s?.trusted],
    [['http://h/debian'], ['stable'], ['main', 'contrib'], ['amd64', 'i386'], '/k.gpg', true],
  );
  assert.equal(lineOf(s as NonNullable<typeof s>), line);
  assert.equal(parseLine('# deb http://h/ s main')?.disabled, true);
  assert.equal(parseLine('# a remark about deb packages'), undefined);
});

test('packages of this machine are listed and found', { skip }, () => {
  const { answer } = minion();
  const all = answer('pkg.list_pkgs') as WireMap;
  assert.equal(answer('pkg.version', ['dpkg']), all['dpkg']);
  assert.deepEqual(answer('pkg.version', ['dpkg', 'no-such-pkg']), { dpkg: all['dpkg'], 'no-such-pkg': '' });
  assert.equal((answer('pkg.info_installed', ['dpkg']) as { dpkg: WireMap }).dpkg['version'], all['dpkg']);
  assert.equal(answer('pkg.owner', ['/usr/bin/dpkg']), 'dpkg');
  assert.equal(answer('pkg.which', ['/no/such/file']), false);
  assert.throws(() => answer('lowpkg.info', ['no-such-pkg']), {
    name: 'CommandExecutionError',
    message: /^Error getting packages information: /,
  });
});

test('an install asks apt once for all, with old configuration kept and questions off', { skip }, () => {
  const { answer, ran } = minion();
  assert.deepEqual(
    answer('pkg.install', [], { pkgs: ['aa-new', { 'bb-new': '1.2' }], fromrepo: 'sid', install_recommends: false }),
    {},
  );
  assert.deepEqual(ran, [
    'apt-get -q -y -o DPkg::Options::=--force-confold -o DPkg::Options::=--force-confdef --no-install-recommends -t sid install aa-new bb-new=1.2',
  ]);
});

test('an older version than the installed one is a downgrade, the same one a reinstall on demand', { skip }, () => {
  const { answer, ran } = minion();
  const now = answer('pkg.version', ['dpkg']) as string;
  answer('pkg.install', ['dpkg'], { version: '0.1' });
  answer('pkg.install', ['dpkg'], { version: now, reinstall: true });
  assert.match(ran[0] as string, /--allow-downgrades install dpkg=0\.1$/);
  assert.match(ran[1] as string, / install --reinstall dpkg=/);
});

test('what apt complains of is the error, with the changes it made all the same', { skip }, () => {
  const { answer } = minion(() => ({ code: 100, stderr: 'E: Unable to locate package zz-none' }));
  assert.throws(() => answer('pkg.install', ['zz-none']), {
    name: 'CommandExecutionError',
    message:
      'Problem encountered installing package(s). Additional info follows:\n\nchanges:\n    ----------\nerrors:\n    - E: Unable to locate package zz-none',
  });
  assert.throws(
    () => answer('pkg.install', [], { pkgs: [{ 'zz-none': '>1' }] }),
    /No version matching 'zz-none>1' could be found \(available: None\)/,
  );
  assert.deepEqual(answer('pkg.install'), {});
});

test('only packages that are there are removed, by globs too', { skip }, () => {
  const { answer, ran } = minion();
  assert.deepEqual(answer('pkg.remove', ['no-such-pkg']), {});
  assert.deepEqual(ran, []);
  answer('pkg.purge', [], { pkgs: ['dpk?'] });
  assert.deepEqual(ran, ['apt-get -q -y purge dpkg']);
});

test('sources asked anew answer new, same and failed', () => {
  const out =
    'Hit:1 http://h stable InRelease\nGet:2 http://h sec InRelease [48 kB]\nErr:3 http://x InRelease\nReading package lists...';
  const { answer, ran } = minion(() => ({ stdout: out }));
  assert.deepEqual(answer('pkg.refresh_db'), {
    'http://h stable InRelease': null,
    'http://h sec InRelease': true,
    'http://x InRelease': false,
  });
  assert.throws(() => answer('pkg.refresh_db', [], { failhard: true }), {
    message: 'Error getting repos: http://x InRelease',
  });
  assert.throws(() => minion(() => ({ code: 100, stderr: 'E: no' })).answer('pkg.refresh_db'), {
    name: 'CommandExecutionError',
    message: 'E: no',
  });
  assert.equal(ran[0], 'apt-get -q update');
});

test('the newest version is empty for what is up to date', { skip }, () => {
  const { answer } = minion((l) =>
    l.includes('policy')
      ? {
          stdout:
            'dpkg:\n  Installed: 1\n  Candidate: 0.1\n  Version table:\nzz:\n  Candidate: 3\nyy:\n  Candidate: (none)',
        }
      : {},
  );
  assert.deepEqual(answer('pkg.latest_version', ['dpkg', 'zz', 'yy'], { refresh: false }), {
    dpkg: '',
    zz: '3',
    yy: '',
  });
  assert.equal(answer('pkg.latest_version', ['dpkg'], { refresh: false, show_installed: true }), '0.1');
  assert.throws(() => answer('pkg.latest_version', ['x'], { repo: 'y' }), { name: 'SaltInvocationError' });
});

test('packages are held and let go, and a test run only says so', { skip }, () => {
  const { answer, ran } = minion();
  const held = (answer('pkg.hold', ['dpkg']) as { dpkg: WireMap }).dpkg;
  assert.deepEqual(
    [held['result'], held['comment'], held['changes']],
    [true, 'Package dpkg is now being held.', { old: 'install', new: 'hold' }],
  );
  assert.deepEqual(ran, ['dpkg --set-selections']);
  const would = (minion(undefined, { test: true }).answer('pkg.hold', ['dpkg']) as { dpkg: WireMap }).dpkg;
  assert.deepEqual([would['result'], would['comment']], [null, 'Package dpkg is set to be held.']);
  assert.throws(() => answer('pkg.hold'), { message: 'One of name, pkgs, or sources must be specified.' });
  assert.throws(() => answer('pkg.set_selections', [], { selection: { bogus: ['x'] } }), {
    message: 'Invalid state(s): bogus',
  });
});

test('targets of a package function are read from names, lists and sources', () => {
  const { answer, m } = minion();
  // A tuple: compared as the list that it is on the wire.
  const targets = (kw: WireMap, args: Wire[] = []): Wire => {
    const got = answer('pkg_resource.parse_targets', args, kw);
    return Array.isArray(got) ? Array.from(got) : got;
  };
  assert.deepEqual(targets({ version: '2' }, ['a,b:amd64']), [{ a: '2', b: '2' }, 'repository']);
  assert.deepEqual(targets({ pkgs: ['a', { b: 1.5 }] }), [{ a: null, b: '1.5' }, 'repository']);
  assert.deepEqual(targets({ sources: [{ a: '/x.deb' }] }), [['/x.deb'], 'file']);
  assert.deepEqual(targets({}), [null, null]);
  assert.ok(m.lines.includes('error: No package sources provided'));
  assert.throws(() => targets({ pkgs: ['a', 'a'] }), {
    name: 'SaltInvocationError',
    message: /duplicated packages names/,
  });
  assert.throws(() => targets({ sources: [{ a: 'rel' }] }), {
    message: 'Path rel for package a is either not absolute or an invalid protocol',
  });
});
