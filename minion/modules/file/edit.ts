/** Changes within files: search and replace, comments, marked blocks. */
import {
  copyFileSync,
  existsSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PySet } from '../../../bus/values.ts';
import { escapeRegex, pyRegex } from '../../../sls/regex.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import type { ModuleCtx } from '../contract.ts';
import { isFile, isLink, mustHave, pathOf, realPath } from './inspect.ts';
import { contentBytes } from './manage.ts';
import { checkPerms } from './perms.ts';
import { bareLines, diffText, fileLines, isTextFile, linesOf, readText } from './text.ts';

const refuse = (text: string): never => {
  throw new SaltError('SaltInvocationError', text);
};

/** Python's flag bits and names, as the letters that patterns take. */
const FLAGS: readonly (readonly [bit: number, letter: string, ...names: string[]])[] = [
  [2, 'i', 'IGNORECASE', 'I'],
  [8, 'm', 'MULTILINE', 'M'],
  [16, 's', 'DOTALL', 'S'],
  [64, 'x', 'VERBOSE', 'X'],
  [256, 'a', 'ASCII', 'A'],
  [4, '', 'LOCALE', 'L'],
  [32, '', 'UNICODE', 'U'],
  [128, '', 'DEBUG'],
];

/** Flags given as a number, a name or a list of names, as letters. Throws CommandExecutionError for others. */
export function flagLetters(flags: Py): string {
  if (typeof flags === 'number')
    return FLAGS.filter(([bit]) => (flags & bit) !== 0)
      .map(([, letter]) => letter)
      .join('');
  const list = isStr(flags)
    ? [flags]
    : Array.isArray(flags)
      ? (flags as Py[])
      : flags instanceof PySet
        ? [...flags]
        : undefined;
  if (!list)
    throw new SaltError(
      'CommandExecutionError',
      `Invalid re flags: "${str(flags)}", must be given either as a single flag string, a list of strings, as an integer, or as an re flag`,
    );
  return list
    .map((f) => {
      const name = str(f).toUpperCase();
      const known = FLAGS.find(([, , ...names]) => names.includes(name));
      if (!known) throw new SaltError('CommandExecutionError', `Invalid re flag given: ${str(f)}`);
      return known[1];
    })
    .join('');
}

/** Owner, group and mode of a file, to be had again after it is written anew. */
function keeping(path: string, ctx: ModuleCtx): () => void {
  const f = mustHave(path);
  return () => void checkPerms(path, undefined, { user: f.user, group: f.group, mode: f.mode }, ctx);
}

/** Writes a file; the copy of what it was goes where `backup` says. */
function rewrite(path: string, bytes: Buffer | string, backup: Py): void {
  if (truth(backup)) copyFileSync(path, `${path}${str(backup)}`);
  writeFileSync(path, bytes);
}

/** What {@link replace} takes. */
export interface ReplaceRequest {
  readonly path: Py;
  readonly pattern: Py;
  readonly repl: Py;
  readonly count: number;
  readonly flags: Py;
  readonly append: boolean;
  readonly prepend: boolean;
  readonly otherwise: Py;
  readonly backup: Py;
  readonly dryRun: boolean;
  readonly searchOnly: boolean;
  readonly showChanges: boolean;
  readonly ignoreMissing: boolean;
  readonly literal: boolean;
  readonly encoding: Py;
}

