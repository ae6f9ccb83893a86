/** `file.managed`: a file's content, owner and mode. */
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import { hashOf, isAbs, isDir, isFile, normalMode, pathOf } from '../../modules/file/inspect.ts';
import { checkManaged, ignores, type ManageRequest, manageFile } from '../../modules/file/manage.ts';
import { requestOf } from '../../modules/file/managed-request.ts';
import { checkPerms } from '../../modules/file/perms.ts';
import {
  ENGINES,
  getManaged,
  type Managed,
  parseSource,
  renderText,
  scratch,
  sourceList,
  sourceSum,
} from '../../modules/file/source.ts';
import { bareLines } from '../../modules/file/text.ts';
import type { StateCtx } from '../contract.ts';
import { gathered } from './accumulate.ts';
import { answer, changesOf, fail, kwargsOf, missingOwners, on, ownerOf, say, textList, warn } from './result.ts';

const NOT_THERE = Symbol('not there');

/** A value of pillar or grains, one or several joined; a text tells which is missing. */
function looked(
  kind: 'pillar' | 'grains',
  keys: Py,
  delimiter: Py,
  ctx: StateCtx,
): { value: Py } | { missing: string } {
  const label = kind === 'pillar' ? 'Pillar' : 'Grain';
  const get = (key: Py): Py | typeof NOT_THERE => {
    const miss = `\u0000${kind}`;
    const v = ctx.salt.call(
      `${kind}.get`,
      [key, miss],
      kind === 'pillar' ? { delimiter, unmask: true } : { delimiter },
    );
    return v === miss ? NOT_THERE : v;
  };
  if (!Array.isArray(keys)) {
    const v = get(keys);
    return v === NOT_THERE ? { missing: `${label} ${str(keys)} does not exist` } : { value: v as Py };
  }
  const all: string[] = [];
  for (const key of keys as Py[]) {
    const v = get(key);
    if (v === NOT_THERE) return { missing: `${label} ${str(key)} does not exist` };
    all.push(str(v as Py));
  }
  return { value: all.join('\n') };
}

/** The contents of a file as its arguments spell them: lines ended alike. A text tells what is wrong with them. */
function contentsOf(a: Args, given: Py, ctx: StateCtx): { contents: Py } | { error: string } | { ret: PyDict } {
  let contents: Py;
  try {
    contents = '';
    const parts = textList(given);
    if (!parts.length)
      return {
        error:
          'Contents specified by contents/contents_pillar/contents_grains is not a string or list of strings, and is not binary data. SLS is likely malformed.',
      };
    for (const part of parts) for (const line of bareLines(part)) contents += `${line}\n`;
    if (!on(a, 'contents_newline')) contents = (contents as string).replace(/\n+$/, '').replace(/\r+$/, '');
  } catch (e) {
    if (!(e instanceof TypeError)) throw e;
    if (truth(a['template'] as Py))
      return {
        error:
          'Contents specified by contents/contents_pillar/contents_grains appears to be binary data, and as will not be able to be treated as a Jinja template.',
      };
    contents = given;
  }
  if (!truth(a['template'] as Py)) return { contents };
  const engine = str(a['template'] as Py);
  if (!ENGINES.has(engine)) return { error: `Specified template format ${engine} is not supported` };
  const context = new PyDict<Py>([
    ...(a['defaults'] instanceof PyDict ? a['defaults'] : []),
    ...(a['context'] instanceof PyDict ? a['context'] : []),
  ]);
  return { contents: renderText(str(contents), { engine, saltenv: ctx.saltenv, context }, ctx) };
}

/** Runs a check on a file before it is put in place; undefined when it is content. */
export function checkCommand(command: Py, path: string, ctx: StateCtx): PyDict | undefined {
  const kwargs = new PyDict<Py>();
  if (ctx.grains.has('shell')) kwargs.set('shell', ctx.grains.get('shell') as Py);
  kwargs.set('python_shell', true);
  const r = ctx.salt.call('cmd.run_all', [`${str(command)} ${path}`], kwargs) as PyDict;
  if (r.get('retcode') === 0) return undefined;
  const said = [r.get('stdout'), r.get('stderr')].filter((t) => truth(t ?? null)).map((t) => str(t as Py));
  return new PyDict<Py>([
    ['comment', ['check_cmd execution failed', ...said].join('\n')],
    ['skip_watch', true],
    ['result', false],
  ]);
}

