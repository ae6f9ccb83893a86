/** Files between master and minion. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { saltUrl } from '../../sls/files/client.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { pyRegex } from '../../sls/regex.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { MinionFiles } from '../file-client.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { getUrl, REMOTE, schemeOf, webPlace, withoutSecret } from './cp/urls.ts';

const doc = docFor('cp');
const text = (a: Args, key: string): string => str(a[key] as Py);
const given = (v: Py | undefined): v is Py => truth(v ?? null);
const files = (ctx: ModuleCtx): MinionFiles => new MinionFiles(ctx.opts, ctx.master, ctx.log);
const envOf = (a: Args, ctx: ModuleCtx): string =>
  given(a['saltenv']) ? text(a, 'saltenv') : ctx.opts.str('saltenv') || 'base';

/** An address and its environment, which a `?saltenv=` of the address decides first. */
function place(a: Args, key: string, ctx: ModuleCtx): { url: string; path: string; saltenv: string } {
  const u = saltUrl(text(a, key));
  const url = text(a, key).startsWith('salt://') ? `salt://${u.path}` : text(a, key);
  return { url, path: u.path, saltenv: u.saltenv ?? envOf(a, ctx) };
}

/** Path and destination rendered as templates, where asked for. */
function named(a: Args, ctx: ModuleCtx): Args {
  if (!given(a['template'])) return a;
  const render = (v: Py): Py =>
    ctx.salt.call('slsutil.renderer', [], { string: v, default_renderer: a['template'] as Py });
  return { ...a, path: render(a['path'] as Py), dest: render(a['dest'] as Py) };
}

function getFile(given_: Args, ctx: ModuleCtx): Py {
  const a = named(given_, ctx);
  const p = place(a, 'path', ctx);
  const client = files(ctx);
  if (!p.url.startsWith('salt://')) {
    if (!client.hash(p.url, p.saltenv)) return '';
    throw new SaltError('MinionError', `Unsupported path: ${p.url}`);
  }
  if (!client.hash(p.url, p.saltenv)) return '';
  return (
    client.fetch(p.path, text(a, 'dest'), {
      saltenv: p.saltenv,
      makedirs: truth(a['makedirs'] as Py),
      gzip: given(a['gzip']) ? Number(a['gzip']) : 0,
    }) ?? false
  );
}

function getTemplate(a: Args, ctx: ModuleCtx): Py {
  const saltenv = envOf(a, ctx);
  const source = cacheFile(
    { path: a['path'] as Py, saltenv, source_hash: null, verify_ssl: true, use_etag: false },
    ctx,
  );
  if (typeof source !== 'string' || !existsSync(source)) return '';
  const kwargs = new PyDict(a['kwargs'] as PyDict);
  kwargs.delete('env');
  kwargs.set('path', source);
  kwargs.set('default_renderer', a['template'] as Py);
  kwargs.set('saltenv', saltenv);
  let rendered: string;
  try {
    rendered = str(ctx.salt.call('slsutil.renderer', [], kwargs));
  } catch (e) {
    ctx.log.error(`Failed to render template with error: ${messageOf(e)}`);
    return '';
  }
  const url = text(a, 'path');
  const dest = given(a['dest'])
    ? text(a, 'dest')
    : schemeOf(url) === 'http' || schemeOf(url) === 'https'
      ? webPlace(url, saltenv, ctx)
      : join(ctx.opts.str('cachedir'), 'extrn_files', saltenv, saltUrl(url).path);
  if (!existsSync(dirname(dest))) {
    if (given(a['dest']) && !truth(a['makedirs'] as Py)) return '';
    mkdirSync(dirname(dest), { recursive: true });
  }
  writeFileSync(dest, rendered);
  return dest;
}

function getDir(given_: Args, ctx: ModuleCtx): Py {
  const a = named(given_, ctx);
  const p = place(a, 'path', ctx);
  const path = p.path.replace(/\/+$/, '');
  const cut = path.includes('/') ? path.lastIndexOf('/') + 1 : 0;
  const client = files(ctx);
  const dest = text(a, 'dest');
  const done: Py[] = [];
  for (const f of client.source.list(p.saltenv, path)) {
    if (!f.startsWith(`${path}/`)) continue;
    done.push(client.fetch(f, `${dest}/${f.slice(cut)}`, { saltenv: p.saltenv, makedirs: true }) ?? false);
  }
  for (const d of client.source.emptyDirs(p.saltenv, path)) {
    if (!d.startsWith(`${path}/`)) continue;
    mkdirSync(`${dest}/${d.slice(cut)}`, { recursive: true });
    done.push(`${dest}/${d.slice(cut)}`);
  }
  return done.sort();
}