/** `file.replace`: answers the diff, or with `showChanges` off whether there is one; a search answers whether it found something. */
export function replace(r: ReplaceRequest, ctx: ModuleCtx): Py {
  const given = pathOf(r.path);
  const link = isLink(given) ? readlinkSync(given) : undefined;
  const path = realPath(given);
  if (!existsSync(path)) {
    if (r.ignoreMissing) return false;
    refuse(`File not found: ${path}`);
  }
  const encoded = r.encoding !== null;
  if (!encoded && !isTextFile(path)) refuse(`Cannot perform string replacements on a binary file: ${path}`);
  if (r.searchOnly && (r.append || r.prepend)) refuse('search_only cannot be used with append/prepend_if_not_found');
  if (r.append && r.prepend) refuse('Only one of append and prepend_if_not_found is permitted');
  // Without an encoding the reference looks at bytes: classes such as \w know ASCII only.
  const letters = flagLetters(r.flags) + (encoded ? '' : 'a');
  const pattern = pyRegex(str(r.pattern), letters);
  const repl = str(r.repl);
  const text = readText(path);
  if (r.searchOnly) return pattern.search(text) !== null;
  const restore = keeping(path, ctx);
  const [result, n] = pattern.subn(r.literal ? repl.replaceAll('\\', '\\\\') : repl, text, r.count);
  let found = n > 0;
  const content = truth(r.otherwise) && (r.append || r.prepend) ? str(r.otherwise) : repl;
  if ((r.append || r.prepend) && pyRegex(`^${escapeRegex(content)}($|(?=\\r\\n))`, letters).search(text)) found = true;
  const split = encoded ? linesOf : byteLines;
  const before = split(text);
  const after = split(result);
  let changed = result !== text;
  if (!found && (r.append || r.prepend)) {
    const line = `${r.otherwise === null ? repl : str(r.otherwise)}\n`;
    if (r.prepend) after.unshift(line);
    else {
      const last = after.length - 1;
      if (last >= 0 && !after[last]?.endsWith('\n')) after[last] = `${after[last]}\n`;
      after.push(line);
    }
    changed = true;
  }
  if (changed && !r.dryRun) {
    const all = after.join('');
    rewrite(path, encoded ? contentBytes(all, r.encoding) : all, r.backup);
    if (truth(r.backup) && link !== undefined) {
      const to = `${given}${str(r.backup)}`;
      rmSync(to, { force: true });
      symlinkSync(`${link}${str(r.backup)}`, to);
    }
  }
  if (!r.dryRun) restore();
  const diff = diffText(before, after);
  return r.showChanges ? diff : changed && diff !== '';
}

/** Lines as Python splits bytes: at line feeds and carriage returns only. */
function byteLines(text: string): string[] {
  return text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [];
}

/** Whether a pattern is found in a file (`file.search`). */
export function search(path: string, pattern: string, flags: Py, ignoreMissing: boolean, ctx: ModuleCtx): boolean {
  return truth(
    replace(
      {
        path,
        pattern,
        repl: '',
        count: 0,
        flags,
        append: false,
        prepend: false,
        otherwise: null,
        backup: '',
        dryRun: true,
        searchOnly: true,
        showChanges: false,
        ignoreMissing,
        literal: false,
        encoding: null,
      },
      ctx,
    ),
  );
}

/** `file.comment_line`: puts a sign before matching lines, or takes it away; answers the diff of those lines, false where none matches. */
export function commentLine(given: Py, regex: Py, char: Py, comment: boolean, backup: Py, ctx: ModuleCtx): Py {
  const own = str(regex);
  const sign = str(char);
  const bare = own.replace(/^\^+/, '').replace(/\$+$/, '');
  const end = own.endsWith('$') ? '$' : '';
  const pattern = pyRegex(comment ? `${own.startsWith('^') ? '^' : ''}(${bare})${end}` : `^${sign}\\s*(${bare})${end}`);
  const path = realPath(pathOf(given));
  if (!isFile(path)) refuse(`File not found: ${path}`);
  if (!isTextFile(path)) refuse(`Cannot perform string replacements on a binary file: ${path}`);
  const change = (line: string): string => {
    if (comment) return `${sign}${line}`;
    let at = 0;
    while (at < line.length && sign.includes(line[at] as string)) at++;
    return line.slice(at);
  };
  const lines = fileLines(readText(path));
  const matching = lines.filter((l) => pattern.match(l));
  if (!matching.length) return false;
  const restore = keeping(path, ctx);
  rewrite(path, lines.map((l) => (pattern.match(l) ? change(l) : l)).join(''), backup);
  restore();
  return diffText(matching, matching.map(change));
}

/** What {@link blockReplace} takes. */
export interface BlockRequest {
  readonly path: Py;
  readonly start: string;
  readonly end: string;
  readonly content: string;
  readonly append: boolean;
  readonly prepend: boolean;
  readonly backup: Py;
  readonly dryRun: boolean;
  readonly showChanges: boolean;
  readonly newline: Py;
  readonly before: Py;
  readonly after: Py;
}

