/** Mounted file systems, the tables of those to mount, swap. */
import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { dumpYaml, loadYaml } from '../../sls/yaml.ts';
import { docFor } from '../doc-text.ts';
import { readLines } from '../machine/read.ts';
import { accountOf, groupOf } from '../process/accounts.ts';
import { capture, needs } from '../process/capture.ts';
import { runText, runWords } from '../process/through-cmd.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import {
  type Entry,
  FSTAB,
  readAutomaster,
  readTable,
  removeAutomaster,
  removeEntry,
  setAutomaster,
  setEntry,
  type TableForm,
  VFSTAB,
} from './mount/fstab.ts';

const doc = docFor('mount');
const text = (a: Args, key: string): string => str(a[key] as Py);
const given = (v: Py | undefined): v is Py => truth(v ?? null);

/** Devices by mount point as `mount` names them. */
function named(): Map<string, string> {
  return new Map(
    capture('mount', ['-l'])
      .stdout.split('\n')
      .map((l) => l.split(/\s+/))
      .filter((w) => w.length >= 3)
      .map((w) => [w[2] as string, w[0] as string]),
  );
}

/** Options with users and groups as numbers and blanks escaped. */
function options(list: string): string[] {
  return list.split(',').map((o) => {
    const m = /^(uid|gid)=(.+)$/.exec(o);
    const id =
      m && !/^\d+$/.test(m[2] as string)
        ? m[1] === 'uid'
          ? accountOf(m[2] as string)?.uid
          : groupOf(m[2] as string)?.gid
        : undefined;
    return (m && id !== undefined ? `${m[1]}=${id}` : o).replaceAll('\\040', '\\ ');
  });
}

function active(): PyDict {
  const alt = named();
  const out = new PyDict();
  for (const line of readLines('/proc/self/mounts')) {
    const [device = '', point = '', fstype = '', opts = ''] = line.split(' ');
    out.set(
      point,
      new PyDict<Py>([
        ['device', device],
        ['alt_device', alt.get(point) ?? null],
        ['fstype', fstype],
        ['opts', options(opts)],
      ]),
    );
  }
  return out;
}

function activeExtended(ctx: ModuleCtx): PyDict {
  const lines = readLines('/proc/self/mountinfo');
  if (!lines.length) return active();
  const alt = named();
  const ids = ctx.salt.has('disk.blkid') && which('blkid') ? ctx.salt.call('disk.blkid') : new PyDict();
  const out = new PyDict();
  for (const line of lines) {
    const w = line.split(' ');
    const dash = w.indexOf('-');
    const [major = '', minor = ''] = (w[2] ?? '').split(':');
    const device = w[dash + 2] ?? '';
    const id = ids instanceof PyDict ? ids.get(device) : undefined;
    const field = (k: string): Py => (id instanceof PyDict ? (id.get(k) ?? null) : null);
    const uuid = field('UUID');
    out.set(
      w[4] as string,
      new PyDict<Py>([
        ['mountid', w[0] as string],
        ['parentid', w[1] as string],
        ['major', major],
        ['minor', minor],
        ['root', w[3] as string],
        ['opts', options(w[5] ?? '')],
        ['fstype', w[dash + 1] ?? ''],
        ['device', device.replaceAll('\\040', '\\ ')],
        ['alt_device', alt.get(w[4] as string) ?? null],
        ['superopts', options(w[dash + 3] ?? '')],
        ['device_uuid', typeof uuid === 'string' ? uuid.toLowerCase() : null],
        ['device_label', field('LABEL')],
      ]),
    );
  }
  return out;
}

const optionList = (v: Py): string[] =>
  v === null ? [] : typeof v === 'string' ? v.split(',') : [...iterate(v)].map((o) => str(o));
const runas = (a: Args): { readonly [k: string]: Py } => (a['user'] == null ? {} : { runas: a['user'] });

function mountWords(a: Args, opts: readonly string[]): string[] {
  const words = ['mount'];
  if (given(a['device'])) {
    if (opts.length) words.push('-o', opts.join(','));
    if (given(a['fstype'])) words.push('-t', text(a, 'fstype'));
    words.push(text(a, 'device'));
  }
  return [...words, text(a, 'name')];
}

