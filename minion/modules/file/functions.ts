/** What single functions of module `file` do with their arguments. */
import { accessSync, constants, copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../../bus/values.ts';
import { pyRegex } from '../../../sls/regex.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import { shellSplit } from '../../process/shell-words.ts';
import { which } from '../../process/which.ts';
import type { ModuleCtx } from '../contract.ts';
import type { BlockRequest } from './edit.ts';
import { flagLetters, type replace } from './edit.ts';
import { globPaths } from './find.ts';
import { HASHES, hashOf, isAbs, isDir, pathOf, statOf } from './inspect.ts';
import type { LineRequest } from './line.ts';
import { checkManaged, ignores } from './manage.ts';
import { requestOf } from './managed-request.ts';
import { attributes } from './perms.ts';
import { ENGINES, getManaged, renderText } from './source.ts';
import { readText } from './text.ts';

/** Throws SaltInvocationError. */
export const refuse = (text: string): never => {
  throw new SaltError('SaltInvocationError', text);
};
/** A path among the arguments, `~` expanded. */
export const at = (a: Args, key = 'path'): string => pathOf(a[key] as Py);
/** Whether a switch is on. */
export const on = (a: Args, key: string): boolean => truth(a[key] ?? false);
/** Whether links are followed. */
export const follow = (a: Args): boolean => on(a, 'follow_symlinks');
/** A tuple of two. */
export const pair = (x: Py, y: Py): PyTuple => PyTuple.from_<Py>([x, y]);
/** A hash as functions answer it. */
export const sumMap = (s: { type: string; sum: string } | undefined): PyDict =>
  s
    ? new PyDict<Py>([
        ['hash_type', s.type],
        ['hsum', s.sum],
      ])
    : new PyDict();
/** What a diff leaves out of account. */
export const ignoring = (a: Args): { ordering: boolean; whitespace: boolean; comments: Py } => ({
  ordering: on(a, 'ignore_ordering'),
  whitespace: on(a, 'ignore_whitespace'),
  comments: a['ignore_comment_characters'] ?? null,
});

/** Lines that `append` and its kin are given: the arguments, or the list of keyword `args`. */
export function linesGiven(a: Args): Py[] {
  const own = (a['kwargs'] as PyDict).get('args');
  if (own !== undefined) return Array.isArray(own) ? (own as Py[]) : [own];
  return a['args'] as Py[];
}
/** Lines as the text of a file. */
export const joinedLines = (lines: readonly Py[]): string => lines.map((l) => `${str(l)}\n`).join('');

/** `file.append`. */
export function append(a: Args): string {
  const path = at(a);
  const lines = linesGiven(a);
  const old = readFileSync(path);
  const gap = old.length && old.at(-1) !== 10 ? '\n' : '';
  writeFileSync(path, gap + joinedLines(lines), { flag: 'a' });
  return `Wrote ${lines.length} lines to "${path}"`;
}

/** `file.prepend`. */
export function prepend(a: Args): string {
  const path = at(a);
  const lines = linesGiven(a);
  const old = existsSync(path) ? readText(path) : '';
  writeFileSync(path, joinedLines(lines) + old);
  return `Prepended ${lines.length} lines to "${path}"`;
}

/** `file.check_hash`. */
export function checkHash(a: Args): boolean {
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
/** `file.access`. */
export function access(a: Args): boolean {
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
export function holds(path: string, test: (text: string) => boolean): boolean {
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
/** `file.sed`. */
export function sed(a: Args, ctx: ModuleCtx): Py {
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
/** `file.sed_contains`. */
export function sedContains(a: Args, ctx: ModuleCtx): boolean {
  const path = at(a);
  if (!existsSync(path)) return false;
  const limit = sedEscaped(a['limit'] as Py, false);
  const script = `${limit ? `/${limit}/ ` : ''}s/${sedEscaped(a['text'] as Py, false)}/$/p${str(a['flags'] as Py)}`;
  return truth(ctx.salt.call('cmd.run', [['sed', '-n', '-r', '-e', script, path]], { python_shell: false }));
}
/** `file.psed`. */
export function psed(a: Args): null {
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

/** `file.patch`. */
export function patch(a: Args, ctx: ModuleCtx): Py {
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

/** `file.grep`. */
export function grep(a: Args, ctx: ModuleCtx): Py {
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

/** `file.chattr`. */
export function chattr(a: Args, ctx: ModuleCtx): boolean {
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

/** `file.get_selinux_context`. */
export function selinuxContext(path: string, ctx: ModuleCtx): string {
  const out = str(ctx.salt.call('cmd.run', [['ls', '-Z', path]], { python_shell: false }));
  const found = /\w+:\w+:\w+:\w+/.exec(out)?.[0];
  return found ?? `No selinux context information is available for ${path}`;
}
/** `file.set_selinux_context`. */
export function setSelinux(a: Args, ctx: ModuleCtx): Py {
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

/** The device that arguments describe. */
export const nodeOf = (a: Args): { major: Py; minor: Py; user: Py; group: Py; mode: Py } => ({
  major: a['major'] ?? 0,
  minor: a['minor'] ?? 0,
  user: a['user'] ?? null,
  group: a['group'] ?? null,
  mode: a['mode'] ?? null,
});
/** Whether a path is a node of a kind. */
export const kindOf = (path: string, test: 'isBlockDevice' | 'isCharacterDevice' | 'isFIFO'): boolean =>
  statOf(path)?.[test]() ?? false;

/** `file.lsattr`. */
export function lsattr(a: Args, ctx: ModuleCtx): Py {
  const path = str(a['path'] as Py);
  if (!which('lsattr')) return null;
  if (!existsSync(path)) refuse(`File or directory does not exist: ${path}`);
  if (!isDir(path)) return new PyDict([[path, attributes(path, ctx) ?? []]]);
  return new PyDict(readdirSync(path).map((n): [Py, Py] => [`${path}/${n}`, attributes(`${path}/${n}`, ctx) ?? []]));
}

/** `file.get_managed`. */
export function managed(a: Args, ctx: ModuleCtx): Py {
  const got = getManaged(requestOf(a), ctx);
  return PyTuple.from_<Py>([got.sfn, sumMap(got.sum), got.error]);
}

/** `file.check_managed`. */
export function checked(a: Args, ctx: ModuleCtx): Py {
  const got = checkManaged(requestOf(a), ctx);
  if ('error' in got) return pair(false, got.error);
  if (!got.changes.size) return pair(true, `The file ${str(a['name'] as Py)} is in the correct state`);
  const lines = [...got.changes].map(([k, v]) => `${str(k)}: ${str(v)}\n`);
  return pair(null, ['The following values are set to be changed:\n', ...lines].join(''));
}

/** `file.check_managed_changes`. */
export function checkedChanges(a: Args, ctx: ModuleCtx): Py {
  const r = requestOf(a);
  const got = checkManaged(r, ctx);
  if ('error' in got) return pair(false, got.error);
  return ignores(r.ignoring) ? pair(got.differs, got.changes) : got.changes;
}

/** `file.apply_template_on_contents`. */
export function applyTemplate(a: Args, ctx: ModuleCtx): Py {
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

/** The request that the arguments of `file.replace` make. */
export function replaceRequest(a: Args): Parameters<typeof replace>[0] {
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

/** Flags with MULTILINE among them. */
export function flagNames(flags: Py): Py {
  const names: Readonly<Record<string, string>> = { i: 'I', m: 'M', s: 'S', x: 'X', a: 'A' };
  return [...new Set([...flagLetters(flags), 'm'])].map((l) => names[l] as string);
}

/** Python's `os.path.join`. */
export function joinPath(parts: readonly string[]): string {
  return parts.reduce(
    (left, right) => (right.startsWith('/') || !left ? right : left.endsWith('/') ? left + right : `${left}/${right}`),
    '',
  );
}
/** Python's `os.path.basename`. */
export const posixBase = (p: string): string => p.slice(p.lastIndexOf('/') + 1);
/** Python's `os.path.dirname`. */
export function posixDir(p: string): string {
  const head = p.slice(0, p.lastIndexOf('/') + 1);
  return /^\/+$/.test(head) ? head : head.replace(/\/+$/, '');
}

/** The request that the arguments of `file.blockreplace` make. */
export function blockRequest(a: Args): BlockRequest {
  return {
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
  };
}

/** The request that the arguments of `file.line` make. */
export function lineRequest(a: Args): LineRequest {
  return {
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
  };
}
