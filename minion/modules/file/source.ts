/** Where a managed file's content comes from: sources, their hashes, templates. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { type FileClient, LocalFiles, readTemplate, saltUrl } from '../../../sls/files/client.ts';
import { Roots } from '../../../sls/files/roots.ts';
import { escapeRegex, pyRegex } from '../../../sls/regex.ts';
import { renderJinja, SaltLookup } from '../../../sls/render/jinja.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import { MinionFiles } from '../../file-client.ts';
import { plainPillar } from '../../pillar.ts';
import type { ModuleCtx } from '../contract.ts';
import { HASHES, hashOf } from './inspect.ts';

/** Schemes of sources; others are no scheme. */
const SCHEMES = new Set(['salt', 'file', 'http', 'https', 'ftp', 'swift', 's3']);
/** Those fetched from elsewhere than the master. */
const WEB = new Set(['http', 'https', 'ftp', 'swift', 's3']);

/** A source's parts: scheme (empty for a path), and path. */
export function parseSource(source: string): { scheme: string; path: string } {
  const m = /^([A-Za-z][\w+.-]*):\/\/(.*)$/s.exec(source);
  if (!m) return { scheme: '', path: source };
  return { scheme: (m[1] as string).toLowerCase(), path: (m[2] as string).replace(/[?#].*$/s, '') };
}

/** Whether a source is fetched from the web. */
export const isWeb = (source: string): boolean => WEB.has(parseSource(source).scheme);

/** An address without the password in it. */
export const redacted = (url: string): string => url.replace(/^(\w+:\/\/)[^/@]*@/, '$1<redacted>@');

const hex = (n: number): string | undefined => [...HASHES].find(([, len]) => len === n)?.[0];

/** A hash and its kind. */
export interface Sum {
  readonly type: string;
  readonly sum: string;
}

function badHash(given: Py): never {
  throw new SaltError(
    'CommandExecutionError',
    `Source hash ${str(given)} format is invalid. The supported formats are: 1) a hash, 2) an expression in the format <hash_type>=<hash>, or 3) either a path to a local file containing hashes, or a URI of a remote hash file. Supported protocols for remote hash files are: ${[...SCHEMES].sort().join(', ')}. The hash may also not be of a valid length, the following are supported hash types and lengths: ${[...HASHES].map(([t, n]) => `${t} (${n})`).join(', ')}.`,
  );
}

/** `file.extract_hash`: the hash for a file in a file of hashes; the first one found where none is named so. */
export function extractHash(
  path: string,
  o: { type: string; file: string; source: string; name: Py },
): Sum | undefined {
  const length = HASHES.get(o.type);
  const lengths = [...HASHES.values()];
  const digits = length === undefined ? `${Math.min(...lengths)},${Math.max(...lengths)}` : String(length);
  const hash = new RegExp(`(?<![a-z0-9])([a-f0-9]{${digits}})(?![a-z0-9])`, 'i');
  const found = new Map<string, Sum>();
  let first: Sum | undefined;
  const named = (line: string, whole: string, last: string, signs: string): boolean => {
    if (line.endsWith(last)) return signs.includes(line[line.length - last.length - 1] ?? '\u0000');
    return pyRegex(`${escapeRegex(whole)}\\s+`).match(line) !== null;
  };
  const blanks = ' \t\n\r\v\f';
  for (const raw of readFileSync(path, 'utf8').split('\n')) {
    const line = raw.trim();
    const sum = hash.exec(line)?.[1];
    const type = sum === undefined ? undefined : hex(sum.length);
    if (sum === undefined || type === undefined) continue;
    const one = { type, sum };
    first ??= one;
    const own = truth(o.name) ? str(o.name) : '';
    if (own && !found.has('name') && named(line, own, own, blanks)) found.set('name', one);
    if (o.file && !found.has('file') && named(line, o.file, basename(o.file), `${blanks}\\/*`)) found.set('file', one);
    if (
      o.source &&
      !found.has('source') &&
      named(line, o.source, basename(parseSource(o.source).path), `${blanks}\\/*`)
    )
      found.set('source', one);
  }
  return found.get('name') ?? found.get('file') ?? found.get('source') ?? first;
}

/** What is known about a source besides its address. */
export interface SourceRules {
  readonly hash: Py;
  readonly hashName: Py;
  readonly skipVerify: boolean;
  readonly verifySsl: Py;
  readonly useEtag: boolean;
}

/** `file.get_source_sum`: a `source_hash` in any of its forms as kind and hash. Throws CommandExecutionError for anything else. */
export function sourceSum(
  o: { file: string; source: string; hash: Py; name: Py; saltenv: string; verifySsl: Py },
  ctx: ModuleCtx,
): Sum {
  if (!isStr(o.hash)) badHash(o.hash);
  const given = str(o.hash);
  let path: string | undefined;
  const { scheme } = parseSource(given);
  if (given.startsWith('/')) path = given;
  else if (SCHEMES.has(scheme)) {
    const cached = ctx.salt.call('cp.cache_file', [given, o.saltenv], { verify_ssl: o.verifySsl });
    if (!truth(cached)) throw new SaltError('CommandExecutionError', `Source hash file ${redacted(given)} not found`);
    path = str(cached);
  } else if (scheme) badHash(given);
  if (path !== undefined) {
    const found = extractHash(path, { type: '', file: o.file, source: o.source, name: o.name });
    if (!found) badHash(given);
    return { type: found.type, sum: found.sum.toLowerCase() };
  }
  const eq = given.indexOf('=');
  let type: string;
  let sum: string;
  if (eq >= 0) {
    type = given.slice(0, eq).trim();
    sum = given.slice(eq + 1).trim();
  } else {
    if (!/^[0-9a-fA-F]+$/.test(given)) badHash(given);
    sum = given;
    type = hex(sum.length) ?? badHash(given);
  }
  const length = HASHES.get(type);
  const real = hex(sum.length);
  if (length === undefined)
    throw new SaltError(
      'CommandExecutionError',
      `Invalid hash type '${type}'. Supported hash types are: ${[...HASHES.keys()].join(', ')}. Either remove the hash type and simply use '${sum}' as the source_hash, or change the hash type to a supported type.`,
    );
  if (real === undefined) badHash(given);
  if (sum.length !== length)
    throw new SaltError(
      'CommandExecutionError',
      `Invalid length (${length}) for hash type '${type}'. Either remove the hash type and simply use '${sum}' as the source_hash, or change the hash type to '${real}'`,
    );
  return { type, sum: sum.toLowerCase() };
}

/** `file.source_list`: the first source of a list that is there, with its hash. Throws CommandExecutionError when none is. */
export function sourceList(source: Py, hash: Py, saltenv: string, ctx: ModuleCtx): [Py, Py] {
  if (!Array.isArray(source)) return [source, hash];
  const listed = new Map<string, Set<string>>();
  const names = (env: string): Set<string> => {
    let s = listed.get(env);
    if (!s) {
      const all = [
        ...(ctx.salt.call('cp.list_master', [env]) as Py[]),
        ...(ctx.salt.call('cp.list_master_dirs', [env]) as Py[]),
      ];
      s = new Set(all.map((f) => str(f)));
      listed.set(env, s);
    }
    return s;
  };
  const isThere = (url: string): boolean => {
    const { scheme, path } = parseSource(url);
    if (scheme === 'salt') {
      const u = saltUrl(url);
      return names(u.saltenv ?? saltenv).has(u.path);
    }
    if (scheme === 'file') return existsSync(path);
    if (scheme.startsWith('http') || scheme === 'ftp') return truth(ctx.salt.call('cp.cache_file', [url, saltenv]));
    return url.startsWith('/') && existsSync(url);
  };
  for (const one of source as Py[]) {
    if (one instanceof PyDict) {
      if (one.size !== 1) continue;
      const [[url, own]] = [...one] as [[Py, Py]];
      if (isThere(str(url))) return [str(url), truth(own) ? own : hash];
    } else if (isStr(one) && isThere(str(one))) return [str(one), hash];
  }
  throw new SaltError('CommandExecutionError', 'none of the specified sources were found');
}

/** Files that templates import from. */
function templateFiles(ctx: ModuleCtx): FileClient {
  return ctx.opts.str('file_client') === 'local' || !ctx.master.available
    ? new LocalFiles(new Roots(ctx.opts))
    : new MinionFiles(ctx.opts, ctx.master, ctx.log);
}

/** Template engines there are. */
export const ENGINES: ReadonlySet<string> = new Set(['jinja', 'py']);

/** Renders a template text as `file.managed` does: with salt, grains, pillar, opts and further variables. */
export function renderText(
  text: string,
  o: {
    readonly engine: string;
    readonly saltenv: string;
    readonly context: PyDict;
    readonly path?: string;
    readonly more?: PyDict;
  },
  ctx: ModuleCtx,
): string {
  const variables = new PyDict<Py>([
    ['salt', new SaltLookup(plainPillar(ctx.salt, ctx.context))],
    ['grains', ctx.grains],
    ['pillar', ctx.pillar],
    ['opts', optsOf(ctx)],
    ['saltenv', o.saltenv],
    ...(o.more ?? []),
    ...o.context,
  ]);
  const client = templateFiles(ctx);
  return renderJinja(text, variables, {
    opts: ctx.opts,
    log: ctx.log,
    path: o.path ?? '<template>',
    sls: '',
    find: (path) => {
      const found = client.cache(path, o.saltenv);
      return found === undefined ? undefined : { path: found, source: readTemplate(found) };
    },
  });
}

function optsOf(ctx: ModuleCtx): PyDict {
  const opts = new PyDict(ctx.opts.data);
  opts.set('grains', ctx.grains);
  opts.set('pillar', ctx.pillar);
  return opts;
}

/** A scratch file of ours, named so that it is known as one. */
export function scratch(content: string | Uint8Array = '', suffix = '', folder = tmpdir()): string {
  const path = join(folder, `__salt.tmp.${randomBytes(6).toString('hex')}${suffix}`);
  writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
  return path;
}
/** Removes a scratch file; anything else stays. */
export function dropScratch(path: string): void {
  if (basename(path).startsWith('__salt.tmp.')) rmSync(path, { force: true });
}

/** What a managed file is to be made of: a file on this machine, its hash, or why there is none. */
export interface Managed {
  sfn: string;
  sum: Sum | undefined;
  error: string;
}

/** What {@link getManaged} takes. */
export interface ManagedRequest extends SourceRules {
  readonly name: string;
  readonly template: Py;
  readonly source: Py;
  readonly saltenv: string;
  readonly context: Py;
  readonly defaults: Py;
  readonly user: Py;
  readonly group: Py;
  readonly mode: Py;
  readonly attrs: Py;
}

/** `file.get_managed`: fetches and renders the source of a managed file. */
export function getManaged(r: ManagedRequest, ctx: ModuleCtx): Managed {
  const none = (error: string): Managed => ({ sfn: '', sum: undefined, error });
  if (!truth(r.source)) return { sfn: '', sum: undefined, error: '' };
  const source = str(r.source);
  const parsed = parseSource(source);
  const scheme = SCHEMES.has(parsed.scheme) ? parsed.scheme : '';
  const own = scheme === '' ? source : parsed.path.replace(/\/+$/, '');
  let sfn = '';
  let sum: Sum | undefined;
  if (scheme === '' || scheme === 'file') {
    sfn = own;
    if (!existsSync(sfn)) return none(`Local file source ${sfn} does not exist`);
  }
  if (scheme === 'salt') {
    const h = ctx.salt.call('cp.hash_file', [source, r.saltenv]);
    if (!(h instanceof PyDict) || !h.size) return none(`Source file ${source} not found in saltenv '${r.saltenv}'`);
    sum = { type: str(h.get('hash_type') as Py), sum: str((h.get('hsum') ?? h.get('hash')) as Py) };
  } else if (!truth(r.hash) && (scheme === '' || scheme === 'file'))
    sum = { type: 'sha256', sum: hashOf(own, 'sha256') };
  else if (!r.skipVerify) {
    if (truth(r.hash))
      try {
        sum = sourceSum(
          { file: r.name, source, hash: r.hash, name: r.hashName, saltenv: r.saltenv, verifySsl: r.verifySsl },
          ctx,
        );
      } catch (e) {
        if (!(e instanceof SaltError) || e.code !== 'CommandExecutionError') throw e;
        return none(`Unable to manage file: ${e.message}`);
      }
    else if (!r.useEtag)
      return none(
        `Unable to verify upstream hash of source file ${redacted(source)}, please set source_hash or set skip_verify to True`,
      );
  }
  if (!truth(r.template) && !WEB.has(scheme)) return { sfn, sum, error: '' };
  const cached = str(ctx.salt.call('cp.is_cached', [source, r.saltenv]));
  let again = false;
  if (cached && existsSync(cached) && (truth(r.hash) || r.skipVerify || r.useEtag)) {
    const type = sum?.type ?? 'sha256';
    const now = hashOf(cached, type);
    if (r.skipVerify) {
      sfn = cached;
      sum = { type, sum: now };
    } else if (r.useEtag || now !== sum?.sum) again = true;
    else sfn = cached;
  }
  if (!sfn || again)
    try {
      const got = ctx.salt.call('cp.cache_file', [source, r.saltenv], {
        source_hash: sum?.sum ?? null,
        verify_ssl: r.verifySsl,
        use_etag: r.useEtag,
      });
      sfn = truth(got) ? str(got) : '';
    } catch (e) {
      return none(`Failed to cache ${redacted(source)}: ${messageOf(e)}`);
    }
  if (!sfn || !existsSync(sfn)) return { sfn, sum: undefined, error: `Source file '${redacted(source)}' not found` };
  if (sfn === r.name) throw new SaltError('SaltInvocationError', 'Source file cannot be the same as destination');
  if (!truth(r.template)) return { sfn, sum, error: '' };
  const engine = str(r.template);
  if (engine !== 'jinja') return { sfn, sum: undefined, error: `Specified template format ${engine} is not supported` };
  const context = new PyDict<Py>([
    ...(r.defaults instanceof PyDict ? r.defaults : []),
    ...(r.context instanceof PyDict ? r.context : []),
  ]);
  const more = new PyDict<Py>([
    ['name', r.name],
    ['source', source],
    ['user', r.user],
    ['group', r.group],
    ['mode', r.mode],
    ['attrs', r.attrs],
  ]);
  try {
    const text = renderText(readTemplate(sfn), { engine, saltenv: r.saltenv, context, path: sfn, more }, ctx);
    const made = scratch(text);
    return { sfn: made, sum: { type: 'sha256', sum: hashOf(made, 'sha256') }, error: '' };
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return { sfn, sum: undefined, error: e.message };
  }
}
