/** Disks and the file systems on them. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, toInt, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { needs } from '../process/capture.ts';
import { runText, runWords } from '../process/through-cmd.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { blkidDict, dfFlags, dfRows, hdparmDict, iostatDict, smartDict } from './disk/tools.ts';

const doc = docFor('disk');
const text = (a: Args, key: string): string => str(a[key] as Py);

/** What blockdev is asked of a device, in this order. */
const BLOCKDEV = [
  'getro',
  'getsz',
  'getss',
  'getpbsz',
  'getiomin',
  'getioopt',
  'getalignoff',
  'getmaxsect',
  'getsize',
  'getsize64',
  'getra',
  'getfra',
];

function dump(device: string, only: Py, ctx: ModuleCtx): Py {
  const r = runWords(ctx, ['blockdev', ...BLOCKDEV.map((o) => `--${o}`), device]);
  if (r.code !== 0) return false;
  const lines = r.stdout.split('\n').filter(Boolean);
  const all = new PyDict(BLOCKDEV.slice(0, lines.length).map((o, i): [Py, Py] => [o, lines[i] as string]));
  return truth(only) ? new PyDict([...iterate(only)].map((k): [Py, Py] => [k, all.get(k) ?? ''])) : all;
}

const TUNE: { readonly [name: string]: [set: string, get: string] } = {
  'read-ahead': ['setra', 'getra'],
  'filesystem-read-ahead': ['setfra', 'getfra'],
  'read-only': ['setro', 'getro'],
  'read-write': ['setrw', 'getro'],
};

function tune(a: Args, ctx: ModuleCtx): Py {
  const words: string[] = [];
  const asked: Py[] = [];
  const bad: string[] = [];
  for (const [k, v] of a['kwargs'] as PyDict) {
    const name = str(k);
    const flag = name === 'read-only' || name === 'read-write';
    if (name.startsWith('__')) continue;
    const option = Object.hasOwn(TUNE, name) ? TUNE[name] : undefined;
    if (!option || (flag && v !== true && v !== 'True')) bad.push(`${name}=${str(v)}`);
    else {
      words.push(`--${option[0]}`, ...(flag ? [] : [str(v)]));
      asked.push(option[1]);
    }
  }
  if (bad.length) throw new SaltError('SaltInvocationError', `Invalid keyword arguments: ${bad.join(', ')}`);
  const r = runWords(ctx, ['blockdev', ...words, text(a, 'device')]);
  if (r.code !== 0) throw new SaltError('CommandExecutionError', r.stderr);
  return dump(text(a, 'device'), asked, ctx);
}

function format(a: Args, ctx: ModuleCtx): boolean {
  needs('sync');
  needs('mkfs');
  const kind = text(a, 'fs_type');
  const ext = kind.startsWith('ext');
  const words = ['mkfs', '-t', kind];
  if (a['inode_size'] !== null && ext) words.push('-i', text(a, 'inode_size'));
  else if (a['inode_size'] !== null && kind === 'xfs') words.push('-i', `size=${text(a, 'inode_size')}`);
  if (a['lazy_itable_init'] !== null && ext) words.push('-E', `lazy_itable_init=${text(a, 'lazy_itable_init')}`);
  if ([12, 16, 32].includes(Number(a['fat'])) && kind.endsWith('fat')) words.push('-F', text(a, 'fat'));
  if (truth(a['force'] as Py)) {
    if (ext) words.push('-F');
    else if (kind === 'xfs') words.push('-f');
  }
  const made = runWords(ctx, [...words, text(a, 'device')], { ignore_retcode: true }).code === 0;
  return runWords(ctx, ['sync'], { ignore_retcode: true }).code === 0 && made;
}

/** Kind of the file system on a device; empty where it is unknown. */
function fstype(device: string, ctx: ModuleCtx): string {
  if (!which('lsblk') && !which('df'))
    throw new SaltError('CommandNotFoundError', "None of provided binaries ('lsblk', 'df') was found in $PATH.");
  const second = (words: string[]): string => runText(ctx, words).split('\n')[1]?.trim() ?? '';
  return (
    (which('lsblk') ? second(['lsblk', '-o', 'fstype', device]) : '') ||
    (which('df') ? second(['df', '-T', device]) : '')
  );
}

function hdparm(words: string[], failhard: boolean, ctx: ModuleCtx): string {
  needs('hdparm');
  const r = runWords(ctx, ['hdparm', ...words]);
  if (r.code !== 0) {
    const message = `hdparm ${words.join(' ')}: ${r.stderr}`;
    if (failhard) throw new SaltError('CommandExecutionError', message);
    ctx.log.warning(message);
  }
  return r.stdout;
}

