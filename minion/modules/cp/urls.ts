/** Files by address: the web's go into a cache of their own. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { saltUrl } from '../../../sls/files/client.ts';
import { localHash, MinionFiles } from '../../file-client.ts';
import { fetchSync } from '../../process/fetch.ts';
import type { ModuleCtx } from '../contract.ts';

/** Schemes that name a file elsewhere. */
export const REMOTE = new Set(['http', 'https', 'ftp', 'salt', 's3', 'swift']);

/** Kinds of hashes by how long they are. */
const HASHES: { readonly [length: number]: string } = {
  128: 'sha512',
  96: 'sha384',
  64: 'sha256',
  56: 'sha224',
  40: 'sha1',
  32: 'md5',
};

/** The scheme of an address, empty for a path. */
export const schemeOf = (url: string): string => (/^([A-Za-z][\w+.-]*):\/\//.exec(url)?.[1] ?? '').toLowerCase();

/** Where a file of the web lies once it is cached. Throws for an address that leads out of the cache. */
export function webPlace(url: string, saltenv: string, ctx: ModuleCtx): string {
  const u = new URL(url);
  const name = u.search ? `${decodeURIComponent(u.pathname)}-${u.search.slice(1)}` : decodeURIComponent(u.pathname);
  const root = join(ctx.opts.str('cachedir'), 'extrn_files', saltenv, u.host.replace(':', ''));
  const path = join(root, name);
  if (path !== root && !path.startsWith(`${root}/`))
    throw new SaltError('CommandExecutionError', `Invalid path in ${u.origin}`);
  return name.length > 200 ? join(root, createHash('sha256').update(name).digest('hex')) : path;
}

/** How {@link getUrl} fetches. */
export interface UrlOptions {
  readonly saltenv: string;
  readonly makedirs?: boolean;
  readonly sourceHash?: string | undefined;
  readonly verify?: boolean;
  readonly etag?: boolean;
}

/** An address without what opens it. */
export const withoutSecret = (url: string): string => url.replace(/^(\w+:\/\/)[^@/]+@/, '$1');

/**
 * The path of a file by its address: `to` (a folder takes it under its own name), or, when `to` is empty, its place in the cache.
 * Undefined when a `salt://` file or the folder for it is missing. Throws MinionError for what the web answers.
 */
export function getUrl(url: string, to: string, o: UrlOptions, ctx: ModuleCtx): string | undefined {
  const scheme = schemeOf(url);
  const files = new MinionFiles(ctx.opts, ctx.master, ctx.log);
  if (scheme === 'salt') {
    const u = saltUrl(url);
    return files.fetch(u.path, to, { saltenv: u.saltenv ?? o.saltenv, makedirs: o.makedirs ?? false });
  }
  if (scheme === '' || scheme === 'file') {
    const path = scheme === 'file' ? decodeURIComponent(url.slice('file://'.length)) : url;
    if (!isAbsolute(path)) throw new SaltError('CommandExecutionError', `Path '${path}' is not absolute`);
    return path.length > 1 ? path.replace(/\/+$/, '') : path;
  }
  if (scheme !== 'http' && scheme !== 'https')
    throw new SaltError('MinionError', `Error reading ${withoutSecret(url)}: files can't be fetched by ${scheme} here`);
  let dest = to === '' ? webPlace(url, o.saltenv, ctx) : to;
  if (to !== '' && (to.endsWith('/') || (statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false)))
    dest = join(
      to,
      url
        .replace(/[?#].*$/, '')
        .split('/')
        .at(-1) || 'index.html',
    );
  if (to === '' && o.sourceHash) {
    const sum = o.sourceHash.split('=').at(-1) as string;
    const type = HASHES[sum.length];
    if (type && localHash(dest, type)?.sum === sum) return dest;
  }
  if (!existsSync(dirname(dest))) {
    if (to !== '' && !o.makedirs) return undefined;
    mkdirSync(dirname(dest), { recursive: true });
  }
  return download(url, dest, o, ctx);
}

function download(url: string, dest: string, o: UrlOptions, ctx: ModuleCtx): string {
  const part = `${dest}.part`;
  const tagFile = `${dest}.etag`;
  const headers: Record<string, string> = {};
  if (o.etag && existsSync(tagFile) && existsSync(dest))
    headers['if-none-match'] = readFileSync(tagFile, 'utf8').trim();
  const r = fetchSync({
    url,
    headers,
    to: part,
    timeout: ctx.opts.num('http_request_timeout', 3600),
    verify: o.verify !== false && ctx.opts.get('verify_ssl') !== false,
    ...(ctx.opts.str('ca_bundle') ? { ca: ctx.opts.str('ca_bundle') } : {}),
  });
  if (r.status === 304) return dest;
  if (r.error !== undefined || r.status >= 400 || r.status === 0) {
    rmSync(part, { force: true });
    const path = normalize(new URL(url).pathname);
    throw new SaltError('MinionError', `Error: ${r.error ?? `HTTP ${r.status}`} reading ${path}`);
  }
  renameSync(part, dest);
  const tag = r.headers['etag'];
  if (o.etag && tag) writeFileSync(tagFile, tag);
  return dest;
}