function mount(a: Args, ctx: ModuleCtx): Py {
  const util = str(a['util'] ?? 'mount');
  if (util === 'guestfs') return ctx.salt.call('guestfs.mount', [a['name'] as Py], { root: a['device'] as Py });
  if (util === 'qemu_nbd') {
    const made = ctx.salt.call('qemu_nbd.init', [a['name'] as Py, a['device'] as Py]);
    if (!(made instanceof PyDict) || !made.size) return false;
    const first = [...made.keys()][0] as Py;
    ctx.context.set(`img.mnt_${str(first)}`, made);
    return first;
  }
  if (util !== 'mount') return false;
  if (truth(a['mkmnt'] as Py) && !existsSync(text(a, 'name')))
    ctx.salt.call('file.mkdir', [a['name'] as Py], { user: a['user'] as Py });
  const r = runWords(ctx, mountWords(a, optionList(a['opts'] as Py)), runas(a));
  return r.code === 0 ? true : r.stderr;
}

function remount(a: Args, ctx: ModuleCtx): Py {
  const opts = optionList(a['opts'] as Py);
  if (!active().has(text(a, 'name'))) return mount({ ...a, opts, util: 'mount' }, ctx);
  if (!opts.includes('remount')) opts.push('remount');
  const r = runWords(ctx, mountWords(a, opts), runas(a));
  return r.code === 0 ? true : r.stderr;
}

function umount(a: Args, ctx: ModuleCtx): Py {
  if (a['util'] === 'guestfs') {
    ctx.salt.call('guestfs.umount', [a['name'] as Py], { disk: a['device'] as Py });
    return null;
  }
  const image = ctx.context.get(`img.mnt_${text(a, 'name')}`);
  if (a['util'] === 'qemu_nbd' && image !== undefined && ctx.salt.has('qemu_nbd.clear')) {
    ctx.salt.call('qemu_nbd.clear', [image]);
    return null;
  }
  if (!active().has(text(a, 'name'))) return `${text(a, 'name')} does not have anything mounted`;
  const r = runWords(
    ctx,
    ['umount', ...(truth(a['lazy'] as Py) ? ['-l'] : []), given(a['device']) ? text(a, 'device') : text(a, 'name')],
    runas(a),
  );
  return r.code === 0 ? true : r.stderr;
}

function swaps(): PyDict {
  return new PyDict(
    readLines('/proc/swaps')
      .slice(1)
      .map((l) => l.trim().split(/\s+/))
      .map(([name = '', type = '', size = '', used = '', priority = '']): [Py, Py] => [
        name,
        new PyDict<Py>([
          ['type', type],
          ['size', size],
          ['used', used],
          ['priority', priority],
        ]),
      ]),
  );
}

function swapon(a: Args, ctx: ModuleCtx): PyDict {
  const name = text(a, 'name');
  const before = swaps().get(name);
  if (before !== undefined)
    return new PyDict<Py>([
      ['stats', before],
      ['new', false],
    ]);
  runText(ctx, ['swapon', name, ...(given(a['priority']) ? ['-p', text(a, 'priority')] : [])]);
  const stats = swaps().get(name);
  return stats === undefined
    ? new PyDict()
    : new PyDict<Py>([
        ['stats', stats],
        ['new', true],
      ]);
}

/** The mounts states remember, by mount point. */
function cached(ctx: ModuleCtx): PyDict {
  const path = join(ctx.opts.str('cachedir'), 'mounts');
  const read = existsSync(path) ? loadYaml(readFileSync(path, 'utf8'), { file: path }) : null;
  return read instanceof PyDict ? read : new PyDict();
}

function saveCache(cache: PyDict, ctx: ModuleCtx): true {
  try {
    writeFileSync(join(ctx.opts.str('cachedir'), 'mounts'), dumpYaml(cache), { mode: 0o600 });
  } catch (e) {
    throw new SaltError('CommandExecutionError', 'Unable to write mount cache.', {}, { cause: e });
  }
  return true;
}

const mountsIn = (cache: PyDict): PyDict => {
  const m = cache.get('mounts');
  return m instanceof PyDict ? m : new PyDict();
};

/** The mount point a path lies below. */
function mountOf(path: string): string {
  let at = existsSync(path) ? realpathSync(path) : join('/', path);
  for (; at !== '/'; at = dirname(at)) {
    const here = statSync(at, { throwIfNoEntry: false });
    const above = statSync(dirname(at), { throwIfNoEntry: false });
    if (here && above && (here.dev !== above.dev || here.ino === above.ino)) return at;
  }
  return at;
}

const testMode = (a: Args): boolean => truth(a['test'] as Py) || truth((a['kwargs'] as PyDict).get('test') ?? false);

function matchOn(v: Py): string | string[] {
  if (typeof v === 'string') return v;
  if (Array.isArray(v)) return v.map((x) => str(x as Py));
  throw new SaltError('CommandExecutionError', 'match_on must be a string or list of strings');
}

