/** States about paths as such: links, copies, moves, removal, devices. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lchownSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, PyFloat } from '../../../bus/values.ts';
import { pyRegex } from '../../../sls/regex.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import {
  gidOf,
  hashOf,
  isAbs,
  isDir,
  isFile,
  isLink,
  isThere,
  lstatOf,
  mustHave,
  normalMode,
  normalPath,
  pathOf,
  statOf,
  uidOf,
} from '../../modules/file/inspect.ts';
import * as paths from '../../modules/file/paths.ts';
import { checkPerms, chown, folderMode, makedirs } from '../../modules/file/perms.ts';
import type { StateCtx } from '../contract.ts';
import { answer, changesOf, fail, groupOfUser, missingOwners, on, ownerOf, say } from './result.ts';

const known = (e: unknown): boolean => e instanceof SaltError || typeof (e as NodeJS.ErrnoException).code === 'string';

/** `file.absent`. */
export function absent(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.absent');
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  if (name === '/') return fail(ret, 'Refusing to make "/" absent');
  const file = isFile(name) || isLink(name);
  if (!file && !isDir(name)) return say(ret, true, `File ${name} is not present`);
  const what = file ? 'File' : 'Directory';
  if (ctx.test) {
    changesOf(ret).set('removed', name);
    return say(ret, null, `${what} ${name} is set for removal`);
  }
  try {
    paths.remove(name);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return fail(ret, e.message);
  }
  changesOf(ret).set('removed', name);
  return say(ret, true, `Removed ${what.toLowerCase()} ${name}`);
}

/** `file.exists`. */
export function exists(a: Args): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.exists');
  return existsSync(name) ? say(ret, true, `Path ${name} exists`) : fail(ret, `Specified path ${name} does not exist`);
}

/** `file.missing`. */
export function missing(a: Args): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.missing');
  return existsSync(name) ? fail(ret, `Specified path ${name} exists`) : say(ret, true, `Path ${name} is missing`);
}

/** Owner and group of a link, and what is wrong with those and with the paths. */
function linkOwners(
  a: Args,
  name: string,
  ctx: StateCtx,
  more: readonly string[] = [],
): { user: Py; group: Py; bad: string } {
  const user = ownerOf(a, ctx) ?? ctx.opts.str('user', 'root');
  const group = a['group'] ?? groupOfUser(user);
  const errors: string[] = [];
  if (uidOf(user) === '') errors.push(`User ${str(user)} does not exist`);
  if (gidOf(group) === '') errors.push(`Group ${str(group)} does not exist`);
  if (!isAbs(name)) errors.push(`Specified file ${name} is not an absolute path`);
  errors.push(...more);
  return { user, group, bad: errors.length > 1 ? `${errors.join('. ')}.` : errors.join('') };
}

const owned = (path: string, user: Py, group: Py): boolean => {
  const f = mustHave(path, false);
  return (f.user === user || f.uid === user) && (f.group === group || f.gid === group);
};
function own(path: string, user: Py, group: Py): boolean {
  try {
    chown(path, user, group, true);
  } catch (e) {
    if (!known(e)) throw e;
  }
  return owned(path, user, group);
}

