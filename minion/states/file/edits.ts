/** States that change something within a file. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { bind } from '../../../sls/bind.ts';
import { pyRegex } from '../../../sls/regex.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth, typeName } from '../../../sls/values.ts';
import { unifiedDiff } from '../../modules/file/diff.ts';
import { blankFreePattern, blockReplace, commentLine, replace as replaceIn, search } from '../../modules/file/edit.ts';
import { isDir, pathOf } from '../../modules/file/inspect.ts';
import { line as lineIn } from '../../modules/file/line.ts';
import { makedirs } from '../../modules/file/perms.ts';
import { bareLines, decoded, fileLines, isTextFile, linesOf, readText } from '../../modules/file/text.ts';
import type { StateCtx } from '../contract.ts';
import { gathered } from './accumulate.ts';
import { touch } from './links.ts';
import { managed } from './managed.ts';
import { answer, changesOf, fail, on, say, textList, unusable } from './result.ts';
import { SIG } from './signatures.ts';

const find = (name: string, pattern: string, ctx: StateCtx): boolean => search(name, pattern, 8, false, ctx);

/** Fills in a result by a diff: the words are the same for all edits. */
function told(ret: PyDict, diff: Py, ctx: StateCtx, would = 'Changes would be made'): PyDict {
  if (!truth(diff)) return say(ret, true, 'No changes needed to be made');
  changesOf(ret).set('diff', diff);
  return ctx.test ? say(ret, null, would) : say(ret, true, 'Changes were made');
}

/** `file.line`. */
export function line(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.line');
  managed(
    bind('', SIG.managed, [], {
      name,
      create: a['create'] ?? false,
      user: a['user'] ?? null,
      group: a['group'] ?? null,
      mode: a['file_mode'] ?? null,
      replace: false,
    }),
    ctx,
  );
  const bad = unusable(name);
  if (bad) return fail(ret, bad);
  const mode = truth(a['mode'] ?? null) ? str(a['mode'] as Py).toLowerCase() : null;
  if (mode === null) return fail(ret, 'Mode was not defined. How to process the file?');
  const content = a['content'] ?? null;
  if (mode !== 'delete' && content === null) return fail(ret, "Content can only be empty if mode is ['delete']");
  const diff = lineIn(
    {
      path: name,
      content,
      match: a['match'] ?? null,
      mode,
      location: a['location'] ?? null,
      before: a['before'] ?? null,
      after: a['after'] ?? null,
      showChanges: on(a, 'show_changes'),
      backup: on(a, 'backup'),
      quiet: on(a, 'quiet'),
      indent: on(a, 'indent'),
    },
    ctx,
  );
  return told(ret, diff, ctx);
}

/** `file.replace`. */
export function replace(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.replace');
  const bad = unusable(name);
  if (bad) {
    if (on(a, 'ignore_if_missing') && bad.includes('file not found'))
      return say(ret, true, 'No changes needed to be made');
    return fail(ret, bad);
  }
  const diff = replaceIn(
    {
      path: name,
      pattern: a['pattern'] as Py,
      repl: a['repl'] as Py,
      count: Number(a['count'] ?? 0),
      flags: a['flags'] as Py,
      append: on(a, 'append_if_not_found'),
      prepend: on(a, 'prepend_if_not_found'),
      otherwise: a['not_found_content'] ?? null,
      backup: a['backup'] ?? '',
      dryRun: ctx.test,
      searchOnly: false,
      showChanges: on(a, 'show_changes'),
      ignoreMissing: on(a, 'ignore_if_missing'),
      literal: on(a, 'backslash_literal'),
      encoding: a['encoding'] ?? null,
    },
    ctx,
  );
  return told(ret, diff, ctx, 'Changes would have been made');
}

/** The texts of templates, or a failure. */
function templateTexts(a: Args, ctx: StateCtx): { texts: string[] } | { ret: PyDict } | undefined {
  const [source, sources] = [a['source'] ?? null, a['sources'] ?? null];
  const list = truth(source) ? [source] : Array.isArray(sources) ? (sources as Py[]) : [];
  if (!list.length) return undefined;
  const context = new PyDict<Py>([
    ...(a['defaults'] instanceof PyDict ? a['defaults'] : []),
    ...(a['context'] instanceof PyDict ? a['context'] : []),
  ]);
  const texts: string[] = [];
  for (const s of list) {
    const path = ctx.salt.call('cp.get_template', [s, ''], {
      template: a['template'] ?? 'jinja',
      saltenv: ctx.saltenv,
      context,
    });
    if (!truth(path)) return { ret: fail(answer(s), `Failed to load template file ${str(s)}`) };
    const text = readText(str(path));
    if (!text) return { ret: fail(answer(s), `Failed to read rendered template file ${str(path)} (${str(s)})`) };
    texts.push(text);
  }
  return { texts };
}

