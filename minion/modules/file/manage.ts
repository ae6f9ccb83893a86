/** `file.manage_file` and what it is asked beforehand: content put in place, told of as a diff. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../../bus/values.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import type { ModuleCtx } from '../contract.ts';
import { place } from './backup.ts';
import { unifiedDiff } from './diff.ts';
import { factsOf, hashOf, isDir, isFile, isLink, normalMode, pathOf, realPath } from './inspect.ts';
import { attributes, checkPerms, folderMode, makedirs } from './perms.ts';
import {
  dropScratch,
  getManaged,
  type Managed,
  type ManagedRequest,
  parseSource,
  scratch,
  sourceList,
} from './source.ts';
import { decoded, fileLines, isBinary } from './text.ts';

/** What a diff may leave out of account; with none of these set it is a plain one. */
export interface Ignoring {
  readonly ordering: boolean;
  readonly whitespace: boolean;
  readonly comments: Py;
}
/** Whether anything is left out of account. */
export const ignores = (i: Ignoring): boolean => i.ordering || i.whitespace || truth(i.comments);
/** Takes everything into account. */
export const EXACT: Ignoring = { ordering: false, whitespace: false, comments: null };

/** A diff and whether what is not left out of account differs. */
export interface Diff {
  readonly text: string;
  readonly differs: boolean;
}

function differsBut(lines: readonly string[], i: Ignoring): boolean {
  const marks = isStr(i.comments)
    ? [str(i.comments)]
    : Array.isArray(i.comments)
      ? (i.comments as Py[]).map((c) => str(c))
      : [];
  const signed: { [sign: string]: string[] } = { '+': [], '-': [] };
  for (const l of lines) {
    if (l.startsWith('+++') || l.startsWith('---') || !(l.startsWith('+') || l.startsWith('-'))) continue;
    let text = l.slice(1);
    for (const m of marks) if (text.includes(m)) text = text.slice(0, text.indexOf(m));
    if (i.whitespace) text = text.trim();
    if (text) signed[l[0] as string]?.push(text);
  }
  return JSON.stringify(signed['+']?.sort()) !== JSON.stringify(signed['-']?.sort());
}

/** The difference of two contents. */
export function diffOf(
  a: Buffer,
  b: Buffer,
  o: {
    readonly ignoring?: Ignoring;
    readonly names?: readonly [string, string];
    readonly show?: boolean;
    readonly hidden?: boolean;
  },
): Diff {
  if (a.equals(b)) return { text: '', differs: false };
  if (o.hidden) return { text: '<Obfuscated Template>', differs: true };
  if (o.show === false) return { text: '<show_changes=False>', differs: true };
  const [wasBinary, isNow] = [isBinary(a.subarray(0, 512)), isBinary(b.subarray(0, 512))];
  if (wasBinary || isNow)
    return {
      text:
        wasBinary && isNow
          ? 'Replace binary file'
          : wasBinary
            ? 'Replace binary file with text file'
            : 'Replace text file with binary file',
      differs: true,
    };
  const lines = unifiedDiff(fileLines(decoded(a)), fileLines(decoded(b)), ...(o.names ?? []));
  const ignoring = o.ignoring ?? EXACT;
  return { text: lines.join(''), differs: ignores(ignoring) ? differsBut(lines, ignoring) : lines.length > 0 };
}

const obfuscates = (ctx: ModuleCtx): boolean => ctx.opts.flag('obfuscate_templates');

/** Everything a managed file may be asked to be. */
export interface ManageRequest extends ManagedRequest {
  readonly backup: Py;
  readonly makedirs: boolean;
  readonly showChanges: boolean;
  readonly contents: Py;
  readonly dirMode: Py;
  readonly follow: boolean;
  readonly keepMode: boolean;
  readonly encoding: Py;
  readonly newFileDiff: boolean;
  readonly ignoring: Ignoring;
}

function fail(ret: PyDict, comment: string): PyDict {
  ret.set('result', false);
  ret.set('comment', comment);
  return ret;
}

const ENCODINGS: Readonly<Record<string, BufferEncoding>> = {
  'utf-8': 'utf8',
  utf8: 'utf8',
  ascii: 'latin1',
  'us-ascii': 'latin1',
  'latin-1': 'latin1',
  latin1: 'latin1',
  'iso-8859-1': 'latin1',
  'utf-16-le': 'utf16le',
  'utf-16le': 'utf16le',
};