function showTest(r: ManageRequest, ret: PyDict, ctx: StateCtx): PyDict {
  const got = checkManaged(r, ctx);
  if ('error' in got) return say(ret, false, got.error);
  ret.set('changes', got.changes);
  if (got.changes.size) {
    say(
      ret,
      null,
      `The file ${r.name} is set to be changed\nNote: No changes made, actual changes may\nbe different due to other states.`,
    );
    if (got.changes.has('diff') && !r.showChanges) got.changes.set('diff', '<show_changes=False>');
  } else say(ret, true, `The file ${r.name} is in the correct state`);
  if (ignores(r.ignoring) && got.changes.size && !got.differs) ret.set('skip_req', true);
  return ret;
}

/** Whether what is there has the hash that the source should have: then it stays as it is. */
function isAsHashed(name: string, r: ManageRequest, ctx: StateCtx): boolean {
  try {
    const [source, hash] = sourceList(r.source, r.hash, r.saltenv, ctx);
    if (!truth(source) || !truth(hash)) return false;
    const url = str(source);
    if (['salt', 'file'].includes(parseSource(url).scheme) || isAbs(url)) return false;
    const sum = sourceSum(
      { file: name, source: url, hash, name: r.hashName, saltenv: r.saltenv, verifySsl: r.verifySsl },
      ctx,
    );
    return hashOf(name, sum.type) === sum.sum;
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    ctx.log.error(`Failed checking existing file's hash against specified source_hash: ${e.message}`);
    return false;
  }
}

function dropSource(a: Args, sfn: string, source: Py, ctx: StateCtx): void {
  if (on(a, 'keep_source')) return;
  const path =
    sfn ||
    (isStr(source) && str(source).startsWith('salt://')
      ? str(ctx.salt.call('cp.is_cached', [source, ctx.saltenv]))
      : '');
  if (path?.startsWith(ctx.opts.str('cachedir'))) rmSync(path, { force: true });
}