/** What is wrong with naming sources twice. */
function doubled(a: Args): string | undefined {
  for (const [one, many] of [
    ['source', 'sources'],
    ['source_hash', 'source_hashes'],
  ] as const)
    if (truth(a[one] ?? null) && truth(a[many] ?? null)) return `${one} and ${many} are mutually exclusive`;
  return undefined;
}

/** What `append` and `prepend` begin with: the file made ready, and the texts; a result ends the state. */
function readied(a: Args, name: string, ret: PyDict, ctx: StateCtx): { texts: Py } | { ret: PyDict } {
  const twice = doubled(a);
  if (twice) return { ret: fail(ret, twice) };
  const folder = dirname(name);
  if (a['makedirs'] === true) {
    if (ctx.test) say(ret, null, `Directory ${folder} is set to be updated`);
    else if (!isDir(folder)) makedirs(name, null, null, null, ctx);
  }
  const bad = unusable(name);
  if (bad) {
    const touched = touch(bind('', SIG.touch, [], { name, makedirs: a['makedirs'] ?? false }), ctx);
    if (ctx.test) return { ret: touched };
    if (unusable(name)) return { ret: fail(ret, bad) };
  }
  const made = templateTexts(a, ctx);
  if (made && 'ret' in made) return made;
  return { texts: made ? made.texts : (a['text'] ?? null) };
}

/** Notes the difference that an edit of lines made or would make. */
function noteDiff(ret: PyDict, name: string, a: Args, diff: () => string): void {
  changesOf(ret).set(
    'diff',
    !isTextFile(name) ? 'Replace binary file' : on(a, 'show_changes') ? diff() : '<show_changes=False>',
  );
}

/** `file.append`. */
export function append(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.append');
  const ready = readied(a, name, ret, ctx);
  if ('ret' in ready) return ready.ret;
  const before = bareLines(decoded(readFileSync(name)));
  const lines: string[] = [];
  for (const chunk of textList(ready.texts)) {
    if (find(name, on(a, 'ignore_whitespace') ? blankFreePattern(chunk) : chunk, ctx)) continue;
    lines.push(...bareLines(chunk));
  }
  const diff = (after: string[]): string => unifiedDiff(before, after).join('\n');
  if (ctx.test) {
    if (!lines.length) return say(ret, true, `File ${name} is in correct state`);
    noteDiff(ret, name, a, () => diff([...before, ...lines]));
    return say(ret, null, `File ${name} is set to be updated`);
  }
  if (lines.length) {
    const old = readFileSync(name);
    const gap = old.length && old.at(-1) !== 10 ? '\n' : '';
    writeFileSync(name, gap + lines.map((l) => `${l}\n`).join(''), { flag: 'a' });
    const after = bareLines(decoded(readFileSync(name)));
    if (after.join('\n') !== before.join('\n') || after.length !== before.length)
      noteDiff(ret, name, a, () => diff(after));
  }
  return say(ret, true, lines.length ? `Appended ${lines.length} lines` : `File ${name} is in correct state`);
}

/** `file.prepend`. */
export function prepend(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.prepend');
  const ready = readied(a, name, ret, ctx);
  if ('ret' in ready) return ready.ret;
  const before = linesOf(decoded(readFileSync(name)));
  const header = on(a, 'header');
  const lines = textList(ready.texts).flatMap((chunk) =>
    !header && find(name, blankFreePattern(chunk), ctx) ? [] : bareLines(chunk),
  );
  let count = lines.length;
  if (ctx.test) {
    if (!count) return say(ret, true, `File ${name} is in correct state`);
    noteDiff(ret, name, a, () => unifiedDiff(before, [...lines.map((l) => `${l}\n`), ...before]).join(''));
    return say(ret, null, `File ${name} is set to be updated`);
  }
  const head = before.slice(0, count).flatMap(bareLines);
  if (header && head.length === count && head.every((l, i) => l === lines[i])) count = 0;
  else if (count) writeFileSync(name, lines.map((l) => `${l}\n`).join('') + before.join(''));
  const after = linesOf(decoded(readFileSync(name)));
  if (after.join('') !== before.join('')) noteDiff(ret, name, a, () => unifiedDiff(before, after).join(''));
  return say(ret, true, count ? `Prepended ${count} lines` : `File ${name} is in correct state`);
}