/** `file.symlink`. */
export function symlink(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const target = str(a['target'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.symlink');
  const follow = on(a, 'follow_symlinks');
  const there = (p: string): boolean => (follow ? existsSync(p) : isThere(p));
  let args = a;
  if (on(a, 'inherit_user_and_group') && isLink(name)) {
    const now = mustHave(name, false);
    args = { ...a, user: ownerOf(a, ctx) ?? now.user, group: a['group'] ?? now.group };
  }
  const { user, group, bad } = linkOwners(args, name, ctx);
  if (bad) return fail(ret, bad);
  const force = on(a, 'force');
  const folder = dirname(name);
  if (ctx.test) {
    const c = checkSymlink(name, target, force, user, group, there);
    let text = c.comment;
    if (!isDir(folder))
      text += on(a, 'makedirs') ? `\n${folder} will be created` : `\nDirectory ${folder} for symlink is not present`;
    ret.set('changes', c.changes);
    return say(ret, c.result, text);
  }
  if (!isDir(folder)) {
    if (!on(a, 'makedirs')) return fail(ret, `Directory ${folder} for symlink is not present`);
    makedirs(name, user, group, normalMode(a['mode'] ?? null), ctx);
  }
  if (isLink(name)) {
    if (normalPath(readlinkSync(name)) === normalPath(target)) {
      const who = `${str(user)}:${str(group)}`;
      if (owned(name, user, group)) return say(ret, true, `Symlink ${name} is present and owned by ${who}`);
      if (!own(name, user, group)) return fail(ret, `Failed to set ownership of symlink ${name} to ${who}`);
      changesOf(ret).set('ownership', who);
      return say(ret, true, `Set ownership of symlink ${name} to ${who}`);
    }
    unlinkSync(name);
  } else if (there(name)) {
    const backup = a['backupname'] ?? null;
    if (backup !== null) {
      const stop = backUp(name, target, str(backup), force, a, ret);
      if (stop) return stop;
    } else if (!force && !on(a, 'atomic')) {
      const what = isFile(name) ? 'File' : isDir(name) ? 'Directory' : 'File system entry';
      return fail(ret, `${what} exists where the symlink ${name} should be`);
    }
  }
  try {
    paths.symlink(target, name, { force, atomic: on(a, 'atomic'), follow });
  } catch (e) {
    if (!known(e)) throw e;
    return fail(ret, `Unable to create new symlink ${name} -> ${target}: ${paths.osError(e)}`);
  }
  say(ret, true, `Created new symlink ${name} -> ${target}`);
  changesOf(ret).set('new', name);
  if (!owned(name, user, group) && !own(name, user, group))
    fail(ret, `${str(ret.get('comment') as Py)}, but was unable to set ownership to ${str(user)}:${str(group)}`);
  return ret;
}

function checkSymlink(
  name: string,
  target: string,
  force: boolean,
  user: Py,
  group: Py,
  there: (p: string) => boolean,
): { result: Py; comment: string; changes: PyDict } {
  if (!there(name) && !isLink(name))
    return {
      result: null,
      comment: `Symlink ${name} to ${target} is set for creation`,
      changes: new PyDict([['new', name]]),
    };
  if (isLink(name)) {
    if (readlinkSync(name) !== target)
      return {
        result: null,
        comment: `Link ${name} target is set to be changed to ${target}`,
        changes: new PyDict([['change', name]]),
      };
    if (owned(name, user, group))
      return { result: true, comment: `The symlink ${name} is present`, changes: new PyDict() };
    const f = mustHave(name, false);
    return {
      result: null,
      comment: `The symlink ${name} is present, but the ownership of the symlink would be changed from ${str(f.user)}:${str(f.group)} to ${str(user)}:${str(group)}`,
      changes: new PyDict([['ownership', `${str(f.user)}:${str(f.group)}`]]),
    };
  }
  if (force)
    return {
      result: null,
      comment: `The file or directory ${name} is set for removal to make way for a new symlink targeting ${target}`,
      changes: new PyDict(),
    };
  return {
    result: false,
    comment: `File or directory exists where the symlink ${name} should be. Did you mean to use force?`,
    changes: new PyDict(),
  };
}

function backUp(name: string, target: string, given: string, force: boolean, a: Args, ret: PyDict): PyDict | undefined {
  let to = given;
  if (!isAbs(to)) {
    if (to !== basename(to)) return fail(ret, `Backupname must be an absolute path or a file name: ${to}`);
    to = join(dirname(normalPath(name)), to);
  }
  if (isThere(to)) {
    if (!force)
      return fail(ret, `Symlink & backup dest exists and Force not set. ${name} -> ${target} - backup: ${to}`);
    paths.remove(to);
  }
  try {
    if (on(a, 'disallow_copy_and_unlink')) paths.rename(name, to);
    else paths.move(name, to);
    return undefined;
  } catch (e) {
    if (!known(e)) throw e;
    ret.set('changes', new PyDict());
    return fail(ret, `Unable to rename ${name} to backup ${to} -> : ${messageOf(e)}`);
  }
}

/** `file.hardlink`. */
export function hardlink(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const target = str(a['target'] as Py);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.hardlink');
  const { user, group, bad } = linkOwners(
    a,
    name,
    ctx,
    isAbs(target) ? [] : [`Specified target ${target} is not an absolute path`],
  );
  if (bad) return fail(ret, bad);
  const force = on(a, 'force');
  const isHard = (lstatOf(name)?.nlink ?? 0) > 1;
  const same = isHard && lstatOf(name)?.ino === lstatOf(target)?.ino;
  if (ctx.test) {
    if (!existsSync(target)) return fail(ret, `Target ${target} for hard link does not exist`);
    if (isDir(target)) return fail(ret, `Unable to hard link from directory ${target}`);
    if (isDir(name)) return fail(ret, `Unable to hard link to directory ${name}`);
    if (!existsSync(name)) {
      changesOf(ret).set('new', name);
      return say(ret, null, `Hard link ${name} to ${target} is set for creation`);
    }
    if (isHard) {
      if (same) return say(ret, true, `The hard link ${name} is presently targetting ${target}`);
      changesOf(ret).set('change', name);
      return say(ret, null, `Link ${name} target is set to be changed to ${target}`);
    }
    return force
      ? say(
          ret,
          null,
          `The file or directory ${name} is set for removal to make way for a new hard link targeting ${target}`,
        )
      : fail(ret, `File or directory exists where the hard link ${name} should be. Did you mean to use force?`);
  }
  for (const [way, path] of [
    ['to', name],
    ['from', target],
  ] as const)
    if (isDir(path)) return fail(ret, `Unable to hard link ${way} directory ${path}`);
  if (!existsSync(target)) return fail(ret, `Target ${target} for hard link does not exist`);
  if (!isDir(dirname(name))) {
    if (!on(a, 'makedirs')) return fail(ret, `Directory ${dirname(name)} for hard link is not present`);
    makedirs(name, user, group, normalMode(a['dir_mode'] ?? null), ctx);
  }
  if (isFile(name) && !isHard) {
    if (!force) return fail(ret, `File exists where the hard link ${name} should be`);
    unlinkSync(name);
    changesOf(ret).set('forced', 'File for hard link was forcibly replaced');
  }
  if (same) return say(ret, true, `Target of hard link ${name} is already pointing to ${target}`);
  const verb = isHard ? 'set target of' : 'create new';
  try {
    if (isHard) unlinkSync(name);
    paths.link(target, name);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return fail(ret, `Unable to ${verb} hard link ${name} -> ${target}: ${e.message}`);
  }
  changesOf(ret).set('new', name);
  return say(ret, true, `${isHard ? 'Set target of' : 'Created new'} hard link ${name} -> ${target}`);
}

/** `file.touch`. */
export function touch(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = new PyDict<Py>([
    ['name', name],
    ['changes', new PyDict()],
  ]);
  if (!name) return fail(ret, 'Must provide name to file.touch');
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  const { atime, mtime } = a as { atime: Py; mtime: Py };
  if (ctx.test) {
    const s = statOf(name);
    if (!s) {
      changesOf(ret).set('new', name);
      return say(ret, null, `File ${name} is set to be created`);
    }
    const differs = (v: Py, ms: number): boolean => v !== null && str(v) !== str(new PyFloat(ms / 1000));
    if (differs(atime ?? null, s.atimeMs) || differs(mtime ?? null, s.mtimeMs)) {
      changesOf(ret).set('touched', name);
      return say(ret, null, `Times set to be updated on file ${name}`);
    }
    changesOf(ret).set('new', name);
    return say(ret, true, `File ${name} exists and has the correct times`);
  }
  if (on(a, 'makedirs')) makedirs(name, null, null, null, ctx);
  if (!isDir(dirname(name))) return fail(ret, `Directory not present to touch file ${name}`);
  const extant = existsSync(name);
  const done = paths.touch(name, atime ?? null, mtime ?? null);
  ret.set('result', done);
  if (done) {
    changesOf(ret).set(extant ? 'touched' : 'new', name);
    ret.set(
      'comment',
      extant ? `Updated times on ${isDir(name) ? 'directory' : 'file'} ${name}` : `Created empty file ${name}`,
    );
  }
  return ret;
}

/** `file.copy`. */
export function copy(a: Args, ctx: StateCtx): PyDict {
  let name = pathOf(a['name'] as Py);
  const source = pathOf(a['source'] as Py);
  const ret = answer(name, true, `Copied "${source}" to "${name}"`);
  if (!name) return fail(ret, 'Must provide name to file.copy');
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  if (!existsSync(source)) return fail(ret, `Source file "${source}" is not present`);
  const preserve = on(a, 'preserve');
  const was = mustHave(source);
  let user: Py = was.user;
  let group: Py = was.group;
  let mode: Py = was.mode;
  if (!preserve) {
    user = ownerOf(a, ctx) ?? ctx.opts.str('user', 'root');
    group = a['group'] ?? groupOfUser(user);
    const bad = missingOwners(user, group, ctx);
    if (bad) return fail(ret, bad);
    mode = a['mode'] ?? was.mode;
  }
  if (isDir(name) && on(a, 'subdir')) name = join(name, basename(source));
  let changed = true;
  if (isThere(name)) {
    if (!on(a, 'force')) changed = false;
    else {
      if (isFile(name) && isFile(source) && hashOf(name, 'sha256') === hashOf(source, 'sha256'))
        ret.set('comment', `${str(ret.get('comment') as Py)} - files are identical but force flag is set`);
      if (!ctx.test)
        try {
          paths.remove(name);
        } catch (e) {
          if (!(e instanceof SaltError)) throw e;
          return fail(ret, `Failed to delete "${name}" in preparation for forced move`);
        }
    }
  }
  if (!changed) return say(ret, true, `The target file "${name}" exists and will not be overwritten`);
  if (ctx.test) return say(ret, null, `File "${source}" is set to be copied to "${name}"`);
  const folder = dirname(name);
  if (!isDir(folder)) {
    if (!on(a, 'makedirs')) return fail(ret, `The target directory ${folder} is not present`);
    makedirs(name, user, group, a['dir_mode'] ?? folderMode(mode), ctx);
  }
  try {
    if (isDir(source)) {
      cpSync(source, name, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
      const ids: [number, number] = [Number(uidOf(user)), Number(gidOf(group))];
      const each = (dir: string): void => {
        for (const e of readdirSync(dir, { withFileTypes: true })) {
          lchownSync(join(dir, e.name), ...ids);
          if (e.isDirectory()) each(join(dir, e.name));
        }
      };
      each(name);
    } else {
      copyFileSync(source, name);
      chmodSync(name, statSync(source).mode & 0o7777);
      if (preserve) chownSync(name, was.uid, was.gid);
    }
    ret.set('changes', new PyDict([[name, source]]));
    if (!preserve) checkPerms(name, ret, { user, group, mode }, ctx);
  } catch (e) {
    if (!(e as NodeJS.ErrnoException).code) throw e;
    return fail(ret, `Failed to copy "${source}" to "${name}"`);
  }
  return ret;
}

const expandVars = (p: string): string =>
  p.replace(
    /\$(?:(\w+)|\{([^}]+)\})/g,
    (all, x: string | undefined, y: string | undefined) => process.env[x ?? y ?? ''] ?? all,
  );

/** `file.rename`. */
export function rename(a: Args, ctx: StateCtx): PyDict {
  const name = expandVars(pathOf(a['name'] as Py));
  const source = expandVars(pathOf(a['source'] as Py));
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.rename');
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  if (!isThere(source)) return say(ret, true, `Source file "${source}" has already been moved out of place`);
  if (isThere(name)) {
    if (!on(a, 'force')) return say(ret, true, `The target file "${name}" exists and will not be overwritten`);
    if (!ctx.test) paths.remove(name);
  }
  if (ctx.test) return say(ret, null, `File "${source}" is set to be moved to "${name}"`);
  const folder = dirname(name);
  if (!isDir(folder)) {
    if (!on(a, 'makedirs')) return fail(ret, `The target directory ${folder} is not present`);
    makedirs(name, null, null, null, ctx);
  }
  try {
    if (isLink(source)) {
      symlinkSync(readlinkSync(source), name);
      unlinkSync(source);
    } else paths.move(source, name);
  } catch (e) {
    if (!(e as NodeJS.ErrnoException).code) throw e;
    return fail(ret, `Failed to move "${source}" to "${name}"`);
  }
  ret.set('changes', new PyDict([[name, source]]));
  return say(ret, true, `Moved "${source}" to "${name}"`);
}

const NODES: Readonly<Record<string, readonly [name: string, kind: string]>> = {
  c: ['Character device', 'a character device'],
  b: ['Block device', 'a block device'],
  p: ['Fifo pipe', 'a fifo pipe'],
};

/** `file.mknod`. */
export function mknod(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name, false);
  if (!name) return fail(ret, 'Must provide name to file.mknod');
  const kind = NODES[str(a['ntype'] as Py)];
  if (!kind)
    return fail(
      ret,
      `Node type unavailable: '${str(a['ntype'] as Py)}'. Available node types are character ('c'), block ('b'), and pipe ('p')`,
    );
  if (isFile(name)) return fail(ret, `File ${name} exists and is not ${kind[1]}. Refusing to continue`);
  const s = statOf(name);
  const fits = s && { c: s.isCharacterDevice(), b: s.isBlockDevice(), p: s.isFIFO() }[str(a['ntype'] as Py)];
  const { user, group, mode, major, minor } = a as { [k: string]: Py };
  if (!fits) {
    if (ctx.test) return say(ret, null, `${kind[0]} ${name} is set to be created`);
    return paths.mknod(
      name,
      a['ntype'] as Py,
      { major: major ?? 0, minor: minor ?? 0, user: user ?? null, group: group ?? null, mode: mode ?? null },
      ctx,
    );
  }
  const [ma, mi] = paths.deviceNumbers(name);
  if (str(a['ntype'] as Py) !== 'p' && (ma !== Number(major) || mi !== Number(minor)))
    return fail(ret, `${kind[0]} ${name} exists and has a different major/minor ${ma}/${mi}. Refusing to continue`);
  const [checked] = checkPerms(name, undefined, { user: user ?? null, group: group ?? null, mode: mode ?? null }, ctx);
  if (!changesOf(checked).size) checked.set('comment', `${kind[0]} ${name} is in the correct state`);
  return checked;
}

/** `file.pruned`. */
export function pruned(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  const ignore = on(a, 'ignore_errors');
  const recurse = on(a, 'recurse') || ignore;
  if (!isDir(name)) return say(ret, true, `Directory ${name} is not present`);
  if (ctx.test) {
    changesOf(ret).set('deleted', name);
    return say(ret, null, `Directory ${name} is set for removal`);
  }
  const r = paths.removeDir(name, recurse, true, a['older_than'] ?? null) as PyDict;
  const deleted = r.get('deleted') as string[];
  const good = r.get('result') === true;
  r.delete('result');
  if (good || (ignore && deleted.length)) {
    if (recurse && deleted.length) {
      changesOf(ret).set('deleted', [...deleted].sort());
      return say(ret, true, `Recursively removed empty directories under ${name}`);
    }
    if (!recurse) {
      changesOf(ret).set('deleted', name);
      return say(ret, true, `Removed directory ${name}`);
    }
    return ret;
  }
  ret.set('changes', r);
  return fail(ret, `Failed to remove directory ${name}`);
}

const UNITS = 'BKMGTPEZY';
function bytesOf(size: Py): number {
  if (!isStr(size)) return Number(size);
  const m = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(str(size));
  if (!m) return 0;
  const unit = (m[2] as string) || 'B';
  const step = /^[a-zA-Z]B$/i.test(unit) ? 1000 : 1024;
  const at = UNITS.indexOf((unit[0] as string).toUpperCase());
  return at < 0 ? 0 : Math.trunc(Number(m[1]) * step ** at);
}

/** `file.tidied`. */
export function tidied(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const ret = answer(name);
  if (!isAbs(name)) return fail(ret, `Specified file ${name} is not an absolute path`);
  if (!isDir(name)) return fail(ret, `${name} does not exist or is not a directory.`);
  const which = isStr(a['time_comparison'] as Py) ? str(a['time_comparison'] as Py).toLowerCase() : 'atime';
  const key = which === 'ctime' ? 'ctimeMs' : which === 'mtime' ? 'mtimeMs' : 'atimeMs';
  const both = str(a['age_size_logical_operator'] as Py).toUpperCase() === 'AND';
  const only = truth(a['age_size_only'] ?? null) ? str(a['age_size_only'] as Py).toLowerCase() : '';
  const [age, size] = [Number(a['age'] ?? 0), bytesOf(a['size'] ?? 0)];
  const compiled = (v: Py, otherwise: string[]): ReturnType<typeof pyRegex>[] =>
    (truth(v) ? (Array.isArray(v) ? (v as Py[]) : [v]).map((x) => str(x)) : otherwise).map((x) => pyRegex(x));
  const wanted = compiled(a['matches'] ?? null, ['.*']);
  const spared = compiled(a['exclude'] ?? null, []);
  const day = (ms: number): number => {
    const d = new Date(ms);
    return Math.round(new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime() / 86_400_000);
  };
  const today = day(Date.now());
  const todo: string[] = [];
  const visit = (dir: string): void => {
    const dirs: string[] = [];
    const files: string[] = [];
    for (const e of readdirSync(dir, { withFileTypes: true }))
      (e.isDirectory() || (e.isSymbolicLink() && isDir(join(dir, e.name))) ? dirs : files).push(e.name);
    for (const d of dirs) if (on(a, 'followlinks') || !isLink(join(dir, d))) visit(join(dir, d));
    for (const n of [...files, ...dirs]) {
      const path = join(dir, n);
      const link = isLink(path);
      const s = link ? lstatSync(path) : statOf(path);
      if (!s) continue;
      const folder = !link && s.isDirectory();
      if (link ? !on(a, 'rmlinks') : folder && !on(a, 'rmdirs')) continue;
      const old = Math.abs(today - day(s[key])) >= age;
      const big = (link || folder ? 0 : s.size) >= size;
      const due = only === 'age' ? old : only === 'size' ? big : both ? old && big : old || big;
      const text = on(a, 'full_path_match') ? path : n;
      if (due && wanted.some((p) => p.match(text)) && !spared.some((p) => p.match(text))) todo.push(path);
    }
  };
  visit(name);
  if (!todo.length) return say(ret, true, `Nothing to remove from directory ${name}`);
  changesOf(ret).set('removed', todo);
  if (ctx.test) return say(ret, null, `${name} is set for tidy`);
  try {
    for (const path of todo) paths.remove(path);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return fail(ret, e.message);
  }
  return say(ret, true, `Removed ${todo.length} files or directories from directory ${name}`);
}