function cacheFile(a: Args, ctx: ModuleCtx): Py {
  const saltenv = envOf(a, ctx);
  const path = text(a, 'path');
  const remote = REMOTE.has(schemeOf(path));
  const key = `cp.cache_file_|-${path}_|-${saltenv}`;
  const known = remote ? ctx.context.get(key) : undefined;
  if (typeof known === 'string' && statSync(known, { throwIfNoEntry: false })?.isFile()) return known;
  const found = getUrl(
    path,
    '',
    {
      saltenv,
      makedirs: true,
      sourceHash: given(a['source_hash']) ? text(a, 'source_hash') : undefined,
      verify: a['verify_ssl'] !== false,
      etag: truth(a['use_etag'] ?? false),
    },
    ctx,
  );
  if (found === undefined && !truth(a['use_etag'] ?? false))
    ctx.log.error(`Unable to cache file '${path}' from saltenv '${saltenv}'.`);
  if (remote && found !== undefined) ctx.context.set(key, found);
  return found ?? false;
}

const cacheOne = (path: string, saltenv: string, ctx: ModuleCtx): Py =>
  cacheFile({ path, saltenv, source_hash: null, verify_ssl: true, use_etag: false }, ctx);

function cacheDir(a: Args, ctx: ModuleCtx): Py {
  const p = place(a, 'path', ctx);
  if (!p.url.startsWith('salt://')) throw new SaltError('MinionError', `Unsupported path: ${p.url}`);
  const folder = p.path.endsWith('/') ? p.path : `${p.path}/`;
  const client = files(ctx);
  const fits = (f: string, v: Py): boolean => {
    const pattern = str(v);
    return pattern.startsWith('E@') ? pyRegex(pattern.slice(2)).search(f) !== null : fnmatch(f, pattern);
  };
  const wanted = (f: string): boolean =>
    (!given(a['include_pat']) || fits(f, a['include_pat'])) && !(given(a['exclude_pat']) && fits(f, a['exclude_pat']));
  const out = client
    .list(p.saltenv)
    .filter((f) => f.startsWith(folder) && wanted(f))
    .flatMap((f) => client.cache(f, p.saltenv) ?? []);
  if (truth(a['include_empty'] as Py))
    for (const d of client.source.emptyDirs(p.saltenv, ''))
      if (d.startsWith(folder)) {
        const here = client.place(d, p.saltenv);
        mkdirSync(here, { recursive: true });
        out.push(here);
      }
  return out;
}

function isCached(path: string, saltenv: string, ctx: ModuleCtx): string {
  const bare = path.replace(/^salt:\/\//, '').replace(/^[|/]+/, '');
  const cachedir = ctx.opts.str('cachedir');
  const places = [join(cachedir, 'files', saltenv, bare), join(cachedir, 'localfiles', bare)];
  if (schemeOf(path) === 'http' || schemeOf(path) === 'https') places.push(webPlace(path, saltenv, ctx));
  return places.find((x) => existsSync(x)) ?? '';
}

function walk(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    return (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false) ? walk(path) : [path];
  });
}

function hashFile(a: Args, ctx: ModuleCtx): Py {
  const p = place(a, 'path', ctx);
  const h = files(ctx).hash(p.url, p.saltenv);
  if (!h) {
    if (p.url.startsWith('salt://')) return '';
    ctx.log.warning(`specified file ${p.url} is not present to generate hash`);
    return new PyDict();
  }
  const both: [Py, Py][] = [
    ['hash_type', h.type],
    ['hsum', h.sum],
  ];
  return new PyDict<Py>(p.url.startsWith('salt://') ? both : both.reverse());
}

