/** Files and folders of the minion's machine. */
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
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
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { pyRegex } from '../../sls/regex.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { isStr, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { shellSplit } from '../process/shell-words.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { deleteBackup, listBackups, listBackupsDir, restoreBackup } from './file/backup.ts';
import { blockReplace, commentLine, flagLetters, replace } from './file/edit.ts';
import { find, globPaths } from './file/find.ts';
import {
  gidOf,
  groupName,
  HASHES,
  hashOf,
  isAbs,
  isDir,
  isFile,
  isLink,
  mustHave,
  normalPath,
  pathOf,
  statOf,
  stats,
  uidOf,
  userName,
} from './file/inspect.ts';
import { line } from './file/line.ts';
import { checkFileMeta, checkManaged, getDiff, ignores, manageFile } from './file/manage.ts';
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
import { attributes, checkPerms, chown, makedirs, makedirsPerms, mkdir, setMode } from './file/perms.ts';
import { SIG } from './file/signatures.ts';
import { ENGINES, extractHash, getManaged, renderText, sourceList, sourceSum } from './file/source.ts';
import { readText } from './file/text.ts';

const doc = docFor('file');
type Run = (a: Args, ctx: ModuleCtx) => Py;
type Name = keyof typeof SIG;

const refuse = (text: string): never => {
  throw new SaltError('SaltInvocationError', text);
};
const at = (a: Args, key = 'path'): string => pathOf(a[key] as Py);
const on = (a: Args, key: string): boolean => truth(a[key] ?? false);
const follow = (a: Args): boolean => on(a, 'follow_symlinks');
const pair = (x: Py, y: Py): PyTuple => PyTuple.from_<Py>([x, y]);
const sumMap = (s: { type: string; sum: string } | undefined): PyDict =>
  s
    ? new PyDict<Py>([
        ['hash_type', s.type],
        ['hsum', s.sum],
      ])
    : new PyDict();
const ignoring = (a: Args): { ordering: boolean; whitespace: boolean; comments: Py } => ({
  ordering: on(a, 'ignore_ordering'),
  whitespace: on(a, 'ignore_whitespace'),
  comments: a['ignore_comment_characters'] ?? null,
});

/** Lines that `append` and its kin are given: the arguments, or the list of keyword `args`. */
function linesGiven(a: Args): Py[] {
  const own = (a['kwargs'] as PyDict).get('args');
  if (own !== undefined) return Array.isArray(own) ? (own as Py[]) : [own];
  return a['args'] as Py[];
}
const joinedLines = (lines: readonly Py[]): string => lines.map((l) => `${str(l)}\n`).join('');

function append(a: Args): string {
  const path = at(a);
  const lines = linesGiven(a);
  const old = readFileSync(path);
  const gap = old.length && old.at(-1) !== 10 ? '\n' : '';
  writeFileSync(path, gap + joinedLines(lines), { flag: 'a' });
  return `Wrote ${lines.length} lines to "${path}"`;
}

function prepend(a: Args): string {
  const path = at(a);
  const lines = linesGiven(a);
  const old = existsSync(path) ? readText(path) : '';
  writeFileSync(path, joinedLines(lines) + old);
  return `Prepended ${lines.length} lines to "${path}"`;
}

function checkHash(a: Args): boolean {
  const given = a['file_hash'] as Py;
  if (!isStr(given)) refuse('hash must be a string');
  const text = str(given);
  const sep = [':', '='].find((s) => text.includes(s));
  if (sep) return hashOf(at(a), text.slice(0, text.indexOf(sep))) === text.slice(text.indexOf(sep) + 1);
  const type = [...HASHES].find(([, n]) => n === text.length)?.[0];
  if (type === undefined)
    return refuse(
      `Hash ${text} (length: ${text.length}) could not be matched to a supported hash type. The supported hash types and lengths are: ${[...HASHES].map(([t, n]) => `${t} (${n})`).join(', ')}`,
    );
  return hashOf(at(a), type) === text;
}

