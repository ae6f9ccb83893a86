import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import { blkidDict, hdparmDict, iostatDict, smartDict } from '../../../minion/modules/disk/tools.ts';
import disk from '../../../minion/modules/disk.ts';
import mount from '../../../minion/modules/mount.ts';
import { type Reply, recorder } from './recorder.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'mount-'));
after(() => rmSync(dir, { recursive: true }));
const config = join(dir, 'fstab');
const TABLE =
  '# remark\nUUID=1 / ext4 defaults 0 1\n/dev/x\t/x ext4 rw,noatime\nnot an entry\ntmpfs /t tmpfs size=1m 0 0\n';

function minion(reply?: (line: string) => Reply) {
  const r = recorder(reply);
  const m = smallMinion({ mount, disk, cmd: r.module }, { opts: { cachedir: dir } });
  return {
    ran: r.ran,
    answer: (name: string, args: Wire[] = [], kw: WireMap = {}): Wire => toWire(m.call(name, args, kw) as Py),
  };
}
const set = (args: Wire[], kw: WireMap = {}): Wire => minion().answer('mount.set_fstab', args, { config, ...kw });

test('the table is read by mount point, missing fields as 0', () => {
  writeFileSync(config, `${TABLE}/dev/y /x xfs defaults 0 0\n`);
  const all = minion().answer('mount.fstab', [config]) as WireMap;
  assert.deepEqual(Object.keys(all), ['/', '/x', '/t', '/x_']);
  assert.deepEqual(all['/x'], { device: '/dev/x', fstype: 'ext4', opts: ['rw', 'noatime'], dump: '0', pass: '0' });
  assert.deepEqual(minion().answer('mount.fstab', ['/no/such/file']), {});
});

test('an entry is added, changed and left alone', () => {
  writeFileSync(config, TABLE);
  assert.equal(set(['/x', '/dev/x', 'ext4'], { opts: 'noatime,rw' }), 'present');
  assert.equal(set(['/x', '/dev/x', 'ext4'], { opts: 'ro', test: true }), 'change');
  assert.equal(readFileSync(config, 'utf8'), TABLE);
  assert.equal(set(['/x', '/dev/x', 'ext4'], { opts: ['ro', 'nodev'] }), 'change');
  assert.equal(set(['/my\\ disk', '/dev/n', 'ext4'], { dump: 1, pass_num: 2 }), 'new');
  assert.equal(set(['/t', 'other', 'tmpfs'], { not_change: true }), 'present');
  assert.equal(
    readFileSync(config, 'utf8'),
    `${TABLE.replace('/dev/x\t/x ext4 rw,noatime\n', '/dev/x\t\t/x\text4\tro,nodev\t0 0\n')}/dev/n\t\t/my\\040disk\text4\tdefaults\t1 2\n`,
  );
});

test('a missing table and a wrong match_on are errors', () => {
  assert.throws(() => set(['/q', '/dev/q', 'ext4'], { config: '/no/file' }), {
    name: 'CommandExecutionError',
    message: 'Bad config file "/no/file"',
  });
  assert.throws(() => set(['/q', '/dev/q', 'ext4'], { match_on: 3 }), {
    message: 'match_on must be a string or list of strings',
  });
  assert.throws(() => minion().answer('mount.rm_fstab', ['/q', '/dev/q', '/no/file']), {
    message: "Couldn't read from /no/file: [Errno 2] No such file or directory: '/no/file'",
  });
});

test('an entry is removed by point and device', () => {
  writeFileSync(config, TABLE);
  const { answer } = minion();
  assert.equal(answer('mount.rm_fstab', ['/x', '/dev/other', config]), true);
  assert.equal(readFileSync(config, 'utf8'), TABLE);
  answer('mount.rm_fstab', ['/x', '/dev/x', config]);
  assert.ok(!readFileSync(config, 'utf8').includes('/dev/x'));
});

test('what is mounted is read from the kernel', () => {
  const { answer } = minion();
  assert.equal(((answer('mount.active') as WireMap)['/proc'] as WireMap)['fstype'], 'proc');
  assert.equal(((answer('mount.active', [true]) as WireMap)['/proc'] as WireMap)['root'], '/');
  assert.equal(answer('mount.is_mounted', ['/no/such/point']), false);
  assert.equal(answer('mount.get_mount_from_path', ['/proc/self']), '/proc');
  assert.equal(answer('mount.get_device_from_path', ['/proc/1']), 'proc');
});

test('mount and umount say True or what went wrong', () => {
  const { answer, ran } = minion((l) => (l.includes('/bad') ? { code: 32, stderr: 'mount: no' } : {}));
  assert.equal(answer('mount.mount', ['/srv', '/dev/sdb1'], { opts: ['ro', 'nodev'], fstype: 'ext4' }), true);
  assert.equal(answer('mount.mount', ['/bad']), 'mount: no');
  assert.equal(answer('mount.umount', ['/no/such/point']), '/no/such/point does not have anything mounted');
  assert.equal(answer('mount.remount', ['/proc', 'proc'], { opts: 'nosuid' }), true);
  assert.equal(answer('mount.umount', ['/proc'], { lazy: true }), true);
  assert.deepEqual(ran, [
    'mount -o ro,nodev -t ext4 /dev/sdb1 /srv',
    'mount /bad',
    'mount -o nosuid,remount proc /proc',
    'umount -l /proc',
  ]);
});