/** Sends a file to the master in pieces. */
function push(path: string, keepLinks: boolean, uploadPath: string, removeSource: boolean, ctx: ModuleCtx): Py {
  if (path.includes('../') || !isAbsolute(path) || uploadPath.includes('../')) return false;
  let real = path;
  if (!keepLinks)
    try {
      real = realpathSync(path);
    } catch {
      return false;
    }
  if (!statSync(real, { throwIfNoEntry: false })?.isFile()) return false;
  const parts = normalize(uploadPath || real)
    .split('/')
    .filter(Boolean);
  const size = statSync(real).size;
  const block = Buffer.allocUnsafe(ctx.opts.num('file_buffer_size', 262_144));
  const fd = openSync(real, 'r');
  try {
    for (let loc = 0, sent = false; ; sent = true) {
      const n = readSync(fd, block, 0, block.length, loc);
      if (n === 0 && sent) break;
      const ok = ctx.master.request('_file_recv', {
        path: parts,
        size,
        loc,
        data: new Uint8Array(block.subarray(0, n)),
      });
      if (!truth(ok)) {
        ctx.log.error(
          "cp.push Failed transfer failed. Ensure master has 'file_recv' set to 'True' and that the file is not larger than the 'file_recv_max_size' setting on the master.",
        );
        return ok;
      }
      loc += n;
    }
  } finally {
    closeSync(fd);
  }
  if (removeSource) rmSync(real, { recursive: true });
  return true;
}

function pushDir(a: Args, ctx: ModuleCtx): Py {
  const given_ = text(a, 'path');
  if (given_.includes('../') || !isAbsolute(given_) || !existsSync(given_)) return false;
  const path = realpathSync(given_);
  const upload = given(a['upload_path']) ? text(a, 'upload_path') : '';
  if (statSync(path).isFile()) return push(path, false, upload, false, ctx);
  const all = walk(path).filter((f) => !given(a['glob']) || fnmatch(basename(f), text(a, 'glob')));
  if (!all.length) return false;
  for (const f of all) {
    const ok = push(f, false, upload ? join('/', upload, f.slice(path.length)) : '', false, ctx);
    if (!truth(ok)) return ok;
  }
  return true;
}