const MODES: Readonly<Record<string, number>> = {
  f: constants.F_OK,
  r: constants.R_OK,
  w: constants.W_OK,
  x: constants.X_OK,
};
function access(a: Args): boolean {
  const path = at(a);
  if (!isAbs(path)) refuse('Path to link must be absolute.');
  const given = a['mode'] as Py;
  const mode = isStr(given) ? MODES[str(given)] : [0, 1, 2, 4].includes(Number(given)) ? Number(given) : undefined;
  if (mode === undefined) return refuse('Invalid mode specified.');
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Looks for something in a file; a missing or unreadable one holds nothing. */
function holds(path: string, test: (text: string) => boolean): boolean {
  try {
    return test(readText(path));
  } catch (e) {
    if (!(e as NodeJS.ErrnoException).code) throw e;
    return false;
  }
}

function sedEscaped(text: Py, all: boolean): string {
  let s = str(text).replaceAll("'", `'"'"'`).replaceAll('/', '\\/');
  if (all) for (const c of '^.[$()|*+?{') s = s.replaceAll(c, `\\${c}`);
  return s;
}
function sed(a: Args, ctx: ModuleCtx): Py {
  const path = at(a);
  if (!existsSync(path)) return false;
  const all = a['escape_all'] === true;
  const limit = sedEscaped(a['limit'] as Py, all);
  const script = `${limit ? `/${limit}/ ` : ''}${on(a, 'negate_match') ? '!' : ''}s/${sedEscaped(a['before'] as Py, all)}/${sedEscaped(a['after'] as Py, all)}/${str(a['flags'] as Py)}`;
  const inPlace = on(a, 'backup') ? `-i${str(a['backup'] as Py)}` : '-i';
  return ctx.salt.call('cmd.run_all', [['sed', inPlace, ...shellSplit(str(a['options'] as Py)), script, path]], {
    python_shell: false,
  });
}
function sedContains(a: Args, ctx: ModuleCtx): boolean {
  const path = at(a);
  if (!existsSync(path)) return false;
  const limit = sedEscaped(a['limit'] as Py, false);
  const script = `${limit ? `/${limit}/ ` : ''}s/${sedEscaped(a['text'] as Py, false)}/$/p${str(a['flags'] as Py)}`;
  return truth(ctx.salt.call('cmd.run', [['sed', '-n', '-r', '-e', script, path]], { python_shell: false }));
}
function psed(a: Args): null {
  const path = at(a);
  copyFileSync(path, `${path}${str(a['backup'] as Py)}`);
  const flags = str(a['flags'] as Py);
  const letters = [...flags]
    .filter((c) => 'ILMSUX'.includes(c))
    .map((c) => c.toLowerCase())
    .join('');
  const re = pyRegex(
    sedEscaped(a['before'] as Py, on(a, 'escape_all')),
    letters.replace(/[lu]/g, '') + (flags.includes('i') ? 'i' : ''),
  );
  const limit = str(a['limit'] as Py);
  const text = readText(path);
  const start = limit
    ? (pyRegex(sedEscaped(limit, on(a, 'escape_all')), letters.replace(/[lu]/g, '')).search(text)?.start ?? text.length)
    : 0;
  writeFileSync(
    path,
    text.slice(0, start) + re.sub(str(a['after'] as Py), text.slice(start), flags.includes('g') ? 0 : 1),
  );
  return null;
}

function patch(a: Args, ctx: ModuleCtx): Py {
  const program = which('patch');
  if (!program)
    throw new SaltError(
      'CommandExecutionError',
      "patch executable not found. Is the distribution's patch package installed?",
    );
  const own = a['options'];
  const words = [program, ...(Array.isArray(own) ? (own as Py[]).map((o) => str(o)) : shellSplit(str(own ?? '')))];
  if (on(a, 'dry_run')) words.push('--dry-run');
  if (!words.includes('-N') && !words.includes('--forward')) words.push('--forward');
  if (!words.some((w) => w === '-r' || w.startsWith('-r ') || w.startsWith('--reject-file')))
    words.push('--reject-file=-');
  words.push('-i', str(a['patchfile'] as Py));
  const file = str(a['originalfile'] as Py);
  if (isDir(file)) {
    words.push('-d', file);
    if (!words.some((w) => w.startsWith('-p') || w.startsWith('--strip='))) words.push('--strip=0');
  } else words.push(file);
  return ctx.salt.call('cmd.run_all', [words], { python_shell: false });
}

function grep(a: Args, ctx: ModuleCtx): Py {
  const path = at(a);
  const found = globPaths(path);
  const opts = (a['args'] as Py[]).flatMap((o) => {
    const words = shellSplit(str(o));
    if (words.length > 1)
      refuse(
        `Passing multiple command line arguments in a single string is not supported, please pass the following arguments separately: ${str(o)}`,
      );
    return words;
  });
  return ctx.salt.call('cmd.run_all', [['grep', ...opts, a['pattern'] as Py, ...(found.length ? found : [path])]], {
    python_shell: false,
  });
}

function chattr(a: Args, ctx: ModuleCtx): boolean {
  const kwargs = a['kwargs'] as PyDict;
  const operator = { add: '+', remove: '-' }[str(kwargs.get('operator') ?? null)];
  if (!operator) return refuse("Need an operator: 'add' or 'remove' to modify attributes.");
  const wanted = kwargs.get('attributes') ?? null;
  if (wanted === null) return refuse('Need attributes: [aAcCdDeijPsStTu]');
  const words = ['chattr'];
  if (truth(kwargs.get('flags') ?? null)) words.push(`-${str(kwargs.get('flags') as Py).replace(/^-/, '')}`);
  if (truth(kwargs.get('version') ?? null)) words.push('-v', str(kwargs.get('version') as Py));
  words.push(`${operator}${str(wanted)}`, ...(a['args'] as Py[]).map((f) => str(f)));
  return !truth(ctx.salt.call('cmd.run', [words], { python_shell: false }));
}

function selinuxContext(path: string, ctx: ModuleCtx): string {
  const out = str(ctx.salt.call('cmd.run', [['ls', '-Z', path]], { python_shell: false }));
  const found = /\w+:\w+:\w+:\w+/.exec(out)?.[0];
  return found ?? `No selinux context information is available for ${path}`;
}
function setSelinux(a: Args, ctx: ModuleCtx): Py {
  const words = ['chcon'];
  for (const [key, flag] of [
    ['user', '-u'],
    ['role', '-r'],
    ['type', '-t'],
    ['range', '-l'],
  ] as const)
    if (truth(a[key] ?? null)) words.push(flag, str(a[key] as Py));
  if (words.length === 1) return false;
  if (on(a, 'persist') && ctx.salt.has('selinux.fcontext_add_policy'))
    ctx.salt.call('selinux.fcontext_add_policy', [at(a)], {
      sel_type: a['type'] ?? null,
      sel_user: a['user'] ?? null,
      sel_level: a['range'] ?? null,
    });
  words.push(at(a));
  const bad = truth(ctx.salt.call('cmd.retcode', [words], { python_shell: false }));
  return bad ? false : selinuxContext(at(a), ctx);
}

const nodeOf = (a: Args): { major: Py; minor: Py; user: Py; group: Py; mode: Py } => ({
  major: a['major'] ?? 0,
  minor: a['minor'] ?? 0,
  user: a['user'] ?? null,
  group: a['group'] ?? null,
  mode: a['mode'] ?? null,
});
const kindOf = (path: string, test: 'isBlockDevice' | 'isCharacterDevice' | 'isFIFO'): boolean =>
  statOf(path)?.[test]() ?? false;

function lsattr(a: Args, ctx: ModuleCtx): Py {
  const path = str(a['path'] as Py);
  if (!which('lsattr')) return null;
  if (!existsSync(path)) refuse(`File or directory does not exist: ${path}`);
  if (!isDir(path)) return new PyDict([[path, attributes(path, ctx) ?? []]]);
  return new PyDict(readdirSync(path).map((n): [Py, Py] => [`${path}/${n}`, attributes(`${path}/${n}`, ctx) ?? []]));
}

function managed(a: Args, ctx: ModuleCtx): Py {
  const got = getManaged(requestOf(a), ctx);
  return PyTuple.from_<Py>([got.sfn, sumMap(got.sum), got.error]);
}

function checked(a: Args, ctx: ModuleCtx): Py {
  const got = checkManaged(requestOf(a), ctx);
  if ('error' in got) return pair(false, got.error);
  if (!got.changes.size) return pair(true, `The file ${str(a['name'] as Py)} is in the correct state`);
  const lines = [...got.changes].map(([k, v]) => `${str(k)}: ${str(v)}\n`);
  return pair(null, ['The following values are set to be changed:\n', ...lines].join(''));
}

function checkedChanges(a: Args, ctx: ModuleCtx): Py {
  const r = requestOf(a);
  const got = checkManaged(r, ctx);
  if ('error' in got) return pair(false, got.error);
  return ignores(r.ignoring) ? pair(got.differs, got.changes) : got.changes;
}

function applyTemplate(a: Args, ctx: ModuleCtx): Py {
  const engine = str(a['template'] as Py);
  if (!ENGINES.has(engine))
    return new PyDict<Py>([
      ['result', false],
      ['comment', `Specified template format ${engine} is not supported`],
    ]);
  const context = new PyDict<Py>([
    ...(a['defaults'] instanceof PyDict ? a['defaults'] : []),
    ...(a['context'] instanceof PyDict ? a['context'] : []),
  ]);
  return renderText(str(a['contents'] as Py), { engine, saltenv: str(a['saltenv'] ?? 'base'), context }, ctx);
}

function replaceRequest(a: Args): Parameters<typeof replace>[0] {
  return {
    path: a['path'] as Py,
    pattern: a['pattern'] as Py,
    repl: a['repl'] ?? '',
    count: Number(a['count'] ?? 0),
    flags: a['flags'] as Py,
    append: on(a, 'append_if_not_found'),
    prepend: on(a, 'prepend_if_not_found'),
    otherwise: a['not_found_content'] ?? null,
    backup: a['backup'] ?? '',
    dryRun: on(a, 'dry_run'),
    searchOnly: on(a, 'search_only'),
    showChanges: on(a, 'show_changes'),
    ignoreMissing: on(a, 'ignore_if_missing'),
    literal: on(a, 'backslash_literal'),
    encoding: a['encoding'] ?? null,
  };
}

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
    (a, ctx) =>
      blockReplace(
        {
          path: a['path'] as Py,
          start: str(a['marker_start'] as Py),
          end: str(a['marker_end'] as Py),
          content: str(a['content'] as Py),
          append: on(a, 'append_if_not_found'),
          prepend: on(a, 'prepend_if_not_found'),
          backup: a['backup'] as Py,
          dryRun: on(a, 'dry_run'),
          showChanges: on(a, 'show_changes'),
          newline: a['append_newline'] ?? null,
          before: a['insert_before_match'] ?? null,
          after: a['insert_after_match'] ?? null,
        },
        ctx,
      ),
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
    (a, ctx) =>
      line(
        {
          path: a['path'] as Py,
          content: a['content'] ?? null,
          match: a['match'] ?? null,
          mode: a['mode'] ?? null,
          location: a['location'] ?? null,
          before: a['before'] ?? null,
          after: a['after'] ?? null,
          showChanges: on(a, 'show_changes'),
          backup: on(a, 'backup'),
          quiet: on(a, 'quiet'),
          indent: on(a, 'indent'),
        },
        ctx,
      ),
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

/** Flags with MULTILINE among them. */
function flagNames(flags: Py): Py {
  const names: Readonly<Record<string, string>> = { i: 'I', m: 'M', s: 'S', x: 'X', a: 'A' };
  return [...new Set([...flagLetters(flags), 'm'])].map((l) => names[l] as string);
}

function joinPath(parts: readonly string[]): string {
  return parts.reduce(
    (left, right) => (right.startsWith('/') || !left ? right : left.endsWith('/') ? left + right : `${left}/${right}`),
    '',
  );
}
const posixBase = (p: string): string => p.slice(p.lastIndexOf('/') + 1);
function posixDir(p: string): string {
  const head = p.slice(0, p.lastIndexOf('/') + 1);
  return /^\/+$/.test(head) ? head : head.replace(/\/+$/, '');
}

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
