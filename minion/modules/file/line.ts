/** `file.line`: one line of a file inserted, ensured, replaced or deleted. */
import { copyFileSync, statSync, writeFileSync } from 'node:fs';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import type { Py } from '../../../bus/values.ts';
import { pyRegex } from '../../../sls/regex.ts';
import { str, truth } from '../../../sls/values.ts';
import type { ModuleCtx } from '../contract.ts';
import { isFile, mustHave, pathOf, realPath } from './inspect.ts';
import { checkPerms } from './perms.ts';
import { diffText, fileLines, readText } from './text.ts';

const fail = (text: string): never => {
  throw new SaltError('CommandExecutionError', text);
};
const endOf = (line: string): string => /(?:(?<!\r)\n|\r(?!\n)|\r\n)$/.exec(line)?.[0] ?? '';
const bare = (line: string | undefined): string | undefined => line?.replace(/[\r\n]+$/, '');

/** Lines that hold a pattern or its very text; undefined without either. */
function holding(lines: readonly string[], pattern: Py): string[] | undefined {
  if (!lines.length || !truth(pattern)) return undefined;
  const text = str(pattern);
  try {
    const re = pyRegex(text, 's');
    return lines.filter((l) => re.search(l) !== null || l.includes(text));
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return fail(`${messageOf(e)}: '${text}'`);
  }
}

function once(found: readonly string[], what: string): void {
  if (found.length === 1) return;
  fail(`Found ${found.length > 1 ? 'more than' : 'less than'} expected occurrences in "${what}" expression`);
}

/** What {@link line} takes. */
export interface LineRequest {
  readonly path: Py;
  readonly content: Py;
  readonly match: Py;
  readonly mode: Py;
  readonly location: Py;
  readonly before: Py;
  readonly after: Py;
  readonly showChanges: boolean;
  readonly backup: boolean;
  readonly quiet: boolean;
  readonly indent: boolean;
}

function setLine(given: string[], r: LineRequest, mode: string, match: Py): string[] {
  let lines = given;
  const content = r.content === null ? '' : str(r.content);
  const indented = (src: string, line = content): string =>
    r.indent ? (/^[\t ]*/.exec(src)?.[0] ?? '') + line.trimStart() : line;
  const after = holding(lines, r.after);
  const before = holding(lines, r.before);
  const found = holding(lines, match);
  const put = (at: number, line: string): void => void lines.splice(at, 0, line);
  if (!lines.length && (mode === 'delete' || mode === 'replace')) return [];
  if (mode === 'delete') {
    if (found?.length) lines = lines.filter((l) => l !== found[0]);
  } else if (mode === 'replace') {
    if (found?.length) {
      const at = lines.indexOf(found[0] as string);
      lines[at] = indented(lines[at] as string);
    }
  } else if (mode === 'insert') {
    if (r.before === null && r.after === null && r.location === null)
      fail('On insert either "location" or "before/after" conditions are required.');
    if (truth(r.location)) {
      if (r.location === 'end') lines.push(lines.length ? indented(lines.at(-1) as string) : content);
      else if (r.location === 'start') {
        if (lines.length) put(0, content.trimEnd() + (endOf(lines[0] as string) || '\n'));
        else lines = [`${content}\n`];
      }
    } else if (before?.length && after?.length) {
      once(before, 'before');
      once(after, 'after');
      const at = lines.indexOf(before[0] as string);
      put(at, indented(lines[at] as string));
    } else if (after?.length) {
      once(after, 'after');
      const at = lines.indexOf(after[0] as string);
      if (bare(lines[at + 1]) !== bare(content)) put(at + 1, indented(lines[at] as string));
    } else if (before?.length) {
      once(before, 'before');
      const at = lines.indexOf(before[0] as string);
      if (bare(lines.at(at - 1)) !== bare(content)) put(at, indented(lines[at] as string));
    } else fail('Neither before or after was found in file');
  } else if (before?.length && after?.length) {
    once(after, 'after');
    once(before, 'before');
    const from = lines.indexOf(after[0] as string);
    const to = lines.indexOf(before[0] as string);
    if (!lines.some((l) => l.trimStart() === content)) {
      if (from + 1 === to) put(from + 1, indented(lines[from] as string));
      else if (from + 2 === to) lines[from + 1] = indented(lines[from] as string);
      else fail('Found more than one line between boundaries "before" and "after".');
    }
  } else if (before?.length) {
    once(before, 'before');
    const at = lines.indexOf(before[0] as string);
    if (at === 0 || bare(lines[at - 1]) !== bare(content)) put(at, indented(lines.at(at - 1) as string));
  } else if (after?.length) {
    once(after, 'after');
    const at = lines.indexOf(after[0] as string);
    if (bare(lines[at + 1]) !== bare(content)) put(at + 1, indented(lines[at] as string));
  } else fail('Wrong conditions? Unable to ensure line without knowing where to put it before and/or after.');
  return lines;
}

const MODES = new Set(['insert', 'ensure', 'delete', 'replace']);

/** Changes one line; answers the diff, or with `showChanges` off whether there is one. Under test the file stays as it is. */
export function line(r: LineRequest, ctx: ModuleCtx): Py {
  const path = realPath(pathOf(r.path));
  if (!isFile(path)) {
    if (!r.quiet) fail(`File "${path}" does not exists or is not a file.`);
    return false;
  }
  const mode = truth(r.mode) ? str(r.mode).toLowerCase() : r.mode;
  if (typeof mode !== 'string' || !MODES.has(mode))
    return fail(mode === null ? 'Mode was not defined. How to process the file?' : `Unknown mode: "${str(mode)}"`);
  if (mode !== 'delete' && r.content === null) fail('Content can only be empty if mode is "delete"');
  const match = r.before === null && r.after === null && !truth(r.match) ? r.content : r.match;
  const old = fileLines(readText(path).replace(/\r\n?/g, '\n'));
  let body = [...old];
  if (body.length && endOf(body.at(-1) as string)) body.push('');
  if (statSync(path).size === 0 && (mode === 'delete' || mode === 'replace')) {
    ctx.log.warning(`Cannot find text to ${mode}. File '${path}' is empty.`);
    body = [];
  }
  body = setLine(body, r, mode, match);
  body.forEach((l, i) => {
    if (endOf(l) || i + 1 >= body.length) return;
    const prev = i ? i - 1 : 1;
    body[i] = l.trimEnd() + (endOf(body[prev] ?? '') || '\n');
  });
  if (body.at(-1) === '') body.pop();
  const changed = body.join('') !== old.join('');
  const test = ctx.opts.get('test') === true;
  if (changed && !test) {
    if (r.backup) {
      const now = new Date();
      const two = (n: number): string => String(n).padStart(2, '0');
      const stamp = [
        String(now.getFullYear()),
        ...[now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes(), now.getSeconds()].map(two),
      ].join('-');
      copyFileSync(path, `${path}.${stamp}`);
    }
    const f = mustHave(path);
    writeFileSync(path, body.join(''));
    checkPerms(path, undefined, { user: f.user, group: f.group, mode: f.mode }, ctx);
  }
  if (!r.showChanges) return changed;
  return changed ? diffText(old, body) : '';
}