/** `file.blockreplace`: puts content between two marks, and the marks where they are asked to go if there are none. */
export function blockReplace(r: BlockRequest, ctx: ModuleCtx): Py {
  if ([r.append, r.prepend, truth(r.before), truth(r.after)].filter(Boolean).length > 1)
    refuse(
      'Only one of append_if_not_found, prepend_if_not_found, insert_before_match, and insert_after_match is permitted',
    );
  const path = pathOf(r.path);
  if (!existsSync(path)) refuse(`File not found: ${path}`);
  if (isFile(path) && !isTextFile(path)) refuse(`Cannot perform string replacements on a binary file: ${path}`);
  for (const [name, v] of [
    ['insert_before_match', r.before],
    ['insert_after_match', r.after],
  ] as const)
    if (truth(v) && !isStr(v)) throw new SaltError('CommandExecutionError', `RegEx expected in ${name} parameter.`);
  const newline = r.newline === null && !r.content.endsWith('\n') ? true : truth(r.newline);
  const content = r.content.split(/\r?\n/);
  const before = fileLines(readText(path));
  const sep = before[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  const block = (withStart: boolean, endLine = r.end): string[] => {
    const end = endLine.replace(/[\r\n]+$/, '') + sep;
    const lines = withStart ? [r.start + sep] : [];
    content.forEach((line, i) => {
      if (i < content.length - 1) lines.push(line + sep);
      else if (newline) lines.push(line + sep, end);
      else lines.push(line + end);
    });
    return lines;
  };
  let after: string[] = [];
  let inBlock = false;
  let found = false;
  for (const line of before) {
    let write = true;
    if (line.includes(r.start)) inBlock = true;
    else if (inBlock) {
      write = false;
      const at = line.indexOf(r.end);
      if (at >= 0) {
        inBlock = false;
        found = true;
        after.push(...block(false, line.slice(at)));
      }
    }
    if (write) after.push(line);
  }
  if (inBlock)
    throw new SaltError('CommandExecutionError', 'Unterminated marked block. End of file reached before marker_end.');
  const none = (): never => {
    throw new SaltError('CommandExecutionError', 'Cannot edit marked block. Markers were not found in file.');
  };
  if (!found) {
    if (r.prepend) after = [...block(true), ...after];
    else if (r.append) {
      const last = after.length - 1;
      if (last >= 0 && !after[last]?.endsWith(sep)) after[last] = `${after[last]}${sep}`;
      after.push(...block(true));
    } else if (truth(r.before) || truth(r.after)) {
      const pattern = pyRegex(str(truth(r.before) ? r.before : r.after));
      const at = before.findIndex((l) => pattern.search(l));
      if (at < 0) none();
      after.splice(truth(r.after) ? at + 1 : at, 0, ...block(true));
    } else none();
  }
  const diff = diffText(before, after);
  if (diff && !r.dryRun) {
    const f = mustHave(path);
    const wanted = { user: f.user, group: f.group, mode: f.mode };
    if (r.backup !== false) {
      const copy = `${path}${str(r.backup)}`;
      if (copy !== path) {
        copyFileSync(path, copy);
        checkPerms(copy, undefined, wanted, ctx);
      }
    }
    atomicWrite(path, after.join(''));
    checkPerms(path, undefined, wanted, ctx);
  }
  return r.showChanges ? diff : diff !== '';
}

/** Writes a file so that nobody sees half of it. */
function atomicWrite(path: string, text: string): void {
  const real = realPath(path);
  const part = `${real}.${process.pid}.part`;
  writeFileSync(part, text, { mode: statSync(real).mode & 0o7777 });
  renameSync(part, real);
}

/** A pattern that finds a text whatever blanks it has between and around its words. */
export function blankFreePattern(text: string): string {
  const blank = '(?:[\\s]+)?';
  // Where both kinds of quotes occur, what stands in double ones is one word.
  const words = text.includes("'") && text.includes('"') && !text.includes(`'"`) ? /"[^"]*"|\S+/g : /\S+/g;
  return bareLines(text)
    .map((l) => `${blank}${(l.match(words) ?? []).map(escapeRegex).join(blank)}${blank}`)
    .join('');
}