test('the mounts states remember survive', () => {
  const { answer } = minion();
  assert.deepEqual(answer('mount.read_mount_cache', ['/a']), {});
  assert.equal(answer('mount.write_mount_cache', ['/a', '/dev/a', false, 'ext4', ['ro']]), true);
  assert.deepEqual(answer('mount.read_mount_cache', ['/a']), {
    device: '/dev/a',
    fstype: 'ext4',
    mkmnt: false,
    opts: ['ro'],
  });
  answer('mount.delete_mount_cache', ['/a']);
  assert.deepEqual(answer('mount.read_mount_cache', ['/a']), {});
});

test('the automounter’s table gets entries', () => {
  const auto = join(dir, 'auto');
  writeFileSync(auto, '# x\n/..old -fstype=nfs,ro nfs:h:/o\n');
  const { answer, ran } = minion();
  const put = (kw: WireMap): Wire => answer('mount.set_automaster', ['/srv', 'h:/srv', 'nfs'], { config: auto, ...kw });
  assert.equal(put({ opts: 'ro' }), 'new');
  assert.equal(put({ opts: 'ro' }), 'present');
  assert.equal(put({ opts: ['rw', 'soft'] }), 'change');
  assert.deepEqual((answer('mount.automaster', [auto]) as WireMap)['/srv'], {
    device: 'h',
    fstype: '-fstype=nfs',
    opts: ['rw', 'soft'],
  });
  assert.equal(answer('mount.rm_automaster', ['/srv', 'h'], { config: auto }), true);
  assert.deepEqual(ran, ['automount -cv']);
});

test('df is read, also where a device’s name is long or has blanks', () => {
  const out =
    'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 40 60 40% /\n//host/a share 10 1 9 10% /share\nvery-long-name\n 5 1 4 20% /long\n';
  const { answer } = minion(() => ({ stdout: out }));
  assert.deepEqual((answer('disk.usage') as WireMap)['/share'], {
    filesystem: '//host/a share',
    '1K-blocks': '10',
    used: '1',
    available: '9',
    capacity: '10%',
  });
  assert.equal(answer('disk.percent', ['/long']), '20%');
  assert.deepEqual(answer('disk.percent', ['/none']), {});
  assert.throws(() => answer('disk.usage', ['z']), {
    name: 'CommandExecutionError',
    message: 'Invalid flag passed to disk.usage',
  });
});

test('answers of disk tools are read', () => {
  assert.deepEqual(toWire(blkidDict('/dev/sda1: LABEL="my disk" UUID="1-2" TYPE="ext4"\n')), {
    '/dev/sda1': { LABEL: 'my disk', UUID: '1-2', TYPE: 'ext4' },
  });
  assert.deepEqual(
    toWire(
      hdparmDict(
        '\n/dev/sda:\n multcount     = 16 (on)\n geometry      = 10/20/30, sectors = 40, start = 0\n',
        '/dev/sda',
      ),
    ),
    {
      multcount: [16, 'on'],
      geometry: [10, 20, 30, { sectors: '40', start: '0' }],
    },
  );
  const smart = smartDict(
    'x\nID# ATTRIBUTE_NAME FLAG VALUE RAW_VALUE\n  5 Realloc 0x33 100 7\n194 Temp 0x22 30 25 20 31\n\n',
    undefined,
    ['value', 'raw_value'],
  );
  assert.deepEqual(
    [...smart.entries()].map(([k, v]) => [k, toWire(v)]),
    [
      [5, { value: 100, raw_value: 7 }],
      [194, { value: 30, raw_value: [25, 20, 31] }],
    ],
  );
  const io = iostatDict(
    'avg-cpu:  %user %idle\n 1.0 99.0\n\nDevice r/s w/s\nsda 1.0 2.0\n\navg-cpu:  %user %idle\n 2.0 98.0\n\nDevice r/s w/s\nsda 2.0 4.5\n',
  );
  assert.equal(JSON.stringify(toWire(io)), '{"sys":{"%user":1.5,"%idle":98.5},"sda":{"r/s":1.5,"w/s":3.25}}');
});

test('attributes of a device are set and read back', () => {
  const { answer, ran } = minion(() => ({ stdout: Array.from({ length: 12 }, (_, i) => i).join('\n') }));
  assert.deepEqual(answer('disk.tune', ['/dev/x'], { 'read-ahead': 99, 'read-only': true }), {
    getra: '10',
    getro: '0',
  });
  assert.equal(ran[0], 'blockdev --setra 99 --setro /dev/x');
  assert.throws(() => answer('disk.tune', ['/dev/x'], { zz: 1 }), {
    name: 'SaltInvocationError',
    message: 'Invalid keyword arguments: zz=1',
  });
});