function recv(a: Args): Py {
  const dest = text(a, 'dest');
  const isFolder = (p: string): boolean => statSync(p, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const out = new PyDict();
  for (const [path, data] of a['files'] as PyDict) {
    let final: string;
    if (basename(str(path)) === basename(dest) && !isFolder(dest)) final = dest;
    else if (isFolder(dest)) final = join(dest, basename(str(path)));
    else if (isFolder(dirname(dest))) final = dest;
    else return 'Destination unavailable';
    try {
      writeFileSync(final, str(data));
      out.set(final, true);
    } catch {
      out.set(final, false);
    }
  }
  return out;
}

function recvChunk(a: Args, ctx: ModuleCtx): Py {
  const dest = text(a, 'dest');
  if (!ctx.context.has('retcode')) ctx.context.set('retcode', 0);
  try {
    if (a['chunk'] === null) {
      if (statSync(dest, { throwIfNoEntry: false })?.isFile()) return 'Path exists and is a file';
      mkdirSync(dest, { recursive: true });
      return true;
    }
    const raw = Buffer.from(text(a, 'chunk'), 'base64');
    const append = truth(a['append'] as Py);
    mkdirSync(dirname(dest), { recursive: true });
    writeFileSync(dest, truth(a['compressed'] as Py) ? gunzipSync(raw) : raw, { flag: append ? 'a' : 'w' });
    if (!append && a['mode'] !== null) chmodSync(dest, Number(a['mode']));
    return true;
  } catch (e) {
    ctx.context.set('retcode', 1);
    return messageOf(e);
  }
}

const CACHE = 'path, saltenv=None, source_hash=None, verify_ssl=True, use_etag=False';

export default {
  doc: "Fetches the master's files and others by their address, and sends files to the master.",
  functions: {
    get_file: fn(
      'get_file(path, dest, saltenv=None, makedirs=False, template=None, gzip=None, **kwargs)',
      doc(
        "Copies a file of the master's to a path. makedirs=True makes missing folders; template=jinja renders the two names first; gzip is the level of compression on the way.",
        'get_file salt://web/nginx.conf /etc/nginx/nginx.conf',
        "get_file 'salt://{{ grains.os }}.conf' /tmp/a.conf template=jinja",
      ),
      getFile,
    ),
    get_template: fn(
      "get_template(path, dest, template='jinja', saltenv=None, makedirs=False, **kwargs)",
      doc(
        "Renders a file of the master's and writes the result to a path.",
        'get_template salt://motd.jinja /etc/motd',
      ),
      getTemplate,
    ),
    get_dir: fn(
      'get_dir(path, dest, saltenv=None, template=None, gzip=None, **kwargs)',
      doc("Copies a folder of the master's into a folder.", 'get_dir salt://web/conf.d /etc/nginx'),
      getDir,
    ),
    get_url: fn(
      "get_url(path, dest='', saltenv=None, makedirs=False, source_hash=None)",
      doc(
        'Copies a file by its address (salt, http, https or a path) to a path, or into the cache. With dest=None its content is the answer.',
        'get_url salt://a.conf /etc/a.conf',
        'get_url https://example.com/a.conf /etc/a.conf',
      ),
      (a, ctx: ModuleCtx) => {
        const to = typeof a['dest'] === 'string' ? a['dest'] : '';
        const found = getUrl(
          text(a, 'path'),
          to,
          {
            saltenv: envOf(a, ctx),
            makedirs: truth(a['makedirs'] as Py),
            sourceHash: given(a['source_hash']) ? text(a, 'source_hash') : undefined,
          },
          ctx,
        );
        if (found === undefined) {
          ctx.log.error(`Unable to fetch file ${withoutSecret(text(a, 'path'))} from saltenv ${envOf(a, ctx)}.`);
          return false;
        }
        return typeof a['dest'] === 'string' ? found : readFileSync(found, 'utf8');
      },
    ),
    get_file_str: fn(
      'get_file_str(path, saltenv=None)',
      doc('The content of a file by its address; False when there is none.', 'get_file_str salt://motd'),
      (a, ctx: ModuleCtx) => {
        const path = cacheOne(text(a, 'path'), envOf(a, ctx), ctx);
        if (typeof path !== 'string') return path;
        try {
          return readFileSync(path, 'utf8');
        } catch {
          return false;
        }
      },
    ),
    cache_file: fn(
      `cache_file(${CACHE})`,
      doc(
        'Fetches a file by its address into the cache and answers its path there; False when there is none. source_hash saves fetching what is there already.',
        'cache_file salt://web/nginx.conf',
        'cache_file salt://web/nginx.conf?saltenv=dev',
      ),
      cacheFile,
    ),
    cache_file_ssh: fn(
      `cache_file_ssh(${CACHE})`,
      doc('Another name of cp.cache_file.', 'cache_file_ssh salt://web/nginx.conf'),
      cacheFile,
    ),
    cache_dest: fn(
      'cache_dest(url, saltenv=None)',
      doc(
        'Where a file by its address would lie in the cache.',
        'cache_dest salt://web/nginx.conf',
        'cache_dest https://example.com/a.conf',
      ),
      (a, ctx: ModuleCtx) => {
        const url = text(a, 'url');
        const scheme = schemeOf(url);
        if (scheme === '') return url;
        if (scheme !== 'salt') return webPlace(url, envOf(a, ctx), ctx);
        const p = place(a, 'url', ctx);
        return files(ctx).place(p.path, p.saltenv);
      },
    ),
    cache_files: fn(
      'cache_files(paths, saltenv=None)',
      doc(
        'Fetches several files into the cache: a list or comma separated.',
        'cache_files salt://a.conf,salt://b.conf',
      ),
      (a, ctx: ModuleCtx) => {
        const paths =
          typeof a['paths'] === 'string' ? a['paths'].split(',') : [...iterate(a['paths'] as Py)].map((p) => str(p));
        return paths.map((p) => cacheOne(p, envOf(a, ctx), ctx));
      },
    ),
    cache_dir: fn(
      'cache_dir(path, saltenv=None, include_empty=False, include_pat=None, exclude_pat=None)',
      doc(
        "Fetches a folder of the master's into the cache. include_pat and exclude_pat are globs, or regular expressions after E@.",
        'cache_dir salt://web',
        "cache_dir salt://web include_pat='E@.*\\.conf$'",
      ),
      cacheDir,
    ),
    cache_master: fn(
      'cache_master(saltenv=None)',
      doc('Fetches all files of an environment into the cache.', 'cache_master'),
      (a, ctx: ModuleCtx) => {
        const client = files(ctx);
        return client.list(envOf(a, ctx)).map((f) => client.cache(f, envOf(a, ctx)) ?? false);
      },
    ),
    cache_local_file: fn(
      'cache_local_file(path)',
      doc('Copies a file of the minion into its cache.', 'cache_local_file /etc/hosts'),
      (a, ctx: ModuleCtx) => {
        const path = text(a, 'path');
        if (!existsSync(path)) return '';
        const dest = join(ctx.opts.str('cachedir'), 'localfiles', path.replace(/^\/+/, ''));
        mkdirSync(dirname(dest), { recursive: true });
        copyFileSync(path, dest);
        return dest;
      },
    ),
    list_states: fn(
      'list_states(saltenv=None)',
      doc('Names of all SLS files of an environment.', 'list_states'),
      (a, ctx: ModuleCtx) =>
        [
          ...new Set(
            files(ctx)
              .list(envOf(a, ctx))
              .filter((f) => f.endsWith('.sls'))
              .map((f) => f.replace(/(?:\/init)?\.sls$/, '').replaceAll('/', '.')),
          ),
        ].sort(),
    ),
    list_master: fn(
      "list_master(saltenv=None, prefix='')",
      doc('All files of an environment, or those below a folder.', 'list_master', 'list_master prefix=web'),
      (a, ctx: ModuleCtx) => files(ctx).source.list(envOf(a, ctx), text(a, 'prefix')),
    ),
    list_master_dirs: fn(
      "list_master_dirs(saltenv=None, prefix='')",
      doc('All folders of an environment.', 'list_master_dirs'),
      (a, ctx: ModuleCtx) => files(ctx).source.dirs(envOf(a, ctx), text(a, 'prefix')),
    ),
    list_master_symlinks: fn(
      "list_master_symlinks(saltenv=None, prefix='')",
      doc('All links of an environment, and what they point to.', 'list_master_symlinks'),
      (a, ctx: ModuleCtx) => files(ctx).source.links(envOf(a, ctx), text(a, 'prefix')),
    ),
    list_minion: fn(
      'list_minion(saltenv=None)',
      doc("All files in the minion's cache.", 'list_minion'),
      (a, ctx: ModuleCtx) => {
        const cachedir = ctx.opts.str('cachedir');
        return [...walk(join(cachedir, 'files', envOf(a, ctx))), ...walk(join(cachedir, 'localfiles'))].sort();
      },
    ),
    is_cached: fn(
      'is_cached(path, saltenv=None)',
      doc('Where a file lies in the cache; empty when it does not.', 'is_cached salt://web/nginx.conf'),
      (a, ctx: ModuleCtx) => {
        const p = place(a, 'path', ctx);
        return isCached(p.url, p.saltenv, ctx);
      },
    ),
    hash_file: fn(
      'hash_file(path, saltenv=None)',
      doc("Hash of a file of the master's, or of the minion's own.", 'hash_file salt://web/nginx.conf'),
      hashFile,
    ),
    hash_file_ssh: fn(
      'hash_file_ssh(path, saltenv=None)',
      doc('Another name of cp.hash_file.', 'hash_file_ssh salt://web/nginx.conf'),
      hashFile,
    ),
    stat_file: fn(
      'stat_file(path, saltenv=None, octal=True)',
      doc(
        "Mode of a file of the master's, or of the minion's own; octal=False as a number.",
        'stat_file salt://web/nginx.conf',
      ),
      (a, ctx: ModuleCtx) => {
        const p = place(a, 'path', ctx);
        const mode = files(ctx).stat(p.url, p.saltenv)?.[0];
        if (mode === undefined) return null;
        return a['octal'] === true ? (mode & 0o7777).toString(8).padStart(4, '0') : mode;
      },
    ),
    envs: fn('envs()', doc("Names of the master's environments.", 'envs'), (_a, ctx: ModuleCtx) => files(ctx).envs()),
    push: fn(
      'push(path, keep_symlinks=False, upload_path=None, remove_source=False)',
      doc(
        'Sends a file to the master, which must have file_recv: True. upload_path gives it another name there.',
        'push /var/log/syslog',
        'push /var/log/syslog upload_path=logs/syslog',
      ),
      (a, ctx: ModuleCtx) =>
        push(
          text(a, 'path'),
          truth(a['keep_symlinks'] as Py),
          given(a['upload_path']) ? text(a, 'upload_path') : '',
          truth(a['remove_source'] as Py),
          ctx,
        ),
    ),
    push_dir: fn(
      'push_dir(path, glob=None, upload_path=None)',
      doc("Sends a folder's files to the master, those that a glob fits.", "push_dir /etc/nginx glob='*.conf'"),
      pushDir,
    ),
    recv: fn(
      'recv(files, dest)',
      doc('Writes files that the salt-cp command sends; not for hand use.', 'recv files dest'),
      recv,
    ),
    recv_chunked: fn(
      'recv_chunked(dest, chunk, append=False, compressed=True, mode=None)',
      doc('Writes a piece of a file that the salt-cp command sends; not for hand use.', 'recv_chunked dest chunk'),
      recvChunk,
    ),
  },
} satisfies ExecutionModule;