/** `file.managed`. */
export function managed(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Destination file name is required');
  let mode = a['mode'] ?? null;
  const keepMode = isStr(mode) && str(mode).toLowerCase() === 'keep';
  mode = keepMode ? null : normalMode(mode);
  const { contents_pillar: pillarKey, contents_grains: grainKey } = a as { contents_pillar: Py; contents_grains: Py };
  const ways = [a['contents'] ?? null, pillarKey ?? null, grainKey ?? null].filter((x) => x !== null).length;
  const source = a['source'] ?? null;
  if (truth(source) && ways)
    return fail(ret, "'source' cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'");
  if (keepMode && ways)
    return fail(
      ret,
      "Mode preservation cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'",
    );
  if (ways > 1) return fail(ret, "Only one of 'contents', 'contents_pillar', and 'contents_grains' is permitted");
  let replace = on(a, 'replace');
  if (!truth(source) && !ways && replace) {
    replace = false;
    ctx.log.warning(
      `State for file: ${name} - Neither 'source' nor 'contents' nor 'contents_pillar' nor 'contents_grains' was defined, yet 'replace' was set to 'True'. As there is no source to replace the file with, 'replace' has been set to 'False' to avoid reading the file unnecessarily.`,
    );
  }
  if (kwargsOf(a).has('file_mode'))
    warn(ret, "The 'file_mode' argument will be ignored.  Please use 'mode' instead to set file permissions.");
  let contents: Py = null;
  if (ways) {
    let given: Py = a['contents'] ?? null;
    for (const [kind, key] of [
      ['pillar', pillarKey ?? null],
      ['grains', grainKey ?? null],
    ] as const) {
      if (key === null) continue;
      const found = looked(kind, key, a['contents_delimiter'] ?? ':', ctx);
      if ('missing' in found) return fail(ret, found.missing);
      given = found.value;
    }
    if (!on(a, 'allow_empty') && !truth(given)) {
      const what = truth(pillarKey ?? null)
        ? `contents_pillar ${str(pillarKey)}`
        : truth(grainKey ?? null)
          ? `contents_grains ${str(grainKey)}`
          : "'contents'";
      return fail(
        ret,
        `${what} value would result in empty contents. Set allow_empty to True to allow the managed file to be empty.`,
      );
    }
    if (given !== null) {
      const made = contentsOf(a, given, ctx);
      if ('error' in made) return fail(ret, made.error);
      if ('ret' in made) return made.ret;
      contents = made.contents;
    }
  }
  const user = ownerOf(a, ctx);
  const group = a['group'] ?? null;
  if (!on(a, 'create') && !isFile(name))
    return say(ret, true, `File ${name} is not present and is not set for creation`);
  const missing = missingOwners(user, group, ctx);
  if (missing) return fail(ret, missing);
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  if (isDir(name)) return fail(ret, `Specified target ${name} is a directory`);
  const context = a['context'] ?? new PyDict();
  if (!(context instanceof PyDict)) return fail(ret, 'Context must be formed as a dict');
  if (truth(a['defaults'] ?? null) && !(a['defaults'] instanceof PyDict))
    return fail(ret, 'Defaults must be formed as a dict');
  const request: ManageRequest = {
    ...requestOf(a, name),
    saltenv: ctx.saltenv,
    mode,
    user,
    keepMode,
    contents,
    context,
  };
  if (
    contents === null &&
    !truth(a['template'] as Py) &&
    truth(source) &&
    !request.skipVerify &&
    existsSync(name) &&
    replace &&
    isAsHashed(name, request, ctx)
  )
    replace = false;
  if (!replace && existsSync(name)) {
    const [, perms] = checkPerms(
      name,
      ret,
      { user, group, mode, attrs: a['attrs'] ?? null, follow: request.follow },
      ctx,
    );
    if (ctx.test) {
      const was = perms.get('lmode');
      ret.set(
        'comment',
        mode !== null && mode !== was
          ? `File ${name} will be updated with permissions ${str(mode)} from its current state of ${str(was ?? null)}`
          : `File ${name} not updated`,
      );
    } else if (!changesOf(ret).size && ret.get('result'))
      ret.set('comment', `File ${name} exists with proper permissions. No changes made.`);
    return ret;
  }
  const charged = gathered(ctx).texts.get(name);
  if (charged !== undefined) context.set('accumulator', charged);
  let url: Py;
  let hash: Py;
  try {
    if (ctx.test) return showTest(request, ret, ctx);
    [url, hash] = sourceList(source, request.hash, ctx.saltenv, ctx);
  } catch (e) {
    if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
    return fail(ret, `Unable to manage file: ${e.message}`);
  }
  const r: ManageRequest = { ...request, source: url, hash };
  let got: Managed;
  try {
    got = getManaged(r, ctx);
  } catch (e) {
    ret.set('changes', new PyDict());
    return fail(ret, `Unable to manage file: ${messageOf(e)}`);
  }
  let checkedFile: string | undefined;
  try {
    if (truth(a['check_cmd'] ?? null)) {
      const extension = str(a['tmp_ext'] ?? '');
      checkedFile = truth(a['tmp_dir'] ?? null)
        ? scratch('', extension, str(a['tmp_dir'] as Py))
        : scratch('', extension);
      if (isFile(name)) copyFileSync(name, checkedFile);
      let tried: PyDict;
      try {
        tried = manageFile({ ...r, name: checkedFile }, answer(name), { ...got, sfn: keptCopy(got.sfn) }, ctx);
      } catch (e) {
        ret.set('changes', new PyDict());
        return fail(ret, `Unable to check_cmd file: ${messageOf(e)}`);
      }
      if (changesOf(tried).size) {
        const complaint = checkCommand(a['check_cmd'] as Py, checkedFile, ctx);
        if (complaint) {
          for (const [k, v] of complaint) ret.set(k, v);
          return ret;
        }
        got = { ...got, sfn: keptCopy(checkedFile) };
      }
    }
    if (got.error && contents === null) return fail(ret, `Unable to manage file: ${got.error}`);
    return manageFile(r, ret, got, ctx);
  } catch (e) {
    ret.set('changes', new PyDict());
    return fail(ret, `Unable to manage file: ${messageOf(e)}`);
  } finally {
    if (checkedFile) rmSync(checkedFile, { force: true });
    dropSource(a, got.sfn, url, ctx);
  }
}

/** A scratch copy of a scratch file: whoever uses one removes it. */
function keptCopy(path: string): string {
  if (!path || !/__salt\.tmp\./.test(path)) return path;
  const copy = scratch();
  copyFileSync(path, copy);
  return copy;
}