/** Contents as the bytes of a file. */
export function contentBytes(contents: Py, encoding: Py): Buffer {
  if (contents instanceof Uint8Array) return Buffer.from(contents);
  const text = str(contents);
  if (!truth(encoding)) return Buffer.from(text);
  const name = str(encoding).toLowerCase().replaceAll('_', '-');
  if (name === 'utf-16') return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
  const own = ENCODINGS[name];
  if (!own) throw new SaltError('LookupError', `unknown encoding: ${str(encoding)}`);
  return Buffer.from(text, own);
}

/**
 * `file.manage_file`: puts the content in place, makes folders, owner and mode as wanted, and writes what changed into a state's
 * result (a new one where none is given). `got` is what getManaged found.
 */
export function manageFile(r: ManageRequest, given: PyDict | undefined, got: Managed, ctx: ModuleCtx): PyDict {
  const name = pathOf(r.name);
  const ret =
    given ??
    new PyDict<Py>([
      ['name', name],
      ['changes', new PyDict()],
      ['comment', ''],
      ['result', true],
    ]);
  const changes = ret.get('changes') as PyDict;
  const source = truth(r.source) ? str(r.source) : '';
  let { sfn, sum } = got;
  let mode = r.mode;
  let differs = false;
  const fetch = (): boolean => {
    if (!sfn) {
      const cached = ctx.salt.call('cp.cache_file', [source, r.saltenv], {
        verify_ssl: r.verifySsl,
        use_etag: r.useEtag,
      });
      sfn = truth(cached) ? str(cached) : '';
    }
    return sfn !== '';
  };
  const missing = (): PyDict => fail(ret, `Source file '${source}' not found`);
  const checkWeb = source !== '' && parseSource(source).scheme !== 'salt' && !r.skipVerify && !r.useEtag;
  const wrongSum = (): PyDict | undefined => {
    if (!checkWeb || !sum) return undefined;
    const real = hashOf(sfn, sum.type);
    return real === sum.sum
      ? undefined
      : fail(
          ret,
          `Specified ${sum.type} checksum for ${existsSync(name) ? source : name} (${sum.sum}) does not match actual checksum (${real})${existsSync(name) ? ". If the 'source_hash' value refers to a remote file with multiple possible matches, then it may be necessary to set 'source_hash_name'." : ''}`,
        );
  };
  try {
    if (source) {
      if (!sfn) {
        if (!fetch()) return missing();
        const type = sum?.type ?? ctx.opts.str('hash_type', 'sha256');
        sum = { type, sum: hashOf(sfn, type) };
      }
      if (r.keepMode && ['salt', 'file', ''].includes(parseSource(source).scheme))
        try {
          mode = ctx.salt.call('cp.stat_file', [source], { saltenv: r.saltenv, octal: true });
        } catch (e) {
          ctx.log.warning(`Unable to stat ${sfn}: ${messageOf(e)}`);
        }
    }
    const wanted = { user: r.user, group: r.group, mode, attrs: r.attrs };
    const skip = (): void => {
      if (ignores(r.ignoring) && changes.size && !differs) ret.set('skip_req', true);
    };
    const backup = truth(r.backup) ? str(r.backup) : ctx.opts.str('backup_mode');
    const put = (from: string, to: string): PyDict | undefined => {
      try {
        place(from, to, backup, ctx);
        return undefined;
      } catch (e) {
        if (!(e as NodeJS.ErrnoException).code) throw e;
        return fail(ret, `Failed to commit change: ${messageOf(e)}`);
      }
    };
    if (isFile(name) || isLink(name)) {
      const real = isLink(name) && r.follow ? realPath(name) : name;
      const asLink = !r.follow && isLink(real);
      if (source) {
        const now = !asLink && isFile(real) ? hashOf(real, sum?.type ?? 'sha256') : undefined;
        if (now !== sum?.sum) {
          if (!fetch()) return missing();
          const wrong = wrongSum();
          if (wrong) return wrong;
          if (obfuscates(ctx)) changes.set('diff', '<Obfuscated Template>');
          else if (!r.showChanges) changes.set('diff', '<show_changes=False>');
          else {
            const d = diffOf(readFileSync(real), readFileSync(sfn), { ignoring: r.ignoring });
            differs = d.differs;
            if (d.text) changes.set('diff', d.text);
          }
          const failed = put(sfn, real);
          if (failed) return failed;
        }
      }
      if (r.contents !== null) {
        const bytes = contentBytes(r.contents, r.encoding);
        const d = diffOf(readFileSync(real), bytes, {
          ignoring: r.ignoring,
          show: r.showChanges,
          hidden: obfuscates(ctx),
        });
        differs = d.differs;
        if (d.text) {
          changes.set('diff', d.text);
          const failed = putBytes(bytes, real, put);
          if (failed) return failed;
        }
      }
      if (isLink(name) && !r.follow) {
        if (!sfn && source && !fetch()) return missing();
        if (sfn) {
          const wrong = wrongSum();
          if (wrong) return wrong;
          const failed = put(sfn, name);
          if (failed) return failed;
          changes.set('diff', 'Replace symbolic link with regular file');
        }
      }
      checkPerms(name, ret, { ...wanted, follow: r.follow }, ctx);
      if (changes.size) {
        ret.set('comment', `File ${name} updated`);
        skip();
      } else if (ret.get('result')) ret.set('comment', `File ${name} is in the correct state`);
      return ret;
    }
    const folder = dirname(name);
    const folders = (): PyDict | undefined => {
      if (isDir(folder)) return undefined;
      if (!r.makedirs) {
        changes.delete('diff');
        return fail(ret, 'Parent directory not present');
      }
      makedirs(name, r.user, r.group, r.dirMode ?? folderMode(mode), ctx);
      return undefined;
    };
    const test = ctx.opts.get('test') === true;
    if (source) {
      if (!fetch()) return missing();
      const wrong = wrongSum();
      if (wrong) return wrong;
      changes.set('diff', 'New file');
      if (r.newFileDiff) changes.set('diff', diffOf(Buffer.alloc(0), readFileSync(sfn), {}).text);
      const failed = folders();
      if (failed) return failed;
    } else {
      const failed = folders();
      if (failed) return failed;
      if (!test) {
        writeFileSync(name, '', { flag: 'a', mode: truth(mode) ? 0o600 : 0o666 });
        if (r.contents === null) {
          changes.set('new', `file ${name} created`);
          ret.set('comment', 'Empty file');
        } else changes.set('diff', 'New file');
      }
    }
    if (r.contents !== null) {
      const bytes = contentBytes(r.contents, r.encoding);
      if (r.newFileDiff && changes.get('diff') === 'New file')
        changes.set('diff', diffOf(Buffer.alloc(0), bytes, {}).text);
      const failed = putBytes(bytes, name, put);
      if (failed) return failed;
    } else if (sfn) {
      const failed = put(sfn, name);
      if (failed) return failed;
    }
    checkPerms(name, ret, { ...wanted, mode: mode ?? (0o666 & ~process.umask()).toString(8) }, ctx);
    if (!truth(ret.get('comment') as Py)) ret.set('comment', `File ${name} updated`);
    if (test) ret.set('comment', `File ${name} not updated`);
    else if (!changes.size && ret.get('result')) ret.set('comment', `File ${name} is in the correct state`);
    skip();
    return ret;
  } finally {
    if (sfn) dropScratch(sfn);
  }
}

