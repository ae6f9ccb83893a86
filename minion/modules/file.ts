/** Files and folders of the minion's machine. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { pyRegex } from '../../sls/regex.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { deleteBackup, listBackups, listBackupsDir, restoreBackup } from './file/backup.ts';
import { blockReplace, commentLine, flagLetters, replace } from './file/edit.ts';
import { find, globPaths } from './file/find.ts';
import {
  access,
  append,
  applyTemplate,
  at,
  blockRequest,
  chattr,
  checked,
  checkedChanges,
  checkHash,
  flagNames,
  follow,
  grep,
  holds,
  ignoring,
  joinedLines,
  joinPath,
  kindOf,
  lineRequest,
  linesGiven,
  lsattr,
  managed,
  nodeOf,
  on,
  pair,
  patch,
  posixBase,
  posixDir,
  prepend,
  psed,
  refuse,
  replaceRequest,
  sed,
  sedContains,
  selinuxContext,
  setSelinux,
  sumMap,
} from './file/functions.ts';
import {
  gidOf,
  groupName,
  hashOf,
  isAbs,
  isDir,
  isFile,
  isLink,
  mustHave,
  normalPath,
  stats,
  uidOf,
  userName,
} from './file/inspect.ts';
import { line } from './file/line.ts';
import { checkFileMeta, getDiff, ignores, manageFile } from './file/manage.ts';
import { givenSource, requestOf } from './file/managed-request.ts';
import {
  copy,
  deviceNumbers,
  diskUsage,
  link,
  lstatMap,
  makeNode,
  mknod,
  move,
  openFiles,
  readLink,
  remove,
  removeDir,
  rename,
  symlink,
  touch,
} from './file/paths.ts';
import { checkPerms, chown, makedirs, makedirsPerms, mkdir, setMode } from './file/perms.ts';
import { SIG } from './file/signatures.ts';
import { extractHash, sourceList, sourceSum } from './file/source.ts';
import { readText } from './file/text.ts';

const doc = docFor('file');
type Run = (a: Args, ctx: ModuleCtx) => Py;
type Name = keyof typeof SIG;

/** What each function does and how: `[text, example, run]`. */
const TABLE: { readonly [F in Name]?: readonly [what: string, example: string, run: Run] } = {
  access: ['Tells whether this process may do something (f, r, w, x) with a path.', 'access /etc/passwd r', access],
  append: ['Adds lines to the end of a file.', "append /etc/motd 'first' 'second'", append],
  apply_template_on_contents: [
    'Renders a text as a template.',
    "apply_template_on_contents 'Hi {{ who }}' jinja '{who: you}' '{}' base",
    applyTemplate,
  ],
  basename: ['The last part of a path.', 'basename /a/b', (a) => posixBase(str(a['path'] as Py))],
  blockreplace: [
    'Puts text between two marking lines of a file; answers the diff.',
    "blockreplace /etc/hosts '#-- start' '#-- end' '10.0.0.1 a'",
    (a, ctx) => blockReplace(blockRequest(a), ctx),
  ],
  chattr: ['Adds or removes attributes of files.', 'chattr /tmp/f operator=add attributes=i', chattr],
  check_file_meta: [
    'Tells what of a file differs from what is wanted.',
    "check_file_meta /etc/f salt://f '{hash_type: sha256, hsum: abc}' root root 0644 '' base",
    (a, ctx) => {
      const r = requestOf(a);
      const got = checkFileMeta(r, givenSource(a), ctx);
      return ignores(r.ignoring) ? pair(got.differs, got.changes) : got.changes;
    },
  ],
  check_hash: [
    'Tells whether a file has a hash.',
    'check_hash /etc/fstab md5:0123456789abcdef0123456789abcdef',
    checkHash,
  ],
  check_managed: [
    'Tells whether a managed file is as wanted.',
    "check_managed /etc/f salt://f '' '' root root 0755 '' jinja '{}' '{}' base",
    checked,
  ],
  check_managed_changes: [
    'Tells what of a managed file would change.',
    "check_managed_changes /etc/f salt://f '' '' root root 0755 '' jinja '{}' '{}' base",
    checkedChanges,
  ],
  check_perms: [
    'Makes owner, group, mode and attributes as wanted.',
    "check_perms /etc/sudoers '{}' root root 400",
    (a, ctx) => {
      const ret = a['ret'];
      const [out, perms] = checkPerms(
        str(a['name'] as Py),
        ret instanceof PyDict && ret.size ? ret : undefined,
        {
          user: a['user'] as Py,
          group: a['group'] as Py,
          mode: a['mode'] as Py,
          attrs: a['attrs'] ?? null,
          follow: follow(a),
        },
        ctx,
      );
      return pair(out, perms);
    },
  ],
  chgrp: [
    'Changes the group of a file.',
    'chgrp /etc/passwd root',
    (a) => chown(at(a), mustHave(at(a)).user, a['group'] as Py),
  ],
  chown: [
    'Changes owner and group of a file; links are followed.',
    'chown /etc/passwd root root',
    (a) => chown(at(a), a['user'] as Py, a['group'] as Py),
  ],
  comment: [
    'Puts a comment sign before matching lines.',
    'comment /etc/modules pcspkr',
    (a, ctx) => commentLine(a['path'] as Py, a['regex'] as Py, a['char'] as Py, true, a['backup'] as Py, ctx),
  ],
  comment_line: [
    'Puts a comment sign before matching lines, or with cmnt=False takes it away.',
    'comment_line /etc/modules pcspkr',
    (a, ctx) => commentLine(a['path'] as Py, a['regex'] as Py, a['char'] as Py, on(a, 'cmnt'), a['backup'] as Py, ctx),
  ],
  contains: [
    'Tells whether a file holds a text.',
    "contains /etc/crontab 'mymaintenance.sh'",
    (a) => holds(at(a), (t) => t.includes(str(a['text'] as Py).trim())),
  ],
  contains_glob: [
    'Tells whether a shell pattern fits the content of a file.',
    "contains_glob /etc/foobar '*cheese*'",
    (a) => holds(at(a), (t) => fnmatch(t, str(a['glob_expr'] as Py))),
  ],
  contains_regex: [
    'Tells whether a line of a file matches a pattern.',
    "contains_regex /etc/crontab '^[0-9]'",
    (a) => {
      const re = pyRegex(str(a['regex'] as Py));
      const lead = str(a['lchar'] as Py);
      const bare = (l: string): string => {
        let i = 0;
        while (lead && i < l.length && lead.includes(l[i] as string)) i++;
        return l.slice(i);
      };
      return holds(at(a), (t) => (t.match(/[^\n]*\n|[^\n]+$/g) ?? []).some((l) => re.search(bare(l)) !== null));
    },
  ],
  copy: [
    'Copies a file, or with recurse=True a folder.',
    'copy /path/to/src /path/to/dst',
    (a, ctx) => copy(at(a, 'src'), at(a, 'dst'), on(a, 'recurse'), on(a, 'remove_existing'), ctx),
  ],
  delete_backup: [
    'Removes a kept copy of a file, by its number.',
    'delete_backup /etc/motd 0',
    (a, ctx) => deleteBackup(at(a), a['backup_id'] as Py, ctx),
  ],
  directory_exists: ['Tells whether a folder is there.', 'directory_exists /etc', (a) => isDir(at(a))],
  dirname: ['A path without its last part.', 'dirname /a/b', (a) => posixDir(str(a['path'] as Py))],
  diskusage: ['The bytes that a path uses.', 'diskusage /var/log', (a) => diskUsage(str(a['path'] as Py))],
  extract_hash: [
    'Finds the hash of a file in a file of hashes.',
    'extract_hash /path/to/sums sha512 /etc/foo',
    (a) => {
      const found = extractHash(str(a['hash_fn'] as Py), {
        type: str(a['hash_type'] ?? ''),
        file: str(a['file_name'] ?? ''),
        source: str(a['source'] ?? ''),
        name: a['source_hash_name'] ?? null,
      });
      return found ? sumMap(found) : null;
    },
  ],
  file_exists: ['Tells whether a file is there.', 'file_exists /etc/passwd', (a) => isFile(at(a))],
  find: [
    'Finds files by name, iname, regex, iregex, type, owner, group, size, mtime, grep, within maxdepth and mindepth; print, exec and delete say what becomes of them.',
    'find / type=f name=\\*.bak size=+10m',
    (a, ctx) => find(at(a), a['args'] as Py[], a['kwargs'] as PyDict, ctx),
  ],
  get_devmm: [
    'Major and minor number of a device.',
    'get_devmm /dev/null',
    (a) => pair(...deviceNumbers(at(a, 'name'))),
  ],
  get_diff: [
    'The difference of two files, of the minion or of the master.',
    'get_diff /home/a.txt salt://a.txt',
    (a, ctx) =>
      getDiff(
        [a['file1'] as Py, a['file2'] as Py],
        {
          saltenv: str(a['saltenv'] as Py),
          hashes: [a['source_hash_file1'] ?? null, a['source_hash_file2'] ?? null],
          names: on(a, 'show_filenames'),
          show: on(a, 'show_changes'),
          template: on(a, 'template'),
          ignoring: ignoring(a),
        },
        ctx,
      ),
  ],
  get_gid: ['The group id of a file.', 'get_gid /etc/passwd', (a) => mustHave(at(a), follow(a)).gid],
  get_group: ['The group of a file.', 'get_group /etc/passwd', (a) => mustHave(at(a), follow(a)).group],
  get_hash: ['The hash of a file.', 'get_hash /etc/shadow', (a) => hashOf(at(a), str(a['form'] as Py))],
  get_managed: [
    'Fetches and renders the source of a managed file; answers its path, its hash and what went wrong.',
    "get_managed /etc/f jinja salt://f '' '' root root 0755 '' base '{}' '{}'",
    managed,
  ],
  get_mode: ['The mode of a file.', 'get_mode /etc/passwd', (a) => mustHave(at(a), follow(a)).mode],
  get_selinux_context: [
    'The SELinux context of a file.',
    'get_selinux_context /etc/hosts',
    (a, ctx) => selinuxContext(at(a), ctx),
  ],
  get_source_sum: [
    'Reads a source_hash in any of its forms.',
    'get_source_sum /tmp/f.tgz https://example.com/f.tgz source_hash=https://example.com/f.md5',
    (a, ctx) =>
      sumMap(
        sourceSum(
          {
            file: str(a['file_name'] as Py),
            source: str(a['source'] as Py),
            hash: a['source_hash'] ?? null,
            name: a['source_hash_name'] ?? null,
            saltenv: str(a['saltenv'] as Py),
            verifySsl: a['verify_ssl'] ?? true,
          },
          ctx,
        ),
      ),
  ],
  get_sum: [
    'The hash of a file, or that there is none.',
    'get_sum /etc/passwd sha512',
    (a) => (isFile(at(a)) ? hashOf(at(a), str(a['form'] as Py)) : 'File not found'),
  ],
  get_uid: ['The user id of a file.', 'get_uid /etc/passwd', (a) => mustHave(at(a), follow(a)).uid],
  get_user: ['The user of a file.', 'get_user /etc/passwd', (a) => mustHave(at(a), follow(a)).user],
  gid_to_group: [
    'The name of a group id.',
    'gid_to_group 0',
    (a) => {
      const gid = a['gid'] as Py;
      const id = /^\d+$/.test(str(gid)) ? Number(str(gid)) : gidOf(gid);
      return id === '' ? '' : groupName(id);
    },
  ],
  grep: ['Runs grep on files.', 'grep /etc/passwd nobody -- -i', grep],
  group_to_gid: ['The id of a group.', 'group_to_gid root', (a) => gidOf(a['group'] as Py)],
  is_blkdev: [
    'Tells whether a path is a block device.',
    'is_blkdev /dev/sda',
    (a) => kindOf(at(a, 'name'), 'isBlockDevice'),
  ],
  is_chrdev: [
    'Tells whether a path is a character device.',
    'is_chrdev /dev/null',
    (a) => kindOf(at(a, 'name'), 'isCharacterDevice'),
  ],
  is_fifo: ['Tells whether a path is a pipe.', 'is_fifo /run/pipe', (a) => kindOf(at(a, 'name'), 'isFIFO')],
  is_hardlink: [
    'Tells whether a file has more than one name.',
    'is_hardlink /etc/passwd',
    (a) => {
      const map = lstatMap(at(a));
      return map.size ? Number(map.get('st_nlink')) > 1 : map;
    },
  ],
  is_link: ['Tells whether a path is a symbolic link.', 'is_link /bin', (a) => isLink(at(a))],
  join: ['Joins parts of a path.', 'join / usr local bin', (a) => joinPath((a['args'] as Py[]).map((p) => str(p)))],
  lchown: [
    'Changes owner and group of a link itself.',
    'lchown /etc/link root root',
    (a) => chown(at(a), a['user'] as Py, a['group'] as Py, true),
  ],
  line: [
    'Inserts, ensures, replaces or deletes one line of a file.',
    "line /etc/nsswitch.conf 'networks: files dns' after='hosts:.*' mode=ensure",
    (a, ctx) => line(lineRequest(a), ctx),
  ],
  link: ['Makes a hard link.', 'link /path/to/file /path/to/link', (a) => link(at(a, 'src'), str(a['path'] as Py))],
  list_backups: [
    'Kept copies of a file, the newest first.',
    'list_backups /etc/motd',
    (a, ctx) => listBackups(at(a), a['limit'] ?? null, ctx),
  ],
  list_backups_dir: [
    'Kept copies of the files of a folder.',
    'list_backups_dir /etc',
    (a, ctx) => listBackupsDir(at(a), a['limit'] ?? null, ctx),
  ],
  lsattr: ['Attributes of files.', 'lsattr /etc/passwd', lsattr],
  lstat: [
    'Facts of a path; links are not followed.',
    'lstat /etc/passwd',
    (a) => (isAbs(at(a)) ? lstatMap(at(a)) : refuse('Path to file must be absolute.')),
  ],
  makedirs: [
    'Makes the folders above a path; the path itself where it ends with a slash.',
    'makedirs /opt/code/',
    (a, ctx) => makedirs(str(a['path'] as Py), a['user'] ?? null, a['group'] ?? null, a['mode'] ?? null, ctx),
  ],
  makedirs_perms: [
    'Makes a folder and those above it, with owner and mode.',
    'makedirs_perms /opt/code',
    (a, ctx) => {
      makedirsPerms(str(a['name'] as Py), a['user'] ?? null, a['group'] ?? null, a['mode'] ?? null, ctx);
      return null;
    },
  ],
  manage_file: [
    'Puts a file in place, with owner and mode, as file.managed does.',
    "manage_file /etc/f '' '{}' salt://f '{hash_type: sha256, hsum: abc}' root root 0755 '' base ''",
    (a, ctx) =>
      manageFile(requestOf(a), a['ret'] instanceof PyDict && a['ret'].size ? a['ret'] : undefined, givenSource(a), ctx),
  ],
  mkdir: [
    'Makes a folder unless it is there.',
    'mkdir /opt/jetty',
    (a, ctx) => mkdir(at(a, 'dir_path'), a['user'] ?? null, a['group'] ?? null, a['mode'] ?? null, ctx),
  ],
  mknod: [
    'Makes a device or a pipe.',
    'mknod /dev/chr c 180 31',
    (a, ctx) => mknod(at(a, 'name'), a['ntype'] as Py, nodeOf(a), ctx),
  ],
  mknod_blkdev: [
    'Makes a block device.',
    'mknod_blkdev /dev/blk 8 999',
    (a, ctx) => makeNode(at(a, 'name'), 'b', nodeOf(a), ctx),
  ],
  mknod_chrdev: [
    'Makes a character device.',
    'mknod_chrdev /dev/chr 180 31',
    (a, ctx) => makeNode(at(a, 'name'), 'c', nodeOf(a), ctx),
  ],
  mknod_fifo: ['Makes a pipe.', 'mknod_fifo /run/fifo', (a, ctx) => makeNode(at(a, 'name'), 'p', nodeOf(a), ctx)],
  move: [
    'Moves a file or folder.',
    'move /path/to/src /path/to/dst',
    (a) => {
      const [src, dst] = [at(a, 'src'), at(a, 'dst')];
      if (on(a, 'disallow_copy_and_unlink')) return rename(src, dst);
      if (!isAbs(src)) refuse('Source path must be absolute.');
      if (!isAbs(dst)) refuse('Destination path must be absolute.');
      move(src, dst);
      return new PyDict<Py>([
        ['result', true],
        ['comment', `'${src}' moved to '${dst}'`],
      ]);
    },
  ],
  normpath: ['A path without double slashes and dots.', "normpath 'a/b/c/..'", (a) => normalPath(str(a['path'] as Py))],
  open_files: [
    'Open files with their processes, or with by_pid=True the other way round.',
    'open_files',
    (a) => openFiles(on(a, 'by_pid')),
  ],
  pardir: ['The name of the folder above.', 'pardir', () => '..'],
  patch: ['Applies a patch to a file or a folder.', 'patch /opt/file.txt /tmp/file.txt.patch', patch],
  path_exists_glob: [
    'Tells whether a shell pattern fits some path.',
    "path_exists_glob '/etc/pam*/pass*'",
    (a) => globPaths(at(a)).length > 0,
  ],
  prepend: ['Adds lines to the beginning of a file.', "prepend /etc/motd 'first' 'second'", prepend],
  psed: ['Replaces in a file, without sed.', "psed /etc/httpd.conf 'LogLevel warn' 'LogLevel info'", psed],
  read: [
    'The content of a file; bytes with binary=True.',
    'read /etc/hostname',
    (a) => (a['binary'] === true ? new Uint8Array(readFileSync(str(a['path'] as Py))) : readText(str(a['path'] as Py))),
  ],
  readdir: [
    'Names in a folder.',
    'readdir /etc',
    (a) => {
      if (!isAbs(at(a))) refuse('Dir path must be absolute.');
      if (!isDir(at(a))) refuse(`A valid directory was not specified: ${at(a)}`);
      return ['.', '..', ...readdirSync(at(a))];
    },
  ],
  readlink: ['Where a link leads.', 'readlink /path/to/link', (a) => readLink(at(a), on(a, 'canonicalize'))],
  remove: ['Removes a file, a link or a whole folder.', 'remove /tmp/foo', (a) => remove(at(a))],
  rename: ['Renames a file or folder.', 'rename /path/to/src /path/to/dst', (a) => rename(at(a, 'src'), at(a, 'dst'))],
  replace: [
    'Replaces what a pattern matches in a file; answers the diff.',
    "replace /etc/httpd.conf pattern='LogLevel warn' repl='LogLevel info'",
    (a, ctx) => replace(replaceRequest(a), ctx),
  ],
  restore_backup: [
    'Puts a kept copy of a file back, by its number.',
    'restore_backup /etc/motd 0',
    (a, ctx) => restoreBackup(at(a), a['backup_id'] as Py, ctx),
  ],
  restorecon: [
    'Gives a path the SELinux context it should have.',
    'restorecon /home/user/.ssh',
    (a, ctx) =>
      !truth(
        ctx.salt.call('cmd.retcode', [['restorecon', on(a, 'recursive') ? '-FR' : '-F', at(a)]], {
          python_shell: false,
        }),
      ),
  ],
  rmdir: [
    'Removes an empty folder, with recurse=True those below it.',
    'rmdir /tmp/foo/',
    (a) => removeDir(at(a), on(a, 'recurse'), on(a, 'verbose'), a['older_than'] ?? null),
  ],
  search: [
    'Tells whether a pattern is found in a file.',
    "search /etc/crontab 'mymaintenance.sh'",
    (a, ctx) =>
      replace(
        {
          ...replaceRequest(a),
          flags:
            `m${flagLetters(a['flags'] as Py)}`.includes('m') && on(a, 'multiline')
              ? flagNames(a['flags'] as Py)
              : (a['flags'] as Py),
          dryRun: true,
          searchOnly: true,
          showChanges: false,
        },
        ctx,
      ),
  ],
  sed: ['Runs sed on a file.', "sed /etc/httpd.conf 'LogLevel warn' 'LogLevel info'", sed],
  sed_contains: [
    'Tells whether sed finds a text in a file.',
    "sed_contains /etc/crontab 'mymaintenance.sh'",
    sedContains,
  ],
  seek_read: [
    'Bytes of a file from an offset.',
    'seek_read /path/to/file 4096 0',
    (a) => {
      const fd = openSync(at(a), 'r');
      try {
        const b = Buffer.alloc(Number(str(a['size'] as Py)));
        return new Uint8Array(b.subarray(0, readSync(fd, b, 0, b.length, Number(str(a['offset'] as Py)))));
      } finally {
        closeSync(fd);
      }
    },
  ],
  seek_write: [
    'Writes bytes into a file at an offset.',
    "seek_write /path/to/file 'some data' 4096",
    (a) => {
      const fd = openSync(at(a), 'r+');
      try {
        const data = a['data'] instanceof Uint8Array ? a['data'] : Buffer.from(str(a['data'] as Py));
        const n = writeSync(fd, data, 0, data.length, Number(str(a['offset'] as Py)));
        fsyncSync(fd);
        return n;
      } finally {
        closeSync(fd);
      }
    },
  ],
  set_mode: ['Sets the mode of a file.', 'set_mode /etc/passwd 0644', (a) => setMode(at(a), a['mode'] as Py)],
  set_selinux_context: [
    'Sets the SELinux context of a file.',
    'set_selinux_context /etc/hosts system_u object_r net_conf_t s0',
    setSelinux,
  ],
  source_list: [
    'The first source of a list that is there, with its hash.',
    "source_list salt://http/httpd.conf '{hash_type: md5, hsum: abc}' base",
    (a, ctx) => pair(...sourceList(a['source'] as Py, a['source_hash'] as Py, str(a['saltenv'] as Py), ctx)),
  ],
  stats: ['Facts of a file.', 'stats /etc/passwd', (a) => stats(at(a), a['hash_type'] ?? null, follow(a))],
  statvfs: [
    'Facts of the file system of a path.',
    'statvfs /',
    (a) => {
      if (!isAbs(at(a))) refuse('File path must be absolute.');
      try {
        const s = statfsSync(at(a));
        return new PyDict<Py>([
          ['f_bavail', s.bavail],
          ['f_bfree', s.bfree],
          ['f_blocks', s.blocks],
          ['f_bsize', s.bsize],
          ['f_favail', s.ffree],
          ['f_ffree', s.ffree],
          ['f_files', s.files],
          ['f_flag', 0],
          ['f_frsize', s.bsize],
          ['f_namemax', 255],
        ]);
      } catch {
        throw new SaltError('CommandExecutionError', `Could not statvfs '${at(a)}'`);
      }
    },
  ],
  symlink: [
    'Makes a symbolic link.',
    'symlink /path/to/file /path/to/link',
    (a) => symlink(str(a['src'] as Py), at(a), { force: on(a, 'force'), atomic: on(a, 'atomic'), follow: follow(a) }),
  ],
  touch: [
    'Makes a file, or sets its times.',
    'touch /var/log/emptyfile',
    (a) => touch(at(a, 'name'), a['atime'] ?? null, a['mtime'] ?? null),
  ],
  truncate: [
    'Cuts a file to a length.',
    'truncate /path/to/file 512',
    (a) => {
      truncateSync(at(a), Number(str(a['length'] as Py)));
      return null;
    },
  ],
  uid_to_user: ['The name of a user id.', 'uid_to_user 0', (a) => userName(a['uid'] as Py)],
  uncomment: [
    'Takes the comment sign off matching lines.',
    "uncomment /etc/hosts.deny 'ALL: PARANOID'",
    (a, ctx) => commentLine(a['path'] as Py, a['regex'] as Py, a['char'] as Py, false, a['backup'] as Py, ctx),
  ],
  user_to_uid: ['The id of a user.', 'user_to_uid root', (a) => uidOf(a['user'] as Py)],
  write: [
    'Writes lines into a file in place of what it held.',
    "write /etc/motd 'first' 'second'",
    (a) => {
      const lines = linesGiven(a);
      writeFileSync(at(a), joinedLines(lines));
      return `Wrote ${lines.length} lines to "${at(a)}"`;
    },
  ],
};
const functions: Record<string, Fn<ModuleCtx>> = {};
for (const [name, entry] of Object.entries(TABLE)) {
  const [what, example, run] = entry as readonly [string, string, Run];
  functions[name] = fn(SIG[name as Name], doc(what, example), run);
}

for (const [again, name] of [
  ['list_backup', 'list_backups'],
  ['remove_backup', 'delete_backup'],
] as const)
  functions[again] = { ...(functions[name] as Fn<ModuleCtx>), sig: SIG[again] };

export default {
  doc: 'Manages files and folders.',
  functions,
} satisfies ExecutionModule;