function hdparms(disks: Py, args: string, ctx: ModuleCtx): PyDict {
  needs('hdparm');
  const list = Array.isArray(disks) ? disks.map((d) => str(d as Py)) : [str(disks)];
  return new PyDict(
    list.map((d): [Py, Py] => {
      const disk = d.startsWith('/dev') ? d : `/dev/${d}`;
      return [disk, hdparmDict(hdparm([`-${args}`, disk], false, ctx), disk)];
    }),
  );
}

/** Hidden areas of disks; with a size (sectors or a share) the area is changed. */
function hpa(a: Args, ctx: ModuleCtx): Py {
  const found = new PyDict();
  for (const [disk, data] of hdparms(a['disks'] as Py, 'N', ctx)) {
    const [visible, total, status] = ([...(data as PyDict).values()][0] ?? []) as Py[];
    const whole = Number(total);
    found.set(
      disk,
      visible === total || str(status ?? '').includes('disabled')
        ? new PyDict([['total', whole]])
        : new PyDict([
            ['total', whole],
            ['visible', Number(visible)],
            ['hidden', whole - Number(visible)],
          ]),
    );
  }
  if (a['size'] === null) return found;
  for (const [disk, data] of found) {
    const total = (data as PyDict).get('total') as number;
    const share = /^(\d+)%$/.exec(text(a, 'size'));
    let size = share ? Math.floor(((100 - Number(share[1])) * total) / 100) : total - Number(toInt(a['size'] as Py));
    if (size <= 0) size = total;
    hdparm(['--yes-i-know-what-i-am-doing', `-Np${size}`, str(disk)], true, ctx);
  }
  return null;
}

function percent(a: Args, ctx: ModuleCtx): Py {
  const all = new PyDict(dfRows(runText(ctx, ['df', '-P'])).map((r): [Py, Py] => [r[5] ?? '', r[4] ?? '']));
  if (!truth(a['args'] as Py)) return all;
  const one = all.get(a['args'] as Py);
  if (one === undefined)
    ctx.log.error(`Problem parsing disk usage information: Partition '${text(a, 'args')}' does not exist!`);
  return one ?? new PyDict();
}

const table = (rows: string[][], names: readonly string[]): PyDict =>
  new PyDict(
    rows
      .filter((r) => r.length > 5)
      .map((r): [Py, Py] => [
        r[5] as string,
        new PyDict(names.map((n, i): [Py, Py] => [n, r[n === 'filesystem' ? 0 : i] as string])),
      ]),
  );