function putBytes(
  bytes: Buffer,
  to: string,
  put: (from: string, to: string) => PyDict | undefined,
): PyDict | undefined {
  const tmp = scratch(bytes);
  try {
    return put(tmp, to);
  } finally {
    dropScratch(tmp);
  }
}

/** `file.check_file_meta`: what a managed file differs in from what is there. */
export function checkFileMeta(r: ManageRequest, got: Managed, ctx: ModuleCtx): { changes: PyDict; differs: boolean } {
  const changes = new PyDict();
  const name = pathOf(r.name);
  const now = factsOf(name, r.follow);
  let differs = false;
  if (!now && !r.newFileDiff) return { changes: new PyDict([['newfile', name]]), differs: true };
  const old = (): Buffer => (now ? readFileSync(name) : Buffer.alloc(0));
  if (got.sum && (!now || hashOf(name, got.sum.type) !== got.sum.sum)) {
    let { sfn } = got;
    if (!sfn && truth(r.source)) {
      const cached = ctx.salt.call('cp.cache_file', [r.source, r.saltenv], {
        source_hash: got.sum.sum,
        verify_ssl: r.verifySsl,
      });
      sfn = truth(cached) ? str(cached) : '';
    }
    if (sfn) {
      const d = diffOf(old(), readFileSync(sfn), { ignoring: r.ignoring, hidden: obfuscates(ctx) });
      changes.set('diff', d.text);
      differs = d.differs;
    } else changes.set('sum', 'Checksum differs');
  }
  if (r.contents !== null) {
    const d = diffOf(old(), contentBytes(r.contents, r.encoding), { ignoring: r.ignoring });
    differs = d.differs;
    if (d.text) changes.set('diff', obfuscates(ctx) ? '<Obfuscated Template>' : d.text);
  }
  if (!now) return { changes, differs };
  if (r.user !== null && r.user !== now.user && r.user !== now.uid) changes.set('user', r.user);
  if (r.group !== null && r.group !== now.group && r.group !== now.gid) changes.set('group', r.group);
  const mode = normalMode(r.mode);
  if (mode !== null && mode !== now.mode) changes.set('mode', mode);
  if (truth(r.attrs)) {
    const own = new Set((attributes(name, ctx) ?? []).filter((c) => c !== 'e'));
    const want = new Set([...str(r.attrs)].filter((c) => c !== 'e'));
    if ([...own].some((c) => !want.has(c)) || [...want].some((c) => !own.has(c))) changes.set('attrs', r.attrs);
  }
  return { changes, differs };
}

