import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import group from '../../../minion/modules/groupadd.ts';
import shadow from '../../../minion/modules/linux_shadow.ts';
import user from '../../../minion/modules/useradd.ts';
import { type Reply, recorder } from './recorder.ts';
import { smallMinion } from './small-minion.ts';

const root = mkdtempSync(join(tmpdir(), 'accounts-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'etc'));
writeFileSync(
  join(root, 'etc/passwd'),
  'root:x:0:0:root:/root:/bin/sh\nann:x:2001:2001:Ann O,12,555,556,on, leave:/home/ann:/bin/bash\n',
);
writeFileSync(join(root, 'etc/group'), 'root:x:0:\nann:x:2001:\nwww:x:3001:ann,bob\n# a comment\nbroken\n');
const SHADOW = 'root:!:20000:0:99999:7:::\nann:$6$salt$hash:20001:1:90:5:3:30000:\n';
writeFileSync(join(root, 'etc/shadow'), SHADOW);

function minion(reply?: (line: string) => Reply) {
  const r = recorder(reply);
  const m = smallMinion({ user, group, shadow, cmd: r.module }, { grains: { os_family: 'Debian' } });
  const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire => toWire(m.call(name, args, kw) as Py);
  return { answer, ran: r.ran, lines: m.lines };
}

test('users and groups of another root folder are described', () => {
  const { answer } = minion();
  const ann = answer('user.info', ['ann'], { root }) as WireMap;
  delete ann['groups'];
  assert.deepEqual(ann, {
    gid: 2001,
    home: '/home/ann',
    name: 'ann',
    passwd: 'x',
    shell: '/bin/bash',
    uid: 2001,
    fullname: 'Ann O',
    roomnumber: '12',
    workphone: '555',
    homephone: '556',
    other: 'on, leave',
  });
  assert.deepEqual(answer('user.info', ['zoe'], { root }), {});
  assert.deepEqual(answer('user.list_users', [], { root }), ['ann', 'root']);
  assert.deepEqual(answer('group.info', ['www'], { root }), {
    name: 'www',
    passwd: 'x',
    gid: 3001,
    members: ['ann', 'bob'],
  });
  assert.equal((answer('group.getent', [], { root }) as Wire[]).length, 3);
});

test('the machine’s own root account is known', () => {
  const { answer } = minion();
  assert.equal((answer('user.info', ['root']) as WireMap)['uid'], 0);
  assert.ok((answer('user.list_groups', ['root']) as string[]).length >= 1);
  assert.deepEqual(answer('user.info', ['no-such-user']), {});
});

test('a user is added with the options of useradd, then given its groups', () => {
  const { answer, ran } = minion();
  assert.equal(
    answer('user.add', ['zed'], {
      uid: 0,
      gid: 5,
      groups: ['adm', 'www'],
      shell: '/bin/sh',
      system: true,
      home: '/srv/z',
      unique: false,
      usergroup: false,
    }),
    true,
  );
  assert.deepEqual(ran, ['useradd -s /bin/sh -u 0 -g 5 -N -m -d /srv/z -o -r zed', 'usermod -G adm,www zed']);
});

test('a failed useradd is False, and nothing more is done', () => {
  const { answer, ran } = minion(() => ({ code: 9 }));
  assert.equal(answer('user.add', ['zed'], { createhome: false, groups: ['adm'] }), false);
  assert.deepEqual(ran, ['useradd -M zed']);
});

test('userdel’s complaint about a missing mail folder counts as done', () => {
  const missing = minion(() => ({ code: 12, stderr: 'userdel: /var/mail/ann not owned by ann' }));
  assert.equal(missing.answer('user.delete', ['ann'], { remove: true, force: true }), true);
  assert.deepEqual(missing.ran, ['userdel -r -f ann']);
  assert.equal(minion(() => ({ code: 12, stderr: 'home' })).answer('user.delete', ['ann']), false);
});

test('what is already so is not changed, and an unknown user is an error', () => {
  const { answer, ran } = minion();
  assert.equal(answer('user.chshell', ['ann', '/bin/bash'], { root }), true);
  assert.equal(answer('user.chroomnumber', ['ann', '12'], { root }), true);
  assert.deepEqual(ran, []);
  assert.throws(() => answer('user.chuid', ['zoe', 1], { root }), {
    name: 'CommandExecutionError',
    message: "User 'zoe' does not exist",
  });
  assert.throws(() => answer('user.rename', ['ann', 'root'], { root }), { message: "User 'root' already exists" });
  assert.equal(answer('user.chhome', ['ann', '/srv/ann', true], { root }), false);
  assert.equal(answer('user.chfullname', ['ann', 'Ann'], { root }), false);
  assert.deepEqual(ran, [
    `usermod -R ${root} -m -d /srv/ann ann`,
    `usermod -R ${root} -c Ann,12,555,556,on, leave ann`,
  ]);
});

test('groups are added, filled and removed', () => {
  const { answer, ran } = minion();
  answer('group.add', ['dev'], { gid: 77, non_unique: true, system: true });
  answer('group.adduser', ['dev', 'ann']);
  answer('group.members', ['dev', 'ann,bob']);
  answer('group.delete', ['dev']);
  assert.equal(answer('group.deluser', ['no-such-group', 'ann']), true);
  assert.equal(answer('group.chgid', ['www', 3001], { root }), true);
  assert.deepEqual(ran, [
    'groupadd -g 77 -o -r dev',
    'gpasswd --add ann dev',
    'gpasswd --members ann,bob dev',
    'groupdel dev',
  ]);
});

test('limits of passwords are read, and -1 stands for none', () => {
  const { answer } = minion();
  assert.deepEqual(answer('shadow.info', ['ann'], { root }), {
    name: 'ann',
    passwd: '$6$salt$hash',
    lstchg: 20001,
    min: 1,
    max: 90,
    warn: 5,
    inact: 3,
    expire: 30000,
  });
  assert.equal((answer('shadow.info', ['root'], { root }) as WireMap)['inact'], -1);
  assert.equal((answer('shadow.info', ['zoe'], { root }) as WireMap)['name'], '');
  assert.deepEqual(answer('shadow.list_users', [], { root }), ['ann', 'root']);
});

test('limits are set with chage and locks with passwd', () => {
  const { answer, ran } = minion();
  assert.equal(answer('shadow.set_maxdays', ['ann', 90], { root }), true);
  assert.equal(answer('shadow.set_maxdays', ['zoe', 90], { root }), false);
  answer('shadow.set_warndays', ['ann', 9], { root });
  assert.equal(answer('shadow.set_expire', ['ann', '2031-01-01'], { root }), true);
  assert.equal(answer('shadow.lock_password', ['root'], { root }), true);
  assert.equal(answer('shadow.lock_password', ['ann'], { root }), false);
  assert.deepEqual(ran, [
    `chage -R ${root} -W 9 ann`,
    `chage -R ${root} -E 2031-01-01 ann`,
    `passwd -R ${root} -l ann`,
  ]);
});

test('a password hash is written into the shadow file with today’s date', () => {
  const { answer, lines } = minion();
  assert.equal(answer('shadow.set_password', ['root', '$6$new$hash'], { root }), true);
  const day = Math.floor(Date.now() / 86_400_000);
  assert.equal(
    readFileSync(join(root, 'etc/shadow'), 'utf8'),
    SHADOW.replace('root:!:20000:', `root:$6$new$hash:${day}:`),
  );
  assert.equal(answer('shadow.set_password', ['no-such-user', 'x'], { root }), false);
  assert.ok(lines.some((l) => l.includes('no-such-user does not exist')));
  assert.equal(
    answer('shadow.gen_password', ['p'], { crypt_salt: 'abc', algorithm: 'md5' }),
    '$1$abc$Y.5JwZlXvTsMEFhYjLCbq.',
  );
});
