import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Place, startPlace } from '../services/place.ts';

let place: Place;
before(async () => {
  place = await startPlace({ minions: ['web1'], minion: 'grains:\n  os_family: RedHat\n' });
  place.write('srv/salt/_modules/yumtest.py', TOUR);
  place.write(
    'srv/salt/_modules/twin.ts',
    `export default {
  virtual: (ctx: { grains: Map<string, unknown> }) => (ctx.grains.get('os_family') === 'RedHat' ? 'dnf' : { reason: 'not RedHat' }),
  functions: {
    install: {
      sig: 'install(rpm)',
      doc: 'Installs a package.',
      run: (a: { rpm: string }, ctx: { salt: { call(name: string, args: unknown[]): unknown } }) =>
        ctx.salt.call('cmd.run', [\`echo dnf -y install \${a.rpm}\`]),
    },
  },
};
`,
  );
  place.write('srv/salt/_modules/bad.py', "def run():\n    raise ValueError('no such thing')\n");
  place.write(
    'srv/salt/_grains/disks.py',
    "def spindles():\n    return {'spindles': __salt__['cmd.run']('echo 3'), 'family_seen': __grains__.get('kernel')}\n",
  );
});
after(() => place.close());

const TOUR = `#-*- coding: utf-8 -*-
'''
support for yum of RedHat family!
'''
def __virtual__():
   '''
   Only RedHat family os can use it.
   '''
   if __grains__.get('os_family', 'unkown') == 'RedHat':
       return 'yum'
   else:
       return False

def install(rpm):
   cmd = 'echo yum -y install {0}'.format(rpm)
   ret = __salt__['cmd.run'](cmd)
   return ret
`;

test('T34: an operator’s own Python module loads under the name that its __virtual__ answers', async () => {
  const synced = await place.run('salt', ['*', 'saltutil.sync_modules']);
  assert.match(synced.stdout, /modules\.yumtest/);
  const ran = await place.run('salt', ['*', 'yum.install', 'ftp']);
  assert.equal(ran.stdout, 'web1:\n    yum -y install ftp\n', ran.stderr);
  const under = await place.run('salt', ['*', 'yumtest.install', 'ftp']);
  assert.match(under.stdout, /not available/);
});

test('T34: its TypeScript twin works the same', async () => {
  const ran = await place.run('salt', ['*', 'dnf.install', 'ftp']);
  assert.equal(ran.stdout, 'web1:\n    dnf -y install ftp\n', ran.stderr);
});

test('an operator’s Python module that raises answers the exception', async () => {
  const ran = await place.run('salt', ['*', 'bad.run']);
  assert.match(ran.stdout, /ValueError: no such thing/);
  assert.equal(ran.code, 1);
});

test('T35: an operator’s own grains, with __salt__ in them, are found after a sync', async () => {
  const synced = await place.run('salt', ['*', 'saltutil.sync_grains']);
  assert.match(synced.stdout, /grains\.disks/);
  // Grains are found anew in a process beside the daemon: a moment later they are there.
  const end = Date.now() + 10_000;
  for (;;) {
    const ran = await place.run('salt', ['*', 'grains.item', 'spindles', 'family_seen', '--out', 'json']);
    const found = (JSON.parse(ran.stdout) as Record<string, Record<string, string>>)['web1'];
    if (found?.['spindles'] === '3' && found['family_seen'] === 'Linux') return;
    assert.ok(Date.now() < end, ran.stdout);
  }
});