export default {
  doc: 'Tells about disks and the file systems on them, and makes file systems.',
  functions: {
    usage: fn('usage(args=None)', doc('Use of mounted file systems, as df tells it.', 'usage'), (a, ctx: ModuleCtx) =>
      table(dfRows(runText(ctx, ['df', '-P', ...dfFlags(a['args'] as Py, 'disk.usage')])), [
        'filesystem',
        '1K-blocks',
        'used',
        'available',
        'capacity',
      ]),
    ),
    inodeusage: fn(
      'inodeusage(args=None)',
      doc('Use of inodes of mounted file systems.', 'inodeusage'),
      (a, ctx: ModuleCtx) => {
        const rows = dfRows(runText(ctx, ['df', '-iP', ...dfFlags(a['args'] as Py, 'disk.inodeusage')]));
        return new PyDict(
          rows.map((r): [Py, Py] => [
            r[5] ?? '',
            new PyDict<Py>([
              ['inodes', r[1] ?? ''],
              ['used', r[2] ?? ''],
              ['free', r[3] ?? ''],
              ['use', r[4] ?? ''],
              ['filesystem', r[0] ?? ''],
            ]),
          ]),
        );
      },
    ),
    percent: fn(
      'percent(args=None)',
      doc('How full file systems are, or the one at a mount point.', 'percent', 'percent /srv'),
      percent,
    ),
    blkid: fn(
      'blkid(device=None, token=None)',
      doc(
        'Attributes of block devices: all, one, or those with an attribute.',
        'blkid',
        'blkid /dev/sda1',
        'blkid token=TYPE=ext4',
      ),
      (a, ctx: ModuleCtx) => {
        needs('blkid');
        const r = runWords(ctx, [
          'blkid',
          ...(truth(a['device'] as Py) ? [text(a, 'device')] : truth(a['token'] as Py) ? ['-t', text(a, 'token')] : []),
        ]);
        return r.code > 0 ? new PyDict() : blkidDict(r.stdout);
      },
    ),
    tune: fn(
      'tune(device, **kwargs)',
      doc(
        'Sets attributes of a block device: read-ahead, filesystem-read-ahead, read-only, read-write.',
        'tune /dev/sda1 read-ahead=1024 read-write=True',
      ),
      tune,
    ),
    dump: fn('dump(device, args=None)', doc('Attributes of a block device.', 'dump /dev/sda1'), (a, ctx: ModuleCtx) =>
      dump(text(a, 'device'), a['args'] as Py, ctx),
    ),
    wipe: fn(
      'wipe(device)',
      doc('Removes the marks of file systems from a device.', 'wipe /dev/sda1'),
      (a, ctx: ModuleCtx) => {
        const r = runWords(ctx, ['wipefs', '-a', text(a, 'device')]);
        if (r.code !== 0) ctx.log.error(`Error wiping device ${text(a, 'device')}: ${r.stderr}`);
        return r.code === 0;
      },
    ),
    resize2fs: fn(
      'resize2fs(device)',
      doc('Grows a file system to the size of its device.', 'resize2fs /dev/sda1'),
      (a, ctx: ModuleCtx) => (runWords(ctx, ['resize2fs', text(a, 'device')]).code === 0 ? true : null),
    ),
    format: fn(
      "format(device, fs_type='ext4', inode_size=None, lazy_itable_init=None, fat=None, force=False)",
      doc('Makes a file system on a device.', 'format /dev/sdb1', 'format /dev/sdb1 fs_type=xfs force=True'),
      format,
    ),
    fstype: fn('fstype(device)', doc('Kind of the file system on a device.', 'fstype /dev/sda1'), (a, ctx: ModuleCtx) =>
      fstype(text(a, 'device'), ctx),
    ),
    get_fstype_from_path: fn(
      'get_fstype_from_path(path)',
      doc('Kind of the file system a path lies on.', 'get_fstype_from_path /srv'),
      (a, ctx: ModuleCtx) => fstype(str(ctx.salt.call('mount.get_device_from_path', [a['path'] as Py])), ctx),
    ),
    hdparms: fn(
      "hdparms(disks, args='aAbBcCdgHiJkMmNnQrRuW')",
      doc('Parameters of disks, as hdparm tells them.', 'hdparms /dev/sda'),
      (a, ctx: ModuleCtx) =>
        hdparms(
          a['disks'] as Py,
          Array.isArray(a['args']) ? a['args'].map((x) => str(x as Py)).join('') : text(a, 'args'),
          ctx,
        ),
    ),
    hpa: fn(
      'hpa(disks, size=None)',
      doc('The protected area of disks; size changes it, in sectors or as a share.', 'hpa /dev/sda', 'hpa /dev/sda 5%'),
      hpa,
    ),
    smart_attributes: fn(
      'smart_attributes(dev, attributes=None, values=None)',
      doc(
        "A disk's own health figures: all, or those with given numbers, or given columns.",
        'smart_attributes /dev/sda',
        "smart_attributes /dev/sda attributes='(5,187)'",
      ),
      (a, ctx: ModuleCtx) => {
        const dev = text(a, 'dev').startsWith('/dev/') ? text(a, 'dev') : `/dev/${text(a, 'dev')}`;
        const r = runWords(ctx, ['smartctl', '--attributes', dev], { output_loglevel: 'quiet' });
        if (r.code !== 0) throw new SaltError('CommandExecutionError', r.stderr);
        const list = (v: Py | undefined): Py[] | undefined => (v == null ? undefined : [...iterate(v)]);
        return smartDict(
          r.stdout,
          list(a['attributes'])?.map(Number),
          list(a['values'])?.map((x) => str(x)),
        );
      },
    ),
    iostat: fn(
      'iostat(interval=1, count=5, disks=None)',
      doc('Mean load of disks over some reports of iostat.', 'iostat 1 5', 'iostat 1 5 disks=sda'),
      (a, ctx: ModuleCtx) => {
        needs('iostat');
        const disks =
          a['disks'] === null
            ? []
            : Array.isArray(a['disks'])
              ? a['disks'].map((d) => str(d as Py))
              : [text(a, 'disks')];
        return iostatDict(
          runText(ctx, ['iostat', disks.length ? '-xd' : '-x', text(a, 'interval'), text(a, 'count'), ...disks], {
            output_loglevel: 'quiet',
          }),
        );
      },
    ),
  },
} satisfies ExecutionModule;