function set(a: Args, form: TableForm, fields: readonly string[]): string {
  const opts = Array.isArray(a['opts']) ? optionList(a['opts']).join(',') : text(a, 'opts');
  const entry: Entry = Object.fromEntries(
    fields.map((k) => [k, (k === 'opts' ? opts : text(a, k)).replaceAll('\\ ', '\\040')]),
  );
  return setEntry(entry, form, text(a, 'config'), {
    matchOn: matchOn(a['match_on'] as Py),
    test: testMode(a),
    keep: truth(a['not_change'] as Py),
  });
}

export default {
  doc: 'Mounts and unmounts file systems, and reads and writes the tables of them.',
  functions: {
    active: fn(
      'active(extended=False)',
      doc('What is mounted, by mount point; extended=True adds ids and labels.', 'active'),
      (a, ctx: ModuleCtx) => (truth(a['extended'] as Py) ? activeExtended(ctx) : active()),
    ),
    is_mounted: fn('is_mounted(name)', doc('Whether something is mounted at a point.', 'is_mounted /srv'), (a) =>
      active().has(text(a, 'name')),
    ),
    mount: fn(
      "mount(name, device=False, mkmnt=False, fstype='', opts='defaults', user=None, util='mount')",
      doc(
        'Mounts a device at a point, or what the table says of the point. True, or the text of the error.',
        'mount /srv /dev/sdb1 True',
      ),
      mount,
    ),
    remount: fn(
      "remount(name, device, mkmnt=False, fstype='', opts='defaults', user=None)",
      doc('Mounts anew with other options; mounts what is not mounted.', 'remount /srv /dev/sdb1 opts=ro'),
      remount,
    ),
    umount: fn(
      "umount(name, device=None, user=None, util='mount', lazy=False)",
      doc('Unmounts. True, or the text of the error.', 'umount /srv'),
      umount,
    ),
    fstab: fn("fstab(config='/etc/fstab')", doc('The table of file systems, by mount point.', 'fstab'), (a) =>
      readTable(text(a, 'config')),
    ),
    vfstab: fn("vfstab(config='/etc/vfstab')", doc("Solaris' table of file systems.", 'vfstab'), (a) =>
      readTable(text(a, 'config')),
    ),
    set_fstab: fn(
      "set_fstab(name, device, fstype, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', test=False, match_on='auto', not_change=False, **kwargs)",
      doc(
        'Adds or changes an entry of the table: new, change or present. match_on names the fields that tell which entry; by default the device, or the point for kinds without one.',
        'set_fstab /srv /dev/sdb1 ext4',
      ),
      (a) => set(a, FSTAB, FSTAB.keys),
    ),
    set_vfstab: fn(
      "set_vfstab(name, device, fstype, opts='-', device_fsck='-', pass_fsck='-', mount_at_boot='yes', config='/etc/vfstab', test=False, match_on='auto', not_change=False, **kwargs)",
      doc("Adds or changes an entry of Solaris' table.", 'set_vfstab /srv /dev/c0t0d0s1 ufs'),
      (a) => set({ ...a, mount_at_boot: a['mount_at_boot'] === 'yes' ? 'yes' : 'no' }, VFSTAB, VFSTAB.keys),
    ),
    rm_fstab: fn(
      "rm_fstab(name, device, config='/etc/fstab')",
      doc('Removes an entry of the table.', 'rm_fstab /srv /dev/sdb1'),
      (a) => removeEntry(text(a, 'name'), given(a['device']) ? text(a, 'device') : '', text(a, 'config')),
    ),
    rm_vfstab: fn(
      "rm_vfstab(name, device, config='/etc/vfstab')",
      doc("Removes an entry of Solaris' table.", 'rm_vfstab /srv /dev/c0t0d0s1'),
      (a) => removeEntry(text(a, 'name'), given(a['device']) ? text(a, 'device') : '', text(a, 'config')),
    ),
    automaster: fn("automaster(config='/etc/auto_salt')", doc("The automounter's table.", 'automaster'), (a) =>
      readAutomaster(text(a, 'config')),
    ),
    set_automaster: fn(
      "set_automaster(name, device, fstype, opts='', config='/etc/auto_salt', test=False, not_change=False, **kwargs)",
      doc("Adds or changes an entry of the automounter's table.", 'set_automaster /srv host:/srv nfs'),
      (a) =>
        setAutomaster(
          {
            name: text(a, 'name'),
            device: text(a, 'device'),
            fstype: text(a, 'fstype'),
            opts: Array.isArray(a['opts']) ? optionList(a['opts']).join(',') : text(a, 'opts'),
          },
          text(a, 'config'),
          { test: testMode(a), keep: truth(a['not_change'] as Py) },
        ),
    ),
    rm_automaster: fn(
      "rm_automaster(name, device, config='/etc/auto_salt')",
      doc("Removes an entry of the automounter's table.", 'rm_automaster /srv host:/srv'),
      (a, ctx: ModuleCtx) => {
        if (removeAutomaster(text(a, 'name'), given(a['device']) ? text(a, 'device') : '', text(a, 'config')))
          runText(ctx, ['automount', '-cv']);
        return true;
      },
    ),
    filesystems: fn(
      "filesystems(config='/etc/filesystems')",
      doc("AIX's table of file systems: empty elsewhere.", 'filesystems'),
      () => new PyDict(),
    ),
    set_filesystems: fn(
      "set_filesystems(name, device, vfstype, opts='-', mount='true', config='/etc/filesystems', test=False, match_on='auto', not_change=False, **kwargs)",
      doc("Changes AIX's table of file systems: None elsewhere.", 'set_filesystems /srv /dev/hd1 jfs2'),
      () => null,
    ),
    rm_filesystems: fn(
      "rm_filesystems(name, device, config='/etc/filesystems')",
      doc("Removes an entry of AIX's table: False elsewhere.", 'rm_filesystems /srv /dev/hd1'),
      () => false,
    ),
    swaps: fn('swaps()', doc('Swap spaces in use.', 'swaps'), () => swaps()),
    swapon: fn('swapon(name, priority=None)', doc('Puts a swap space to use.', 'swapon /swapfile'), swapon),
    swapoff: fn(
      'swapoff(name)',
      doc(
        'Takes a swap space out of use: True, False when it stays, None when it was not in use.',
        'swapoff /swapfile',
      ),
      (a, ctx: ModuleCtx) => {
        if (!swaps().has(text(a, 'name'))) return null;
        runText(ctx, ['swapoff', text(a, 'name')]);
        return !swaps().has(text(a, 'name'));
      },
    ),
    is_fuse_exec: fn(
      'is_fuse_exec(cmd)',
      doc('Whether a program is a FUSE file system.', 'is_fuse_exec sshfs'),
      (a) => {
        const path = which(text(a, 'cmd'));
        if (!path) return false;
        needs('ldd');
        return capture('ldd', [path]).stdout.includes('libfuse');
      },
    ),
    read_mount_cache: fn(
      'read_mount_cache(name)',
      doc('What states remember of a mount point.', 'read_mount_cache /srv'),
      (a, ctx: ModuleCtx) => mountsIn(cached(ctx)).get(text(a, 'name')) ?? new PyDict(),
    ),
    write_mount_cache: fn(
      'write_mount_cache(real_name, device, mkmnt, fstype, mount_opts)',
      doc('Remembers a mount point for states.', 'write_mount_cache /srv /dev/sdb1 False ext4 defaults'),
      (a, ctx: ModuleCtx) => {
        const cache = cached(ctx);
        const all = mountsIn(cache);
        all.set(
          text(a, 'real_name'),
          new PyDict<Py>([
            ['device', a['device'] as Py],
            ['fstype', a['fstype'] as Py],
            ['mkmnt', a['mkmnt'] as Py],
            ['opts', a['mount_opts'] as Py],
          ]),
        );
        cache.set('mounts', all);
        return saveCache(cache, ctx);
      },
    ),
    delete_mount_cache: fn(
      'delete_mount_cache(real_name)',
      doc('Forgets what states remember of a mount point.', 'delete_mount_cache /srv'),
      (a, ctx: ModuleCtx) => {
        const cache = cached(ctx);
        if (mountsIn(cache).delete(text(a, 'real_name'))) saveCache(cache, ctx);
        return true;
      },
    ),
    get_mount_from_path: fn(
      'get_mount_from_path(path)',
      doc('The mount point a path lies below.', 'get_mount_from_path /srv/www'),
      (a) => mountOf(text(a, 'path')),
    ),
    get_device_from_path: fn(
      'get_device_from_path(path)',
      doc('The device a path lies on.', 'get_device_from_path /srv/www'),
      (a) => {
        const at = active().get(mountOf(text(a, 'path')));
        return at instanceof PyDict ? (at.get('device') as Py) : null;
      },
    ),
  },
} satisfies ExecutionModule;