/** What a managed file would change: entries of `changes`, or why it cannot be told. */
export function checkManaged(
  given: ManageRequest,
  ctx: ModuleCtx,
): { changes: PyDict; differs: boolean } | { error: string } {
  const [source, hash] = sourceList(given.source, given.hash, given.saltenv, ctx);
  let r: ManageRequest = { ...given, source, hash };
  let got: Managed = { sfn: '', sum: undefined, error: '' };
  try {
    if (r.contents === null) {
      got = getManaged(r, ctx);
      if (got.error) return { error: got.error };
      if (got.sfn && truth(source) && r.keepMode) {
        const { scheme } = parseSource(str(source));
        if (scheme === 'salt' || scheme === 'file' || str(source).startsWith('/'))
          r = { ...r, mode: ctx.salt.call('cp.stat_file', [source], { saltenv: r.saltenv, octal: true }) };
      }
    }
    return checkFileMeta(r, got, ctx);
  } finally {
    if (got.sfn) dropScratch(got.sfn);
  }
}

/** `file.get_diff`: the difference of two files, of this machine or by address. Throws CommandExecutionError where one is missing. */
export function getDiff(
  files: readonly [Py, Py],
  o: {
    saltenv: string;
    hashes: readonly [Py, Py];
    names: boolean;
    show: boolean;
    template: boolean;
    ignoring: Ignoring;
  },
  ctx: ModuleCtx,
): Py {
  const errors: string[] = [];
  const paths: string[] = [];
  files.forEach((f, i) => {
    const own = str(f);
    if (own.startsWith('/') && existsSync(own)) {
      paths.push(own);
      return;
    }
    try {
      const cached = ctx.salt.call('cp.cache_file', [f, o.saltenv], { source_hash: o.hashes[i] ?? null });
      if (cached === false) errors.push(`File ${own} not found`);
      else paths.push(str(cached));
    } catch (e) {
      if (!(e instanceof SaltError) || e.code !== 'MinionError') throw e;
      errors.push(e.message);
    }
  });
  if (errors.length)
    throw new SaltError('CommandExecutionError', `Failed to cache one or more files`, { info: errors });
  const [a, b] = paths.map((p) => {
    try {
      return readFileSync(p);
    } catch (e) {
      throw new SaltError('CommandExecutionError', `Failed to read ${p}: ${messageOf(e)}`);
    }
  }) as [Buffer, Buffer];
  const d = diffOf(a, b, {
    ignoring: o.ignoring,
    show: o.show,
    hidden: o.template && obfuscates(ctx),
    ...(o.names ? { names: [paths[0] as string, paths[1] as string] as const } : {}),
  });
  return ignores(o.ignoring) ? PyTuple.from_<Py>([d.differs, d.text]) : d.text;
}