/** What `comment` and `uncomment` do once it is known that there is something to do. */
function commented(name: string, a: Args, comment: boolean, found: string, ret: PyDict, ctx: StateCtx): PyDict {
  if (ctx.test) {
    changesOf(ret).set(name, 'updated');
    return say(ret, null, `File ${name} is set to be updated`);
  }
  const split = comment ? linesOf : fileLines;
  const before = split(readText(name));
  commentLine(name, a['regex'] as Py, a['char'] as Py, comment, a['backup'] as Py, ctx);
  const after = split(readText(name));
  if (before.join('') !== after.join(''))
    changesOf(ret).set('diff', isTextFile(name) ? unifiedDiff(before, after).join('') : 'Replace binary file');
  const what = comment ? 'ommented' : 'ncommented';
  return find(name, found, ctx)
    ? say(ret, true, `${comment ? 'C' : 'U'}${what} lines successfully`)
    : say(ret, false, `Expected ${comment ? 'c' : 'u'}${what} lines not found`);
}

/** `file.comment`. */
export function comment(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.comment');
  const bad = unusable(name);
  if (bad) return fail(ret, bad);
  const char = str(a['char'] as Py);
  const bare = pyRegex('^(\\(\\?[iLmsux]\\))?\\^?(.*?)\\$?$').sub('\\2', str(a['regex'] as Py));
  const commentedPattern = char + bare;
  if (!find(name, `^(?!\\s*${char})\\s*${bare}`, ctx)) {
    if (find(name, commentedPattern, ctx)) return say(ret, true, 'Pattern already commented');
    if (on(a, 'ignore_missing')) return say(ret, true, 'Pattern not found and ignore_missing set to True');
    return fail(ret, `${bare}: Pattern not found`);
  }
  return commented(name, a, true, commentedPattern, ret, ctx);
}

/** `file.uncomment`. */
export function uncomment(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.uncomment');
  const bad = unusable(name);
  if (bad) return fail(ret, bad);
  const regex = str(a['regex'] as Py);
  const bare = regex.replace(/^\^+/, '');
  const plain = `^[ \t]*${bare}`;
  if (!find(name, `${str(a['char'] as Py)}[ \t]*${bare}`, ctx)) {
    if (find(name, plain, ctx)) return say(ret, true, 'Pattern already uncommented');
    return fail(ret, `${regex}: Pattern not found`);
  }
  return commented(name, a, false, plain, ret, ctx);
}

/** `file.blockreplace`. */
export function blockreplace(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.blockreplace');
  const twice = doubled(a);
  if (twice) return fail(ret, twice);
  const bad = unusable(name);
  if (bad) return fail(ret, bad);
  let content = str(a['content'] as Py);
  const g = gathered(ctx);
  const texts = g.texts.get(name);
  if (texts instanceof PyDict) {
    const needs = g.needs.get(name);
    const id = ctx.low.get('__id__') ?? null;
    const mine = [...texts.keys()].filter((k) => {
      const ids = needs instanceof PyDict ? needs.get(k) : undefined;
      return Array.isArray(ids) && (ids as Py[]).includes(id);
    });
    for (const k of mine.length ? mine : texts.keys())
      for (const l of texts.get(k) as Py[]) content = content === '' ? str(l) : `${content}\n${str(l)}`;
  }
  const made = templateTexts(a, ctx);
  if (made && 'ret' in made) return made.ret;
  if (made) content += made.texts.join('');
  let diff: Py;
  try {
    diff = blockReplace(
      {
        path: name,
        start: str(a['marker_start'] as Py),
        end: str(a['marker_end'] as Py),
        content,
        append: on(a, 'append_if_not_found'),
        prepend: on(a, 'prepend_if_not_found'),
        backup: a['backup'] as Py,
        dryRun: ctx.test,
        showChanges: on(a, 'show_changes'),
        newline: a['append_newline'] ?? null,
        before: a['insert_before_match'] ?? null,
        after: a['insert_after_match'] ?? null,
      },
      ctx,
    );
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    ctx.log.error(`Encountered error managing block: ${e.message}`);
    return fail(ret, `Encountered error managing block: ${messageOf(e)}. See the log for details.`);
  }
  return told(ret, diff, ctx);
}

/** A text without the signs of a set at its beginning; without a set, without blanks. */
function stripped(text: string, signs: Py): string {
  if (!isStr(signs)) return text.trimStart();
  const set = str(signs);
  let i = 0;
  while (i < text.length && set.includes(text[i] as string)) i++;
  return text.slice(i);
}

/** `file.keyvalue`. */
export function keyvalue(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, null);
  if (!name) return fail(ret, 'Must provide name to file.keyvalue');
  let wanted = a['key_values'] ?? null;
  const [key, value] = [a['key'] ?? null, a['value'] ?? null];
  if (key !== null && value !== null) {
    if (wanted instanceof PyDict) return fail(ret, 'file.keyvalue can not combine key_values with key and value');
    wanted = new PyDict([[str(key), value]]);
  } else if (!(wanted instanceof PyDict) || !wanted.size)
    return fail(
      ret,
      `file.keyvalue key and value not supplied and key_values ${truth(wanted) ? 'is not a dictionary' : 'is empty'}`,
    );
  const pairs = [...(wanted as PyDict)].map(([k, v]): [string, Py] => [str(k), v]);
  let appends = on(a, 'append_if_not_found');
  let lines: string[] = [];
  if (existsSync(name) && !isDir(name)) lines = fileLines(readText(name).replace(/\r\n?/g, '\n'));
  else if (!existsSync(name) && on(a, 'create_if_missing')) appends = true;
  else return say(ret, on(a, 'ignore_if_missing'), `unable to open ${name}`);
  const sep = str(a['separator'] as Py);
  const [anyKey, anyValue] = [on(a, 'key_ignore_case'), on(a, 'value_ignore_case')];
  const fold = (t: string, is: boolean): string => (is ? t.toLowerCase() : t);
  const left = new Map(pairs.map(([k]) => [k, Number(a['count'] ?? 1)]));
  const diff: string[] = [];
  const content: string[] = [];
  const dropped: string[] = [];
  let changes = 0;
  for (const original of lines) {
    let l = original;
    const bare = stripped(l, a['uncomment'] ?? null);
    const uncommented = bare.length < l.length;
    const test = fold(bare, anyKey);
    if (on(a, 'prune') && !pairs.some(([k]) => test.startsWith(fold(k, anyKey)))) {
      dropped.push(l);
      continue;
    }
    const working = uncommented ? bare : l;
    const at = working.indexOf(sep);
    const lineKey = at < 0 ? working : working.slice(0, at);
    let lineValue = at < 0 ? '' : working.slice(at + sep.length);
    for (const [k, v] of pairs) {
      if (!test.startsWith(fold(k, anyKey)) || at < 0 || fold(lineKey, anyKey) !== fold(k, anyKey)) continue;
      lineValue = fold(lineValue.trim(), anyValue);
      let same = lineValue === fold(str(v).trim(), anyValue);
      const rest = left.get(k) as number;
      let due = false;
      if (uncommented) {
        if (rest > 0) due = true;
        else if (!same) same = true;
      } else if (rest === 0) due = true;
      if (!same || due) {
        diff.push(`- ${l}`);
        l = '';
        if (rest !== 0) {
          l = `${lineKey}${sep}${str(v)}\n`;
          diff.push(isStr(v) ? `+ ${l}` : `+ ${l.trimEnd()} (from ${typeName(v)} type)\n`);
        }
        changes++;
      }
      if (rest > 0) left.set(k, rest - 1);
    }
    content.push(l);
  }
  const absent = pairs.filter(([k]) => (left.get(k) as number) > 0).map(([k, v]) => `${k}${sep}${str(v)}\n`);
  changes += appends || on(a, 'prepend_if_not_found') ? absent.length : 0;
  if (appends) {
    content.push(...absent);
    if (absent.length) diff.push('- <EOF>\n', ...absent.map((l) => `+ ${l}`), '+ <EOF>\n');
  } else if (on(a, 'prepend_if_not_found') && absent.length) {
    diff.unshift('  <SOF>\n');
    for (const l of absent) {
      diff.splice(1, 0, `+ ${l}`);
      content.unshift(l);
    }
  }
  if (on(a, 'prune')) for (const l of dropped) diff.splice(1, 0, `- ${l}`);
  if (!changes && !dropped.length) return say(ret, true, '');
  if (ctx.test) {
    ret.set('comment', `File ${name} is set to be changed (${changes} lines modified, ${dropped.length} deleted)`);
    if (on(a, 'show_changes')) {
      changesOf(ret).set('diff', diff.join(''));
      say(ret, null, `${str(ret.get('comment') as Py)}\nPredicted diff:\n\r\t\t${diff.join('\r\t\t')}`);
    }
    return ret;
  }
  if (on(a, 'show_changes')) changesOf(ret).set('diff', diff.join(''));
  try {
    writeFileSync(name, content.join(''));
  } catch (e) {
    if (!(e as NodeJS.ErrnoException).code) throw e;
    return fail(ret, `${name} not writable`);
  }
  return say(ret, true, `Changed ${changes}, deleted ${dropped.length} lines`);
}
